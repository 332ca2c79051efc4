"""Open the built site in a headless Chromium and use it as a reader does: on a desktop, in the dark, on a phone.

    python docs/development/check_site.py docs/site

This needs playwright and an installed Chromium. Without Chromium, the script says so and succeeds.
"""

import contextlib
import functools
import http.server
import pathlib
import shutil
import sys
import threading
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
PHONE = {"width": 390, "height": 844}
# The right edge of the widest table of a page, in pixels.
WIDEST_TABLE = "Math.max(0, ...[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right))"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: str) -> Iterator[str]:
    """Serve a folder on a free port, and yield its URL."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def read(page: Page, url: str) -> None:
    """Use the start page: select a tab, search for a word, follow a link."""
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_contain_text("openai-responses")
    page.get_by_text("Async", exact=True).first.click()
    expect(page.get_by_text("AsyncOpenAI").first).to_be_visible()
    expect(page.get_by_title("Copy to clipboard").first).to_be_attached()

    page.get_by_role("button", name="Search").click()
    page.keyboard.type("refusal")
    page.get_by_role("option").filter(has_text="Builders").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Builders")

    page.goto(url)
    page.get_by_role("article").get_by_role("link", name="I want to").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("I want to")


def check_in_colors(window: Browser, url: str) -> None:
    """Read the site in light and in dark. Fail on an error of a script, a missing file, or a request elsewhere."""
    backgrounds, mistakes = set(), []
    for color_scheme in ("light", "dark"):
        page = window.new_page(color_scheme=color_scheme)
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        page.on("request", lambda request: mistakes.append(request.url) if url not in request.url else None)
        page.on("response", lambda response: mistakes.append(response.url) if response.status > 399 else None)
        read(page, url)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert not mistakes, mistakes
    assert len(backgrounds) == 2, "the dark scheme has the background of the light one"


def check_on_a_phone(window: Browser, url: str, folder: str) -> None:
    """Open every page on the screen of a phone. Fail if a table doesn't fit."""
    page = window.new_page(viewport=PHONE)
    for file in sorted(pathlib.Path(folder).glob("*.html")):
        page.goto(f"{url}/{file.name}")
        width = page.evaluate(WIDEST_TABLE)
        assert width <= PHONE["width"], f"a table of {file.name} is {width} pixels wide"


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"THE SITE WAS NOT OPENED: none of {', '.join(BROWSERS)} is installed here")
        return
    with sync_playwright() as playwright, serving(sys.argv[1]) as url:
        window = playwright.chromium.launch(executable_path=browser, args=OPTIONS)
        check_in_colors(window, url)
        check_on_a_phone(window, url, sys.argv[1])
    print("opened, searched, followed a link, in light and in dark; all tables fit a phone")


if __name__ == "__main__":
    main()

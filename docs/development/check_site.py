"""Opens the built site in a headless Chromium as a reader would: the start page, a search, a link, the two colours.

    python docs/development/check_site.py docs/site

It needs playwright and a Chromium that is installed, and says so where there is none.
"""

import contextlib
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator

from playwright.sync_api import Page, expect, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving(folder: str) -> Iterator[str]:
    """The address of a folder."""
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def read(page: Page, address: str) -> None:
    """The start page, its tabs and copy buttons; a word that is searched; a link that is followed."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("openai-responses")
    page.get_by_text("Async", exact=True).first.click()
    expect(page.get_by_text("AsyncOpenAI").first).to_be_visible()
    expect(page.get_by_title("Copy to clipboard").first).to_be_attached()

    page.get_by_role("button", name="Search").click()
    page.keyboard.type("refuses")
    page.get_by_role("option").filter(has_text="Builders").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Builders")

    page.goto(address)
    page.get_by_role("article").get_by_role("link", name="I want to").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("I want to")


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"THE SITE WAS NOT OPENED: none of {', '.join(BROWSERS)} is installed here")
        return
    with sync_playwright() as playwright, serving(sys.argv[1]) as address:
        window = playwright.chromium.launch(executable_path=browser, args=OPTIONS)
        backgrounds, mistakes = set(), []
        for colours in ("light", "dark"):
            page = window.new_page(color_scheme=colours)
            page.on("pageerror", lambda error: mistakes.append(str(error)))
            page.on("request", lambda request: mistakes.append(request.url) if address not in request.url else None)
            page.on("response", lambda response: mistakes.append(response.url) if response.status > 399 else None)
            read(page, address)
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert not mistakes, mistakes
    assert len(backgrounds) == 2, "dark is as light"
    print("opened, searched, followed a link, in light and in dark")


if __name__ == "__main__":
    main()

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
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("openai-responses")
    background = "getComputedStyle(document.body).backgroundColor"
    light, _ = page.evaluate(background), page.emulate_media(color_scheme="dark")
    assert page.evaluate(background) != light, "dark is as light"

    page.get_by_text("Async", exact=True).first.click()
    expect(page.get_by_text("AsyncOpenAI").first).to_be_visible()
    expect(page.get_by_title("Copy to clipboard").first).to_be_attached()

    page.get_by_role("button", name="Search").first.click()
    page.get_by_role("textbox").or_(page.get_by_role("combobox")).first.fill("refuses")
    page.get_by_role("link", name="refuses").first.click()
    expect(page).not_to_have_url(f"{address}/")

    page.goto(address)
    page.get_by_role("article").get_by_role("link", name="I want to").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("I want to")


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"THE SITE WAS NOT OPENED: none of {', '.join(BROWSERS)} is installed here")
        return
    with sync_playwright() as playwright, serving(sys.argv[1]) as address:
        page = playwright.chromium.launch(executable_path=browser, args=OPTIONS).new_page()
        mistakes: list[str] = []
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        page.on("requestfailed", lambda request: mistakes.append(request.url))
        read(page, address)
        assert not mistakes, mistakes
    print("opened, searched, followed a link, light and dark")


if __name__ == "__main__":
    main()

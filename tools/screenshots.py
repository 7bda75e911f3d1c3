"""Picture every page of the built site: wide and narrow, light and dark.

Run as ``make screenshots``, or ``python tools/screenshots.py _build/html FOLDER``. The pictures are
for looking at; they are not part of the repository.
"""

import functools
import itertools
import shutil
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

WIDTHS = {"wide": 1280, "narrow": 390}
SCHEMES = ("light", "dark")
LEFT_OUT = {"genindex", "py-modindex", "search"}
# A full page of the library reference would be taller than a picture may be.
TALLEST = 12_000


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line on stderr for each."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def picture(browser: Browser, address: str, page_name: str, folder: Path) -> None:
    """Write the four pictures of one page.

    Args:
        browser: A running browser.
        address: Where the site is served.
        page_name: The page's path in the site, without its suffix.
        folder: Where the pictures go.
    """
    for (name, width), scheme in itertools.product(WIDTHS.items(), SCHEMES):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{address}/{page_name}.html", wait_until="networkidle")
        page.evaluate("() => window.MathJax?.startup?.promise")
        height = min(page.evaluate("() => document.documentElement.scrollHeight"), TALLEST)
        page.set_viewport_size({"width": width, "height": height})
        path = folder / f"{page_name.replace('/', '-')}-{name}-{scheme}.png"
        page.screenshot(path=path)
        print(path)
        context.close()


def main(site: Path, folder: Path) -> None:
    """Serve the site on this machine and picture its pages.

    Args:
        site: The built site.
        folder: Where the pictures go; created where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    executable = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if executable is None:
        sys.exit("no browser: neither chromium nor google-chrome is on the path")
    pages = [path.relative_to(site).with_suffix("") for path in sorted(site.rglob("*.html"))]
    names = [str(page) for page in pages if page.parts[0] not in {"_static", *LEFT_OUT}]
    handler = functools.partial(QuietHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        for name in names:
            picture(browser, f"http://127.0.0.1:{server.server_address[1]}", name, folder)
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: screenshots.py SITE FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The built site behind a local server, and a browser that reaches nothing else."""

import functools
import os
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browsing import SITE, Visit
from playwright.sync_api import sync_playwright
from workbench import ROOT, environment, make_command

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Every name but the local host is unknown to the browser, besides what a page's requests meet.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line on stderr for each."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def address():
    """Where the book of the present sources is served; built first where it is out of date."""
    made = subprocess.run(
        make_command("book"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.fail(f"make book failed:\n{made.stdout[-3000:]}", pytrace=False)
    handler = functools.partial(QuietHandler, directory=SITE)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    named = os.environ.get("CHROMIUM")
    executable = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.fail(
            f"no browser: none of {', '.join(BROWSERS)} is on the path and $CHROMIUM is not set; "
            "on Debian: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """A fresh page."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    yield Visit(context.new_page(), address)
    context.close()

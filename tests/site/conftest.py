"""The built site behind a local server, and a browser that reaches nothing else."""

import functools
import os
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import sync_playwright
from workbench import ROOT, environment, make_command

SITE = ROOT / "_build" / "html"
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


class Visit:
    """One page of the site as a reader without a network gets it."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.outside, self.failed, self.console = [], [], []
        page.route("**/*", self._admit)
        page.on("requestfailed", lambda request: self.failed.append(request.url))
        page.on("response", self._check_status)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def _admit(self, route):
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(url)
            route.abort()

    def _check_status(self, response):
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _note(self, message):
        if message.type in {"error", "warning"}:
            self.console.append(message.text)

    def open(self, name):
        self.page.goto(f"{self.address}/{name}", wait_until="networkidle")
        # MathJax typesets after loading; without it on the page there is nothing to wait for.
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page

    def assert_quiet(self):
        assert self.outside == [], "requests to other hosts"
        assert self.failed == [], "failed requests"
        assert self.console == [], "messages on the console"


@pytest.fixture
def visit(browser, address, request):
    """A fresh page; parametrize it with ``(width, colour scheme)`` for another than the default."""
    width, scheme = getattr(request, "param", (1280, "light"))
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    yield Visit(context.new_page(), address)
    context.close()

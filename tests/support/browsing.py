"""A page of the built site in a browser: what it asks for, and what of it is cut off."""

from workbench import ROOT

SITE = ROOT / "_build" / "html"

# Equations, code and tables are looked at where they are shown; each fault is one line.
FAULTS = """() => {
  const faults = [];
  const say = (what, element) =>
    faults.push(`${what}: ${element.textContent.trim().replace(/\\s+/g, " ").slice(0, 80)}`);
  const box = (element) => element.getBoundingClientRect();
  const goesOn = (element) => element.scrollWidth > element.clientWidth + 1;
  const shown = (selector) =>
    [...document.querySelectorAll(`main article ${selector}`)].filter((e) => e.checkVisibility());
  // A box that goes on must scroll, inside the column, and say so with a shadow.
  const scrolls = (element) =>
    /auto|scroll/.test(getComputedStyle(element).overflowX) &&
    getComputedStyle(element).backgroundImage.includes("gradient") &&
    box(element).right <= innerWidth;
  const narrow = innerWidth < 1000;

  for (const math of shown("mjx-container[display='true']")) {
    const frame = math.closest("div.math").parentElement;
    const column = box(frame).right - parseFloat(getComputedStyle(frame).paddingRight) + 1;
    const table = math.querySelector("mjx-math > mjx-mtable[side] > mjx-table");
    const body = table ? table.querySelector("mjx-itable") : math.querySelector("mjx-math");
    const number = table && math.querySelector("mjx-labels > mjx-itable");
    if (number) {
      const [a, b] = [box(number), box(body)];
      if (a.width < 2 || a.right > column || a.left < box(frame).left) say("number cut off", math);
      const scroller = Math.min(b.right, box(table).right);
      if (scroller > a.left + 1 && b.bottom > a.top + 2 && b.top < a.bottom - 2)
        say("number on the equation", math);
    }
    if (math.classList.contains("wide")) {
      if (!narrow) say("equation to be broken", math);
      const scroller = table || math;
      if (goesOn(scroller) && !scrolls(scroller)) say("equation does not scroll", math);
    } else if (box(body).right > column || box(body).left < box(frame).left - 1) {
      say("equation cut off", math);
    }
  }
  for (const code of shown("div.highlight pre"))
    if (goesOn(code) && !(narrow && scrolls(code))) say("code cut off", code);
  for (const table of shown("table")) {
    const frame = table.parentElement;
    if ((goesOn(frame) || goesOn(table)) && !scrolls(frame)) say("table cut off", table);
  }
  return faults;
}"""

SIDEWAYS = """() => {
  const root = document.documentElement;
  if (Math.max(root.scrollWidth, document.body.scrollWidth) <= innerWidth) return [];
  return [...document.querySelectorAll("main *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map((element) => element.outerHTML.slice(0, 150));
}"""


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

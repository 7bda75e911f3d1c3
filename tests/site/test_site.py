"""Every page of the built book reads offline, on a wide screen and a phone, light and dark."""

import itertools
import re

import pytest
import yaml
from workbench import ROOT


def read_pages():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]]
    names += [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [f"{name}.html" for name in names]


PAGES = read_pages()
MATHS_PAGES = [page for page in PAGES if re.search(r"chapters/(\d\d_|notation|api)", page)]
SCREENS = list(itertools.product((1280, 390), ("light", "dark")))
screens = pytest.mark.parametrize(
    "visit", SCREENS, indirect=True, ids=[f"{width}-{scheme}" for width, scheme in SCREENS]
)


@screens
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole(visit, name):
    page = visit.open(name)
    visit.assert_quiet()
    assert page.locator("main article h1").count() == 1
    assert_images(page)
    assert_no_sideways_scrolling(page)


def assert_images(page):
    for image in page.locator("main img").all():
        image.scroll_into_view_if_needed()
        assert (image.get_attribute("alt") or "").strip(), image.get_attribute("src")
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")


def assert_no_sideways_scrolling(page):
    sizes = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"
    )
    assert max(sizes[:2]) <= sizes[2], widest_elements(page)


def widest_elements(page):
    """What sticks out on the right, for the message of a failing test."""
    return page.evaluate(
        """() => [...document.querySelectorAll('main *')]
            .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5).map(element => element.outerHTML.slice(0, 150))"""
    )


@pytest.mark.parametrize("name", MATHS_PAGES)
def test_maths_is_rendered(visit, name):
    page = visit.open(name)
    assert page.locator("mjx-container").count() > 0
    assert page.locator("mjx-merror, .MathJax_Error, .math:not(:has(mjx-container))").count() == 0
    # The glyphs come from the site's own fonts.
    assert page.evaluate(
        "() => [...document.fonts].some(f => f.family.includes('MJX') && f.status == 'loaded')"
    )


@pytest.mark.parametrize("name", PAGES)
def test_no_source_of_an_equation_is_left(visit, name):
    page = visit.open(name)
    text = page.evaluate(
        """() => {
            const article = document.querySelector('main article').cloneNode(true);
            article.querySelectorAll('pre, code, mjx-container').forEach(node => node.remove());
            return article.textContent;
        }"""
    )
    assert not re.search(r"\$|\\\(|\\\[|\\mathbf|\\frac|\{eq\}|\{cite", text)


def test_search_finds_the_detector(visit):
    page = visit.open("search.html?q=MAPRT")
    page.locator("#search-results li").first.wait_for(timeout=10_000)
    links = [link.get_attribute("href") for link in page.locator("#search-results li > a").all()]
    assert any("01_end_to_end_learning" in link for link in links)
    visit.assert_quiet()


def test_reader_can_choose_dark(visit):
    page = visit.open(PAGES[0])
    theme = page.locator("html")
    seen = set()
    for _ in range(3):
        page.locator("button.theme-switch-button").first.click()
        seen.add(theme.get_attribute("data-theme"))
    assert seen == {"light", "dark"}
    visit.assert_quiet()


@pytest.mark.parametrize("name", PAGES)
def test_every_link_within_the_site_leads_somewhere(visit, name):
    page = visit.open(name)
    links = page.evaluate(
        """() => [...new Set([...document.querySelectorAll('a[href]')].map(link => link.href))]"""
    )
    inside = [link for link in links if link.startswith(visit.address)]
    assert inside
    site = ROOT / "_build" / "html"
    for link in inside:
        path, _, anchor = link.removeprefix(f"{visit.address}/").partition("#")
        target = site / (path.partition("?")[0] or "index.html")
        assert target.is_file(), link
        if anchor:
            assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), link


def test_a_visit_notices_what_it_must(visit):
    """The observer itself works: an outside request, a missing file and an error are seen."""
    page = visit.open(PAGES[0])
    page.evaluate(
        """async () => {
            await fetch('https://fonts.example.org/a.woff2').catch(() => null);
            await fetch('/no-such-file.js');
            console.error('oh');
        }"""
    )
    assert visit.outside == ["https://fonts.example.org/a.woff2"]
    assert f"404 {visit.address}/no-such-file.js" in visit.failed
    assert "oh" in visit.console

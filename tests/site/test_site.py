"""Every page of the built book reads offline, on a wide screen and a phone, light and dark."""

import functools
import json
import re
from urllib.parse import unquote

import pytest
import yaml
from browsing import FAULTS, SIDEWAYS, SITE, Visit
from workbench import ROOT


def read_pages():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]]
    names += [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [f"{name}.html" for name in names]


PAGES = read_pages()
CHAPTERS = [page for page in PAGES if (ROOT / page).with_suffix(".ipynb").exists()]
MATHS = re.compile(r"chapters/(0[1-5]|notation|api/receivers)")


@pytest.fixture(scope="module", params=PAGES)
def opened(request, browser, address):
    """One page of the book, opened once for all tests of it."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    visit = Visit(context.new_page(), address)
    visit.name = request.param
    visit.open(request.param)
    yield visit
    context.close()


def test_page_has_one_title_an_icon_and_a_description(opened):
    page = opened.page
    assert page.locator("main article h1").count() == 1
    assert page.locator("link[rel='icon']").get_attribute("href").endswith("favicon.svg")
    described = page.locator("meta[name='description']")
    assert described.count() == 1
    assert 20 <= len(described.get_attribute("content")) <= 160
    assert page.title().count("Learned integrated sensing and communication") == 1


def test_images_have_alternative_text_and_are_there(opened):
    for image in opened.page.locator("main img").all():
        image.scroll_into_view_if_needed()
        assert (image.get_attribute("alt") or "").strip(), image.get_attribute("src")
        image.evaluate("image => image.decode()")
        assert image.evaluate("image => image.naturalWidth") > 0


@pytest.mark.parametrize(
    ("scheme", "widths"), [("light", (1440, 1280, 1024, 390)), ("dark", (390,))]
)
def test_nothing_is_cut_off(opened, scheme, widths):
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        # Equations are fitted in the frame after the one that has the new width.
        page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))"
        )
        assert page.evaluate(SIDEWAYS) == [], width
        assert page.evaluate(FAULTS) == [], width


def test_maths_is_rendered(opened):
    page = opened.page
    assert page.locator("mjx-merror, .MathJax_Error, .math:not(:has(mjx-container))").count() == 0
    if MATHS.match(opened.name):
        assert page.locator("mjx-container").count() > 0
        # The glyphs come from the site's own fonts.
        assert page.evaluate(
            "() => [...document.fonts].some(f => f.family.includes('MJX') && f.status == 'loaded')"
        )


def test_no_source_of_an_equation_is_left(opened):
    text = opened.page.evaluate(
        """() => {
            const article = document.querySelector('main article').cloneNode(true);
            const code = article.querySelectorAll('pre, code, dt.sig, mjx-container');
            code.forEach(node => node.remove());
            return article.textContent;
        }"""
    )
    assert not re.search(r"\$|\\\(|\\\[|\\mathbf|\\frac|\{eq\}|\{cite", text)


def test_every_link_within_the_site_leads_somewhere(opened):
    links = opened.page.evaluate(
        """() => [...new Set([...document.querySelectorAll('a[href]')].map(link => link.href))]"""
    )
    inside = [link for link in links if link.startswith(opened.address)]
    assert inside
    for link in inside:
        path, _, anchor = link.removeprefix(f"{opened.address}/").partition("#")
        target = SITE / (path.partition("?")[0] or "index.html")
        assert target.is_file(), link
        if anchor:
            assert f'id="{unquote(anchor)}"' in read_text(target), link


@functools.cache
def read_text(path):
    return path.read_text(encoding="utf-8")


def test_page_stays_quiet(opened):
    """Last, after all that was done to the page."""
    opened.assert_quiet()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_offers_its_notebook_and_no_colab_without_a_repository(name):
    text = read_text(SITE / name)
    twin = (ROOT / name).with_suffix(".ipynb")
    assert f'href="../_downloads/{twin.name}" download' in text
    offered = json.loads(read_text(SITE / "_downloads" / twin.name))["cells"]
    expected = json.loads(read_text(twin))["cells"]
    assert [cell["source"] for cell in offered] == [cell["source"] for cell in expected]
    configured = yaml.safe_load(read_text(ROOT / "_config.yml"))["repository"]["url"]
    assert ("colab" in text) == bool(configured)


def test_gallery_shows_every_figure_of_the_chapters(visit):
    page = visit.open("chapters/figures.html")
    cards = page.locator(".gallery-card")
    figures = sum(
        len(re.findall(r'<figure class="[^"]*" id=', read_text(SITE / name))) for name in CHAPTERS
    )
    assert cards.count() == figures > 40
    target = cards.nth(5).locator("a").first.get_attribute("href")
    cards.nth(5).locator("a").first.click()
    assert page.url.endswith(target.removeprefix("./"))
    page.locator(f"figure[id='{target.partition('#')[2]}']").wait_for(timeout=10_000)


@pytest.mark.parametrize("name", [CHAPTERS[2], "chapters/figures.html"])
def test_a_page_reads_without_scripts(browser, address, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{name}")
    assert page.locator("main article h1").is_visible()
    for picture in page.locator("main article img").all()[:4]:
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
        assert picture.bounding_box()["height"] > 50
    if name in CHAPTERS:
        # Equations are there as TeX.
        assert r"\mathbf" in page.locator("div.math").first.inner_text()
    context.close()


def test_no_page_is_heavy():
    """A page of the reference was 1.8 MB when it was one."""
    for page in PAGES:
        assert (SITE / page).stat().st_size < 500_000, page


@pytest.mark.parametrize(
    ("words", "chapter"),
    [("MAPRT", "01_end_to_end_learning"), ("Cramer-Rao", "05_limits")],
)
def test_search_leads_to_the_chapter_first(visit, words, chapter):
    page = visit.open(f"search.html?q={words}")
    first = page.locator("#search-results li > a").first
    page.locator("#search-results li").nth(3).wait_for(timeout=10_000)
    assert chapter in first.get_attribute("href")
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

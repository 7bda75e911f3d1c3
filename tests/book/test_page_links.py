"""What goes with a page: Colab behind one setting, the notebook's first cell, a description."""

import subprocess
import sys

import nbformat
import pytest
import yaml
from extensions import page_links
from workbench import ROOT, load_tool

chapters = load_tool("chapters")
NOTEBOOK = "chapters/05_limits.ipynb"
PLACE = {"url": "https://github.com/someone/isac-book", "branch": "main"}


def test_no_repository_gives_no_address():
    assert page_links.colab_address("", "main", NOTEBOOK) == ""


@pytest.mark.parametrize("end", ["", "/", ".git"])
def test_colab_opens_the_twin_of_the_repository(end):
    address = page_links.colab_address(f"{PLACE['url']}{end}", "main", NOTEBOOK)
    assert address == (
        f"https://colab.research.google.com/github/someone/isac-book/blob/main/{NOTEBOOK}"
    )


@pytest.mark.parametrize("url", ["isac-book", "https://gitlab.com/a/b", "https://github.com/a"])
def test_another_repository_is_named(url):
    with pytest.raises(ValueError, match=f"must be https://github.com/OWNER/NAME.*{url}"):
        page_links.colab_address(url, "main", NOTEBOOK)


def test_settings_name_a_repository_or_none():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    page_links.colab_address(config["repository"]["url"], config["repository"]["branch"], NOTEBOOK)


def test_a_notebook_begins_with_the_installation_where_there_is_a_repository(monkeypatch):
    source = (ROOT / NOTEBOOK).with_suffix(".md")
    monkeypatch.setattr(chapters, "repository", lambda: {"url": "", "branch": "main"})
    without = chapters.read_source(source)
    monkeypatch.setattr(chapters, "repository", lambda: PLACE)
    first, *rest = chapters.read_source(source).cells
    assert [cell.source for cell in rest] == [cell.source for cell in without.cells]
    assert f"--branch main {PLACE['url']} " in first.source
    nbformat.validate(chapters.read_source(source))


def test_the_installation_does_nothing_where_isaclib_is(tmp_path):
    cell = tmp_path / "cell.ipy"
    cell.write_text(chapters.INSTALL.format_map({"url": "no-such-place", "branch": "main"}))
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", cell],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["cell.ipy"]

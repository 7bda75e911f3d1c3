"""The library reference shows all of the library."""

import re

import pytest
import yaml
from extensions import reference
from workbench import ROOT

PAGES = sorted((ROOT / "chapters" / "api").glob("*.md"))


def expanded(page):
    source = [page.read_text(encoding="utf-8")]
    reference.expand(None, page.stem, source)
    return source[0]


def test_every_shown_module_is_on_one_page_once():
    shown = [name for page in PAGES for name in re.findall(r"automodule:: (\S+)", expanded(page))]
    assert sorted(shown) == sorted(reference.modules())


def test_every_package_has_a_page_in_the_table_of_contents():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    listed = {entry["file"] for part in parts for entry in part["chapters"]}
    assert {f"chapters/api/{page.stem}" for page in PAGES} <= listed
    packages = {name.split(".")[1] for name in reference.modules()}
    assert packages | {"commands", "engine"} == {page.stem for page in PAGES}


@pytest.mark.parametrize(
    "name", ["isaclib", "isaclib.cli", "isaclib.experiments.p1.runs", "isaclib.signal._private"]
)
def test_what_is_not_public_is_not_shown(name):
    assert reference.HIDDEN.match(name) or "._" in name
    assert name not in reference.modules()


def test_a_public_module_of_the_library_cannot_be_hidden_unnoticed():
    library = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "isaclib").rglob("*.py")
        if not path.name.startswith("_") and "experiments" not in path.parts
    }
    assert library - set(reference.modules()) == {
        "isaclib.cli",
        "isaclib.data.cifar10",
        "isaclib.data.synthetic",
    }


def test_commands_are_those_of_the_program():
    text = expanded(ROOT / "chapters" / "api" / "commands.md")
    for command in ("list", "run", "show", "claims", "data cifar10"):
        assert f"## `isaclib {command}`" in text
    assert text.count("\n# ") + text.startswith("# ") == 1

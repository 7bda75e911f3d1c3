"""The library reference shows all of the library."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "isaclib"
# Modules without anything to call: starting points, plumbing, and what one paper runs and draws.
NOT_SHOWN = re.compile(
    r"isaclib(\.__main__|\.cli|\.data\.(cifar10|synthetic)"
    r"|\.experiments\.(engine|limits|p\d|convert.*)"
    r"|\.experiments\.(p\d\.(?!config|scenario|claims)|limits\.(?!config)).*"
    r"|\.experiments\.engine\.(cache|cluster|interrupt|progress|provenance|runs))?$"
)


def public_modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if "._" not in name.replace("__main__", "main"):
            yield name


def test_every_public_module_is_on_the_page_once():
    page = (ROOT / "chapters" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"automodule:: (\S+)", page)
    expected = {name for name in public_modules() if not NOT_SHOWN.match(name)}
    assert set(shown) == expected
    assert len(shown) == len(set(shown))

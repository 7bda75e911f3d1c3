"""The library's rooms import only the rooms below them, and nothing heavy when imported."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PACKAGE = Path(__file__).parents[2] / "isaclib"

# The house, as design.md draws it: what each package may import besides the shared helpers
# (leading underscore).
BELOW_SYSTEMS = {"metrics", "signal", "channels", "data", "receivers", "limits", "learning"}
MAY_IMPORT = {
    "metrics": set(),
    "signal": set(),
    "channels": {"signal"},
    "data": {"signal"},
    "receivers": {"signal", "channels", "data"},
    "limits": {"metrics", "signal", "channels"},
    "learning": {"signal"},
    "systems": BELOW_SYSTEMS,
    "experiments": {*BELOW_SYSTEMS, "systems"},
    "cli": {"experiments", "data"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Everything that has to be quick to start, above all the command line.
LIGHT = ("signal", "channels", "receivers", "limits", "data", "learning.losses")
LIGHT += ("experiments", "cli")
HEAVY = ["matplotlib", "lightning", "pytorch_lightning", "torchmetrics", "dask", "distributed"]


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path):
    """Rooms of isaclib that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package == "isaclib" and rest:
                found.add(rest[0])
    # A module with a leading underscore is a helper without a floor of its own.
    return {room for room in found if not room.startswith("_")} - {room_of(path)}


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_room_imports_only_what_is_below(path):
    room = room_of(path)
    if room.startswith("_") and room not in MAY_IMPORT:
        assert imported_rooms(path) == set(), "a helper knows no package"
    else:
        assert room in MAY_IMPORT, f"{room} has no place in the house yet"
        assert imported_rooms(path) <= MAY_IMPORT[room]


def name_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def light(name):
    """Only what draws, runs on a cluster or belongs to one figure may import what is heavy."""
    heavy = r"isaclib\.experiments\.(p\d|limits|engine\.(cluster|drawing|plotting))\b.*"
    return name.startswith(tuple(f"isaclib.{part}" for part in LIGHT)) and not re.match(heavy, name)


def test_importing_the_package_is_light():
    """A fresh interpreter imports the package, then its light rooms."""
    rooms = sorted(filter(light, map(name_of, SOURCES)))
    script = (
        "import sys, json, os, warnings\n"
        "warnings.simplefilter('error', UserWarning)\n"
        "before = dict(os.environ)\n"
        "import isaclib\n"
        "alone = sorted(sys.modules)\n"
        "import torch\n"
        "torch.manual_seed(7)\n"
        f"for room in {rooms!r}: __import__(room)\n"
        "print(json.dumps({'alone': alone, 'rooms': sorted(sys.modules),\n"
        "    'environment': before == dict(os.environ), 'draw': torch.rand(4).tolist()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert not {"torch", "numpy", "scipy", *HEAVY} & set(report["alone"])
    assert not set(HEAVY) & set(report["rooms"])
    assert not {"scipy.stats"} & set(report["rooms"])
    assert report["environment"]
    # No module draws from the global generator, or seeds it.
    assert report["draw"] == pytest.approx(torch.rand(4, generator=seeded(7)).tolist())


def seeded(seed):
    return torch.Generator().manual_seed(seed)

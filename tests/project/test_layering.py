"""The library's rooms import only the rooms below them, and nothing heavy when imported."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PACKAGE = Path(__file__).parents[2] / "isaclib"

# The house, as design.md draws it: what each room may import besides the rooms' shared
# helpers (leading underscore). A new room has to take its place here.
ARRAYS = {"noise", "arrays"}
SECTORS = {*ARRAYS, "sectors"}
SIGNAL = {*SECTORS, "modulation", "channels", "beamforming", "detection", "estimation"}
SIGNAL |= {"losses", "metrics", "images", "code_channels", "linear_codes"}
SIGNAL |= {"subspace", "ofdm", "ofdm_channels", "ofdm_detection", "multitap", "spacings"}
SIGNAL |= {"angle_delay", "angle_delay_search", "calibration"}
SIGNAL |= {"bounds", "bounds_ofdm", "cramer_rao", "error_rates", "bounds_beams", "bounds_codes"}
MAY_IMPORT = {
    "noise": set(),
    "modulation": set(),
    "losses": set(),
    "metrics": set(),
    "subspace": set(),
    "arrays": {"noise"},
    "spacings": ARRAYS,
    "calibration": ARRAYS,
    "ofdm": {"noise", "subspace"},
    "sectors": ARRAYS,
    "channels": SECTORS,
    "ofdm_channels": {*SECTORS, "ofdm", "channels"},
    "multitap": {*ARRAYS, "ofdm", "channels"},
    "beamforming": SECTORS,
    "detection": ARRAYS,
    "estimation": SECTORS,
    "ofdm_detection": {*ARRAYS, "ofdm"},
    "angle_delay": {*SECTORS, "ofdm", "beamforming"},
    "angle_delay_peak": {"ofdm", "angle_delay"},
    "angle_delay_window": {"ofdm", "angle_delay", "angle_delay_peak"},
    "angle_delay_search": {
        *(*SECTORS, "ofdm", "ofdm_channels"),
        *("angle_delay", "angle_delay_peak", "angle_delay_window"),
    },
    "bounds": {*SECTORS, "channels", "metrics"},
    "bounds_ofdm": {*SECTORS, "subspace", "ofdm", "ofdm_channels", "bounds"},
    "cramer_rao": {*ARRAYS, "ofdm"},
    "error_rates": ARRAYS,
    "bounds_beams": {*ARRAYS, "beamforming", "error_rates"},
    "images": {"noise"},
    "code_channels": {"noise"},
    "linear_codes": {"noise", "images", "code_channels"},
    "bounds_codes": {"code_channels"},
    "training": {"noise"},
    "systems": {*SIGNAL, "training"},
    "results": set(),
    "plotting": {*SIGNAL, "results"},
    "sweep": {"results"},
    "experiments": {*SIGNAL, "training", "systems", "results", "plotting", "sweep", "claims"},
    "claims": {"results", "experiments"},
    "ledger": {"results", "claims"},
    "cli": {"results", "sweep", "claims", "experiments", "images"},
    "_runs": {"experiments", "results", "sweep"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Everything that has to be quick to start, above all the command line.
LIGHT = {*SIGNAL, "results", "sweep", "experiments", "claims", "ledger", "cli"} - {"metrics"}
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
        assert imported_rooms(path) <= SIGNAL, "a helper knows no room above the signal's"
    else:
        assert room in MAY_IMPORT, f"{room} has no place in the house yet"
        assert imported_rooms(path) <= MAY_IMPORT[room]


def test_importing_the_package_is_light():
    """A fresh interpreter imports the package, then its light rooms."""
    rooms = sorted(LIGHT)
    script = (
        "import sys, json, os, warnings\n"
        "warnings.simplefilter('error', UserWarning)\n"
        "before = dict(os.environ)\n"
        "import isaclib\n"
        "alone = sorted(sys.modules)\n"
        "import torch\n"
        "torch.manual_seed(7)\n"
        f"for room in {rooms!r}: __import__('isaclib.' + room)\n"
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

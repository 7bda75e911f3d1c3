"""Importing the library is quick and changes nothing; `make lint` says who may import whom."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PACKAGE = Path(__file__).parents[2] / "isaclib"

# Everything that has to be quick to start, above all the command line.
LIGHT = ("signal", "channels", "receivers", "limits", "data", "learning.losses")
LIGHT += ("experiments", "cli")
HEAVY = ["matplotlib", "lightning", "pytorch_lightning", "torchmetrics", "dask", "distributed"]

SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def light(name):
    """Only what draws, runs on a cluster or belongs to one figure may import what is heavy."""
    heavy = r"isaclib\.experiments\.(p\d|limits|convert|engine\.(cluster|plotting|points))\b.*"
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


PACKAGES = sorted(name_of(path.with_suffix(".py")) for path in PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_of_a_package_is_there(name):
    package = importlib.import_module(name)  # noqa: TID251
    assert package.__all__
    assert len(package.__all__) <= 25
    for public in package.__all__:
        assert getattr(package, public).__class__ is not type(package), "a module hides the name"

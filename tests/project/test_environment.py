"""The four places that say which packages the project needs agree with each other."""

import subprocess
import sys
import tomllib
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def read_lock():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


LOCK = read_lock()
DIRECT = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]


@pytest.mark.parametrize("pin", LOCK.values(), ids=str)
def test_lock_pins_exactly_and_is_what_is_installed(pin):
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert "*" not in specifier.version
    assert pin.specifier.contains(version(pin.name), prereleases=True)


@pytest.mark.parametrize("line", DIRECT)
def test_lock_satisfies_pyproject(line):
    wanted = Requirement(line)
    (pinned,) = LOCK[canonicalize_name(wanted.name)].specifier
    assert wanted.specifier.contains(pinned.version, prereleases=True)


def test_lock_holds_every_transitive_requirement():
    installed = {canonicalize_name(found.name): found for found in distributions()}
    marker = {"extra": ""}
    missing = {
        f"{name} needs {requirement}"
        for name in LOCK
        for requirement in map(Requirement, installed[name].requires or [])
        if requirement.marker is None or requirement.marker.evaluate(marker)
        if canonicalize_name(requirement.name) not in LOCK
        # A CUDA build of torch names its CUDA libraries; pip takes them along with it.
        and not requirement.name.startswith(("nvidia-", "cuda-", "triton"))
        and requirement.name != "pip"
    }
    assert not missing


def test_lock_has_torch_without_cuda():
    assert str(LOCK["torch"]) == "torch==2.13.0"
    assert not [name for name in LOCK if name.startswith(("nvidia", "cuda", "triton"))]


def test_conda_environment_takes_python_and_packages_from_the_same_sources():
    *conda, pip = ENVIRONMENT["dependencies"]
    python = next(line for line in conda if line.startswith("python"))
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    assert "pip" in conda
    # -r and -e are relative to environment.yml, which is where conda runs pip.
    assert pip["pip"] == ["-r requirements.lock", f"-e .[{','.join(EXTRAS)}]"]


def test_pip_part_of_the_conda_environment_resolves_to_the_lock(tmp_path):
    requirements = ROOT / "requirements.conda-test.txt"
    requirements.write_text("\n".join(ENVIRONMENT["dependencies"][-1]["pip"]), encoding="utf-8")
    try:
        report = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--dry-run", "--no-build-isolation"),
                *("--no-index", "--disable-pip-version-check", "-r", requirements.name),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        requirements.unlink()
    assert report.returncode == 0, report.stderr
    # Everything but the project itself stands already, in the pinned versions.
    would_install = [line for line in report.stdout.splitlines() if "Would install" in line]
    assert would_install == [f"Would install isaclib-{PROJECT['version']}"]


def test_versions_agree():
    import isaclib

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert isaclib.__version__ == PROJECT["version"] == citation["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {PROJECT['version']}" in changelog
    assert Version(PROJECT["version"])

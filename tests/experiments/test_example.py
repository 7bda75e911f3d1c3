"""The example of CONTRIBUTING.md: a figure in one file of 40 lines, found, run and drawn."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isaclib.cli import app
from isaclib.experiments import p3
from isaclib.experiments.engine.results import load_result

ROOT = Path(__file__).parents[2]
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Put the file where it would lie: the package gets a second folder."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "snr.py").write_text(EXAMPLE)
    monkeypatch.setattr(p3, "__path__", [*p3.__path__, str(tmp_path / "package")])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("isaclib.experiments.p3.snr", None)


def isaclib(*arguments):
    outcome = CliRunner().invoke(app, [*arguments, "--results", "results"])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_it_is_small():
    assert len(EXAMPLE.splitlines()) <= 40


def test_one_file_is_all_that_a_figure_takes(added):
    assert "p3-snr" in isaclib("list")
    isaclib("run", "p3-snr", "--preset", "smoke", "--state", "runs")
    rows = load_result("p3-snr", "results").rows
    assert rows.coordinates == {
        "system": ["known", "unknown"] * 3,
        "snr_db": [5.0, 5.0, 10.0, 10.0, 15.0, 15.0],
    }
    misses = rows.where(system="known")["p_md"].values
    assert misses == sorted(misses, reverse=True)
    assert isaclib("show", "p3-snr").strip() == "p3-snr.png"
    assert (added / "p3-snr.png").stat().st_size > 10_000


def test_it_passes_the_linters(tmp_path):
    (tmp_path / "snr.py").write_text(EXAMPLE)
    for command in (["check", "--ignore", "D"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", ROOT / "pyproject.toml", "snr.py"],
            cwd=tmp_path,
            check=True,
        )

"""The Makefile offers what the README promises, and does nothing twice."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ("book", "test", "lint", "chapters", "equations", "results", "lab", "clean", "help")


def make(*arguments):
    # Not this make's own options (-j, -n) where the tests run under `make test`.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("target", TARGETS)
def test_help_lists_each_target_once(target):
    lines = make().splitlines()
    assert len([line for line in lines if re.match(rf"  make {target} +\S", line)]) == 1


def test_help_lists_nothing_that_is_not_there():
    for name in re.findall(r"^  make (\w+)", make("help"), flags=re.MULTILINE):
        make("--dry-run", name)


def test_environment_follows_the_lock_and_is_not_made_twice():
    fresh = ("--old-file=requirements.lock", "--old-file=pyproject.toml")
    assert "pip install" not in make("--dry-run", "lint", *fresh)
    assert "pip install" in make("--dry-run", "lint", "--what-if=requirements.lock")
    assert "pip install" in make("--dry-run", "lint", "--what-if=pyproject.toml")


def test_a_change_of_the_library_or_of_a_result_builds_the_book_again():
    for source in ("isaclib/signal/noise.py", "chapters/notation.md", "_config.yml", "_toc.yml"):
        assert "jupyter-book build" in make("--dry-run", "book", f"--what-if={source}")

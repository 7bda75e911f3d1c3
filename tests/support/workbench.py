"""The make targets and their scripts, and a copy of the repository to run a target in."""

import importlib.util
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES = ("Makefile", "requirements.lock", "pyproject.toml", "_config.yml")


def copy_recipes(folder, *more):
    """Copy the Makefile and what it reads (and ``more``), with their times, into ``folder``."""
    for name in (*RECIPES, *more):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    return folder


def environment():
    """The environment of a user's shell: not the make that runs the tests, nor its options."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "JUPYTER", "PYTEST"))
    }


def make_command(*arguments):
    """Call make with this repository's environment, which is up to date while tests run."""
    return [
        *("make", f"VENV={ROOT / '.venv'}", "--old-file=requirements.lock"),
        *("--old-file=pyproject.toml", *arguments),
    ]


def load_tool(name):
    """Import a script of tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

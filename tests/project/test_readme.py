"""What the README and the guide for contributors tell a reader to type exists and works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from isaclib.cli import app
from isaclib.experiments.registry import figures

ROOT = Path(__file__).parents[2]
GUIDES = ("README.md", "CONTRIBUTING.md", "index.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in GUIDES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
for_each_guide = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


@for_each_guide
def test_make_targets_exist(text):
    typed = set(re.findall(r"^make (\w+)|`make (\w+)`", text, flags=re.MULTILINE))
    targets = {first or second for first, second in typed}
    assert targets
    assert targets <= set(re.findall(r"^(\w+):", MAKEFILE, flags=re.MULTILINE))


def code_of(text):
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *spans])


@for_each_guide
def test_commands_options_and_figures_exist(text):
    group = get_command(app)
    for line in re.findall(r"^isaclib (.*)$", code_of(text), flags=re.MULTILINE):
        name, *arguments = line.partition("#")[0].split()
        command = group.commands[name]
        while arguments and arguments[0] in getattr(command, "commands", {}):
            command = command.commands[arguments.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known
        examples = set(re.findall(r'FigureSpec\("(p\d-\w+)"', text))
        named = {word for word in arguments if re.match(r"p\d-", word)}
        assert named <= examples | set(figures())


@for_each_guide
def test_options_named_alone_exist(text):
    group = get_command(app)
    known = {
        option
        for command in group.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    spans = re.findall(r"`(--[\w-]+)[^`]*`", text)
    assert set(spans) <= known


@for_each_guide
def test_files_exist(text):
    paths = re.findall(r"(?<!})`([\w./-]+/[\w.-]*|[\w-]+\.(?:md|toml|yml|lock|cff))`", text)
    paths += re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    made = (".venv", "_build", "runs/")
    relative = ("project/", "book/", "site/")  # folders of tests/, named in its row of the table
    for path in paths:
        if path.startswith(made) or "NN_name" in path:
            continue
        assert (ROOT / ("tests" if path in relative else "") / path).exists(), path


def test_example_runs(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", TEXTS["README.md"], flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # More energy inside the sector, -20 to 20 degrees, than at 40.
    inside, outside = map(float, re.findall(r"\d+\.\d+", done.stdout))
    assert inside > 5 * outside

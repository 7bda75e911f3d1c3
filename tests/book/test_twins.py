"""Each chapter's twin is what executing the chapter gave, and holds nothing of one machine."""

import json
import re

import nbformat
import pytest
from workbench import load_tool

chapters = load_tool("chapters")
SOURCES = chapters.sources()
for_each_chapter = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

# What no text output may hold, since the next machine or run would give another.
VOLATILE = {
    "an absolute path": r"(?<![\w.:/])/(?:home|root|tmp|work|usr|var|opt|Users|private)/",
    "an address": r"0x[0-9a-f]{6,}",
    "a duration": r"\b\d+(?:\.\d+)? ?(?:ms|µs|seconds|minutes|s)\b(?!/)",
    "a speed": r"\b(?:it/s|s/it|steps/s|samples/s)\b",
    "a time of day": r"\b\d{1,2}:\d{2}:\d{2}\b",
    "a progress bar": r"[█▏▎▍▌▋▊▉━]",
    "a full-precision float": r"\b\d\.\d{12,}\b",
    "a warning": r"Warning:",
}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def find_faults(notebook):
    """Why nbval would skip, bless or fail a cell of this twin later; empty for a sound twin."""
    faults = []
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        if cell["execution_count"] is None:
            faults.append(f"cell {index} was not executed")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                faults.append(f"cell {index} failed")
            if output.get("name") == "stderr":
                faults.append(f"cell {index} wrote to stderr")
            faults += [
                f"cell {index} shows {what}"
                for what, pattern in VOLATILE.items()
                if re.search(pattern, text_of(output))
            ]
    return faults


def text_of(output):
    parts = [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
    return "\n".join("".join(part) for part in parts)


def test_there_is_a_chapter():
    assert [path.stem for path in SOURCES] == [
        "01_end_to_end_learning",
        "02_model_driven_learning",
        "03_semi_supervised_learning",
        "04_semantic_communication",
        "05_limits",
        "06_ledger",
        "errata",
        "speed",
        "tour",
    ]


@for_each_chapter
def test_twin_has_the_cells_of_its_source(source):
    expected = chapters.read_source(source)
    twin = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert dict(twin.metadata) == dict(expected.metadata)
    assert [described(cell) for cell in twin.cells] == [described(cell) for cell in expected.cells]


def described(cell):
    return cell.id, cell.cell_type, cell.source, dict(cell.metadata)


@for_each_chapter
def test_twin_is_executed_once_from_top_to_bottom(source):
    cells = [cell for cell in read(source.with_suffix(".ipynb"))["cells"] if "outputs" in cell]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@for_each_chapter
def test_twin_has_no_faults(source):
    assert find_faults(read(source.with_suffix(".ipynb"))) == []


@for_each_chapter
def test_every_figure_has_alternative_text_a_caption_and_a_name(source):
    for index, cell in enumerate(read(source.with_suffix(".ipynb"))["cells"]):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            render = cell["metadata"].get("mystnb", {})
            assert render.get("image", {}).get("alt"), f"cell {index} lacks image: alt:"
            assert render.get("figure", {}).get("caption"), f"cell {index} lacks figure: caption:"
            assert render["figure"].get("name"), f"cell {index} lacks figure: name:"


@for_each_chapter
def test_images_are_png_only(source):
    for cell in read(source.with_suffix(".ipynb"))["cells"]:
        for output in cell.get("outputs", []):
            assert not {"image/svg+xml", "image/jpeg"} & set(output.get("data", {}))


def executed_cell(**changes):
    cell = nbformat.v4.new_code_cell(
        "print(1)",
        execution_count=1,
        outputs=[nbformat.v4.new_output("stream", name="stdout", text="1\n")],
    )
    return {"cells": [{**cell, **changes}]}


def test_fault_finder_accepts_a_sound_cell():
    assert find_faults(executed_cell()) == []


def test_fault_finder_sees_a_cell_without_execution_count():
    assert find_faults(executed_cell(execution_count=None)) == ["cell 0 was not executed"]


def test_fault_finder_sees_a_failed_cell():
    error = nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    assert find_faults(executed_cell(outputs=[error])) == ["cell 0 failed"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("saved /root/x.json", "an absolute path"),
        ("<object at 0x7f01aabbccdd>", "an address"),
        ("done in 3.2 s", "a duration"),
        ("32.1 it/s", "a speed"),
        ("at 12:01:44", "a time of day"),
        ("Epoch 0 ━━━━ 3/4", "a progress bar"),
        ("0.123456789012345", "a full-precision float"),
        ("UserWarning: beware", "a warning"),
    ],
)
def test_fault_finder_sees_what_differs_between_machines(text, what):
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    assert find_faults(executed_cell(outputs=[output])) == [f"cell 0 shows {what}"]

"""Temporary, until the ported papers are merged: every old number is at its new coordinates.

The old documents are those of the commit before the conversion, read from git.
"""

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest
from safetensors.torch import load

from isaclib.experiments.convert.figures import convert_figure
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.p4.config import FADINGS
from isaclib.experiments.p4.figures import FIGURES, UNITS

ROOT = Path(__file__).parents[3]
BEFORE = "a54ea50c14b5eb868304d3a10cbc11a595cd822e"
KIND = "measured"
CHOICES = {
    "two tasks": ("two", "default"),
    "plain loss, two tasks": ("two", "plain loss"),
    "range step": ("two", "ranges"),
    "three tasks": ("three", "default"),
    "known, two tasks": ("two", "known"),
    "known, three tasks": ("three", "known"),
    "plain loss, three tasks": ("three", "plain loss"),
    "other layers": ("two", "layers"),
    "same way back": ("two", "same way"),
    "other range step": ("two", "range step"),
    "ten classes": ("three", "ten classes"),
    "longer, two tasks": ("two", "longer"),
    "longer, three tasks": ("three", "longer"),
}


def old_file(name):
    command = ["git", "-C", ROOT, "show", f"{BEFORE}:results/p4/{name}"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs the history of the repository")
    return done.stdout


def places(figure, config):
    """Coordinates of every series by its name, made from the configuration."""
    found = {}
    for fading in FADINGS:
        learned = {KIND: "performance", "fading": fading}
        gradients, confusion = ({**learned, KIND: kind} for kind in ("gradients", "confusion"))
        for end, epochs in (("", 12), ("/early", 6)):
            at = {**learned, "epochs": epochs}
            default = {"p4-fig4": {"sensing_weight": 0.5}, "p4-fig6": {"snr_db": 3.0}}
            if figure in default:
                found[f"{fading}{end}"] = {**at, "repetition": 0}
                found[f"repetitions/{fading}{end}"] = {**at, **default[figure]}
            for x in config.sweeps() if figure == "p4-fig5" else ():
                found[f"{x}/{fading}{end}"] = {**at, "varied": x}
        if figure == "p4-fig4":
            found[f"afterwards/{fading}"] = {**learned, KIND: "afterwards"}
            found[f"confusion/{fading}"] = confusion
            for weight in config.sensing_weights:
                name = f"gradients/{fading}/weight={weight:.3g}"
                found[name] = {**gradients, "sensing_weight": weight}
        if figure == "p4-fig5":
            linear = {**learned, KIND: "principal components"}
            found[f"linear/communication_snr_db/{fading}"] = {**linear, "size": 20}
            found[f"linear/size/{fading}"] = {**linear, "communication_snr_db": 3.0}
            for count in config.ranges[1:]:
                found[f"confusion/{fading}/ranges={count}"] = {**confusion, "ranges": count}
        for snr in config.snrs_db if figure == "p4-fig6" else ():
            found[f"gradients/{fading}/snr={snr:g}"] = {**gradients, "snr_db": snr}
        for name, (tasks, choice) in CHOICES.items() if figure == "p4-choices" else ():
            if (name, fading) != ("same way back", "awgn"):
                found[f"{name}/{fading}"] = {**learned, "tasks": tasks, "choice": choice}
        if figure == "p4-choices":
            ten = {"tasks": "three", "choice": "ten classes"}
            found[f"confusion/{fading}"] = {**confusion, **ten}
            found[f"gradients/ten classes/{fading}"] = {**gradients, **ten}
    return found


def cell(column, index):
    return None if column is None else column[index]


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_every_old_number_is_at_its_new_coordinates(spec):
    old, result = json.loads(old_file(f"{spec.id}.json")), load_result(spec.id, ROOT / "results")
    known = places(spec.id, spec.config(result))
    assert set(known) == {series["name"] for series in old["series"]}
    coordinates, visited, numbers = result.rows.coordinates, set(), 0
    for series in old["series"]:
        columns = {q["name"]: q for q in series["quantities"]}
        chosen = {k: c for k, c in columns.items() if c["count"] is None and k != "images"}
        for name, column in columns.items():
            if name in chosen:
                continue
            more, quantity = {}, name
            if series["name"].startswith("gradients"):
                tasks = name.removeprefix("norm/").split("~")
                quantity = "cosine" if len(tasks) == 2 else "norm"
                more = {"task": tasks[0], "other": tasks[1] if len(tasks) == 2 else None}
            for index, value in enumerate(column["values"]):
                at = {**known[series["name"]], **more}
                at |= {k: c["values"][index] for k, c in chosen.items()}
                rows = range(len(result.rows))
                (row,) = (i for i in rows if all(coordinates[k][i] == v for k, v in at.items()))
                new = result.rows[quantity]
                assert (None if math.isnan(new.values[row]) else new.values[row]) == value
                for end in ("low", "high", "count"):
                    assert cell(getattr(new, end), row) == cell(column[end], index)
                assert new.unit == UNITS[quantity] == (column["unit"] or "1")
                visited.add(row)
                numbers += 1
    assert visited == set(range(len(result.rows)))
    assert numbers > 200


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_the_stored_results_are_what_the_conversion_gives(spec, tmp_path):
    old = json.loads(old_file(f"{spec.id}.json"))
    (tmp_path / "p4").mkdir()
    for name in (f"{spec.id}.json", *old["provenance"]["weights"]):
        (tmp_path / "p4" / name).write_bytes(old_file(name))
    convert_figure(spec.id, tmp_path)
    for file in (tmp_path / "p4").iterdir():
        assert file.read_bytes() == (ROOT / "results" / "p4" / file.name).read_bytes()
    result = load_result(spec.id, ROOT / "results")
    assert result.config == old["config"]
    for name, value in old["provenance"].items():
        if name not in ("weights", "notes"):
            assert getattr(result.provenance, name) == value
    notes = dict(result.provenance.notes)
    assert notes.pop("converted").startswith("from schema 1 by isaclib ")
    assert notes == old["provenance"]["notes"]
    shutil.rmtree(tmp_path / "p4")


def test_every_old_tensor_is_at_its_new_coordinates():
    where = {
        ("p4-fig4", "awgn"): {"fading": "awgn"},
        ("p4-fig4", "rayleigh"): {"fading": "rayleigh"},
        ("p4-fig5", "communication_snr_db/awgn/-9"): {"communication_snr_db": -9.0},
        ("p4-fig5", "size/awgn/4"): {"size": 4},
    }
    for figure in ("p4-fig4", "p4-fig5"):
        bundle = load(old_file(f"{figure}.safetensors"))
        seen = set()
        for (own, name), at in where.items():
            if own == figure:
                for key, tensor in load_result(figure, ROOT / "results").tensors(**at).items():
                    assert bundle[f"{name}/{key}"].equal(tensor)
                    seen.add(f"{name}/{key}")
        assert seen == set(bundle)

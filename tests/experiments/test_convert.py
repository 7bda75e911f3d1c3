"""Results of the old schema become rows, with all their numbers, and say how they came to be."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from isaclib.cli import app
from isaclib.experiments import registry
from isaclib.experiments.convert import limits, p4
from isaclib.experiments.convert.documents import OLD, Curve
from isaclib.experiments.engine.results import ResultError, content_hash, load_result, result_path
from isaclib.experiments.engine.tasks import key_of
from isaclib.experiments.p3.config import SENSING_PRESETS
from isaclib.experiments.p3.figures import FIG3, checkpoints

CONFIG = SENSING_PRESETS["smoke"]
MARKS = {"SL": [1, 2, 7, 12], "UL": [2, 7, 11, 12], "SL+UL": [1, 2, 7, 12], "UL+SL": [2, 7, 11, 12]}


GRADIENTS = {
    "measured": "gradients",
    "sensing_weight": 16 / 17,
    "task": "reconstruction",
    "other": "sensing",
}
GRADIENT_OF_LABEL = {"measured": "gradients", "task": "label"}
LINEAR = {"measured": "principal components"}
TEN = {"tasks": "three", "choice": "ten classes"}


def quantity(name, values, measured=True):
    column = {"name": name, "unit": "1" if measured else "", "values": values}
    ends = ("low", "high") if measured else ()
    column |= {end: values if end in ends else None for end in ("low", "high")}
    return {**column, "count": [100 + n for n in range(len(values))] if measured else None}


def an_old_document(folder):
    """Fig. 3 at the smoke preset as it was stored: named series, and a bundle of spacings."""
    from safetensors.torch import save_file

    from isaclib._files import sha256_of_file

    series = [
        {"name": f"{name}/0", "quantities": [quantity("p_md", [0.1 * n])]}
        for n, name in enumerate(("known", "unknown", "ideal"))
    ]
    bundle = {}
    for n, (order, marks) in enumerate(MARKS.items()):
        columns = [quantity("iteration", [float(mark) for mark in marks], measured=False)]
        values = [0.3 + 0.01 * n, None, 0.32, 0.33]
        columns.append(quantity("p_md", values))
        series.append({"name": f"{order}/0", "quantities": columns})
        first = {"SL+UL": "SL", "UL+SL": "UL"}.get(order)
        spacings = torch.rand(4, 8, dtype=torch.float64)
        if first:
            change = 1 if order == "SL+UL" else 11
            for row, mark in enumerate(marks):
                if mark <= change:
                    spacings[row] = bundle[f"{first}/0"][MARKS[first].index(mark)]
        bundle[f"{order}/0"] = spacings
    (folder / "p3").mkdir()
    file = folder / "p3" / "p3-fig3.safetensors"
    save_file(bundle, file)
    from dataclasses import asdict

    document = {
        "schema": OLD,
        "figure": "p3-fig3",
        "preset": "smoke",
        "config": json.loads(json.dumps(asdict(CONFIG))),
        "series": series,
        "provenance": {
            "version": "0.1.0",
            "commit": "c" * 40,
            "dirty": False,
            "seed": 0,
            "device": "cpu",
            "torch": "2.13.0",
            "threads": 1,
            "wall_time_s": 2.5,
            "created": "2026-01-31T12:00:00+00:00",
            "weights": {file.name: sha256_of_file(file)},
            "notes": {"reading": "first"},
        },
    }
    document["sha256"] = content_hash(document)
    path = folder / "p3" / "p3-fig3.json"
    path.write_text(json.dumps(document))
    return bundle, document


def convert(folder, *figures):
    return CliRunner().invoke(app, ["results", "convert", *figures, "--results", str(folder)])


def test_names_become_coordinates_and_numbers_stay(tmp_path):
    bundle, before = an_old_document(tmp_path)
    with pytest.raises(ResultError, match="`isaclib results convert p3-fig3`"):
        load_result("p3-fig3", tmp_path)
    outcome = convert(tmp_path, "p3-fig3")
    assert outcome.exit_code == 0, outcome.output
    assert Path(outcome.stdout.strip()) == result_path("p3-fig3", tmp_path)
    result = load_result("p3-fig3", tmp_path)
    assert len(result.rows) == 3 + 4 * 4
    for series in before["series"]:
        system = series["name"].partition("/")[0]
        rows = result.where(system=system, array=0)
        columns = {column["name"]: column for column in series["quantities"]}
        values = [None if math.isnan(v) else v for v in rows["p_md"].values]
        assert values == columns["p_md"]["values"]
        assert rows["p_md"].count == columns["p_md"]["count"]
        if system in MARKS:
            assert rows.at("iteration") == MARKS[system]
            assert all(isinstance(mark, int) for mark in rows.at("iteration"))
    for order, marks in MARKS.items():
        stored = result.tensors(system=order, array=0)
        training = checkpoints(CONFIG, order, 0, 0)[12].training
        before_it = training.start.mark if training.start else 0
        assert stored["marks"].tolist() == list(training.marks)
        own = [marks.index(before_it + mark) for mark in training.marks]
        assert torch.equal(stored["spacings"], bundle[f"{order}/0"][own])
    (known,) = result.where(system="known").tasks
    assert known == key_of(next(iter(FIG3.rows(CONFIG, 0))).task)


def test_provenance_is_kept_and_the_conversion_named(tmp_path):
    _, before = an_old_document(tmp_path)
    convert(tmp_path, "p3-fig3")
    source = load_result("p3-fig3", tmp_path).provenance
    for name, value in before["provenance"].items():
        if name not in ("weights", "notes"):
            assert getattr(source, name) == value
    assert source.notes["reading"] == "first"
    (digest,) = before["provenance"]["weights"].values()
    assert source.notes["converted"].startswith("from schema 1 by isaclib ")
    assert f"p3-fig3.safetensors with SHA-256 {digest}" in source.notes["converted"]
    files = sorted(path.name for path in (tmp_path / "p3").iterdir())
    assert files == sorted(["p3-fig3.json", *source.weights])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda document: document["series"].append(document["series"][0] | {"name": "XL/0"}),
            "no row",
        ),
        (lambda document: document.update(schema=3), "schema must be 1, got 3"),
        (lambda document: document.update(config={}), "its series are not those of p3-fig3 now"),
    ],
)
def test_what_cannot_be_converted_stays(tmp_path, spoil, message):
    an_old_document(tmp_path)
    path = result_path("p3-fig3", tmp_path)
    document = json.loads(path.read_text())
    del document["sha256"]
    spoil(document)
    path.write_text(json.dumps({**document, "sha256": content_hash(document)}))
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    outcome = convert(tmp_path, "p3-fig3")
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_converted_result_or_one_that_is_not_there_is_refused(tmp_path):
    an_old_document(tmp_path)
    convert(tmp_path, "p3-fig3")
    assert "schema must be 1, got 2" in convert(tmp_path, "p3-fig3").stderr
    assert "figure must be one of" in convert(tmp_path, "p3-fig9").stderr
    shutil.rmtree(tmp_path / "p3")
    assert "cannot be read" in convert(tmp_path, "p3-fig3").stderr


def test_limits_take_their_systems_from_the_result_that_was_used():
    """Their old files named its commit, and called every parameter alike."""
    results = Path(__file__).parents[2] / "results"
    systems = load_result("p3-fig5", results)
    used = f"commit {systems.provenance.commit}"

    def document(used):
        columns = [{"name": name} for name in ("parameter", "p_md")]
        series, source = [{"name": "known/0", "quantities": columns}], {"notes": {}}
        source["notes"]["systems of p3-fig5"] = used
        found = {"figure": "p3-limits", "config": {"draws": 3}}
        return {**found, "series": series, "provenance": source}

    found = limits.prepared(document(used), results)
    assert found["config"] == {"draws": 3, "systems": systems.config}
    assert [column["name"] for column in found["series"][0]["quantities"]] == ["eta", "p_md"]
    assert found["provenance"]["notes"]["systems of p3-fig5"] == used
    with pytest.raises(ValueError, match="p3-fig5 must be that of commit dead, got that of"):
        limits.prepared(document("commit dead"), results)


@pytest.mark.parametrize(
    ("figure", "name", "at"),
    [
        ("p4-fig4", "awgn/early", {"epochs": 1, "repetition": 0}),
        ("p4-fig4", "repetitions/awgn", {"epochs": 2, "sensing_weight": 0.5}),
        ("p4-fig4", "afterwards/awgn", {"measured": "afterwards"}),
        ("p4-fig4", "gradients/awgn/weight=0.941|reconstruction~sensing", GRADIENTS),
        ("p4-fig5", "size/awgn", {"epochs": 2, "varied": "size"}),
        ("p4-fig5", "confusion/awgn/ranges=3", {"measured": "confusion", "ranges": 3}),
        ("p4-fig5", "linear/size/awgn", {**LINEAR, "communication_snr_db": 3.0}),
        ("p4-fig6", "repetitions/awgn/early", {"epochs": 1, "snr_db": 3.0}),
        ("p4-choices", "longer, three tasks/awgn", {"tasks": "three", "choice": "longer"}),
        ("p4-choices", "confusion/awgn", {"measured": "confusion", **TEN}),
        ("p4-choices", "gradients/ten classes/awgn|label", {**GRADIENT_OF_LABEL, **TEN}),
    ],
)
def test_names_of_p4_were_coordinates(figure, name, at):
    config = registry.figure(figure).presets["smoke"]
    expected = {"measured": "performance", "fading": "awgn", **at}
    assert p4.coordinates(figure, name, config) == expected


def test_series_of_gradients_are_one_of_each_task_and_pair():
    columns = {
        "epochs": quantity("epochs", [1.0], measured=False),
        "reconstruction~sensing": quantity("reconstruction~sensing", [0.5]),
        "norm/sensing": quantity("norm/sensing", [2.0]),
    }
    pair, norm = p4.split(Curve("gradients/awgn/snr=3", columns))
    assert (pair.name, norm.name) == tuple(
        f"gradients/awgn/snr=3|{tasks}" for tasks in ("reconstruction~sensing", "sensing")
    )
    assert (list(pair.columns), list(norm.columns)) == (["epochs", "cosine"], ["epochs", "norm"])

"""Temporary, while the house is rebuilt: every number of P2's old results at its new coordinates.

To be removed with ``golden/p2_before.json.gz``, which holds the files of schema 1, and the SHA-256
of each stored tensor.
"""

import gzip
import hashlib
import json
import math
from pathlib import Path

import pytest

from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.tasks import key_of
from isaclib.experiments.p2.figures import FIGURES

ROOT = Path(__file__).parents[3]
BEFORE = json.loads(gzip.decompress((ROOT / "tests/golden/p2_before.json.gz").read_bytes()))
KINDS = {"baseline": ["spacings"], "model-driven": ["complexity"], "networks": ["complexity"]}
IDEAL = {"model-driven": ["reading"], "networks": ["indicator", "angle_unit"]}


def old_name(figure, at):
    """Name of the series that a row was in."""
    system = at["system"]
    if figure == "p2-readings":
        parts = [at.get("spacings", system), at["model"]]
    elif figure == "p2-fig3":
        parts = [system, *(at[name] for name in IDEAL.get(system, []))]
    else:
        parts = [system, *(at[name] for name in KINDS[system]), str(at["array"])]
    parts += ["first step"] if at.get("step") == "detection" else []
    parts += ["unseen"] if at.get("sector") == "unseen" and figure != "p2-fig5" else []
    return "/".join(parts)


def places(table):
    for index in range(len(table)):
        columns = table.coordinates.items()
        yield index, {name: c[index] for name, c in columns if c[index] is not None}


@pytest.mark.parametrize("figure", BEFORE)
def test_every_number_is_at_its_coordinates(figure):
    document, result = BEFORE[figure]["document"], load_result(figure, ROOT / "results")
    series = {s["name"]: {q["name"]: q for q in s["quantities"]} for s in document["series"]}
    left = {(name, i) for name, s in series.items() for i in range(len(s["ser"]["values"]))}
    for index, at in places(result.rows):
        name = old_name(figure, at)
        before = series[name]
        (swept,) = {"rho", "omega_r", "draw"} & set(before)
        own = at["array"] if swept == "draw" else at[swept]
        place = before[swept]["values"].index(own)
        left.remove((name, place))
        assert {swept, *result.rows.quantities} == set(before)
        for metric, quantity in result.rows.quantities.items():
            for end in ("values", "low", "high", "count"):
                value = getattr(quantity, end)[index]
                stored = None if math.isnan(value) else value
                assert (stored, quantity.unit) == (
                    before[metric][end][place],
                    before[metric]["unit"],
                )
    assert not left


@pytest.mark.parametrize("figure", BEFORE)
def test_configuration_and_provenance_are_kept_and_the_conversion_named(figure):
    document, result = BEFORE[figure]["document"], load_result(figure, ROOT / "results")
    assert (document["preset"], document["config"]) == (result.preset, result.config)
    for name, value in document["provenance"].items():
        if name not in ("weights", "notes"):
            assert getattr(result.provenance, name) == value
    notes = dict(result.provenance.notes)
    converted = notes.pop("converted")
    assert notes == document["provenance"]["notes"]
    for file, digest in document["provenance"]["weights"].items():
        assert f"{file} with SHA-256 {digest}" in converted


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_what_is_stored_is_of_the_tasks_of_today(spec):
    """So that a fresh clone goes on from it."""
    result = load_result(spec.id, ROOT / "results")
    config, seed = spec.config(result), result.provenance.seed
    assert {key_of(row.task) for row in spec.rows(config, seed)} == set(result.rows.tasks)
    trained = [key_of(row.task) for row in spec.trained(config, seed)]
    assert trained == (result.trained.tasks if result.trained else [])


@pytest.mark.parametrize("figure", ["p2-fig3", "p2-fig4"])
def test_every_tensor_is_at_its_coordinates(figure):
    result, before = load_result(figure, ROOT / "results"), dict(BEFORE[figure]["tensors"])
    for _, at in places(result.trained):
        name = old_name(figure, at)
        name += f"/omega={at['omega_r']:g}" if "omega_r" in at else ""
        for part, tensor in result.tensors(**at).items():
            digest = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
            assert before.pop(f"{name}/{part}") == digest
    assert not before

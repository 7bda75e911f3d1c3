"""Temporary, while the house is rebuilt: every number of the old limits at its new coordinates.

To be removed with ``golden/limits_before.json.gz``, which holds the files of schema 1.
"""

import gzip
import json
import math
from pathlib import Path

import pytest

from isaclib.experiments.engine.results import load_result

ROOT = Path(__file__).parents[3]
BEFORE = json.loads(gzip.decompress((ROOT / "tests/golden/limits_before.json.gz").read_bytes()))
FIGURES = ["p1-limits", "p2-limits", "p3-limits"]


def coordinates(figure, name):
    """What a name is now, but for its parameter."""
    system, *parts = name.split("/")
    sector = {"sector": "unseen" if "unseen" in parts else "seen"}
    if figure == "p1-limits":
        return {"system": system}
    if system == "front":
        return {
            "system": system,
            "array": int(parts[0]),
            **(sector if figure == "p2-limits" else {}),
        }
    if figure == "p2-limits":
        kind = "spacings" if system == "baseline" else "complexity"
        return {"system": system, kind: parts[0], "array": int(parts[1]), **sector}
    source = "p3-fig5" if "joint" in parts else "p3-fig3"
    return {"system": system, "array": int(parts[0]), "figure": source}


def check(rows, series):
    """All columns of a series are those of the rows, in their order."""
    for column in series["quantities"]:
        name, values = column["name"], column["values"]
        if name == "parameter":
            chosen = [n for n in ("eta", "rho", "omega_r") if n in rows.coordinates]
            (own,) = (n for n in chosen if None not in rows.at(n))
            assert rows.at(own) == values
            continue
        found = rows[name]
        assert [None if math.isnan(v) else v for v in found.values] == values
        if column["low"] is not None:
            for end in ("low", "high"):
                stored = [None if math.isnan(v) else v for v in getattr(found, end)]
                assert stored == column[end]
        assert column["count"] in (None, found.count)
        assert column["unit"] in ("", found.unit)


@pytest.mark.parametrize("figure", FIGURES)
def test_every_number_is_at_its_coordinates(figure):
    before, result = BEFORE[figure]["document"], load_result(figure, ROOT / "results")
    rows = 0
    for series in before["series"]:
        own = result.where(**coordinates(figure, series["name"]))
        check(own, series)
        rows += len(own)
    assert rows == len(result.rows)
    assert result.preset == before["preset"]
    assert {k: result.config[k] for k in before["config"]} == before["config"]


@pytest.mark.parametrize("figure", FIGURES)
def test_provenance_is_kept(figure):
    before, after = BEFORE[figure]["document"]["provenance"], load_result(figure, ROOT / "results")
    for name, value in before.items():
        if name not in ("weights", "notes"):
            assert getattr(after.provenance, name) == value
    notes = after.provenance.notes
    assert before["notes"].items() <= notes.items()
    ((file, digest),) = before["weights"].items()
    assert f"{file} with SHA-256 {digest}" in notes["converted"]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_beam_is_at_its_coordinates(figure):
    result, left = load_result(figure, ROOT / "results"), dict(BEFORE[figure]["tensors"])
    for name in [s["name"] for s in BEFORE[figure]["document"]["series"]]:
        if name.startswith("front"):
            place = coordinates(figure, name)
            stored = result.tensors(**place)
            for index, beam in enumerate(stored.pop("beam")):
                assert beam.tolist() == left.pop(f"{name}/{index}")
            for quantity, values in stored.items():
                assert values.tolist() == result.where(**place)[quantity].values
    assert left == {}

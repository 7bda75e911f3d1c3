"""While P1 is ported: each number of its old results is at its new coordinates, unchanged.

To be removed when the house stands, with ``golden/p1_before.json.gz``.
"""

import gzip
import json
import math
from pathlib import Path

import pytest

from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.tasks import graph
from isaclib.experiments.p1.figures import FIGURES
from isaclib.experiments.p1.maprt import MAPRT
from isaclib.experiments.p1.tasks import TrainAutoencoder

ROOT = Path(__file__).parents[3]
BEFORE = json.loads(gzip.decompress((ROOT / "tests/golden/p1_before.json.gz").read_bytes()))


@pytest.fixture(scope="module", params=BEFORE)
def before(request):
    return BEFORE[request.param], load_result(request.param, ROOT / "results")


PARAMETERS = {"phase_rad": "phase", "draw": "array"}


def old_name(figure, at):
    """What the series of a row was called."""
    system, end = at.get("system"), "/model-based" if at.get("receivers") == "classical" else ""
    if figure == "p1-maprt":
        name = at["check"]
    elif figure == "p1-fig3":
        key = "rho" if system == "baseline" else "omega_r"
        name = f"{key.removesuffix('_r')}={at[key]:g}"
    elif figure == "p1-penalty" and system != "nominal":
        name = f"{at['model']}/{at['std_wavelengths']:.4f}"
    elif figure == "p1-sequential":
        name = f"{at['schedule']}/{at['repetition']}{end}"
    elif system == "autoencoder":
        own = ("model", "array") if figure == "p1-fig5" else ("unit", "repetition")
        name = f"autoencoder/{at[own[0]]}/{at[own[1]]}{end}"
    elif figure == "p1-fig5":
        name = f"baseline/{at['model']}/{system}/{at['array']}"
    else:
        name = system
    return name


def plain(values):
    return values and [None if math.isnan(v) else v for v in values]


def test_every_number_is_where_it_belongs(before):
    old, result = before
    found = {}
    for index in range(len(result.rows)):
        at = {name: column[index] for name, column in result.rows.coordinates.items()}
        found.setdefault(old_name(result.figure, at), []).append(index)
    assert set(found) == set(old["series"])
    for name, quantities in old["series"].items():
        rows = result.rows.take(found[name])
        for metric, (values, low, high, count) in quantities.items():
            if (metric, name) == ("draw", "nominal"):
                continue  # it was no draw
            own = rows[PARAMETERS.get(metric, metric)]
            columns = [plain(own.values), plain(own.low), plain(own.high), own.count]
            assert columns == [values, low, high, count], (name, metric)


def test_provenance_and_configuration_are_kept_and_the_conversion_named(before):
    old, result = before
    source = old["provenance"]
    for name, value in source.items():
        if name not in ("weights", "notes"):
            assert getattr(result.provenance, name) == value
    notes = dict(result.provenance.notes)
    assert notes.pop("converted").startswith("from schema 1 by isaclib ")
    assert notes == source["notes"]
    assert (result.config, result.preset) == (old["config"], old["preset"])


@pytest.mark.parametrize("spec", [*FIGURES, MAPRT], ids=lambda spec: spec.id)
def test_stored_weights_fill_the_cache_of_a_fresh_clone(spec):
    """Whoever runs the stored preset again has every training, and measures alone."""
    result = load_result(spec.id, ROOT / "results")
    config = spec.presets[result.preset]
    assert spec.config(result) == config
    tasks = graph(row.task for row in spec.rows(config, result.provenance.seed))
    known = {}
    for figure in (spec.id, *spec.builds_on):
        known |= load_result(figure, ROOT / "results").outcomes(tasks, measured=False)
    trainings = {key for key, task in tasks.items() if isinstance(task, TrainAutoencoder)}
    assert trainings <= set(known)
    assert bool(trainings) == (spec.id not in ("p1-penalty", "p1-maprt"))
    for key in trainings:
        model = tasks[key].scenario.autoencoder(0)
        assert known[key].tensors.keys() == model.state_dict().keys()

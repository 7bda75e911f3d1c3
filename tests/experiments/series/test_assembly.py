"""What the figures of all papers share: series, weights, results, criteria, axes."""

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from isaclib.experiments.engine.tasks import Test as SampleCounts
from isaclib.experiments.series.assembly import (
    WEIGHTS,
    collect_weights,
    finished,
    folder_name,
    measurement_data,
    metric_series,
    stored_sibling,
)
from isaclib.experiments.series.criteria import best_at, fraction, status_of
from isaclib.experiments.series.drawing import LABELS, named, tradeoff_axes
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import (
    Quantity,
    Result,
    ResultError,
    Series,
    load_result,
    load_weights,
    save_result,
    save_weights,
)
from isaclib.experiments.series.sweep import Sweep, Task
from isaclib.systems.transceiver import Measurement

NAMES = [
    "baseline",
    "autoencoder/deg/0/omega=1e-06",
    "joint, equal steps/0/omega=0.09",
    "networks/all/deg/omega=0.01",
    "networks/present/deg/omega=0.01",
    "model-driven/unlimited/0",
]


@dataclass(frozen=True)
class Config:
    test: SampleCounts = field(default_factory=lambda: SampleCounts(samples=600, block=300))
    sector_deg: tuple[float, float] = (-40.0, -20.0)


def context(folder, figure="p2-fig5", preset="smoke", seed=4):
    return RunContext(
        figure=figure,
        preset=preset,
        config=Config(),
        seed=seed,
        device="cpu",
        results=folder / "results",
        state=folder / "state",
        sweep=Sweep(progress=False),
    )


def a_series(name="baseline", **columns):
    columns = columns or {"ser": [0.1, 0.2]}
    return Series(name, {key: Quantity(key, values) for key, values in columns.items()})


# From records to series


def record(value, count):
    return {"value": value, "low": value - 0.25, "high": value + 0.5, "count": count}


def test_a_series_holds_the_metrics_asked_for_at_the_parameters():
    records = [
        {"ser": record(0.5, 10), "rmse": record(2.0, 7), "other": record(9.0, 1)},
        {"ser": record(0.25, 20), "rmse": record(math.nan, 0), "other": record(9.0, 1)},
    ]
    series = metric_series("x", records, {"rmse": "deg", "ser": "1"}, rho=(0, 1), phase=(2, 3))
    assert series.name == "x"
    assert list(series.quantities) == ["rho", "phase", "rmse", "ser"]
    assert (series["rho"].values, series["phase"].values) == ([0.0, 1.0], [2.0, 3.0])
    ser, rmse = series["ser"], series["rmse"]
    assert (ser.values, ser.low, ser.high) == ([0.5, 0.25], [0.25, 0.0], [1.0, 0.75])
    assert (ser.count, ser.unit, rmse.count, rmse.unit) == ([10, 20], "1", [7, 0], "deg")
    assert math.isnan(rmse.values[1])


def test_measurement_data_is_json_that_makes_a_measurement(tmp_path):
    data = measurement_data(Config().test, context(tmp_path))
    found = Measurement(p_fa=0.01, **json.loads(json.dumps(data)))
    assert found == Measurement(samples=600, block=300, p_fa=0.01, seed=4, device="cpu")


# Names and weights


def nothing(payload, directory):
    return {}


def test_every_name_becomes_a_key_of_its_own_that_a_sweep_takes(tmp_path):
    keys = [folder_name(name) for name in NAMES]
    assert keys[2] == "joint-equal-steps_0_omega=0.09"
    found = Sweep(progress=False).map(nothing, [Task(key, {}) for key in keys], tmp_path)
    assert found == [{}] * len(NAMES)


def test_the_weights_of_all_trainings_go_into_one_file(tmp_path):
    where = context(tmp_path)
    tensors = {name: {"a.weight": torch.full((2,), float(i))} for i, name in enumerate("pq")}
    folders = {f"curve/{name}": where.state / name for name in tensors}
    for name, folder in zip(tensors, folders.values(), strict=True):
        folder.mkdir(parents=True)
        save_weights(folder / WEIGHTS, tensors[name])
    ((file, digest),) = collect_weights(where, folders).items()
    assert file == "p2-fig5.safetensors"
    assert hashlib.sha256((where.state / file).read_bytes()).hexdigest() == digest
    bundle = load_weights(where.state / file)
    assert set(bundle) == {"curve/p/a.weight", "curve/q/a.weight"}
    assert bundle["curve/q/a.weight"].tolist() == [1.0, 1.0]


def test_the_weights_of_a_training_that_left_none_are_missed(tmp_path):
    with pytest.raises(ResultError, match=r"weights\.safetensors"):
        collect_weights(context(tmp_path), {"curve/p": tmp_path / "p"})


# Results


def test_a_finished_result_says_what_was_run_and_can_be_stored(tmp_path):
    where = context(tmp_path)
    started = time.perf_counter() - 5
    notes = {"measured by": "p2-fig4"}
    result = finished(where, [a_series()], started, notes=notes)
    assert (result.figure, result.preset) == ("p2-fig5", "smoke")
    assert result.config == {
        "test": {"samples": 600, "block": 300},
        "sector_deg": (-40.0, -20.0),
    }
    source = result.provenance
    assert (source.seed, source.device, source.notes, source.weights) == (4, "cpu", notes, {})
    assert 5 <= source.wall_time_s < 60
    save_result(result, where.results)
    assert load_result("p2-fig5", where.results).series == result.series


def store(folder, **changes):
    """Store what would be Fig. 4, run with the same preset and seed but for the changes."""
    other = context(folder, "p2-fig4", **changes)
    save_result(finished(other, [a_series()], time.perf_counter()), other.results)


def test_the_sibling_of_the_same_run_is_found(tmp_path):
    store(tmp_path)
    found = stored_sibling(context(tmp_path), "p2-fig4")
    assert (found.figure, found.series) == ("p2-fig4", [a_series()])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"preset": "desk"}, r"preset 'smoke' and seed 4, got 'desk' and 4"),
        ({"seed": 0}, r"preset 'smoke' and seed 4, got 'smoke' and 0"),
    ],
)
def test_the_sibling_of_another_run_is_refused(tmp_path, changes, match):
    store(tmp_path, **changes)
    with pytest.raises(ValueError, match=rf"p2-fig5 needs .* of p2-fig4 .*{match}") as error:
        stored_sibling(context(tmp_path), "p2-fig4")
    assert "`isaclib run p2-fig4 --preset smoke --seed 4`" in str(error.value)


def test_a_sibling_with_another_configuration_is_refused(tmp_path):
    other = context(tmp_path, "p2-fig4")
    changed = replace(other, config=replace(other.config, sector_deg=(-20.0, 20.0)))
    save_result(finished(changed, [a_series()], time.perf_counter()), other.results)
    with pytest.raises(ValueError, match=r"p2-fig5 .* of p2-fig4 with its own sector_deg, got"):
        stored_sibling(context(tmp_path), "p2-fig4", same=asdict(context(tmp_path).config))
    assert stored_sibling(context(tmp_path), "p2-fig4").figure == "p2-fig4"


def test_a_missing_or_broken_sibling_is_refused(tmp_path):
    with pytest.raises(ResultError, match="p2-fig4"):
        stored_sibling(context(tmp_path), "p2-fig4")
    store(tmp_path)
    path = tmp_path / "results" / "p2" / "p2-fig4.json"
    path.write_text(path.read_text().replace("0.2", "0.3"))
    with pytest.raises(ResultError, match="p2-fig4"):
        stored_sibling(context(tmp_path), "p2-fig4")


# Criteria


finite = st.floats(0.0, 1.0)


@given(st.lists(st.tuples(finite, finite | st.just(math.nan)), min_size=1), finite, st.booleans())
def test_the_best_value_is_that_of_all_points_with_no_larger_ser(points, ser, larger_is_better):
    rates, values = np.array(points).T
    allowed = values[(rates <= ser) | (rates == rates.min())]
    # fmax and fmin ignore NaN unless there is nothing else.
    oracle = (np.fmax if larger_is_better else np.fmin).reduce(allowed)
    sweep = a_series(ser=rates.tolist(), y=values.tolist())
    found = best_at(sweep, "y", ser, larger_is_better=larger_is_better)
    np.testing.assert_equal(found, oracle)


def test_shares_are_of_all_values():
    assert fraction([1, 2, 3, 4], lambda v: v > 1) == 0.75
    assert fraction([1], lambda v: v > 1) == 0
    assert fraction([math.nan, 2], lambda v: v > 1) == 0.5


@pytest.mark.parametrize(
    ("passed", "status"),
    [
        ((True,), "reproduced"),
        ((True, True, True), "reproduced"),
        ((True, False, True), "partly"),
        ((False, True), "partly"),
        ((False,), "not reproduced"),
        ((False, False), "not reproduced"),
    ],
)
def test_a_verdict_needs_all_parts(passed, status):
    assert status_of(*passed) == status


# Drawing


@pytest.mark.parametrize(("y", "scale"), [("p_md", "log"), ("rmse_deg", "log"), ("p_d", "linear")])
def test_the_axes_of_a_trade_off_say_what_is_on_them(y, scale):
    mpl.use("Agg")
    figure, axes = plt.subplots()
    try:
        axes.plot([0.01, 0.1], [0.2, 0.5])
        tradeoff_axes(axes, y)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", scale)
        assert axes.get_xlabel() == LABELS["ser"] == "symbol error rate, SER"
        assert axes.get_ylabel() == LABELS[y]
        figure.canvas.draw()
    finally:
        plt.close(figure)


def test_series_are_chosen_by_the_start_and_the_end_of_their_names(tmp_path):
    names = ["a/0", "a/0/unseen", "a/1", "a/1/unseen", "b/0", "aa/0"]
    result = finished(context(tmp_path), [a_series(name) for name in names], time.perf_counter())
    assert isinstance(result, Result)

    def found(*arguments, **options):
        return [series.name for series in named(result, *arguments, **options)]

    assert found("a/") == names[:4]
    assert found("a/", "/unseen") == ["a/0/unseen", "a/1/unseen"]
    assert found("a/", without="/unseen") == ["a/0", "a/1"]
    assert found("c/") == []
    assert found("") == names
    reversed_ = replace(result, series=result.series[::-1])
    assert [s.name for s in named(reversed_, "a/", "0")] == ["a/0"]

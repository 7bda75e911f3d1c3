import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from isaclib.experiments.p1.assembly import METRICS, point_series

from isaclib.experiments.p1.config import Impairment, Scenario
from isaclib.experiments.p1.tasks import (
    baseline_transceiver,
    measure_baselines,
    model_based_receivers,
    performance_record,
    train_and_measure,
)
from isaclib.experiments.series.assembly import WEIGHTS
from isaclib.experiments.series.results import load_weights
from isaclib.signal.arrays import beampattern
from isaclib.signal.modulation import qam
from isaclib.systems.autoencoder.training import TrainingPlan
from isaclib.systems.transceiver import Measurement, measure, operating_point

SCENARIO = Scenario(num_antennas=6, p_fa=0.05)
TEST = {"samples": 2000, "block": 500, "seed": 0, "device": "cpu"}


def baselines(**changes):
    return {
        "scenario": asdict(SCENARIO),
        "impairment": None,
        "seed": 0,
        "known": True,
        "points": [[0.0, 0.0], [1.0, 0.0]],
        "grid_size": 200,
        "measurement": TEST,
        **changes,
    }


def learned(**changes):
    plan = TrainingPlan(0.3, steps=4, batch=50)
    return {
        "scenario": asdict(SCENARIO),
        "impairment": None,
        "plan": asdict(plan),
        "measurement": TEST,
        "seed": 0,
        "repetition": 0,
        **changes,
    }


def through_json(payload):
    return json.loads(json.dumps(payload))


def same(a, b):
    """Whether two records are equal, undefined values included."""
    return json.dumps(a) == json.dumps(b)


# Baselines


def test_baselines_are_measured_as_the_transceiver_module_does(tmp_path):
    found = measure_baselines(through_json(baselines()), tmp_path)["points"]
    radar, communication = SCENARIO.channels(SCENARIO.nominal_positions())
    for record, rho in zip(found, (0.0, 1.0), strict=True):
        baseline = baseline_transceiver(SCENARIO, SCENARIO.nominal_positions(), rho, 0.0, 200)
        oracle = measure(baseline, radar, communication, Measurement(p_fa=0.05, **TEST))
        assert same(record, performance_record(oracle))


def test_rho_trades_detection_for_symbols(tmp_path):
    points = [[rho, 0.0] for rho in (0.0, 0.5, 1.0)]
    found = measure_baselines(baselines(points=points), tmp_path)["points"]
    p_d = [record["p_d"]["value"] for record in found]
    ser = [record["ser"]["value"] for record in found]
    assert p_d == sorted(p_d)
    assert ser == sorted(ser)
    assert p_d[2] > p_d[0] + 0.2
    assert ser[2] > 5 * ser[0]


@pytest.mark.parametrize("known", [True, False])
def test_the_true_array_is_met_and_another_may_be_assumed(tmp_path, known):
    impairment = Impairment("cumulative", 0.1, 0)
    positions = SCENARIO.positions(impairment, 5)
    assumed = positions if known else SCENARIO.nominal_positions()
    payload = baselines(impairment=asdict(impairment), seed=5, known=known, points=[[0.7, 1.0]])
    (found,) = measure_baselines(through_json(payload), tmp_path)["points"]
    baseline = baseline_transceiver(SCENARIO, assumed, 0.7, 1.0, 200)
    measurement = Measurement(p_fa=0.05, **TEST)
    assert same(
        found, performance_record(measure(baseline, *SCENARIO.channels(positions), measurement))
    )


def test_without_errors_there_is_nothing_to_know(tmp_path):
    first = measure_baselines(baselines(), tmp_path)
    assert same(measure_baselines(baselines(known=False), tmp_path), first)


def test_a_receiver_that_knows_the_spacings_estimates_better():
    """For the same beam: the phases that it looks for are those that arrive."""
    scenario = Scenario(snr_r_db=30.0)
    for draw in range(3):
        positions = scenario.positions(Impairment("cumulative", 0.1, draw))
        unaware = baseline_transceiver(scenario, scenario.nominal_positions(), 1.0, 0.0, 500)
        aware = replace(unaware, positions=positions)
        channels = scenario.channels(positions)
        rmse = [measure(b, *channels, Measurement(2000, block=1000)).rmse for b in (aware, unaware)]
        assert rmse[0].high < rmse[1].low


def test_the_baseline_s_parts_are_those_of_sec_iv_b():
    positions = SCENARIO.nominal_positions()
    found = baseline_transceiver(SCENARIO, positions, 1.0, 0.0, 500)
    assert torch.equal(found.constellation(), qam(4))
    theta = torch.linspace(-1.5, 1.5, 1001, dtype=torch.float64)
    pattern = beampattern(found.beam(), theta, positions)
    inside = SCENARIO.target_sector.contains(theta)
    assert float(pattern[inside].mean()) > 5 * float(pattern[~inside].mean())
    assert found.sector == SCENARIO.target_sector


# Autoencoders


def test_a_trained_autoencoder_is_measured_with_its_own_and_with_model_based_receivers(tmp_path):
    found = train_and_measure(through_json(learned()), tmp_path)
    assert set(found) == {"own", "model_based"}
    model = SCENARIO.autoencoder(0)
    model.load_state_dict(load_weights(tmp_path / WEIGHTS))
    radar, communication = SCENARIO.channels(SCENARIO.nominal_positions())
    measurement = Measurement(p_fa=0.05, **TEST)
    own = measure(model, radar, communication, measurement)
    assert same(found["own"], performance_record(own))
    hybrid = model_based_receivers(model, SCENARIO.nominal_positions(), SCENARIO)
    other = measure(hybrid, radar, communication, measurement)
    assert same(found["model_based"], performance_record(other))
    assert torch.equal(hybrid.beam(), model.beam())
    assert torch.equal(hybrid.constellation(), model.constellation())
    assert not hybrid.beam().requires_grad


def test_a_task_done_again_gives_the_same_and_other_repetitions_something_else(tmp_path):
    first = train_and_measure(learned(), tmp_path / "a")
    assert same(train_and_measure(learned(), tmp_path / "a"), first)
    assert same(train_and_measure(learned(), tmp_path / "b"), first)
    train_and_measure(learned(repetition=1), tmp_path / "c")
    own, other = (load_weights(tmp_path / name / WEIGHTS) for name in "ac")
    assert not torch.equal(other["encoder.0.weight"], own["encoder.0.weight"])


def test_training_and_test_see_the_impaired_array(tmp_path, monkeypatch):
    seen = []

    def channels(scenario, positions):
        seen.append(positions)
        return original(scenario, positions)

    original = Scenario.channels
    monkeypatch.setattr(Scenario, "channels", channels)
    impairment = Impairment("cumulative", 0.1, 2)
    train_and_measure(learned(impairment=asdict(impairment)), tmp_path)
    (positions,) = seen
    assert torch.equal(positions, SCENARIO.positions(impairment, 0))


# Records and series


def performance():
    baseline = baseline_transceiver(SCENARIO, SCENARIO.nominal_positions(), 0.5, 0.0, 200)
    radar, communication = SCENARIO.channels(SCENARIO.nominal_positions())
    measurement = Measurement(p_fa=0.05, **TEST)
    return measure(
        baseline, radar, communication, measurement, operating_point(baseline, radar, measurement)
    )


def test_records_hold_angles_in_degrees():
    found = performance()
    record = performance_record(found)
    assert set(record) == set(METRICS)
    for end in ("value", "low", "high"):
        assert record["rmse_deg"][end] == pytest.approx(math.degrees(getattr(found.rmse, end)))
        assert record["p_d"][end] == getattr(found.p_d, end)
        assert record["threshold"][end] == getattr(found.threshold, end)
    assert record["rmse_deg"]["count"] == found.rmse.count
    assert math.isnan(record["sigma_deg"]["value"])
    assert same(through_json(record), record)


def test_a_series_has_every_record_at_its_parameter():
    record = performance_record(performance())
    other = {**record, "ser": {"value": 0.5, "low": 0.4, "high": 0.6, "count": 10}}
    series = point_series("baseline", [record, other], rho=[0.0, 1.0])
    assert series.name == "baseline"
    assert len(series) == 2
    assert series["rho"].values == [0, 1]
    ser = series["ser"]
    assert ser.values == [record["ser"]["value"], 0.5]
    assert (ser.low[1], ser.high[1], ser.count[1]) == (0.4, 0.6, 10)
    assert series["rmse_deg"].unit == "deg"

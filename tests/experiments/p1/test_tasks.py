import math
from dataclasses import replace

import pytest
import torch

from isaclib.experiments.engine.cache import Cache, execute
from isaclib.experiments.engine.tasks import Test
from isaclib.experiments.p1.config import Impairment, Scenario
from isaclib.experiments.p1.figures import UNITS
from isaclib.experiments.p1.tasks import (
    MeasureAutoencoder,
    MeasureBaseline,
    TrainAutoencoder,
    baseline_transceiver,
    performance_values,
)
from isaclib.signal.arrays import beampattern
from isaclib.signal.modulation import qam
from isaclib.systems.autoencoder.training import TrainingPlan
from isaclib.systems.transceiver import Baseline, Measurement, measure

SCENARIO = Scenario(num_antennas=6, p_fa=0.05)
NOMINAL = SCENARIO.nominal_positions()
TEST = Test(samples=2000, block=500)
MEASUREMENT = Measurement(2000, 0.05, 0, 500)
BASELINE = MeasureBaseline(SCENARIO, ((0.0, 0.0), (1.0, 0.0)), 200, TEST, 0)
TRAINING = TrainAutoencoder(SCENARIO, TrainingPlan(0.3, steps=4, batch=50), 0)


def outcome(task, folder):
    return execute(task, Cache(folder, "cpu")).outcome


def points(task, folder):
    return outcome(task, folder).points


def oracle(transceiver, positions=NOMINAL):
    return repr(
        performance_values(measure(transceiver, *SCENARIO.channels(positions), MEASUREMENT))
    )


# Baselines


def test_baselines_are_measured_as_the_transceiver_module_does(tmp_path):
    for point, rho in zip(points(BASELINE, tmp_path), (0.0, 1.0), strict=True):
        assert point.at == {"rho": rho, "phase": 0.0}
        baseline = baseline_transceiver(SCENARIO, NOMINAL, rho, 0.0, 200)
        assert repr(dict(point.values)) == oracle(baseline)


def test_rho_trades_detection_for_symbols(tmp_path):
    sweep = replace(BASELINE, points=tuple((rho, 0.0) for rho in (0.0, 0.5, 1.0)))
    found = points(sweep, tmp_path)
    p_d, ser = ([point.values[name].value for point in found] for name in ("p_d", "ser"))
    assert p_d == sorted(p_d)
    assert ser == sorted(ser)
    assert p_d[2] > p_d[0] + 0.2
    assert ser[2] > 5 * ser[0]


@pytest.mark.parametrize("known", [True, False])
def test_the_true_array_is_met_and_another_may_be_assumed(tmp_path, known):
    impairment = Impairment("cumulative", 0.1, 0)
    positions = SCENARIO.positions(impairment, 0)
    task = replace(BASELINE, points=((0.7, 1.0),), impairment=impairment, known=known)
    (point,) = points(task, tmp_path)
    baseline = baseline_transceiver(SCENARIO, positions if known else NOMINAL, 0.7, 1.0, 200)
    assert repr(dict(point.values)) == oracle(baseline, positions)


def test_without_errors_there_is_nothing_to_know(tmp_path):
    unknown = replace(BASELINE, known=False)
    assert repr(points(unknown, tmp_path)) == repr(points(BASELINE, tmp_path))


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
    found = baseline_transceiver(SCENARIO, NOMINAL, 1.0, 0.0, 500)
    assert torch.equal(found.constellation(), qam(4))
    theta = torch.linspace(-1.5, 1.5, 1001, dtype=torch.float64)
    pattern = beampattern(found.beam(), theta, NOMINAL)
    inside = SCENARIO.target_sector.contains(theta)
    assert float(pattern[inside].mean()) > 5 * float(pattern[~inside].mean())
    assert found.sector == SCENARIO.target_sector


# Autoencoders


def test_a_trained_autoencoder_is_measured_with_learned_and_with_classical_receivers(tmp_path):
    model = SCENARIO.autoencoder(5)
    model.load_state_dict(outcome(TRAINING, tmp_path).tensors)
    with torch.no_grad():
        classical = Baseline(model.constellation(), model.beam(), NOMINAL, SCENARIO.target_sector)
    for receivers, system in (("learned", model), ("classical", classical)):
        (point,) = points(MeasureAutoencoder(TRAINING, receivers, TEST, 0), tmp_path)
        assert repr(dict(point.values)) == oracle(system)


def test_a_task_done_again_gives_the_same_and_other_repetitions_something_else(tmp_path):
    first, again = (outcome(TRAINING, tmp_path / name).tensors for name in "ab")
    other = outcome(replace(TRAINING, seed=1), tmp_path / "a").tensors
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


def test_training_and_test_see_the_impaired_array(tmp_path, monkeypatch):
    seen = []

    def channels(scenario, positions):
        seen.append(positions)
        return original(scenario, positions)

    original = Scenario.channels
    monkeypatch.setattr(Scenario, "channels", channels)
    impairment = Impairment("cumulative", 0.1, 2)
    training = replace(TRAINING, impairment=impairment)
    outcome(MeasureAutoencoder(training, "learned", TEST, 0), tmp_path)
    expected = SCENARIO.positions(impairment, 0)
    assert len(seen) == 2
    assert all(torch.equal(positions, expected) for positions in seen)


def test_values_hold_angles_in_degrees():
    found = measure(
        baseline_transceiver(SCENARIO, NOMINAL, 0.5, 0.0, 200),
        *SCENARIO.channels(NOMINAL),
        MEASUREMENT,
    )
    values = performance_values(found)
    assert set(values) == set(UNITS) - {"energy"}
    for end in ("value", "low", "high"):
        assert getattr(values["rmse_deg"], end) == math.degrees(getattr(found.rmse, end))
        assert getattr(values["p_d"], end) == getattr(found.p_d, end)
        assert getattr(values["threshold"], end) == getattr(found.threshold, end)
    assert values["rmse_deg"].count == found.rmse.count
    assert math.isnan(values["sigma_deg"].value)

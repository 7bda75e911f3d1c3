import math
from typing import get_args

import numpy as np
import pytest
import torch
from figure_runs import check_presets

from isaclib.experiments.engine.results import PRESETS
from isaclib.experiments.p1 import config as p1_config
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.config import (
    IDEAL_PRESETS,
    IMPAIRED_PRESETS,
    RADAR_WEIGHTS,
    READINGS_PRESETS,
    Scenario,
)
from isaclib.learning.losses import AngleUnit
from isaclib.receivers.softmax import Reading as AngleReading
from isaclib.signal.noise import step_generator
from isaclib.signal.sectors import RandomSectors
from isaclib.systems.sector_networks.training import Indicator
from isaclib.systems.steering_matrix.model import Perturbation

ALL = {"ideal": IDEAL_PRESETS, "impaired": IMPAIRED_PRESETS, "readings": READINGS_PRESETS}
TRADEOFFS = (IDEAL_PRESETS, IMPAIRED_PRESETS)
CASES = [(name, preset) for name in ALL for preset in PRESETS]
SIGMA = 1 / 30


def positions(model, draw, seed=0, std=SIGMA):
    return Scenario().positions(Impairment(model, std, draw), seed)


def matrices(config):
    """Every training of a steering matrix in a configuration."""
    if hasattr(config, "trainings"):
        return [matrix for matrix, _ in config.trainings().values()]
    return config.matrices() if hasattr(config, "matrices") else [config.matrix]


def networks(config):
    if hasattr(config, "trainings"):
        return [networks for _, networks in config.trainings().values()]
    return config.networks_and_readings() if hasattr(config, "networks") else []


# Sec. V-A of the paper


def test_the_scenario_is_that_of_the_paper():
    scenario = Scenario()
    assert (scenario.num_antennas, scenario.order, scenario.p_fa) == (16, 4, 0.01)
    assert (scenario.snr_r_db, scenario.snr_c_db) == (0, 20)
    assert scenario.target_sector_deg == (-40, -20)
    assert scenario.receiver_sector_deg == (30, 50)
    assert scenario.nominal_positions().tolist() == [(k - 7.5) / 2 for k in range(16)]


def test_the_weights_are_the_thirteen_of_the_paper():
    printed = "0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.15, 0.4, 0.6, 0.8, 1"
    assert list(RADAR_WEIGHTS) == [float(number) for number in printed.split(",")]
    for presets in TRADEOFFS:
        for preset in ("desk", "paper"):
            assert presets[preset].radar_weights == RADAR_WEIGHTS


@pytest.mark.parametrize("name", ALL)
def test_the_paper_preset_trains_and_tests_as_the_paper_does(name):
    config = ALL[name]["paper"]
    assert config.scenario == Scenario()
    assert config.grid_size == 500
    assert config.test.samples >= 1_000_000
    for training in (*matrices(config), *networks(config)):
        assert (training.steps, training.batch) == (50_000, 10_000)
        assert training.learning_rate == 1e-3
    for matrix in matrices(config):
        assert matrix.perturbation == Perturbation(0.1, "both")


def test_the_complexities_are_those_of_the_paper():
    config = IMPAIRED_PRESETS["paper"]
    (large, wide), (small, narrow) = config.unlimited, config.limited
    assert (large.grid_size, wide.width) == (500, 1024)
    assert (small.grid_size, narrow.width) == (156, 21)
    ideal = IDEAL_PRESETS["paper"]
    assert (ideal.matrix.grid_size, ideal.networks.width) == (500, 1024)


def test_fig_4_meets_enough_arrays():
    """One array is what P2 shows; the book asks for 20, 3 and 1 of them."""
    for preset in ("desk", "paper"):
        config = IMPAIRED_PRESETS[preset]
        assert (config.model, config.std_wavelengths) == ("cumulative", pytest.approx(SIGMA))
        draws = (config.baseline_draws, config.matrix_draws, config.network_draws)
        assert all(found >= wanted for found, wanted in zip(draws, (20, 3, 1), strict=True))
        assert set(config.rhos) >= {0.0, 1.0}


def test_the_unseen_sector_is_one_that_training_cannot_meet():
    for presets in (IMPAIRED_PRESETS, READINGS_PRESETS):
        config = presets["paper"]
        assert config.unseen_sector_deg == (-20, 20)
        low, high = config.unseen_sector_deg
        assert high - low > RandomSectors().span_deg[1]


def test_both_readings_are_those_of_the_text_and_of_the_printed_steering_vector():
    """The steering vector of Sec. II-A counts its elements from the centre."""
    for config in READINGS_PRESETS.values():
        assert config.models == ("cumulative", "per_element_centered")
        assert config.std_wavelengths == pytest.approx(SIGMA)
    config = READINGS_PRESETS["paper"]
    assert (config.baseline_draws, config.matrix_draws) == (20, 3)


def test_every_reading_of_the_paper_is_run_the_figure_s_own_first():
    config = IDEAL_PRESETS["paper"]
    assert set(config.readings) == set(get_args(AngleReading))
    assert set(config.indicators) == set(get_args(Indicator))
    assert set(config.angle_units) == set(get_args(AngleUnit))
    for preset in PRESETS:
        config = IDEAL_PRESETS[preset]
        assert config.readings[0] == config.matrix.reading
        assert config.indicators[0] == config.networks.indicator
        assert config.angle_units[0] == config.networks.angle_unit
        # A reading that is not the figure's own can be compared with it point by point.
        assert set(config.few_radar_weights) <= set(config.radar_weights)
        assert min(config.few_radar_weights) > 0


def test_readings_differ_from_the_figure_s_own_in_one_respect_each():
    config = IDEAL_PRESETS["paper"]
    own, *others = config.networks_and_readings()
    assert own == config.networks
    for other in others:
        assert sum(v != vars(other)[k] for k, v in vars(own).items()) == 1
    assert [matrix.reading for matrix in config.matrices()] == ["literal", "sector"]


# Presets


@pytest.mark.parametrize("presets", ALL.values(), ids=ALL)
def test_presets_are_three_that_json_can_hold_and_tests_that_fit_their_blocks(presets):
    check_presets(presets)


def test_the_desk_preset_trains_steering_matrices_as_the_paper_does():
    for presets in TRADEOFFS:
        assert matrices(presets["desk"]) == matrices(presets["paper"])
    assert IMPAIRED_PRESETS["desk"].limited[1].width == 21


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_every_grid_has_an_angle_inside_every_sector_that_is_met(name, preset):
    """Grid angles no farther apart than the narrowest sector is wide."""
    config = ALL[name][preset]
    low, high = config.scenario.target_sector_deg
    receiver = config.scenario.receiver_sector_deg
    narrowest = min(RandomSectors().span_deg[0], high - low, receiver[1] - receiver[0])
    for size in (config.grid_size, *(matrix.grid_size for matrix in matrices(config))):
        assert 180 / (size - 1) < narrowest
        assert size >= config.scenario.num_antennas


# Impaired arrays


def normals(model, draw, count, seed=0):
    generator = step_generator(seed, f"impairment/{model}", draw)
    return torch.randn(count, generator=generator, dtype=torch.float64).numpy()


@pytest.mark.parametrize(("draw", "seed"), [(0, 0), (3, 0), (3, 7)])
def test_a_cumulative_array_is_the_sum_of_its_spacings_around_its_mean(draw, seed):
    """P2 Sec. V-C in NumPy: K - 1 distances between neighbours."""
    spacings = 0.5 + SIGMA * normals("cumulative", draw, 15, seed)
    oracle = np.concatenate([[0], np.cumsum(spacings)])
    found = positions("cumulative", draw, seed).numpy()
    np.testing.assert_allclose(found, oracle - oracle.mean(), rtol=0, atol=1e-14)


def test_the_other_reading_counts_elements_from_the_centre():
    """The steering vector of P2 Sec. II-A with a d_k of its own for each element."""
    index = np.arange(16) - 7.5
    oracle = index * (0.5 + SIGMA * normals("per_element_centered", 2, 16))
    found = positions("per_element_centered", 2).numpy()
    np.testing.assert_allclose(found, oracle, rtol=0, atol=1e-14)


def test_spacings_have_the_mean_and_the_variance_of_the_paper():
    draws = 1000
    spacings = np.stack([np.diff(positions("cumulative", draw).numpy()) for draw in range(draws)])
    errors = (spacings - 0.5) / SIGMA
    assert abs(errors.mean()) < 4.5 / math.sqrt(errors.size)
    assert abs(errors.var() - 1) < 4.5 * math.sqrt(2 / errors.size)
    # Independent: neighbours do not make up for each other.
    assert abs((errors[:, 1:] * errors[:, :-1]).mean()) < 4.5 / math.sqrt(errors.size - draws)


@pytest.mark.parametrize("model", ["cumulative", "per_element_centered"])
def test_a_draw_is_one_array_for_good(model):
    first = positions(model, 0)
    assert torch.equal(positions(model, 0), first)
    assert not torch.equal(positions(model, 1), first)
    assert not torch.equal(positions(model, 0, seed=1), first)


def test_p1_and_p2_meet_the_same_arrays_but_for_their_phase_reference():
    """A shift turns every steering vector by a common phase."""
    for draw in range(3):
        impairment = Impairment("cumulative", SIGMA, draw)
        shift = p1_config.Scenario().positions(impairment, 0) - Scenario().positions(impairment, 0)
        torch.testing.assert_close(shift, shift[:1].expand(16), rtol=0, atol=1e-14)


def test_without_an_impairment_or_spread_the_array_is_nominal():
    nominal = Scenario().nominal_positions()
    assert torch.equal(Scenario().positions(), nominal)
    for model in ("cumulative", "per_element_centered"):
        torch.testing.assert_close(positions(model, 3, std=0.0), nominal)


def test_another_target_sector_changes_nothing_else():
    scenario = Scenario(num_antennas=5, snr_r_db=3)
    other = scenario.towards((-20, 20))
    assert other == Scenario(num_antennas=5, snr_r_db=3, target_sector_deg=(-20, 20))
    radar, communication = other.channels(other.nominal_positions())
    assert (radar.sector.min_deg, radar.sector.max_deg) == (-20, 20)
    assert (communication.sector.min_deg, communication.sector.max_deg) == (30, 50)


# Bad input


def test_impossible_impairments_are_refused():
    with pytest.raises(ValueError, match="std must be a finite number >= 0"):
        positions("cumulative", 0, std=-1.0)
    with pytest.raises(ValueError, match="step must be an integer >= 0, got -1"):
        positions("cumulative", -1)


def test_unknown_readings_of_the_impairment_are_refused():
    with pytest.raises(ValueError, match=r"model must be one of 'cumulative', .*, got 'x'"):
        positions("x", 0)


def test_impossible_sectors_are_refused():
    scenario = Scenario().towards((20, -20))
    with pytest.raises(ValueError, match="min_deg=20, max_deg=-20"):
        scenario.channels(scenario.nominal_positions())

import math
from typing import get_args

import pytest
import torch
from figure_runs import check_presets

from isaclib.experiments.p1.config import (
    IMPAIRED_PRESETS,
    PENALTY_PRESETS,
    SEQUENTIAL_PRESETS,
    TRADEOFF_PRESETS,
    Impairment,
    Scenario,
    SpacingReading,
)
from isaclib.experiments.p1.maprt import MAPRT
from isaclib.experiments.registry import figures

ALL = {
    "tradeoff": TRADEOFF_PRESETS,
    "impaired": IMPAIRED_PRESETS,
    "penalty": PENALTY_PRESETS,
    "sequential": SEQUENTIAL_PRESETS,
    "maprt": MAPRT.presets,
}
TRAINED = [p for name, p in ALL.items() if name not in ("maprt", "penalty")]


def arrays(model, draws, seed=0):
    scenario = Scenario()
    return torch.stack(
        [scenario.positions(Impairment(model, 1 / 30, draw), seed) for draw in draws]
    )


# Sec. IV-A of the paper


def test_the_scenario_is_that_of_the_paper():
    scenario = Scenario()
    assert (scenario.num_antennas, scenario.order, scenario.p_fa) == (16, 4, 0.01)
    assert (scenario.snr_r_db, scenario.snr_c_db) == (0, 20)
    assert scenario.target_sector_deg == (-20, 20)
    assert scenario.receiver_sector_deg == (30, 50)
    assert scenario.nominal_positions().tolist() == [k / 2 for k in range(16)]


@pytest.mark.parametrize("presets", TRAINED)
def test_the_paper_preset_trains_and_tests_as_the_paper_does(presets):
    config = presets["paper"]
    assert config.scenario == Scenario()
    assert config.training.steps * config.training.batch == 20_000_000
    assert (config.training.batch, config.training.learning_rate) == (10_000, 0.01)
    assert config.test.samples >= 1_000_000


def test_the_radar_weights_are_those_of_the_figures():
    fig2 = (0, 0.01, 0.014, 0.015, 0.03, 0.09, 0.15, 0.4, 0.6, 0.7, 1)
    fig5 = (0, 1e-6, 1e-4, 1e-2, 1.5e-2, 0.03, 0.05, 0.15, 0.4, 0.9, 1)
    for preset in ("desk", "paper"):
        assert TRADEOFF_PRESETS[preset].radar_weights == fig2
        assert IMPAIRED_PRESETS[preset].radar_weights == fig5


def test_fig_5_meets_enough_arrays_of_both_readings():
    config = IMPAIRED_PRESETS["paper"]
    assert config.std_wavelengths == pytest.approx(1 / 30)
    assert config.baseline_draws >= 20
    assert config.learned_draws >= 3
    assert set(config.models) == {"cumulative", "per_element"}


@pytest.mark.parametrize("presets", ALL.values(), ids=ALL)
def test_presets_are_three_that_json_can_hold_and_tests_that_fit_their_blocks(presets):
    check_presets(presets)


def test_every_figure_of_the_paper_is_registered():
    found = [name for name, spec in figures().items() if spec.paper == "p1"]
    assert found == [
        "p1-fig2",
        "p1-fig3",
        "p1-fig4",
        "p1-fig5",
        "p1-penalty",
        "p1-sequential",
        "p1-maprt",
        "p1-limits",
    ]


# Impaired arrays


@pytest.mark.parametrize("model", get_args(SpacingReading))
def test_a_draw_is_one_array_for_good(model):
    first, second, again = arrays(model, [0, 1, 0])
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, arrays(model, [0], seed=1)[0])


def test_the_readings_do_not_share_their_draws():
    first, second, third = (arrays(model, [0])[0].diff() for model in get_args(SpacingReading))
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_errors_of_each_reading_spread_as_they_should():
    draws = 2000
    nominal = Scenario().nominal_positions()
    walk = arrays("cumulative", range(draws)) - nominal
    fan = arrays("per_element", range(draws)) - nominal
    index = torch.arange(16, dtype=torch.float64)
    tolerance = 4.5 / math.sqrt(2 * draws)
    assert not walk[:, 0].any()
    ratio = walk.std(0)[1:] * 30 / index[1:].sqrt()
    assert float((ratio - 1).abs().max()) < tolerance
    # Counted from the first element, as in P1's steering vector ...
    ratio = fan.std(0)[1:] * 30 / index[1:]
    assert float((ratio - 1).abs().max()) < tolerance
    # ... and from the centre, where P3 puts the phase reference.
    bow = arrays("per_element_centered", range(draws)) - nominal
    ratio = bow.std(0) * 30 / (index - 7.5).abs()
    assert float((ratio - 1).abs().max()) < tolerance
    assert float(bow.mean().abs()) < 4.5 * 7.5 / 30 / math.sqrt(draws)


def test_without_an_impairment_or_spread_the_array_is_nominal():
    scenario = Scenario(num_antennas=5)
    nominal = scenario.nominal_positions()
    assert torch.equal(scenario.positions(), nominal)
    for model in get_args(SpacingReading):
        torch.testing.assert_close(scenario.positions(Impairment(model, 0.0, 3)), nominal)


def test_channels_and_networks_are_those_of_the_scenario():
    scenario = Scenario(num_antennas=5, order=8, snr_r_db=-3, snr_c_db=7)
    radar, communication = scenario.channels(scenario.nominal_positions())
    assert (radar.snr_db, communication.snr_db) == (-3, 7)
    assert radar.sector == scenario.target_sector
    assert communication.sector == scenario.receiver_sector
    model = scenario.autoencoder(0)
    assert (model.num_antennas, model.order) == (5, 8)
    expected = [radar.sector.min, radar.sector.max]
    assert model.sectors[:2].tolist() == pytest.approx(expected)


# Bad input


@pytest.mark.parametrize(
    ("scenario", "match"),
    [
        (Scenario(target_sector_deg=(20, -20)), "min_deg=20, max_deg=-20"),
        (Scenario(receiver_sector_deg=(30, 100)), "min_deg=30, max_deg=100"),
        (Scenario(num_antennas=0), "num_antennas must be an integer >= 1, got 0"),
        (Scenario(snr_r_db=math.nan), "snr_db must be a finite number of decibels, got nan"),
        (Scenario(snr_c_db=math.inf), "snr_db must be a finite number of decibels, got inf"),
    ],
)
def test_impossible_scenarios_are_refused(scenario, match):
    with pytest.raises(ValueError, match=match):
        scenario.channels(scenario.nominal_positions())


def test_impossible_impairments_are_refused():
    with pytest.raises(ValueError, match="std must be a finite number >= 0"):
        Scenario().positions(Impairment("cumulative", -1.0, 0))
    with pytest.raises(ValueError, match=r"model must be one of 'cumulative', .*, got 'x'"):
        Scenario().positions(Impairment("x", 0.1, 0))
    with pytest.raises(ValueError, match="step must be an integer >= 0, got -1"):
        Scenario().positions(Impairment("cumulative", 0.1, -1))

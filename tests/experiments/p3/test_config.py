import math

import pytest
import torch
from figure_runs import check_presets

from isaclib.experiments.engine.results import PRESETS
from isaclib.experiments.p3.config import (
    CONSTELLATION_PRESETS,
    METHODS_PRESETS,
    RATIO_PRESETS,
    SENSING_PRESETS,
    TRADEOFF_PRESETS,
    Training,
    variations,
)
from isaclib.experiments.p3.scenario import Scenario
from isaclib.signal.spacings import spacing_positions, wavelength

OF_ONE_TRAINING = (SENSING_PRESETS, RATIO_PRESETS, TRADEOFF_PRESETS)
ALL = (*OF_ONE_TRAINING, METHODS_PRESETS, CONSTELLATION_PRESETS)


@pytest.mark.parametrize("presets", ALL)
def test_presets(presets):
    check_presets(presets)
    assert presets["desk"].scenario == presets["paper"].scenario == Scenario()
    assert presets["paper"].test.samples >= 1_000_000


@pytest.mark.parametrize("preset", PRESETS)
def test_figs_3_to_5_have_the_same_trainings(preset):
    common = [
        (p[preset].scenario, p[preset].training, p[preset].draws, p[preset].shares)
        for p in OF_ONE_TRAINING
    ]
    assert common[0] == common[1] == common[2]
    ratio = RATIO_PRESETS[preset]
    training = ratio.training
    for share in ratio.ratios:
        assert training.iterations(share) in training.marks(ratio.shares)


def test_the_scenario_is_that_of_the_paper():
    scenario = Scenario()
    assert (scenario.num_antennas, scenario.subcarriers, scenario.spacing_hz) == (64, 256, 120e3)
    assert (scenario.snr_r_db, scenario.snr_c_db, scenario.taps) == (15, 20, 5)
    assert (scenario.num_angles, scenario.num_ranges) == (720, 200)
    assert scenario.target_sector_deg == (-40, -20)
    assert scenario.receiver_sector_deg == (30, 50)
    # The paper prints 0.2 mm at 60 GHz.
    assert scenario.std_wavelengths * wavelength(60e9) == pytest.approx(2e-4, rel=1e-3)


def test_the_paper_trains_as_it_says():
    training = SENSING_PRESETS["paper"].training
    (supervised,), (unsupervised,) = training.stages("SL"), training.stages("UL")
    assert (supervised.steps, supervised.batch, supervised.drop_at) == (85_000, 3000, 50_000)
    rates = [s.learning_rate * wavelength(60e9) for s in (supervised, unsupervised)]
    assert rates == pytest.approx([4e-7, 5e-7])
    first, second = training.stages("SL+UL")
    assert (first.loss, first.steps, second.loss, second.steps) == (
        *("supervised", 1000),
        *("unsupervised", 84_000),
    )
    assert (first.gate, first.p_present, second.p_present) == (0, 1, 0.5)
    assert [s.steps for s in training.stages("UL+SL")] == [84_000, 1000]


@pytest.mark.parametrize("preset", ["desk", "paper"])
def test_the_proportions_of_the_schedule_are_the_papers(preset):
    training = SENSING_PRESETS[preset].training
    (supervised,), (unsupervised,) = training.stages("SL"), training.stages("UL")
    assert supervised.steps == training.steps
    assert supervised.drop_at / supervised.steps == pytest.approx(50 / 85, abs=1e-3)
    assert supervised.drop == pytest.approx(0.1)
    assert unsupervised.learning_rate / supervised.learning_rate == pytest.approx(5 / 4)
    assert unsupervised.drop_at is None
    assert training.labelled / training.steps == pytest.approx(1 / 85, rel=0.01)


def test_arrays_are_in_order_and_each_its_own():
    scenario = Scenario()
    arrays = [scenario.spacings(draw, 0) for draw in range(3)]
    assert len({tuple(array.tolist()) for array in arrays}) == 3
    for array in arrays:
        assert (spacing_positions(array).diff() > 0).all()
        assert float(array.std()) == pytest.approx(1 / 25, rel=0.35)
    torch.testing.assert_close(arrays[1], scenario.spacings(1, 0))


def test_beams_are_the_eight_by_eight_of_the_paper_but_for_common_phases():
    beams = TRADEOFF_PRESETS["paper"].beams()
    assert len(set(beams)) == len(beams) == 6 * 8 + 2
    assert {eta for eta, _ in beams} == {i / 7 for i in range(8)}
    phases = sorted(phi for eta, phi in beams if eta == beams[1][0])
    assert phases == pytest.approx([i * math.pi / 4 for i in range(8)])


def test_a_beam_alone_has_a_phase_that_changes_nothing():
    scenario = TRADEOFF_PRESETS["smoke"].scenario
    spacing = scenario.spacings(0, 0)
    for eta, other in ((0.0, False), (0.5, True), (1.0, False)):
        one, two = (scenario.transceiver(spacing, "learned", eta, phi).beam() for phi in (0, 2.0))
        alike = abs(torch.vdot(one, two)) > 1 - 1e-5
        assert bool(alike) != other


def test_variations_differ_in_one_respect_each():
    training = Training(steps=10, batch=5, rate=10.0)
    found = {v.name: v.training for v in variations(training, rates=(1.0, 50.0))}
    names = ["supervised", "no drop", "gated", "position", "rate x1", "rate x50"]
    assert list(found) == names
    for name, other in found.items():
        changed = [k for k, v in vars(training).items() if v != vars(other)[k]]
        assert len(changed) == (name != "supervised")
        assert (other.steps, other.batch) == (10, 5)
    (constant,) = found["no drop"].stages("SL")
    assert constant.drop_at is None

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import norm

from isaclib.channels.multitap import MultitapChannel
from isaclib.channels.ofdm import OfdmRadarChannel, WhiteNoise
from isaclib.receivers.angle_delay.reference import (
    baseline_grid,
    literal_estimate,
    position,
    training_grid,
)
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.modulation import psk
from isaclib.signal.noise import step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings.measurement import (
    SensingReceiver,
    array_operating_point,
    measure_sensing,
    measure_symbols,
)
from isaclib.systems.spacings.model import ArrayTransceiver
from isaclib.systems.transceiver import Measurement

pytestmark = pytest.mark.usefixtures("one_thread")

K = 32
TARGET, RECEIVER = Sector(-40, -20), Sector(30, 50)
SUBCARRIERS, RANGES = Subcarriers(32, 1e6), RangeSector(0, 60)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=360, num_distances=70)
BASIS = delay_basis(SUBCARRIERS, RANGES)
NOMINAL = element_positions(K, reference="center")
TRUE = spacing_positions(draw_spacings(K, 1 / 15, generator=step_generator(0, "d", 0)))
RADAR = OfdmRadarChannel(TRUE, TARGET, RANGES, SUBCARRIERS, 12.0)
COMMUNICATION = MultitapChannel(TRUE, RECEIVER, SUBCARRIERS, 0.0)
SETTING = Measurement(samples=6000, block=2000, p_fa=0.02)


def a_transceiver(positions=TRUE, grid=GRID, **options):
    return ArrayTransceiver(positions, TARGET, RECEIVER, GRID.angles, grid, **options)


def literal(transceiver, count, present):
    """The same measurement from the paper's formulas: statistics and position errors."""
    generator = step_generator(5, "literal", int(present))
    targets = RADAR.draw(count, generator, present=present)
    symbols = psk(4)[torch.randint(4, (count, 32), generator=generator)]
    noise = RADAR.noise(count, generator)
    echo = RADAR(transceiver.beam(), symbols, targets, noise)
    found = literal_estimate(
        reciprocal_filter(echo, symbols),
        transceiver.positions,
        transceiver.search,
        SUBCARRIERS,
        transceiver.windows(),
    )
    truth = position(targets.theta, targets.distance)
    error = torch.linalg.vector_norm(position(found.angle, found.distance) - truth, dim=-1)
    return found.statistic, error


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_measurement_agrees_with_the_literal_computation(known):
    """Other noise, simulated elsewhere: the estimates agree within their intervals."""
    transceiver = a_transceiver(TRUE if known else NOMINAL)
    found = measure_sensing(transceiver, RADAR, BASIS, SETTING)
    count = 3000
    absent, _ = literal(transceiver, count, False)
    present, error = literal(transceiver, count, True)
    level = found.threshold.value

    def within(estimate, value):
        spread = math.sqrt(max(value * (1 - value), 1e-4) * (1 / count + 1 / estimate.count))
        assert abs(estimate.value - value) < 4.5 * spread

    within(found.p_fa, float((absent > level).double().mean()))
    within(found.p_md, float((present <= level).double().mean()))
    squares = error[present > level].double().square()
    # One large error in five hundred makes up most of the mean: each sample has its own spread.
    own = (found.position.high**2 - found.position.low**2) / (2 * 1.96)
    other = float(squares.std()) / math.sqrt(len(squares))
    assert abs(found.position.value**2 - float(squares.mean())) < 4.5 * math.hypot(own, other)


def test_the_threshold_gives_the_false_alarms_asked_for():
    operating = array_operating_point(a_transceiver(), RADAR, BASIS, SETTING)
    assert operating.threshold.count == operating.p_fa.count == 6000
    assert abs(operating.p_fa.value - 0.02) < 4.5 * math.sqrt(2 * 0.02 * 0.98 / 6000)


def test_a_known_calibration_is_used():
    transceiver = a_transceiver()
    operating = array_operating_point(transceiver, RADAR, BASIS, SETTING)
    expected = measure_sensing(transceiver, RADAR, BASIS, SETTING)
    assert measure_sensing(transceiver, RADAR, BASIS, SETTING, operating) == expected
    raised = replace(operating, threshold=replace(operating.threshold, value=1e9))
    blind = measure_sensing(transceiver, RADAR, BASIS, SETTING, raised)
    assert blind.p_md.value == blind.p_md.high == 1.0
    assert math.isnan(blind.position.value)


def test_who_knows_the_array_detects_more_and_places_better():
    known, unknown = (
        measure_sensing(a_transceiver(p), RADAR, BASIS, SETTING) for p in (TRUE, NOMINAL)
    )
    assert known.p_md.high < unknown.p_md.low
    assert known.angle.high < unknown.angle.low


def test_the_baselines_grid_finds_the_same_targets():
    grid = baseline_grid(TARGET, RANGES, num_angles=120, num_distances=90)
    learned, baseline = (
        measure_sensing(a_transceiver(grid=g), RADAR, BASIS, SETTING) for g in (GRID, grid)
    )
    assert baseline.p_md.value == pytest.approx(learned.p_md.value, abs=0.03)


def test_the_seed_alone_decides():
    first, again, other = (
        measure_sensing(a_transceiver(), RADAR, BASIS, replace(SETTING, seed=s)) for s in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_echoes_are_simulated_in_few_dimensions(monkeypatch):
    bases, inside = [], WhiteNoise.inside

    def recorded(noise, part, basis, out):
        bases.append(basis)
        return inside(noise, part, basis, out)

    monkeypatch.setattr(WhiteNoise, "inside", recorded)
    SensingReceiver(a_transceiver(), RADAR, BASIS).statistics(500, step_generator(0, "few", 0))
    assert len(bases) >= 4
    for basis in bases:
        assert basis.shape[1] < 0.75 * K
        unit = basis.mH @ basis
        torch.testing.assert_close(unit, torch.eye(len(unit)).to(unit), atol=1e-6, rtol=0)


# Symbols


def test_symbol_errors_are_those_of_the_closed_form():
    transceiver = a_transceiver(radar_fraction=0.0)
    found = measure_symbols(transceiver, COMMUNICATION, SETTING)
    realization = COMMUNICATION.draw(20_000, step_generator(7, "channel", 0))
    _, csi = COMMUNICATION(transceiver.beam(), torch.zeros(20_000, 32) + 0j, realization)
    wrong = torch.from_numpy(1 - (1 - norm.sf(csi.abs().double().numpy())) ** 2).mean(1)
    spread = math.sqrt(float(wrong.var()) / len(wrong))
    margin = (found.high - found.low) / 2 / 1.96
    assert found.count == 6000
    assert abs(found.value - float(wrong.mean())) < 4.5 * math.hypot(spread, margin)


def test_the_interval_counts_ofdm_symbols_not_subcarriers():
    """Errors of a symbol come together, so the spread between seeds is that of the interval."""
    transceiver = a_transceiver(radar_fraction=0.0)
    setting = replace(SETTING, samples=200, block=200)
    found = [
        measure_symbols(transceiver, COMMUNICATION, replace(setting, seed=s)) for s in range(60)
    ]
    values = torch.tensor([f.value for f in found]).double()
    half = sum((f.high - f.low) / 2 for f in found) / len(found) / 1.96
    assert float(values.std()) == pytest.approx(half, rel=0.35)
    independent = math.sqrt(float(values.mean()) * (1 - float(values.mean())) / (200 * 32))
    assert half > 1.8 * independent


def test_a_beam_towards_the_receiver_makes_fewer_errors():
    towards, away = (
        measure_symbols(a_transceiver(radar_fraction=share), COMMUNICATION, SETTING)
        for share in (0.0, 1.0)
    )
    assert towards.high < away.low


# Bad input


def test_a_basis_of_other_ranges_is_refused():
    basis = delay_basis(SUBCARRIERS, RangeSector(0, 50))
    with pytest.raises(ValueError, match=r"basis must be of .* hold the ranges \[0, 60\] m"):
        array_operating_point(a_transceiver(), RADAR, basis, SETTING)


def test_too_few_samples_for_a_threshold_are_refused():
    with pytest.raises(ValueError, match="at least 1 / p_fa = 50 samples, got 40"):
        array_operating_point(a_transceiver(), RADAR, BASIS, replace(SETTING, samples=40, block=40))

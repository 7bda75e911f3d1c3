import math
from functools import cache
from typing import NamedTuple

import pytest
import torch

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.limits.angle import OptimalReceiver
from isaclib.receivers.angle_delay.reference import baseline_grid
from isaclib.signal.arrays import Sector, beampattern, element_positions
from isaclib.signal.beamforming import least_squares_beam
from isaclib.signal.modulation import psk, qam
from isaclib.signal.noise import complex_normal, gain_variance, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis
from isaclib.systems.limit_measurement import measure_limit, measure_map_limit
from isaclib.systems.spacings.measurement import measure_sensing
from isaclib.systems.spacings.model import ArrayTransceiver
from isaclib.systems.transceiver import Baseline, Measurement, measure

pytestmark = pytest.mark.usefixtures("one_thread")

K = 16
SECTOR, RECEIVER = Sector(-20, 20), Sector(30, 50)
POSITIONS = element_positions(K)
RADAR = RadarChannel(POSITIONS, SECTOR, 0.0)
COMMUNICATION = CommunicationChannel(POSITIONS, RECEIVER, 20.0)
BEAM = least_squares_beam(SECTOR, POSITIONS, grid_size=500).to(torch.complex64)
SETTING = Measurement(samples=20_000, block=5000, p_fa=0.02, seed=3)
SHAPED = torch.tensor([0.1, 0.5j, -1.3, 1.4], dtype=torch.complex64)
SHAPED = SHAPED / SHAPED.abs().square().mean().sqrt()
CONSTELLATIONS = {"qam": qam(4), "unequal energies": SHAPED}
SURE = 4.5


class Sample(NamedTuple):
    """What the likelihood-ratio test and the MAPRT make of the same echoes, ``[samples]``."""

    log_ratio: torch.Tensor
    error: torch.Tensor
    variance: torch.Tensor
    statistic: torch.Tensor
    baseline_error: torch.Tensor


@cache
def limit(name):
    return measure_limit(RADAR, BEAM, SETTING, CONSTELLATIONS[name])


@cache
def baseline(name):
    system = Baseline(CONSTELLATIONS[name], BEAM, POSITIONS, SECTOR)
    return measure(system, RADAR, COMMUNICATION, SETTING)


@cache
@torch.no_grad()
def same_echoes(name):
    """The echoes that `measure` draws, one by one."""
    symbols, optimal = CONSTELLATIONS[name], OptimalReceiver(RADAR, BEAM)
    system, found = Baseline(symbols, BEAM, POSITIONS, SECTOR), []
    for generator in SETTING.blocks("present"):
        sent = symbols[torch.randint(4, (SETTING.block,), generator=generator)]
        targets = RADAR.draw(SETTING.block, generator, present=True)
        echo = RADAR(BEAM, sent, targets)
        posterior, sensed = optimal.posterior(echo, sent.abs().square()), system.sense(echo)
        errors = posterior.mean - targets.theta, sensed.angle - targets.theta
        found.append(
            Sample(posterior.log_ratio, errors[0], posterior.variance, sensed.statistic, errors[1])
        )
    return Sample(*map(torch.cat, zip(*found, strict=True)))


@pytest.mark.parametrize("name", CONSTELLATIONS)
def test_receiver_and_limit_meet_the_same_targets(name):
    found, system, sample = limit(name), baseline(name), same_echoes(name)
    declared = sample.log_ratio > found.threshold.value
    assert found.p_md.value == pytest.approx(1 - float(declared.double().mean()))
    assert found.rmse.value == pytest.approx(float(sample.error[declared].square().mean().sqrt()))
    torch.testing.assert_close(found.variance, sample.variance)
    detected = sample.statistic > system.threshold.value
    assert system.p_d.value == pytest.approx(float(detected.double().mean()))
    errors = sample.baseline_error[detected]
    assert system.rmse.value == pytest.approx(float(errors.double().square().mean().sqrt()))


@pytest.mark.parametrize("name", CONSTELLATIONS)
def test_the_limit_misses_no_more_than_the_maprt(name):
    found, system, sample = limit(name), baseline(name), same_echoes(name)
    declared = sample.log_ratio > found.threshold.value
    detected = sample.statistic > system.threshold.value
    gained, lost = int((declared & ~detected).sum()), int((detected & ~declared).sum())
    # Of the same echoes only those count that one of the two misses.
    assert lost - gained < SURE * math.sqrt(lost + gained)
    # Both false alarms are what was asked for, and found on other noise than the threshold.
    spread = math.sqrt(2 * 0.02 * 0.98 / SETTING.samples)
    for p_fa in (found.p_fa.value, system.p_fa.value):
        assert abs(p_fa - 0.02) < SURE * spread


@pytest.mark.parametrize("name", CONSTELLATIONS)
def test_no_error_is_smaller_than_the_limit_for_as_many_targets(name):
    found, system, sample = limit(name), baseline(name), same_echoes(name)
    detected = sample.statistic > system.threshold.value
    best = sample.variance.sort().values[: int(detected.sum())]
    bound = found.rmse_limit(system.p_d.value)
    assert bound.value == pytest.approx(float(best.mean().sqrt()), rel=1e-3)
    assert bound.low < bound.value < bound.high
    assert bound.value <= system.rmse.value
    # The test detects other targets than those that are easiest to place.
    assert bound.value < found.rmse_limit(1.0).value
    assert found.rmse_limit(1 - found.p_md.value).value <= found.rmse.value


def test_the_posterior_variance_is_the_mean_squared_error():
    """Of the targets that the test detects, too: whether it does depends on the echo alone."""
    found, sample = limit("qam"), same_echoes("qam")
    for chosen in (sample.log_ratio > found.threshold.value, sample.log_ratio > -math.inf):
        surplus = (sample.error.square() - sample.variance)[chosen]
        assert abs(float(surplus.mean())) < SURE * float(surplus.std()) / math.sqrt(len(surplus))


def test_a_receiver_that_knows_the_energies_beats_one_that_takes_them_for_equal():
    sample, symbols = same_echoes("unequal energies"), CONSTELLATIONS["unequal energies"]
    optimal = OptimalReceiver(RADAR, BEAM)
    blind = []
    for generator in SETTING.blocks("present"):
        sent = symbols[torch.randint(4, (SETTING.block,), generator=generator)]
        targets = RADAR.draw(SETTING.block, generator, present=True)
        blind.append(optimal.posterior(RADAR(BEAM, sent, targets)))
    level = measure_limit(RADAR, BEAM, SETTING).threshold.value
    detected = torch.cat([b.log_ratio for b in blind]) > level
    declared = sample.log_ratio > limit("unequal energies").threshold.value
    gained, lost = int((declared & ~detected).sum()), int((detected & ~declared).sum())
    assert gained - lost > SURE * math.sqrt(lost + gained)


def test_the_phases_of_the_symbols_do_not_matter():
    """Without symbols they are of unit modulus."""
    plain, found = measure_limit(RADAR, BEAM, SETTING), limit("qam")
    assert plain.threshold.value == pytest.approx(found.threshold.value, rel=1e-4)
    assert plain.p_fa == found.p_fa
    assert plain.p_md.low < found.p_md.value < plain.p_md.high


# A target whose place is known: the limit in closed form


def within(estimate, p_d, p_fa, samples):
    """Whether misses agree with a detection probability, for a threshold set on samples."""
    slope = p_d * math.log(p_d) / math.log(p_fa)
    spread = math.sqrt(p_d * (1 - p_d) / samples + slope**2 * (1 - p_fa) / (p_fa * samples))
    return abs(1 - estimate.value - p_d) < SURE * spread


@pytest.mark.parametrize("snr_db", [-10.0, -3.0, 5.0])
def test_in_a_sector_of_one_angle_the_limit_is_that_of_a_known_place(snr_db):
    point = Sector(10, 10 + 1e-6)
    radar = RadarChannel(POSITIONS, point, snr_db)
    beam = complex_normal((K,), generator=step_generator(0, "beam", 0), dtype=torch.complex128)
    beam /= torch.linalg.vector_norm(beam)
    snr = K * gain_variance(snr_db) * float(beampattern(beam, point.grid(2), POSITIONS)[0])
    found = measure_limit(radar, beam, SETTING, psk(8))
    assert within(found.p_md, 0.02 ** (1 / (1 + snr)), 0.02, SETTING.samples)
    assert found.rmse.value < 1e-7


def test_a_symbol_of_no_energy_leaves_its_false_alarms_to_the_others():
    """Nothing can be detected with it, so the test never declares a target when it is sent."""
    point = Sector(10, 10 + 1e-6)
    radar = RadarChannel(POSITIONS, point, -12.0)
    snr = K * gain_variance(-12.0) * float(beampattern(BEAM, point.grid(2), POSITIONS)[0])
    symbols = torch.tensor([0, math.sqrt(2)], dtype=torch.complex64)
    setting = Measurement(samples=60_000, block=10_000, p_fa=0.02, seed=3)
    found = measure_limit(radar, BEAM, setting, symbols)
    assert found.threshold.value > 0  # the ratio without energy is one
    p_d, alike = (p_fa ** (1 / (1 + 2 * snr)) for p_fa in (0.04, 0.02))
    assert within(found.p_md, p_d / 2, 0.02, setting.samples)
    assert not within(found.p_md, (alike + 0.02) / 2, 0.02, setting.samples)


# Angle and range


SUBCARRIERS, RANGES = Subcarriers(16, 1e6), RangeSector(0, 60)
BASIS = delay_basis(SUBCARRIERS, RANGES)
CENTERED = element_positions(K, reference="center")
MAP_SECTOR = Sector(-40, -20)
MAP_RADAR = OfdmRadarChannel(CENTERED, MAP_SECTOR, RANGES, SUBCARRIERS, 12.0)
MAP_SETTING = Measurement(samples=20_000, block=5000, p_fa=0.02, seed=3)


@cache
def map_system():
    grid = baseline_grid(MAP_SECTOR, RANGES, num_angles=90, num_distances=60)
    return ArrayTransceiver(CENTERED, MAP_SECTOR, RECEIVER, Sector(-90, 90).grid(360), grid)


@cache
def map_limit():
    return measure_map_limit(MAP_RADAR, map_system().beam(), BASIS, MAP_SETTING)


@cache
def map_performance():
    return measure_sensing(map_system(), MAP_RADAR, BASIS, MAP_SETTING)


def test_the_search_of_angle_and_range_misses_no_less_and_places_no_better():
    """On the same targets, but not the same noise."""
    found, system = map_limit(), map_performance()
    spread = math.sqrt(2 * 0.02 * 0.98 / MAP_SETTING.samples)
    assert abs(found.p_fa.value - 0.02) < SURE * spread
    wide = SURE / 1.96 * math.hypot(system.p_md.high - system.p_md.value, width(found.p_md))
    assert found.p_md.value < system.p_md.value + wide
    bound = found.rmse_limit(1 - system.p_md.value)
    wide = SURE / 1.96 * math.hypot(system.position.high - system.position.value, width(bound))
    assert bound.value < system.position.value + wide
    assert bound.value < found.rmse_limit(1.0).value
    assert found.rmse_limit(1 - found.p_md.value).value <= found.rmse.value
    assert len(found.variance) == MAP_SETTING.samples


def width(estimate):
    """Half-width of an interval towards smaller values."""
    return estimate.value - estimate.low


def test_the_search_of_angle_and_range_comes_near_the_limit():
    """A limit far below would be wrong, or of no use."""
    found, system = map_limit(), map_performance()
    assert found.p_md.value > 0.8 * system.p_md.value
    assert found.rmse_limit(1 - system.p_md.value).value > 0.5 * system.position.value


def test_at_one_angle_and_range_the_limit_is_that_of_a_known_place():
    point, ranges = Sector(-30, -30 + 1e-6), RangeSector(30, 30 + 1e-6)
    radar = OfdmRadarChannel(CENTERED, point, ranges, SUBCARRIERS, 2.0)
    beam = map_system().beam()
    snr = K * radar.variance * float(beampattern(beam, point.grid(2), CENTERED)[0])
    found = measure_map_limit(radar, beam, delay_basis(SUBCARRIERS, ranges), MAP_SETTING)
    assert within(found.p_md, 0.02 ** (1 / (1 + snr)), 0.02, MAP_SETTING.samples)
    assert found.rmse.value < 1e-5

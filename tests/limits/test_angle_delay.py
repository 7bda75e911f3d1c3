import math

import numpy as np
import pytest
import torch

from isaclib.channels.ofdm import BasisEcho, GivenNoise, OfdmRadarChannel
from isaclib.limits.angle_delay import OptimalMapReceiver
from isaclib.limits.cramer_rao import crb_angle, crb_range
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, position
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.receivers.ratio_test import threshold
from isaclib.signal.arrays import Sector, beampattern, element_positions, steering_vector
from isaclib.signal.beamforming import least_squares_beam
from isaclib.signal.modulation import psk
from isaclib.signal.noise import step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.sectors import grid_windows

SIGMAS = 4.5
SYMBOL = Subcarriers(32, 1e6)  # a resolution of 4.7 m
SECTOR, RANGES = Sector(-30, 10), RangeSector(0, 30)
POSITIONS = element_positions(6, reference="center")
BASIS = delay_basis(SYMBOL, RANGES)
BEAM = least_squares_beam(Sector(-30, -10), POSITIONS)  # uneven over the sector
EVEN = least_squares_beam(SECTOR, POSITIONS)


def channel(snr_db=10.0):
    return OfdmRadarChannel(POSITIONS, SECTOR, RANGES, SYMBOL, snr_db)


RADAR = channel()
RECEIVER = OptimalMapReceiver(RADAR, BEAM, BASIS)


def scene(count, present=True, receiver=RECEIVER):
    """Posteriors of simulated echoes, the targets, and the echoes."""
    generator = step_generator(0, f"map/{present}", 0)
    targets = receiver.radar.draw(count, generator, present=present)
    return receiver.posterior(receiver.simulate(targets, generator)), targets


def kept(samples):
    """Echoes that are the same whenever they are asked for."""
    zero = torch.zeros_like(samples)
    noise = GivenNoise(lambda index: samples[index].mT, torch.arange(len(samples)))
    return BasisEcho(zero[:, 0, 0], zero[:, 0], zero[..., 0].real, noise)


def reduced(receiver, filtered):
    """Literal echoes in the receiver's basis."""
    inside = receiver.basis_angles.mH.to(filtered) @ BASIS.project(filtered)
    return kept(inside.mT)


def above(first, second):
    """Whether the mean of paired samples is above another's beyond chance."""
    apart = (first - second).double()
    return float(apart.mean()) > SIGMAS * float(apart.std()) / math.sqrt(len(apart))


# Against brute force


def literal_moments(filtered, radar):
    """Ratio and moments by the trapezoidal rule, over all antennas and subcarriers."""
    theta, distance = SECTOR.grid(501), RANGES.grid(3001)
    a = np.exp(-2j * np.pi * np.outer(np.sin(theta.numpy()), POSITIONS.numpy()))
    delay = 2 * distance.numpy() / 299792458.0
    rho = np.exp(-2j * np.pi * 1e6 * np.outer(delay, np.arange(32)))
    power = abs(a.conj() @ filtered.numpy() @ rho.conj().T) ** 2 / (6 * 32)
    snr = 6 * radar.variance * beampattern(BEAM, theta, POSITIONS).numpy()[:, None]
    log = snr / (1 + snr) * power - np.log1p(snr)
    top = log.max()
    weights = np.exp(log - top)
    for axis in (0, 1):
        weights = np.moveaxis(weights, axis, 0)
        weights[[0, -1]] /= 2
        weights = np.moveaxis(weights, 0, axis)
    total = weights.sum()

    def mean(values):
        return (weights * values).sum() / total

    t, r = theta.numpy()[:, None], distance.numpy()[None, :]
    x, y = r * np.cos(t), r * np.sin(t)
    place = np.array([mean(x), mean(y)])
    return {
        "log_ratio": top + math.log(total / (500 * 3000)),
        "position": place,
        "variance": mean((x - place[0]) ** 2 + (y - place[1]) ** 2),
        "angle": mean(t),
        "angle_variance": mean((t - mean(t)) ** 2),
        "distance": mean(r),
        "distance_variance": mean((r - mean(r)) ** 2),
    }


@pytest.mark.parametrize("snr_db", [-10.0, 8.0, 16.0])
def test_posteriors_equal_brute_force_over_antennas_and_subcarriers(snr_db):
    """Ranges and angles at the ends of the sectors included; the basis loses nothing."""
    radar = channel(snr_db)
    generator = step_generator(1, "brute", 0)
    targets = radar.draw(8, generator, present=True)
    targets.theta[:4] = torch.tensor([SECTOR.min, SECTOR.max, -0.2, SECTOR.max])
    targets.distance[:4] = torch.tensor([10.0, 0.0, 30.0, 30.0])
    symbols = psk(4)[torch.randint(4, (8, 32), generator=generator)]
    filtered = reciprocal_filter(
        radar(BEAM, symbols, targets, radar.noise(8, generator)), symbols
    ).to(torch.complex128)
    receiver = OptimalMapReceiver(radar, BEAM, BASIS, per_cell=12, local=48, dtype=torch.float64)
    found = receiver.posterior(reduced(receiver, filtered))
    for i in range(8):
        expected = literal_moments(filtered[i], radar)
        for name in ("log_ratio", "position", "angle", "distance"):
            scale = math.sqrt(expected.get(f"{name}_variance", expected["variance"]))
            tolerance = 0.005 * (1 if name == "log_ratio" else scale)
            value = getattr(found, name)[i].numpy()
            assert value == pytest.approx(expected[name], abs=tolerance), (name, i)
        for name in ("variance", "angle_variance", "distance_variance"):
            assert float(getattr(found, name)[i]) == pytest.approx(expected[name], rel=0.01), (
                name,
                i,
            )


@pytest.mark.parametrize(("present", "snr_db"), [(True, 10.0), (False, 10.0), (True, 20.0)])
def test_twice_as_many_nodes_and_more_digits_change_little(present, snr_db):
    radar = channel(snr_db)
    receiver = OptimalMapReceiver(radar, EVEN, BASIS)
    generator = step_generator(0, "nodes", 0)
    echo = receiver.simulate(radar.draw(300, generator, present=present), generator)
    echo = kept(echo.samples(slice(0, 300)).clone())
    found = receiver.posterior(echo)
    finer = OptimalMapReceiver(radar, EVEN, BASIS, per_cell=12, local=48, dtype=torch.float64)
    fine = finer.posterior(echo)
    apart = (found.log_ratio - fine.log_ratio).abs()
    assert float(apart.max()) < 0.05
    assert float(apart.median()) < 1e-3
    for name in ("variance", "angle_variance", "distance_variance"):
        ratio = (getattr(found, name) / getattr(fine, name) - 1).abs()
        assert float(ratio.max()) < 0.05
        assert float(ratio.median()) < 2e-3
    moved = (found.position - fine.position).norm(dim=-1) / fine.variance.sqrt()
    assert float(moved.max()) < 0.05
    coarse = OptimalMapReceiver(radar, EVEN, BASIS, per_cell=1, local=3).posterior(echo)
    assert float((coarse.log_ratio - fine.log_ratio).abs().max()) > 0.1  # the test can fail


def test_a_beam_with_a_zero_in_the_sector_gets_closer_angles():
    radar = channel(30.0)
    steering = steering_vector(torch.tensor([0.05, -0.3]), POSITIONS)
    beam = torch.linalg.pinv(steering) @ torch.tensor([0, 1 + 0j])
    beam = beam / torch.linalg.vector_norm(beam)
    echoes = []
    for per_cell in (6, 24):
        receiver = OptimalMapReceiver(radar, beam, BASIS, per_cell=per_cell)
        generator = step_generator(0, "zero", 0)
        echo = receiver.simulate(radar.draw(300, generator, present=False), generator)
        echoes.append(receiver.posterior(echo).log_ratio)
    assert float((echoes[0] - echoes[1]).abs().max()) < 0.1


# What posteriors must be


def test_the_mean_of_one_over_the_ratio_is_one_with_a_target():
    found, _ = scene(20_000)
    inverse = torch.exp(-found.log_ratio)
    assert abs(float(inverse.mean()) - 1) < SIGMAS * float(inverse.std()) / math.sqrt(20_000)


def test_the_posterior_variances_are_the_errors_of_the_posterior_means():
    found, targets = scene(20_000)
    theta, distance = targets.theta.double(), targets.distance.double()
    errors = {
        "variance": (found.position - position(theta, distance)).square().sum(-1),
        "angle_variance": (found.angle - theta).square(),
        "distance_variance": (found.distance - distance).square(),
    }
    for name, error in errors.items():
        apart = error - getattr(found, name)
        assert abs(float(apart.mean())) < SIGMAS * float(apart.std()) / math.sqrt(20_000), name


def test_without_a_signal_the_posterior_is_the_prior():
    found, _ = scene(5, receiver=OptimalMapReceiver(channel(-90.0), BEAM, BASIS))
    theta, distance = torch.meshgrid(SECTOR.grid(1001), RANGES.grid(1001), indexing="ij")
    places = position(theta, distance).flatten(0, 1)
    assert found.log_ratio.numpy() == pytest.approx(0, abs=1e-5)
    assert found.position.numpy() == pytest.approx(places.mean(0).expand(5, 2).numpy(), abs=0.02)
    assert found.variance.numpy() == pytest.approx(float(places.var(0).sum()), rel=2e-3)
    assert found.distance_variance.numpy() == pytest.approx(30**2 / 12, rel=2e-3)


def test_at_a_high_snr_the_variances_are_the_cramer_rao_bounds():
    radar, snr = channel(45.0), 3000.0
    receiver = OptimalMapReceiver(radar, EVEN, BASIS, dtype=torch.float64)
    theta = torch.linspace(-0.4, 0.05, 7, dtype=torch.float64)
    distance = torch.linspace(6, 24, 7, dtype=torch.float64)
    steering = steering_vector(theta, POSITIONS).unsqueeze(-1)
    echo = steering * SYMBOL.delay_vector(distance).unsqueeze(-2) * math.sqrt(snr / (6 * 32))
    found = receiver.posterior(reduced(receiver, echo))
    angle, span = crb_angle(theta, snr, POSITIONS), crb_range(snr, SYMBOL)
    assert (found.angle_variance / angle).numpy() == pytest.approx(1, abs=0.02)
    assert (found.distance_variance / span).numpy() == pytest.approx(1, abs=0.02)
    both = span + distance.square() * angle
    assert (found.variance / both).numpy() == pytest.approx(1, abs=0.02)


def test_no_map_search_detects_more_or_places_better():
    count, p_fa = 20_000, 0.02
    grid = AngleDelayGrid(SECTOR.grid(81), RANGES.grid(121), 0, 0)
    search, windows = MapSearch(grid, BASIS), grid_windows(SECTOR.grid(81), SECTOR)
    levels, hits, errors = {}, {}, {}
    for present in (False, True):
        generator = step_generator(0, f"search/{present}", 0)
        targets = RADAR.draw(count, generator, present=present)
        echo = RECEIVER.simulate(targets, generator)
        echo = kept(echo.samples(slice(0, count)))
        found = RECEIVER.posterior(echo)
        other = search.maximum(echo, POSITIONS, windows, angles=RECEIVER.basis_angles)
        for name, statistic in (("ratio", found.log_ratio), ("map", other.statistic)):
            if present:
                hits[name] = {
                    end: (statistic > getattr(levels[name], end)).double()
                    for end in ("low", "high")
                }
            else:
                levels[name] = threshold(statistic, p_fa, confidence=1 - 1e-5)
        places = {"ratio": found.position, "map": position(other.angle, other.distance)}
        truth = position(targets.theta, targets.distance)
        errors = {name: (place - truth).square().sum(-1) for name, place in places.items()}
    assert not above(hits["map"]["high"], hits["ratio"]["low"])
    assert above(errors["map"], errors["ratio"])


def test_echoes_in_another_basis_are_refused():
    with pytest.raises(ValueError, match=r"echo must be in the basis of .* angles, got one of 3"):
        RECEIVER.posterior(kept(torch.zeros(2, BASIS.rank, 3) + 0j))
    with pytest.raises(ValueError, match=r"per_cell must be .*, got 0"):
        OptimalMapReceiver(RADAR, BEAM, BASIS, per_cell=0)
    with pytest.raises(ValueError, match=r"local must be .*, got 0"):
        OptimalMapReceiver(RADAR, BEAM, BASIS, local=0)

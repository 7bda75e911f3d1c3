import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.hermite import hermgauss
from scipy.integrate import quad

from isaclib.channels.narrowband import RadarChannel
from isaclib.limits._quadrature import legendre, legendre_round
from isaclib.limits.angle import OptimalReceiver, rms_aperture, rmse_limit
from isaclib.limits.cramer_rao import crb_angle
from isaclib.metrics import wilson
from isaclib.receivers.ratio_test import maprt, threshold
from isaclib.signal.arrays import Sector, beampattern, element_positions, steering_vector
from isaclib.signal.beamforming import least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.signal.noise import complex_normal, step_generator

SIGMAS = 4.5
SECTOR = Sector(-20, 20)
K = 8
POSITIONS = element_positions(K)
RADAR = RadarChannel(POSITIONS, SECTOR, 0.0)
BEAM = least_squares_beam(SECTOR, POSITIONS)
# Lights one half of the sector much more than the other, which a receiver had better know.
UNEVEN = least_squares_beam(Sector(-20, -5), POSITIONS)


def scene(radar, beam, count, present=True, stream="bounds"):
    """Echoes of a symbol of unit modulus, and the angles."""
    generator = step_generator(0, f"{stream}/{present}", 0)
    drawn = radar.draw(count, generator, present=present)
    return radar(beam, torch.ones(count, dtype=torch.complex64), drawn), drawn.theta.double()


def not_above(first, second):
    """Whether the mean of paired samples is not above another's beyond chance."""
    apart = (first - second).double()
    return float(apart.mean()) <= SIGMAS * float(apart.std()) / math.sqrt(len(apart))


# The likelihood ratio and the posterior, against brute force


def literal_ratio(echo, theta, radar, beam):
    """Ratio of two Gaussian densities, from their covariance matrices."""
    variance = 10 ** (radar.snr_db / 10)
    p = radar.positions.numpy()
    a = np.exp(-2j * np.pi * p * np.sin(theta))
    s = a @ beam.to(torch.complex128).numpy()
    covariance = np.eye(len(p)) + variance * abs(s) ** 2 * np.outer(a, a.conj())
    log = -np.linalg.slogdet(covariance)[1] - (echo.conj() @ np.linalg.solve(covariance, echo)).real
    return math.exp(log + np.linalg.norm(echo) ** 2)


@pytest.mark.parametrize("antennas", [1, 2, 3])
def test_ratio_and_posterior_equal_brute_force_integration(antennas):
    radar = RadarChannel(element_positions(antennas), Sector(-30, 50), 6.0)
    beam = complex_normal((antennas,), generator=step_generator(1, "beam", 0))
    receiver = OptimalReceiver(radar, beam, dtype=torch.float64)
    echo = scene(radar, beam, 12)[0]
    found = receiver.posterior(echo.to(torch.complex128))
    low, high = radar.sector.min, radar.sector.max
    for i, z in enumerate(echo.to(torch.complex128).numpy()):

        def moment(power, z=z):
            def integrand(theta):
                return theta**power * literal_ratio(z, theta, radar, beam)

            return quad(integrand, low, high, limit=400, epsabs=0, epsrel=1e-10)[0] / (high - low)

        zeroth, first, second = (moment(n) for n in range(3))
        assert float(found.log_ratio[i]) == pytest.approx(math.log(zeroth), abs=1e-8)
        assert float(found.mean[i]) == pytest.approx(first / zeroth, abs=1e-9)
        expected = second / zeroth - (first / zeroth) ** 2
        assert float(found.variance[i]) == pytest.approx(expected, abs=1e-9)


def test_the_gain_is_integrated_out():
    """The mean over the gain of the ratio for a known gain, by Gauss-Hermite quadrature."""
    radar = RadarChannel(element_positions(2), Sector(9.999, 10.001), 0.0)
    beam = torch.tensor([0.6, 0.8j])
    a = np.exp(-2j * np.pi * radar.positions.numpy() * math.sin(math.radians(10)))
    x, w = hermgauss(60)
    gain = x[:, None] + 1j * x  # density exp(-|gain|^2) / pi
    signal = gain[..., None] * a * (a @ beam.numpy())
    for z in (np.array([1 + 1j, 0.3]), np.array([-0.5j, 2.0])):
        exponent = 2 * (signal.conj() @ z).real - np.linalg.norm(signal, axis=-1) ** 2
        expected = math.log((np.outer(w, w) * np.exp(exponent)).sum() / math.pi)
        receiver = OptimalReceiver(radar, beam, dtype=torch.float64)
        found = receiver.posterior(torch.from_numpy(z).unsqueeze(0))
        assert float(found.log_ratio) == pytest.approx(expected, abs=1e-4)


def test_the_mean_of_one_over_the_ratio_is_one_with_a_target():
    """As of any ratio of two densities; this one is bounded, so a sample shows it."""
    echo, _ = scene(RADAR, UNEVEN, 40_000)
    inverse = torch.exp(-OptimalReceiver(RADAR, UNEVEN).posterior(echo).log_ratio)
    assert abs(float(inverse.mean()) - 1) < SIGMAS * float(inverse.std()) / 200


def test_more_nodes_and_more_digits_change_nothing():
    echo, _ = scene(RADAR, BEAM, 4000)
    default = OptimalReceiver(RADAR, BEAM)
    fine = 2 * len(default.angles) / (rms_aperture(POSITIONS) * (SECTOR.max - SECTOR.min))
    reference = OptimalReceiver(RADAR, BEAM, per_cell=fine, dtype=torch.float64).posterior(echo)
    found = default.posterior(echo)
    assert float((found.log_ratio - reference.log_ratio).abs().max()) < 1e-4
    assert float((found.mean - reference.mean).abs().max()) < 1e-6
    assert float((found.variance / reference.variance - 1).abs().max()) < 1e-3
    coarse = OptimalReceiver(RADAR, BEAM, per_cell=4).posterior(echo)  # the test can fail
    assert float((coarse.log_ratio - reference.log_ratio).abs().max()) > 0.1


def test_echoes_do_not_depend_on_their_neighbours():
    echo, _ = scene(RADAR, BEAM, 1300)
    receiver = OptimalReceiver(RADAR, BEAM)
    whole, part = receiver.posterior(echo), receiver.posterior(echo[1200:])
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(one[1200:], other, rtol=1e-4, atol=1e-5)


def test_symbols_of_other_energies_count_as_another_snr():
    symbols = qam(16)
    echo, _ = scene(RADAR, BEAM, 600)
    energy = symbols.abs().square()[torch.arange(600) % 16]
    found = OptimalReceiver(RADAR, BEAM, per_cell=100).posterior(echo, energy)
    for value in energy.unique():
        radar = RadarChannel(POSITIONS, SECTOR, 10 * math.log10(float(value)))
        chosen = (energy - value).abs() < 1e-6
        expected = OptimalReceiver(radar, BEAM, per_cell=100).posterior(echo[chosen])
        torch.testing.assert_close(found.log_ratio[chosen], expected.log_ratio, rtol=0, atol=1e-4)
        torch.testing.assert_close(found.mean[chosen], expected.mean, rtol=0, atol=1e-5)


# Detection


def test_a_known_angle_leaves_the_closed_form():
    """P_d = P_fa^(1 / (1 + q)), and the ratio is one of the matched filter's output."""
    radar = RadarChannel(POSITIONS, Sector(9.9999, 10.0001), -3.0)
    theta = torch.tensor(math.radians(10.0), dtype=torch.float64)
    q = K * 10**-0.3 * float(beampattern(BEAM, theta, POSITIONS))
    p_fa, count = 0.01, 50_000
    level = q / (1 + q) * -math.log(p_fa) - math.log(1 + q)
    for present, expected in ((False, p_fa), (True, p_fa ** (1 / (1 + q)))):
        echo, _ = scene(radar, BEAM, count, present)
        above = int((OptimalReceiver(radar, BEAM).posterior(echo).log_ratio > level).sum())
        found = wilson(above, count, confidence=1 - 1e-5)
        assert found.low < expected < found.high


@pytest.mark.parametrize(("beam", "strictly"), [(BEAM, False), (UNEVEN, True)])
def test_no_matched_filter_detects_more_at_the_same_false_alarm_rate(beam, strictly):
    count, p_fa = 300_000, 0.1
    noise, _ = scene(RADAR, beam, count, present=False)
    echo, _ = scene(RADAR, beam, count)
    receiver = OptimalReceiver(RADAR, beam)

    def ratio(z):
        return receiver.posterior(z).log_ratio

    def search(z):
        return maprt(z, POSITIONS, SECTOR, grid_size=401)[0]

    def middle(z):
        return (z @ steering_vector(torch.zeros(1), POSITIONS).mH).abs()[:, 0]

    def hits(statistic, end):
        """Detections at one end of the interval that holds the exact threshold."""
        level = getattr(threshold(statistic(noise), p_fa, confidence=1 - 1e-5), end)
        return (statistic(echo) > level).double()

    for other in (search, middle):
        assert not_above(hits(other, "high"), hits(ratio, "low"))
    if strictly:
        assert not not_above(hits(ratio, "high"), hits(search, "low"))


# Estimation


def test_the_posterior_mean_beats_other_estimates_and_its_variance_is_its_error():
    echo, theta = scene(RADAR, BEAM, 40_000)
    found = OptimalReceiver(RADAR, BEAM).posterior(echo)
    error = (found.mean - theta).square()
    apart = error - found.variance
    assert abs(float(apart.mean())) < SIGMAS * float(apart.std()) / 200
    _, peak = maprt(echo, POSITIONS, SECTOR, grid_size=401)
    grid = SECTOR.grid(101).float()
    magnitude = (echo @ steering_vector(grid, POSITIONS).mH).abs()
    soft = torch.softmax(magnitude, dim=-1) @ grid
    for other in (peak, soft):
        worse = (other.double() - theta).square()
        assert not_above(error, worse)
        assert not not_above(worse, error)


def test_without_a_signal_the_posterior_is_the_prior():
    radar = RadarChannel(POSITIONS, Sector(-10, 30), -90.0)
    echo, _ = scene(radar, BEAM, 10)
    found = OptimalReceiver(radar, BEAM).posterior(echo)
    width = radar.sector.max - radar.sector.min
    assert found.log_ratio.numpy() == pytest.approx(0, abs=1e-5)
    assert found.mean.numpy() == pytest.approx(math.radians(10), abs=1e-5)
    assert found.variance.sqrt().numpy() == pytest.approx(width / math.sqrt(12), rel=1e-4)


def test_at_a_high_snr_the_posterior_variance_is_the_cramer_rao_bound():
    radar = RadarChannel(POSITIONS, SECTOR, 30.0)
    theta = torch.linspace(-0.25, 0.25, 9, dtype=torch.float64)
    snr = 3000.0
    echo = math.sqrt(snr / K) * steering_vector(theta, POSITIONS)
    found = OptimalReceiver(radar, BEAM, dtype=torch.float64).posterior(echo)
    bound = crb_angle(theta, snr, POSITIONS)
    assert (found.variance / bound).numpy() == pytest.approx(1, abs=0.01)
    assert float(((found.mean - theta) / bound.sqrt()).abs().max()) < 0.1


# The limit for detected targets


@given(st.lists(st.floats(0, 10), min_size=2, max_size=60), st.integers(0, 10**6), st.data())
def test_no_choice_of_echoes_has_a_smaller_mean_variance(values, seed, data):
    variance = torch.tensor(values, dtype=torch.float64)
    kept = data.draw(st.integers(1, len(values)))
    chosen = np.random.default_rng(seed).permutation(len(values))[:kept]
    limit = rmse_limit(variance, kept / len(values))
    assert limit.value <= math.sqrt(float(variance[chosen].mean())) + 1e-7
    smallest = sorted(values)[:kept]
    assert limit.value == pytest.approx(math.sqrt(sum(smallest) / kept), abs=1e-6)
    assert limit.count == len(values)


def test_detectors_with_any_estimate_stay_above_the_limit():
    echo, theta = scene(RADAR, UNEVEN, 40_000)
    found = OptimalReceiver(RADAR, UNEVEN).posterior(echo)
    statistic, peak = maprt(echo, POSITIONS, SECTOR, grid_size=401)
    tests = {"ratio": found.log_ratio, "maprt": statistic, "sure": -found.variance}
    for name, test in tests.items():
        declared = test > test.quantile(0.4)
        limit = rmse_limit(found.variance, float(declared.double().mean()), confidence=1 - 1e-5)
        for estimate in (found.mean, peak.double()):
            square = (estimate - theta)[declared].square()
            slack = SIGMAS * float(square.std()) / math.sqrt(len(square))
            assert limit.low**2 < float(square.mean()) + slack
        if name == "sure":  # the one that reaches it
            mean = (found.mean - theta)[declared].square()
            slack = SIGMAS * float(mean.std()) / math.sqrt(len(mean))
            assert limit.high**2 > float(mean.mean()) - slack


@pytest.mark.parametrize("share", [0.1, 0.7, 1.0])
def test_the_interval_of_the_limit_covers(share):
    """Exponential variances, whose smallest part has a closed form."""
    trials, count = 400, 1000
    quantile = -math.log1p(-share) if share < 1 else math.inf
    tail = (1 - share) * quantile if share < 1 else 0.0
    exact = math.sqrt((share - tail) / share)
    generator = step_generator(0, "exponential", 0)
    draws = -torch.log(torch.rand(trials, count, generator=generator, dtype=torch.float64))
    found = [rmse_limit(row, share, confidence=0.9) for row in draws]
    covered = sum(x.low <= exact <= x.high for x in found) / trials
    assert abs(covered - 0.9) < SIGMAS * math.sqrt(0.09 / trials)


# Quadrature and arguments


def test_rules_integrate_what_they_say():
    nodes, weights = legendre(-1.0, 3.0, 12)
    assert float(weights @ nodes**6) == pytest.approx((3**7 + 1) / 7 / 4, rel=1e-12)
    low, high = torch.tensor([-1.0, -1.0]).double(), torch.tensor([1.0, 0.3]).double()
    peak, width = torch.tensor([0.2, 0.3]).double(), torch.tensor([0.02, 0.02]).double()
    nodes, weights = legendre_round(low, high, peak, width, 24)
    found = (weights * torch.exp(-(((nodes.T - peak) / 0.01).T ** 2) / 2)).sum(-1)
    full = 0.01 * math.sqrt(2 * math.pi)
    assert found.tolist() == pytest.approx([full, full / 2], rel=1e-3)
    assert weights.sum(-1).tolist() == pytest.approx([2, 1.3], rel=1e-5)
    assert bool((nodes > low[:, None]).all() and (nodes < high[:, None]).all())


def test_the_aperture_of_a_uniform_array():
    assert rms_aperture(element_positions(16)) == pytest.approx(0.5 * math.sqrt(255))
    assert rms_aperture(element_positions(16) + 7) == pytest.approx(0.5 * math.sqrt(255))


def test_wrong_arguments_are_named():
    receiver = OptimalReceiver(RADAR, BEAM)
    with pytest.raises(ValueError, match=r"echo must have shape \[batch, 8\], got \(3, 7\)"):
        receiver.posterior(torch.zeros(3, 7, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"beam must have shape \[8\].*got \(7,\)"):
        OptimalReceiver(RADAR, BEAM[:7])
    with pytest.raises(ValueError, match="per_cell must be a finite number > 0, got 0"):
        OptimalReceiver(RADAR, BEAM, per_cell=0)
    for share in (0, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"p_d must lie in \(0, 1\]"):
            rmse_limit(torch.ones(3), share)
    with pytest.raises(ValueError, match="variance must hold at least 2 samples, got 1"):
        rmse_limit(torch.ones(1), 0.5)

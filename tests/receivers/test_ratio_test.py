import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import binom, kstest

from isaclib.receivers.ratio_test import (
    log_map_ratio,
    log_posterior_ratio,
    map_gain,
    map_signal,
    maprt,
    matched_filter,
    single_angle_false_alarm,
    threshold,
)
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator

K = 6
POSITIONS = element_positions(K)
SECTOR = Sector(-20, 20)
VARIANCE = 2.0
MODEL = {"positions": POSITIONS, "variance": VARIANCE}
SIGMAS = 4.5


def draw(name, *shape, variance=1.0):
    return complex_normal(
        shape, variance, generator=step_generator(0, name, 0), dtype=torch.complex128
    )


def echoes(count, antennas=K, variance=4.0):
    """Echoes of targets in the sector, in double precision."""
    theta = SECTOR.sample(count, step_generator(0, "theta", 0)).double()
    steering = steering_vector(theta, element_positions(antennas))
    gain = draw("gain", count, variance=variance)
    return gain[:, None] * steering * math.sqrt(antennas) + draw("noise", count, antennas)


def unit_signals(count):
    signals = draw("signals", count, K)
    return signals / torch.linalg.vector_norm(signals, dim=-1, keepdim=True)


def angles(count):
    return torch.linspace(SECTOR.min, SECTOR.max, count, dtype=torch.float64)


def numpy_ratio(echo, alpha, theta, signal):
    """Eq. (14) as printed: ||z||^2/N0 minus what is in the braces."""
    a = np.exp(-2j * np.pi * POSITIONS.numpy() * np.sin(theta))
    residual = echo - alpha * a * (a @ signal)
    braces = np.linalg.norm(residual) ** 2 + abs(alpha) ** 2 / VARIANCE
    return np.linalg.norm(echo) ** 2 - braces


# App. A, step by step


def test_eq_14_is_what_the_paper_prints():
    count = 8
    echo, gain, theta, signal = echoes(count), draw("a", count), angles(count), unit_signals(count)
    found = log_posterior_ratio(echo, gain, theta, signal, **MODEL)
    for i in range(count):
        oracle = numpy_ratio(echo[i].numpy(), complex(gain[i]), float(theta[i]), signal[i].numpy())
        assert float(found[i]) == pytest.approx(oracle, rel=1e-10)


def test_eq_15_is_where_an_optimizer_finds_the_best_gain():
    count = 6
    echo, theta, signal = echoes(count), angles(count), unit_signals(count)
    best = map_gain(echo, theta, signal, **MODEL)
    for i in range(count):
        z, y, angle = echo[i].numpy(), signal[i].numpy(), float(theta[i])

        def negative(x, z=z, y=y, angle=angle):
            return -numpy_ratio(z, x[0] + 1j * x[1], angle, y)

        found = minimize(negative, [0.0, 0.0], options={"gtol": 1e-8})
        assert complex(best[i]) == pytest.approx(found.x[0] + 1j * found.x[1], abs=1e-5)


def test_the_best_gain_is_a_stationary_maximum():
    count = 10
    echo, theta, signal = echoes(count), angles(count), unit_signals(count)
    best = map_gain(echo, theta, signal, **MODEL).requires_grad_(True)
    ratio = log_posterior_ratio(echo, best, theta, signal, **MODEL)
    (slope,) = torch.autograd.grad(ratio.sum(), best)
    assert float(slope.abs().max()) < 1e-10
    for step in (0.1, -0.1, 0.1j, -0.1j):
        assert bool((log_posterior_ratio(echo, best + step, theta, signal, **MODEL) < ratio).all())


def test_eq_16_is_eq_14_with_the_best_gain():
    count = 10
    echo, theta, signal = echoes(count), angles(count), unit_signals(count)
    best = map_gain(echo, theta, signal, **MODEL)
    torch.testing.assert_close(
        log_map_ratio(echo, theta, signal, **MODEL),
        log_posterior_ratio(echo, best, theta, signal, **MODEL),
    )


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.floats(0.2, 5))
def test_no_signal_of_the_same_energy_beats_eq_17(seed, energy):
    echo, theta = echoes(4), angles(4)
    best = map_signal(echo, theta, POSITIONS, energy)
    torch.testing.assert_close(
        torch.linalg.vector_norm(best, dim=-1).square(), torch.full((4,), energy).double()
    )
    other = complex_normal((4, K), generator=step_generator(seed, "o", 0), dtype=torch.complex128)
    other *= math.sqrt(energy) / torch.linalg.vector_norm(other, dim=-1, keepdim=True)
    highest = log_map_ratio(echo, theta, best, **MODEL)
    assert bool((log_map_ratio(echo, theta, other, **MODEL) <= highest).all())
    turned = map_signal(echo, theta, POSITIONS, energy) * np.exp(1j * seed)
    torch.testing.assert_close(log_map_ratio(echo, theta, turned, **MODEL), highest)


def test_the_best_signal_illuminates_the_angle_fully():
    """|a^T y|^2 = E K, what the paper states before Eq. (18)."""
    echo, theta = echoes(5), angles(5)
    illumination = (steering_vector(theta, POSITIONS) * map_signal(echo, theta, POSITIONS, 3)).sum(
        -1
    )
    torch.testing.assert_close(illumination.abs().square(), torch.full((5,), 3.0 * K).double())


def test_the_common_phase_of_eq_17_is_that_of_the_projected_echo():
    echo, theta = echoes(5), angles(5)
    steering = steering_vector(theta, POSITIONS)
    projected = (steering.conj() * echo).sum(-1)
    oracle = steering.conj() * (projected / projected.abs())[:, None] / math.sqrt(K)
    torch.testing.assert_close(map_signal(echo, theta, POSITIONS), oracle)


def test_the_ratio_at_the_best_signal_increases_with_the_statistic_of_eq_18():
    count = 200
    echo = echoes(count)
    statistic, theta = maprt(echo, POSITIONS, SECTOR, grid_size=801)
    ratio = log_map_ratio(echo, theta, map_signal(echo, theta, POSITIONS), **MODEL)
    # Eq. (17) in Eq. (16), by hand.
    torch.testing.assert_close(ratio, K * statistic / (K * K + 1 / VARIANCE))
    assert torch.equal(statistic.argsort(), ratio.argsort())


# The test itself, Eq. (18)


def test_the_statistic_is_the_continuous_maximum_and_the_default_grid_loses_little():
    antennas = 16
    positions = element_positions(antennas)
    echo = echoes(200, antennas)
    fine, fine_angle = maprt(echo, positions, SECTOR, grid_size=20_001)
    coarse, _ = maprt(echo, positions, SECTOR)
    for i in range(0, 200, 10):
        z = echo[i].numpy()

        def negative(theta, z=z):
            a = np.exp(-2j * np.pi * positions.numpy() * np.sin(theta))
            return -(abs(np.vdot(a, z)) ** 2)

        grid = np.linspace(SECTOR.min, SECTOR.max, 101)
        middle = grid[np.argmin([negative(t) for t in grid])]
        bounds = (max(middle - 0.01, SECTOR.min), min(middle + 0.01, SECTOR.max))
        found = minimize_scalar(negative, bounds=bounds, method="bounded", options={"xatol": 1e-9})
        assert float(fine[i]) == pytest.approx(-found.fun, rel=1e-5)
        assert float(fine_angle[i]) == pytest.approx(found.x, abs=5e-5)
    assert bool((coarse <= fine * (1 + 1e-12)).all())
    # A peak half a grid step (0.1 degrees) off is 16 elements * 0.0274 rad wide at most.
    assert float(((fine - coarse) / fine).max()) < 2e-3


def test_the_matched_filter_is_the_projection_on_every_steering_vector():
    echo, theta = echoes(3), angles(5)
    steering = steering_vector(theta, POSITIONS)
    oracle = np.abs(echo.numpy() @ steering.numpy().conj().T) ** 2
    np.testing.assert_allclose(matched_filter(echo, steering).numpy(), oracle, rtol=1e-10)


def test_without_noise_the_angle_is_found_to_half_a_grid_step():
    theta = SECTOR.sample(500, step_generator(0, "exact", 0)).double()
    echo = steering_vector(theta, POSITIONS)
    statistic, angle = maprt(echo, POSITIONS, SECTOR)
    assert float((angle - theta).abs().max()) <= (SECTOR.max - SECTOR.min) / 200 / 2 + 1e-9
    assert float(statistic.max()) <= K**2 + 1e-9


@given(st.integers(2, 300), st.integers(1, 5))
@settings(max_examples=25)
def test_angles_lie_in_the_sector_whatever_the_echo(grid_size, batch):
    echo = draw(f"any/{grid_size}", batch, K).to(torch.complex64)
    statistic, angle = maprt(echo, POSITIONS, SECTOR, grid_size=grid_size)
    assert statistic.shape == angle.shape == (batch,)
    assert statistic.dtype == angle.dtype == torch.float32
    assert bool((angle.abs() <= SECTOR.max + 1e-6).all())


# Thresholds


def test_for_one_known_angle_the_statistic_of_noise_is_exponential():
    """P_fa = exp(-eta / (K N0))."""
    count = 100_000
    noise = draw("absent", count, K)
    steering = steering_vector(torch.tensor([0.3], dtype=torch.float64), POSITIONS)
    statistic = matched_filter(noise, steering)[:, 0]
    assert kstest(statistic.numpy(), "expon", (0, K)).pvalue > 1e-5
    for level in (1.0, 10.0, 25.0):
        expected = single_angle_false_alarm(level, K)
        assert expected == pytest.approx(math.exp(-level / K))
        measured = float((statistic > level).double().mean())
        assert abs(measured - expected) < SIGMAS * math.sqrt(expected * (1 - expected) / count)
    found = threshold(statistic, 0.01, confidence=1 - 1e-5)
    assert found.low <= -K * math.log(0.01) <= found.high


@given(st.integers(10, 3000), st.floats(1e-3, 0.9), st.randoms())
def test_the_threshold_is_an_order_statistic(count, p_fa, random):
    if count * p_fa < 1:
        return
    values = list(range(count))
    random.shuffle(values)
    found = threshold(torch.tensor(values, dtype=torch.float64), p_fa)
    assert sum(v > found.value for v in values) == math.floor(count * p_fa)
    assert found.value in values
    assert found.low <= found.value <= found.high
    assert (found.count, found.p_fa) == (count, p_fa)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("count", "p_fa"), [(1000, 0.01), (2000, 0.01), (777, 0.2), (40, 0.5)])
def test_the_interval_holds_the_exact_threshold_at_least_as_often_as_it_says(
    count, p_fa, confidence
):
    """Exactly: the number of samples above the exact threshold is binomial."""
    ranks = threshold(torch.arange(count).double(), p_fa, confidence=confidence)
    # Order statistic r is below the threshold when at most count - 1 - r samples are above it.
    at_most, at_least = count - 1 - ranks.low, count - ranks.high
    coverage = binom.cdf(at_most, count, p_fa) - binom.cdf(at_least - 1, count, p_fa)
    assert coverage >= confidence
    tail = (1 - confidence) / 2
    assert binom.sf(at_most, count, p_fa) <= tail
    assert binom.cdf(at_least - 1, count, p_fa) <= tail
    # And no wider than it must be.
    assert binom.sf(at_most - 1, count, p_fa) > tail
    assert binom.cdf(at_least, count, p_fa) > tail


def test_the_interval_covers_in_simulation():
    trials, count, p_fa = 400, 500, 0.05
    exact = -math.log(p_fa)
    uniform = torch.rand(trials, count, generator=step_generator(0, "u", 0), dtype=torch.float64)
    found = [threshold(row, p_fa, confidence=0.9) for row in -torch.log(uniform)]
    covered = sum(t.low <= exact <= t.high for t in found) / trials
    assert covered > 0.9 - SIGMAS * math.sqrt(0.9 * 0.1 / trials)
    assert covered < 0.99


def test_too_few_samples_leave_the_threshold_unbounded():
    """All 100 samples are below the exact threshold of P_fa = 0.01 in 37 % of all cases."""
    found = threshold(torch.arange(100).double(), 0.01)
    assert found.high == math.inf
    assert math.isfinite(found.low)
    assert math.isfinite(threshold(torch.arange(400).double(), 0.01).high)


def test_the_shape_of_the_samples_does_not_matter():
    values = draw("values", 40, 5).real
    assert threshold(values, 0.1) == threshold(values.flatten(), 0.1)


# Bad input


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, math.nan])
def test_probabilities_must_be_inside_the_unit_interval(value):
    values = torch.arange(10).double()
    with pytest.raises(ValueError, match=rf"p_fa must be a probability in \(0, 1\), got {value}"):
        threshold(values, value)
    with pytest.raises(ValueError, match=rf"confidence must be a .* in \(0, 1\), got {value}"):
        threshold(values, 0.5, confidence=value)


def test_a_threshold_needs_samples_above_it_and_no_nan():
    with pytest.raises(ValueError, match=r"statistics must hold at least .* 100 samples, got 99"):
        threshold(torch.arange(99).double(), 0.01)
    with pytest.raises(ValueError, match="statistics must not hold NaN"):
        threshold(torch.tensor([0.0, math.nan]), 0.5)


@pytest.mark.parametrize("shape", [(K,), (3, K + 1), (2, 3, K)])
def test_echoes_must_fit_the_array(shape):
    with pytest.raises(ValueError, match=rf"echo must have shape \[batch, {K}\]") as error:
        maprt(draw("bad", *shape), POSITIONS, SECTOR)
    assert f"got {shape}" in str(error.value)


def test_the_search_needs_a_grid():
    with pytest.raises(ValueError, match="count must be at least 2 grid angles, got 1"):
        maprt(echoes(2), POSITIONS, SECTOR, grid_size=1)


@pytest.mark.parametrize("antennas", [0, -4, 2.5])
def test_the_closed_form_needs_antennas(antennas):
    with pytest.raises(ValueError, match=f"num_antennas must be .*, got {antennas}"):
        single_angle_false_alarm(1.0, antennas)


@pytest.mark.parametrize("level", [-1.0, math.nan])
def test_the_closed_form_needs_a_level(level):
    with pytest.raises(ValueError, match=f"level must be .*, got {level}"):
        single_angle_false_alarm(level, 4)

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isaclib.experiments.p1.config import Scenario
from isaclib.experiments.p1.maprt import (
    BruteForce,
    brute_force_ratio,
    closed_form_ratio,
    known_signal_statistic,
)
from isaclib.receivers.ratio_test import log_map_ratio, map_signal, maprt
from isaclib.signal.arrays import steering_vector
from isaclib.signal.noise import complex_normal, gain_variance, step_generator

SCENARIO = Scenario(num_antennas=5, snr_r_db=-2.0)
POSITIONS = SCENARIO.nominal_positions()
VARIANCE = gain_variance(SCENARIO.snr_r_db)


def echoes(count, scale=3.0):
    return complex_normal(
        (count, 5), scale, generator=step_generator(0, "z", 0), dtype=torch.complex128
    )


def test_an_optimizer_that_knows_nothing_finds_the_closed_form():
    """Eqs. (15) to (18) at once: the maximum of Eq. (14) over gain, angle and signal."""
    echo = echoes(6)
    statistic, _ = maprt(echo, POSITIONS, SCENARIO.target_sector, grid_size=4001)
    closed = closed_form_ratio(statistic, 5, VARIANCE)
    for i in range(6):
        found = brute_force_ratio(echo[i].numpy(), POSITIONS.numpy(), SCENARIO, 4, seed=i)
        assert found == pytest.approx(float(closed[i]), rel=1e-4)


def test_the_closed_form_is_eq_17_in_eq_16():
    echo = echoes(20)
    statistic, theta = maprt(echo, POSITIONS, SCENARIO.target_sector)
    for energy in (0.5, 1.0, 3.0):
        signal = map_signal(echo, theta, POSITIONS, energy)
        ratio = log_map_ratio(echo, theta, signal, positions=POSITIONS, variance=VARIANCE)
        torch.testing.assert_close(closed_form_ratio(statistic, 5, VARIANCE, energy), ratio)


@given(st.floats(0, 1e3), st.floats(0, 1e3), st.integers(1, 64), st.floats(0.01, 100))
def test_the_closed_form_increases_with_the_statistic(a, b, antennas, variance):
    low, high = (torch.tensor(x, dtype=torch.float64) for x in sorted((a, b)))
    found = [closed_form_ratio(x, antennas, variance) for x in (low, high)]
    assert found[0] <= found[1]
    # No more than the energy that the matched filter holds, as in a likelihood ratio.
    assert float(found[1]) <= float(high) / antennas + 1e-9


def test_for_a_known_signal_every_angle_is_weighted_by_its_illumination():
    echo, signal = echoes(4), echoes(1)[0] / 3
    found = known_signal_statistic(echo, signal, SCENARIO, 51)
    grid = SCENARIO.target_sector.grid(51).float()
    a = steering_vector(grid, POSITIONS).numpy().astype(complex)
    illumination = np.abs(a @ signal.numpy()) ** 2
    projection = np.abs(echo.numpy() @ a.conj().T) ** 2
    oracle = illumination * projection / (5 * illumination + 1 / VARIANCE)
    np.testing.assert_allclose(found.numpy(), oracle.max(axis=1), rtol=1e-5)


def test_half_of_the_echoes_have_a_target():
    task = BruteForce(Scenario(snr_r_db=20.0), echoes=200, restarts=1, seed=0)
    power = task.draw().abs().square().sum(-1)
    assert power.shape == (200,)
    assert float(power[:100].median()) > 10 * float(power[100:].median())
    # The others are noise of unit power on each of 16 antennas.
    assert float(power[100:].mean()) == pytest.approx(16, abs=4.5 * 4 / 10)

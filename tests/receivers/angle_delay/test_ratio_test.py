import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import expon, kstest

from isaclib.receivers.angle_delay.ratio_test import (
    log_map_ratio,
    log_posterior_ratio,
    map_amplitude,
)
from isaclib.receivers.ratio_test import threshold
from isaclib.signal.arrays import element_positions
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import Subcarriers

K = 4
MODEL = {
    "positions": element_positions(K, reference="center"),
    "subcarriers": Subcarriers(6, 1e6),
    "variance": 0.7,
}


def draw(*shape, name="echo", dtype=torch.complex128):
    return complex_normal(shape, generator=step_generator(0, name, 0), dtype=dtype)


def places(count):
    theta = torch.linspace(-1.1, 1.2, count, dtype=torch.float64)
    return theta, torch.linspace(3.0, 120.0, count, dtype=torch.float64)


def test_the_ratio_is_that_of_the_two_gaussian_likelihoods_and_the_prior():
    """From the densities themselves, sample by sample."""
    echo, amplitude = draw(3, K, 6), draw(3, name="amplitude")
    theta, distance = places(3)
    found = log_posterior_ratio(echo, amplitude, theta, distance, **MODEL)
    k, s = np.arange(K) - 1.5, np.arange(6)
    for i in range(3):
        a = np.exp(-1j * np.pi * k * np.sin(float(theta[i])))
        rho = np.exp(-2j * np.pi * s * 1e6 * 2 * float(distance[i]) / 299792458)
        mean = complex(amplitude[i]) * np.outer(a, rho)
        y = echo[i].numpy()
        present = -np.sum(np.abs(y - mean) ** 2) - abs(complex(amplitude[i])) ** 2 / 0.7
        assert float(found[i]) == pytest.approx(present + np.sum(np.abs(y) ** 2), rel=1e-10)


def test_no_amplitude_is_better_than_the_best_one():
    echo, (theta, distance) = draw(5, K, 6), places(5)
    best = map_amplitude(echo, theta, distance, **MODEL)
    for i in range(5):

        def cost(parts, i=i):
            amplitude = torch.complex(*torch.tensor(parts, dtype=torch.float64))
            arguments = (echo[i], amplitude, theta[i], distance[i])
            return -float(log_posterior_ratio(*arguments, **MODEL))

        found = minimize(cost, [0.0, 0.0], method="BFGS", options={"gtol": 1e-8})
        assert complex(*found.x) == pytest.approx(complex(best[i]), abs=1e-5)


def test_the_best_amplitude_put_in_gives_the_map_of_eq_9():
    echo, (theta, distance) = draw(5, K, 6), places(5)
    best = map_amplitude(echo, theta, distance, **MODEL)
    torch.testing.assert_close(
        log_map_ratio(echo, theta, distance, **MODEL),
        log_posterior_ratio(echo, best, theta, distance, **MODEL),
    )


def test_the_order_of_echoes_does_not_depend_on_the_variance():
    """So the threshold alone holds the variance, as Eq. (9) says."""
    echo, (theta, distance) = draw(50, K, 6), places(50)
    small, large = (
        log_map_ratio(echo, theta, distance, **{**MODEL, "variance": v}) for v in (0.01, 100.0)
    )
    assert torch.equal(small.argsort(), large.argsort())


def test_without_a_target_one_value_of_the_map_is_exponential():
    count = 20_000
    echo = draw(count, K, 6, dtype=torch.complex64)
    theta, distance = torch.full((count,), 0.3), torch.full((count,), 40.0)
    scale = 1 / (1 + 1 / (0.7 * K * 6))
    ratio = log_map_ratio(echo, theta, distance, **MODEL).double()
    assert kstest(ratio.numpy(), expon(scale=scale).cdf).pvalue > 1e-4
    level = threshold(ratio, 0.1)
    assert level.low < -scale * math.log(0.1) < level.high

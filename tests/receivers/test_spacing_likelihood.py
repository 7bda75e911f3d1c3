import itertools
import math

import pytest
import torch
from scipy.optimize import minimize

from isaclib.receivers.spacing_likelihood import likely_positions
from isaclib.signal.arrays import element_index, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.spacings import draw_spacings, spacing_positions

K = 16
NOMINAL = element_positions(K, reference="center")
INDEX = element_index(K)
# The ends are off by 1.2 wavelengths, more than twice the distance of two elements.
FAR = spacing_positions(0.5 + 0.16 * (INDEX / INDEX[-1]) ** 2)


def generator(name):
    return step_generator(0, name, 0)


def echoes(count, true, noise=1.0, gain=2.0):
    theta = torch.rand(count, generator=generator("theta"), dtype=torch.float64) * 2.4 - 1.2
    amplitude = complex_normal((count, 1), gain**2, generator=generator("a"), dtype=torch.cdouble)
    white = complex_normal((count, K), noise, generator=generator("n"), dtype=torch.cdouble)
    return amplitude * steering_vector(theta, true) + white, theta


def likelihood(positions, responses, theta):
    steering = steering_vector(theta, positions)
    return float((steering.conj() * responses).sum(-1).abs().square().sum())


def shifted(found, true):
    """The shift of the whole array is not in the magnitudes: compare without it."""
    return (found - found.mean()) - (true - true.mean())


def test_without_noise_the_array_is_found_however_far_its_ends_are_off():
    found = likely_positions(*echoes(50, FAR, noise=1e-6), NOMINAL)
    assert found.dtype == torch.float64
    assert float(shifted(found, FAR).abs().max()) < 1.5e-3


def test_no_position_nearby_is_likelier():
    """Against SciPy's optimizer on the likelihood of the module's docstring."""
    true = spacing_positions(draw_spacings(K, 0.04, generator=generator("d")))
    responses, theta = echoes(80, true)
    found = likely_positions(responses, theta, NOMINAL)

    def cost(values):
        return -likelihood(torch.from_numpy(values), responses, theta)

    best = minimize(cost, found.numpy(), method="BFGS").x
    assert float(shifted(found, torch.from_numpy(best)).abs().max()) < 5e-3
    assert -cost(found.numpy()) > -cost(best) * (1 - 1e-4)


def test_each_sweep_is_at_least_as_likely_as_the_one_before():
    responses, theta = echoes(40, FAR, noise=4.0)
    values = [likelihood(NOMINAL, responses, theta)]
    for sweeps in (1, 2, 3, 4):
        found = likely_positions(responses, theta, NOMINAL, sweeps=sweeps)
        values.append(likelihood(found, responses, theta))
    # A grid of a thousandth of a wavelength: a sweep may miss the last bit of the one before.
    assert all(b >= a * (1 - 1e-5) for a, b in itertools.pairwise(values))
    assert values[1] > 1.5 * values[0]


def test_the_error_is_about_the_cramer_rao_bound():
    """Fisher information of a position where angles and the other positions are known."""
    true = NOMINAL + 0.01 * torch.sin(torch.arange(K, dtype=torch.float64))
    count, gain = 4000, 1.0
    responses, theta = echoes(count, true, gain=gain)
    found = likely_positions(responses, theta, NOMINAL, sweeps=4)
    information = 2 * gain**2 * count * float((2 * math.pi * torch.sin(theta)).square().mean())
    bound = 1 / math.sqrt(information)
    rms = float(shifted(found, true).square().mean().sqrt())
    assert 0.6 * bound < rms < 1.8 * bound


def test_bad_arguments_are_refused():
    responses, theta = echoes(5, NOMINAL)
    match = r"responses must have shape \[batch, antennas\] = \[5, 15\] .* got \(5, 16\)"
    with pytest.raises(ValueError, match=match):
        likely_positions(responses, theta, NOMINAL[1:])
    with pytest.raises(ValueError, match="reach must be a finite number > 0, got 0"):
        likely_positions(responses, theta, NOMINAL, reach=0)
    with pytest.raises(ValueError, match="sweeps must be an integer >= 1, got 0"):
        likely_positions(responses, theta, NOMINAL, sweeps=0)

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from isaclib.limits.cramer_rao import crb_angle, crb_range, fading_crb_angle, mean_inverse_snr
from isaclib.signal.arrays import element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import Subcarriers
from isaclib.signal.spacings import impaired_positions

K = 7
POSITIONS = impaired_positions(K, 0.05, generator=step_generator(0, "array", 0))
BEAM = complex_normal((K,), generator=step_generator(0, "beam", 0), dtype=torch.complex128)
SYMBOL = Subcarriers(12, 1e6)
STEP = 1e-6


def steering(theta):
    return np.exp(-2j * np.pi * POSITIONS.numpy() * np.sin(theta))


def known_gain_bounds(theta, distance, gain):
    """Inverse of the Fisher information of (angle, range, gain), by differences."""

    def mean(parameters):
        angle, span, real, imag = parameters
        a = steering(angle)
        delay = 2 * span / 299792458.0
        rho = np.exp(-2j * np.pi * 1e6 * delay * np.arange(12))
        illuminated = (real + 1j * imag) * (a @ BEAM.numpy())
        return (illuminated * np.outer(a, rho)).ravel()

    at = np.array([theta, distance, gain.real, gain.imag])
    slopes = []
    for i in range(4):
        step = STEP * np.eye(4)[i]
        slopes.append((mean(at + step) - mean(at - step)) / (2 * STEP))
    slopes = np.array(slopes)
    return np.linalg.inv(2 * (slopes.conj() @ slopes.T).real)


@pytest.mark.parametrize("theta", [-0.9, 0.0, 0.4])
def test_bounds_for_a_known_gain_are_those_of_the_whole_fisher_information(theta):
    """The gain's phase and the other unknown are in it, and the beam's slope."""
    gain = 0.7 - 1.1j
    found = known_gain_bounds(theta, 20.0, gain)
    snr = K * 12 * abs(gain * (steering(theta) @ BEAM.numpy())) ** 2
    angle = crb_angle(torch.tensor(theta, dtype=torch.float64), snr, POSITIONS)
    assert float(angle) == pytest.approx(found[0, 0], rel=1e-5)
    assert float(crb_range(snr, SYMBOL)) == pytest.approx(found[1, 1], rel=1e-5)
    assert abs(found[0, 1]) < 1e-5 * math.sqrt(found[0, 0] * found[1, 1])


@pytest.mark.parametrize("snr", [0.1, 3.0, 200.0])
def test_the_fading_bound_is_that_of_the_covariance(snr):
    """tr(R^-1 R' R^-1 R') of a Gaussian without a mean."""

    def covariance(theta):
        a = steering(theta)
        power = snr / K * abs(a @ BEAM.numpy()) ** 2
        return np.eye(K) + power * np.outer(a, a.conj())

    thetas = [-0.5, 0.1, 0.8]
    found = fading_crb_angle(torch.tensor(thetas, dtype=torch.float64), snr, BEAM, POSITIONS)
    for theta, value in zip(thetas, found.tolist(), strict=True):
        slope = (covariance(theta + STEP) - covariance(theta - STEP)) / (2 * STEP)
        inverse = np.linalg.inv(covariance(theta))
        information = np.trace(inverse @ slope @ inverse @ slope).real
        assert value == pytest.approx(1 / information, rel=1e-5)


def test_the_phase_reference_does_not_matter():
    theta = torch.linspace(-1, 1, 5, dtype=torch.float64)
    moved = POSITIONS + 13.7
    torch.testing.assert_close(crb_angle(theta, 2.0, POSITIONS), crb_angle(theta, 2.0, moved))
    phases = steering_vector(theta, POSITIONS) @ BEAM, steering_vector(theta, moved) @ BEAM
    torch.testing.assert_close(phases[0].abs(), phases[1].abs())
    bounds = [fading_crb_angle(theta, 2.0, BEAM, p) for p in (POSITIONS, moved)]
    torch.testing.assert_close(*bounds)


def test_a_uniform_array_has_the_textbook_bound():
    """6 / (P K-independent factors): Var of K positions half a wavelength apart."""
    theta = torch.tensor(0.3, dtype=torch.float64)
    found = crb_angle(theta, 5.0, element_positions(16))
    expected = 6 / (math.pi**2 * math.cos(0.3) ** 2 * 5 * (16**2 - 1))
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "above"), [(5.0, 0.01), (5.0, 3.0), (0.2, 4.0), (1e-3, 5.0)])
def test_mean_of_one_over_the_snr_above_a_level(mean, above):
    density = 1 / mean
    value = quad(lambda p: density * math.exp(-(p - above) / mean) / p, above, math.inf)[0]
    start = quad(lambda p: density * math.exp(-(p - above) / mean) / p, above, above + mean)[0]
    rest = quad(lambda p: density * math.exp(-(p - above) / mean) / p, above + mean, math.inf)[0]
    assert mean_inverse_snr(mean, above) == pytest.approx(start + rest, rel=1e-6)
    assert value == pytest.approx(start + rest, rel=1e-2) or mean < 1e-2


def test_the_mean_over_all_gains_does_not_exist():
    """Each tenth of the level adds the same, ln(10) / mean: it grows without end."""
    assert mean_inverse_snr(2.0, 0.0) == math.inf
    values = [mean_inverse_snr(2.0, 10.0**-n) for n in (5, 6, 7)]
    steps = np.diff(values)
    assert steps == pytest.approx(math.log(10) / 2, rel=1e-4)


def test_strong_targets_make_both_bounds_meet():
    """Where q is high, the fading bound is the one for the mean SNR but for the beam's slope."""
    flat = torch.zeros(K, dtype=torch.complex128)
    flat[0] = 1.0  # one element: a flat pattern
    theta = torch.tensor([-0.4, 0.3], dtype=torch.float64)
    found = fading_crb_angle(theta, 1e6, flat, POSITIONS)
    torch.testing.assert_close(found, crb_angle(theta, 1e6, POSITIONS), rtol=1e-5, atol=0)
    weak = fading_crb_angle(theta, 1e-3, flat, POSITIONS)
    assert bool((weak > 100 * crb_angle(theta, 1e-3, POSITIONS)).all())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"mean must be .*, got 0"):
        mean_inverse_snr(0, 1)
    with pytest.raises(ValueError, match=r"above must be .*, got -1"):
        mean_inverse_snr(1, -1)
    with pytest.raises(ValueError, match=r"snr must be .*, got 0"):
        fading_crb_angle(torch.zeros(1), 0, BEAM, POSITIONS)

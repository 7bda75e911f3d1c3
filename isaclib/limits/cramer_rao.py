r"""Cramér-Rao bounds of angle and range, for a known gain and for a fading one.

They limit unbiased estimates. The posterior mean of :mod:`isaclib.limits.angle` is biased, to its
advantage: it knows that the target is in its sector. So at a low SNR these bounds say little, and
at a high one the posterior variance runs into them.

The phase of the gain is unknown, which takes away what a common phase of all antennas would tell:
positions count from their mean, whatever the phase reference is, and so do subcarriers. As the two
ladders of phases are then orthogonal, angle and range do not disturb each other.
"""

import math

import torch
from scipy.constants import speed_of_light

from isaclib._validation import check_nonnegative, check_positive
from isaclib.signal.arrays import steering_vector
from isaclib.signal.ofdm import Subcarriers


def _squared_slope(theta: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Variance over the antennas of the derivative of their phases."""
    spread = positions.to(theta).var(correction=0)
    return (2 * math.pi * torch.cos(theta)).square() * spread


def crb_angle(
    theta: torch.Tensor, snr: torch.Tensor | float, positions: torch.Tensor
) -> torch.Tensor:
    r"""Smallest variance of an unbiased angle estimate, for one unknown gain.

    .. math:: \frac{1}{8\pi^2\cos^2\theta\;\mathrm{Var}(p_k)\;P}, \qquad
        P = \frac{K\,|\alpha\,s(\theta)|^2}{N_0}

    The variance of the positions is over the antennas. That the illumination s depends on the angle
    does not help, since the gain is unknown.

    Args:
        theta: ``[...]``, real. Angles [rad].
        snr: Number or ``[...]``, real, positive. SNR P of the matched filter; for P3 it counts all
            subcarriers.
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[...]``, real [rad²].
    """
    return 1 / (2 * snr * _squared_slope(theta, positions))


def crb_range(snr: torch.Tensor | float, subcarriers: Subcarriers) -> torch.Tensor:
    r"""Smallest variance of an unbiased range estimate, for one unknown gain.

    .. math::
        \frac{1}{2P\,(4\pi\Delta_f/c)^2\,\mathrm{Var}(s)}, \qquad \mathrm{Var}(s) = \frac{S^2-1}{12}

    Args:
        snr: Number or ``[...]``, real, positive. SNR P of the matched filter over all antennas and
            subcarriers.
        subcarriers: The OFDM symbol, of two subcarriers or more.

    Returns:
        ``[...]``, real [m²].
    """
    slope = 4 * math.pi * subcarriers.spacing_hz / speed_of_light
    spread = (subcarriers.count**2 - 1) / 12
    return 1 / (2 * torch.as_tensor(snr, dtype=torch.float64) * slope**2 * spread)


def mean_inverse_snr(mean: float, above: float) -> float:
    r"""Mean of 1/P over the Swerling-1 targets whose SNR P is above a level.

    .. math:: \mathbb{E}\bigl[\tfrac1P \bigm| P > P_0\bigr] =
        \frac{1}{\bar P}\,e^{P_0/\bar P}\,E_1(P_0/\bar P)

    with the exponential integral. Without a level the mean does not exist: P is exponential, its
    density does not vanish at zero, and :math:`\int_0 dP/P` diverges. So the mean of the bound over
    *all* targets is infinite, and over those that a noisy test detects it is too, since some of the
    weakest are.

    Args:
        mean: Mean SNR, positive.
        above: Level, not negative; infinite mean for zero.

    Returns:
        What multiplies a bound for an SNR of one.

    Raises:
        ValueError: If an argument is out of range.
    """
    from scipy.special import hyperu

    check_positive("mean", mean)
    ratio = check_nonnegative("above", above) / mean
    # Tricomi's function U(1, 1, x) is e^x E1(x), without overflow.
    return float(hyperu(1, 1, ratio)) / mean if ratio > 0 else math.inf


def fading_crb_angle(
    theta: torch.Tensor, snr: float, beam: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    r"""Smallest variance of an unbiased angle estimate over all gains, the stochastic bound.

    The echo is Gaussian with the covariance :math:`N_0(\mathbf{I} + q\,\mathbf{a}\mathbf{a}^H/K)`,
    see :mod:`isaclib.limits.angle`, whose Fisher information is

    .. math::
        J(\theta) = \Bigl(\frac{d}{d\theta}\ln(1+q)\Bigr)^2 +
        \frac{q^2}{1+q}\,8\pi^2\cos^2\theta\;\mathrm{Var}(p_k)

    The first term is what the echo's strength tells of the place in the beam, the second what its
    direction tells. It is finite where the mean of :func:`crb_angle` is not: an estimate may be
    biased for one gain and unbiased over all.

    Args:
        theta: ``[...]``, real. Angles [rad].
        snr: Mean SNR of the matched filter for a beampattern of one, :math:`K\sigma_r^2/N_0`.
        beam: ``[antennas]``, complex. Beam.
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[...]``, real [rad²]; infinite where nothing is sent.

    Raises:
        ValueError: If ``snr`` is not positive.
    """
    check_positive("snr", snr)
    steering = steering_vector(theta, positions)
    beam = beam.to(steering)
    response = steering @ beam
    phases = (-2 * math.pi * torch.cos(theta)).unsqueeze(-1) * positions.to(theta)
    slope = (1j * phases * steering) @ beam
    q = snr * response.abs().square()
    change = 2 * snr * (response.conj() * slope).real / (1 + q)
    direction = 2 * q.square() / (1 + q) * _squared_slope(theta, positions)
    return 1 / (change.square() + direction)

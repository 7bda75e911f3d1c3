r"""Maximum a-posteriori ratio test (MAPRT) for a single target, and thresholds at a fixed P_fa.

The test of P1 App. A, step by step: :func:`log_posterior_ratio` is what Eq. (14) optimizes,
:func:`map_gain` its best gain, Eq. (15), :func:`log_map_ratio` what is left, Eq. (16),
:func:`map_signal` its best signal, Eq. (17), and :func:`maprt` the matched filter that remains,
Eq. (18).
"""

import math
from dataclasses import dataclass

import torch

from isaclib._validation import check_nonnegative, check_positive_int, check_probability
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.noise import NOISE_POWER


def _projection(echo: torch.Tensor, theta: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """``a_rx^H(theta) z`` sample by sample: ``[...]``."""
    return torch.linalg.vecdot(steering_vector(theta, positions).to(echo.dtype), echo)


def _illumination(
    signal: torch.Tensor, theta: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """``a_tx^T(theta) y`` sample by sample: ``[...]``."""
    return torch.linalg.vecdot(steering_vector(theta, positions).to(signal.dtype).conj(), signal)


def log_posterior_ratio(
    echo: torch.Tensor,
    gain: torch.Tensor,
    theta: torch.Tensor,
    signal: torch.Tensor,
    *,
    positions: torch.Tensor,
    variance: float,
) -> torch.Tensor:
    r"""What P1 Eq. (14) maximizes over the gain, the angle and the signal.

    .. math::
        \frac{\|\mathbf{z}_r\|^2}{N_0} - \frac{\|\mathbf{z}_r - \alpha\,\mathbf{a}_{\mathrm{rx}}
        (\theta)\,\mathbf{a}_{\mathrm{tx}}^\top(\theta)\,\mathbf{y}\|^2}{N_0}
        - \frac{|\alpha|^2}{\sigma_r^2}

    Args:
        echo: ``[..., antennas]``, complex. Received echo z_r.
        gain: ``[...]``, complex. Channel gain alpha.
        theta: ``[...]``, real. Angle [rad].
        signal: ``[..., antennas]``, complex. Transmitted signal y.
        positions: ``[antennas]``, real. Element positions [wavelengths].
        variance: Variance :math:`\sigma_r^2` of the gain, positive.

    Returns:
        ``[...]``, real. Logarithm of the ratio of the posteriors, less the constants that go into
        the threshold.
    """
    steering = steering_vector(theta, positions).to(echo.dtype)
    amplitude = gain * _illumination(signal, theta, positions)
    residual = echo - amplitude.unsqueeze(-1) * steering
    energy = torch.linalg.vector_norm(echo, dim=-1).square()
    distance = torch.linalg.vector_norm(residual, dim=-1).square()
    return (energy - distance) / NOISE_POWER - gain.abs().square() / variance


def map_gain(
    echo: torch.Tensor,
    theta: torch.Tensor,
    signal: torch.Tensor,
    *,
    positions: torch.Tensor,
    variance: float,
) -> torch.Tensor:
    """Channel gain that maximizes :func:`log_posterior_ratio`, P1 Eq. (15).

    Args:
        echo: ``[..., antennas]``, complex. Received echo z_r.
        theta: ``[...]``, real. Angle [rad].
        signal: ``[..., antennas]``, complex. Transmitted signal y.
        positions: ``[antennas]``, real. Element positions [wavelengths].
        variance: Variance of the gain, positive.

    Returns:
        ``[...]``, complex.
    """
    illumination = _illumination(signal, theta, positions)
    denominator = len(positions) * illumination.abs().square() + NOISE_POWER / variance
    return illumination.conj() * _projection(echo, theta, positions) / denominator


def log_map_ratio(
    echo: torch.Tensor,
    theta: torch.Tensor,
    signal: torch.Tensor,
    *,
    positions: torch.Tensor,
    variance: float,
) -> torch.Tensor:
    """What P1 Eq. (16) maximizes over the angle and the signal, the best gain put in.

    Args:
        echo: ``[..., antennas]``, complex. Received echo z_r.
        theta: ``[...]``, real. Angle [rad].
        signal: ``[..., antennas]``, complex. Transmitted signal y.
        positions: ``[antennas]``, real. Element positions [wavelengths].
        variance: Variance of the gain, positive.

    Returns:
        ``[...]``, real, non-negative.
    """
    illuminated = _illumination(signal, theta, positions).abs().square()
    projected = _projection(echo, theta, positions).abs().square()
    denominator = NOISE_POWER * (len(positions) * illuminated + NOISE_POWER / variance)
    return illuminated * projected / denominator


def map_signal(
    echo: torch.Tensor, theta: torch.Tensor, positions: torch.Tensor, energy: float = 1.0
) -> torch.Tensor:
    """Signal of a given energy that maximizes :func:`log_map_ratio`, P1 Eq. (17).

    Args:
        echo: ``[..., antennas]``, complex. Received echo z_r.
        theta: ``[...]``, real. Angle [rad].
        positions: ``[antennas]``, real. Element positions [wavelengths].
        energy: Transmit energy E_tx, positive.

    Returns:
        ``[..., antennas]``, complex. Its common phase is that of the projected echo; every other
        one is as good.
    """
    projected = _projection(echo, theta, positions)
    steering = steering_vector(theta, positions).to(echo.dtype)
    scale = math.sqrt(energy / len(positions))
    return scale * steering.conj() * torch.sgn(projected).unsqueeze(-1)


def matched_filter(echo: torch.Tensor, steering: torch.Tensor) -> torch.Tensor:
    r"""Matched-filter output :math:`|\mathbf{a}_{\mathrm{rx}}^H(\theta_i)\,\mathbf{z}_r|^2`.

    Args:
        echo: ``[batch, antennas]``, complex. Received echo.
        steering: ``[grid, antennas]``, complex. Steering vectors of the grid angles.

    Returns:
        ``[batch, grid]``, real.
    """
    projected = echo @ steering.mH
    return projected.real.square() + projected.imag.square()


def maprt(
    echo: torch.Tensor, positions: torch.Tensor, sector: Sector, *, grid_size: int = 201
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""MAPRT statistic and angle estimate, P1 Eq. (18).

    Also P2 Eqs. (7), (8).

    .. math::
        \max_{\theta\in[\theta_{\min},\theta_{\max}]}|\mathbf{a}_{\mathrm{rx}}^H(\theta)\mathbf{z}_r|^2
        \quad\text{and}\quad \hat\theta = \arg\max_\theta
        |\mathbf{a}_{\mathrm{rx}}^H(\theta)\mathbf{z}_r|^2

    Args:
        echo: ``[batch, antennas]``, complex. Received echo z_r.
        positions: ``[antennas]``, real. Element positions that the receiver assumes [wavelengths].
        sector: Where the target can be.
        grid_size: Number of equally spaced angles searched, at least 2. The default, 201, is one
            angle in 0.2 degrees for a sector of 40.

    Returns:
        ``[batch]``, real: the statistic, large where there is a target; and
        ``[batch]``, real: the angle estimate [rad].

    Raises:
        ValueError: If ``echo`` does not fit the array or ``grid_size`` is below 2.
    """
    if echo.ndim != 2 or echo.shape[-1] != len(positions):
        raise ValueError(
            f"echo must have shape [batch, {len(positions)}] for {len(positions)} element "
            f"positions, got {tuple(echo.shape)}"
        )
    grid = sector.grid(grid_size).to(echo.device)
    steering = steering_vector(grid, positions.double()).to(echo.dtype)
    statistic, index = matched_filter(echo, steering).max(dim=-1)
    return statistic, grid.to(statistic.dtype)[index]


@dataclass(frozen=True)
class Threshold:
    """A detection threshold estimated from target-absent samples.

    Attributes:
        value: Threshold: a target is declared where the statistic is above it.
        low: Lower end of the confidence interval of the exact threshold.
        high: Upper end of that interval.
        p_fa: False-alarm probability asked for.
        count: Number of samples.
    """

    value: float
    low: float
    high: float
    p_fa: float
    count: int


def threshold(statistics: torch.Tensor, p_fa: float, *, confidence: float = 0.95) -> Threshold:
    """Threshold with a given false-alarm probability, from target-absent statistics.

    The threshold is an order statistic, and so are the ends of its interval: the number of samples
    above the exact threshold is binomial, whatever the distribution of the statistic.

    Args:
        statistics: ``[samples]``, real. Detection statistics without a target.
        p_fa: False-alarm probability in (0, 1).
        confidence: Probability in (0, 1) that the interval holds the exact threshold.

    Returns:
        The threshold with its interval. Of the samples, ``floor(p_fa * samples)`` lie above it.
        The interval's upper end is infinite if there are so few samples that all of them may well
        lie below the exact threshold: fewer than about ``3.7 / p_fa`` at a confidence of 0.95.

    Raises:
        ValueError: If a probability is outside (0, 1), there are fewer than ``1 / p_fa`` samples,
            or a statistic is NaN.
    """
    from scipy.stats import binom

    check_probability("p_fa", p_fa)
    check_probability("confidence", confidence)
    count = statistics.numel()
    if count * p_fa < 1:
        raise ValueError(
            f"statistics must hold at least 1 / p_fa = {1 / p_fa:g} samples, got {count}"
        )
    if bool(torch.isnan(statistics).any()):
        raise ValueError("statistics must not hold NaN, but some are")
    ordered = torch.sort(statistics.flatten()).values
    tail = (1 - confidence) / 2
    most, fewest = (int(binom.ppf(q, count, p_fa)) for q in (1 - tail, tail))
    value = float(ordered[count - 1 - int(count * p_fa)])
    low = float(ordered[count - 1 - most]) if most < count else -math.inf
    high = float(ordered[count - fewest]) if fewest > 0 else math.inf
    return Threshold(value, low, high, p_fa, count)


def single_angle_false_alarm(level: float, num_antennas: int) -> float:
    r"""Closed-form P_fa of the matched filter for one known angle, ``exp(-level / (K N_0))``.

    Without a target :math:`|\mathbf{a}^H\mathbf{n}|^2` is exponential with mean :math:`K N_0`.

    Args:
        level: Threshold on the matched-filter output, non-negative.
        num_antennas: Number of elements K, positive.

    Raises:
        ValueError: If ``level`` is negative or not finite, or ``num_antennas`` no positive integer.
    """
    check_nonnegative("level", level)
    check_positive_int("num_antennas", num_antennas)
    return math.exp(-level / (num_antennas * NOISE_POWER))

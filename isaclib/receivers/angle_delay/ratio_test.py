r"""Maximum a-posteriori ratio test (MAPRT) of P3 for a target of unknown angle and delay.

The test step by step: :func:`log_posterior_ratio` is what Eq. (8) maximizes, :func:`map_amplitude`
its best amplitude, and :func:`log_map_ratio` what is left: the square of one value of the
angle-delay map, Eq. (9). So the test compares the largest value of
:func:`isaclib.receivers.angle_delay.reference.angle_delay_map` to a threshold, Eq. (10), and
:func:`isaclib.receivers.ratio_test.threshold` sets it.
"""

import torch

from isaclib.signal.arrays import steering_vector
from isaclib.signal.noise import NOISE_POWER
from isaclib.signal.ofdm import Subcarriers


def _correlation(
    filtered: torch.Tensor,
    theta: torch.Tensor,
    distance: torch.Tensor,
    positions: torch.Tensor,
    subcarriers: Subcarriers,
) -> torch.Tensor:
    """``a^H(theta) Y rho^*(tau)`` sample by sample: ``[...]``."""
    steering = steering_vector(theta, positions).to(filtered)
    delay = subcarriers.delay_vector(distance).to(filtered)
    return torch.einsum("...k,...ks,...s->...", steering.conj(), filtered, delay.conj())


def log_posterior_ratio(
    filtered: torch.Tensor,
    amplitude: torch.Tensor,
    theta: torch.Tensor,
    distance: torch.Tensor,
    *,
    positions: torch.Tensor,
    subcarriers: Subcarriers,
    variance: float,
) -> torch.Tensor:
    r"""What P3 Eq. (8) maximizes over amplitude, angle and delay, as a logarithm.

    .. math::
        \frac{\|\tilde{\mathbf{Y}}_r\|^2 - \|\tilde{\mathbf{Y}}_r
        - \alpha\,\mathbf{a}_{\mathrm{rx}}(\theta)\,\boldsymbol\rho^\top(\tau)\|^2}{N_0}
        - \frac{|\alpha|^2}{v}

    The prior of the amplitude is :math:`\mathcal{CN}(0, v)` whatever the angle: a beam that
    illuminates the sector evenly. Both hypotheses are equally likely; angle and delay are uniform.

    Args:
        filtered: ``[..., antennas, subcarriers]``, complex. Echo after reciprocal filtering.
        amplitude: ``[...]``, complex. Amplitude alpha.
        theta: ``[...]``, real. Angle [rad].
        distance: ``[...]``, real. Range [m].
        positions: ``[antennas]``, real. Element positions [wavelengths].
        subcarriers: The OFDM symbol.
        variance: Variance v of the amplitude, positive.

    Returns:
        ``[...]``, real [nat], less the constants that go into the threshold.
    """
    steering = steering_vector(theta, positions).to(filtered)
    delay = subcarriers.delay_vector(distance).to(filtered)
    echo = amplitude[..., None, None] * steering.unsqueeze(-1) * delay.unsqueeze(-2)
    energy = filtered.abs().square().sum((-2, -1))
    distance_squared = (filtered - echo).abs().square().sum((-2, -1))
    return (energy - distance_squared) / NOISE_POWER - amplitude.abs().square() / variance


def map_amplitude(
    filtered: torch.Tensor,
    theta: torch.Tensor,
    distance: torch.Tensor,
    *,
    positions: torch.Tensor,
    subcarriers: Subcarriers,
    variance: float,
) -> torch.Tensor:
    r"""Amplitude that maximizes :func:`log_posterior_ratio`.

    .. math::
        \hat\alpha = \frac{\mathbf{a}^H(\theta)\,\tilde{\mathbf{Y}}_r\,\boldsymbol\rho^*(\tau)}
        {KS + N_0/v}

    Args:
        filtered: ``[..., antennas, subcarriers]``, complex. Echo after reciprocal filtering.
        theta: ``[...]``, real. Angle [rad].
        distance: ``[...]``, real. Range [m].
        positions: ``[antennas]``, real. Element positions [wavelengths].
        subcarriers: The OFDM symbol.
        variance: Variance of the amplitude, positive.

    Returns:
        ``[...]``, complex.
    """
    energy = len(positions) * subcarriers.count
    correlation = _correlation(filtered, theta, distance, positions, subcarriers)
    return correlation / (energy + NOISE_POWER / variance)


def log_map_ratio(
    filtered: torch.Tensor,
    theta: torch.Tensor,
    distance: torch.Tensor,
    *,
    positions: torch.Tensor,
    subcarriers: Subcarriers,
    variance: float,
) -> torch.Tensor:
    r"""The best amplitude put into P3 Eq. (8): what P3 Eq. (9) compares, squared and scaled.

    .. math::
        \frac{|\mathbf{a}^H(\theta)\,\tilde{\mathbf{Y}}_r\,\boldsymbol\rho^*(\tau)|^2}
        {N_0\,(KS + N_0/v)}

    Args:
        filtered: ``[..., antennas, subcarriers]``, complex. Echo after reciprocal filtering.
        theta: ``[...]``, real. Angle [rad].
        distance: ``[...]``, real. Range [m].
        positions: ``[antennas]``, real. Element positions [wavelengths].
        subcarriers: The OFDM symbol.
        variance: Variance of the amplitude, positive.

    Returns:
        ``[...]``, real [nat], not negative.
    """
    energy = len(positions) * subcarriers.count
    correlation = _correlation(filtered, theta, distance, positions, subcarriers)
    return correlation.abs().square() / (NOISE_POWER * (energy + NOISE_POWER / variance))

r"""How well a target can be sensed by the echo of a code, whatever the encoder and the decoder, P4.

A code of S symbols has the energy S (:func:`~isaclib.channels.codes.unit_power_code`), and the echo
of label r, over the channel of :class:`~isaclib.channels.codes.EchoChannel`, the energy
:math:`E = S\,a_r^2\,|h_1h_2|^2` over noise of power one. What the echo says of the label depends on
what the receiver knows:

==============================  ================================================  ==============
It knows                        All is in                                         Dimensions D
==============================  ================================================  ==============
the power of the code alone     the energy :math:`T = \|\mathbf{z}\|^2`           S
the code                        :math:`T = |\mathbf{x}^H\mathbf{z}|^2/S`          1
the code and the gain           the part of :math:`\mathbf{x}^H\mathbf{z}` that   1, real
                                has the phase of the gain
==============================  ================================================  ==============

Each receiver decides for the most probable label. No system that does not know the gain is more
often right than the receiver that knows the code. The one that knows the power alone is no limit to
a learned receiver, which may know a part of the code; it is what the energy gives with every code.
The frequency shift is left out: it does not change the energy, and to have to estimate it makes no
receiver better.
"""

from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from isaclib._validation import check_one_of, check_positive_int
from isaclib.channels.codes import EchoChannel, Ways, check_code_size
from isaclib.limits._quadrature import legendre

# Beyond so many standard deviations, and beyond so many mean amplitudes of a fading echo, is less
# than 1e-9 of any distribution.
_TAIL = 7.0
_REACH = 16.0
_AMPLITUDES = 96
# From this argument on the Bessel function is the beginning of its expansion.
_LARGE = 1e8
# Panels of the integral over the root of T, with the nodes in each: narrow against the noise up to
# where the noise ends, and against the fading from there on.
_PANEL, _RATIO, _NODES = 0.1, 1.05, 6


def echo_density(statistic: ArrayLike, dimensions: int, energy: ArrayLike) -> np.ndarray:
    r"""Density of the energy of a signal in complex Gaussian noise of unit power a dimension.

    .. math::
        p(T \mid E) = e^{-T-E}\,\Bigl(\frac{T}{E}\Bigr)^{(D-1)/2} I_{D-1}\bigl(2\sqrt{TE}\bigr)
        = \frac{T^{D-1}}{(D-1)!}\,e^{-T-E}\,{}_0F_1(;D;TE)

    2 T is a noncentral chi-square variable of 2 D degrees of freedom and the noncentrality 2 E.

    Args:
        statistic: ``[...]``, real, not negative. Energy T of signal and noise [N0].
        dimensions: Number of complex dimensions D.
        energy: ``[...]``, real, not negative. Energy E of the signal [N0], to be broadcast with T.

    Returns:
        ``[...]``, float64.

    Raises:
        ValueError: If ``dimensions`` is no positive integer, or an energy is negative or NaN.
    """
    from scipy.special import gammaln, hyp0f1, ive, xlogy

    check_positive_int("dimensions", dimensions)
    t, e = np.broadcast_arrays(np.asarray(statistic, float), np.asarray(energy, float))
    for name, values in (("statistic", t), ("energy", e)):
        if not (values >= 0).all():
            raise ValueError(f"{name} must be a number >= 0 everywhere, got {values.min()!r}")
    product = t * e
    # The Bessel function underflows for small arguments, the series overflows for large ones.
    small = product < 600.0 * max(dimensions, 16)
    found, above = np.empty_like(product), dimensions - 1
    t_s, e_s, t_l, e_l = t[small], e[small], t[~small], e[~small]
    series = np.log(hyp0f1(dimensions, product[small]))
    found[small] = xlogy(above, t_s) - gammaln(dimensions) - t_s - e_s + series
    argument = 2 * np.sqrt(product[~small])
    # SciPy's function is NaN for arguments beyond 1e9; its expansion is exact long before.
    expansion = -np.log(2 * np.pi * argument) / 2 - (4 * above**2 - 1) / (8 * argument)
    bessel = np.log(ive(above, np.minimum(argument, _LARGE)))
    bessel = np.where(argument > _LARGE, expansion, bessel)
    found[~small] = above / 2 * np.log(t_l / e_l) - (np.sqrt(t_l) - np.sqrt(e_l)) ** 2 + bessel
    return np.exp(found)


def echo_power_cdf(power: ArrayLike, ways: Ways = "independent") -> np.ndarray:
    r"""Distribution function of the power gain to a target and back in Rayleigh fading.

    .. math::
        \mathrm{P}(|h_1 h_2|^2 \le x) = \begin{cases}
            1 - 2\sqrt{x}\,K_1(2\sqrt{x}) & \text{independent ways} \\
            1 - e^{-\sqrt{2x}} & \text{reciprocal ways, of the mean one}
        \end{cases}

    Args:
        power: ``[...]``, real, not negative. Power gain x, one on average.
        ways: How the gains to the target and back belong together.

    Returns:
        ``[...]``, float64.

    Raises:
        ValueError: If ``ways`` is unknown, or a power is negative or NaN.
    """
    from scipy.special import k1

    check_one_of("ways", ways, get_args(Ways))
    x = np.asarray(power, float)
    if not (x >= 0).all():
        raise ValueError(f"power must be a number >= 0 everywhere, got {x.min()!r}")
    if ways == "reciprocal":
        return -np.expm1(-np.sqrt(2 * x))
    # K_1 has a pole at zero, which its factor takes away.
    root = 2 * np.sqrt(np.maximum(x, 1e-300))
    return 1 - root * k1(root)


def sensing_accuracy_limit(channel: EchoChannel, size: int, *, code_known: bool) -> float:
    r"""Highest accuracy of a receiver that does not know the gain.

    .. math:: \frac{1}{R+1} \int_0^\infty \max_{r=0,\dots,R} p(T \mid r)\,\mathrm{d}T

    with :func:`echo_density` averaged over the fading. For ``code_known`` no system with an encoder
    of unit power gets above it. Otherwise it is for codes of which every direction is equally
    likely, and an energy detector reaches it with every code.

    Args:
        channel: SNR, fading and ranges.
        size: Encoder output size n = 2 S.
        code_known: Whether the receiver knows the code, or its power alone.

    Returns:
        Probability of the right one of the R + 1 labels, to about 1e-5.

    Raises:
        ValueError: If ``size`` is no even integer of at least 2; or, for a known code, if the
            channel does not fade and has a phase that is not uniform over the circle, since such
            a phase is worth something to the receiver.
    """
    check_code_size("size", size)
    if code_known and channel.fading == "awgn" and channel.max_phase < np.pi:
        raise ValueError(
            f"channel must have a uniform phase, max_phase = pi, where the code is known and "
            f"nothing fades, got {channel.max_phase!r}"
        )
    dimensions = 1 if code_known else size // 2
    amplitudes = _amplitudes(channel, size)
    root, weights = _rule(amplitudes, dimensions, channel.fading == "rayleigh")
    statistic = root**2
    densities = [
        _faded_density(statistic, dimensions, amplitude, channel.ways)
        if channel.fading == "rayleigh" and amplitude > 0
        else echo_density(statistic, dimensions, amplitude**2)
        for amplitude in amplitudes
    ]
    found = float(np.max(densities, axis=0) @ (2 * root * weights)) / len(amplitudes)
    return min(found, 1.0)


def coherent_accuracy_limit(channel: EchoChannel, size: int) -> float:
    r"""Highest accuracy of a receiver that knows both the code and the gain.

    The part of :math:`\mathbf{x}^H\mathbf{z}/\sqrt{S}` with the phase of the gain is a Gaussian
    variable of the variance 1/2 and the mean :math:`\sqrt{S}\,a_r|h_1h_2|`, so that errors
    are between neighbours among the R + 1 means:

    .. math::
        1 - \frac{2}{R+1}\sum_{r=1}^{R} \mathbb{E}\,Q\Bigl(
            \sqrt{S/2}\,\bigl(a_{(r)} - a_{(r-1)}\bigr)\,|h_1h_2|\Bigr), \qquad
        0 = a_{(0)} \le a_{(1)} \le \dots \le a_{(R)}

    Args:
        channel: SNR, fading and ranges.
        size: Encoder output size n = 2 S.

    Returns:
        Probability of the right one of the R + 1 labels.

    Raises:
        ValueError: If ``size`` is no even integer of at least 2.
    """
    from scipy.special import erfc

    check_code_size("size", size)
    amplitudes = _amplitudes(channel, size)
    steps = np.diff(np.sort(amplitudes))
    if channel.fading == "awgn":
        return 1 - float(erfc(steps / 2).sum()) / len(amplitudes)
    nodes, weights = _unit_rule(_AMPLITUDES)
    # Nodes where there are both errors and fades.
    ends = np.minimum(_REACH, 4 * _TAIL / np.maximum(steps, 1e-9))[:, None]
    faded = erfc(steps[:, None] * ends * nodes / 2) * _fade_density(ends * nodes, channel.ways)
    return 1 - float(((faded * ends) @ weights).sum()) / len(amplitudes)


def _amplitudes(channel: EchoChannel, size: int) -> np.ndarray:
    """Root of the mean energy of each label's echo, ``[ranges + 1]``."""
    found: np.ndarray = channel.amplitudes().double().numpy()
    return found * np.sqrt(size // 2)


def _fade_density(amplitude: np.ndarray, ways: Ways) -> np.ndarray:
    """Density of the modulus of the product of both gains, whose power is one on average."""
    from scipy.special import k0

    if ways == "reciprocal":
        return np.sqrt(2) * np.exp(-np.sqrt(2) * amplitude)
    return 4 * amplitude * k0(2 * amplitude)


def _faded_density(
    statistic: np.ndarray, dimensions: int, amplitude: float, ways: Ways
) -> np.ndarray:
    """Density (6) averaged over the fading, for each statistic over the gains that matter to it."""
    nodes, weights = _unit_rule(_AMPLITUDES)
    root = np.sqrt(statistic)
    high = np.minimum(root + _TAIL, _REACH * amplitude)
    low = np.minimum(np.maximum(root - np.sqrt(dimensions) - _TAIL, 0), high)
    width = (high - low)[:, None]
    faded = low[:, None] + width * nodes
    found = echo_density(statistic[:, None], dimensions, faded**2)
    return (found * _fade_density(faded / amplitude, ways) * width / amplitude) @ weights


def _rule(amplitudes: np.ndarray, dimensions: int, fades: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights over the root of T, fine where the densities are narrow."""
    noise = np.sqrt(dimensions) + _TAIL
    if fades:
        edges = np.arange(0, noise + _PANEL, _PANEL)
        end = amplitudes.max() * _REACH + noise
        panels = int(np.ceil(np.log(end / edges[-1]) / np.log(_RATIO)))
        edges = np.concatenate([edges, np.geomspace(edges[-1], end, panels + 1)[1:]])
    else:
        # Whole numbers of panels, so that those round two labels are the same where they meet.
        around = [
            np.arange(np.floor((a - _TAIL) / _PANEL), np.ceil((a + noise) / _PANEL))
            for a in amplitudes
        ]
        indices = np.unique(np.concatenate(around))
        edges = indices[indices >= 0] * _PANEL
    nodes, weights = _unit_rule(_NODES)
    widths = np.diff(edges)[:, None]
    return (edges[:-1, None] + widths * nodes).ravel(), (widths * weights).ravel()


def _unit_rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = legendre(0.0, 1.0, count)
    return nodes.numpy(), weights.numpy()

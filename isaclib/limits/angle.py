r"""What no receiver can beat: the likelihood ratio and the posterior of the angle, exactly.

Given the angle, the echo :math:`\mathbf{z}_r = \alpha\,s(\theta)\,\mathbf{a}(\theta) + \mathbf{n}`
of a known signal, with :math:`s = \mathbf{a}^\top\mathbf{v}\,x` and a gain
:math:`\alpha\sim\mathcal{CN}(0, \sigma_r^2)`, is Gaussian with the covariance
:math:`N_0\mathbf{I} + \sigma_r^2|s|^2\mathbf{a}\mathbf{a}^H`. So the likelihood ratio to noise is

.. math::
    \ln\Lambda(\mathbf{z}_r \mid \theta) = \frac{q}{1+q}\,
    \frac{|\mathbf{a}^H(\theta)\,\mathbf{z}_r|^2}{K N_0} - \ln(1+q), \qquad
    q(\theta) = \frac{K\sigma_r^2}{N_0}\,|s(\theta)|^2 ,

and only the angle, uniform in its sector, is left to integrate.

- *Detection.* No test of the same false-alarm probability detects more targets than one of
  :math:`\mathbb{E}_\theta\,\Lambda(\mathbf{z}_r\mid\theta)` (Neyman and Pearson).
- *Estimation.* No estimate has a smaller mean squared error than the posterior mean, and what it
  leaves is the posterior variance. :func:`rmse_limit` turns that into a limit for receivers that
  place only the targets that they detect.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from isaclib._validation import check_positive, check_probability
from isaclib.channels.narrowband import RadarChannel
from isaclib.limits._quadrature import legendre
from isaclib.signal.arrays import beampattern, steering_vector
from isaclib.signal.noise import NOISE_POWER, gain_variance

if TYPE_CHECKING:  # torchmetrics takes a second to import
    from isaclib import metrics

BLOCK = 512
"""Echoes worked on at a time: with their angles they fit the cache."""

FEWEST = 16
"""Fewest quadrature nodes, however small the sector."""


class Posterior(NamedTuple):
    """What an echo says of a target.

    Attributes:
        log_ratio: ``[batch]``, float64. Logarithm of the likelihood ratio of target to none [nat].
        mean: ``[batch]``, float64. Posterior mean of the angle, if there is a target [rad].
        variance: ``[batch]``, float64. Its posterior variance [rad²].
    """

    log_ratio: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor


def rms_aperture(positions: torch.Tensor) -> float:
    r"""Length of the uniform array whose elements spread as much.

    .. math:: \sqrt{12\,\mathrm{Var}(p_k)},

    which is :math:`\sqrt{K^2-1}` spacings for K equally spaced elements. One over it is a
    resolution cell, in the sine of the angle.

    Args:
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        The length [wavelengths].
    """
    return math.sqrt(12 * float(positions.double().var(correction=0)))


class OptimalReceiver:
    r"""The receiver that no other beats: it knows the channel, the beam and the signal's energy.

    The angle is integrated by Gauss-Legendre quadrature. The posterior of an echo of the SNR
    :math:`P = |\mathbf{a}^H\mathbf{z}_r|^2/(K N_0)` is about :math:`0.39/\sqrt{P}` resolution cells
    wide, and one echo in a million has an SNR above :math:`14\,(1+q)`. By default there are
    :math:`4\sqrt{14\,(1+\max q)}` nodes to a resolution cell, at least 16: the posterior of even
    such an echo spans two of them.

    Args:
        radar: Radar channel: array, sector and SNR.
        beam: ``[antennas]``, complex. Beam that illuminates the targets.
        per_cell: Quadrature nodes a resolution cell, positive; see above if not given.
        dtype: Real dtype of the products; sums are in double precision.
        device: Where the echoes are.

    Raises:
        ValueError: If the beam does not fit the array, or ``per_cell`` is not positive.
    """

    def __init__(
        self,
        radar: RadarChannel,
        beam: torch.Tensor,
        *,
        per_cell: float | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        positions, sector = radar.positions.double().cpu(), radar.sector
        if beam.shape != positions.shape:
            raise ValueError(
                f"beam must have shape [{len(positions)}] for {len(positions)} element positions, "
                f"got {tuple(beam.shape)}"
            )
        snr = len(positions) * gain_variance(radar.snr_db) / NOISE_POWER
        beam = beam.cpu()
        if per_cell is None:
            strongest = snr * beampattern(beam, sector.grid(1001), positions).max()
            per_cell = max(4 * math.sqrt(14 * (1 + float(strongest))), FEWEST)
        check_positive("per_cell", per_cell)
        cells = rms_aperture(positions) * (sector.max - sector.min)
        count = FEWEST + math.ceil(per_cell * cells)
        angles, weights = (part.to(device) for part in legendre(sector.min, sector.max, count))
        positions, beam = positions.to(device), beam.to(device)
        steering = steering_vector(angles, positions) / math.sqrt(len(positions) * NOISE_POWER)
        self.angles, self.weights, self.dtype = angles, weights, dtype
        self.snr = snr * beampattern(beam, angles, positions)
        """``[nodes]``, float64. SNR q of the matched filter for symbols of unit modulus."""
        real, imag = steering.real.to(dtype), steering.imag.to(dtype)
        # a^H z as real products with the real and imaginary parts of z.
        self._tables = (torch.cat([real, imag], -1).mT, torch.cat([-imag, real], -1).mT)

    @torch.no_grad()
    def posterior(self, echo: torch.Tensor, energy: torch.Tensor | None = None) -> Posterior:
        r"""Likelihood ratio of echoes, and posterior mean and variance of the angle.

        Args:
            echo: ``[batch, antennas]``, complex. Received echo z_r [sqrt(noise power)].
            energy: ``[batch]``, real. Energies :math:`|x|^2` of the symbols; one if not given.

        Returns:
            The posteriors.

        Raises:
            ValueError: If ``echo`` does not fit the array.
        """
        antennas = len(self._tables[0]) // 2
        if echo.ndim != 2 or echo.shape[-1] != antennas:
            raise ValueError(f"echo must have shape [batch, {antennas}], got {tuple(echo.shape)}")
        parts = torch.cat([echo.real, echo.imag], dim=-1).to(self.dtype)
        energies = parts.new_ones(1) if energy is None else energy
        blocks = energies.double().unsqueeze(-1).expand(len(echo), 1).split(BLOCK)
        found = []
        for part, scale in zip(parts.split(BLOCK), blocks, strict=True):
            snr = self.snr * (scale[:1] if energy is None else scale)
            found.append(self._block(part, snr))
        return Posterior(*map(torch.cat, zip(*found, strict=True)))

    def _block(self, parts: torch.Tensor, snr: torch.Tensor) -> Posterior:
        """Posteriors of ``[block, 2 * antennas]`` for SNRs ``[block or 1, nodes]``."""
        first, second = (parts @ table for table in self._tables)
        power = torch.addcmul(first.square(), second, second)
        offset = torch.log(self.weights) - torch.log1p(snr)
        exponent = torch.addcmul(offset.to(power), power, (snr / (1 + snr)).to(power))
        peak = exponent.amax(dim=-1, keepdim=True)
        weights = exponent.sub_(peak).exp_().double()
        center = (self.angles[0] + self.angles[-1]) / 2
        apart = self.angles - center
        powers = torch.stack([torch.ones_like(apart), apart, apart.square()], dim=-1)
        total, first, second = (weights @ powers).unbind(-1)
        mean = first / total
        variance = (second / total - mean.square()).clamp(min=0)
        return Posterior(torch.log(total) + peak.squeeze(-1).double(), mean + center, variance)


def rmse_limit(
    variance: torch.Tensor, p_d: float, *, confidence: float = 0.95
) -> "metrics.Estimate":
    r"""Smallest RMSE over detected targets, of any detector that detects a given fraction of them.

    Whatever a receiver declares and estimates from its echo,
    :math:`\mathbb{E}[(\hat\theta-\theta)^2\,\mathbb{1}_D] \ge
    \mathbb{E}[\mathrm{Var}(\theta\mid\mathbf{z}_r)\,\mathbb{1}_D]`, and no event D of a given
    probability makes that smaller than the one of the smallest variances. A receiver that detected
    just these and answered with the posterior mean would reach it.

    Args:
        variance: ``[samples]``, real. Posterior variances of echoes of targets, at least two.
        p_d: Fraction of the targets that is detected, P_d, in (0, 1].
        confidence: Probability in (0, 1) that the interval holds the exact limit.

    Returns:
        Root of the mean of that fraction of smallest variances; its interval is for P_d as
        given, from the delta method.

    Raises:
        ValueError: If ``p_d`` is outside (0, 1], or there are too few samples.
    """
    from isaclib.metrics import Estimate, Mean

    if not 0 < p_d <= 1:
        raise ValueError(f"p_d must lie in (0, 1], got {p_d!r}")
    check_probability("confidence", confidence)
    ordered = torch.sort(variance.double().flatten()).values
    if len(ordered) < 2:
        raise ValueError(f"variance must hold at least 2 samples, got {len(ordered)}")
    last = ordered[min(math.ceil(p_d * len(ordered)), len(ordered)) - 1]
    # The mean of the smallest part is max_t {t - E[(t - V)^+] / p_d}, reached at the quantile t;
    # to first order the error of t does not matter. So it is a plain mean of these terms:
    terms = last - (last - ordered).clamp(min=0) / p_d
    metric = Mean()
    metric.update(terms)
    square = metric.estimate(confidence)
    value, low, high = (math.sqrt(max(x, 0.0)) for x in (square.value, square.low, square.high))
    return Estimate(value, low, high, square.count)

r"""Symbol errors and misses of any beam in closed form, differentiable.

Both depend on a beam only through its pattern :math:`E(\theta) =
|\mathbf{a}^\top\mathbf{v}|^2` over a sector, and both fall with it:

- the symbol error rate of a maximum-likelihood receiver that knows its channel, in Rayleigh fading
  of the mean SNR :math:`\gamma = \sigma_c^2 E(\vartheta)/N_0`;
- the misdetection probability :math:`1 - e^{-u/(1+q)}` of a test of the matched filter's output at
  the target's own angle, of the mean SNR :math:`q = K\sigma_r^2 E(\theta)/N_0`, against the
  threshold :math:`u K N_0`.

With :math:`u = -\ln P_{\mathrm{fa}}` the second is what a receiver would miss that knew the angle
beforehand, so no other misses less. With the threshold of a search over the sector it is what
that search misses at most: it may exceed the threshold at another angle too.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from isaclib._validation import check_positive, check_probability
from isaclib.limits._quadrature import legendre
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.modulation import square_side


def qam_error(snr: torch.Tensor, order: int = 4) -> torch.Tensor:
    r"""Symbol error rate of square QAM in Rayleigh fading.

    The mean of :math:`4bQ(x) - 4b^2Q^2(x)`, :math:`b = 1 - 1/\sqrt M`, over the fading:

    .. math::
        2b\,(1-\mu) - b^2\Bigl(1 - \frac4\pi\,\mu\arctan\frac1\mu\Bigr), \qquad
        \mu = \sqrt{\frac{g\gamma}{1+g\gamma}}, \quad g = \frac{3}{2(M-1)}

    Args:
        snr: ``[...]``, real, not negative. Mean SNR gamma a symbol.
        order: Number of symbols M, an even power of two.

    Returns:
        ``[...]``, real, differentiable.

    Raises:
        ValueError: If ``order`` is not an even power of two.
    """
    b, rest = 1 - 1 / square_side(order), 1 + 1.5 / (order - 1) * snr
    mu = torch.sqrt(1 - 1 / rest)
    # 1 - mu without a difference of two numbers close to one.
    short = 1 / (rest * (1 + mu))
    return 2 * b * short - b**2 * (1 - 4 / math.pi * mu * torch.atan2(mu.new_ones(()), mu))


def missed(snr: torch.Tensor, level: torch.Tensor | float) -> torch.Tensor:
    r"""Misdetection probability of a Swerling-1 target at a known place.

    Args:
        snr: ``[...]``, real, not negative. Mean SNR q of the matched filter.
        level: Threshold u on the matched filter's output, over its mean without a target.

    Returns:
        ``[...]``, real, differentiable: :math:`1 - e^{-u/(1+q)}`.
    """
    return -torch.expm1(-level / (1 + snr))


def known_place_level(p_fa: float) -> float:
    r"""Threshold :math:`u = -\ln P_{\mathrm{fa}}` of a receiver that knows the place, the lowest.

    A target of the mean SNR q is detected with the probability :math:`P_{\mathrm{fa}}^{1/(1+q)}`.

    Raises:
        ValueError: If ``p_fa`` is outside (0, 1).
    """
    return -math.log(check_probability("p_fa", p_fa))


class SectorPattern:
    """Beampatterns at the nodes of a quadrature rule over a sector.

    Args:
        positions: ``[antennas]``, real. Element positions [wavelengths].
        sector: Angles to average over.
        count: Quadrature nodes; 48 to a resolution cell and 16 more if not given, so that even for
            a pattern with zeros in the sector the means are right to a percent.
    """

    def __init__(self, positions: torch.Tensor, sector: Sector, count: int | None = None) -> None:
        if count is None:
            length = float(positions.max() - positions.min())
            count = 16 + math.ceil(48 * length * (sector.max - sector.min))
        self.angles, self.weights = legendre(sector.min, sector.max, count)
        self.steering = steering_vector(self.angles, positions.double().cpu())

    def __call__(self, beam: torch.Tensor) -> torch.Tensor:
        """Pattern of beams.

        Args:
            beam: ``[..., antennas]``, complex; one that does not fit the array is a ``ValueError``.

        Returns:
            ``[..., nodes]``, float64, differentiable.
        """
        if beam.shape[-1] != self.steering.shape[-1]:
            raise ValueError(
                f"beam must have shape [..., {self.steering.shape[-1]}], got {tuple(beam.shape)}"
            )
        response = beam.to(self.steering) @ self.steering.mT
        return response.real.square() + response.imag.square()


@dataclass(frozen=True, eq=False)
class BeamCriteria:
    r"""What a beam is judged by: misses in one sector, symbol errors in another.

    Attributes:
        positions: ``[antennas]``, real. Element positions [wavelengths].
        target_sector: Where the target can be.
        receiver_sector: Where the communication receiver can be.
        radar_snr: :math:`K\sigma_r^2/N_0`, mean SNR of the matched filter for a beampattern of one.
        communication_snr: :math:`\sigma_c^2/N_0`, likewise that of a symbol.
        level: Threshold u of the matched filter; see :func:`known_place_level`.
        order: Number of symbols of the QAM.

    Raises:
        ValueError: If a number is not positive.
    """

    positions: torch.Tensor
    target_sector: Sector
    receiver_sector: Sector
    radar_snr: float
    communication_snr: float
    level: float
    order: int = 4

    def __post_init__(self) -> None:
        for name in ("radar_snr", "communication_snr", "level"):
            check_positive(name, getattr(self, name))
        qam_error(torch.zeros(()), self.order)

    @cached_property
    def target(self) -> SectorPattern:
        """Patterns over the target's sector."""
        return SectorPattern(self.positions, self.target_sector)

    @cached_property
    def receiver(self) -> SectorPattern:
        """Patterns over the communication receiver's sector."""
        return SectorPattern(self.positions, self.receiver_sector)

    def misses(self, pattern: torch.Tensor) -> torch.Tensor:
        """Misdetection probability at each angle: ``[...]`` from a beampattern ``[...]``."""
        return missed(self.radar_snr * pattern, self.level)

    def errors(self, pattern: torch.Tensor) -> torch.Tensor:
        """Symbol error rate at each angle: ``[...]`` from a beampattern ``[...]``."""
        return qam_error(self.communication_snr * pattern, self.order)

    def p_md(self, beam: torch.Tensor) -> torch.Tensor:
        """Misdetection probability, averaged over the target's sector, as :meth:`ser`."""
        return self.misses(self.target(beam)) @ self.target.weights

    def ser(self, beam: torch.Tensor) -> torch.Tensor:
        """Symbol error rate, averaged over the receiver's sector.

        Args:
            beam: ``[..., antennas]``, complex.

        Returns:
            ``[...]``, float64, differentiable.
        """
        return self.errors(self.receiver(beam)) @ self.receiver.weights

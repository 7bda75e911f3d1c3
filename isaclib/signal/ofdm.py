r"""Orthogonal frequency-division multiplexing (OFDM): subcarriers, delays, and the delay basis.

A target at the range R delays its echo by :math:`\tau = 2R/c`, which turns the phase from
subcarrier to subcarrier (P3 Sec. II-A):

.. math:: [\boldsymbol\rho(\tau)]_s = \exp(-j 2\pi s\,\Delta_f\,\tau).
"""

import math
from dataclasses import dataclass, replace
from typing import overload

import torch
from scipy.constants import speed_of_light

from isaclib._validation import (
    check_finite,
    check_nonnegative,
    check_positive,
    check_positive_int,
    check_range,
)
from isaclib.signal.subspace import TOLERANCE, spanning_basis


@overload
def range_to_delay(distance: float) -> float: ...
@overload
def range_to_delay(distance: torch.Tensor) -> torch.Tensor: ...
def range_to_delay(distance: float | torch.Tensor) -> float | torch.Tensor:
    r"""Round-trip time of an echo, :math:`\tau = 2R/c`.

    Args:
        distance: Number or ``[...]``, real. Range R [m].

    Returns:
        The delay [s], of the same type.
    """
    return 2 * distance / speed_of_light


@overload
def delay_to_range(delay: float) -> float: ...
@overload
def delay_to_range(delay: torch.Tensor) -> torch.Tensor: ...
def delay_to_range(delay: float | torch.Tensor) -> float | torch.Tensor:
    r"""Range of an echo, :math:`R = c\tau/2`.

    Args:
        delay: Number or ``[...]``, real. Round-trip time [s].

    Returns:
        The range [m], of the same type.
    """
    return delay * speed_of_light / 2


@dataclass(frozen=True)
class Subcarriers:
    """The subcarriers of an OFDM symbol.

    Attributes:
        count: Number of subcarriers S, positive.
        spacing_hz: Subcarrier spacing Delta_f [Hz], positive.

    Raises:
        ValueError: If an attribute is out of range.
    """

    count: int = 256
    spacing_hz: float = 120e3

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive_int("count", self.count)
        check_positive("spacing_hz", self.spacing_hz)

    @property
    def range_resolution(self) -> float:
        r"""Range resolution :math:`\Delta_R \approx c/(2S\Delta_f)` [m], P3 Eq. (11)."""
        return self.unambiguous_range / self.count

    @property
    def unambiguous_range(self) -> float:
        r"""Range at which the phases start anew, :math:`c/(2\Delta_f)` [m]."""
        return speed_of_light / (2 * self.spacing_hz)

    def turns(self, distance: torch.Tensor, index: torch.Tensor | float) -> torch.Tensor:
        r"""Phases of subcarriers in turns, :math:`s\,\Delta_f\,\tau` less whole turns.

        Computed in double precision: at 200 m the last of 256 subcarriers has turned 41 times.

        Args:
            distance: ``[...]``, float32 or float64. Ranges R [m].
            index: Number or broadcastable. Subcarriers s, counted from anywhere.

        Returns:
            ``[...]`` of the dtype of ``distance``, in [-1/2, 1/2].
        """
        turns = self.spacing_hz * range_to_delay(distance.double()) * index
        return (turns - turns.round()).to(distance.dtype)

    def delay_vector(self, distance: torch.Tensor) -> torch.Tensor:
        r"""Delay phase vectors :math:`\boldsymbol\rho(2R/c)`, those of P3 Eq. (14) for grid ranges.

        Args:
            distance: ``[...]``, float32 or float64. Ranges R [m].

        Returns:
            ``[..., subcarriers]``, complex64 for float32 ranges and complex128 for float64 ones.
        """
        index = torch.arange(self.count, device=distance.device, dtype=torch.float64)
        phase = -2 * math.pi * self.turns(distance.unsqueeze(-1), index)
        return torch.complex(torch.cos(phase), torch.sin(phase))


@dataclass(frozen=True)
class RangeSector:
    """An interval of ranges that a target is known to lie in.

    Attributes:
        min: Lower end [m], not negative.
        max: Upper end [m], above ``min``.

    Raises:
        ValueError: If the ends are not finite, reversed, equal or negative.
    """

    min: float = 0.0
    max: float = 200.0

    def __post_init__(self) -> None:
        """Check the ends."""
        check_nonnegative("min", self.min)
        if check_finite("max", self.max) <= self.min:
            raise ValueError(
                f"range sector must satisfy 0 <= min < max metres, got min={self.min!r}, "
                f"max={self.max!r}"
            )

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ranges uniformly from the sector.

        Args:
            count: Number of ranges.
            generator: Source of randomness; its device is the device of the result.

        Returns:
            ``[count]``, float32. Ranges [m].
        """
        uniform = torch.rand(count, generator=generator, device=generator.device)
        return uniform.mul_(self.max - self.min).add_(self.min)

    def grid(self, count: int) -> torch.Tensor:
        """Equally spaced ranges from one end of the sector to the other, both included.

        Args:
            count: Number of ranges, at least 2.

        Returns:
            ``[count]``, float64. Ranges [m].

        Raises:
            ValueError: If ``count`` is below 2.
        """
        if check_positive_int("count", count) < 2:
            raise ValueError(f"count must be at least 2 grid ranges, got {count!r}")
        return torch.linspace(self.min, self.max, count, dtype=torch.float64)

    def check_unambiguous(self, subcarriers: Subcarriers) -> None:
        """Check that no two ranges of the sector give the same phases.

        Args:
            subcarriers: The OFDM symbol.

        Raises:
            ValueError: If the sector reaches beyond the unambiguous range.
        """
        if self.max > subcarriers.unambiguous_range:
            raise ValueError(
                f"range sector must end within the unambiguous range c / (2 Delta_f) = "
                f"{subcarriers.unambiguous_range:.5g} m of subcarriers {subcarriers.spacing_hz:g} "
                f"Hz apart, got max={self.max!r} m"
            )


def reciprocal_filter(received: torch.Tensor, symbols: torch.Tensor) -> torch.Tensor:
    r"""Divide the symbols out of an echo, P3 Eq. (7).

    .. math:: \tilde{\mathbf{Y}}_r = \mathbf{Y}_r \oslash \mathbf{1}\mathbf{x}^\top(\mathbf{m})

    (The paper prints the division as a product.) Symbols of unit modulus leave the noise as it is.
    Others amplify it on the subcarriers of small symbols: it stays Gaussian but is white no more.

    Args:
        received: ``[batch, antennas, subcarriers]``, complex. Echo Y_r.
        symbols: ``[batch, subcarriers]``, complex, none of them zero. Transmitted symbols x(m).

    Returns:
        ``[batch, antennas, subcarriers]``, complex.
    """
    return received / symbols.unsqueeze(-2)


@dataclass(frozen=True, eq=False)
class DelayBasis:
    r"""The few dimensions that hold all delay phase vectors of a range sector.

    The angle-delay map needs an echo only as :math:`\tilde{\mathbf{Y}}_r\boldsymbol\rho^*(\tau)`,
    and all :math:`\boldsymbol\rho^*(\tau)` lie in the span of :math:`\mathbf{B}`, so
    :math:`\tilde{\mathbf{Y}}_r\mathbf{B}` is a sufficient statistic.

    Counted from the middle subcarrier and the middle delay, a delay vector is a cosine, which is
    even, less j times a sine, which is odd. So a basis of even columns, and of j times odd columns,
    turns each delay vector into a *real* vector times a phase:
    :math:`\boldsymbol\rho^\top(\tau)\mathbf{B} = e^{j\gamma(\tau)}\,\mathbf{r}^\top(\tau)`. As the
    map has magnitudes alone, its dictionary of delays is real.

    Attributes:
        subcarriers: The OFDM symbol.
        ranges: The range sector.
        even: ``[half, even rank]``, float64. Even columns over the upper half of the subcarriers.
        odd: ``[half, odd rank]``, float64. Likewise the odd ones.
        lost: Largest share of its energy that a vector of the sector loses in the basis, measured
            between the ranges that the basis was made from.
    """

    subcarriers: Subcarriers
    ranges: RangeSector
    even: torch.Tensor
    odd: torch.Tensor
    lost: float = math.nan

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return self.even.shape[-1] + self.odd.shape[-1]

    def signature(self, distance: torch.Tensor) -> torch.Tensor:
        r"""What an echo from a range is in the basis but for its phase, :math:`\mathbf{r}(\tau)`.

        Args:
            distance: ``[...]``, float32 or float64. Ranges [m].

        Returns:
            ``[..., rank]``, real, of the dtype of ``distance``.
        """
        cosines, sines = _folded(self.subcarriers, self.ranges, distance)
        even, odd = (part.to(cosines) for part in (self.even, self.odd))
        return torch.cat([cosines @ even, sines @ odd], dim=-1)

    def phase(self, distance: torch.Tensor) -> torch.Tensor:
        r"""Phase that an echo from a range has in the basis, :math:`e^{j\gamma(\tau)}`.

        Args:
            distance: ``[...]``, float32 or float64. Ranges [m].

        Returns:
            ``[...]``, complex64 or complex128, of unit modulus.
        """
        middle = (self.subcarriers.count - 1) / 2
        angle = -2 * math.pi * self.subcarriers.turns(distance, middle)
        return torch.polar(torch.ones_like(angle), angle)

    def columns(self) -> torch.Tensor:
        r"""The basis over all subcarriers.

        Returns:
            ``[subcarriers, rank]``, complex128. Orthonormal columns B.
        """
        index = _centred(self.subcarriers)
        even, odd = (_unfolded(part, len(index)) for part in (self.even, self.odd))
        odd = odd * torch.sign(index).unsqueeze(-1)
        middle = torch.tensor((self.ranges.min + self.ranges.max) / 2, dtype=torch.float64)
        angle = 2 * math.pi * self.subcarriers.turns(middle, index)
        phase = torch.polar(torch.ones_like(angle), angle)
        return torch.cat([even + 0j, 1j * odd], dim=-1) * phase.unsqueeze(-1)

    def project(self, filtered: torch.Tensor) -> torch.Tensor:
        r"""An echo of all subcarriers in the basis, :math:`\tilde{\mathbf{Y}}_r\mathbf{B}`.

        Args:
            filtered: ``[..., subcarriers]``, complex. Echo after :func:`reciprocal_filter`.

        Returns:
            ``[..., rank]``, complex.
        """
        return filtered @ self.columns().to(filtered)


def _centred(subcarriers: Subcarriers) -> torch.Tensor:
    """Subcarriers counted from the middle: ``[subcarriers]``, float64."""
    index = torch.arange(subcarriers.count, dtype=torch.float64)
    return index - (subcarriers.count - 1) / 2


def _folded(
    subcarriers: Subcarriers, ranges: RangeSector, distance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of delay vectors counted from the middle, upper half of the subcarriers.

    A pair of subcarriers has the same cosine, so the root of two makes one stand for both; the
    middle one of an odd number has no partner.
    """
    index = _centred(subcarriers)
    upper = index[index >= 0].to(distance.device)
    weight = torch.where(upper == 0, 1, 2).double().sqrt().to(distance)
    offset = distance.double() - (ranges.min + ranges.max) / 2
    turns = subcarriers.turns(offset.unsqueeze(-1), upper)
    angle = (2 * math.pi * turns).to(distance.dtype)
    return weight * torch.cos(angle), weight * torch.sin(angle)


def _unfolded(half: torch.Tensor, count: int) -> torch.Tensor:
    """Columns over all subcarriers from those over the upper half."""
    paired = half / math.sqrt(2)
    if count % 2 == 0:
        return torch.cat([paired.flip(0), paired])
    return torch.cat([paired[1:].flip(0), half[:1], paired[1:]])


def delay_basis(
    subcarriers: Subcarriers, ranges: RangeSector, *, tolerance: float = TOLERANCE
) -> DelayBasis:
    r"""Smallest basis that holds all delay phase vectors of a sector.

    Singular vectors of the dictionary :math:`\boldsymbol\Phi_d^*` of ranges an eighth of the
    resolution apart, even and odd ones by themselves, as many as
    :func:`isaclib.signal.subspace.spanning_basis` needs for half of the tolerance each. For P3, 256
    subcarriers and 200 m, these are 53 of the 256 dimensions.

    Args:
        subcarriers: The OFDM symbol.
        ranges: Where the target can be.
        tolerance: Largest share of energy that any vector may lose.

    Returns:
        The basis.

    Raises:
        ValueError: If the sector reaches beyond the unambiguous range, or ``tolerance`` is out of
            range.
    """
    ranges.check_unambiguous(subcarriers)
    check_range("tolerance", tolerance, 2e-28, 1)
    cells = math.ceil((ranges.max - ranges.min) / subcarriers.range_resolution)
    grid = ranges.grid(8 * cells + 1)
    even, odd = (
        spanning_basis(part, tolerance=tolerance / 2, energy=subcarriers.count)[0]
        for part in _folded(subcarriers, ranges, grid)
    )
    basis = DelayBasis(subcarriers, ranges, even, odd)
    return replace(basis, lost=_lost(basis, (grid[1:] + grid[:-1]) / 2))


def _lost(basis: DelayBasis, distances: torch.Tensor) -> float:
    """Largest share of energy that delay vectors of some ranges lose in a basis."""
    lost = torch.zeros_like(distances)
    parts = _folded(basis.subcarriers, basis.ranges, distances)
    for part, columns in zip(parts, (basis.even, basis.odd), strict=True):
        lost += (part - part @ columns @ columns.mT).square().sum(-1)
    return float(lost.max()) / basis.subcarriers.count

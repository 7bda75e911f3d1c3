"""Echoes after reciprocal filtering in a basis of the delays, simulated part by part.

A receiver needs an echo only in few directions and at few delays. White noise is independent in
orthogonal directions, so it can be drawn where a receiver looks, and elsewhere later or never: it
is the same experiment.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from isaclib.signal.noise import NOISE_POWER

OutsideSum = Callable[[torch.Tensor], torch.Tensor]
r"""From weights ``[groups, samples * columns, dimensions]``, complex, to sums of noise times them
over the samples of a group and their delays, ``[groups, antennas, dimensions]``. Only what is
orthogonal to the directions asked for before counts."""


class Noise(Protocol):
    """Noise of echoes in the delay basis, given or drawn part by part.

    A receiver that correlates an echo with few directions asks for the noise there first. White
    noise is independent in orthogonal directions, so a source that draws it may draw the rest
    later, and only what it is needed for.
    """

    def inside(
        self, part: slice, basis: torch.Tensor | None, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Noise in some directions.

        Args:
            part: Which samples.
            basis: ``[antennas, dimensions]``, complex. Orthonormal directions; all antennas if
                None.
            out: ``[part, rank, 2 * dimensions]``, real. Memory for the result.

        Returns:
            ``[part, rank, 2 * dimensions]``, real: real and imaginary parts, in turn, of noise of
            power one; the caller may overwrite it.
        """

    def outside(
        self, part: slice, delays: torch.Tensor, groups: int, dimensions: int
    ) -> OutsideSum:
        r"""Weighted sum of the noise in other directions, at some delays of each sample.

        Args:
            part: Which samples.
            delays: ``[part, columns, rank]``, real. Signatures R of the delays.
            groups: Number of groups that the samples are of, as many in each.
            dimensions: Number of weights at each delay of a sample.

        Returns:
            What turns the weights T of each group into the sum :math:`\sum_b
            (\mathbf{N}_b\mathbf{R}_b^\top)\mathbf{T}_b`. They must not depend on this noise.
        """

    def reordered(self, order: torch.Tensor) -> "Noise":
        """The same noise for samples in another order, or for some of them.

        Args:
            order: ``[batch]``, int64. Which sample comes where.
        """


class WhiteNoise:
    """White noise, drawn when it is asked for; parts are expected in order.

    Args:
        antennas: Number of antennas, or of dimensions of a basis that the echoes come in.
        rank: Dimensions of the delay basis.
        generator: Source of randomness; its device is the device of the noise.
        dtype: Real dtype.
    """

    def __init__(
        self,
        antennas: int,
        rank: int,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.antennas, self.rank, self.generator, self.dtype = antennas, rank, generator, dtype

    def inside(
        self, part: slice, basis: torch.Tensor | None, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Noise in some directions, see :class:`Noise`."""
        if out is None:
            rows = self.antennas if basis is None else basis.shape[-1]
            out = self._empty(part.stop - part.start, self.rank, 2 * rows)
        return self._drawn(out)

    def outside(
        self, part: slice, delays: torch.Tensor, groups: int, dimensions: int
    ) -> OutsideSum:
        r"""Weighted sum of the noise in other directions, see :class:`Noise`.

        Antennas are independent and alike, so a row of the sum is Gaussian with the covariance
        :math:`\mathbf{C} = \sum_b\mathbf{T}_b^H\mathbf{R}_b\mathbf{R}_b^\top\mathbf{T}_b` of the
        weights T: white noise times a root of it has this distribution, and the noise of single
        samples is never drawn.
        """
        white = self._drawn(self._empty(groups, self.antennas, dimensions, 2))
        gram = torch.bmm(delays, delays.mT)

        def total(weights: torch.Tensor) -> torch.Tensor:
            columns = torch.view_as_real(weights).reshape(*gram.shape[:2], 2 * dimensions)
            other = torch.bmm(gram, columns).view(*weights.shape, 2)
            covariance = torch.bmm(weights.mH, torch.view_as_complex(other))
            return torch.bmm(torch.view_as_complex(white), _root(covariance).mH)

        return total

    def reordered(self, order: torch.Tensor) -> "WhiteNoise":
        """Itself: what is not drawn yet has no order."""
        return self

    def _empty(self, *shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.generator.device)

    def _drawn(self, out: torch.Tensor) -> torch.Tensor:
        return out.normal_(0, math.sqrt(NOISE_POWER / 2), generator=self.generator)


def _root(covariance: torch.Tensor) -> torch.Tensor:
    """Cholesky factors of covariances that may be singular, exact to their rounding errors."""
    power = covariance.diagonal(dim1=-2, dim2=-1).real.sum(-1).double().view(-1, 1, 1)
    scaled = covariance.to(torch.complex128) / power.clamp(min=torch.finfo(torch.float64).tiny)
    scaled.diagonal(dim1=-2, dim2=-1).add_(10 * torch.finfo(covariance.dtype).eps)
    return (torch.linalg.cholesky(scaled) * power.sqrt()).to(covariance)


class GivenNoise:
    """Noise that is known, over all antennas or in the basis that the echoes come in.

    Args:
        samples: From sample indices ``[part]``, int64, to ``[part, antennas, rank]``, complex, in
            the delay basis.
        order: ``[batch]``, int64. The samples' order.
    """

    def __init__(
        self, samples: Callable[[torch.Tensor], torch.Tensor], order: torch.Tensor
    ) -> None:
        self.samples, self.order = samples, order

    def inside(
        self, part: slice, basis: torch.Tensor | None, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Noise in some directions, see :class:`Noise`."""
        noise = self.samples(self.order[part])
        if basis is not None:
            noise = basis.mH.to(noise) @ noise
        found = torch.view_as_real(noise.mT.resolve_conj().contiguous()).flatten(2)
        return found if out is None else out.copy_(found)

    def outside(
        self, part: slice, delays: torch.Tensor, groups: int, dimensions: int
    ) -> OutsideSum:
        """Weighted sum of the noise in other directions, see :class:`Noise`."""
        noise = self.samples(self.order[part])
        delayed = (delays.to(noise) @ noise.mT).unflatten(0, (groups, -1)).flatten(1, 2)
        return lambda weights: (delayed.mT @ weights.to(noise)).to(weights)

    def reordered(self, order: torch.Tensor) -> "GivenNoise":
        """The same noise for samples in another order, see :class:`Noise`."""
        return GivenNoise(self.samples, self.order[order])


@dataclass(frozen=True, eq=False)
class BasisEcho:
    r"""Echoes after reciprocal filtering in a basis, simulated part by part.

    Sample b is :math:`\alpha_b\,\mathbf{s}_b\mathbf{r}_b^\top + \mathbf{N}_b`. In the delay basis,
    :math:`\mathbf{s} = e^{j\gamma(\tau)}\mathbf{a}(\theta)` and :math:`\mathbf{r}` is real, see
    :class:`isaclib.signal.ofdm.DelayBasis`. Samples come transposed, delays before antennas.

    Attributes:
        amplitude: ``[batch]``, complex. Amplitudes alpha, zero where there is no target; the one
            part that a transmitter's parameters can be differentiated through.
        spatial: ``[batch, rows]``, complex. Signatures s over the antennas, or over a basis.
        spectral: ``[batch, rank]``, real. Signatures r over the delay basis.
        noise: Its noise N.
    """

    amplitude: torch.Tensor
    spatial: torch.Tensor
    spectral: torch.Tensor
    noise: Noise

    def __len__(self) -> int:
        """Number of echoes."""
        return len(self.amplitude)

    def reordered(self, order: torch.Tensor) -> "BasisEcho":
        """The same echoes in another order.

        Args:
            order: ``[batch]``, int64. Which sample comes where.

        Returns:
            The echoes.
        """
        amplitude, spatial, spectral = (
            part.index_select(0, order) for part in (self.amplitude, self.spatial, self.spectral)
        )
        return BasisEcho(amplitude, spatial, spectral, self.noise.reordered(order))

    @torch.no_grad()
    def samples(self, part: slice, basis: torch.Tensor | None = None) -> torch.Tensor:
        """Simulate some of the echoes, in some directions.

        Args:
            part: Which, with a stop of at most the number of echoes.
            basis: ``[rows, dimensions]``, complex. Orthonormal directions; all if not given.

        Returns:
            ``[part, rank, dimensions]``, complex [sqrt(noise power)].
        """
        return torch.view_as_complex(self.parts(part, basis).unflatten(-1, (-1, 2)))

    @torch.no_grad()
    def parts(
        self, part: slice, basis: torch.Tensor | None, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The same, real and imaginary parts in turn.

        Args:
            part: Which.
            basis: Orthonormal directions; all if None.
            out: ``[part, rank, 2 * dimensions]``, real. Memory for the result.

        Returns:
            ``[part, rank, 2 * dimensions]``, real [sqrt(noise power)].
        """
        scaled = self.scaled(part)
        if basis is not None:
            scaled = scaled @ basis.conj().to(scaled)
        # As the spectral signature is real, so is the product, of twice the dimensions.
        row = torch.view_as_real(scaled.resolve_conj()).flatten(1).unsqueeze(1)
        return self.noise.inside(part, basis, out).addcmul_(self.spectral[part].unsqueeze(-1), row)

    def scaled(self, part: slice) -> torch.Tensor:
        """Spatial signatures of some echoes times their amplitudes, ``[part, rows]``."""
        return self.amplitude.detach()[part].unsqueeze(-1) * self.spatial[part]

"""Echoes after reciprocal filtering in a basis of the delays, simulated part by part.

A receiver needs an echo only in few directions and at few delays. White noise is independent in
orthogonal directions, so it can be drawn where a receiver looks, and elsewhere later or never: it
is the same experiment.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from isaclib.signal.noise import NOISE_POWER
from isaclib.signal.subspace import product_by_group


class Noise(Protocol):
    """Noise of echoes in the delay basis, given or drawn part by part.

    A receiver that correlates an echo with few directions asks for the noise there first. White
    noise is independent in orthogonal directions, so a source that draws it may draw the rest
    later, and only for the few delays that it is needed at.
    """

    def inside(
        self, part: slice, basis: torch.Tensor | None, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Noise in some directions.

        Args:
            part: Which samples.
            basis: ``[antennas, dimensions]``, complex. Orthonormal directions; all antennas if
                None.
            out: ``[part, rank, 2 * dimensions]``, real. Memory for the result's real and imaginary
                parts in turn.

        Returns:
            ``[part, rank, dimensions]``, complex: noise of power one; the caller may overwrite it.
        """

    def outside(
        self,
        part: slice,
        basis: torch.Tensor,
        delays: torch.Tensor,
        factor: torch.Tensor,
        sizes: list[int] | None = None,
    ) -> torch.Tensor:
        r"""Noise in other directions, at some delays of each sample.

        Args:
            part: Which samples.
            basis: ``[antennas, dimensions]``, complex. Orthonormal directions, orthogonal to those
                that :meth:`inside` was asked for; with ``sizes`` ``[groups, antennas,
                dimensions]``, for groups of samples that follow each other.
            delays: ``[part, columns, rank]``, real. Signatures of the delays.
            factor: ``[part, columns, columns]``, real. Any root F of their Gram matrices,
                :math:`\mathbf{F}\mathbf{F}^\top = \mathbf{R}\mathbf{R}^\top`.
            sizes: Number of samples of each group.

        Returns:
            ``[part, columns, dimensions]``, complex.
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
        return torch.view_as_complex(self._drawn(out).unflatten(-1, (-1, 2)))

    def outside(
        self,
        part: slice,
        basis: torch.Tensor,
        delays: torch.Tensor,
        factor: torch.Tensor,
        sizes: list[int] | None = None,
    ) -> torch.Tensor:
        """Noise in other directions, see :class:`Noise`."""
        white = self._drawn(self._empty(*factor.shape[:2], 2 * basis.shape[-1]))
        return torch.view_as_complex(torch.bmm(factor, white).unflatten(-1, (-1, 2)))

    def reordered(self, order: torch.Tensor) -> "WhiteNoise":
        """Itself: what is not drawn yet has no order."""
        return self

    def _empty(self, *shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.generator.device)

    def _drawn(self, out: torch.Tensor) -> torch.Tensor:
        return out.normal_(0, math.sqrt(NOISE_POWER / 2), generator=self.generator)


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
        if out is None:
            return noise.mT.contiguous()
        return torch.view_as_complex(out.unflatten(-1, (-1, 2))).copy_(noise.mT)

    def outside(
        self,
        part: slice,
        basis: torch.Tensor,
        delays: torch.Tensor,
        factor: torch.Tensor,
        sizes: list[int] | None = None,
    ) -> torch.Tensor:
        """Noise in other directions, see :class:`Noise`."""
        noise = self.samples(self.order[part])
        delayed = delays.to(noise) @ noise.mT
        if sizes is None:
            return delayed @ basis.conj().to(noise)
        return product_by_group(delayed, basis.conj().to(noise), sizes)

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
        bases = None if basis is None else basis.unsqueeze(0)
        (found,) = self.by_group(part, bases, [None])
        return torch.view_as_complex(found.unflatten(-1, (-1, 2)))

    @torch.no_grad()
    def by_group(
        self, part: slice, bases: torch.Tensor | None, out: Sequence[torch.Tensor | None]
    ) -> Iterator[torch.Tensor]:
        """Simulate some of the echoes group by group, each in some directions.

        Args:
            part: Which, with a stop of at most the number of echoes.
            bases: ``[groups, rows, dimensions]``, complex. Orthonormal directions; all if None.
            out: Memory for each group, ``[group, rank, 2 * dimensions]``, real; None if there is
                but one and it has none.

        Yields:
            ``[group, rank, 2 * dimensions]``, real [sqrt(noise power)]: real and imaginary parts in
            turn.
        """
        sizes = [part.stop - part.start if own is None else len(own) for own in out]
        scaled = self.scaled[part]
        if bases is not None:
            scaled = product_by_group(scaled, bases.conj().to(scaled), sizes)
        # As the spectral signature is real, so is the product, of twice the dimensions.
        rows = torch.view_as_real(scaled).flatten(1).unsqueeze(1).split(sizes)
        columns = self.spectral[part].unsqueeze(-1).split(sizes)
        first = part.start
        for number, (own, column, row) in enumerate(zip(out, columns, rows, strict=True)):
            here = slice(first, first + len(row))
            noise = self.noise.inside(here, None if bases is None else bases[number], own)
            yield torch.view_as_real(noise).flatten(2).baddbmm_(column, row)
            first = here.stop

    @torch.no_grad()
    def outside(
        self,
        part: slice,
        basis: torch.Tensor,
        delays: torch.Tensor,
        factor: torch.Tensor,
        sizes: list[int] | None = None,
    ) -> torch.Tensor:
        """Echoes in directions orthogonal to those asked for before, at some delays.

        Args:
            part: Which, with a stop of at most the number of echoes.
            basis: ``[rows, dimensions]``, complex. Orthonormal directions; with ``sizes``
                ``[groups, rows, dimensions]``, for groups of echoes that follow each other.
            delays: ``[part, columns, rank]``, real. Signatures of the delays of each sample.
            factor: ``[part, columns, columns]``, real. Roots of their Gram matrices, see
                :class:`Noise`.
            sizes: Number of echoes of each group.

        Returns:
            ``[part, columns, dimensions]``, complex.
        """
        correlation = torch.bmm(delays, self.spectral[part].unsqueeze(-1))
        noise = self.noise.outside(part, basis, delays, factor, sizes)
        bases, lengths = (basis.unsqueeze(0), [len(noise)]) if sizes is None else (basis, sizes)
        scaled = self.scaled[part]
        scaled = product_by_group(scaled, bases.conj().to(scaled), lengths)
        row = torch.view_as_real(scaled).flatten(1).unsqueeze(1)
        torch.view_as_real(noise).flatten(2).baddbmm_(correlation, row)
        return noise

    @cached_property
    def scaled(self) -> torch.Tensor:
        """Spatial signatures times amplitudes, ``[batch, rows]``."""
        return self.amplitude.detach().unsqueeze(-1) * self.spatial

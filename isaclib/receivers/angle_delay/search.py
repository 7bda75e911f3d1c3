r"""Algorithm 1 of P3 without the whole angle-delay map.

The literal computation of :mod:`isaclib.receivers.angle_delay.reference` multiplies K x S samples
with dictionaries of 720 angles and 200 delays, and keeps all of it for the gradient. The same
numbers need far less:

- echoes come in the delay basis, ``rank`` columns in place of S subcarriers;
- samples are sorted by their sectors and worked on in chunks that fit the cache. The sectors of a
  chunk span few dimensions of the antennas' space
  (:func:`isaclib.signal.subspace.steering_spans`): only there are echoes simulated and searched;
- the maximum is searched from coarse to fine, without a gradient
  (:mod:`isaclib.receivers.angle_delay.peak`);
- the softmax sees a window of a few points, computed exactly, and the gradient is that of the
  window alone, as in P3 (:mod:`isaclib.receivers.angle_delay.window`). It alone needs echoes
  outside the span, at the few delays that weigh anything; white noise is independent there of all
  that the search has seen, so it is drawn after the search.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch.autograd.function import once_differentiable

from isaclib._validation import check_one_of, check_positive_int
from isaclib.channels.ofdm import BasisEcho
from isaclib.receivers.angle_delay.peak import AngleCells, DelayCells, cell_size, find_peak
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, Estimate
from isaclib.receivers.angle_delay.window import (
    Derivatives,
    Window,
    WindowTables,
    window_derivatives,
)
from isaclib.signal.arrays import steering_vector
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows
from isaclib.signal.subspace import steering_spans

Differentiable = Literal["position", "maximum"]
"""What of an estimate has a gradient: angle and range, which P3's supervised loss needs, or the
map's maximum, which its unsupervised loss does."""

CHUNK = {"cpu": 120, "cuda": 1024}
"""Samples worked on at a time: on a CPU what fits the cache, on a GPU what keeps it busy."""


class MapSearch:
    """Finds the maximum of the angle-delay map, and the position estimate round it.

    Args:
        grid: Angles, ranges, and the window's size.
        basis: Delay basis that the echoes come in.
        dtype: Real dtype of the echoes.
        device: Where they are.
        chunk: Samples worked on at a time; a number for the device if not given.

    Raises:
        ValueError: If ``chunk`` is not positive.
    """

    def __init__(
        self,
        grid: AngleDelayGrid,
        basis: DelayBasis,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        chunk: int | None = None,
    ) -> None:
        device = torch.device(device)
        if chunk is None:
            chunk = CHUNK["cpu" if device.type == "cpu" else "cuda"]
        self.chunk = check_positive_int("chunk", chunk)
        self.grid, self.dtype = grid, dtype
        self.angles = grid.angles.to(device)
        self.tables = WindowTables(grid, basis, dtype=dtype, device=device)
        self.delays = DelayCells(grid, basis, dtype=dtype, device=device)

    def maximum(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> Estimate:
        """Largest value of the map inside the sector and its place, P3 Eqs. (10) and (16).

        Args:
            echo: Echoes.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            angles: ``[antennas, rows]``, complex. Basis of the angles that the echoes come in; all
                antennas if not given.

        Returns:
            The maximum as the statistic, and the grid point where it is. Nothing is
            differentiable.

        Raises:
            ValueError: If the windows are not one a sample.
        """
        return self._without_gradient(self._maximum, echo, positions, windows, angles)

    def estimate(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> Estimate:
        """Statistic and position by the softmax of a window, Algorithm 1 of P3.

        Args:
            echo: Echoes.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            angles: ``[antennas, rows]``, complex. Basis of the angles that the echoes come in; all
                antennas if not given.

        Returns:
            The estimates; :meth:`differentiable` has them with a gradient.

        Raises:
            ValueError: If the windows are not one a sample.
        """
        return self._without_gradient(self._position, echo, positions, windows, angles)

    def differentiable(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        output: Differentiable,
    ) -> Estimate:
        """Estimates with a gradient for the element positions and the echoes' amplitudes.

        Args:
            echo: Echoes over all antennas.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            output: ``"position"``, the estimates of :meth:`estimate`, whose angle and range are
                differentiable, or ``"maximum"``, those of :meth:`maximum`, whose statistic is;
                once.

        Returns:
            The estimates.

        Raises:
            ValueError: If ``output`` is not allowed, or the windows are not one a sample.
        """
        check_one_of("output", output, get_args(Differentiable))
        one = self._position if output == "position" else self._maximum

        def run() -> tuple[Estimate, Derivatives]:
            found, derivatives = [], []
            for chunk in self._chunks(echo, positions, windows, None):
                estimate, outputs = one(chunk)
                found.append(estimate)
                derivatives.append(self._derivatives(chunk, *outputs()))
            order = _order(windows)
            return Estimate(*_joined(found, order)), Derivatives(*_joined(derivatives, order))

        return Estimate(*_Differentiable.apply(positions, echo.amplitude, run, output))

    @torch.no_grad()
    def _without_gradient(
        self,
        one: "Callable[[_Chunk], tuple[Estimate, _Outputs]]",
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
    ) -> Estimate:
        chunks = self._chunks(echo, positions, windows, angles)
        return Estimate(*_joined([one(chunk)[0] for chunk in chunks], _order(windows)))

    def _maximum(self, chunk: "_Chunk") -> "tuple[Estimate, _Outputs]":
        """Maxima of a chunk; and their windows of one point, with derivatives of one."""
        row, column = chunk.place
        found = Estimate(chunk.value, self.tables.angles[row], self.tables.distances[column])

        def outputs() -> tuple[Window, torch.Tensor, slice]:
            sector, half = chunk.sector, self.tables.half
            window = self.tables.point(chunk.delayed, sector.steering, chunk.place, sector.first)
            one = chunk.value.new_ones(len(chunk.value), 1, 1, 1)
            return window, one, slice(half, half + 1)

        return found, outputs

    def _position(self, chunk: "_Chunk") -> "tuple[Estimate, _Outputs]":
        """Estimates of a chunk; and what of their windows weighs anything."""
        sector = chunk.sector
        average = self.tables.average(
            chunk.delayed, sector.steering, chunk.place, sector.first, chunk.windows
        )

        def outputs() -> tuple[Window, torch.Tensor, slice]:
            columns = average.relevant_columns()
            return average.window.columns(columns), average.derivatives(columns), columns

        return Estimate(chunk.value, average.angle, average.distance), outputs

    def _derivatives(
        self, chunk: "_Chunk", window: Window, weights: torch.Tensor, columns: slice
    ) -> Derivatives:
        """Derivatives of a chunk's outputs, with the echoes outside the span drawn for them."""
        sector, part, echo = chunk.sector, chunk.part, chunk.echo
        tables = self.tables.signatures(columns)
        delays, factor = (table.index_select(0, chunk.place[1]) for table in tables)
        correlation = torch.bmm(delays, echo.spectral[part].unsqueeze(-1)).squeeze(-1)
        outside = echo.outside(part, sector.outside, delays, factor)
        delayed = torch.cat([window.delayed, outside], dim=-1)
        spatial = echo.spatial[part] @ sector.inside.conj().to(echo.spatial)
        return window_derivatives(window, weights, (delayed, spatial, correlation), sector.rotation)

    def _chunks(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
    ) -> Iterator["_Chunk"]:
        """Simulate the echoes chunk by chunk, and find the maxima of their maps."""
        count, order = len(echo), _order(windows)
        if len(windows) not in (1, count):
            raise ValueError(
                f"windows must be one for all samples or one for each of {count}, "
                f"got {len(windows)}"
            )
        parts = [
            slice(first, min(first + self.chunk, count)) for first in range(0, count, self.chunk)
        ]
        if order is None:
            sectors = self._sectors(positions, [windows], angles) * len(parts)
        else:
            echo, windows = echo.reordered(order), windows[order]
            sectors = self._sectors(positions, [windows[part] for part in parts], angles)
        for part, sector in zip(parts, sectors, strict=True):
            samples = echo.samples(part, None if angles is not None else sector.inside)
            delayed, own = self.delays.correlate(samples), windows[part]
            value, row, column = find_peak(delayed, own, sector.cells, self.delays)
            yield _Chunk(echo, part, own, sector, delayed, value, (row, column))

    def _sectors(
        self, positions: torch.Tensor, windows: list[Windows], angles: torch.Tensor | None
    ) -> list["_Sector"]:
        """Rows of the map that hold some windows each, in the basis of their span."""
        positions = positions.detach().to(self.angles)
        aperture = float(positions.max() - positions.min())
        spacing = float(torch.sin(self.angles).diff().abs().max()) if len(self.angles) > 1 else 1.0
        size = cell_size(1 / max(aperture * spacing, 1 / len(self.angles)))
        first = torch.stack([some.start.min() for some in windows])
        stop = torch.stack([some.stop.max() for some in windows])
        firsts, counts = first.tolist(), (-(-(stop - first) // size) * size).tolist()
        # Whole cells, the last of which may go beyond the sectors.
        index = first.unsqueeze(-1) + torch.arange(max(counts), device=first.device)
        index.clamp_(max=len(self.angles) - 1)
        steering = steering_vector(self.angles, positions).conj_physical()
        if angles is None:
            sines = torch.sin(self.angles)
            spans = steering_spans(positions, sines[first], sines[stop - 1])
            bases, ranks = spans.phases.unsqueeze(-1) * spans.rotations, spans.ranks
            rows = torch.bmm(steering[index], bases)
        else:
            bases = angles.to(steering).expand(len(windows), -1, -1)
            ranks = [angles.shape[-1]] * len(windows)
            rows = (steering @ bases[0])[index]
            spans = None
        found = []
        for number, (begin, count, rank) in enumerate(zip(firsts, counts, ranks, strict=True)):
            vectors = rows[number, :count, :rank].to(self.dtype.to_complex())
            basis = bases[number].to(vectors)
            rotation = basis if spans is None else spans.rotations[number].to(vectors)
            cells = AngleCells(vectors, begin, size)
            found.append(_Sector(begin, vectors, cells, basis[:, :rank], basis[:, rank:], rotation))
        return found


class _Sector(NamedTuple):
    """Rows of the map that hold the sectors of a chunk.

    Attributes:
        first: The first row.
        steering: ``[rows, dimensions]``, complex. Their conjugate steering vectors, in the basis.
        cells: The same in cells.
        inside: ``[antennas, dimensions]``, complex. Orthonormal basis of their span.
        outside: ``[antennas, others]``, complex. Orthonormal basis of all that is orthogonal to it.
        rotation: ``[antennas, antennas]``, complex. Both, but for a phase of each antenna.
    """

    first: int
    steering: torch.Tensor
    cells: AngleCells
    inside: torch.Tensor
    outside: torch.Tensor
    rotation: torch.Tensor


class _Chunk(NamedTuple):
    """Some samples and where their maps are largest.

    Attributes:
        echo: All samples, in the order of the chunks.
        part: Which of them.
        windows: Their sectors.
        sector: Rows of the map that hold these.
        delayed: ``[chunk, columns, dimensions]``, complex. Their echoes at all columns of the map,
            in its basis.
        value: ``[chunk]``, real. Largest value of each map.
        place: ``[chunk]``, int64, each. Its row and column.
    """

    echo: BasisEcho
    part: slice
    windows: Windows
    sector: _Sector
    delayed: torch.Tensor
    value: torch.Tensor
    place: tuple[torch.Tensor, torch.Tensor]


_Outputs = Callable[[], tuple[Window, torch.Tensor, slice]]
"""Gives the windows that outputs depend on, their derivatives with the magnitudes there, and which
columns of the whole windows these have."""


def _order(windows: Windows) -> torch.Tensor | None:
    """Order of samples in which sectors that overlap follow each other; None if there is one."""
    return windows.start.argsort() if len(windows) > 1 else None


def _joined(found: list[Any], order: torch.Tensor | None) -> list[torch.Tensor]:
    """Tensors of chunks as tensors of the batch, in its own order."""
    joined = [torch.cat(tensors) for tensors in zip(*found, strict=True)]
    if order is None:
        return joined
    return [torch.empty_like(tensor).index_copy_(0, order, tensor) for tensor in joined]


class _Differentiable(torch.autograd.Function):
    """Estimates with derivatives: forward computes both, backward is a sum."""

    @staticmethod
    def forward(
        ctx: Any,
        positions: torch.Tensor,
        amplitude: torch.Tensor,
        run: Callable[[], tuple[Estimate, Derivatives]],
        output: Differentiable,
    ) -> tuple[torch.Tensor, ...]:
        """Statistic, angle and range, ``[batch]`` each."""
        found, derivatives = run()
        ctx.position = output == "position"
        ctx.dtype = positions.dtype
        ctx.save_for_backward(*derivatives)
        fixed = (found.statistic,) if ctx.position else (found.angle, found.distance)
        ctx.mark_non_differentiable(*fixed)
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients for positions and amplitudes."""
        positions, amplitude = ctx.saved_tensors
        outer = torch.stack(gradients[1:] if ctx.position else gradients[:1], dim=-1)
        to_positions = outer.flatten() @ positions.flatten(0, 1)
        to_amplitude = (outer * amplitude).sum(-1)
        return to_positions.to(ctx.dtype), to_amplitude, None, None

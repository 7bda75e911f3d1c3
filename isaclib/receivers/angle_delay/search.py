r"""Algorithm 1 of P3 without the whole angle-delay map.

The literal computation of :mod:`isaclib.receivers.angle_delay.reference` multiplies K x S samples
with dictionaries of 720 angles and 200 delays, and keeps all of it for the gradient. The same
numbers need far less:

- echoes come in the delay basis, ``rank`` columns in place of S subcarriers;
- samples are sorted by their sectors and worked on in chunks that fit the cache. The sectors of a
  chunk span few dimensions of the antennas' space
  (:mod:`isaclib.receivers.angle_delay.sectors`): only there are echoes simulated and searched;
- the maximum is searched from coarse to fine, without a gradient
  (:mod:`isaclib.receivers.angle_delay.peak`);
- the softmax sees a window of a few points, computed exactly, and the gradient is that of the
  window alone, as in P3 (:mod:`isaclib.receivers.angle_delay.window`). It alone needs echoes
  outside the span, summed over a chunk; white noise is independent there of all that the search has
  seen, so the sum is drawn, and not the noise of each sample.
"""

from collections.abc import Iterator, Sequence
from typing import get_args

import torch

from isaclib._validation import check_one_of, check_positive_int
from isaclib.channels.basis_echo import BasisEcho
from isaclib.receivers.angle_delay.peak import DelayCells, Workspace, find_peak
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, MapEstimate
from isaclib.receivers.angle_delay.sectors import SectorGroups, sector_groups
from isaclib.receivers.angle_delay.window import (
    ChunkColumns,
    Differentiable,
    Gradient,
    MovingEstimate,
    Window,
    WindowTables,
)
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows

GROUP = {"cpu": 100, "cuda": 1024}
"""Samples that share a basis of angles: on a CPU what fits the cache, on a GPU what keeps it
busy."""

CHUNK = {"cpu": 300, "cuda": 1024}
"""Samples whose windows are worked on at a time: enough that operations take longer than to start
them."""


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
        kind = "cpu" if device.type == "cpu" else "cuda"
        chunk = check_positive_int("chunk", CHUNK[kind] if chunk is None else chunk)
        self.group = min(GROUP[kind], chunk)
        self.per_chunk = chunk // self.group
        self.grid, self.dtype = grid, dtype
        self.angles = grid.angles.to(device)
        self.tables = WindowTables(grid, basis, dtype=dtype, device=device)
        self.delays = DelayCells(grid, basis, dtype=dtype, device=device)
        self.memory = Workspace(dtype=dtype, device=device)

    def maximum(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> MapEstimate:
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
        return self._without_gradient("maximum", echo, positions, windows, angles)

    def estimate(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> MapEstimate:
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
        return self._without_gradient("position", echo, positions, windows, angles)

    def differentiable(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        output: Differentiable,
    ) -> MapEstimate:
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

        def run() -> tuple[MapEstimate, Gradient]:
            # Inference mode, as bookkeeping for gradients would take a twentieth of the time.
            with torch.inference_mode():
                found = [
                    (samples, estimate, columns.moves(window))
                    for samples, estimate, columns, window in self._chunks(
                        output, echo, positions, windows
                    )
                ]

            def gradient(outer: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
                for samples, _, moves in found:
                    own = outer.new_zeros(len(moves.rows), outer.shape[-1])
                    own[: len(samples)] = outer[samples]
                    to_positions, to_amplitude = moves.gradient(own, self.tables.sines)
                    yield samples, to_positions, to_amplitude[: len(samples)]

            return _joined([chunk[:2] for chunk in found]), gradient

        return MapEstimate(*MovingEstimate.apply(positions, echo.amplitude, run, output))

    def _without_gradient(
        self,
        output: Differentiable,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
    ) -> MapEstimate:
        with torch.inference_mode():
            chunks = self._chunks(output, echo, positions, windows, angles)
            return _joined([chunk[:2] for chunk in chunks])

    def _chunks(
        self,
        output: Differentiable,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None = None,
    ) -> Iterator[tuple[torch.Tensor, MapEstimate, ChunkColumns, Window]]:
        """Samples, estimates and windows chunk by chunk, echoes simulated on the way."""
        count = len(echo)
        if len(windows) not in (1, count):
            raise ValueError(
                f"windows must be one for all samples or one for each of {count}, "
                f"got {len(windows)}"
            )
        groups = -(-count // self.group)
        size = -(-count // groups)
        # Sectors that overlap follow each other; what the last group lacks repeats its last sample.
        order = torch.arange(groups * size, device=self.angles.device).clamp_(max=count - 1)
        mixed = bool((windows.start.diff() < 0).any())
        if mixed:
            order = windows.start.argsort()[order]
        if mixed or len(order) > count:
            echo, windows = echo.reordered(order), windows[order]
        own = size if len(windows) > 1 else 1
        first, stop = windows.start.view(-1, own).amin(-1), windows.stop.view(-1, own).amax(-1)
        every = sector_groups(
            self.angles,
            positions.detach().to(self.angles),
            torch.stack([first, stop], dim=-1).tolist(),
            dtype=self.dtype,
            angles=angles,
        )
        windows = Windows(windows.start.expand(len(order)), windows.stop.expand(len(order)))
        for number in range(0, groups, self.per_chunk):
            some = every.chunk(slice(number, min(number + self.per_chunk, groups)))
            part = slice(number * size, (number + len(some.ranks)) * size)
            held = some.contained(windows[part])
            bases = some.bases if angles is None else None
            value, place, columns = self._searched((echo, part, bases), some, held, output)
            if output == "maximum":
                row, column = place
                window = self.tables.peak(row, columns)
                found = (value, self.tables.angles[row], self.tables.distances[column])
            else:
                angle, distance, window = self.tables.average(place, windows[part], columns)
                found = (value, angle, distance)
            samples = order[part][: count - part.start]
            estimate = MapEstimate(*(one[: len(samples)] for one in found))
            yield samples, estimate, columns, window

    def _searched(
        self,
        simulated: tuple[BasisEcho, slice, torch.Tensor | None],
        groups: SectorGroups,
        held: torch.Tensor,
        output: Differentiable,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor], ChunkColumns]:
        """Simulate a chunk group by group and find the maxima of its maps, and echoes there."""
        echo, part, bases = simulated
        table = self.tables.delays(output)
        size, rank = held.shape[1], echo.spectral.shape[-1]
        shape = (len(held), size, table.shape[1], 2 * groups.bases.shape[-1])
        delayed = echo.spectral.new_zeros(shape)
        found = []
        for number, dimensions in enumerate(groups.ranks):
            first = part.start + number * size
            echoes = echo.parts(
                slice(first, first + size),
                None if bases is None else bases[number, :, :dimensions],
                self.memory.part("echoes", size, rank, 2 * dimensions),
            )
            rows = groups.rows(number)
            inside = held[number, :, : rows.parts.shape[-1]]
            value, row, column = find_peak(echoes, inside, rows, self.delays, self.memory)
            delays = table.index_select(0, column)
            delayed[number, ..., : 2 * dimensions] = torch.bmm(delays, echoes)
            found.append((value, row + groups.first[number], column, delays))
        value, row, column, delays = (torch.cat(parts) for parts in zip(*found, strict=True))
        near = torch.view_as_complex(delayed.flatten(0, 1).unflatten(-1, (-1, 2)))
        return value, (row, column), ChunkColumns(echo, part, groups, delays, near)


def _joined(chunks: Sequence[tuple[torch.Tensor, MapEstimate]]) -> MapEstimate:
    """Estimates of a batch from those of chunks, each after the samples that they are of."""
    order = torch.cat([samples for samples, _ in chunks])
    joined = (torch.cat(parts) for parts in zip(*(found for _, found in chunks), strict=True))
    return MapEstimate(*(torch.empty_like(one).index_copy_(0, order, one) for one in joined))

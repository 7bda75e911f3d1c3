r"""Algorithm 1 of P3 without the whole angle-delay map.

The literal computation of :mod:`isaclib.receivers.angle_delay.reference` multiplies K x S samples
with dictionaries of 720 angles and 200 delays, and keeps all of it for the gradient. The same
numbers need far less:

- echoes come in the delay basis, ``rank`` columns in place of S subcarriers;
- samples are sorted by their sectors and worked on in groups that fit the cache. The sectors of a
  group span few dimensions of the antennas' space
  (:mod:`isaclib.receivers.angle_delay.sectors`): only there are echoes simulated and searched;
- the maximum is searched from coarse to fine, without a gradient
  (:mod:`isaclib.receivers.angle_delay.peak`);
- the softmax sees a window of a few points, computed exactly, and the gradient is that of the
  window alone, as in P3 (:mod:`isaclib.receivers.angle_delay.window`). Only samples have one whose
  window has more than one point that weighs anything. It alone needs echoes outside the span, at
  the few delays that weigh anything; white noise is independent there of all that the search has
  seen, so it is drawn after the search.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import torch

from isaclib._validation import check_one_of, check_positive_int
from isaclib.channels.basis_echo import BasisEcho
from isaclib.receivers.angle_delay.peak import (
    ChunkMaps,
    DelayCells,
    Workspace,
    fill_power,
    find_peak,
)
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, Estimate
from isaclib.receivers.angle_delay.sectors import SectorGroups, sector_groups
from isaclib.receivers.angle_delay.window import (
    Derivatives,
    Differentiable,
    MovingEstimate,
    Window,
    WindowTables,
    window_derivatives,
)
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows
from isaclib.signal.subspace import product_by_group

GROUP = {"cpu": 100, "cuda": 1024}
"""Samples that share a basis of angles: on a CPU what fits the cache, on a GPU what keeps it
busy."""

CHUNK = {"cpu": 300, "cuda": 1024}
"""Samples worked on at a time: enough that the operations take longer than to start them."""


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
        self.chunk = check_positive_int("chunk", CHUNK[kind] if chunk is None else chunk)
        self.group = min(GROUP[kind], self.chunk)
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
        return self._without_gradient("maximum", echo, positions, windows, angles)

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
        return self._without_gradient("position", echo, positions, windows, angles)

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
        one, half = self._outputs(output)

        def run() -> tuple[Estimate, torch.Tensor, Derivatives]:
            found, samples, derivatives = [], [], []
            # Inference mode, as bookkeeping for gradients would take a twentieth of the time.
            with torch.inference_mode():
                for chunk in self._chunks(echo, positions, windows, None, half):
                    estimate, outputs = one(chunk)
                    moves = outputs()
                    found.append((chunk.samples, *estimate))
                    samples.append(chunk.samples.index_select(0, moves.samples))
                    derivatives.append(self._derivatives(chunk, moves))
            joined = (torch.cat(parts) for parts in zip(*derivatives, strict=True))
            return _joined(found), torch.cat(samples), Derivatives(*joined)

        return Estimate(*MovingEstimate.apply(positions, echo.amplitude, run, output))

    def _without_gradient(
        self,
        output: Differentiable,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
    ) -> Estimate:
        one, half = self._outputs(output)
        with torch.inference_mode():
            chunks = self._chunks(echo, positions, windows, angles, half)
            found = [(chunk.samples, *one(chunk)[0]) for chunk in chunks]
        return _joined(found)

    def _outputs(
        self, output: Differentiable
    ) -> "tuple[Callable[[_Chunk], tuple[Estimate, _Outputs]], int]":
        """What makes outputs of a chunk, and how far the windows reach that it needs."""
        if output == "position":
            return self._position, self.tables.half
        return self._maximum, 0

    def _maximum(self, chunk: "_Chunk") -> "tuple[Estimate, _Outputs]":
        """Maxima of a chunk; and their windows of one point, with derivatives of one."""
        row, column = chunk.place
        angles, distances = self.tables.angles, self.tables.distances
        found = Estimate(
            chunk.value, angles.index_select(0, row), distances.index_select(0, column)
        )

        def outputs() -> _Moves:
            columns = slice(self.tables.half, self.tables.half + 1)
            window = self.tables.point(chunk.delayed, row, chunk.rows)
            one = chunk.value.new_ones(len(chunk.value), 1, 1, 1)
            return _Moves(torch.arange(len(row), device=row.device), window, one, columns)

        return found, outputs

    def _position(self, chunk: "_Chunk") -> "tuple[Estimate, _Outputs]":
        """Estimates of a chunk; and what of their windows weighs anything."""
        average = self.tables.average(chunk.delayed, chunk.place, chunk.windows, chunk.rows)

        def outputs() -> _Moves:
            moving = average.moving()
            some = average.chosen(moving)
            columns = some.relevant_columns()
            window = some.window.columns(columns)
            return _Moves(moving, window, some.derivatives(columns), columns)

        return Estimate(chunk.value, average.angle, average.distance), outputs

    def _derivatives(self, chunk: "_Chunk", moves: "_Moves") -> Derivatives:
        """Derivatives of some outputs, with the echoes outside the span drawn for them."""
        moving, window, weights, columns = moves
        groups = chunk.groups
        sizes = torch.bincount(chunk.group[moving], minlength=len(groups.first)).tolist()
        echo = chunk.echo.reordered(chunk.part.start + moving)
        place = chunk.place[1].index_select(0, moving)
        delays, factor = (table.index_select(0, place) for table in self.tables.signatures(columns))
        correlation = torch.bmm(delays, echo.spectral.unsqueeze(-1)).squeeze(-1)
        outside = echo.outside(slice(0, len(moving)), groups.outside, delays, factor, sizes)
        delayed = torch.cat([window.delayed, outside], dim=-1)
        spatial = product_by_group(echo.spatial, groups.inside.conj(), sizes)
        return window_derivatives(
            window, weights, (delayed, spatial, correlation), (groups.bases, sizes)
        )

    def _chunks(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
        half: int,
    ) -> Iterator["_Chunk"]:
        """Simulate the echoes chunk by chunk, and find the maxima of their maps."""
        count = len(echo)
        if len(windows) not in (1, count):
            raise ValueError(
                f"windows must be one for all samples or one for each of {count}, "
                f"got {len(windows)}"
            )
        order = torch.arange(count, device=self.angles.device)
        if len(windows) > 1:
            # Sectors that overlap follow each other.
            order = windows.start.argsort()
            echo, windows = echo.reordered(order), windows[order]
        own = self._groups(positions, windows, count, angles)
        # The largest first: memory that grows leaves holes.
        self._memory(min(count, self.chunk), echo.spectral.shape[-1], own.rank)
        per_chunk = -(-self.chunk // self.group)
        for number, first in enumerate(range(0, count, self.chunk)):
            part = slice(first, min(first + self.chunk, count))
            groups = own.some(slice(number * per_chunk, (number + 1) * per_chunk))
            bases = groups.inside if angles is None else None
            found = self._searched(echo, (part, bases), windows[part], groups, half)
            yield _Chunk(order[part], *found)

    def _groups(
        self,
        positions: torch.Tensor,
        windows: Windows,
        count: int,
        angles: torch.Tensor | None,
    ) -> SectorGroups:
        """Rows of the groups of all chunks."""
        sample = torch.arange(count, device=self.angles.device)
        inner = torch.div(sample % self.chunk, self.group, rounding_mode="floor")
        chunk = torch.div(sample, self.chunk, rounding_mode="floor")
        group = chunk * -(-self.chunk // self.group) + inner
        groups = int(group[-1]) + 1
        first, stop = windows.start, windows.stop
        if len(windows) > 1:
            empty = first.new_empty(groups)
            first = empty.scatter_reduce(0, group, first, "amin", include_self=False)
            stop = empty.scatter_reduce(0, group, stop, "amax", include_self=False)
        found = sector_groups(
            self.angles,
            positions.detach().to(self.angles),
            first,
            stop,
            dtype=self.dtype,
            angles=angles,
        )
        return found if len(windows) > 1 else found.repeated(groups)

    def _memory(self, count: int, rank: int, dimensions: int) -> tuple[torch.Tensor, ...]:
        """Memory for echoes, for their middle columns, and for the power of these."""
        columns = len(self.delays)
        return (
            self.memory.part("echoes", count, rank, 2 * dimensions),
            self.memory.part("middles", count, columns, 2 * dimensions),
            self.memory.part("power", count, columns),
        )

    def _searched(
        self,
        echo: BasisEcho,
        simulated: tuple[slice, torch.Tensor | None],
        windows: Windows,
        groups: SectorGroups,
        half: int,
    ) -> tuple[Any, ...]:
        """Simulate a chunk group by group, and find the maxima of its maps."""
        part, bases = simulated
        count = part.stop - part.start
        group = torch.arange(count, device=self.angles.device) // self.group
        inside = groups.contained(windows, group)
        held = inside.unflatten(-1, (groups.cells, -1)).amax(dim=-1)
        echoes, middles, power = self._memory(count, echo.spectral.shape[-1], groups.rank)
        maps = ChunkMaps(echoes, inside, held, middles, power)
        simulation = echo.by_group(part, bases, maps.echoes.split(self.group))
        parts = zip(*(some.split(self.group) for some in maps), strict=True)
        for own, coarse, _ in zip(parts, groups.coarse.unbind(), simulation, strict=True):
            fill_power(ChunkMaps(*own), coarse, self.delays, self.memory)
        value, row, column = find_peak(maps, groups, self.delays, group)
        middle = self.tables.half
        signatures = self.tables.signatures(slice(middle - half, middle + half + 1))[0]
        delayed = torch.bmm(signatures.index_select(0, column), maps.echoes)
        delayed = torch.view_as_complex(delayed.unflatten(-1, (-1, 2)))
        return echo, part, windows, groups, group, delayed, value, (row, column)


class _Chunk(NamedTuple):
    """Some samples and where their maps are largest.

    Attributes:
        samples: ``[chunk]``, int64. Which of the batch.
        echo: All samples, in the order of the chunks.
        part: Which of them.
        windows: Their sectors.
        groups: Rows of the map that hold these.
        group: ``[chunk]``, int64. Which group each sample is of.
        delayed: ``[chunk, columns, dimensions]``, complex. Their echoes at the columns round the
            largest values, in the bases of the groups.
        value: ``[chunk]``, real. Largest value of each map.
        place: ``[chunk]``, int64, each. Its row and column.
    """

    samples: torch.Tensor
    echo: BasisEcho
    part: slice
    windows: Windows
    groups: SectorGroups
    group: torch.Tensor
    delayed: torch.Tensor
    value: torch.Tensor
    place: tuple[torch.Tensor, torch.Tensor]

    def rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Steering vectors of rows ``[chunk, some]``, see :meth:`SectorGroups.vectors`."""
        return self.groups.vectors(rows, self.group)


class _Moves(NamedTuple):
    """How outputs of a chunk move.

    Attributes:
        samples: ``[some]``, int64. Samples whose outputs have a derivative.
        window: Windows that these depend on.
        weights: ``[some, outputs, columns, rows]``, real. Derivatives with the magnitudes there.
        columns: Which columns of the whole windows these have.
    """

    samples: torch.Tensor
    window: Window
    weights: torch.Tensor
    columns: slice


_Outputs = Callable[[], _Moves]


def _joined(found: Sequence[tuple[torch.Tensor, ...]]) -> Estimate:
    """Estimates of a batch from those of chunks, each after the samples that they are of."""
    order, *estimates = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Estimate(*(torch.empty_like(one).index_copy_(0, order, one) for one in estimates))

r"""Search for the maximum of the angle-delay map, from coarse to fine and without a gradient.

The map is smooth on the scale of a resolution cell. So it is computed on a coarse grid that samples
each cell more than once, where each coarse point stands for a *cell* of a few rows and columns
round it. Where the largest coarse value of a column is not far below that of all, the maximum may
hide in the cells of this column. Such columns are looked at more closely in three steps, each for
those that the one before leaves: all rows in the middle of the cells; all columns of the cells,
interpolated from coarse columns nearby; and these exactly.

Products of real matrices are what a processor does best, and memory is what it waits for. So whole
rows are computed where single cells would do, with one matrix for a group of samples; the
signatures of ranges are real, so real and imaginary parts of echoes go through the same products;
and the coarse grid, the largest table, is made group by group.
"""

import math
from typing import NamedTuple

import torch

from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.receivers.angle_delay.sectors import SectorGroups, cell_size
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.subspace import product_by_group

COARSE, MIDDLE, CLOSE = 0.5, 0.7, 0.93
"""Shares of the largest power found so far below which a column is given up: coarse values, those
of all rows in the middle of the cells, and interpolated ones."""

OFFSET = 0.21
"""Largest distance of a column from the middle one of its cell [resolution cells]; there the power
of a lone target has fallen to 0.86. Columns are not to be far, as they are interpolated."""

NEIGHBOURS = 5
"""Coarse columns that values of a column are interpolated from."""


class DelayCells:
    """Columns of the map in cells.

    Args:
        grid: Angles and ranges.
        basis: Delay basis that the echoes come in.
        dtype: Real dtype of the echoes.
        device: Where they are.
    """

    def __init__(
        self,
        grid: AngleDelayGrid,
        basis: DelayBasis,
        *,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        distances = grid.distances
        length = len(distances)
        spacing = float(distances.diff().max()) if length > 1 else basis.ranges.max
        self.size = cell_size(basis.subcarriers.range_resolution / spacing, OFFSET)
        self.last = length - 1
        # The last column stands for those that its cell lacks.
        signatures = basis.signature(distances)
        missing = -length % self.size
        signatures = torch.cat([signatures, signatures[-1:].expand(missing, -1)])
        self.cells = signatures.to(device, dtype).unflatten(0, (-1, self.size))
        self.coarse = self.cells[:, self.size // 2].contiguous()
        self.neighbours, weights = _interpolation(signatures, self.size)
        self.neighbours, self.weights = self.neighbours.to(device), weights.to(self.coarse)

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.cells)


def _interpolation(signatures: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How to interpolate all columns of a cell from the middles of some cells, by least squares.

    Args:
        signatures: ``[cells * size, rank]``, float64.
        size: Columns of a cell.

    Returns:
        ``[cells, neighbours]``, int64: the cells that each is interpolated from; ``[cells, size,
        neighbours]``, float64: weights of their middles.
    """
    cells = signatures.unflatten(0, (-1, size))
    count = len(cells)
    some = min(NEIGHBOURS, count)
    first = (torch.arange(count) - some // 2).clamp(0, count - some)
    index = first.unsqueeze(-1) + torch.arange(some)
    middles = cells[:, size // 2][index]
    weights = torch.linalg.lstsq(middles.mT, cells.mT).solution
    return index, weights.mT


class Workspace:
    """Memory for large results, used again each time: fresh pages cost as much as the work.

    Args:
        dtype: Of the results.
        device: Where they are.
    """

    def __init__(self, *, dtype: torch.dtype, device: torch.device | str) -> None:
        self._empty = torch.empty(0, dtype=dtype, device=device)
        self._parts: dict[str, torch.Tensor] = {}

    def part(self, name: str, *shape: int) -> torch.Tensor:
        """Memory of a name and shape; the next call with the name has the same."""
        count, part = math.prod(shape), self._parts.get(name, self._empty)
        if part.numel() < count:
            part = self._parts[name] = self._empty.new_empty(count)
        return part[:count].view(shape)


class ChunkMaps(NamedTuple):
    """Echoes of a chunk, and their maps on the coarse grid as far as the search needs them.

    Attributes:
        echoes: ``[chunk, rank, 2 * dimensions]``, real. Their real and imaginary parts in turn, in
            the bases of the delays and of their groups' angles.
        inside: ``[chunk, rows]``, real. One for the rows in the samples' sectors, else zero.
        held: ``[chunk, row cells]``, real. One for cells that hold such rows, else zero.
        middles: ``[chunk, column cells, 2 * dimensions]``, real. Echoes at the middle columns.
        power: ``[chunk, column cells]``, real. Largest coarse power along each of these.
    """

    echoes: torch.Tensor
    inside: torch.Tensor
    held: torch.Tensor
    middles: torch.Tensor
    power: torch.Tensor


def fill_power(
    maps: ChunkMaps, coarse: torch.Tensor, delays: DelayCells, memory: Workspace
) -> None:
    """Compute the coarse grid of a group of samples.

    Args:
        maps: Their part of a chunk, of which the middles and powers are written.
        coarse: ``[2 * row cells, 2 * dimensions]``, real. From
            :class:`isaclib.receivers.angle_delay.sectors.SectorGroups`.
        delays: Columns of the map.
        memory: Memory for the grid.
    """
    echoes, _, held, middles, power = maps
    count, columns = power.shape
    torch.bmm(delays.coarse.expand(count, -1, -1), echoes, out=middles)
    values = memory.part("coarse", len(coarse), count * columns)
    # Rows first: PyTorch finds the largest of a few neighbours one by one.
    torch.mm(coarse, middles.flatten(0, 1).mT, out=values)
    values = _power(values, 0).unflatten(1, (count, columns)).mul_(held.mT.unsqueeze(-1))
    torch.amax(values, dim=0, out=power)


def find_peak(
    maps: ChunkMaps, groups: SectorGroups, delays: DelayCells, group: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Largest value of each sample's map inside its sector, and where it is.

    Args:
        maps: Maps of a chunk.
        groups: Its rows.
        delays: Columns of the map.
        group: ``[chunk]``, int64, not decreasing. Groups of the samples.

    Returns:
        ``[chunk]``, real: the value; ``[chunk]``, int64, each: its row and column on the grid.
    """
    columns, number = len(delays), len(groups.first)

    def powers(lines: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
        """Powers of all rows of some columns of samples, ``[some, columns, rows]``."""
        sizes = torch.bincount(group.index_select(0, sample), minlength=number).tolist()
        inside = maps.inside.index_select(0, sample).unsqueeze(1)
        return _power(product_by_group(lines, groups.rows, sizes)).mul_(inside)

    # The cell with the largest coarse value.
    every = torch.arange(len(group), device=group.device)
    cell = maps.power.argmax(dim=-1)
    lines = torch.bmm(delays.cells.index_select(0, cell), maps.echoes)
    best, index = powers(lines, every).flatten(1).max(dim=-1)
    # Others that may hold more: first the middles of their cells, then all columns.
    coarse = maps.power.scatter(1, cell.unsqueeze(-1), 0.0)
    line = (coarse > COARSE * best.unsqueeze(-1)).flatten().nonzero().squeeze(-1)
    sample = torch.div(line, columns, rounding_mode="floor")
    lines = maps.middles.flatten(0, 1).index_select(0, line).unsqueeze(1)
    value = powers(lines, sample).amax(dim=(1, 2))
    likely = (value > MIDDLE * best.index_select(0, sample)).nonzero().squeeze(-1)
    sample = sample.index_select(0, likely)
    other = line.index_select(0, likely) - columns * sample
    near = delays.neighbours.index_select(0, other) + (columns * sample).unsqueeze(-1)
    lines = maps.middles.flatten(0, 1).index_select(0, near.flatten()).unflatten(0, near.shape)
    lines = torch.bmm(delays.weights.index_select(0, other), lines)
    value = powers(lines, sample).amax(dim=(1, 2))
    likely = (value > CLOSE * best.index_select(0, sample)).nonzero().squeeze(-1)
    sample, other = sample.index_select(0, likely), other.index_select(0, likely)
    echoes = maps.echoes.index_select(0, sample)
    lines = torch.bmm(delays.cells.index_select(0, other), echoes)
    value, place = powers(lines, sample).flatten(1).max(dim=-1)
    better = value > best.index_select(0, sample)
    best.scatter_reduce_(0, sample, value, "amax")
    better = (better & (value == best.index_select(0, sample))).nonzero().squeeze(-1)
    sample = sample.index_select(0, better)
    cell.index_copy_(0, sample, other.index_select(0, better))
    index.index_copy_(0, sample, place.index_select(0, better))
    rows = maps.inside.shape[-1]
    inner = torch.div(index, rows, rounding_mode="floor")
    row = groups.first.index_select(0, group) + index - rows * inner
    return best.sqrt_(), row, (cell * delays.size + inner).clamp_(max=delays.last)


def _power(values: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Squared magnitudes of real and then imaginary parts along a dimension, in their memory."""
    real, imag = values.chunk(2, dim=dim)
    return real.mul_(real).addcmul_(imag, imag)

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
and groups are so small that their tables stay in the cache.
"""

import math

import torch

from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.receivers.angle_delay.sectors import SectorRows, cell_size
from isaclib.signal.ofdm import DelayBasis

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
        self.coarse = _middle(self.cells, 1).contiguous()
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
    middles = _middle(cells, 1)[index]
    weights = torch.linalg.lstsq(middles.mT, cells.mT).solution
    return index, weights.mT


def _middle(cells: torch.Tensor, dim: int) -> torch.Tensor:
    """Vectors in the middle of cells along a dimension: the mean of two where they are even."""
    size = cells.shape[dim]
    return (cells.select(dim, (size - 1) // 2) + cells.select(dim, size // 2)) / 2


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


def find_peak(
    echoes: torch.Tensor,
    inside: torch.Tensor,
    rows: SectorRows,
    delays: DelayCells,
    memory: Workspace,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Largest value of each sample's map inside its sector, and where it is.

    Args:
        echoes: ``[group, rank, 2 * dimensions]``, real. Real and imaginary parts of echoes in turn,
            in the bases of the delays and of the rows.
        inside: ``[group, rows]``, real. One for the rows in the samples' sectors, else zero.
        rows: Rows of the map.
        delays: Columns of the map.
        memory: For large tables.

    Returns:
        ``[group]``, real: the value; ``[group]``, int64, each: its row, counted
        from the first, and its column on the grid.
    """
    count, columns = len(echoes), len(delays)

    def powers(lines: torch.Tensor, sample: torch.Tensor | None = None) -> torch.Tensor:
        """Powers of all rows of some columns of samples, ``[some, columns, rows]``."""
        flat = lines.flatten(0, 1)
        values = memory.part("values", 2, len(flat), inside.shape[-1])
        torch.bmm(flat.expand(2, -1, -1), rows.parts, out=values)
        power = _power(values).view(*lines.shape[:2], inside.shape[-1])
        held = inside if sample is None else inside.index_select(0, sample)
        return power.mul_(held.unsqueeze(1))

    middles = memory.part("middles", count, columns, echoes.shape[-1])
    torch.bmm(delays.coarse.expand(count, -1, -1), echoes, out=middles)
    middles = middles.flatten(0, 1)
    power = _coarse_power(middles, inside, rows, memory)
    # The cell with the largest coarse value.
    cell = power.argmax(dim=-1)
    lines = torch.bmm(delays.cells.index_select(0, cell), echoes)
    best, index = powers(lines).flatten(1).max(dim=-1)
    # Others that may hold more: first the middles of their cells, then all columns.
    power.scatter_(1, cell.unsqueeze(-1), 0.0)
    line = (power > COARSE * best.unsqueeze(-1)).flatten().nonzero().squeeze(-1)
    sample = torch.div(line, columns, rounding_mode="floor")
    value = powers(middles.index_select(0, line).unsqueeze(1), sample).amax(dim=(1, 2))
    likely = (value > MIDDLE * best.index_select(0, sample)).nonzero().squeeze(-1)
    sample, line = sample.index_select(0, likely), line.index_select(0, likely)
    other = line - columns * sample
    near = delays.neighbours.index_select(0, other) + (columns * sample).unsqueeze(-1)
    lines = middles.index_select(0, near.flatten()).unflatten(0, near.shape)
    lines = torch.bmm(delays.weights.index_select(0, other), lines)
    value = powers(lines, sample).amax(dim=(1, 2))
    likely = (value > CLOSE * best.index_select(0, sample)).nonzero().squeeze(-1)
    sample, other = sample.index_select(0, likely), other.index_select(0, likely)
    lines = torch.bmm(delays.cells.index_select(0, other), echoes.index_select(0, sample))
    value, place = powers(lines, sample).flatten(1).max(dim=-1)
    better = value > best.index_select(0, sample)
    best.scatter_reduce_(0, sample, value, "amax")
    better = (better & (value == best.index_select(0, sample))).nonzero().squeeze(-1)
    sample = sample.index_select(0, better)
    cell.index_copy_(0, sample, other.index_select(0, better))
    index.index_copy_(0, sample, place.index_select(0, better))
    inner = torch.div(index, inside.shape[-1], rounding_mode="floor")
    row = index - inside.shape[-1] * inner
    return best.sqrt_(), row, (cell * delays.size + inner).clamp_(max=delays.last)


def _coarse_power(
    middles: torch.Tensor, inside: torch.Tensor, rows: SectorRows, memory: Workspace
) -> torch.Tensor:
    """Largest coarse power along each coarse column, ``[group, columns]``."""
    matrix = _middle(rows.parts.unflatten(-1, (-1, rows.size)), -1).mT.flatten(0, 1)
    values = memory.part("values", len(matrix), len(middles))
    # Rows first: PyTorch finds the largest of a few neighbours one by one.
    torch.mm(matrix, middles.mT, out=values)
    held = inside.unflatten(-1, (-1, rows.size)).amax(dim=-1).mT.contiguous().unsqueeze(-1)
    power = _power(values.view(2, -1, len(middles)))
    return power.view(len(held), len(inside), -1).mul_(held).amax(dim=0)


def _power(values: torch.Tensor) -> torch.Tensor:
    """Squared magnitudes of real parts ``[0]`` and imaginary parts ``[1]``, in their memory."""
    real, imag = values.unbind()
    return real.mul_(real).addcmul_(imag, imag)

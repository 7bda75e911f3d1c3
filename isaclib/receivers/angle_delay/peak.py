r"""Search for the maximum of the angle-delay map, from coarse to fine and without a gradient.

The map is smooth on the scale of a resolution cell. So it is computed on a coarse grid that samples
each cell more than once, and stands for *cells* of a few rows and columns round each coarse point.
The cell with the largest coarse value is looked at in full. Where another coarse value is not far
below what is found there, the maximum may hide in its cell: that is looked at too.

Echoes come correlated with the signatures of all grid ranges, which are real: real and imaginary
parts go through the same real products.
"""

import math
from functools import partial

import torch

from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows

OFFSET = 0.21
"""Largest distance of a grid point from the coarse point of its cell, in resolution cells. There
the power of a lone target has fallen to 0.86, along both directions to 0.75."""

COARSE = 0.56
"""Share of the power found so far below which a coarse value gives its cell up."""


def cell_size(points_per_resolution: float) -> int:
    """Grid points of a cell along one direction, an odd number.

    Args:
        points_per_resolution: Grid points in a resolution cell.

    Returns:
        As many points as keep each within :data:`OFFSET` of the middle one.
    """
    return 2 * int(OFFSET * points_per_resolution) + 1


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
        self.size = cell_size(basis.subcarriers.range_resolution / spacing)
        self.count = -(-length // self.size)
        dictionary = basis.signature(distances).to(device, dtype)
        self.last = length - 1
        # The last column stands for those that its cell lacks.
        missing = self.count * self.size - length
        self.dictionary = torch.cat([dictionary, dictionary[-1:].expand(missing, -1)])
        self._buffers = [dictionary.new_empty(0)] * 2

    def correlate(self, samples: torch.Tensor) -> torch.Tensor:
        """Correlate echoes with the signatures of all columns.

        Args:
            samples: ``[chunk, rank, dimensions]``, complex. Echoes in the delay basis.

        Returns:
            ``[chunk, columns, dimensions]``, complex, whole cells of columns; the next call
            overwrites it.
        """
        parts = torch.view_as_real(samples).flatten(2)
        shape = (len(parts), len(self.dictionary), parts.shape[-1])
        found = self.buffer(0, *shape)
        torch.bmm(self.dictionary.expand(len(parts), -1, -1), parts, out=found)
        return torch.view_as_complex(found.unflatten(-1, (-1, 2)))

    def buffer(self, number: int, *shape: int) -> torch.Tensor:
        """Memory for a large result, used again each time: fresh pages cost as much as the work."""
        count = math.prod(shape)
        if self._buffers[number].numel() < count:
            self._buffers[number] = self.dictionary.new_empty(count)
        return self._buffers[number][:count].view(shape)


class AngleCells:
    """Some rows of the map in cells.

    Args:
        steering: ``[rows, dimensions]``, complex. Conjugate steering vectors of the rows, in the
            basis that the echoes come in; whole cells of them.
        first: Row of the map that the first of them is.
        size: Rows of a cell, odd.
    """

    def __init__(self, steering: torch.Tensor, first: int, size: int) -> None:
        self.first, self.size, self.count = first, size, len(steering) // size
        # Takes the real and imaginary parts of an echo, in turn, to those of its product.
        turned = torch.stack([steering.conj(), steering.conj() * 1j])
        parts = torch.view_as_real(turned).flatten(2).unflatten(1, (self.count, size))
        self.coarse = parts[:, :, size // 2].flatten(0, 1).mT.contiguous()
        self.cells = parts.permute(1, 3, 0, 2).flatten(2)

    def inside(self, windows: Windows) -> torch.Tensor:
        """Which rows of the cells lie in some windows: ``[windows, cells, size]``, bool."""
        rows = torch.arange(self.count * self.size, device=windows.start.device) + self.first
        return windows.contain(rows).unflatten(-1, (self.count, self.size))


def find_peak(
    delayed: torch.Tensor, windows: Windows, angles: AngleCells, delays: DelayCells
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Largest value of each sample's map inside its sector, and where it is.

    Args:
        delayed: ``[chunk, columns, dimensions]``, complex. Echoes at all columns, from
            :meth:`DelayCells.correlate`, in the basis of the angles.
        windows: Their sectors, one for each sample or one for all, which ``angles`` holds.
        angles: Rows of the map.
        delays: Columns of the map.

    Returns:
        ``[chunk]``, real: the value; ``[chunk]``, int64, each: its row and column.
    """
    count, columns = len(delayed), delays.count
    echoes = torch.view_as_real(delayed).flatten(2).unflatten(1, (columns, delays.size))
    inside = angles.inside(windows).expand(count, -1, -1)
    every = torch.arange(count, device=delayed.device)
    # Coarse grid: [chunk, column cells, row cells].
    middle = echoes[:, :, delays.size // 2]
    power = delays.buffer(1, count, columns, 2 * angles.count)
    torch.bmm(middle, angles.coarse.expand(count, -1, -1), out=power)
    power = _power(power).mul_(inside.any(-1).unsqueeze(1))
    by_column = power.amax(dim=-1)
    column = by_column.argmax(dim=-1)
    lines, line = power.flatten(0, 1), every * columns + column
    row = lines.index_select(0, line).argmax(dim=-1)
    cells, masks = echoes.flatten(0, 1), inside.reshape(-1, angles.size)
    refine = partial(_refined, cells, masks, angles)
    best, index = refine(line, every * angles.count + row)
    places = _places(index, (row, column), (angles, delays))
    # Other cells that may hold more than what was found.
    lines[line, row] = 0.0
    enough = COARSE * best
    line = (by_column > enough.unsqueeze(-1)).flatten().nonzero().squeeze(-1)
    sample = torch.div(line, columns, rounding_mode="floor")
    coarse = lines.index_select(0, line) > enough.index_select(0, sample).unsqueeze(-1)
    index, row = coarse.nonzero(as_tuple=True)
    line, sample = line[index], sample[index]
    before = best.index_select(0, sample)
    value, index = refine(line, sample * angles.count + row)
    best.scatter_reduce_(0, sample, value, "amax")
    better = ((value == best.index_select(0, sample)) & (value > before)).nonzero().squeeze(-1)
    column = line[better] - sample[better] * columns
    found = _places(index[better], (row[better], column), (angles, delays))
    places.index_copy_(1, sample[better], found)
    return best.sqrt(), places[0], places[1]


def _refined(
    echoes: torch.Tensor,
    inside: torch.Tensor,
    angles: AngleCells,
    line: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest power in some cells, and its index there.

    Args:
        echoes: ``[samples * column cells, columns, 2 * dimensions]``, real.
        inside: ``[samples * row cells, rows]``, bool. Which rows are in the samples' sectors.
        angles: Rows of the map.
        line: ``[some]``, int64. Sample and column cell of each cell, among the ``echoes``.
        mask: ``[some]``, int64. Sample and row cell of each, among ``inside``.
    """
    rows = angles.cells.index_select(0, mask % angles.count)
    power = _power(torch.bmm(echoes.index_select(0, line), rows))
    found = (power * inside.index_select(0, mask).unsqueeze(1)).flatten(1).max(dim=-1)
    return found.values, found.indices


def _places(
    index: torch.Tensor,
    cell: tuple[torch.Tensor, torch.Tensor],
    cells: tuple[AngleCells, DelayCells],
) -> torch.Tensor:
    """Rows and columns of the map of points in cells: ``[2, some]``, int64."""
    (row, column), (angles, delays) = cell, cells
    inner = torch.div(index, angles.size, rounding_mode="floor")
    return torch.stack(
        [
            angles.first + row * angles.size + index % angles.size,
            (column * delays.size + inner).clamp(max=delays.last),
        ]
    )


def _power(values: torch.Tensor) -> torch.Tensor:
    """Squared magnitudes ``[..., rows]`` of real and then imaginary parts ``[..., 2 * rows]``."""
    real, imag = values.chunk(2, dim=-1)
    return (real * real).addcmul_(imag, imag)

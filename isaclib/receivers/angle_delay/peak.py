r"""Search for the maximum of the angle-delay map, from coarse to fine and without a gradient.

The map is smooth on the scale of a resolution cell. So it is computed on a coarse grid that samples
each cell more than once, and stands for *cells* of a few rows and columns round each coarse point.
Where a coarse value is not far below the largest one, the maximum may hide in its cell: these are
refined, first along the delays, which costs next to nothing, then, where that still looks
promising, at all of their points.

Echoes come in the delay basis, whose dictionary of delays is real: real and imaginary parts of an
echo, its *planes*, go through the same real products.
"""

from typing import NamedTuple

import torch

from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.signal.ofdm import DelayBasis

OFFSET = 0.21
"""Largest distance of a grid point from the coarse point of its cell, in resolution cells. There
the power of a lone target has fallen to 0.86, along both directions to 0.75."""

COARSE, COLUMN = 0.55, 0.82
"""Share of the largest power below which a cell is given up: on the coarse grid, and once its best
column is known."""


def cell_size(points_per_resolution: float) -> int:
    """Grid points of a cell along one direction, an odd number.

    Args:
        points_per_resolution: Grid points in a resolution cell.

    Returns:
        As many points as keep each within :data:`OFFSET` of the middle one.
    """
    return 2 * int(OFFSET * points_per_resolution) + 1


def real_rows(vectors: torch.Tensor) -> torch.Tensor:
    """Matrix of reals that takes planes to the planes of a complex product.

    Args:
        vectors: ``[..., antennas]``, complex. Rows a^H of the product.

    Returns:
        ``[..., 2, 2 * antennas]``, real.
    """
    real, imag = vectors.real, vectors.imag
    return torch.stack([torch.cat([real, -imag], dim=-1), torch.cat([imag, real], dim=-1)], dim=-2)


class DelayCells:
    """Columns of the map in cells.

    Args:
        grid: Angles and ranges.
        basis: Delay basis that the echoes come in.
        dtype: Real dtype of the echoes' planes.
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
        dictionary = basis.signature(distances).mT.to(device, dtype)
        # A column of zeros is never the largest, so the last cell may be cut short.
        missing = self.count * self.size - length
        padded = torch.cat([dictionary, dictionary.new_zeros(basis.rank, missing)], dim=-1)
        self.cells = padded.view(-1, self.count, self.size).transpose(0, 1).contiguous()
        middle = torch.arange(self.count, device=device) * self.size + self.size // 2
        self.coarse = dictionary[:, middle.clamp(max=length - 1)].contiguous()


class AngleCells:
    """Rows of the map in cells.

    Args:
        angles: ``[rows]``, real, increasing. Grid angles [rad].
        aperture: Length of the array [wavelengths].
        steering: ``[rows, antennas]``, complex. Conjugate steering vectors of the grid.
        rows: Largest number of rows of a sector, positive.
    """

    def __init__(
        self, angles: torch.Tensor, aperture: float, steering: torch.Tensor, rows: int
    ) -> None:
        length = len(angles)
        spacing = float(torch.sin(angles).diff().abs().max()) if length > 1 else 1.0
        self.size = cell_size(1 / max(aperture * spacing, 1 / length))
        first = torch.arange(-(-length // self.size), device=angles.device) * self.size
        index = first.unsqueeze(-1) + torch.arange(self.size, device=angles.device)
        self.cells = real_rows(steering[index.clamp(max=length - 1)]).flatten(1, 2)
        # As many cells as a sector meets that begins anywhere in its first one. Cells that follow
        # each other are neighbours in memory, so those of a sector are a view.
        self.count = (rows - 2) // self.size + 2
        middle = real_rows(steering[(first + self.size // 2).clamp(max=length - 1)])
        coarse = torch.cat([middle, middle.new_zeros(self.count, *middle.shape[1:])])
        shape = (len(first), 2 * self.count, coarse.shape[-1])
        self.coarse = coarse.as_strided(shape, (coarse.stride(0), coarse.stride(1), 1))

    def project(self, stacked: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """Echoes in the directions of their sectors' cells.

        Args:
            stacked: ``[chunk, 2 * antennas, rank]``, real. Planes of echoes.
            first: ``[chunk]`` or ``[1]``, int64. First cell of each sector, or of all.

        Returns:
            ``[chunk, cells, 2, rank]``, real.
        """
        rows = self.coarse.index_select(0, first)
        found = rows[0] @ stacked if len(rows) == 1 else torch.bmm(rows, stacked)
        return found.unflatten(1, (self.count, 2))


class Bounds(NamedTuple):
    """Sectors of a chunk of samples on the grid.

    Attributes:
        start: ``[chunk]`` or ``[1]``, int64. First row of each sample, or of all.
        stop: ``[chunk]`` or ``[1]``, int64. Row behind the last one.
    """

    start: torch.Tensor
    stop: torch.Tensor

    def contain(self, rows: torch.Tensor, samples: torch.Tensor | None = None) -> torch.Tensor:
        """Whether rows are in sectors.

        Args:
            rows: ``[some, rows]``, int64. Rows.
            samples: ``[some]``, int64. Which samples they are of; one after the other if not given.

        Returns:
            ``[some, rows]``, bool.
        """
        start, stop = self.start, self.stop
        if samples is not None and len(start) > 1:
            start, stop = start[samples], stop[samples]
        return (rows >= start.unsqueeze(-1)) & (rows < stop.unsqueeze(-1))


def find_peak(
    samples: torch.Tensor, bounds: Bounds, angles: AngleCells, delays: DelayCells
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Largest value of each sample's map inside its sector, and where it is.

    Args:
        samples: ``[chunk, 2, antennas, rank]``, real. Planes of echoes in the delay basis.
        bounds: Their sectors.
        angles: Rows of the map.
        delays: Columns of the map.

    Returns:
        ``[chunk]``, real: the value; ``[chunk]``, int64, each: its row and column.
    """
    count, device = len(samples), samples.device
    stacked = samples.flatten(1, 2)
    # Coarse grid: [chunk, row cells, 2, rank], then [chunk, row cells, column cells].
    first = torch.div(bounds.start, angles.size, rounding_mode="floor")
    projected = angles.project(stacked, first)
    power = _power(projected @ delays.coarse)
    rows = (first.unsqueeze(-1) + torch.arange(angles.count, device=device)) * angles.size
    power.masked_fill_((rows >= bounds.stop.unsqueeze(-1)).unsqueeze(-1), 0.0)
    enough = COARSE * power.flatten(1).amax(dim=-1)
    sample, row_cell, column_cell = (power >= enough[:, None, None]).nonzero(as_tuple=True)
    # Along the delays, at the coarse row.
    columns = delays.cells[column_cell]
    best = _power(torch.bmm(projected[sample, row_cell], columns)).amax(dim=-1)
    keep = best >= COLUMN * _largest(best, sample, count)[sample]
    sample, row_cell = sample[keep], row_cell[keep] + first.expand(count)[sample[keep]]
    columns, column_cell = columns[keep], column_cell[keep]
    # All points of the cell.
    patch = torch.bmm(torch.bmm(angles.cells[row_cell], stacked[sample]), columns)
    rows = row_cell.unsqueeze(-1) * angles.size + torch.arange(angles.size, device=device)
    values = _power(patch.unflatten(1, (-1, 2)))
    values.masked_fill_(~bounds.contain(rows, sample).unsqueeze(-1), 0.0)
    value, index = values.flatten(1).max(dim=-1)
    largest = _largest(value, sample, count)
    winner = value == largest[sample]
    row = row_cell * angles.size + torch.div(index, delays.size, rounding_mode="floor")
    column = column_cell * delays.size + index % delays.size
    places = torch.zeros(2, count, dtype=torch.int64, device=device)
    places[:, sample[winner]] = torch.stack([row, column])[:, winner]
    return largest.sqrt(), places[0], places[1]


def _power(values: torch.Tensor) -> torch.Tensor:
    """Squared magnitude of planes ``[..., 2, columns]``."""
    real, imag = values.unbind(-2)
    return real.square().addcmul_(imag, imag)


def _largest(values: torch.Tensor, sample: torch.Tensor, count: int) -> torch.Tensor:
    """Largest value of each sample: ``[count]``."""
    return values.new_zeros(count).scatter_reduce_(0, sample, values, "amax")

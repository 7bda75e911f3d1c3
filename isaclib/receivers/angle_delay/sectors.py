r"""Rows of the angle-delay map for groups of samples whose sectors overlap.

Samples are sorted by their sectors and taken in groups. The steering vectors of a group's rows span
few dimensions of the antennas' space (:func:`isaclib.signal.subspace.steering_spans`), fewer the
smaller the group; echoes are simulated and searched there alone.

The map is coarse in *cells* of a few rows, see :mod:`isaclib.receivers.angle_delay.peak`.
"""

from typing import NamedTuple

import torch

from isaclib.signal.arrays import steering_vector
from isaclib.signal.sectors import Windows
from isaclib.signal.subspace import steering_spans

OFFSET = 0.3
"""Largest distance of a row from the middle of its cell [resolution cells]; there the power of a
lone target has fallen to 0.74."""


def cell_size(points_per_resolution: float, offset: float) -> int:
    """Grid points of a cell along one direction.

    Args:
        points_per_resolution: Grid points in a resolution cell.
        offset: How far a point may be from the middle [resolution cells].

    Returns:
        As many points as keep each within that.
    """
    return int(2 * offset * points_per_resolution) + 1


class SectorRows(NamedTuple):
    """Rows that hold the sectors of a group: whole cells.

    Attributes:
        size: Rows of a cell.
        parts: ``[2, 2 * dimensions, rows]``, real. They take the real and imaginary parts of an
            echo, in turn, to the real parts of the rows' values, and to the imaginary ones.
    """

    size: int
    parts: torch.Tensor


class SectorGroups(NamedTuple):
    """Rows that hold the sectors of some groups, as many for each, in bases of their spans.

    Attributes:
        first: ``[groups, 1]``, int64. The first row of each group on the grid. Rows beyond the end
            of the grid repeat its last.
        bases: ``[groups, antennas, dimensions]``, complex. Orthonormal columns, with zeros behind
            as many as a group has. With a basis that the echoes come in: that basis.
        steering: ``[groups, rows, dimensions]``, complex. Conjugate steering vectors, in the bases.
        parts: ``[groups, 2, 2 * dimensions, rows]``, real. See :class:`SectorRows`.
        ranks: Dimensions that the vectors of each group need.
        cells: Rows of a cell of each group, and how many rows its cells are.
    """

    first: torch.Tensor
    bases: torch.Tensor
    steering: torch.Tensor
    parts: torch.Tensor
    ranks: list[int]
    cells: list[tuple[int, int]]

    def chunk(self, groups: slice) -> "SectorGroups":
        """Some of the groups, with as many dimensions as they need; one stands for all."""
        if len(self.ranks) == 1:
            count = groups.stop - groups.start
            first, bases, steering, parts = (
                table.expand(count, *table.shape[1:]) for table in self[:4]
            )
            return SectorGroups(
                first, bases, steering, parts, self.ranks * count, self.cells * count
            )
        rank = max(self.ranks[groups])
        return SectorGroups(
            self.first[groups],
            self.bases[groups, :, :rank],
            self.steering[groups, :, :rank].contiguous(),
            self.parts[groups],
            self.ranks[groups],
            self.cells[groups],
        )

    def rows(self, group: int) -> SectorRows:
        """Rows of a group, for products of real matrices."""
        size, count = self.cells[group]
        return SectorRows(size, self.parts[group, :, : 2 * self.ranks[group], :count])

    def contained(self, windows: Windows) -> torch.Tensor:
        """Which rows of their groups lie in the sectors of samples.

        Args:
            windows: Sectors of the samples of the groups, as many for each group.

        Returns:
            ``[groups, samples, rows]``, real, one or zero.
        """
        rows = torch.arange(self.steering.shape[1], device=self.first.device) + self.first
        start, stop = (end.reshape(len(rows), -1, 1) for end in (windows.start, windows.stop))
        rows = rows.unsqueeze(1)
        return ((rows >= start) & (rows < stop)).to(self.steering.real.dtype)

    def vectors(self, rows: torch.Tensor) -> torch.Tensor:
        """Steering vectors of some rows of the grid.

        Args:
            rows: ``[samples, some]``, int64. Rows of the grid for the samples of the groups, as
                many for each group; those that a group does not hold stand for the nearest.

        Returns:
            ``[samples, some, dimensions]``, complex.
        """
        groups, count, _ = self.steering.shape
        index = (rows.view(groups, -1) - self.first).clamp_(0, count - 1)
        index += count * torch.arange(groups, device=rows.device).unsqueeze(-1)
        found = self.steering.flatten(0, 1).index_select(0, index.flatten())
        return found.view(*rows.shape, -1)


def sector_groups(
    grid: torch.Tensor,
    positions: torch.Tensor,
    bounds: list[tuple[int, int]],
    *,
    dtype: torch.dtype,
    angles: torch.Tensor | None = None,
) -> SectorGroups:
    """Rows of groups of sectors, in bases of their spans.

    Args:
        grid: ``[grid]``, float64. Grid angles [rad].
        positions: ``[antennas]``, float64. Element positions [wavelengths].
        bounds: First row that a sector of each group holds, and the one behind the last.
        dtype: Real dtype of the result.
        angles: ``[antennas, dimensions]``, complex. A basis in place of the spans'.

    Returns:
        The groups.
    """
    sines = torch.sin(grid)
    # Distance from each grid angle to the next [resolution cells].
    aperture = float(positions.max() - positions.min())
    spacings = (sines.diff(append=sines[-1:]).abs() * aperture).tolist()
    widest = [max(spacings[first:stop]) for first, stop in bounds]
    sizes = [cell_size(1 / max(spacing, 1 / len(grid)), OFFSET) for spacing in widest]
    cells = [(n, -(-(b - a) // n) * n) for n, (a, b) in zip(sizes, bounds, strict=True)]
    first, stop = torch.tensor(bounds, device=grid.device).unbind(-1)
    if angles is None:
        bases, ranks = steering_spans(positions, sines[first], sines[stop - 1])
    else:
        bases, ranks = angles.expand(len(bounds), -1, -1), [angles.shape[-1]] * len(bounds)
    bases = bases.to(dtype.to_complex())
    first = first.unsqueeze(-1)
    index = first + torch.arange(max(count for _, count in cells), device=grid.device)
    index.clamp_(max=len(grid) - 1)
    vectors = steering_vector(grid, positions).conj_physical().to(bases)
    vectors = vectors.index_select(0, index.flatten()).view(*index.shape, -1)
    vectors = torch.bmm(vectors, bases)
    # Real and imaginary parts of a product, from those of an echo in turn.
    conjugate = vectors.conj_physical()
    parts = [torch.view_as_real(some).flatten(2).mT for some in (conjugate, conjugate * 1j)]
    return SectorGroups(first, bases, vectors, torch.stack(parts, dim=1), ranks, cells)

r"""Rows of the angle-delay map for groups of samples whose sectors overlap.

Samples are sorted by their sectors and taken in groups. The steering vectors of a group's rows span
few dimensions of the antennas' space (:func:`isaclib.signal.subspace.steering_spans`), fewer the
smaller the group; echoes are simulated and searched there alone. Small groups would make many short
operations, so several make a chunk: its groups have bases of their own, of one rank, and all that
does not depend on a basis is done for the chunk at once.

The map is coarse in *cells* of a few rows, see :mod:`isaclib.receivers.angle_delay.peak`.
"""

from typing import NamedTuple

import torch

from isaclib.signal.arrays import steering_vector
from isaclib.signal.sectors import Windows
from isaclib.signal.subspace import steering_spans

OFFSET = 0.3
"""Largest distance of a row from the middle one of its cell [resolution cells]; there the power of
a lone target has fallen to 0.74."""


def cell_size(points_per_resolution: float, offset: float) -> int:
    """Grid points of a cell along one direction, an odd number.

    Args:
        points_per_resolution: Grid points in a resolution cell.
        offset: How far a point may be from the middle one [resolution cells].

    Returns:
        As many points as keep each within that.
    """
    return 2 * int(offset * points_per_resolution) + 1


class SectorGroups(NamedTuple):
    """Rows that hold the sectors of some groups, as many for each: whole cells.

    Attributes:
        first: ``[groups]``, int64. The first row of each group on the grid.
        steering: ``[groups, rows, dimensions]``, complex. Conjugate steering vectors, in bases of
            their span. Rows beyond the end of the grid repeat its last.
        rows: ``[groups, 2 * dimensions, 2 * rows]``, real. They take the real and imaginary parts
            of an echo, in turn, to the real and then the imaginary parts of the rows' values.
        coarse: ``[groups, 2 * cells, 2 * dimensions]``, real. The same for the middle row of each
            cell, transposed.
        bases: ``[groups, antennas, antennas]``, complex. The first columns are the bases, the
            others are orthogonal to them. With a basis that the echoes come in: that basis.
        ranks: Dimensions that the vectors of each group need.
    """

    first: torch.Tensor
    steering: torch.Tensor
    rows: torch.Tensor
    coarse: torch.Tensor
    bases: torch.Tensor
    ranks: list[int]

    @property
    def rank(self) -> int:
        """Dimensions that the vectors of all groups come in."""
        return self.steering.shape[-1]

    @property
    def inside(self) -> torch.Tensor:
        """Bases of the steering vectors, ``[groups, antennas, dimensions]``."""
        return self.bases[..., : self.rank]

    @property
    def outside(self) -> torch.Tensor:
        """Bases of what is orthogonal to them, ``[groups, antennas, others]``."""
        return self.bases[..., self.rank :]

    def some(self, groups: slice) -> "SectorGroups":
        """Some of the groups, with as many dimensions as they need."""
        ranks = self.ranks[groups]
        rank = max(ranks)
        return SectorGroups(
            self.first[groups],
            self.steering[groups, :, :rank].contiguous(),
            self.rows[groups, : 2 * rank],
            self.coarse[groups, :, : 2 * rank],
            self.bases[groups],
            ranks,
        )

    def repeated(self, groups: int) -> "SectorGroups":
        """One group as many times as given."""
        first, steering, rows, coarse, bases = (
            part.expand(groups, *part.shape[1:]) for part in self[:-1]
        )
        ranks = self.ranks * groups
        return SectorGroups(first, steering, rows, coarse, bases, ranks)

    @property
    def cells(self) -> int:
        """Cells of a group."""
        return self.coarse.shape[1] // 2

    def contained(self, windows: Windows, group: torch.Tensor) -> torch.Tensor:
        """Which rows of their groups lie in the sectors of some samples.

        Args:
            windows: Their sectors, or the only one.
            group: ``[samples]``, int64. Their groups.

        Returns:
            ``[samples, rows]``, real, one or zero.
        """
        first = self.first.index_select(0, group).unsqueeze(-1)
        rows = torch.arange(self.steering.shape[1], device=first.device)
        return windows.contain(rows + first).to(self.rows.dtype)

    def vectors(self, rows: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """Steering vectors of some rows of the grid.

        Args:
            rows: ``[samples, some]``, int64. Rows of the grid; those that are not in the group
                stand for the nearest that is.
            group: ``[samples]``, int64. Groups of the samples.

        Returns:
            ``[samples, some, dimensions]``, complex.
        """
        count = self.steering.shape[1]
        index = (rows - self.first.index_select(0, group).unsqueeze(-1)).clamp_(0, count - 1)
        index += count * group.unsqueeze(-1)
        found = self.steering.flatten(0, 1).index_select(0, index.flatten())
        return found.view(*rows.shape, -1)


def sector_groups(
    grid: torch.Tensor,
    positions: torch.Tensor,
    first: torch.Tensor,
    stop: torch.Tensor,
    *,
    dtype: torch.dtype,
    angles: torch.Tensor | None = None,
) -> SectorGroups:
    """Rows of groups of sectors, in bases of their spans.

    Args:
        grid: ``[grid]``, float64. Grid angles [rad].
        positions: ``[antennas]``, float64. Element positions [wavelengths].
        first: ``[groups]``, int64. First row that a sector of each group holds.
        stop: ``[groups]``, int64. Row behind the last.
        dtype: Real dtype of the result.
        angles: ``[antennas, dimensions]``, complex. A basis in place of the spans'.

    Returns:
        The groups.
    """
    sines = torch.sin(grid)
    aperture = float(positions.max() - positions.min())
    spacing = float(sines.diff().abs().max()) if len(grid) > 1 else 1.0
    size = cell_size(1 / max(aperture * spacing, 1 / len(grid)), OFFSET)
    cells = -(-int((stop - first).max()) // size)
    complex_dtype = dtype.to_complex()
    steering = steering_vector(grid, positions).conj_physical()
    if angles is None:
        spans = steering_spans(positions, sines[first], sines[stop - 1])
        bases, ranks = (
            spans.rotations.to(dtype) * spans.phases.to(complex_dtype)[..., None],
            spans.ranks,
        )
    else:
        bases = angles.to(steering).expand(len(first), -1, -1).to(complex_dtype)
        ranks = [angles.shape[-1]] * len(first)
    index = first.unsqueeze(-1) + torch.arange(cells * size, device=first.device)
    index.clamp_(max=len(grid) - 1)
    vectors = steering.to(complex_dtype).index_select(0, index.flatten())
    vectors = torch.bmm(vectors.view(*index.shape, -1), bases[..., : max(ranks)])
    # Real and imaginary parts of a product, from those of an echo in turn.
    conjugate = vectors.conj_physical()
    parts, turned = (torch.view_as_real(some).flatten(2) for some in (conjugate, conjugate * 1j))
    middle = slice(size // 2, None, size)
    return SectorGroups(
        first,
        vectors,
        torch.cat([parts, turned], dim=1).mT.contiguous(),
        torch.cat([parts[:, middle], turned[:, middle]], dim=1),
        bases,
        ranks,
    )

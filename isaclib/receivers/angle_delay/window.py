r"""The window of the angle-delay map round its maximum, and the gradient through it.

A value of the map is :math:`|z_{ij}|` with
:math:`z_{ij} = \mathbf{a}_i^H\mathbf{Z}\mathbf{r}_j`, where :math:`\mathbf{Z}` is the echo in the
delay basis and :math:`\mathbf{r}_j` the real signature of a range. An output of a sample, such as
its angle, moves with the values of the window by real numbers :math:`g_{ij}`. With
:math:`u_{ij} = g_{ij} z_{ij}/|z_{ij}|` it moves with the position :math:`p_k` of an element by

.. math::
    -2\pi\,\mathrm{Im}\sum_{j} [\mathbf{Z}\mathbf{r}_j]_k
    \Big(\sum_i \sin\theta_i\,u_{ij}\,[\mathbf{a}_i]_k\Big)^*,

as :math:`[\mathbf{a}_i]_k = e^{-j2\pi p_k\sin\theta_i}`, and with the amplitude :math:`\alpha` of
an echo :math:`\mathbf{Z} = \alpha\,\mathbf{s}\mathbf{r}^\top + \mathbf{N}` by
:math:`\sum_{ij} u_{ij}\,(\mathbf{a}_i^H\mathbf{s})^*\,\mathbf{r}^\top\mathbf{r}_j`, a complex
number as PyTorch writes it. The outputs of a sample are two numbers, so their slopes are all that
a backward pass needs.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional

from isaclib.receivers.angle_delay.peak import Bounds
from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.signal.ofdm import DelayBasis

TINY = 1e-20
"""Magnitude below which a value of the map has no phase; its slopes are zero as those of abs."""


class Slopes(NamedTuple):
    """How the outputs of a batch move.

    Attributes:
        positions: ``[batch, outputs, antennas]``, real. With the element positions
            [1 / wavelength].
        amplitude: ``[batch, outputs]``, complex. With the amplitudes.
    """

    positions: torch.Tensor
    amplitude: torch.Tensor


@dataclass(frozen=True)
class Patch:
    """Rows and columns of the map round one point for each sample.

    Attributes:
        steering: ``[batch, rows, antennas]``, complex. Conjugate steering vectors of the rows.
        sines: ``[batch, rows]``, real. Sines of their angles.
        delays: ``[batch, columns, rank]``, real. Range signatures of the columns.
        projected: ``[batch, columns, antennas]``, complex. (Z r)^T.
        values: ``[batch, columns, rows]``, complex. z^T.
        magnitudes: ``[batch, columns, rows]``, real.
    """

    steering: torch.Tensor
    sines: torch.Tensor
    delays: torch.Tensor
    projected: torch.Tensor
    values: torch.Tensor
    magnitudes: torch.Tensor

    def slopes(
        self, weights: torch.Tensor, spatial: torch.Tensor, spectral: torch.Tensor
    ) -> Slopes:
        """Slopes of outputs that move with the magnitudes by given weights.

        Args:
            weights: ``[batch, outputs, columns, rows]``, real. Weights g of each output.
            spatial: ``[batch, antennas]``, complex. Signatures s of the echoes.
            spectral: ``[batch, rank]``, real. Their signatures r.

        Returns:
            The slopes.
        """
        outputs = weights.shape[1]
        phases = self.values / self.magnitudes.clamp(min=TINY)
        moved = weights * phases.unsqueeze(1)
        # Im(v t*) is the product of v and j t as pairs of reals, so real sums do it.
        turned = moved * torch.complex(torch.zeros_like(self.sines), self.sines)[:, None, None]
        over_antennas = torch.bmm(turned.flatten(1, 2), self.steering.conj())
        pairs = torch.view_as_real(over_antennas.unflatten(1, (outputs, -1))).flatten(-2)
        pairs *= torch.view_as_real(self.projected).flatten(-2).unsqueeze(1)
        positions = pairs.sum(2).unflatten(-1, (-1, 2)).sum(-1).mul_(-2 * math.pi)
        heard = torch.bmm(self.steering, spatial.unsqueeze(-1)).conj()
        over_rows = torch.bmm(moved.flatten(1, 2), heard).view(-1, outputs, weights.shape[2])
        delayed = torch.bmm(self.delays, spectral.unsqueeze(-1)).mT
        return Slopes(positions, (over_rows * delayed).sum(-1))


class Average(NamedTuple):
    """Softmax averages of a batch of windows.

    Attributes:
        angle: ``[batch]``, real. Angle estimate [rad].
        distance: ``[batch]``, real. Range estimate [m].
        moving: ``[batch, columns, rows]``, real. Weights of the points inside the sector.
        angles: ``[batch, rows]``, real. Angles of the rows [rad].
        distances: ``[batch, columns]``, real. Ranges of the columns [m].
        patch: The windows.
    """

    angle: torch.Tensor
    distance: torch.Tensor
    moving: torch.Tensor
    angles: torch.Tensor
    distances: torch.Tensor
    patch: Patch

    def slopes(self, spatial: torch.Tensor, spectral: torch.Tensor) -> Slopes:
        """Slopes of angle and range.

        Args:
            spatial: ``[batch, antennas]``, complex. Signatures s of the echoes.
            spectral: ``[batch, rank]``, real. Their signatures r.

        Returns:
            The slopes of the two outputs.
        """
        angles = (self.angles - self.angle.unsqueeze(-1)).unsqueeze(-2)
        distances = (self.distances - self.distance.unsqueeze(-1)).unsqueeze(-1)
        weights = torch.stack([self.moving * angles, self.moving * distances], dim=1)
        return self.patch.slopes(weights, spatial, spectral)


class WindowTables:
    """Delays, ranges and angles of all windows of a grid.

    Args:
        grid: Angles, ranges, and the window's size.
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
        half, count = grid.half_distances, len(grid.distances)
        self.angles = grid.angles.to(device, dtype)
        self.sines = torch.sin(grid.angles).to(self.angles)
        self.distances = grid.distances.to(self.angles)
        self.dictionary = basis.signature(grid.distances).to(self.angles)
        self.row_offsets = torch.arange(-grid.half_angles, grid.half_angles + 1, device=device)
        offsets = torch.arange(-half, half + 1, device=device)
        columns = torch.arange(count, device=device).unsqueeze(-1) + offsets
        self.columns_inside = (columns >= 0) & (columns < count)
        self.column_distances = self.distances[columns.clamp(0, count - 1)]
        padded = functional.pad(self.dictionary, (0, 0, half, half))
        self.delays = padded.unfold(0, 2 * half + 1, 1).mT.contiguous()

    def point(
        self,
        samples: torch.Tensor,
        steering: torch.Tensor,
        place: tuple[torch.Tensor, torch.Tensor],
    ) -> Patch:
        """Patches of one point.

        Args:
            samples: ``[batch, 2, antennas, rank]``, real. Planes of the echoes.
            steering: ``[grid, antennas]``, complex. Conjugate steering vectors of the grid.
            place: ``[batch]``, int64, each. Row and column of each point.

        Returns:
            The patches.
        """
        row, column = place
        delays = self.dictionary[column].unsqueeze(1)
        return self._patch(samples, steering, row.unsqueeze(-1), delays)

    def average(
        self,
        samples: torch.Tensor,
        steering: torch.Tensor,
        place: tuple[torch.Tensor, torch.Tensor],
        bounds: Bounds,
    ) -> Average:
        """Angle and range by the softmax of a window, P3 Eqs. (17)-(19).

        Args:
            samples: ``[batch, 2, antennas, rank]``, real. Planes of the echoes.
            steering: ``[grid, antennas]``, complex. Conjugate steering vectors of the grid.
            place: ``[batch]``, int64, each. Row and column of the maximum.
            bounds: Sectors of the samples, outside which the map is zero.

        Returns:
            The averages.
        """
        row, column = place
        rows = row.unsqueeze(-1) + self.row_offsets
        in_sector = bounds.contain(rows).unsqueeze(-2)
        on_grid = ((rows >= 0) & (rows < len(self.angles))).unsqueeze(-2)
        rows = rows.clamp(0, len(self.angles) - 1)
        patch = self._patch(samples, steering, rows, self.delays[column])
        values = patch.magnitudes * in_sector
        inside = on_grid & self.columns_inside[column].unsqueeze(-1)
        values.masked_fill_(~inside, -math.inf)
        weights = torch.softmax(values.flatten(1), dim=-1).view_as(values)
        angles, distances = self.angles[rows], self.column_distances[column]
        return Average(
            angle=(weights.sum(-2) * angles).sum(-1),
            distance=(weights.sum(-1) * distances).sum(-1),
            moving=weights * in_sector,
            angles=angles,
            distances=distances,
            patch=patch,
        )

    def _patch(
        self,
        samples: torch.Tensor,
        steering: torch.Tensor,
        rows: torch.Tensor,
        delays: torch.Tensor,
    ) -> Patch:
        vectors = steering.index_select(0, rows.flatten()).view(*rows.shape, -1)
        stacked = torch.bmm(delays, samples.flatten(1, 2).mT).unflatten(-1, (2, -1))
        projected = torch.complex(stacked[:, :, 0], stacked[:, :, 1])
        values = torch.bmm(projected, vectors.mT)
        return Patch(vectors, self.sines[rows], delays, projected, values, values.abs())

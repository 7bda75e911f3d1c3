r"""The window of the angle-delay map round its maximum, and the gradient through it.

A value of the map is :math:`|z_{ij}|` with
:math:`z_{ij} = \mathbf{a}_i^H\mathbf{Z}\mathbf{r}_j`, where :math:`\mathbf{Z}` is the echo in the
delay basis and :math:`\mathbf{r}_j` the real signature of a range. A loss moves with the values of
a sample's window by real numbers :math:`g_{ij}`. With :math:`u_{ij} = g_{ij} z_{ij}/|z_{ij}|` and
:math:`\mathbf{t}_j = \sum_i \sin\theta_i\,u_{ij}\,\mathbf{a}_i` it moves with the positions
:math:`p_k` of the elements, as :math:`[\mathbf{a}_i]_k = e^{-j2\pi p_k\sin\theta_i}`, by

.. math::
    -2\pi\,\mathrm{Im}\Big[\sum_b\sum_j \mathbf{Z}_b\mathbf{r}_{bj}\,\mathbf{t}_{bj}^H\Big]_{kk},

and with the amplitude :math:`\alpha` of an echo
:math:`\mathbf{Z} = \alpha\,\mathbf{s}\mathbf{r}^\top + \mathbf{N}` by
:math:`\sum_{ij} u_{ij}\,(\mathbf{a}_i^H\mathbf{s})^*\,\mathbf{r}^\top\mathbf{r}_j`, a complex
number as PyTorch writes it.

The steering vectors of a chunk's sectors are :math:`\mathbf{a}_i = \mathbf{B}\tilde{\mathbf{a}}_i`
with few orthonormal columns :math:`\mathbf{B}`, and all that search and window need is
:math:`\mathbf{B}^H\mathbf{Z}`. The rest, :math:`(\mathbf{I}-\mathbf{B}\mathbf{B}^H)\mathbf{Z}`,
enters the gradient alone, and there only the sum over samples and delays: one small matrix for a
chunk, whose noise is independent of all the above and is drawn as a whole
(:class:`isaclib.channels.basis_echo.WhiteNoise`).
"""

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Literal, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isaclib.channels.basis_echo import BasisEcho, OutsideSum
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, MapEstimate
from isaclib.receivers.angle_delay.sectors import SectorGroups
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows

Differentiable = Literal["position", "maximum"]
"""What of an estimate has a gradient: angle and range, which P3's supervised loss needs, or the
map's maximum, which its unsupervised loss does."""

TINY = 1e-20
"""Magnitude below which a value of the map has no phase; its derivative is zero as that of abs."""


NEGLIGIBLE = 1e-9
"""Mean weight of a window's columns below which they are left out of a gradient."""


class Points(NamedTuple):
    """Columns and rows of the map round one point for each sample.

    Attributes:
        rows: ``[batch, rows]``, int64. Rows of the grid.
        values: ``[batch, columns, rows]``, complex. z^T.
        magnitudes: ``[batch, columns, rows]``, real.
    """

    rows: torch.Tensor
    values: torch.Tensor
    magnitudes: torch.Tensor


class Window(NamedTuple):
    """What outputs depend on.

    Attributes:
        points: Points of the map.
        weights: ``[batch, columns, rows]``, real. Weights of the points in the outputs.
        slopes: For each output, broadcastable to ``[batch, columns, rows]``, real: its derivative
            with a magnitude, over that weight.
    """

    points: Points
    weights: torch.Tensor
    slopes: tuple[torch.Tensor, ...]


class ChunkColumns(NamedTuple):
    """A chunk of echoes at the columns of their windows.

    Attributes:
        echo: The echoes of the batch.
        part: Which of them are the chunk's.
        groups: Rows of the map that hold their sectors.
        delays: ``[chunk, columns, rank]``, real. Signatures of the columns; zero outside the grid.
        delayed: ``[chunk, columns, dimensions]``, complex. Echoes (Z r)^T there, in the bases of
            the groups.
    """

    echo: BasisEcho
    part: slice
    groups: SectorGroups
    delays: torch.Tensor
    delayed: torch.Tensor

    def moves(self, window: Window) -> "Moves":
        """How estimates move with their windows, with the noise drawn that this takes."""
        kept, points = _relevant(window.weights), window.points
        echo, part, groups = self.echo, self.part, self.groups
        delays, delayed = self.delays[:, kept], self.delayed[:, kept].contiguous()
        correlation = torch.bmm(delays, echo.spectral[part].unsqueeze(-1)).mT
        # Times 1 and -1, for the conjugate.
        signs = window.weights.new_tensor([1.0, -1.0])
        scale = window.weights[:, kept] / points.magnitudes[:, kept].clamp(min=TINY)
        turned = torch.view_as_real(points.values[:, kept]) * (scale.unsqueeze(-1) * signs)
        slopes = tuple(slope if slope.shape[1] == 1 else slope[:, kept] for slope in window.slopes)
        outside = echo.noise.outside(part, delays, len(groups.bases), delayed.shape[-1])
        return Moves(echo, part, groups, points.rows, delayed, correlation, turned, slopes, outside)


class Moves(NamedTuple):
    """How the estimates of a chunk move with its windows.

    Attributes:
        echo: The echoes of the batch.
        part: Which of them are the chunk's.
        groups: Rows of the map that hold their sectors.
        rows: ``[chunk, rows]``, int64. Rows of the windows.
        delayed: ``[chunk, columns, dimensions]``, complex. Echoes (Z r)^T at their columns.
        correlation: ``[chunk, 1, columns]``, real. Correlations of the echoes' spectral signatures
            with those of the columns.
        turned: ``[chunk, columns, rows, 2]``, real. Real and imaginary parts of the values'
            conjugate phases, times weights.
        slopes: For each output, broadcastable to ``[chunk, columns, rows]``, real: its derivative
            with a magnitude, over that weight.
        outside: Noise in directions orthogonal to the rows'.
    """

    echo: BasisEcho
    part: slice
    groups: SectorGroups
    rows: torch.Tensor
    delayed: torch.Tensor
    correlation: torch.Tensor
    turned: torch.Tensor
    slopes: tuple[torch.Tensor, ...]
    outside: OutsideSum

    def gradient(
        self, outer: torch.Tensor, sines: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient of a loss.

        Args:
            outer: ``[chunk, outputs]``, real. Its derivatives with the outputs.
            sines: ``[grid]``, real. Sines of the grid's angles.

        Returns:
            ``[antennas]``, real: with the element positions [1 / wavelength]; ``[chunk]``, complex:
            with the amplitudes.
        """
        bases, count = self.groups.bases, len(self.groups.bases)
        steering = self.groups.vectors(self.rows)
        slopes = (
            one[:, None, None] * slope
            for one, slope in zip(outer.unbind(-1), self.slopes, strict=True)
        )
        factor = reduce(torch.add, slopes)
        moved = self.turned * factor.unsqueeze(-1)  # conj(u)
        weights = torch.bmm(self.correlation, moved.flatten(2)).view(*self.rows.shape, 2)
        moved *= sines[self.rows][:, None, :, None]
        towards = torch.bmm(torch.view_as_complex(moved), steering)  # t^H in the basis
        # Outside the span, the signal of a sample has rank one.
        along = torch.bmm(self.correlation, torch.view_as_real(towards).flatten(2))
        along = torch.view_as_complex(along.view(count, -1, bases.shape[-1], 2))
        towards = towards.view(count, -1, bases.shape[-1])
        signal = self.echo.scaled(self.part).view(count, -1, bases.shape[1])
        everywhere = torch.baddbmm(self.outside(towards), signal.mT, along)
        inside = torch.bmm(self.delayed.view(towards.shape).mT, towards)
        found = everywhere + torch.bmm(bases, inside - torch.bmm(bases.mH, everywhere))
        positions = -2 * math.pi * (found * bases.conj()).imag.sum((0, 2))
        # What the beam sends towards the targets.
        spatial = self.echo.spatial[self.part].view(count, -1, bases.shape[1])
        spatial = torch.bmm(spatial, bases.conj()).flatten(0, 1)
        heard = torch.bmm(steering, spatial.unsqueeze(-1)).squeeze(-1)
        return positions, (torch.view_as_complex(weights) * heard).sum(-1).conj()


Gradient = Callable[[torch.Tensor], Iterable[tuple[torch.Tensor, ...]]]
"""From the derivatives of a loss with the outputs, ``[batch, outputs]``, to its gradient chunk by
chunk: samples, and what :meth:`Moves.gradient` gives."""


class WindowTables:
    """Delays and ranges of all windows of a grid.

    Args:
        grid: Angles, ranges, and the window's size.
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
        self.angles = grid.angles.to(device, dtype)
        self.sines = torch.sin(grid.angles).to(self.angles)
        self.distances = grid.distances.to(self.angles)
        self.rows, self.beyond_rows = _neighbours(self.angles, grid.half_angles)
        self._offsets = torch.arange(-grid.half_angles, grid.half_angles + 1, device=device)
        half = grid.half_distances
        self.columns, self.beyond_columns = _neighbours(self.distances, half)
        # Signatures of each window's columns; those outside the grid weigh nothing.
        padded = functional.pad(basis.signature(grid.distances), (0, 0, half, half))
        self._delays = padded.unfold(0, 2 * half + 1, 1).mT.to(self.angles).contiguous()
        self._middles = self._delays[:, half : half + 1].contiguous()

    def delays(self, output: Differentiable) -> torch.Tensor:
        """Signatures of the columns of each window, ``[grid, columns, rank]``."""
        return self._delays if output == "position" else self._middles

    def peak(self, row: torch.Tensor, columns: ChunkColumns) -> Window:
        """Windows of one point, whose magnitude is the output.

        Args:
            row: ``[batch]``, int64. Row of the maximum.
            columns: Echoes at its column.

        Returns:
            The windows.
        """
        points = _points(row.unsqueeze(-1), columns)
        one = torch.ones_like(points.magnitudes)
        return Window(points, one, (one,))

    def average(
        self,
        place: tuple[torch.Tensor, torch.Tensor],
        windows: Windows,
        columns: ChunkColumns,
    ) -> tuple[torch.Tensor, torch.Tensor, Window]:
        """Angle and range by the softmax of a window, P3 Eqs. (17)-(19).

        Args:
            place: ``[batch]``, int64, each. Row and column of the maximum.
            windows: Sectors of the samples, outside which the map is zero.
            columns: Echoes at the columns round it.

        Returns:
            ``[batch]``, real, each: angle [rad] and range [m]; and the windows.
        """
        row, column = place
        rows, near = self.rows.index_select(0, row), self.columns.index_select(0, column)
        points = _points(rows, columns)
        in_sector = windows.contain(row.unsqueeze(-1) + self._offsets).unsqueeze(1)
        beyond = self.beyond_columns.index_select(0, column).unsqueeze(-1)
        beyond = beyond + self.beyond_rows.index_select(0, row).unsqueeze(1)
        values = beyond.addcmul_(points.magnitudes, in_sector.to(beyond))
        weights = torch.softmax(values.flatten(1), dim=-1).view_as(values)
        # Numbers too small to count would be denormal, and slow.
        weights = functional.threshold(weights, TINY, 0.0, inplace=True)
        angles, distances = self.angles[rows], self.distances[near]
        angle = (weights.sum(-2) * angles).sum(-1)
        distance = (weights.sum(-1) * distances).sum(-1)
        slopes = (
            (angles - angle.unsqueeze(-1)).unsqueeze(1),
            (distances - distance.unsqueeze(-1)).unsqueeze(-1),
        )
        return angle, distance, Window(points, weights.mul_(in_sector), slopes)


def _relevant(weights: torch.Tensor) -> slice:
    """The columns next to the maximum, where all others are negligible; else all of them."""
    count = weights.shape[1]
    near = slice(max(count // 2 - 1, 0), count // 2 + 2)
    by_column = weights.sum((0, 2))
    beyond = by_column.sum() - by_column[near].sum()
    return near if float(beyond) < NEGLIGIBLE * len(weights) else slice(0, count)


def _points(rows: torch.Tensor, columns: ChunkColumns) -> Points:
    """The map at some rows and all columns."""
    values = torch.bmm(columns.delayed, columns.groups.vectors(rows).mT)
    return Points(rows, values, values.abs())


def _neighbours(points: torch.Tensor, half: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices round each index, and 0 or, where there are none, minus infinity.

    Both ``[points, 2 * half + 1]``.
    """
    index = torch.arange(len(points), device=points.device)
    index = index.unsqueeze(-1) + torch.arange(-half, half + 1, device=points.device)
    inside = index.clamp(0, len(points) - 1)
    return inside, points.new_zeros(index.shape).masked_fill_(inside != index, -math.inf)


class MovingEstimate(torch.autograd.Function):
    """Estimates, and how a loss moves with them: forward finds both, backward adds up."""

    @staticmethod
    def forward(
        ctx: Any,
        positions: torch.Tensor,
        amplitude: torch.Tensor,
        run: Callable[[], tuple[MapEstimate, Gradient]],
        output: Differentiable,
    ) -> tuple[torch.Tensor, ...]:
        """Statistic, angle and range, ``[batch]`` each."""
        found, ctx.gradient = run()
        ctx.position = output == "position"
        ctx.save_for_backward(positions, amplitude)
        fixed = (found.statistic,) if ctx.position else (found.angle, found.distance)
        ctx.mark_non_differentiable(*fixed)
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients for positions and amplitudes."""
        outer = torch.stack(gradients[1:] if ctx.position else gradients[:1], dim=-1)
        found = [torch.zeros_like(some) for some in ctx.saved_tensors]
        with torch.inference_mode():
            for samples, to_positions, to_amplitude in ctx.gradient(outer):
                found[0] += to_positions
                found[1][samples] = to_amplitude
        return *found, None, None

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
number as PyTorch writes it. The outputs of a sample are two numbers, so their derivatives are all
that a backward pass needs.

The values need the echo inside the span of the sector's steering vectors alone; only
:math:`[\mathbf{Z}\mathbf{r}_j]_k` needs all of it, for the few columns that weigh anything.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isaclib.receivers.angle_delay.reference import AngleDelayGrid, Estimate
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows
from isaclib.signal.subspace import product_by_group

Differentiable = Literal["position", "maximum"]
"""What of an estimate has a gradient: angle and range, which P3's supervised loss needs, or the
map's maximum, which its unsupervised loss does."""

TINY = 1e-20
"""Magnitude below which a value of the map has no phase; its derivative is zero as that of abs."""

NEGLIGIBLE = 1e-9
"""Total weight of a window's columns below which they are left out of a gradient."""


class Window(NamedTuple):
    """Columns and rows of the map round one point for each sample.

    Attributes:
        steering: ``[batch, rows, dimensions]``, complex. Conjugate steering vectors of the rows, in
            the basis that the echoes come in.
        sines: ``[batch, rows]``, real. Sines of their angles.
        delayed: ``[batch, columns, dimensions]``, complex. (Z r)^T in that basis.
        values: ``[batch, columns, rows]``, complex. z^T.
        magnitudes: ``[batch, columns, rows]``, real.
    """

    steering: torch.Tensor
    sines: torch.Tensor
    delayed: torch.Tensor
    values: torch.Tensor
    magnitudes: torch.Tensor

    def columns(self, kept: slice) -> "Window":
        """Some of the columns."""
        return Window(self.steering, self.sines, *(part[:, kept] for part in self[2:]))


class Derivatives(NamedTuple):
    """How the outputs of a batch move.

    Attributes:
        positions: ``[batch, outputs, antennas]``, real. With the element positions
            [1 / wavelength].
        amplitude: ``[batch, outputs]``, complex. With the amplitudes.
    """

    positions: torch.Tensor
    amplitude: torch.Tensor


class Average(NamedTuple):
    """Softmax averages of a batch of windows.

    Attributes:
        angle: ``[batch]``, real. Angle estimate [rad].
        distance: ``[batch]``, real. Range estimate [m].
        weights: ``[batch, columns, rows]``, real. Weights of the points inside the sector.
        angles: ``[batch, rows]``, real. Angles of the rows [rad].
        distances: ``[batch, columns]``, real. Ranges of the columns [m].
        window: The windows.
    """

    angle: torch.Tensor
    distance: torch.Tensor
    weights: torch.Tensor
    angles: torch.Tensor
    distances: torch.Tensor
    window: Window

    def moving(self) -> torch.Tensor:
        """Samples whose estimates move with the map: ``[some]``, int64.

        Where one point has all the weight, estimates stay at that point.
        """
        others = self.weights.flatten(1).clone()
        others[:, others.shape[1] // 2] = 0
        return (others.amax(-1) > NEGLIGIBLE).nonzero().squeeze(-1)

    def chosen(self, samples: torch.Tensor) -> "Average":
        """Averages of some samples.

        Args:
            samples: ``[some]``, int64. Which.
        """
        angle, distance, weights, angles, distances = (
            part.index_select(0, samples) for part in self[:-1]
        )
        window = Window(*(part.index_select(0, samples) for part in self.window))
        return Average(angle, distance, weights, angles, distances, window)

    def relevant_columns(self) -> slice:
        """The columns next to the maximum, where all others are negligible; else all of them."""
        count = self.weights.shape[1]
        near = slice(max(count // 2 - 1, 0), count // 2 + 2)
        by_column = self.weights.sum((0, 2))
        outside = by_column.sum() - by_column[near].sum()
        return near if float(outside) < NEGLIGIBLE else slice(0, count)

    def derivatives(self, columns: slice) -> torch.Tensor:
        """Derivatives of angle and range with the magnitudes of some columns.

        Args:
            columns: Which.

        Returns:
            ``[batch, 2, columns, rows]``, real.
        """
        angles = (self.angles - self.angle.unsqueeze(-1)).unsqueeze(-2)
        distances = (self.distances[:, columns] - self.distance.unsqueeze(-1)).unsqueeze(-1)
        weights = self.weights[:, columns]
        return torch.stack([weights * angles, weights * distances], dim=1)


def window_derivatives(
    window: Window,
    weights: torch.Tensor,
    echo: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    bases: tuple[torch.Tensor, list[int]],
) -> Derivatives:
    """Derivatives of outputs that move with the magnitudes of windows.

    Args:
        window: The windows.
        weights: ``[batch, outputs, columns, rows]``, real. Derivatives g with the magnitudes.
        echo: ``[batch, columns, antennas]``, complex: (Z r)^T in a basis of all antennas, of which
            the window's is the beginning; ``[batch, dimensions]``, complex: the echoes' spatial
            signatures s in the window's basis; ``[batch, columns]``, real: correlations of their
            spectral ones with those of the columns.
        bases: ``[groups, antennas, antennas]``, complex: bases of groups of samples; and the number
            of samples of each group.

    Returns:
        The derivatives.
    """
    delayed, spatial, correlation = echo
    outputs, dimensions = weights.shape[1], window.steering.shape[-1]
    phases = window.values.conj() / window.magnitudes.clamp(min=TINY)
    moved = weights * phases.unsqueeze(1)  # conj(u)
    turned = (moved * window.sines[:, None, None]).flatten(1, 2)
    towards = torch.bmm(turned, window.steering)
    matrices, sizes = bases
    towards = product_by_group(towards, matrices[..., :dimensions].mH, sizes)
    pairs = towards.unflatten(1, (outputs, -1))
    pairs = pairs * product_by_group(delayed, matrices.mT, sizes).unsqueeze(1)
    heard = torch.bmm(window.steering, spatial.unsqueeze(-1)).mT.unsqueeze(1)
    amplitude = (moved * heard * correlation[:, None, :, None]).sum((2, 3)).conj()
    return Derivatives(-2 * math.pi * pairs.imag.sum(2), amplitude)


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
        self.half = grid.half_distances
        self.angles = grid.angles.to(device, dtype)
        self.sines = torch.sin(grid.angles).to(self.angles)
        self.distances = grid.distances.to(self.angles)
        self.row_offsets = torch.arange(-grid.half_angles, grid.half_angles + 1, device=device)
        self.rows, self.rows_inside = _neighbours(len(grid.angles), grid.half_angles, device)
        self.columns, self.columns_inside = _neighbours(len(grid.distances), self.half, device)
        # Signatures of each window's columns; those outside the grid weigh nothing.
        padded = functional.pad(basis.signature(grid.distances), (0, 0, self.half, self.half))
        self._signatures = padded.unfold(0, 2 * self.half + 1, 1).mT
        self._of_columns: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def signatures(self, columns: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Signatures of some columns of the windows, and the correlation of noise there.

        Args:
            columns: Which of a window's columns.

        Returns:
            ``[grid, columns, rank]``, real: signatures; ``[grid, columns, columns]``, real: roots
            of their Gram matrices.
        """
        key = (columns.start, columns.stop)
        if key not in self._of_columns:
            chosen = self._signatures[:, columns]
            values, vectors = torch.linalg.eigh(chosen @ chosen.mT)
            roots = vectors * values.clamp(min=0).sqrt().unsqueeze(-2)
            found = (chosen.to(self.angles).contiguous(), roots.to(self.angles))
            self._of_columns[key] = found
        return self._of_columns[key]

    def point(
        self,
        delayed: torch.Tensor,
        row: torch.Tensor,
        vectors: Callable[[torch.Tensor], torch.Tensor],
    ) -> Window:
        """Windows of one point.

        Args:
            delayed: ``[batch, 1, dimensions]``, complex. Echoes (Z r)^T at its column.
            row: ``[batch]``, int64. Its row.
            vectors: From rows ``[batch, some]`` of the grid to their conjugate steering vectors
                ``[batch, some, dimensions]``.

        Returns:
            The windows.
        """
        return self._window(delayed, row.unsqueeze(-1), vectors)

    def average(
        self,
        delayed: torch.Tensor,
        place: tuple[torch.Tensor, torch.Tensor],
        windows: Windows,
        vectors: Callable[[torch.Tensor], torch.Tensor],
    ) -> Average:
        """Angle and range by the softmax of a window, P3 Eqs. (17)-(19).

        Args:
            delayed: ``[batch, columns, dimensions]``, complex. Echoes (Z r)^T at the window's
                columns; those outside the grid are not used.
            place: ``[batch]``, int64, each. Row and column of the maximum.
            windows: Sectors of the samples, outside which the map is zero.
            vectors: From rows ``[batch, some]`` of the grid to their conjugate steering vectors
                ``[batch, some, dimensions]``; what it gives outside the sector is not used.

        Returns:
            The averages.
        """
        row, column = place
        in_sector = windows.contain(row.unsqueeze(-1) + self.row_offsets).unsqueeze(-2)
        rows, columns = self.rows.index_select(0, row), self.columns.index_select(0, column)
        inside = self.columns_inside.index_select(0, column).unsqueeze(-1)
        inside = inside & self.rows_inside.index_select(0, row).unsqueeze(-2)
        window = self._window(delayed, rows, vectors)
        values = (window.magnitudes * in_sector).masked_fill_(~inside, -math.inf)
        weights = torch.softmax(values.flatten(1), dim=-1).view_as(values)
        # Numbers too small to count would be denormal, and slow.
        weights = functional.threshold(weights, TINY, 0.0)
        angles, distances = self.angles[rows], self.distances[columns]
        return Average(
            angle=(weights.sum(-2) * angles).sum(-1),
            distance=(weights.sum(-1) * distances).sum(-1),
            weights=weights * in_sector,
            angles=angles,
            distances=distances,
            window=window,
        )

    def _window(
        self,
        delayed: torch.Tensor,
        rows: torch.Tensor,
        vectors: Callable[[torch.Tensor], torch.Tensor],
    ) -> Window:
        steering = vectors(rows)
        values = torch.bmm(delayed, steering.mT)
        return Window(steering, self.sines[rows], delayed, values, values.abs())


def _neighbours(
    count: int, half: int, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices round each index, ``[count, 2 * half + 1]``, and whether there are such."""
    index = torch.arange(count, device=device).unsqueeze(-1)
    index = index + torch.arange(-half, half + 1, device=device)
    return index.clamp(0, count - 1), (index >= 0) & (index < count)


class MovingEstimate(torch.autograd.Function):
    """Estimates with derivatives: forward computes both, backward is a sum."""

    @staticmethod
    def forward(
        ctx: Any,
        positions: torch.Tensor,
        amplitude: torch.Tensor,
        run: Callable[[], tuple[Estimate, torch.Tensor, Derivatives]],
        output: Differentiable,
    ) -> tuple[torch.Tensor, ...]:
        """Statistic, angle and range, ``[batch]`` each."""
        found, samples, derivatives = run()
        ctx.position = output == "position"
        ctx.dtype = positions.dtype
        ctx.save_for_backward(samples, *derivatives)
        fixed = (found.statistic,) if ctx.position else (found.angle, found.distance)
        ctx.mark_non_differentiable(*fixed)
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients for positions and amplitudes."""
        samples, positions, amplitude = ctx.saved_tensors
        outer = torch.stack(gradients[1:] if ctx.position else gradients[:1], dim=-1)
        count, outer = len(outer), outer.index_select(0, samples)
        to_positions = outer.flatten() @ positions.flatten(0, 1)
        to_amplitude = amplitude.new_zeros(count)
        to_amplitude.index_copy_(0, samples, (outer * amplitude).sum(-1))
        return to_positions.to(ctx.dtype), to_amplitude, None, None

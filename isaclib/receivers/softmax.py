r"""The differentiable angle estimator of P2: a softmax in place of an argmax.

The argmax of a matched filter passes no gradient on to the steering vectors. P2 Eq. (13) takes the
mean of the grid angles instead, weighed by the softmax of the matched filter's output:

.. math::
    \mathbf{g} = \mathrm{softmax}(|\mathbf{A}^H\mathbf{z}_r| \odot \mathbf{b}), \qquad
    \hat\theta = \mathbf{g}^\top\boldsymbol\theta_{\mathrm{grid}}.

As printed, the mask :math:`\mathbf{b}` multiplies *before* the softmax, so every grid angle outside
the sector keeps the weight :math:`e^0 = 1`. Their share has a closed form: only their number and
the sum of their angles count. So only the grid angles inside the sectors need computing, in either
reading.
"""

from typing import Any, Literal, NamedTuple, get_args

import torch
from torch.autograd.function import once_differentiable

from isaclib._validation import check_one_of, check_positive
from isaclib.signal.sectors import Windows

Reading = Literal["literal", "sector"]
"""Of P2 Eq. (13): weights outside the sector as printed, or none."""

BLOCK = 512
"""Samples worked on at a time: with their grid angles they fit the cache."""


def softmax_angle(
    echo: torch.Tensor,
    steering: torch.Tensor,
    grid: torch.Tensor,
    windows: Windows,
    *,
    reading: Reading = "literal",
    level: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Detection statistic and differentiable angle estimate, P2 Eqs. (14) and (13).

    Samples are sorted by sector and taken in blocks. A block computes the grid angles that lie in
    any of its sectors, a range not much wider than one sector, as one matrix product; memory and
    time scale with the sectors' width and not with the grid.

    Args:
        echo: ``[batch, antennas]``, complex. Received echo z_r [sqrt(noise power)].
        steering: ``[grid, antennas]``, complex. Steering vectors of the grid angles, A^T.
        grid: ``[grid]``, real, increasing. Grid angles [rad].
        windows: Sector of each sample on the grid, or one for all.
        reading: ``"literal"``, the formula as printed, or ``"sector"``, the softmax over the
            sector's angles alone.
        level: Value of b inside the sector, positive: 1, as P2 Sec. IV-B calls b binary; Eq. (3)
            has the number of antennas there, which makes the softmax sharper.

    Returns:
        ``[batch]``, real: the statistic :math:`\max\{|\mathbf{A}^H\mathbf{z}_r| \odot \mathbf{b}\}`
        for a level of 1, large where there is a target; and ``[batch]``, real: the angle estimate
        [rad], which alone is differentiable, once, for echo and steering vectors.

    Raises:
        ValueError: If shapes do not fit, or ``reading`` or ``level`` is not allowed.
    """
    check_one_of("reading", reading, get_args(Reading))
    check_positive("level", level)
    if steering.ndim != 2 or grid.ndim != 1 or len(steering) != len(grid):
        raise ValueError(
            "steering must have shape [grid, antennas] for the grid's angles, got "
            f"{tuple(steering.shape)} for a grid of {tuple(grid.shape)}"
        )
    if echo.ndim != 2 or echo.shape[-1] != steering.shape[-1]:
        raise ValueError(
            f"echo must have shape [batch, {steering.shape[-1]}] for steering vectors of "
            f"{steering.shape[-1]} antennas, got {tuple(echo.shape)}"
        )
    if len(windows) not in (1, len(echo)):
        raise ValueError(
            f"windows must be one for all samples or one for each of {len(echo)}, "
            f"got {len(windows)}"
        )
    order = torch.argsort((windows.start + windows.stop).expand(len(echo)))
    statistic, angle = _Softmax.apply(
        _real_and_turned(echo)[0].index_select(0, order),
        *_real_and_turned(steering),
        (_blocks(grid, windows, order, reading, echo.real.dtype), level),
    )
    inverse = torch.argsort(order)
    return statistic[inverse], angle.index_select(0, inverse)


def _real_and_turned(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors as reals, and j times the vectors likewise: a^H z is their product with z's reals."""
    real, imag = vectors.real, vectors.imag
    return torch.cat([real, imag], dim=-1), torch.cat([-imag, real], dim=-1)


class _Block(NamedTuple):
    """Samples with neighbouring sectors, and the range ``rows`` of all their grid angles.

    ``outside``, ``[block, range]``, tells which angles are not in a sample's sector; ``number`` and
    ``rest`` are the number and sum of those that weigh exp(0).
    """

    samples: slice
    rows: slice
    angles: torch.Tensor
    outside: torch.Tensor
    number: torch.Tensor
    rest: torch.Tensor


def _blocks(
    grid: torch.Tensor, windows: Windows, order: torch.Tensor, reading: Reading, dtype: torch.dtype
) -> list[_Block]:
    """Cut the sorted samples into blocks."""
    angles = grid.to(dtype)
    columns = (windows.start, windows.stop, *_outside(grid, windows, reading))
    parts = [column.expand(len(order))[order].split(BLOCK) for column in columns]
    lows = torch.stack([part.min() for part in parts[0]]).tolist()
    highs = torch.stack([part.max() for part in parts[1]]).tolist()
    blocks = []
    for i, (low, high) in enumerate(zip(lows, highs, strict=True)):
        start, stop, number, rest = (part[i].unsqueeze(-1) for part in parts)
        index = torch.arange(low, high, device=grid.device)
        blocks.append(
            _Block(
                samples=slice(i * BLOCK, i * BLOCK + len(start)),
                rows=slice(low, high),
                angles=angles[low:high],
                outside=(index < start) | (index >= stop),
                number=number.squeeze(-1).to(dtype),
                rest=rest.squeeze(-1).to(dtype),
            )
        )
    return blocks


class _Softmax(torch.autograd.Function):
    r"""Softmax angle of sorted echoes, with its gradient written out.

    With the weights :math:`g_i` and :math:`z_i = \mathbf{a}_i^H\mathbf{z}_r`, a statistic
    :math:`|z_i|` moves the estimate by :math:`g_i(\theta_i - \hat\theta)`. These slopes, times
    :math:`z_i/|z_i|`, are all that the backward pass needs, so nothing else is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        echo: torch.Tensor,
        steering: torch.Tensor,
        turned: torch.Tensor,
        softmax: tuple[list[_Block], float],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Statistic and angle, ``[batch]`` each, of real echoes ``[batch, 2 * antennas]``."""
        blocks, level = softmax
        kept, found = [], []
        for block in blocks:
            rows = echo[block.samples]
            parts = rows @ steering[block.rows].mT, rows @ turned[block.rows].mT
            peak, angle, slope = _soften(parts, block, level)
            found.append(torch.stack([peak, angle]))
            if any(ctx.needs_input_grad[:3]):
                kept += [part.mul_(slope) for part in parts]
        ctx.blocks = blocks
        ctx.save_for_backward(echo, steering, turned, *kept)
        statistic, angles = torch.cat(found, dim=-1)
        ctx.mark_non_differentiable(statistic)
        return statistic, angles

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients for echo and both forms of the steering vectors."""
        echo, steering, turned, *kept = ctx.saved_tensors
        to_echo, to_steering, to_turned = (torch.zeros_like(x) for x in (echo, steering, turned))
        for block, first, second in zip(ctx.blocks, kept[::2], kept[1::2], strict=True):
            outer = gradients[1][block.samples].unsqueeze(-1)
            real, imag = outer * first, outer * second
            rows = echo[block.samples]
            to_echo[block.samples] = real @ steering[block.rows] + imag @ turned[block.rows]
            to_steering[block.rows] += real.mT @ rows
            to_turned[block.rows] += imag.mT @ rows
        return to_echo, to_steering, to_turned, None


def _soften(
    parts: tuple[torch.Tensor, torch.Tensor], block: _Block, level: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Statistic, angle, and the angle's slopes over the parts of a^H z, relative to these."""
    magnitude = torch.addcmul(parts[0].square(), parts[1], parts[1]).sqrt_()
    statistic = magnitude.masked_fill(block.outside, -torch.inf)
    peak = statistic.amax(dim=-1)
    # The peak has the largest exponent: those outside are 0, and no statistic is negative.
    weights = statistic.sub_(peak.unsqueeze(-1)).mul_(level).exp_()
    unit = torch.exp(-level * peak)
    total = weights.sum(dim=-1) + block.number * unit
    angle = (weights @ block.angles + block.rest * unit) / total
    # An echo of exactly zero has no phase; its slopes are zero like those of torch.abs.
    magnitude.clamp_(min=1e-20)
    slope = weights.mul_(level).div_(total.unsqueeze(-1))
    slope.mul_(block.angles - angle.unsqueeze(-1)).div_(magnitude)
    return peak, angle, slope


def _outside(
    grid: torch.Tensor, windows: Windows, reading: Reading
) -> tuple[torch.Tensor, torch.Tensor]:
    """Number and sum of the grid angles that weigh exp(0) for each window."""
    if reading == "sector":
        zero = grid.new_zeros(len(windows))
        return zero, zero
    sums = torch.cat([grid.new_zeros(1), grid.cumsum(0)])
    angles = sums[-1] - (sums[windows.stop] - sums[windows.start])
    return len(grid) - (windows.stop - windows.start), angles

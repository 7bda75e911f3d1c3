r"""The angle-delay map of P3 and Algorithm 1, step by step as printed.

:func:`angle_delay_map`, :func:`strongest` and :func:`window_average` are the algorithm's steps, and
:func:`literal_estimate` is all of it. The baseline, Eq. (10), is the same with a window of one
point.

This is the reference. What trains and measures is :mod:`isaclib.receivers.angle_delay.search`,
which finds the same numbers without computing the whole map.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from isaclib._validation import check_positive, check_positive_int
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.beamforming import FIELD_OF_VIEW
from isaclib.signal.ofdm import RangeSector, Subcarriers
from isaclib.signal.sectors import Windows


class MapEstimate(NamedTuple):
    """What a receiver says of a batch of echoes.

    Attributes:
        statistic: ``[batch]``, real. Largest value of the map, large where there is a target.
        angle: ``[batch]``, real. Angle estimate [rad].
        distance: ``[batch]``, real. Range estimate [m].
    """

    statistic: torch.Tensor
    angle: torch.Tensor
    distance: torch.Tensor


@dataclass(frozen=True, eq=False)
class AngleDelayGrid:
    r"""Grid of the angle-delay map, and how far the window round its maximum reaches.

    Attributes:
        angles: ``[rows]``, float64, increasing. Grid angles theta_i [rad].
        distances: ``[columns]``, float64, increasing. Grid ranges R_j [m].
        half_angles: :math:`\delta_\theta`: the window has :math:`2\delta_\theta + 1` rows. With
            both halves 0 the estimate is the maximum itself, as that of the baseline is.
        half_distances: :math:`\delta_R`, likewise for columns.

    Raises:
        ValueError: If the window is larger than the grid.
    """

    angles: torch.Tensor
    distances: torch.Tensor
    half_angles: int
    half_distances: int

    def __post_init__(self) -> None:
        """Check that the window fits."""
        for name, half, grid in (
            ("half_angles", self.half_angles, self.angles),
            ("half_distances", self.half_distances, self.distances),
        ):
            if half < 0 or 2 * half + 1 > len(grid):
                raise ValueError(
                    f"{name} must not be negative and give a window, 2 {name} + 1, of at most the "
                    f"grid's {len(grid)} points, got {half!r}"
                )


def window_halves(
    num_antennas: int,
    subcarriers: Subcarriers,
    *,
    num_angles: int,
    angle_span: float,
    num_distances: int,
    distance_span: float,
) -> tuple[int, int]:
    r"""Resolution of the sensing system in grid points, P3 Eqs. (11) and (12).

    .. math::
        \delta_\theta = \left\lfloor\frac{2}{K}\,\frac{N_\theta}{\theta_{\max}-\theta_{\min}}
        \right\rfloor, \qquad
        \delta_R = \left\lfloor\frac{c}{2S\Delta_f}\,\frac{N_\tau}{R_{\max}-R_{\min}}\right\rfloor

    Args:
        num_antennas: Number of antennas K.
        subcarriers: The OFDM symbol.
        num_angles: Number of grid angles N_theta.
        angle_span: What they span, theta_max - theta_min [rad].
        num_distances: Number of grid ranges N_tau.
        distance_span: What they span, R_max - R_min [m].

    Returns:
        delta_theta and delta_R.

    Raises:
        ValueError: If a number is not positive.
    """
    rows = 2 / check_positive_int("num_antennas", num_antennas)
    rows *= check_positive_int("num_angles", num_angles) / check_positive("angle_span", angle_span)
    columns = subcarriers.range_resolution * check_positive_int("num_distances", num_distances)
    return math.floor(rows), math.floor(columns / check_positive("distance_span", distance_span))


def training_grid(
    num_antennas: int,
    subcarriers: Subcarriers,
    ranges: RangeSector,
    *,
    num_angles: int = 720,
    num_distances: int = 200,
) -> AngleDelayGrid:
    """Grid of the learned receiver: all angles, all ranges of the sector, windows by P3 Eq. (12).

    Args:
        num_antennas: Number of antennas K.
        subcarriers: The OFDM symbol.
        ranges: Where the target can be.
        num_angles: Grid angles N_theta from -90 to 90 degrees.
        num_distances: Grid ranges N_tau.

    Returns:
        The grid.

    Raises:
        ValueError: If a number is out of range, the ranges are ambiguous, or the window is larger
            than the grid.
    """
    ranges.check_unambiguous(subcarriers)
    halves = window_halves(
        num_antennas,
        subcarriers,
        num_angles=num_angles,
        angle_span=FIELD_OF_VIEW.max - FIELD_OF_VIEW.min,
        num_distances=num_distances,
        distance_span=ranges.max - ranges.min,
    )
    return AngleDelayGrid(FIELD_OF_VIEW.grid(num_angles), ranges.grid(num_distances), *halves)


def baseline_grid(
    sector: Sector, ranges: RangeSector, *, num_angles: int = 720, num_distances: int = 200
) -> AngleDelayGrid:
    """Grid that the baseline searches for the maximum of P3 Eq. (10): inside the sector alone.

    Args:
        sector: Where the target can be.
        ranges: Likewise.
        num_angles: Grid angles, the ends of the sector included.
        num_distances: Grid ranges.

    Returns:
        The grid, with a window of one point.

    Raises:
        ValueError: If a number is below 2.
    """
    return AngleDelayGrid(sector.grid(num_angles), ranges.grid(num_distances), 0, 0)


def position(angle: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    r"""Target position, :math:`[R\cos\theta, R\sin\theta]^\top`, P3 Eq. (2).

    Args:
        angle: ``[...]``, real. Angle [rad].
        distance: ``[...]``, real. Range [m].

    Returns:
        ``[..., 2]``, real [m].
    """
    return torch.stack([distance * torch.cos(angle), distance * torch.sin(angle)], dim=-1)


def angle_delay_map(
    filtered: torch.Tensor, steering: torch.Tensor, delays: torch.Tensor
) -> torch.Tensor:
    r"""The whole angle-delay map, P3 Eq. (15).

    .. math:: |\boldsymbol\Phi_{\mathrm{pert}}^H\,\tilde{\mathbf{Y}}_r\,\boldsymbol\Phi_d^*|

    Args:
        filtered: ``[batch, antennas, subcarriers]``, complex. Echo after reciprocal filtering.
        steering: ``[rows, antennas]``, complex. Steering vectors of the grid, Eq. (13), transposed.
        delays: ``[columns, subcarriers]``, complex. Delay vectors of the grid, Eq. (14), likewise.

    Returns:
        ``[batch, rows, columns]``, real [sqrt(noise power)].
    """
    return (steering.conj() @ filtered @ delays.mH).abs()


def keep_sectors(values: torch.Tensor, windows: Windows) -> torch.Tensor:
    """Set a map to zero outside each sample's sector, P3 Eq. (10).

    Args:
        values: ``[batch, rows, columns]``, real. Angle-delay maps.
        windows: Sectors on the grid, one for each sample or one for all.

    Returns:
        ``[batch, rows, columns]``, real.
    """
    index = torch.arange(values.shape[1], device=values.device)
    inside = (index >= windows.start.unsqueeze(-1)) & (index < windows.stop.unsqueeze(-1))
    return values * inside.unsqueeze(-1)


def strongest(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Largest value of each map and where it is, P3 Eqs. (16) and (21).

    Args:
        values: ``[batch, rows, columns]``, real. Angle-delay maps.

    Returns:
        ``[batch]``, real: the value, differentiable; ``[batch]``, int64, each: its row and column.
    """
    value, index = values.flatten(1).max(dim=-1)
    return value, index // values.shape[-1], index % values.shape[-1]


def window_average(
    values: torch.Tensor, row: torch.Tensor, column: torch.Tensor, grid: AngleDelayGrid
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Angle and range from the softmax of a window of the map, P3 Eqs. (17)-(19).

    Entries of the window that lie outside the grid are discarded.

    Args:
        values: ``[batch, rows, columns]``, real. Angle-delay maps.
        row: ``[batch]``, int64. Row of the window's centre.
        column: ``[batch]``, int64. Its column.
        grid: Angles, ranges, and the window's size.

    Returns:
        ``[batch]``, real, each: angle [rad] and range [m], differentiable for the map.
    """
    rows = row.unsqueeze(-1) + torch.arange(
        -grid.half_angles, grid.half_angles + 1, device=row.device
    )
    columns = column.unsqueeze(-1) + torch.arange(
        -grid.half_distances, grid.half_distances + 1, device=row.device
    )
    height, width = values.shape[1:]
    valid_rows, valid_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    sample = torch.arange(len(values), device=row.device)
    window = values[sample[:, None, None], rows.unsqueeze(-1), columns.unsqueeze(-2)]
    valid = valid_rows.unsqueeze(-1) & valid_columns.unsqueeze(-2)
    window = window.masked_fill(~valid, -math.inf)
    weights = torch.softmax(window.flatten(1), dim=-1).view_as(window)
    angle = (weights.sum(-1) * grid.angles.to(values)[rows]).sum(-1)
    distance = (weights.sum(-2) * grid.distances.to(values)[columns]).sum(-1)
    return angle, distance


def literal_estimate(
    filtered: torch.Tensor,
    positions: torch.Tensor,
    grid: AngleDelayGrid,
    subcarriers: Subcarriers,
    windows: Windows,
) -> MapEstimate:
    """Algorithm 1 over the whole map, P3 Eqs. (13)-(19), differentiable for positions and echo.

    Args:
        filtered: ``[batch, antennas, subcarriers]``, complex. Echo after reciprocal filtering.
        positions: ``[antennas]``, real. Element positions that the receiver assumes [wavelengths].
        grid: Angles, ranges, and the window's size.
        subcarriers: The OFDM symbol.
        windows: Sectors on the grid, one for each sample or one for all.

    Returns:
        Statistic and position; whether there is a target at all is the threshold's to say.
    """
    steering = steering_vector(grid.angles, positions).to(filtered)
    delays = subcarriers.delay_vector(grid.distances).to(filtered)
    values = keep_sectors(angle_delay_map(filtered, steering, delays), windows)
    statistic, row, column = strongest(values)
    return MapEstimate(statistic, *window_average(values, row, column, grid))

r"""Sectors that differ from sample to sample, and their places on a grid of angles.

P2 Sec. V-A trains on a sector of its own for each sample: its mean is uniform in [-60°, 60°] and
its span uniform in [10°, 20°]. On a uniform grid a sector is a contiguous range of indices, a
*window*, which is all that a beam or an angle estimate needs of it.
"""

from dataclasses import dataclass

import torch

from isaclib._validation import check_interval_deg, check_positive_int
from isaclib.signal.arrays import Sector


@dataclass(frozen=True, eq=False)
class SectorBatch:
    """One sector for each sample of a batch.

    Attributes:
        min: ``[batch]``, real. Lower ends [rad].
        max: ``[batch]``, real. Upper ends [rad], none below its lower one.

    Raises:
        ValueError: If the ends are not two real tensors of one shape ``[batch]``.
    """

    min: torch.Tensor
    max: torch.Tensor

    def __post_init__(self) -> None:
        if self.min.ndim != 1 or self.min.shape != self.max.shape or self.min.is_complex():
            raise ValueError(
                "min and max must be real tensors of the same shape [batch], got "
                f"{tuple(self.min.shape)} and {tuple(self.max.shape)}, {self.min.dtype}"
            )

    def __len__(self) -> int:
        return len(self.min)

    def __getitem__(self, samples: slice) -> "SectorBatch":
        """Sectors of some of the samples."""
        return SectorBatch(self.min[samples], self.max[samples])

    @property
    def bounds(self) -> torch.Tensor:
        """Both ends of each sector, ``[batch, 2]`` [rad]."""
        return torch.stack([self.min, self.max], dim=-1)

    def sample(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw one angle uniformly from each sector.

        Args:
            count: Number of angles, which is the number of sectors, else a ``ValueError``.
            generator: Source of randomness, on the device of the sectors.

        Returns:
            ``[count]``, of the dtype of the sectors. Angles [rad].
        """
        if count != len(self):
            raise ValueError(f"count must be the number of sectors, {len(self)}, got {count!r}")
        uniform = torch.rand(
            count, generator=generator, device=self.min.device, dtype=self.min.dtype
        )
        return uniform.mul_(self.max - self.min).add_(self.min)


@dataclass(frozen=True)
class RandomSectors:
    """Distribution of the sectors that P2 trains on.

    Attributes:
        mean_deg: Interval that a sector's mean is uniform in [degrees].
        span_deg: Interval that its span is uniform in [degrees].

    Raises:
        ValueError: If an interval is reversed, or a sector could leave [-90, 90] degrees.
    """

    mean_deg: tuple[float, float] = (-60.0, 60.0)
    span_deg: tuple[float, float] = (10.0, 20.0)

    def __post_init__(self) -> None:
        span = check_interval_deg("span_deg", self.span_deg, 0.0, 180.0)[1]
        check_interval_deg("mean_deg", self.mean_deg, -90.0 + span / 2, 90.0 - span / 2)

    def draw(self, count: int, generator: torch.Generator) -> SectorBatch:
        """Draw independent sectors with float32 ends, on the generator's device.

        Raises:
            ValueError: If ``count`` is not a positive integer.
        """
        check_positive_int("count", count)
        mean, span = (
            torch.rand(count, generator=generator, device=generator.device)
            .mul_(high - low)
            .add_(low)
            for low, high in (self.mean_deg, self.span_deg)
        )
        return SectorBatch(torch.deg2rad(mean - span / 2), torch.deg2rad(mean + span / 2))


@dataclass(frozen=True, eq=False)
class Windows:
    """Grid angles inside each sector: the indices ``start <= i < stop``.

    Attributes:
        start: ``[batch]``, int64. First index of each sector.
        stop: ``[batch]``, int64. Index behind the last one, above ``start``.
    """

    start: torch.Tensor
    stop: torch.Tensor

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, samples: "slice | torch.Tensor") -> "Windows":
        """Windows of some of the samples; the only one is that of all."""
        return self if len(self) == 1 else Windows(self.start[samples], self.stop[samples])

    def contain(self, rows: torch.Tensor) -> torch.Tensor:
        """Whether grid indices ``[batch, rows]`` lie in each window, or in the only one."""
        return (rows >= self.start.unsqueeze(-1)) & (rows < self.stop.unsqueeze(-1))


def grid_windows(grid: torch.Tensor, sectors: Sector | SectorBatch) -> Windows:
    """Find the grid angles inside sectors, their ends included.

    Args:
        grid: ``[grid]``, real, increasing. Grid angles [rad].
        sectors: One sector, or one for each sample.

    Returns:
        The windows, one where ``sectors`` is a single sector, on the device of the grid.

    Raises:
        ValueError: If a sector holds no grid angle.
    """
    low, high = (
        torch.as_tensor(end, dtype=grid.dtype, device=grid.device).reshape(-1)
        for end in (sectors.min, sectors.max)
    )
    start = torch.searchsorted(grid, low)
    stop = torch.searchsorted(grid, high, right=True)
    empty = stop <= start
    if bool(empty.any()):
        first = int(empty.nonzero()[0])
        ends = torch.rad2deg(torch.stack([low[first], high[first]])).tolist()
        raise ValueError(
            f"grid must put an angle inside the sector [{ends[0]:.4g}, {ends[1]:.4g}] degrees, "
            f"got {len(grid)} angles from {torch.rad2deg(grid[0]):.4g} to "
            f"{torch.rad2deg(grid[-1]):.4g} degrees"
        )
    return Windows(start, stop)

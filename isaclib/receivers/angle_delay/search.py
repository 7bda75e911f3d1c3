r"""Algorithm 1 of P3 without the whole angle-delay map.

The literal computation of :mod:`isaclib.receivers.angle_delay.reference` multiplies K x S samples
with dictionaries of 720 angles and 200 delays, and keeps all of it for the gradient. The same
numbers need far less:

- echoes come in the delay basis, ``rank`` columns in place of S subcarriers;
- only rows inside the sectors are looked at, and the maximum is searched from coarse to fine,
  without a gradient (:mod:`isaclib.receivers.angle_delay.peak`);
- the softmax sees a window of a few points, computed exactly, and the gradient is that of the
  window alone, as in P3 (:mod:`isaclib.receivers.angle_delay.window`);
- samples are worked on in chunks that fit the cache, their noise included.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch.autograd.function import once_differentiable

from isaclib._validation import check_one_of, check_positive_int
from isaclib.channels.ofdm import BasisEcho
from isaclib.receivers.angle_delay.peak import AngleCells, Bounds, DelayCells, find_peak
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, Estimate
from isaclib.receivers.angle_delay.window import Slopes, WindowTables
from isaclib.signal.arrays import steering_vector
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows

Differentiable = Literal["position", "maximum"]
"""What of an estimate has a gradient: angle and range, which P3's supervised loss needs, or the
map's maximum, which its unsupervised loss does."""

CHUNK = {"cpu": 64, "cuda": 1024}
"""Samples worked on at a time: on a CPU what fits the cache, on a GPU what keeps it busy."""


class MapSearch:
    """Finds the maximum of the angle-delay map, and the position estimate round it.

    Args:
        grid: Angles, ranges, and the window's size.
        basis: Delay basis that the echoes come in.
        dtype: Real dtype of the echoes' planes.
        device: Where they are.
        chunk: Samples worked on at a time; a number for the device if not given.

    Raises:
        ValueError: If ``chunk`` is not positive.
    """

    def __init__(
        self,
        grid: AngleDelayGrid,
        basis: DelayBasis,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        chunk: int | None = None,
    ) -> None:
        device = torch.device(device)
        if chunk is None:
            chunk = CHUNK["cpu" if device.type == "cpu" else "cuda"]
        self.chunk = check_positive_int("chunk", chunk)
        self.grid, self.dtype = grid, dtype
        self.angles = grid.angles.to(device)
        self.tables = WindowTables(grid, basis, dtype=dtype, device=device)
        self.delays = DelayCells(grid, basis, dtype=dtype, device=device)

    def maximum(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> Estimate:
        """Largest value of the map inside the sector and its place, P3 Eqs. (10) and (16).

        Args:
            echo: Echoes.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            angles: ``[antennas, rows]``, complex. Basis of the angles that the echoes come in; all
                antennas if not given.

        Returns:
            The maximum as the statistic, and the grid point where it is. Nothing is
            differentiable.

        Raises:
            ValueError: If the windows are not one a sample.
        """
        with torch.no_grad():
            peaks = self._peaks(echo, positions, windows, angles)
            return _joined([self._at(peak) for peak in peaks])

    def estimate(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        *,
        angles: torch.Tensor | None = None,
    ) -> Estimate:
        """Statistic and position by the softmax of a window, Algorithm 1 of P3.

        Args:
            echo: Echoes.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            angles: ``[antennas, rows]``, complex. Basis of the angles that the echoes come in; all
                antennas if not given.

        Returns:
            The estimates; :meth:`differentiable` has them with a gradient.

        Raises:
            ValueError: If the windows are not one a sample.
        """
        with torch.no_grad():
            found = []
            for peak in self._peaks(echo, positions, windows, angles):
                average = self.tables.average(peak.samples, peak.steering, peak.place, peak.bounds)
                found.append(Estimate(peak.value, average.angle, average.distance))
            return _joined(found)

    def differentiable(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        output: Differentiable,
    ) -> Estimate:
        """Estimates with a gradient for the element positions and the echoes' amplitudes.

        Args:
            echo: Echoes over all antennas.
            positions: ``[antennas]``, real. Element positions that the receiver assumes
                [wavelengths].
            windows: Sectors on the grid, one for each sample or one for all.
            output: ``"position"``, the estimates of :meth:`estimate`, whose angle and range are
                differentiable, or ``"maximum"``, those of :meth:`maximum`, whose statistic is;
                once.

        Returns:
            The estimates.

        Raises:
            ValueError: If ``output`` is not allowed, or the windows are not one a sample.
        """
        check_one_of("output", output, get_args(Differentiable))
        one = self._position if output == "position" else self._maximum

        def run() -> tuple[Estimate, Slopes]:
            peaks = self._peaks(echo, positions, windows, None)
            found, slopes = zip(*(one(echo, peak) for peak in peaks), strict=True)
            return _joined(found), Slopes(*map(torch.cat, zip(*slopes, strict=True)))

        return Estimate(*_Differentiable.apply(positions, echo.amplitude, run, output))

    def _position(self, echo: BasisEcho, peak: "_Peak") -> tuple[Estimate, Slopes]:
        """Estimates of a chunk, and the slopes of angle and range."""
        average = self.tables.average(peak.samples, peak.steering, peak.place, peak.bounds)
        found = Estimate(peak.value, average.angle, average.distance)
        return found, average.slopes(*_signatures(echo, peak.part))

    def _maximum(self, echo: BasisEcho, peak: "_Peak") -> tuple[Estimate, Slopes]:
        """Maxima of a chunk, and their slopes."""
        patch = self.tables.point(peak.samples, peak.steering, peak.place)
        one = peak.value.new_ones(len(peak.value), 1, 1, 1)
        return self._at(peak), patch.slopes(one, *_signatures(echo, peak.part))

    def _peaks(
        self,
        echo: BasisEcho,
        positions: torch.Tensor,
        windows: Windows,
        angles: torch.Tensor | None,
    ) -> Iterator["_Peak"]:
        """Simulate the echoes chunk by chunk, and find the maxima of their maps."""
        steering, cells = self._rows(positions, windows, angles)
        for part, bounds in self._parts(len(echo), windows):
            samples = echo.samples(part)
            value, *place = find_peak(samples, bounds, cells, self.delays)
            yield _Peak(part, bounds, samples, steering, value, (place[0], place[1]))

    def _rows(
        self, positions: torch.Tensor, windows: Windows, angles: torch.Tensor | None
    ) -> tuple[torch.Tensor, AngleCells]:
        """Conjugate steering vectors of the grid, and the same in cells."""
        positions = positions.detach().to(self.angles)
        steering = steering_vector(self.angles, positions).conj_physical()
        if angles is not None:
            steering = steering @ angles.to(steering)
        steering = steering.to(self.dtype.to_complex())
        aperture = float(positions.max() - positions.min())
        rows = int((windows.stop - windows.start).max())
        return steering, AngleCells(self.angles, aperture, steering, rows)

    def _parts(self, count: int, windows: Windows) -> Iterator[tuple[slice, Bounds]]:
        """Chunks and their sectors."""
        if len(windows) not in (1, count):
            raise ValueError(
                f"windows must be one for all samples or one for each of {count}, "
                f"got {len(windows)}"
            )
        for first in range(0, count, self.chunk):
            part = slice(first, min(first + self.chunk, count))
            chosen = part if len(windows) > 1 else slice(None)
            yield part, Bounds(windows.start[chosen], windows.stop[chosen])

    def _at(self, peak: "_Peak") -> Estimate:
        """The maximum as an estimate."""
        row, column = peak.place
        return Estimate(peak.value, self.tables.angles[row], self.tables.distances[column])


class _Peak(NamedTuple):
    """A chunk of samples and where their maps are largest.

    Attributes:
        part: Which samples.
        bounds: Their sectors.
        samples: ``[chunk, 2, antennas, rank]``, real. Their echoes; the next chunk overwrites them.
        steering: ``[grid, antennas]``, complex. Conjugate steering vectors of the grid.
        value: ``[chunk]``, real. Largest value of each map.
        place: ``[chunk]``, int64, each. Its row and column.
    """

    part: slice
    bounds: Bounds
    samples: torch.Tensor
    steering: torch.Tensor
    value: torch.Tensor
    place: tuple[torch.Tensor, torch.Tensor]


def _signatures(echo: BasisEcho, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    return echo.spatial[part], echo.spectral[part]


def _joined(found: Iterable[Estimate]) -> Estimate:
    return Estimate(*map(torch.cat, zip(*found, strict=True)))


class _Differentiable(torch.autograd.Function):
    """Estimates with slopes: forward computes both, backward is a sum."""

    @staticmethod
    def forward(
        ctx: Any,
        positions: torch.Tensor,
        amplitude: torch.Tensor,
        run: Callable[[], tuple[Estimate, Slopes]],
        output: Differentiable,
    ) -> tuple[torch.Tensor, ...]:
        """Statistic, angle and range, ``[batch]`` each."""
        found, slopes = run()
        ctx.position = output == "position"
        ctx.dtype = positions.dtype
        ctx.save_for_backward(*slopes)
        fixed = (found.statistic,) if ctx.position else (found.angle, found.distance)
        ctx.mark_non_differentiable(*fixed)
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients for positions and amplitudes."""
        positions, amplitude = ctx.saved_tensors
        outer = torch.stack(gradients[1:] if ctx.position else gradients[:1], dim=-1)
        to_positions = outer.flatten() @ positions.flatten(0, 1)
        to_amplitude = (outer * amplitude).sum(-1)
        return to_positions.to(ctx.dtype), to_amplitude, None, None

r"""What no receiver of P3 can beat: the likelihood ratio over angle and delay, exactly.

As in :mod:`isaclib.limits.angle`, with one unknown more. Given angle and range, the logarithm of
the likelihood ratio of an echo :math:`\tilde{\mathbf{Y}}_r` is

.. math::
    \frac{q}{1+q}\,\frac{|\mathbf{a}^H(\theta)\,\tilde{\mathbf{Y}}_r\,\boldsymbol\rho^*(\tau)|^2}
    {K S N_0} - \ln(1+q), \qquad
    q(\theta) = \frac{K\sigma_r^2}{N_0}\,|\mathbf{a}^\top(\theta)\,\mathbf{f}|^2 ,

and angle and range are integrated over their sectors, uniform in both. The integrand can be much
narrower than a resolution cell, but only at one peak. So there are two rules: one of midpoints of
equal cells over the whole sectors, and, for each echo, one round its highest peak, which replaces
the cells there.
"""

import math
from typing import NamedTuple

import torch

from isaclib._validation import check_positive_int
from isaclib.channels.basis_echo import BasisEcho
from isaclib.channels.ofdm import OfdmRadarChannel, Targets
from isaclib.limits._quadrature import legendre, legendre_round
from isaclib.limits.angle import rms_aperture
from isaclib.signal.arrays import beampattern, steering_vector
from isaclib.signal.noise import NOISE_POWER
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.subspace import spanning_basis

CHUNK = {"cpu": 16, "cuda": 512}
"""Echoes worked on at a time: on a CPU what fits the cache."""


SHARP = 9.0
"""SNR of a peak from which on it gets a rule of its own."""

MOST = 16
"""How many times closer than usual angles are at most."""


class PlacePosterior(NamedTuple):
    """What an echo says of a target in angle and range.

    Attributes:
        log_ratio: ``[batch]``, float64. Logarithm of the likelihood ratio of target to none [nat].
        position: ``[batch, 2]``, float64. Posterior mean of the position, if there is a target [m].
        variance: ``[batch]``, float64. Posterior mean of its squared distance from there [m²].
        angle: ``[batch]``, float64. Posterior mean of the angle [rad].
        angle_variance: ``[batch]``, float64. Its posterior variance [rad²].
        distance: ``[batch]``, float64. Posterior mean of the range [m].
        distance_variance: ``[batch]``, float64. Its posterior variance [m²].
    """

    log_ratio: torch.Tensor
    position: torch.Tensor
    variance: torch.Tensor
    angle: torch.Tensor
    angle_variance: torch.Tensor
    distance: torch.Tensor
    distance_variance: torch.Tensor


class _Axis(NamedTuple):
    """Equal cells of an interval, with weights of the mean over it.

    A rule round a peak replaces ``reach`` cells on either side of it.
    """

    low: float
    step: float
    centers: torch.Tensor
    weights: torch.Tensor
    reach: int

    @classmethod
    def cut(cls, low: float, high: float, count: int, reach: int) -> "_Axis":
        step = (high - low) / count
        weights = torch.ones(count, dtype=torch.float64)
        # Midpoints miss h²/24 (f'(b) - f'(a)); the slopes are those of parabolas at the ends.
        correction = torch.tensor([2, -3, 1], dtype=torch.float64) / 24
        weights[:3] += correction
        weights[-3:] += correction.flip(0)
        centers = low + (torch.arange(count, dtype=torch.float64) + 0.5) * step
        return cls(low, step, centers, weights / count, reach)

    def to(self, device: torch.device) -> "_Axis":
        return self._replace(centers=self.centers.to(device), weights=self.weights.to(device))


class _Part(NamedTuple):
    """One of the two rules, applied to a chunk.

    Attributes:
        reference: ``[chunk]``, float64. Exponent that the moments are relative to.
        moments: ``[chunk, rows, 3]``, float64. For each angle, integral over the ranges of the
            ratio times one, times the range less the peak's, and times the square of that.
        angles: ``[chunk, rows]`` or ``[rows]``, float64. The angles [rad].
    """

    reference: torch.Tensor
    moments: torch.Tensor
    angles: torch.Tensor


class OptimalMapReceiver:
    r"""The receiver that no other beats, of angle and delay: it knows channel, beam and symbols.

    Echoes are simulated in a basis, by :meth:`simulate` or
    :meth:`isaclib.channels.ofdm.OfdmRadarChannel.in_basis` with :attr:`basis_angles`.

    Near the threshold of a test the posterior is a tenth of a resolution cell wide, and six cells
    of the even rule to one are enough. At a peak of the SNR P it is :math:`0.39/\sqrt{P}` of one;
    the rule round the peak has nodes about as far apart, up to one resolution cell away. Where the
    beam has a zero in the sector, :math:`1/(1+q)` is narrow there whatever the echo, and angles get
    closer until their mean of it is right to a thousandth. Tests double both numbers.

    Args:
        radar: Radar channel.
        beam: ``[antennas]``, complex. Beam that illuminates the targets.
        basis: Delay basis.
        per_cell: Cells of the even rule in a resolution cell, along each axis, positive.
        local: Nodes of the rule round the peak, along each axis, positive.
        dtype: Real dtype of the products; sums over angles are in double precision.
        device: Where to compute.

    Raises:
        ValueError: If a number is not positive, or beam or basis do not fit the channel.
    """

    def __init__(
        self,
        radar: OfdmRadarChannel,
        beam: torch.Tensor,
        basis: DelayBasis,
        *,
        per_cell: int = 6,
        local: int = 32,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        device = torch.device(device)
        self.radar, self.basis, self.dtype = radar, basis, dtype
        self.chunk = CHUNK["cpu" if device.type == "cpu" else "cuda"]
        self.beam, self.positions = beam.to(device), radar.positions.double().to(device)
        check_positive_int("per_cell", per_cell)
        self.local = check_positive_int("local", local)
        self._energy = len(self.positions) * radar.subcarriers.count * NOISE_POWER
        sector, ranges = radar.sector, radar.ranges
        aperture = rms_aperture(radar.positions)
        cells = (
            aperture * (sector.max - sector.min),
            (ranges.max - ranges.min) / radar.subcarriers.range_resolution,
        )
        # Three nodes at least: the peak is interpolated between its neighbours.
        count = max(math.ceil(per_cell * cells[1]), 3)
        self._ranges = _Axis.cut(ranges.min, ranges.max, count, per_cell).to(device)
        self._angles = self._cut_angles(max(math.ceil(per_cell * cells[0]), 3), per_cell)
        # Both from the Cramér-Rao bound, times the root of the SNR.
        self._spread = (
            math.sqrt(1.5) / (math.pi * aperture),
            math.sqrt(1.5) / math.pi * radar.subcarriers.range_resolution,
        )
        # Eight to a cell, as for the basis of the delays; the same for any number of nodes.
        grid = sector.grid(1 + math.ceil(8 * max(cells[0], 1))).to(device)
        self.basis_angles = spanning_basis(steering_vector(grid, self.positions))[0]
        """``[antennas, rows]``, complex128. Basis of the steering vectors of the sector."""
        self._rows, self._rate, self._offset = self._spatial(self._angles.centers)
        self._columns = basis.signature(self._ranges.centers).to(dtype).mT.contiguous()

    def simulate(self, targets: Targets, generator: torch.Generator) -> BasisEcho:
        """Echoes of targets in the basis that the receiver works in, see :meth:`posterior`.

        The noise is drawn from the generator when the posterior asks for it.
        """
        return self.radar.in_basis(
            self.beam, targets, self.basis, generator, angles=self.basis_angles
        )

    @torch.no_grad()
    def posterior(self, echo: BasisEcho) -> PlacePosterior:
        """Likelihood ratio of echoes, and posterior mean and variance of the place.

        Args:
            echo: Echoes in the basis :attr:`basis_angles`, of symbols of unit modulus.

        Returns:
            The posteriors.

        Raises:
            ValueError: If the echoes are in another basis.
        """
        if echo.spatial.shape[-1] != self.basis_angles.shape[-1]:
            raise ValueError(
                f"echo must be in the basis of {self.basis_angles.shape[-1]} angles, "
                f"got one of {echo.spatial.shape[-1]}"
            )
        found = []
        for first in range(0, len(echo), self.chunk):
            part = slice(first, min(first + self.chunk, len(echo)))
            samples = torch.view_as_real(echo.samples(part)).permute(0, 3, 2, 1).flatten(1, 2)
            found.append(self._place(samples.to(self.dtype)))
        return PlacePosterior(*map(torch.cat, zip(*found, strict=True)))

    def _cut_angles(self, count: int, reach: int) -> _Axis:
        """Cells of the angle, so many or more."""
        sector = self.radar.sector
        fine, weights = legendre(sector.min, sector.max, MOST * count)

        def weakness(angles: torch.Tensor) -> torch.Tensor:
            return 1 / (1 + self._snr(beampattern(self.beam.cpu(), angles, self.radar.positions)))

        exact = float(weights @ weakness(fine))
        for times in range(1, MOST + 1):
            axis = _Axis.cut(sector.min, sector.max, times * count, times * reach)
            if abs(float(axis.weights @ weakness(axis.centers)) - exact) < 1e-3 * exact:
                break
        return axis.to(self.beam.device)

    def _snr(self, illumination: torch.Tensor) -> torch.Tensor:
        """SNR q of the matched filter for a beampattern."""
        return self.radar.variance * len(self.positions) / NOISE_POWER * illumination

    def _spatial(self, angles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Conjugate steering vectors in the basis, and what the ratio does to the filter's power.

        The first are real matrices, ``[..., 2 * angles, 2 * rows]``; the power is multiplied with
        the second, and the third is added, ``[..., angles]`` both.
        """
        steering = steering_vector(angles.to(self.dtype), self.positions)
        snr = self._snr((steering @ self.beam.to(steering)).abs().square().double())
        rate, offset = snr / (1 + snr) / self._energy, -torch.log1p(snr)
        rows = steering.conj_physical() @ self.basis_angles.to(steering)
        upper = torch.cat([rows.real, -rows.imag], dim=-1)
        both = torch.cat([upper, torch.cat([rows.imag, rows.real], dim=-1)], dim=-2)
        return both, rate.to(self.dtype), offset.to(self.dtype)

    def _place(self, samples: torch.Tensor) -> PlacePosterior:
        """Posteriors of real above imaginary parts, ``[chunk, 2 * rows, rank]``."""
        parts = self._rows @ samples @ self._columns
        exponent = _exponent(parts, self._rate, self._offset)
        peak, index = exponent.flatten(1).max(dim=-1)
        row, column = index // exponent.shape[-1], index % exponent.shape[-1]
        power = (peak - self._offset[row]) / (self._rate[row] * self._energy)
        width = 2 / power.double().nan_to_num(1.0).clamp(min=1).sqrt()
        one = torch.arange(len(index), device=index.device)
        offset = self._offset[row].unsqueeze(-1)
        angle = _box(self._angles, exponent[one, :, column] - offset, row)
        distance = _box(self._ranges, exponent[one, row] - offset, column)
        weights = exponent.sub_(peak[:, None, None]).exp_()
        sharp = power >= SHARP
        inside = (angle.inside & sharp.unsqueeze(-1)).unsqueeze(-1)
        weights.masked_fill_(inside & distance.inside.unsqueeze(-2), 0)
        even = _Part(peak.double(), self._even(weights, distance.peak), self._angles.centers)
        widths = (width * self._spread[0] / torch.cos(angle.peak), width * self._spread[1])
        fine = self._round(samples, angle, distance, widths)
        fine.moments.mul_(sharp[:, None, None])
        return _joined(even, fine, angle, distance)

    def _even(self, weights: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
        """Moments of the cells, ``[chunk, cells, 3]``, given their ratios."""
        apart = self._ranges.centers - peak.unsqueeze(-1)
        powers = _powers(apart) * self._ranges.weights.unsqueeze(-1)
        return (weights @ powers.to(weights)).double() * self._angles.weights.unsqueeze(-1)

    def _round(
        self,
        samples: torch.Tensor,
        angle: "_Box",
        distance: "_Box",
        widths: tuple[torch.Tensor, torch.Tensor],
    ) -> _Part:
        """Moments of the box round the peak."""
        angles, angle_weights = angle.nodes(widths[0], self.local)
        distances, weights = distance.nodes(widths[1], self.local)
        rows, rate, offset = self._spatial(angles)
        columns = self.basis.signature(distances.to(self.dtype)).mT
        exponent = _exponent(rows @ samples @ columns, rate, offset).double()
        reference = exponent.flatten(1).amax(dim=-1)
        ratio = torch.exp(exponent - reference[:, None, None]) * angle_weights.unsqueeze(-1)
        powers = _powers(distances - distance.peak.unsqueeze(-1)) * weights.unsqueeze(-1)
        sector, ranges = self.radar.sector, self.radar.ranges
        area = (sector.max - sector.min) * (ranges.max - ranges.min)
        return _Part(reference, ratio @ powers / area, angles)


class _Box(NamedTuple):
    """Ends of an interval round a peak along one axis, ``[chunk]``, and which cells are inside."""

    low: torch.Tensor
    high: torch.Tensor
    peak: torch.Tensor
    inside: torch.Tensor

    def nodes(self, width: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        return legendre_round(self.low, self.high, self.peak, width, count)


def _box(axis: _Axis, line: torch.Tensor, top: torch.Tensor) -> _Box:
    """Interval round a peak along one axis, given the matched filter's power through it.

    The logarithm of the power ``[chunk, cells]`` is nearly a parabola, more so than the power.
    """
    count = len(axis.centers)
    inner = top.clamp(1, count - 2).unsqueeze(-1)
    near = [line.gather(1, inner + step)[:, 0].double() for step in (-1, 0, 1)]
    left, here, right = (x.clamp(min=1e-3).log() for x in near)
    bend = (left - 2 * here + right).clamp(max=-torch.finfo(line.dtype).eps)
    shift = (0.5 * (left - right) / bend).clamp(-1.5, 1.5)
    first, last = ((top + step).clamp(0, count - 1) for step in (-axis.reach, axis.reach))
    low, high = (axis.low + axis.step * edge.double() for edge in (first, last + 1))
    peak = axis.centers[inner[:, 0]] + axis.step * shift
    index = torch.arange(count, device=top.device)
    inside = (index >= first.unsqueeze(-1)) & (index <= last.unsqueeze(-1))
    return _Box(low, high, peak.clamp(low, high), inside)


def _exponent(parts: torch.Tensor, rate: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Logarithm of the ratio from real above imaginary parts, ``[chunk, 2 * angles, ranges]``."""
    real, imag = parts.chunk(2, dim=-2)
    power = real.square().addcmul_(imag, imag)
    return power.mul_(rate.unsqueeze(-1)).add_(offset.unsqueeze(-1))


def _powers(x: torch.Tensor) -> torch.Tensor:
    """Powers 0, 1 and 2: ``[..., 3]``."""
    return torch.stack([torch.ones_like(x), x, x.square()], dim=-1)


def _joined(even: _Part, fine: _Part, angle: _Box, distance: _Box) -> PlacePosterior:
    """Posterior from the moments of both parts.

    All is relative to the peak: a variance of square centimetres at 200 m would drown in rounding.
    """
    reference = torch.maximum(even.reference, fine.reference)
    scaled = [p.moments * torch.exp(p.reference - reference)[:, None, None] for p in (even, fine)]
    moments = torch.cat(scaled, dim=1)
    angles = torch.cat([part.angles.expand(len(reference), -1) for part in (even, fine)], dim=1)
    total = moments[..., 0].sum(-1)
    zero, first, second = (moments / total[:, None, None]).unbind(-1)
    start, turn = distance.peak.unsqueeze(-1), angles - angle.peak.unsqueeze(-1)
    # The place in coordinates along the peak's line of sight, and across it.
    along = ((start * zero + first) * torch.cos(turn)).sum(-1) - distance.peak
    across = ((start * zero + first) * torch.sin(turn)).sum(-1)
    bend = 2 * torch.sin(turn / 2).square()
    square = (second + 2 * start * bend * (start * zero + first)).sum(-1)
    turned, squared_turn = ((zero * power).sum(-1) for power in (turn, turn.square()))
    moved, squared_move = first.sum(-1), second.sum(-1)
    reach = distance.peak + along
    cos, sin = torch.cos(angle.peak), torch.sin(angle.peak)
    return PlacePosterior(
        log_ratio=torch.log(total) + reference,
        position=torch.stack([reach * cos - across * sin, reach * sin + across * cos], dim=-1),
        variance=(square - along.square() - across.square()).clamp(min=0),
        angle=angle.peak + turned,
        angle_variance=(squared_turn - turned.square()).clamp(min=0),
        distance=distance.peak + moved,
        distance_variance=(squared_move - moved.square()).clamp(min=0),
    )

r"""The OFDM radar channel of P3: its echo in space and frequency, or in a basis.

The echo comes in two forms. :class:`OfdmRadarChannel` called as a function is P3 Eq. (1) with all
antennas times all subcarriers. :meth:`OfdmRadarChannel.in_basis` simulates the same echo after
reciprocal filtering in a basis of the delays, and of the angles where one is given: fewer samples
that say the same about a target, chunk by chunk.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from isaclib._validation import check_finite, check_positive_int
from isaclib.channels.basis_echo import BasisEcho, GivenNoise, Noise, WhiteNoise
from isaclib.channels.narrowband import illumination
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.noise import NOISE_POWER, complex_normal, gain_variance
from isaclib.signal.ofdm import DelayBasis, RangeSector, Subcarriers, reciprocal_filter
from isaclib.signal.sectors import SectorBatch


@dataclass(frozen=True, eq=False)
class Targets:
    """What is random in a batch of echoes, apart from the noise.

    Attributes:
        theta: ``[batch]``, float32. Target angles [rad]; drawn also where there is no target.
        distance: ``[batch]``, float32. Target ranges R [m].
        gain: ``[batch]``, complex64. Swerling-1 gains psi.
        present: ``[batch]``, bool. Whether there is a target, t.
    """

    theta: torch.Tensor
    distance: torch.Tensor
    gain: torch.Tensor
    present: torch.Tensor

    def __len__(self) -> int:
        """Number of echoes."""
        return len(self.theta)


@dataclass(frozen=True, eq=False)
class OfdmRadarChannel:
    r"""Monostatic OFDM radar channel with a Swerling-1 target, P3 Eq. (1).

    Attributes:
        positions: ``[antennas]``, real. True element positions [wavelengths]; the array both
            transmits and receives.
        sector: Where the target can be; its angle is uniform in it.
        ranges: Likewise its range.
        subcarriers: The OFDM symbol.
        snr_db: Integrated SNR over the antennas, :math:`K\sigma_r^2/N_0` [dB].

    Raises:
        ValueError: If ``positions`` has another shape, ``snr_db`` is not finite, or the ranges
            reach beyond the unambiguous range.
    """

    positions: torch.Tensor
    sector: Sector
    ranges: RangeSector
    subcarriers: Subcarriers
    snr_db: float

    def __post_init__(self) -> None:
        """Check the description."""
        if self.positions.ndim != 1 or len(self.positions) < 1 or self.positions.is_complex():
            raise ValueError(
                "positions must be a real [antennas] tensor, got "
                f"{tuple(self.positions.shape)}, {self.positions.dtype}"
            )
        check_finite("snr_db", self.snr_db)
        self.ranges.check_unambiguous(self.subcarriers)

    @property
    def variance(self) -> float:
        r"""Variance :math:`\sigma_r^2` of the gain."""
        return gain_variance(self.snr_db) / len(self.positions)

    def draw(
        self,
        batch: int,
        generator: torch.Generator,
        present: bool | None = None,
        *,
        sectors: SectorBatch | None = None,
    ) -> Targets:
        """Draw what is random in a batch of echoes, apart from the noise.

        Args:
            batch: Number of samples, positive.
            generator: Source of randomness; its device is the device of the result.
            present: Whether there is a target in every sample (True) or in none (False); where
                not given, in each with probability 1/2.
            sectors: A sector for each sample, in place of the channel's one.

        Returns:
            The targets.

        Raises:
            ValueError: If ``batch`` is not a positive integer, or not the number of ``sectors``.
        """
        check_positive_int("batch", batch)
        device = generator.device
        if present is None:
            indicator = torch.rand(batch, generator=generator, device=device) < 0.5
        else:
            indicator = torch.full((batch,), present, device=device)
        return Targets(
            theta=(sectors or self.sector).sample(batch, generator),
            distance=self.ranges.sample(batch, generator),
            gain=complex_normal((batch,), self.variance, generator=generator),
            present=indicator,
        )

    def noise(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Draw receiver noise W.

        Args:
            batch: Number of samples.
            generator: Source of randomness.

        Returns:
            ``[batch, antennas, subcarriers]``, complex64 [sqrt(noise power)].
        """
        shape = (batch, len(self.positions), self.subcarriers.count)
        return complex_normal(shape, NOISE_POWER, generator=generator)

    def amplitude(self, beam: torch.Tensor, targets: Targets) -> torch.Tensor:
        r"""Amplitudes of the echoes, :math:`\alpha` of P3 Eq. (7) times t.

        .. math:: \alpha = t\,\psi\,\mathbf{a}_{\mathrm{tx}}^\top(\theta)\,\mathbf{f} / \sqrt S

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex. Precoder f.
            targets: From :meth:`draw`.

        Returns:
            ``[batch]``, complex, differentiable for the beam.

        Raises:
            ValueError: If the beam does not fit the array.
        """
        return self._amplitude(beam, targets, steering_vector(targets.theta, self.positions))

    def _amplitude(
        self, beam: torch.Tensor, targets: Targets, steering: torch.Tensor
    ) -> torch.Tensor:
        scale = targets.gain * targets.present / math.sqrt(self.subcarriers.count)
        return scale * illumination(beam, steering)

    def __call__(
        self, beam: torch.Tensor, symbols: torch.Tensor, targets: Targets, noise: torch.Tensor
    ) -> torch.Tensor:
        r"""Echo of an OFDM symbol over all antennas and subcarriers, P3 Eq. (1).

        .. math::
            \mathbf{Y}_r = \frac{t\,\psi}{\sqrt S}\,\mathbf{a}_{\mathrm{rx}}(\theta)\,
            \mathbf{a}_{\mathrm{tx}}^\top(\theta)\,\mathbf{f}\,
            [\mathbf{x}(\mathbf{m})\odot\boldsymbol\rho(\tau)]^\top + \mathbf{W}

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex. Precoder f.
            symbols: ``[batch, subcarriers]``, complex. Transmitted symbols x(m).
            targets: From :meth:`draw`.
            noise: ``[batch, antennas, subcarriers]``, complex. Noise W, from :meth:`noise`.

        Returns:
            ``[batch, antennas, subcarriers]``, complex. Echo Y_r [sqrt(noise power)].

        Raises:
            ValueError: If the beam does not fit the array.
        """
        scaled = self.amplitude(beam, targets).unsqueeze(-1) * steering_vector(
            targets.theta, self.positions
        )
        spectrum = symbols * self.subcarriers.delay_vector(targets.distance)
        return scaled.unsqueeze(-1) * spectrum.unsqueeze(-2) + noise

    def in_basis(
        self,
        beam: torch.Tensor,
        targets: Targets,
        basis: DelayBasis,
        generator: torch.Generator,
        *,
        angles: torch.Tensor | None = None,
        symbols: torch.Tensor | None = None,
    ) -> BasisEcho:
        r"""The same echo after reciprocal filtering, simulated in a basis.

        Symbols of unit modulus cancel and leave the noise white (P3 footnote 1), and white noise
        is white in an orthonormal basis too, so ``rank`` samples of noise an antenna stand for
        all subcarriers. Symbols of other moduli are divided out of all subcarriers' noise first.

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex. Precoder f.
            targets: From :meth:`draw`.
            basis: Of the delays.
            generator: Source of the noise, drawn when samples are asked for.
            angles: ``[antennas, rows]``, complex. Orthonormal basis of the steering vectors that
                the receiver uses; all antennas if not given.
            symbols: ``[batch, subcarriers]``, complex. Transmitted symbols, where their modulus is
                not one.

        Returns:
            The echoes.

        Raises:
            ValueError: If the beam does not fit the array, or the basis not the channel.
        """
        self._check_basis(basis)
        steering = steering_vector(targets.theta, self.positions)
        amplitude = self._amplitude(beam, targets, steering)
        spatial = steering * basis.phase(targets.distance).unsqueeze(-1)
        if angles is not None:
            spatial = spatial @ angles.conj().to(spatial)
        spectral = torch.cat([basis.signature(some) for some in targets.distance.split(500)])
        if symbols is None:
            rows = spatial.shape[-1]
            noise: Noise = WhiteNoise(rows, basis.rank, generator, dtype=spectral.dtype)
        else:
            order = torch.arange(len(targets), device=generator.device)
            noise = GivenNoise(self._filtered_noise(symbols, basis, generator, angles), order)
        return BasisEcho(amplitude, spatial, spectral, noise)

    def at_range(
        self, beam: torch.Tensor, targets: Targets, generator: torch.Generator
    ) -> torch.Tensor:
        r"""The same echo at the target's own range, where that is known.

        Correlated with the delay vector of the target, nothing is left of the subcarriers:

        .. math::
            \frac{1}{\sqrt S}\,\tilde{\mathbf{Y}}_r\,\boldsymbol\rho^*(\tau)
            = \sqrt S\,\alpha\,\mathbf{a}_{\mathrm{rx}}(\theta) + \mathbf{n}

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex. Precoder f.
            targets: From :meth:`draw`.
            generator: Source of the noise.

        Returns:
            ``[batch, antennas]``, complex [sqrt(noise power)].

        Raises:
            ValueError: If the beam does not fit the array.
        """
        amplitude = self.amplitude(beam, targets) * math.sqrt(self.subcarriers.count)
        steering = steering_vector(targets.theta, self.positions)
        noise = complex_normal(steering.shape, NOISE_POWER, generator=generator)
        return amplitude.unsqueeze(-1) * steering + noise

    def _filtered_noise(
        self,
        symbols: torch.Tensor,
        basis: DelayBasis,
        generator: torch.Generator,
        angles: torch.Tensor | None,
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Noise over all subcarriers, divided by the symbols, in the basis.

        It is drawn anew at each call. Antennas are independent and alike given the symbols, so
        orthogonal directions are too, and each may come from a call of its own.
        """

        def draw(part: torch.Tensor) -> torch.Tensor:
            noise = self.noise(len(part), generator)
            projected = basis.project(reciprocal_filter(noise, symbols[part]))
            return projected if angles is None else angles.mH.to(projected) @ projected

        return draw

    def _check_basis(self, basis: DelayBasis) -> None:
        fits = basis.ranges.min <= self.ranges.min and basis.ranges.max >= self.ranges.max
        if basis.subcarriers != self.subcarriers or not fits:
            raise ValueError(
                f"basis must be of {self.subcarriers} and hold the ranges "
                f"[{self.ranges.min:g}, {self.ranges.max:g}] m, got one of {basis.subcarriers} and "
                f"[{basis.ranges.min:g}, {basis.ranges.max:g}] m"
            )

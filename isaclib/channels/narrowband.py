r"""Target echo and communication channels, differentiable for each realization of their randomness.

A channel is a frozen description (array, sector, SNR). ``draw`` samples a *realization* of its
random variables, and calling the channel passes a signal through that realization, with gradients
to the beam and the symbols (P1 Sec. III-A: "instantaneously differentiable").
"""

from dataclasses import dataclass

import torch

from isaclib._validation import check_positive_int
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.noise import NOISE_POWER, complex_normal, gain_variance
from isaclib.signal.sectors import SectorBatch


def illumination(beam: torch.Tensor, steering: torch.Tensor) -> torch.Tensor:
    """``steering^T beam`` for one beam ``[antennas]`` or one a sample ``[batch, antennas]``."""
    if beam.shape[-1] != steering.shape[-1] or beam.ndim not in (1, 2):
        raise ValueError(
            f"beam must have shape [{steering.shape[-1]}] or [batch, {steering.shape[-1]}] for "
            f"{steering.shape[-1]} element positions, got {tuple(beam.shape)}"
        )
    if beam.ndim == 1:
        return steering @ beam
    return torch.linalg.vecdot(steering.conj(), beam)


def target_echo(
    beam: torch.Tensor,
    symbols: torch.Tensor,
    *,
    theta: torch.Tensor,
    gain: torch.Tensor,
    noise: torch.Tensor,
    positions: torch.Tensor,
    present: torch.Tensor | None = None,
) -> torch.Tensor:
    r"""Echo of a single target at a monostatic array, P1 Eq. (1) with y = v x(m).

    .. math::
        \mathbf{z}_r = t\,\alpha\,\mathbf{a}_{\mathrm{rx}}(\theta)\,
        \mathbf{a}_{\mathrm{tx}}^\top(\theta)\,\mathbf{v}\,x(m) + \mathbf{n}

    Args:
        beam: ``[antennas]`` or ``[batch, antennas]``, complex. Beamformer v.
        symbols: ``[batch]``, complex. Transmitted symbols x(m).
        theta: ``[batch]``, real. Target angles [rad].
        gain: ``[batch]``, complex. Channel gains alpha.
        noise: ``[batch, antennas]``, complex. Receiver noise n [sqrt(noise power)].
        positions: ``[antennas]``, real. Element positions [wavelengths]; the array both transmits
            and receives, so a_tx = a_rx.
        present: ``[batch]``, bool. Whether there is a target, t; everywhere if not given.

    Returns:
        ``[batch, antennas]``, complex. Received echo [sqrt(noise power)].

    Raises:
        ValueError: If the beam does not fit the array.
    """
    steering = steering_vector(theta, positions)
    amplitude = gain * symbols * illumination(beam, steering)
    if present is not None:
        amplitude = amplitude * present
    return torch.addcmul(noise, amplitude.unsqueeze(-1), steering)


def channel_state(
    beam: torch.Tensor, angle: torch.Tensor, gain: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    r"""Channel state information of the communication receiver, P1 Sec. II-B.

    Args:
        beam: ``[antennas]`` or ``[batch, antennas]``, complex. Beamformer v.
        angle: ``[batch]``, real. Receiver angles, vartheta [rad].
        gain: ``[batch]``, complex. Channel gains beta.
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[batch]``, complex:
        :math:`\kappa = \beta\,\mathbf{a}_{\mathrm{tx}}^\top(\vartheta)\,\mathbf{v}`.

    Raises:
        ValueError: If the beam does not fit the array.
    """
    return gain * illumination(beam, steering_vector(angle, positions))


@dataclass(frozen=True, eq=False)
class _ArrayChannel:
    positions: torch.Tensor
    sector: Sector
    snr_db: float

    def __post_init__(self) -> None:
        if self.positions.ndim != 1 or len(self.positions) < 1 or self.positions.is_complex():
            raise ValueError(
                f"positions must be a real [antennas] tensor, got {tuple(self.positions.shape)}, "
                f"{self.positions.dtype}"
            )
        gain_variance(self.snr_db)


@dataclass(frozen=True)
class RadarRealization:
    """What is random in one batch of echoes.

    Attributes:
        theta: ``[batch]``, float32. Target angles [rad]; drawn also where there is no target.
        gain: ``[batch]``, complex64. Swerling-1 gains alpha.
        present: ``[batch]``, bool. Whether there is a target, t.
        noise: ``[batch, antennas]``, complex64. Receiver noise.
    """

    theta: torch.Tensor
    gain: torch.Tensor
    present: torch.Tensor
    noise: torch.Tensor


class RadarChannel(_ArrayChannel):
    r"""Monostatic radar channel with a Swerling-1 target in a known sector, P1 Eq. (1).

    Also P2 Eq. (1), with ``positions`` counted from the centre.

    Attributes:
        positions: ``[antennas]``, real. True element positions [wavelengths].
        sector: Where the target can be; its angle is uniform in it.
        snr_db: :math:`\mathrm{SNR}_r = \sigma_r^2 / N_0` [dB].

    Raises:
        ValueError: If ``positions`` has another shape or ``snr_db`` is not finite.
    """

    def draw(
        self,
        batch: int,
        generator: torch.Generator,
        present: bool | None = None,
        *,
        sectors: SectorBatch | None = None,
    ) -> RadarRealization:
        """Draw a batch of realizations, on the generator's device.

        Args:
            batch: Number of samples, positive.
            generator: Source of randomness.
            present: Whether there is a target in every sample (True) or in none (False); where
                not given, in each with probability 1/2.
            sectors: A sector for each sample, in place of the channel's one; P2 trains on such.

        Raises:
            ValueError: If ``batch`` is not a positive integer, or not the number of ``sectors``.
        """
        check_positive_int("batch", batch)
        device = generator.device
        if present is None:
            indicator = torch.rand(batch, generator=generator, device=device) < 0.5
        else:
            indicator = torch.full((batch,), present, device=device)
        return RadarRealization(
            theta=(sectors or self.sector).sample(batch, generator),
            gain=complex_normal((batch,), gain_variance(self.snr_db), generator=generator),
            present=indicator,
            noise=complex_normal((batch, len(self.positions)), NOISE_POWER, generator=generator),
        )

    def __call__(
        self, beam: torch.Tensor, symbols: torch.Tensor, realization: RadarRealization
    ) -> torch.Tensor:
        """Echo of a signal, see :func:`target_echo`: ``[batch, antennas]``, complex64."""
        return target_echo(beam, symbols, positions=self.positions, **vars(realization))


@dataclass(frozen=True)
class CommunicationRealization:
    """What is random in one batch of communication.

    Attributes:
        angle: ``[batch]``, float32. Receiver angles, vartheta [rad].
        gain: ``[batch]``, complex64. Rayleigh gains beta.
        noise: ``[batch]``, complex64. Receiver noise.
    """

    angle: torch.Tensor
    gain: torch.Tensor
    noise: torch.Tensor


class CommunicationChannel(_ArrayChannel):
    r"""Flat Rayleigh MISO channel to a receiver in a known sector, P1 Eq. (2).

    Also P2 Eq. (2), with ``positions`` counted from the centre.

    Attributes:
        positions: ``[antennas]``, real. True element positions of the transmitter [wavelengths].
        sector: Where the receiver can be; its angle is uniform in it.
        snr_db: :math:`\mathrm{SNR}_c = \sigma_c^2 / N_0` [dB].

    Raises:
        ValueError: If ``positions`` has another shape or ``snr_db`` is not finite.
    """

    def draw(self, batch: int, generator: torch.Generator) -> CommunicationRealization:
        """Draw a batch of realizations, on the generator's device.

        Raises:
            ValueError: If ``batch`` is not a positive integer.
        """
        check_positive_int("batch", batch)
        return CommunicationRealization(
            angle=self.sector.sample(batch, generator),
            gain=complex_normal((batch,), gain_variance(self.snr_db), generator=generator),
            noise=complex_normal((batch,), NOISE_POWER, generator=generator),
        )

    def __call__(
        self, beam: torch.Tensor, symbols: torch.Tensor, realization: CommunicationRealization
    ) -> tuple[torch.Tensor, torch.Tensor]:
        r"""Received samples and channel state information, P1 Eq. (2).

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex64. Beamformer.
            symbols: ``[batch]``, complex64. Transmitted symbols x(m).
            realization: From :meth:`draw`.

        Returns:
            ``[batch]``, complex64: received :math:`z_c = \kappa x(m) + n` [sqrt(noise power)], and
            ``[batch]``, complex64: the channel state information :math:`\kappa`.
        """
        r = realization
        csi = channel_state(beam, r.angle, r.gain, self.positions)
        return csi * symbols + r.noise, csi

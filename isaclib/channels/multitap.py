r"""OFDM communication channel of P3: several Rayleigh taps to a receiver with one antenna."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from isaclib._validation import check_finite, check_one_of, check_positive_int
from isaclib.channels.narrowband import channel_state
from isaclib.signal.arrays import Sector
from isaclib.signal.noise import NOISE_POWER, complex_normal, db_to_linear
from isaclib.signal.ofdm import Subcarriers

TapProfile = Literal["power", "amplitude"]
"""What falls as exp(-l) over the taps: their variance, as P3 says, or their amplitude."""


@dataclass(frozen=True)
class MultitapRealization:
    """What is random in a batch of communication.

    Attributes:
        angle: ``[batch]``, float32. Receiver angles, varphi [rad].
        response: ``[batch, subcarriers]``, complex64. Frequency responses beta.
        noise: ``[batch, subcarriers]``, complex64. Receiver noise n.
    """

    angle: torch.Tensor
    response: torch.Tensor
    noise: torch.Tensor


@dataclass(frozen=True, eq=False)
class MultitapChannel:
    r"""MISO channel of several Rayleigh taps to a receiver in a known sector, P3 Eq. (3).

    Attributes:
        positions: ``[antennas]``, real. True element positions of the transmitter [wavelengths].
        sector: Where the receiver can be; its angle is uniform in it.
        subcarriers: The OFDM symbol.
        snr_db: Average SNR over the subcarriers, :math:`\sum_l\sigma_l^2/(S N_0)` [dB].
        taps: Number of taps L, at most the number of subcarriers.
        profile: What falls as exp(-l): the taps' variance (``"power"``), as the text says, or
            their amplitude.

    Raises:
        ValueError: If an attribute is out of range.
    """

    positions: torch.Tensor
    sector: Sector
    subcarriers: Subcarriers
    snr_db: float
    taps: int = 5
    profile: TapProfile = "power"

    def __post_init__(self) -> None:
        check_finite("snr_db", self.snr_db)
        check_one_of("profile", self.profile, get_args(TapProfile))
        if check_positive_int("taps", self.taps) > self.subcarriers.count:
            raise ValueError(
                f"taps must be at most the number of subcarriers, {self.subcarriers.count}, "
                f"got {self.taps!r}"
            )

    def variances(self) -> torch.Tensor:
        """Variances of the taps, which add up to :math:`S N_0` times the SNR: ``[taps]``."""
        decay = 1 if self.profile == "power" else 2
        variances = torch.exp(-decay * torch.arange(self.taps, dtype=torch.float64))
        total = self.subcarriers.count * NOISE_POWER * db_to_linear(self.snr_db)
        return variances * (total / variances.sum())

    def draw(self, batch: int, generator: torch.Generator) -> MultitapRealization:
        r"""Draw a batch of realizations, on the generator's device.

        The response is :math:`\boldsymbol\beta = \mathbf{F}[\beta_0,\ldots,\beta_{L-1},0,\ldots,
        0]^\top` with the unitary DFT matrix :math:`\mathbf{F}`.

        Raises:
            ValueError: If ``batch`` is not a positive integer.
        """
        check_positive_int("batch", batch)
        count = self.subcarriers.count
        angle = self.sector.sample(batch, generator)
        scale = self.variances().sqrt().float().to(generator.device)
        gains = complex_normal((batch, self.taps), generator=generator) * scale
        return MultitapRealization(
            angle=angle,
            response=torch.fft.fft(gains, n=count, norm="ortho"),
            noise=complex_normal((batch, count), NOISE_POWER, generator=generator),
        )

    def __call__(
        self, beam: torch.Tensor, symbols: torch.Tensor, realization: MultitapRealization
    ) -> tuple[torch.Tensor, torch.Tensor]:
        r"""Received samples and channel state information, P3 Eq. (3).

        .. math::
            \mathbf{y}_c = [\mathbf{x}(\mathbf{m})\odot\boldsymbol\beta]\,
            \mathbf{f}^\top\mathbf{a}_{\mathrm{tx}}(\varphi) + \mathbf{n}

        Args:
            beam: ``[antennas]`` or ``[batch, antennas]``, complex64. Precoder f.
            symbols: ``[batch, subcarriers]``, complex64. Transmitted symbols x(m).
            realization: From :meth:`draw`.

        Returns:
            ``[batch, subcarriers]``, complex64, each: received samples [sqrt(noise power)], and
            the channel state information
            :math:`\boldsymbol\kappa = \boldsymbol\beta\,\mathbf{f}^\top\mathbf{a}(\varphi)`.

        Raises:
            ValueError: If the beam does not fit the array.
        """
        r = realization
        unit = torch.ones_like(r.response[:, 0])
        csi = r.response * channel_state(beam, r.angle, unit, self.positions).unsqueeze(-1)
        return symbols * csi + r.noise, csi

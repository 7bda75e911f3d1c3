"""The scenario of P3 Sec. V-A: its array, channels, grids and transceivers."""

from dataclasses import dataclass
from typing import Literal

import torch

from isaclib.channels.multitap import MultitapChannel, TapProfile
from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.receivers.angle_delay.reference import AngleDelayGrid, baseline_grid, training_grid
from isaclib.signal.arrays import HALF_WAVELENGTH, Sector
from isaclib.signal.noise import step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings.model import ArrayTransceiver
from isaclib.systems.spacings.training import Scene

Array = int
"""Which array: index of the draw of its spacings."""

Receiver = Literal["learned", "baseline"]
"""Which grid a sensing receiver searches: that of Algorithm 1, or that of Eq. (10)."""


@dataclass(frozen=True)
class Scenario:
    """The scenario of P3 Sec. V-A.

    Attributes:
        num_antennas: Number of array elements K.
        subcarriers: Number of subcarriers S.
        spacing_hz: Subcarrier spacing [Hz].
        ranges_m: Where the target can be [m].
        snr_r_db: Radar SNR over all antennas [dB].
        snr_c_db: Communication SNR [dB].
        taps: Taps L of the communication channel.
        tap_profile: What falls as exp(-l) over the taps.
        target_sector_deg: Where the target can be [degrees].
        receiver_sector_deg: Where the communication receiver can be [degrees].
        std_wavelengths: Standard deviation of the spacings [wavelengths].
        ordered: Whether the spacings are sorted so that the elements stay in order.
        num_angles: Grid angles N_theta.
        num_ranges: Grid ranges N_tau.
        p_fa: False-alarm probability of the tests.
    """

    num_antennas: int = 64
    subcarriers: int = 256
    spacing_hz: float = 120e3
    ranges_m: tuple[float, float] = (0.0, 200.0)
    snr_r_db: float = 15.0
    snr_c_db: float = 20.0
    taps: int = 5
    tap_profile: TapProfile = "power"
    target_sector_deg: tuple[float, float] = (-40.0, -20.0)
    receiver_sector_deg: tuple[float, float] = (30.0, 50.0)
    std_wavelengths: float = 1 / 25
    ordered: bool = True
    num_angles: int = 720
    num_ranges: int = 200
    p_fa: float = 1e-2

    @property
    def symbol(self) -> Subcarriers:
        """The OFDM symbol."""
        return Subcarriers(self.subcarriers, self.spacing_hz)

    @property
    def target_sector(self) -> Sector:
        """Where the target can be."""
        return Sector(*self.target_sector_deg)

    @property
    def receiver_sector(self) -> Sector:
        """Where the communication receiver can be."""
        return Sector(*self.receiver_sector_deg)

    def spacings(self, array: Array, seed: int) -> torch.Tensor:
        """True spacings of one of the arrays, ``[antennas]``, float64 [wavelengths]."""
        return draw_spacings(
            self.num_antennas,
            self.std_wavelengths,
            ordered=self.ordered,
            generator=step_generator(seed, "impairment/spacings", array),
        )

    def nominal(self) -> torch.Tensor:
        """Spacings without impairments, where learning starts, as :meth:`spacings`."""
        return torch.full((self.num_antennas,), HALF_WAVELENGTH, dtype=torch.float64)

    def grid(self, receiver: Receiver) -> AngleDelayGrid:
        """Angles and ranges that a sensing receiver searches."""
        ranges = RangeSector(*self.ranges_m)
        size = {"num_angles": self.num_angles, "num_distances": self.num_ranges}
        if receiver == "baseline":
            return baseline_grid(self.target_sector, ranges, **size)
        return training_grid(self.num_antennas, self.symbol, ranges, **size)

    def scene(self, spacing: torch.Tensor) -> Scene:
        """What a training happens in, of the array with these true spacings [wavelengths]."""
        ranges = RangeSector(*self.ranges_m)
        radar = OfdmRadarChannel(
            spacing_positions(spacing), self.target_sector, ranges, self.symbol, self.snr_r_db
        )
        return Scene(radar, self.grid("learned"), delay_basis(self.symbol, ranges))

    def communication(self, spacing: torch.Tensor) -> MultitapChannel:
        """Communication channel of the array with these true spacings [wavelengths]."""
        return MultitapChannel(
            spacing_positions(spacing),
            self.receiver_sector,
            self.symbol,
            self.snr_c_db,
            self.taps,
            self.tap_profile,
        )

    def transceiver(
        self,
        spacing: torch.Tensor,
        receiver: Receiver = "learned",
        radar_fraction: float = 1.0,
        phase: float = 0.0,
    ) -> ArrayTransceiver:
        """A transceiver that assumes spacings [wavelengths], with the beam of P3 Eq. (4)."""
        return ArrayTransceiver(
            spacing_positions(spacing),
            self.target_sector,
            self.receiver_sector,
            self.grid("learned").angles,
            self.grid(receiver),
            radar_fraction,
            phase,
        )

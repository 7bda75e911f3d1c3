r"""The system of P3: an array whose element spacings are learned, from labels or without.

P3 Fig. 2 as a chain of this module's parts. One vector :math:`\mathbf{d}` of spacings makes the
steering vectors of transmitter and receiver alike::

    sectors ─ windows ──┬─ beams ─ f_r ─┐
                        │               ├─ combine_beams ─ f ─┬─ OfdmRadarChannel ─ MapSearch ─ p̂
    receiver's sector ──┴─ beams ─ f_c ─┘                     └─ MultitapChannel ─ ML ───────── m̂
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import nn

from isaclib._validation import check_one_of
from isaclib.receivers.angle_delay.reference import AngleDelayGrid
from isaclib.signal.arrays import HALF_WAVELENGTH, Sector, element_index, steering_vector
from isaclib.signal.beamforming import combine_beams, precoder, window_beams
from isaclib.signal.modulation import psk
from isaclib.signal.sectors import SectorBatch, Windows, grid_windows
from isaclib.signal.spacings import spacing_positions, warn_of_disorder
from isaclib.systems.transceiver import FixedSymbols

Parameter = Literal["spacing", "position"]
"""What a :class:`SpacingArray` learns: the spacings, as P3, or what they move the elements by."""


def design_beams(positions: torch.Tensor, grid: torch.Tensor, windows: Windows) -> torch.Tensor:
    """Least-squares beams of sectors, P3 Eqs. (5) and (6).

    Args:
        positions: ``[antennas]``, real. Element positions that the design assumes [wavelengths].
        grid: ``[grid]``, float64. Grid angles [rad], which have to tell the elements apart.
        windows: Sectors on the grid.

    Returns:
        ``[batch, antennas]``, complex64, of unit norm, differentiable for the positions.
    """
    return window_beams(precoder(steering_vector(grid, positions.double())), windows)


class SpacingArray(nn.Module):
    r"""An array with learnable spacings :math:`\mathbf{d}`, P3 Sec. IV.

    It starts without impairments, :math:`\mathbf{d} = (\lambda/2)\mathbf{1}`. Its one parameter,
    ``values`` in double precision, holds the spacings, or, as an alternative to the paper, what
    each element's spacing error moves it by, :math:`w_k = |k - (K-1)/2|\,(d_k - \lambda/2)`. The
    models are the same; but a step size of an optimizer that scales each gradient by its own
    magnitude, as Adam does, moves outer elements much further than inner ones in the first, and all
    elements alike in the second.

    Args:
        num_antennas: Number of array elements K.
        parameter: ``"spacing"`` or ``"position"``.

    Raises:
        ValueError: If an argument is out of range.
    """

    scale: torch.Tensor

    def __init__(self, num_antennas: int, *, parameter: Parameter = "spacing") -> None:
        super().__init__()
        check_one_of("parameter", parameter, get_args(Parameter))
        outwards = element_index(num_antennas).abs()
        if parameter == "spacing":
            outwards = torch.ones_like(outwards)
        # An element in the very middle does not move whatever its spacing is.
        scale = torch.where(outwards > 0, 1 / outwards, torch.ones_like(outwards))
        self.parameter = parameter
        self.register_buffer("scale", scale, persistent=False)
        self.values = nn.Parameter(torch.zeros(num_antennas, dtype=torch.float64))

    @property
    def spacing(self) -> torch.Tensor:
        """Spacings d: ``[antennas]``, float64 [wavelengths]."""
        return HALF_WAVELENGTH + self.scale * self.values

    def set_spacing(self, spacing: torch.Tensor) -> None:
        """Put spacings, ``[antennas]``, real [wavelengths], in place of what has been learned."""
        with torch.no_grad():
            self.values.copy_((spacing.to(self.values) - HALF_WAVELENGTH) / self.scale)

    def positions(self) -> torch.Tensor:
        """Element positions: ``[antennas]``, float64, differentiable [wavelengths]."""
        return spacing_positions(self.spacing)


@dataclass(frozen=True, eq=False)
class ArrayTransceiver(FixedSymbols):
    """Transmitter and receivers that assume given element positions.

    With learned positions it is the system of P3, with the true ones its baseline that knows the
    impairments, and with nominal ones the baseline that does not.

    Attributes:
        positions: ``[antennas]``, float64. Element positions that it assumes [wavelengths]; where
            they are not in order, there is a warning.
        target_sector: Where the target can be.
        receiver_sector: Where the communication receiver can be.
        design: ``[grid]``, float64. Grid angles of the beams' design, N_theta from -90 to 90
            degrees [rad].
        search: Grid of the sensing receiver:
            :func:`~isaclib.receivers.angle_delay.reference.training_grid` for the learned system,
            :func:`~isaclib.receivers.angle_delay.reference.baseline_grid` for the baseline.
        radar_fraction: Share of the radar beam in P3 Eq. (4), eta, in [0, 1].
        phase: Phase between the two beams, phi [rad].
        symbols: ``[order]``, complex64. Constellation, of unit modulus.
    """

    positions: torch.Tensor
    target_sector: Sector
    receiver_sector: Sector
    design: torch.Tensor
    search: AngleDelayGrid
    radar_fraction: float = 1.0
    phase: float = 0.0
    symbols: torch.Tensor = field(default_factory=lambda: psk(4))

    def __post_init__(self) -> None:
        warn_of_disorder(self.positions)

    def beam(self) -> torch.Tensor:
        """Joint beam of radar and communication, P3 Eq. (4): ``[antennas]``, complex64, unit norm.

        Both beams have unit norm before they are combined.

        Raises:
            ValueError: If the grid is too coarse for a sector or cannot tell the elements apart,
                or ``radar_fraction`` is outside [0, 1].
        """
        sectors = (self.target_sector, self.receiver_sector)
        low, high = (torch.tensor([getattr(s, end) for s in sectors]) for end in ("min", "max"))
        windows = grid_windows(self.design, SectorBatch(low, high))
        radar, communication = design_beams(self.positions, self.design, windows)
        return combine_beams(radar, communication, self.radar_fraction, self.phase)

    def windows(self) -> Windows:
        """The target's sector on the receiver's grid, one window; an empty one is an error."""
        return grid_windows(self.search.angles, self.target_sector)

r"""The model-driven system of P2: a trainable matrix of steering vectors shared by both ends.

P2 Fig. 2 as a chain of this module's parts, one matrix :math:`\mathbf{A}` in the places of the
baseline's steering vectors::

    sectors ── windows ──┬─ beams ── v_r ─┐
                         │                ├─ combine_beams ── v ─┬─ RadarChannel ── z_r ── sense ─ θ̂
    receiver's sector ───┴─ beams ── v_c ─┘                      └─ CommunicationChannel ── ML ─── m̂
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import nn

from isaclib._validation import check_nonnegative, check_one_of, check_positive, check_positive_int
from isaclib.receivers.softmax import Reading, softmax_angle
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.beamforming import FIELD_OF_VIEW, combine_beams, precoder, window_beams
from isaclib.signal.modulation import qam
from isaclib.signal.noise import step_generator
from isaclib.signal.sectors import SectorBatch, Windows, grid_windows
from isaclib.systems.transceiver import FixedSymbols, Sensed


@dataclass(frozen=True)
class Perturbation:
    r"""What P2 adds to the true steering vectors at the start, :math:`\mathcal{N}(0, 0.1)`.

    The second number (Sec. V-A) is read as the variance, as in the paper's
    :math:`\mathcal{N}(\lambda/2, \sigma_\lambda^2)`; for a standard deviation of 0.1, say 0.01.

    Attributes:
        variance: Variance of each perturbed part, non-negative.
        parts: ``"both"``, real and imaginary part independently, or ``"real"`` alone, as a real
            Gaussian literally is.

    Raises:
        ValueError: If an attribute is out of range.
    """

    variance: float = 0.1
    parts: Literal["both", "real"] = "both"

    def __post_init__(self) -> None:
        check_nonnegative("variance", self.variance)
        check_one_of("parts", self.parts, ("both", "real"))

    def draw(self, shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
        """Real and imaginary parts, ``[grid, antennas, 2]``, float32, for ``[grid, antennas]``."""
        parts = torch.randn(*shape, 2, generator=generator).mul_(math.sqrt(self.variance))
        if self.parts == "real":
            parts[..., 1] = 0
        return parts


class ModelDriven(nn.Module):
    r"""Trainable steering matrix :math:`\mathbf{A}\in\mathbb{C}^{K\times N_{\mathrm{grid}}}`.

    It starts as the true matrix of an array without impairments, its phase reference in the
    centre. Its one parameter, ``steering``, holds :math:`\mathbf{A}^\top` as pairs of reals,
    ``[grid, antennas, 2]``.

    Args:
        num_antennas: Number of array elements K.
        grid_size: Number of grid angles N_grid from -90 to 90 degrees, at least K.
        reading: Of P2 Eq. (13), see :func:`isaclib.receivers.softmax.softmax_angle`.
        level: Value of b inside the sector, likewise.

    Raises:
        ValueError: If an argument is out of range.
    """

    grid: torch.Tensor

    def __init__(
        self, num_antennas: int, grid_size: int, *, reading: Reading = "literal", level: float = 1.0
    ) -> None:
        super().__init__()
        positions = element_positions(num_antennas, reference="center")
        if check_positive_int("grid_size", grid_size) < max(num_antennas, 2):
            raise ValueError(
                f"grid_size must be at least the number of antennas, {num_antennas}, and 2, "
                f"got {grid_size!r}"
            )
        self.reading = check_one_of("reading", reading, get_args(Reading))
        self.level = check_positive("level", level)
        self.register_buffer("grid", FIELD_OF_VIEW.grid(grid_size), persistent=False)
        nominal = steering_vector(self.grid, positions).to(torch.complex64)
        self.steering = nn.Parameter(torch.view_as_real(nominal).clone())

    def matrix(self) -> torch.Tensor:
        """The steering vectors as complex numbers, A^T: ``[grid, antennas]``, complex64."""
        return torch.view_as_complex(self.steering)

    def windows(self, sectors: Sector | SectorBatch) -> Windows:
        """Places of sectors on the grid, where b of P2 Eq. (3) is not zero: one window a sector.

        Raises:
            ValueError: If the grid is too coarse: a sector holds no grid angle.
        """
        return grid_windows(self.grid, sectors)

    def beams(self, windows: Windows) -> torch.Tensor:
        """Beams that illuminate sectors, P2 Eq. (4) with the trainable matrix.

        Args:
            windows: Sectors on the grid.

        Returns:
            ``[batch, antennas]``, complex64, of unit norm.

        Raises:
            ValueError: If A* A^T is singular.
        """
        steering = self.matrix()
        return window_beams(precoder(steering), windows, dtype=steering.dtype)

    def sense(self, echo: torch.Tensor, windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
        """Detection statistic and angle estimate, P2 Eqs. (14) and (13).

        Args:
            echo: ``[batch, antennas]``, complex64. Received echo z_r [sqrt(noise power)].
            windows: Sectors on the grid, one for each sample or one for all.

        Returns:
            ``[batch]``, float32, each: statistic, and angle [rad], which alone is differentiable.
        """
        return softmax_angle(
            echo, self.matrix(), self.grid, windows, reading=self.reading, level=self.level
        )


def seeded_model_driven(
    num_antennas: int,
    grid_size: int,
    *,
    seed: int,
    perturbation: Perturbation | None = None,
    reading: Reading = "literal",
    level: float = 1.0,
) -> ModelDriven:
    """Steering matrix as P2 starts from it: the true one, perturbed, see :class:`ModelDriven`.

    Args:
        num_antennas: Number of array elements K.
        grid_size: Number of grid angles N_grid.
        seed: Seed of the perturbation.
        perturbation: Its distribution, that of the paper if not given.
        reading: Of P2 Eq. (13).
        level: Value of b inside the sector.
    """
    model = ModelDriven(num_antennas, grid_size, reading=reading, level=level)
    generator = step_generator(seed, "initial/steering", 0)
    noise = (perturbation or Perturbation()).draw((grid_size, num_antennas), generator)
    with torch.no_grad():
        model.steering.add_(noise)
    return model


@dataclass(frozen=True, eq=False)
class ModelDrivenTransceiver(FixedSymbols):
    """A steering matrix at work for one pair of sectors, a :class:`~.transceiver.Transceiver`.

    Symbols are QAM and decisions maximum-likelihood, as in the baseline: nothing of the
    communication link is trained (P2 Sec. IV-B.3).

    Attributes:
        model: Steering matrix, trained or not.
        target_sector: Where the target can be.
        receiver_sector: Where the communication receiver can be.
        radar_fraction: Share of the radar beam in P2 Eq. (5), rho = omega_r, in [0, 1].
        phase: Phase between the two beams, varphi [rad].
        symbols: ``[order]``, complex64. Constellation.
    """

    model: ModelDriven
    target_sector: Sector
    receiver_sector: Sector
    radar_fraction: float
    phase: float = 0.0
    symbols: torch.Tensor = field(default_factory=lambda: qam(4))

    def beam(self) -> torch.Tensor:
        """Joint beam of radar and communication, P2 Eq. (5): ``[antennas]``, complex64, unit norm.

        Raises:
            ValueError: If the grid is too coarse for a sector, A* A^T is singular, or
                ``radar_fraction`` is outside [0, 1].
        """
        radar, communication = (
            self.model.beams(self.model.windows(sector))[0]
            for sector in (self.target_sector, self.receiver_sector)
        )
        return combine_beams(radar, communication, self.radar_fraction, self.phase)

    def sense(self, echo: torch.Tensor) -> Sensed:
        """Statistic and angle, P2 Eqs. (14) and (13); this receiver claims no uncertainty."""
        statistic, angle = self.model.sense(echo, self.model.windows(self.target_sector))
        return Sensed(statistic, angle, torch.full_like(angle, math.nan))

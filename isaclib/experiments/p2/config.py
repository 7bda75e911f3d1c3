"""Parameters of P2 Sec. V as frozen dataclasses, and the presets of its figures.

On the desk two cores manage 128 neurons and a tenth of the batch where the paper has 1,024 and
10,000 samples. Steering matrices are trained as in the paper.
"""

from dataclasses import dataclass, field, replace

import torch

from isaclib._validation import check_one_of
from isaclib.experiments.engine.tasks import Test
from isaclib.experiments.p1 import config as p1_config
from isaclib.experiments.p1.config import Impairment, SpacingReading
from isaclib.learning.losses import AngleUnit
from isaclib.receivers.softmax import Reading
from isaclib.signal.arrays import element_positions
from isaclib.signal.noise import step_generator
from isaclib.signal.spacings import ImpairmentModel, impaired_positions
from isaclib.systems.sector_networks.training import Indicator
from isaclib.systems.steering_matrix.model import Perturbation

RADAR_WEIGHTS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.15, 0.4, 0.6, 0.8, 1.0)
"""Hyper-parameters omega_r of P2 Sec. V-A: weights of the networks' losses, rho of the others."""

SectorDeg = tuple[float, float]
"""Both ends of a sector [degrees]."""


@dataclass(frozen=True)
class Scenario(p1_config.Scenario):
    """The scenario of P2 Sec. V-A: P1's, another target sector, and a centred phase reference."""

    target_sector_deg: SectorDeg = (-40.0, -20.0)

    def nominal_positions(self) -> torch.Tensor:
        """Half-wavelength positions around zero, ``[num_antennas]``, float64 [wavelengths]."""
        return element_positions(self.num_antennas, reference="center")

    def positions(self, impairment: Impairment | None = None, seed: int = 0) -> torch.Tensor:
        """True element positions of the nominal array, or of an impaired one, likewise.

        Raises:
            ValueError: The reading of the impairment does not number elements from the centre.
        """
        if impairment is None:
            return self.nominal_positions()
        check_one_of("model", impairment.model, ("cumulative", "per_element_centered"))
        model: ImpairmentModel = "cumulative" if impairment.model == "cumulative" else "per_element"
        return impaired_positions(
            self.num_antennas,
            impairment.std_wavelengths,
            model=model,
            reference="center",
            generator=step_generator(seed, f"impairment/{impairment.model}", impairment.draw),
        )

    def towards(self, sector_deg: SectorDeg) -> "Scenario":
        """The same with another target sector [degrees]."""
        return replace(self, target_sector_deg=sector_deg)


@dataclass(frozen=True)
class MatrixTraining:
    """How a steering matrix is trained, P2 Sec. V-A, from the true one and a perturbation.

    Half of a batch has a target. ``reading`` is that of Eq. (13), see
    :func:`isaclib.receivers.softmax.softmax_angle`.
    """

    grid_size: int = 500
    steps: int = 50_000
    batch: int = 10_000
    learning_rate: float = 1e-3
    reading: Reading = "literal"
    perturbation: Perturbation = field(default_factory=Perturbation)


@dataclass(frozen=True)
class NetworkTraining:
    """How networks with so many hidden neurons are trained, P2 Sec. IV-A.2 and V-A.

    ``steps`` are those of each of the two training steps. For the readings of Eq. (11) and of the
    angle loss see :class:`isaclib.systems.sector_networks.training.SectorPlan`.
    """

    width: int = 1024
    steps: int = 50_000
    batch: int = 10_000
    learning_rate: float = 1e-3
    indicator: Indicator = "all"
    angle_unit: AngleUnit = "deg"


@dataclass(frozen=True)
class Config:
    """What all figures have in common; ``grid_size`` is that of the baseline's beams."""

    scenario: Scenario = Scenario()
    test: Test = Test()
    grid_size: int = 500


@dataclass(frozen=True)
class IdealConfig(Config):
    """Configuration of Fig. 3; the first of each reading is the figure's own.

    A steering matrix is trained in each reading of Eq. (13), and networks for fewer omega_r in each
    other reading of Eq. (11) and of the unit of the angle loss.
    """

    radar_weights: tuple[float, ...] = RADAR_WEIGHTS
    matrix: MatrixTraining = MatrixTraining()
    networks: NetworkTraining = NetworkTraining()
    readings: tuple[Reading, ...] = ("literal", "sector")
    indicators: tuple[Indicator, ...] = ("all", "present")
    angle_units: tuple[AngleUnit, ...] = ("deg", "rad")
    few_radar_weights: tuple[float, ...] = (0.01, 0.4, 1.0)

    def matrices(self) -> list[MatrixTraining]:
        """Training of a steering matrix in each reading."""
        return [replace(self.matrix, reading=reading) for reading in self.readings]

    def networks_and_readings(self) -> list[NetworkTraining]:
        """Training of the figure's networks, and of those that differ from them in one reading."""
        others = [replace(self.networks, indicator=i) for i in self.indicators[1:]]
        others += [replace(self.networks, angle_unit=unit) for unit in self.angle_units[1:]]
        return [self.networks, *others]


@dataclass(frozen=True)
class ArraysConfig(Config):
    """What the figures with spacing errors have in common.

    Attributes:
        unseen_sector_deg: Target sector of Fig. 5, twice as wide as any that is trained on.
        std_wavelengths: Standard deviation of the spacings [wavelengths].
        baseline_draws: Arrays that the baseline is measured on.
        matrix_draws: Arrays that steering matrices are trained for, the first of the same.
    """

    unseen_sector_deg: SectorDeg = (-20.0, 20.0)
    std_wavelengths: float = 1 / 30
    baseline_draws: int = 20
    matrix_draws: int = 3

    def sectors(self) -> dict[str, SectorDeg]:
        """Target sectors, of which training meets the like of the first."""
        return {"seen": self.scenario.target_sector_deg, "unseen": self.unseen_sector_deg}

    def arrays(self, model: SpacingReading, draws: int) -> list[Impairment]:
        """The first arrays under a reading of the spacing errors."""
        return [Impairment(model, self.std_wavelengths, draw) for draw in range(draws)]


@dataclass(frozen=True)
class ImpairedConfig(ArraysConfig):
    """Configuration of Figs. 4 and 5, which show the same systems.

    ``model`` is the reading of the spacing errors: P2 draws K-1 distances between neighbours.
    """

    radar_weights: tuple[float, ...] = RADAR_WEIGHTS
    rhos: tuple[float, ...] = RADAR_WEIGHTS
    unlimited: tuple[MatrixTraining, NetworkTraining] = (MatrixTraining(), NetworkTraining())
    limited: tuple[MatrixTraining, NetworkTraining] = (
        MatrixTraining(grid_size=156),
        NetworkTraining(width=21),
    )
    model: SpacingReading = "cumulative"
    network_draws: int = 1

    def trainings(self) -> dict[str, tuple[MatrixTraining, NetworkTraining]]:
        """Trainings of steering matrix and networks by the limit on their complexity."""
        return {"unlimited": self.unlimited, "limited": self.limited}


@dataclass(frozen=True)
class ReadingsConfig(ArraysConfig):
    """Configuration of the comparison of the readings of the spacing errors.

    They are the text's, and what putting :math:`d_k` into the printed steering vector gives.
    """

    models: tuple[SpacingReading, ...] = ("cumulative", "per_element_centered")
    matrix: MatrixTraining = MatrixTraining(grid_size=156)


# Presets

_SMOKE_TEST = Test(samples=2000, block=1000)
_SMOKE_MATRIX = MatrixTraining(grid_size=60, steps=3, batch=100)
_SMOKE_NETWORKS = NetworkTraining(width=8, steps=3, batch=100)
_DESK_TEST = Test(samples=200_000)
_DESK_WIDE = NetworkTraining(width=128, steps=8000, batch=1000)
_DESK_NARROW = NetworkTraining(width=21, steps=20_000, batch=1000)

IDEAL_PRESETS = {
    "smoke": IdealConfig(
        test=_SMOKE_TEST,
        radar_weights=(0.0, 0.4, 1.0),
        grid_size=60,
        matrix=_SMOKE_MATRIX,
        networks=_SMOKE_NETWORKS,
        few_radar_weights=(0.4,),
    ),
    "desk": IdealConfig(test=_DESK_TEST, networks=_DESK_WIDE),
    "paper": IdealConfig(),
}
IMPAIRED_PRESETS = {
    "smoke": ImpairedConfig(
        test=_SMOKE_TEST,
        radar_weights=(0.0, 0.4, 1.0),
        rhos=(0.0, 1.0),
        grid_size=60,
        unlimited=(_SMOKE_MATRIX, _SMOKE_NETWORKS),
        limited=(replace(_SMOKE_MATRIX, grid_size=40), replace(_SMOKE_NETWORKS, width=4)),
        baseline_draws=2,
        matrix_draws=1,
    ),
    "desk": ImpairedConfig(
        test=_DESK_TEST,
        unlimited=(MatrixTraining(), _DESK_WIDE),
        limited=(MatrixTraining(grid_size=156), _DESK_NARROW),
    ),
    "paper": ImpairedConfig(),
}
READINGS_PRESETS = {
    "smoke": ReadingsConfig(
        test=_SMOKE_TEST, grid_size=60, matrix=_SMOKE_MATRIX, baseline_draws=2, matrix_draws=1
    ),
    "desk": ReadingsConfig(test=_DESK_TEST, matrix=MatrixTraining(grid_size=156, steps=10_000)),
    "paper": ReadingsConfig(),
}

"""Parameters of P1 Sec. IV as frozen dataclasses, and the presets of its figures."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from isaclib._validation import check_one_of
from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.experiments.engine.tasks import Test
from isaclib.learning.networks import seeded
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.noise import step_generator
from isaclib.signal.spacings import impaired_positions
from isaclib.systems.autoencoder.model import SEQUENTIAL, Autoencoder, StageName
from isaclib.systems.autoencoder.training import AngleUnit, TrainingPlan

RADAR_WEIGHTS = (0.0, 0.01, 0.014, 0.015, 0.03, 0.09, 0.15, 0.4, 0.6, 0.7, 1.0)
"""Hyper-parameters omega_r of P1 Fig. 2."""

IMPAIRED_RADAR_WEIGHTS = (0.0, 1e-6, 1e-4, 1e-2, 1.5e-2, 0.03, 0.05, 0.15, 0.4, 0.9, 1.0)
"""Hyper-parameters omega_r of P1 Fig. 5."""


SpacingReading = Literal["cumulative", "per_element", "per_element_centered"]
"""What the spacings :math:`d_k` of P1 Sec. IV-E do, see
:func:`isaclib.signal.spacings.impaired_positions`: distances between neighbours, as the text says;
element k at k times :math:`d_k`, as the printed steering vector has it; or the same with k counted
from the centre of the array, as in P3."""


@dataclass(frozen=True)
class Impairment:
    """Which array of a random family is meant.

    Attributes:
        model: Reading of the spacing errors.
        std_wavelengths: Standard deviation of the spacings [wavelengths].
        draw: Index of the realization.
    """

    model: SpacingReading
    std_wavelengths: float
    draw: int


@dataclass(frozen=True)
class Scenario:
    """The scenario of P1 Sec. IV-A.

    Attributes:
        num_antennas: Number of array elements K.
        order: Number of messages.
        snr_r_db: Average radar SNR [dB].
        snr_c_db: Average communication SNR [dB].
        target_sector_deg: Where the target can be [degrees].
        receiver_sector_deg: Where the communication receiver can be [degrees].
        p_fa: False-alarm probability of the tests.
    """

    num_antennas: int = 16
    order: int = 4
    snr_r_db: float = 0.0
    snr_c_db: float = 20.0
    target_sector_deg: tuple[float, float] = (-20.0, 20.0)
    receiver_sector_deg: tuple[float, float] = (30.0, 50.0)
    p_fa: float = 1e-2

    @property
    def target_sector(self) -> Sector:
        """Where the target can be."""
        return Sector(*self.target_sector_deg)

    @property
    def receiver_sector(self) -> Sector:
        """Where the communication receiver can be."""
        return Sector(*self.receiver_sector_deg)

    def nominal_positions(self) -> torch.Tensor:
        """Half-wavelength positions from the first element on, ``[antennas]`` [wavelengths]."""
        return element_positions(self.num_antennas)

    def positions(self, impairment: Impairment | None = None, seed: int = 0) -> torch.Tensor:
        """True element positions, ``[antennas]``, float64 [wavelengths]; nominal if not impaired.

        A centred array is moved so that its nominal first element is at zero, like the others: a
        shift changes every steering vector by a common phase alone.
        """
        if impairment is None:
            return self.nominal_positions()
        check_one_of("model", impairment.model, get_args(SpacingReading))
        centered = impairment.model == "per_element_centered"
        positions = impaired_positions(
            self.num_antennas,
            impairment.std_wavelengths,
            model="cumulative" if impairment.model == "cumulative" else "per_element",
            reference="center" if centered else "first",
            generator=step_generator(seed, f"impairment/{impairment.model}", impairment.draw),
        )
        return positions + self.nominal_positions().mean() if centered else positions

    def channels(self, positions: torch.Tensor) -> tuple[RadarChannel, CommunicationChannel]:
        """Radar and communication channel of an array with these positions [wavelengths]."""
        return (
            RadarChannel(positions, self.target_sector, self.snr_r_db),
            CommunicationChannel(positions, self.receiver_sector, self.snr_c_db),
        )

    def autoencoder(self, seed: int) -> Autoencoder:
        """Untrained networks, their initial parameters drawn from a seed."""
        return seeded(
            Autoencoder,
            self.num_antennas,
            self.order,
            self.target_sector,
            self.receiver_sector,
            seed=seed,
        )


@dataclass(frozen=True)
class Training:
    """How the autoencoders of a figure are trained, P1 Sec. IV-C.

    Attributes:
        steps: Steps a stage; times ``batch`` this is P1's 20 million samples a network.
        batch: Samples a step.
        learning_rate: Adam's step size.
        angle_unit: Unit of the angle in the mean squared error of the first stage.
        repetitions: Independent trainings of each autoencoder, other initial parameters and
            other samples.
    """

    steps: int = 2000
    batch: int = 10_000
    learning_rate: float = 0.01
    angle_unit: AngleUnit = "deg"
    repetitions: int = 1

    def plan(
        self,
        radar_weight: float,
        unit: AngleUnit | None = None,
        stages: tuple[StageName, ...] = SEQUENTIAL,
        length: int = 1,
    ) -> TrainingPlan:
        """Plan for a radar weight, each stage some times as long as the training says."""
        steps, unit = length * self.steps, unit or self.angle_unit
        return TrainingPlan(radar_weight, stages, steps, self.batch, self.learning_rate, unit)


@dataclass(frozen=True)
class Learning:
    """What the figures with autoencoders have in common.

    Attributes:
        scenario: Array, sectors and SNRs.
        training: Training of the autoencoders.
        test: Sample counts.
        radar_weights: Hyper-parameters omega_r.
    """

    scenario: Scenario = Scenario()
    training: Training = Training(repetitions=3)
    test: Test = Test()
    radar_weights: tuple[float, ...] = RADAR_WEIGHTS


@dataclass(frozen=True)
class TradeoffConfig(Learning):
    """Configuration of Fig. 2, and of Figs. 3 and 4, which show the same autoencoders.

    Attributes:
        angle_units: Units of the first stage's angle to train with: the figure's own, with all
            repetitions, and others for comparison, with one.
        rhos: Trade-off parameters rho of the baseline.
        num_phases: Number of baseline phases varphi, equally spaced over the circle.
        grid_size: Grid angles N_grid of the baseline's beams.
    """

    angle_units: tuple[AngleUnit, ...] = ("deg", "rad")
    rhos: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 1.0)
    num_phases: int = 8
    grid_size: int = 500


@dataclass(frozen=True)
class ImpairedConfig(Learning):
    """Configuration of Fig. 5.

    Attributes:
        other_radar_weights: Fewer of them, for the readings that are not the figure's own.
        models: Readings of the spacing errors, the figure's own first.
        std_wavelengths: Standard deviation of the spacings [wavelengths].
        baseline_draws: Arrays that the baseline is measured on.
        learned_draws: Arrays that the autoencoder is trained for, the first of the same.
        rhos: Trade-off parameters rho of the baseline, its phase being 0.
        grid_size: Grid angles N_grid of the baseline's beams.
    """

    training: Training = Training()
    radar_weights: tuple[float, ...] = IMPAIRED_RADAR_WEIGHTS
    other_radar_weights: tuple[float, ...] = (1e-2, 0.05, 0.9)
    models: tuple[SpacingReading, ...] = ("cumulative", "per_element")
    std_wavelengths: float = 1 / 30
    baseline_draws: int = 20
    learned_draws: int = 3
    rhos: tuple[float, ...] = (0.0, 0.1, 0.35, 0.65, 0.9, 1.0)
    grid_size: int = 500


@dataclass(frozen=True)
class PenaltyConfig:
    """Configuration of the sweep over readings and sizes of the spacing errors.

    Attributes:
        scenario: Array, sectors and SNRs.
        test: Sample counts.
        models: Readings of the spacing errors.
        stds_wavelengths: Standard deviations of the spacings [wavelengths].
        draws: Arrays of each.
        rho: Trade-off parameter of the baseline, its phase being 0.
        grid_size: Grid angles N_grid of the baseline's beams.
    """

    scenario: Scenario = Scenario()
    test: Test = Test(samples=200_000)
    models: tuple[SpacingReading, ...] = ("cumulative", "per_element", "per_element_centered")
    stds_wavelengths: tuple[float, ...] = (1 / 60, 1 / 30, 1 / 20, 1 / 10)
    draws: int = 20
    rho: float = 0.65
    grid_size: int = 500


@dataclass(frozen=True)
class SequentialConfig(Learning):
    """Configuration of the comparison of training schedules, P1 Sec. IV-C.

    The sequential ones are those of Fig. 2 at some of its radar weights.
    """

    radar_weights: tuple[float, ...] = (0.01, 0.09, 0.4, 1.0)


# Presets

_SMOKE_TRAINING, _DESK_TRAINING = Training(steps=3, batch=200), Training(steps=500)
SMOKE_TEST, DESK_TEST = Test(samples=2000, block=1000), Test(samples=200_000)

TRADEOFF_PRESETS = {
    "smoke": TradeoffConfig(
        training=_SMOKE_TRAINING,
        test=SMOKE_TEST,
        radar_weights=(0.0, 0.09, 1.0),
        rhos=(0.0, 0.5, 1.0),
        num_phases=2,
    ),
    "desk": TradeoffConfig(training=_DESK_TRAINING, test=DESK_TEST),
    "paper": TradeoffConfig(),
}
IMPAIRED_PRESETS = {
    "smoke": ImpairedConfig(
        training=_SMOKE_TRAINING,
        test=SMOKE_TEST,
        radar_weights=(0.0, 1.0),
        other_radar_weights=(1.0,),
        baseline_draws=2,
        learned_draws=1,
        rhos=(0.0, 1.0),
    ),
    "desk": ImpairedConfig(training=_DESK_TRAINING, test=DESK_TEST, learned_draws=1),
    "paper": ImpairedConfig(),
}
PENALTY_PRESETS = {
    "smoke": PenaltyConfig(test=SMOKE_TEST, stds_wavelengths=(1 / 30,), draws=2),
    "desk": PenaltyConfig(test=Test(samples=100_000)),
    "paper": PenaltyConfig(),
}
SEQUENTIAL_PRESETS = {
    "smoke": SequentialConfig(training=_SMOKE_TRAINING, test=SMOKE_TEST, radar_weights=(0.09, 1.0)),
    "desk": SequentialConfig(training=_DESK_TRAINING, test=DESK_TEST),
    "paper": SequentialConfig(),
}

"""The pieces of P2's figures: train steering matrices and networks, measure them and the baseline.

P2 trains for all sectors at once, so a system is measured for any target sector.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from isaclib._progress import report
from isaclib.experiments.engine.tasks import At, Outcome, Point, Task, Test, Work
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p1.tasks import (
    baseline_transceiver,
    measurement_of,
    performance_values,
)
from isaclib.experiments.p2.config import MatrixTraining, NetworkTraining, Scenario, SectorDeg
from isaclib.learning.networks import load_parameters, seeded
from isaclib.metrics import Estimate
from isaclib.signal.modulation import qam
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.sector_networks.training import SectorPlan, train_sector_autoencoder
from isaclib.systems.steering_matrix.model import (
    ModelDriven,
    ModelDrivenTransceiver,
    seeded_model_driven,
)
from isaclib.systems.steering_matrix.training import ModelDrivenPlan, train_model_driven
from isaclib.systems.transceiver import Performance, Transceiver, measure, operating_point

Shares = tuple[float, ...]
"""Trade-off parameters: rho of the baseline, omega_r of a steering matrix."""

Transceivers = Iterator[tuple[At, Transceiver]]
"""A system at each of its trade-off parameters, with their coordinate."""


@dataclass(frozen=True)
class Setting:
    """A scenario, the seed of parameters, samples and arrays, and which array; None is nominal."""

    scenario: Scenario
    seed: int
    impairment: Impairment | None = None

    def positions(self) -> torch.Tensor:
        """True element positions, ``[antennas]``, float64 [wavelengths]."""
        return self.scenario.positions(self.impairment, self.seed)


@dataclass(frozen=True)
class LeastSquares:
    """The baseline of P2 Sec. III, which knows the true positions or assumes the nominal ones."""

    setting: Setting
    known: bool
    grid_size: int

    def transceivers(self, scenario: Scenario, shares: Shares, work: Work) -> Transceivers:
        """It at each rho."""
        assumed = self.setting.positions() if self.known else scenario.nominal_positions()
        symbols = qam(scenario.order).to(work.device)
        for rho in shares:
            point = baseline_transceiver(scenario, assumed, rho, 0.0, self.grid_size)
            beam = point.beamformer.to(work.device)
            yield {"rho": rho}, replace(point, symbols=symbols, beamformer=beam)


@dataclass(frozen=True)
class TrainMatrix(Task):
    """Train a steering matrix; the outcome's tensors are its parameters."""

    setting: Setting
    training: MatrixTraining

    def untrained(self) -> ModelDriven:
        """The matrix that training begins with."""
        return seeded_model_driven(
            self.setting.scenario.num_antennas,
            self.training.grid_size,
            seed=self.setting.seed,
            perturbation=self.training.perturbation,
            reading=self.training.reading,
        )

    def run(self, work: Work) -> Outcome:
        """Train, or go on from a checkpoint."""
        setting, training = self.setting, self.training
        model = self.untrained().to(work.device)
        size = (training.steps, training.batch, training.learning_rate)
        plan = ModelDrivenPlan(*size, order=setting.scenario.order)
        radar, _ = setting.scenario.channels(setting.positions())
        train_model_driven(
            model, radar, plan, work.directory, seed=setting.seed, device=work.device
        )
        return Outcome(tensors=model.state_dict())

    def transceivers(self, scenario: Scenario, shares: Shares, work: Work) -> Transceivers:
        """The trained matrix at each omega_r, which is its rho."""
        model, symbols = self.untrained(), qam(scenario.order).to(work.device)
        load_parameters(model, work.outcome(self).tensors)
        sectors = (scenario.target_sector, scenario.receiver_sector)
        for share in shares:
            system = ModelDrivenTransceiver(model.to(work.device), *sectors, share, symbols=symbols)
            yield {"omega_r": share}, system


@dataclass(frozen=True)
class TrainNetworks(Task):
    """Train networks for one omega_r; the outcome's tensors are their parameters.

    There are two training steps: the second starts with networks that have been through the first.
    """

    setting: Setting
    training: NetworkTraining
    radar_weight: float
    start: "TrainNetworks | None" = None

    def model(self, before: "TrainNetworks | None", work: Work) -> SectorAutoencoder:
        """Networks as a step left them, or untrained."""
        scenario = self.setting.scenario
        sizes = (scenario.num_antennas, scenario.order, self.training.width)
        model = seeded(SectorAutoencoder, *sizes, seed=self.setting.seed)
        if before:
            load_parameters(model, work.outcome(before).tensors)
        return model.to(work.device)

    def run(self, work: Work) -> Outcome:
        """Train, or go on from a checkpoint."""
        setting, model = self.setting, self.model(self.start, work)
        options = {k: v for k, v in vars(self.training).items() if k != "width"}
        train_sector_autoencoder(
            model,
            *setting.scenario.channels(setting.positions()),
            SectorPlan(self.radar_weight, **options),
            work.directory,
            seed=setting.seed,
            device=work.device,
            steps=("angle" if self.start else "detection",),
        )
        return Outcome(tensors=model.state_dict())

    def transceivers(self, scenario: Scenario, shares: Shares, work: Work) -> Transceivers:
        """The trained networks, which were trained for one omega_r."""
        model = self.model(self, work)
        yield {}, SectorTransceiver(model, scenario.target_sector, scenario.receiver_sector)


System = LeastSquares | TrainMatrix | TrainNetworks


@dataclass(frozen=True)
class Measure(Task):
    """Measure a system for targets in a sector, at its trade-off parameters if it has several."""

    coordinates = ("rho", "omega_r")

    system: System
    sector_deg: SectorDeg
    test: Test
    shares: Shares = ()

    def run(self, work: Work) -> Outcome:
        """Measure."""
        setting = self.system.setting
        scenario = setting.scenario.towards(self.sector_deg)
        radar, communication = scenario.channels(setting.positions())
        measurement = measurement_of(scenario, self.test, setting.seed, work)
        operating, points = None, []
        for at, system in self.system.transceivers(scenario, self.shares, work):
            # Without a target the beam does not matter: one threshold is that of all points.
            operating = operating or operating_point(system, radar, measurement)
            found = measure(system, radar, communication, measurement, operating)
            points.append(Point(values(found), at))
            report(len(points) / max(len(self.shares), 1))
        return Outcome(points)


def values(found: Performance) -> dict[str, Estimate]:
    """Performance as stored: misdetections, and angles in degrees."""
    own = {"p_md": found.p_d.complement(), **performance_values(found)}
    return {name: own[name] for name in ("ser", "p_md", "p_fa", "rmse_deg", "threshold")}

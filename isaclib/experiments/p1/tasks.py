"""The pieces of P1's figures: train an autoencoder, measure it or the baseline, trace a beam."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch

from isaclib.experiments.engine.tasks import Outcome, Point, Task, Test, Work
from isaclib.experiments.p1.config import Impairment, Scenario
from isaclib.learning.networks import load_parameters
from isaclib.metrics import Estimate
from isaclib.signal.arrays import beampattern
from isaclib.signal.beamforming import FIELD_OF_VIEW, combine_beams, least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.systems.autoencoder.model import Autoencoder
from isaclib.systems.autoencoder.training import TrainingPlan, train_autoencoder
from isaclib.systems.transceiver import (
    Baseline,
    Measurement,
    Performance,
    Transceiver,
    measure,
    operating_point,
)

Receivers = Literal["learned", "classical"]
"""What is behind a learned beam: its networks, or ML decisions and the MAPRT with the true element
positions, which tells the transmitter's share from the receivers'."""


@dataclass(frozen=True)
class TrainAutoencoder(Task):
    """Train one autoencoder; the outcome's tensors are its networks' parameters.

    Attributes:
        scenario: Channels and sizes.
        plan: Stages, radar weight and lengths.
        seed: Seed of initial parameters, samples and array.
        impairment: Which impaired array; the nominal one if not given.
    """

    scenario: Scenario
    plan: TrainingPlan
    seed: int
    impairment: Impairment | None = None

    def positions(self) -> torch.Tensor:
        """True element positions, ``[antennas]`` [wavelengths]."""
        return self.scenario.positions(self.impairment, self.seed)

    def run(self, work: Work) -> Outcome:
        """Train, or go on from a checkpoint."""
        model = self.scenario.autoencoder(self.seed).to(work.device)
        channels = self.scenario.channels(self.positions())
        train_autoencoder(
            model, *channels, self.plan, work.directory, seed=self.seed, device=work.device
        )
        return Outcome(tensors=model.state_dict())

    def model(self, work: Work) -> Autoencoder:
        """The trained networks."""
        model = self.scenario.autoencoder(self.seed)
        load_parameters(model, work.outcome(self).tensors)
        return model.to(work.device).eval()


@dataclass(frozen=True)
class MeasureAutoencoder(Task):
    """Measure a trained autoencoder, with its own receivers or with classical ones."""

    training: TrainAutoencoder
    receivers: Receivers
    test: Test
    seed: int

    @torch.no_grad()
    def run(self, work: Work) -> Outcome:
        """Measure."""
        scenario, positions = self.training.scenario, self.training.positions()
        model = self.training.model(work)
        system: Transceiver = model
        if self.receivers == "classical":
            sector = scenario.target_sector
            system = Baseline(model.constellation(), model.beam(), positions, sector)
        measurement = measurement_of(scenario, self.test, self.seed, work)
        found = measure(system, *scenario.channels(positions), measurement)
        return Outcome([Point(performance_values(found))])


@dataclass(frozen=True)
class MeasureBaseline(Task):
    """Measure the benchmark of P1 Sec. IV-B over its sweep, on one array.

    Attributes:
        scenario: Channels and sizes.
        points: Pairs of rho and of the phase varphi [rad], the points' coordinates.
        grid_size: Grid angles of its beams.
        test: Sample counts.
        seed: Seed of array and test samples.
        impairment: Which impaired array; the nominal one if not given.
        known: Whether it knows the true positions, or assumes the nominal ones.
    """

    coordinates = ("rho", "phase")

    scenario: Scenario
    points: tuple[tuple[float, float], ...]
    grid_size: int
    test: Test
    seed: int
    impairment: Impairment | None = None
    known: bool = True

    def run(self, work: Work) -> Outcome:
        """Measure."""
        scenario = self.scenario
        true = scenario.positions(self.impairment, self.seed)
        assumed = true if self.known else scenario.nominal_positions()
        radar, communication = scenario.channels(true)
        measurement = measurement_of(scenario, self.test, self.seed, work)
        symbols, operating, points = qam(scenario.order).to(work.device), None, []
        for rho, phase in self.points:
            system = baseline_transceiver(scenario, assumed, rho, phase, self.grid_size)
            beam = system.beamformer.to(work.device)
            system = replace(system, symbols=symbols, beamformer=beam)
            # Without a target the beam does not matter: one threshold is that of all points.
            operating = operating or operating_point(system, radar, measurement)
            found = measure(system, radar, communication, measurement, operating)
            points.append(Point(performance_values(found), {"rho": rho, "phase": phase}))
        return Outcome(points)


@dataclass(frozen=True)
class LeastSquares:
    """A least-squares beam for both sectors, in phase."""

    rho: float
    grid_size: int


@dataclass(frozen=True)
class Beampattern(Task):
    """Energy that a beam sends over the field of view, on the nominal array."""

    coordinates = ("angle_deg",)

    scenario: Scenario
    transmitter: TrainAutoencoder | LeastSquares

    @torch.no_grad()
    def run(self, work: Work) -> Outcome:
        """Evaluate the pattern."""
        theta, positions = FIELD_OF_VIEW.grid(721), self.scenario.nominal_positions()
        if isinstance(self.transmitter, LeastSquares):
            rho, size = self.transmitter.rho, self.transmitter.grid_size
            beam = baseline_transceiver(self.scenario, positions, rho, 0.0, size).beam()
        else:
            beam = self.transmitter.model(work).beam().cpu()
        pairs = zip(theta.rad2deg().tolist(), beampattern(beam, theta, positions), strict=True)
        return Outcome([Point({"energy": float(e)}, {"angle_deg": angle}) for angle, e in pairs])


def baseline_transceiver(
    scenario: Scenario, assumed: torch.Tensor, rho: float, phase: float, grid_size: int
) -> Baseline:
    """The benchmark of P1 Sec. IV-B for one point of its sweep."""
    radar, communication = (
        least_squares_beam(sector, assumed, grid_size=grid_size)
        for sector in (scenario.target_sector, scenario.receiver_sector)
    )
    beam = combine_beams(radar, communication, rho, phase)
    return Baseline(qam(scenario.order), beam, assumed, scenario.target_sector)


def measurement_of(scenario: Scenario, test: Test, seed: int, work: Work) -> Measurement:
    """How a transceiver of a scenario is measured."""
    return Measurement(test.samples, scenario.p_fa, seed, test.block, work.device)


def performance_values(found: Performance) -> dict[str, Estimate]:
    """Performance as stored: angles in degrees."""
    values = {"ser": found.ser, "p_d": found.p_d, "p_fa": found.p_fa}
    for name in ("rmse", "sigma", "sigma_mean"):
        angle = getattr(found, name)
        value, low, high = map(math.degrees, (angle.value, angle.low, angle.high))
        values[f"{name}_deg"] = Estimate(value, low, high, angle.count)
    level = found.threshold
    return {**values, "threshold": Estimate(level.value, level.low, level.high, level.count)}

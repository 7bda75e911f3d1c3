"""The pieces of P3's figures: train spacings, calibrate them, measure what they are worth.

A training leaves the spacings at its marks, 64 numbers each; a measurement takes the true ones, the
nominal ones, or those of a training.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch

from isaclib._progress import report
from isaclib.experiments.engine.tasks import Outcome, Point, Recorded, Task, Test, Work
from isaclib.experiments.p3.scenario import Array, Receiver, Scenario
from isaclib.metrics import Estimate
from isaclib.signal.spacings import spacing_positions
from isaclib.systems.spacings.calibration import calibrate
from isaclib.systems.spacings.constellation import measure_constellation
from isaclib.systems.spacings.measurement import (
    SensingPerformance,
    array_operating_point,
    measure_sensing,
    measure_symbols,
)
from isaclib.systems.spacings.model import Parameter, SpacingArray
from isaclib.systems.spacings.schedule import Stage
from isaclib.systems.spacings.training import train_impairment
from isaclib.systems.transceiver import Measurement


@dataclass(frozen=True)
class Trained:
    """Spacings after some iterations of a training.

    Attributes:
        training: The training.
        mark: Iterations of its stages, one of its marks.
    """

    training: "TrainSpacings"
    mark: int

    def spacings(self, work: Work) -> torch.Tensor:
        """``[antennas]``, float64 [wavelengths]; NaN where the training diverged before."""
        tensors = work.outcome(self.training).tensors
        return tensors["spacings"][tensors["marks"].tolist().index(self.mark)]


@dataclass(frozen=True)
class TrainSpacings(Recorded):
    """Train the spacings of one array.

    The outcome's tensors are ``marks`` and ``spacings``, ``[marks, antennas]``, NaN from where the
    training diverged [wavelengths].

    Attributes:
        scenario: Channels, grids and the arrays' distribution.
        array: Index of the array.
        seed: Seed of arrays and samples.
        stages: Losses, iterations and learning rates.
        parameter: What is learned, see :class:`isaclib.systems.spacings.model.SpacingArray`.
        start: Spacings that it begins with; those without impairments if not given.
        marks: Iterations of the stages after which the spacings are kept.
    """

    scenario: Scenario
    array: Array
    seed: int
    stages: tuple[Stage, ...]
    parameter: Parameter = "spacing"
    start: Trained | None = None
    marks: tuple[int, ...] = field(default=(), compare=False)

    def run(self, work: Work) -> Outcome:
        """Train, or go on from a checkpoint."""
        scene = self.scenario.scene(self.scenario.spacings(self.array, self.seed))
        model = SpacingArray(self.scenario.num_antennas, parameter=self.parameter)
        if self.start is not None:
            model.set_spacing(self.start.spacings(work))
        history = train_impairment(
            model.to(work.device),
            scene,
            self.stages,
            work.directory,
            seed=self.seed,
            marks=self.marks,
            device=work.device,
        )
        return Outcome(tensors={"marks": torch.tensor(self.marks), "spacings": history})


@dataclass(frozen=True)
class Calibrate(Task):
    """Estimate the spacings of one array from labelled samples by maximum likelihood."""

    scenario: Scenario
    array: Array
    seed: int
    samples: int

    def run(self, work: Work) -> Outcome:
        """Estimate; the outcome's tensor ``spacings`` is ``[antennas]`` [wavelengths]."""
        scene = self.scenario.scene(self.scenario.spacings(self.array, self.seed))
        model = SpacingArray(self.scenario.num_antennas).to(work.device)
        history = calibrate(model, scene, samples=self.samples, seed=self.seed, device=work.device)
        return Outcome(tensors={"spacings": history[-1]})

    def spacings(self, work: Work) -> torch.Tensor:
        """The estimate."""
        return work.outcome(self).tensors["spacings"]


Assumed = Literal["true", "nominal"] | Trained | Calibrate
"""Spacings that a transceiver assumes."""


@dataclass(frozen=True)
class Measure(Task):
    """Measure what a transceiver that assumes given spacings does on one array.

    Attributes:
        scenario: Channels, grids and the arrays' distribution.
        array: Index of the array.
        seed: Seed of arrays and test samples.
        assumed: Spacings that the transceiver assumes.
        test: Sample counts.
        receiver: Which grid its sensing receiver searches.
        beams: Pairs of the radar beam's share eta and the phase phi, which are the coordinates
            ``eta`` and ``phi`` of the points; the radar beam alone if there are none.
        symbols: Whether symbol errors are measured.
    """

    coordinates = ("eta", "phi")

    scenario: Scenario
    array: Array
    seed: int
    assumed: Assumed
    test: Test
    receiver: Receiver = "learned"
    beams: tuple[tuple[float, float], ...] = ()
    symbols: bool = False

    def run(self, work: Work) -> Outcome:
        """Measure; a training that diverged before has no points."""
        scenario = self.scenario
        true = scenario.spacings(self.array, self.seed)
        assumed = {"true": true, "nominal": scenario.nominal()}.get(str(self.assumed))
        if not isinstance(self.assumed, str):
            assumed = self.assumed.spacings(work)
        assert assumed is not None
        if not assumed.isfinite().all():
            return Outcome()
        measurement = measurement_of(scenario, self.test, self.seed, work)
        scene, channel = scenario.scene(true), scenario.communication(true)
        # Without a target the beam does not matter: one threshold is that of all beams.
        receiver = scenario.transceiver(assumed, self.receiver)
        operating = array_operating_point(receiver, scene.radar, scene.basis, measurement)
        points = []
        for number, (eta, phi) in enumerate(self.beams or ((1.0, 0.0),)):
            system = scenario.transceiver(assumed, self.receiver, eta, phi)
            found = measure_sensing(system, scene.radar, scene.basis, measurement, operating)
            values = {**sensing_values(found), "position_error": position_error(assumed, true)}
            if self.symbols:
                values["ser"] = measure_symbols(system, channel, measurement)
            points.append(Point(values, {"eta": eta, "phi": phi} if self.beams else {}))
            report((number + 1) / max(len(self.beams), 1))
        return Outcome(points)


@dataclass(frozen=True)
class MeasureConstellation(Task):
    """Measure the detector of Eq. (9), and the matched one, with a square constellation.

    The points' coordinate ``filter`` is one of
    :data:`isaclib.systems.spacings.constellation.FILTERS`.
    """

    coordinates = ("filter",)

    scenario: Scenario
    seed: int
    order: int
    test: Test

    def run(self, work: Work) -> Outcome:
        """Measure."""
        scenario = self.scenario
        measurement = measurement_of(scenario, self.test, self.seed, work)
        scene, system = scenario.scene(scenario.nominal()), scenario.transceiver(scenario.nominal())
        found = measure_constellation(
            system, scene.radar, scene.basis, measurement, order=self.order
        )
        return Outcome(
            [Point({"p_md": d.p_md, "p_fa": d.p_fa}, {"filter": k}) for k, d in found.items()]
        )


def measurement_of(scenario: Scenario, test: Test, seed: int, work: Work) -> Measurement:
    """How a transceiver of a scenario is measured."""
    return Measurement(test.samples, scenario.p_fa, seed, test.block, work.device)


def sensing_values(found: SensingPerformance) -> dict[str, Estimate]:
    """Performance as stored: angles in degrees."""
    level, angle = found.threshold, found.angle
    value, low, high = map(math.degrees, (angle.value, angle.low, angle.high))
    return {
        "p_md": found.p_md,
        "p_fa": found.p_fa,
        "position": found.position,
        "angle_deg": Estimate(value, low, high, angle.count),
        "range": found.distance,
        "threshold": Estimate(level.value, level.low, level.high, level.count),
    }


def position_error(assumed: torch.Tensor, true: torch.Tensor) -> Estimate:
    """Root mean square of the element positions' errors [wavelengths]."""
    error = spacing_positions(assumed) - spacing_positions(true)
    value = float(error.square().mean().sqrt())
    return Estimate(value, value, value, len(error))

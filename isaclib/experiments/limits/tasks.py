"""The pieces of the limits: the front of all beams on an array, and the limit of one beam there."""

import math
from dataclasses import dataclass

import torch

from isaclib.experiments.engine.tasks import Outcome, Point, Task, Test, Work
from isaclib.experiments.limits.systems import (
    Baseline,
    Known,
    SystemBeam,
    measured_values,
    scene_of,
)
from isaclib.limits.beams import certificate, errors_certificate, pareto_beams
from isaclib.limits.error_rates import known_place_level
from isaclib.metrics import Estimate
from isaclib.signal.modulation import qam
from isaclib.signal.noise import step_generator
from isaclib.systems.transceiver import Measurement


@dataclass(frozen=True)
class FindFront(Task):
    """Search the front of symbol errors and misses over all beams.

    The outcome's tensors are ``beam``, ``[beams, antennas, 2]``, float64, real and imaginary parts;
    and, ``[beams]`` each, ``ser``, ``p_md_search`` and ``floor`` at the level of the search,
    ``reached`` out of ``starts``, ``floor_known``, which no receiver with any beam within the limit
    misses less than, and ``ser_floor``, below which no beam's SER is.

    Attributes:
        baseline: What says where, and its threshold at which level.
        beams: Beams on the front.
        random: Random starts of each search, besides least-squares beams.
        seed: Seed of the starts.
    """

    baseline: Baseline
    beams: int
    random: int
    seed: int

    def run(self, work: Work) -> Outcome:
        """Search."""
        generator = step_generator(self.seed, "limits/front", 0)
        scene = scene_of(self.baseline)
        threshold = work.outcome(self.baseline).points[0].values["threshold"]
        assert isinstance(threshold, Estimate)
        search = scene.criteria(scene.level(threshold.value))
        known = scene.criteria(known_place_level(scene.scenario.p_fa))
        front = pareto_beams(search, self.beams, generator, random=self.random)
        # Beams that are good for one threshold are not the best for another, but prove a bound.
        columns = {
            "ser": [found.ser for found in front],
            "p_md_search": [found.p_md for found in front],
            "floor": [found.floor for found in front],
            "floor_known": [certificate(known, found.beam, found.limit) for found in front],
            "reached": [found.reached for found in front],
            "starts": [found.starts for found in front],
            "ser_floor": [errors_certificate(search, front[0].beam)] * len(front),
        }
        tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in columns.items()}
        beams = torch.stack([torch.view_as_real(found.beam) for found in front])
        return Outcome(tensors={"beam": beams, **tensors})


@dataclass(frozen=True)
class FrontBeam:
    """One of the best beams, by its index on the front."""

    front: FindFront
    index: int

    def known(self, work: Work) -> Known:
        """The beam, and what was found in the search for it."""
        found = {k: v[self.index] for k, v in work.outcome(self.front).tensors.items()}
        beam = torch.view_as_complex(found.pop("beam"))
        return Known(beam, qam(4), {name: float(value) for name, value in found.items()})


@dataclass(frozen=True)
class MeasureLimit(Task):
    """Measure what no receiver beats with one beam.

    Attributes:
        baseline: What says where.
        beam: The beam. If its system's detections are known, ``rmse_limit`` is for as many.
        test: Sample counts.
        seed: Seed of the test samples.
    """

    baseline: Baseline
    beam: FrontBeam | SystemBeam
    test: Test
    seed: int

    def run(self, work: Work) -> Outcome:
        """Measure."""
        known, scene, test = self.beam.known(work), scene_of(self.baseline), self.test
        if known is None:
            return Outcome()
        p_fa = scene.scenario.p_fa
        measurement = Measurement(test.samples, p_fa, self.seed, test.block, work.device)
        found = scene.limit(known.beam, known.symbols, measurement)
        detected = known.detected or 1 - found.p_md.value
        unit = 180 / math.pi if scene.spacings is None else 1.0
        values = {**known.values, "p_md": found.p_md, "p_fa": found.p_fa}
        errors = {"rmse": found.rmse, "rmse_limit": found.rmse_limit(detected)}
        for name, e in errors.items():
            values[name] = Estimate(unit * e.value, unit * e.low, unit * e.high, e.count)
        return Outcome([Point(values)])


@dataclass(frozen=True)
class ShowMeasured(Task):
    """Show what was measured of systems whose limits are not: their points, by other names."""

    coordinates = ("eta", "phi")

    measured: Task

    def run(self, work: Work) -> Outcome:
        """Rename."""
        points = work.outcome(self.measured).points
        return Outcome([Point(measured_values(point), point.at) for point in points])

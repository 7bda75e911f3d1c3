"""From P1's sweeps to series: the tasks of a curve, its points, and the bundle of its weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isaclib.experiments.p1.config import Impairment, Training
from isaclib.experiments.p1.tasks import train_and_measure
from isaclib.experiments.series.assembly import (
    collect_weights,
    folder_name,
    measurement_data,
    metric_series,
)
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Series
from isaclib.experiments.series.sweep import Task
from isaclib.systems.autoencoder.model import SEQUENTIAL, Stage
from isaclib.systems.autoencoder.training import TrainingPlan

METRICS = {
    "ser": "1",
    "p_d": "1",
    "p_fa": "1",
    "rmse_deg": "deg",
    "sigma_deg": "deg",
    "sigma_mean_deg": "deg",
    "threshold": "1",
}
"""Measured quantities of a point, with their units."""


def point_series(
    name: str, records: Sequence[dict[str, Any]], **parameters: Sequence[float]
) -> Series:
    """One curve from the records of its points and the parameters that were swept."""
    return metric_series(name, records, METRICS, **parameters)


@dataclass(frozen=True)
class Curve:
    """Autoencoders that differ in their radar weight alone.

    Attributes:
        name: Name of their series.
        radar_weights: Hyper-parameters omega_r.
        training: Lengths, learning rate and unit of the angle.
        repetition: Which independent training.
        impairment: Which impaired array; the nominal one if not given.
        stages: Training stages.
        length: Steps of each stage, in multiples of ``training.steps``.
    """

    name: str
    radar_weights: tuple[float, ...]
    training: Training
    repetition: int = 0
    impairment: Impairment | None = None
    stages: tuple[Stage, ...] = SEQUENTIAL
    length: int = 1

    def names(self) -> list[str]:
        """Name of each autoencoder: that of the curve with its radar weight."""
        return [f"{self.name}/omega={weight:g}" for weight in self.radar_weights]

    def tasks(self, context: RunContext) -> list[Task]:
        """Tasks that train and measure the autoencoders."""
        return [
            Task(
                folder_name(key),
                {
                    "scenario": asdict(context.config.scenario),
                    "impairment": None if self.impairment is None else asdict(self.impairment),
                    "plan": asdict(self._plan(weight)),
                    "measurement": measurement_data(context.config.test, context),
                    "seed": context.seed,
                    "repetition": context.seed + self.repetition,
                },
            )
            for key, weight in zip(self.names(), self.radar_weights, strict=True)
        ]

    def _plan(self, radar_weight: float) -> TrainingPlan:
        return TrainingPlan(
            radar_weight=radar_weight,
            stages=self.stages,
            steps=self.length * self.training.steps,
            batch=self.training.batch,
            learning_rate=self.training.learning_rate,
            angle_unit=self.training.angle_unit,
        )


def baseline_task(
    context: RunContext,
    key: str,
    points: Sequence[tuple[float, float]],
    *,
    known: bool = True,
    impairment: Impairment | None = None,
) -> Task:
    """Task that measures the baseline over a sweep."""
    return Task(
        key,
        {
            "scenario": asdict(context.config.scenario),
            "impairment": None if impairment is None else asdict(impairment),
            "seed": context.seed,
            "known": known,
            "points": [list(point) for point in points],
            "grid_size": context.config.grid_size,
            "measurement": measurement_data(context.config.test, context),
        },
    )


def run_curves(context: RunContext, curves: Sequence[Curve]) -> tuple[list[Series], dict[str, str]]:
    """Train and measure the autoencoders of all curves in one sweep.

    Returns:
        Two series a curve, with the networks' receivers and (``.../model-based``) with the
        model-based ones; and name and SHA-256 of the file that holds all weights.
    """
    tasks = [task for curve in curves for task in curve.tasks(context)]
    outcomes = iter(
        context.sweep.map(train_and_measure, tasks, context.state, label="autoencoders")
    )
    series: list[Series] = []
    for curve in curves:
        found = [next(outcomes) for _ in curve.radar_weights]
        for suffix, receivers in (("", "own"), ("/model-based", "model_based")):
            records = [outcome[receivers] for outcome in found]
            name = f"{curve.name}{suffix}"
            series.append(point_series(name, records, omega_r=curve.radar_weights))
    folders = {key: context.state / folder_name(key) for curve in curves for key in curve.names()}
    return series, collect_weights(context, folders)

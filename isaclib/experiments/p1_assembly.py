"""From P1's sweeps to series: the tasks of a curve, its points, and the bundle of its weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isaclib.experiments import RunContext
from isaclib.experiments.p1_config import Impairment, Test, Training
from isaclib.experiments.p1_tasks import WEIGHTS, train_and_measure
from isaclib.results import (
    Quantity,
    Result,
    Series,
    load_weights,
    provenance,
    save_weights,
)
from isaclib.sweep import Task
from isaclib.systems.autoencoder import SEQUENTIAL, Stage
from isaclib.systems.autoencoder_training import TrainingPlan

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
    quantities = {
        key: Quantity(key, [float(v) for v in values]) for key, values in parameters.items()
    }
    for metric, unit in METRICS.items():
        columns = {end: [r[metric][end] for r in records] for end in ("value", "low", "high")}
        counts = [int(r[metric]["count"]) for r in records]
        quantities[metric] = Quantity(
            metric, columns["value"], columns["low"], columns["high"], counts, unit
        )
    return Series(name, quantities)


def _measurement(test: Test, context: RunContext) -> dict[str, Any]:
    return {**asdict(test), "seed": context.seed, "device": context.device}


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
        """Tasks that train and measure the autoencoders.

        Args:
            context: Preset, seed, device and folders.

        Returns:
            A task a radar weight.
        """
        return [
            Task(
                _folder(key),
                {
                    "scenario": asdict(context.config.scenario),
                    "impairment": None if self.impairment is None else asdict(self.impairment),
                    "plan": asdict(self._plan(weight)),
                    "measurement": _measurement(context.config.test, context),
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


def _folder(key: str) -> str:
    """File name for the name of an autoencoder."""
    return key.replace("/", "_").replace(", ", "-").replace(" ", "-")


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
            "measurement": _measurement(context.config.test, context),
        },
    )


def _collect_weights(context: RunContext, folders: dict[str, Path]) -> dict[str, str]:
    """Put the weights of all trainings into one file, under their names; name and hash of it."""
    bundle = {
        f"{name}/{parameter}": tensor
        for name, folder in folders.items()
        for parameter, tensor in load_weights(folder / WEIGHTS).items()
    }
    file = f"{context.figure}.safetensors"
    return {file: save_weights(context.state / file, bundle)}


def finished(
    context: RunContext,
    series: list[Series],
    started: float,
    weights: dict[str, str] | None = None,
) -> Result:
    """Result of a run that ends now.

    Args:
        context: What was run.
        series: Its curves.
        started: Value of :func:`time.perf_counter` when it began [s].
        weights: SHA-256 of each weights file, by its name.

    Returns:
        The result with its provenance.
    """
    return Result(
        figure=context.figure,
        preset=context.preset,
        config=asdict(context.config),
        series=series,
        provenance=provenance(
            seed=context.seed, device=context.device, started=started, weights=weights
        ),
    )


def run_curves(context: RunContext, curves: Sequence[Curve]) -> tuple[list[Series], dict[str, str]]:
    """Train and measure the autoencoders of all curves in one sweep.

    Args:
        context: Preset, seed, device and folders.
        curves: What to train.

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
    folders = {key: context.state / _folder(key) for curve in curves for key in curve.names()}
    return series, _collect_weights(context, folders)

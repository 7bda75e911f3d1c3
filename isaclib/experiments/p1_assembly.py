"""From P1's sweeps to series: the tasks of a curve, its points, and the bundle of its weights."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
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
from isaclib.systems.autoencoder import SEQUENTIAL
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


def learned_task(
    context: RunContext,
    key: str,
    *,
    plan: TrainingPlan,
    repetition: int,
    impairment: Impairment | None = None,
) -> Task:
    """Task that trains and measures one autoencoder."""
    return Task(
        key,
        {
            "scenario": asdict(context.config.scenario),
            "impairment": None if impairment is None else asdict(impairment),
            "plan": asdict(plan),
            "measurement": _measurement(context.config.test, context),
            "seed": context.seed,
            "repetition": context.seed + repetition,
        },
    )


def sequential_plan(training: Training, radar_weight: float) -> TrainingPlan:
    """Plan of P1 Sec. IV-C for one radar weight.

    Args:
        training: Lengths and learning rate.
        radar_weight: Hyper-parameter omega_r.

    Returns:
        The plan.
    """
    return TrainingPlan(
        radar_weight=radar_weight,
        stages=SEQUENTIAL,
        steps=training.steps,
        batch=training.batch,
        learning_rate=training.learning_rate,
        angle_unit=training.angle_unit,
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


def _curve(
    context: RunContext,
    name: str,
    make_task: Callable[[str, float], Task],
) -> tuple[list[Task], dict[str, Path]]:
    """Tasks of one autoencoder curve over all radar weights, and where their weights will be."""
    tasks, folders = [], {}
    for weight in context.config.radar_weights:
        key = f"{name}/omega={weight:g}".replace("/", "_").replace(", ", "-").replace(" ", "-")
        tasks.append(make_task(key, weight))
        folders[f"{name}/omega={weight:g}"] = context.state / key
    return tasks, folders


def run_curves(
    context: RunContext, curves: dict[str, Callable[[str, float], Task]], label: str
) -> tuple[list[Series], dict[str, str]]:
    """Train and measure all curves in one sweep; their series and the bundle of their weights."""
    tasks: list[Task] = []
    folders: dict[str, Path] = {}
    for name, make_task in curves.items():
        curve_tasks, curve_folders = _curve(context, name, make_task)
        tasks += curve_tasks
        folders |= curve_folders
    outcomes = context.sweep.map(train_and_measure, tasks, context.state, label=label)
    weights = list(context.config.radar_weights)
    series = []
    for index, name in enumerate(curves):
        part = outcomes[index * len(weights) : (index + 1) * len(weights)]
        series.append(point_series(name, [o["own"] for o in part], omega_r=weights))
        series.append(
            point_series(f"{name}/model-based", [o["model_based"] for o in part], omega_r=weights)
        )
    return series, _collect_weights(context, folders)

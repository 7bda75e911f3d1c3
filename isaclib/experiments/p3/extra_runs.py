"""What is run beyond P3's figures: ways to learn the spacings, and other constellations."""

import time
from collections.abc import Sequence

import torch

from isaclib.experiments.engine.assembly import finished, measurement_data, metric_series
from isaclib.experiments.engine.figures import RunContext
from isaclib.experiments.engine.results import Result, save_weights
from isaclib.experiments.engine.sweep import Task
from isaclib.experiments.p3.courses import (
    Course,
    Point,
    array_data,
    measure_points,
    train_courses,
)
from isaclib.experiments.p3.runs import SENSING, History, references, single_points
from isaclib.experiments.p3.tasks import calibrate_spacings, measure_symbol_shapes
from isaclib.systems.spacings.constellation import FILTERS


def run_learning(context: RunContext) -> Result:
    """Ways to learn the spacings, on as many labelled samples.

    Returns:
        For each array the series ``supervised/0`` and so on over ``samples``, one for each
        variation, ``calibration/0``, and the points ``known/0``, ``unknown/0`` and ``ideal/0``.
        The stored weights are the calibrated spacings.
    """
    started, config = time.perf_counter(), context.config
    courses = []
    for variation in config.variations:
        marks = variation.training.marks(config.shares)
        for draw in range(config.draws):
            stages = variation.training.stages("SL")
            courses.append(
                Course(f"{variation.name}/{draw}", draw, variation.training, stages, marks)
            )
    trained = train_courses(context, courses, "variations")
    # One that diverged before its first mark has no points.
    histories: dict[str, History] = {name: history for name, history in trained.items() if history}
    samples = {course.name: course.training.batch for course in courses}
    histories.update(_calibrations(context))
    baselines = references(context, config.calibration_draws)
    points = [*baselines]
    for name, history in histories.items():
        draw = int(name.partition("/")[2])
        points += [Point(f"{name}/{n}", draw, s, config.test) for n, s in history.items()]
    records = measure_points(context, points)
    series = single_points(baselines, records)
    for name, history in histories.items():
        found = [records[f"{name}/{n}"][0] for n in history]
        counts = [n * samples.get(name, 1) for n in history]
        series.append(metric_series(name, found, SENSING, samples=counts))
    bundle = {
        name: torch.tensor(list(history.values()), dtype=torch.float64)
        for name, history in histories.items()
    }
    file = f"{context.figure}.safetensors"
    return finished(context, series, started, {file: save_weights(context.state / file, bundle)})


def _calibrations(context: RunContext) -> dict[str, History]:
    """Estimate spacings from several numbers of samples, for each array."""
    config = context.config
    pairs = [(draw, n) for draw in range(config.calibration_draws) for n in config.calibrations]
    tasks = [
        Task(
            f"calibrate_{draw}_{count}",
            {
                **array_data(context, draw),
                "samples": count,
                "device": context.device,
            },
        )
        for draw, count in pairs
    ]
    outcomes = context.sweep.map(calibrate_spacings, tasks, context.state, label="calibrations")
    found: dict[str, dict[int, Sequence[float]]] = {}
    for (draw, count), outcome in zip(pairs, outcomes, strict=True):
        found.setdefault(f"calibration/{draw}", {})[count] = outcome["spacings"]
    return dict(found)


def run_constellation(context: RunContext) -> Result:
    """The detector of Eq. (9), and the matched one, with several constellations."""
    started, config = time.perf_counter(), context.config
    tasks = [
        Task(
            f"qam_{order}",
            {
                **array_data(context, 0),
                "order": order,
                "measurement": measurement_data(config.test, context),
            },
        )
        for order in config.orders
    ]
    outcomes = context.sweep.map(
        measure_symbol_shapes, tasks, context.state, label="constellations"
    )
    metrics = {"p_md": "1", "p_fa": "1"}
    series = [
        metric_series(name, [o[name] for o in outcomes], metrics, order=config.orders)
        for name in FILTERS
    ]
    return finished(context, series, started)

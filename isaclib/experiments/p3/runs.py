"""What each figure of P3 runs.

The trainings of Fig. 3 are stored with it, as the spacings at all marks, and Figs. 4 and 5 go on
from there: P3's semi-supervised learning begins as supervised learning does, on the same samples.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from isaclib.experiments.engine.assembly import (
    finished,
    metric_series,
    stored_sibling,
    stored_weights,
)
from isaclib.experiments.engine.figures import RunContext
from isaclib.experiments.engine.results import Result, Series, save_weights
from isaclib.experiments.p1.config import Test
from isaclib.experiments.p3.config import Learning
from isaclib.experiments.p3.courses import (
    Point,
    fork,
    measure_points,
    train_courses,
    whole,
)
from isaclib.experiments.p3.scenario import Receiver
from isaclib.systems.spacings.schedule import Order

SENSING = {
    "p_md": "1",
    "p_fa": "1",
    "position": "m",
    "angle_deg": "deg",
    "range": "m",
    "threshold": "1",
    "position_error": "wavelengths",
}
"""Measured quantities of a point, with their units."""

TRADEOFF = {"ser": "1", **SENSING}
"""The same with the symbol error rate."""

REFERENCES: dict[str, tuple[bool, Receiver]] = {
    "known": (True, "baseline"),
    "unknown": (False, "baseline"),
    "ideal": (True, "learned"),
}
"""Arrays without learning: whether the spacings are known, and the receiver. ``ideal`` is what
learning would end at if it found the true spacings."""

SYSTEMS = ("known", "unknown", "SL", "SL short", "SL+UL")
"""Systems of Fig. 5."""

History = Mapping[int, Sequence[float]]
"""Spacings of a schedule by iteration."""


def references(context: RunContext, draws: int) -> list[Point]:
    """Points of the arrays without learning."""
    nominal = context.config.scenario.nominal().tolist()
    return [
        Point(f"{name}/{draw}", draw, None if known else nominal, context.config.test, receiver)
        for name, (known, receiver) in REFERENCES.items()
        for draw in range(draws)
    ]


def single_points(points: Sequence[Point], records: Mapping[str, list[Any]]) -> list[Series]:
    """A series of one point each."""
    return [metric_series(p.name, records[p.name], SENSING) for p in points]


def run_sensing(context: RunContext) -> Result:
    """Fig. 3: misdetection probability and position error along all schedules.

    Returns:
        For each array the series ``SL/0``, ``UL/0``, ``SL+UL/0`` and ``UL+SL/0`` over their
        iterations, and the points ``known/0``, ``unknown/0`` and ``ideal/0``. The stored weights
        are the spacings at all points of the schedules, under their names.
    """
    started, config = time.perf_counter(), context.config
    histories = _histories(context)
    baselines = references(context, config.draws)
    points = [*baselines]
    for name, history in histories.items():
        draw = int(name.partition("/")[2])
        forked = config.training.stages(_order(name))[:-1]
        for mark, spacing in history.items():
            # The first stage of a schedule is measured where it is all of one.
            if not forked or mark > forked[0].steps:
                points.append(Point(f"{name}/{mark}", draw, spacing, _test(config, mark)))
    records = measure_points(context, points)
    series = single_points(baselines, records)
    for name, history in histories.items():
        found = [records[_measured(config, name, mark)][0] for mark in history]
        series.append(metric_series(name, found, SENSING, iteration=list(history)))
    bundle = {
        name: torch.tensor(list(history.values()), dtype=torch.float64)
        for name, history in histories.items()
    }
    file = "p3-fig3.safetensors"
    return finished(context, series, started, {file: save_weights(context.state / file, bundle)})


def _histories(context: RunContext) -> dict[str, History]:
    """Train all schedules of Fig. 3; those of two stages have the history of both."""
    config = context.config
    alone: list[tuple[Order, int]] = [
        (order, draw) for draw in range(config.draws) for order in ("SL", "UL")
    ]
    first = train_courses(context, [whole(config, *each) for each in alone], "whole schedules")
    labelled = config.training.labelled
    forks = []
    for draw in range(config.draws):
        for order in ("SL+UL", "UL+SL"):
            begun = first[f"{order[:2]}/{draw}"]
            middle = config.training.steps - labelled // 2
            marks = config.marks() if order == "SL+UL" else (middle,)
            forks.append(fork(config, order, draw, labelled, begun, marks=marks))
    second = train_courses(context, forks, "second stages")
    for course in forks:
        begun = first[f"{_order(course.name)[:2]}/{course.draw}"]
        early = {mark: s for mark, s in begun.items() if mark <= course.before}
        second[course.name] = {**early, **second[course.name]}
    return {**first, **second}


def _order(name: str) -> Any:
    """Schedule that a series is of."""
    return name.partition("/")[0]


def _measured(config: Learning, name: str, mark: int) -> str:
    """Name of the measurement of a schedule at one of its iterations."""
    order, _, draw = name.partition("/")
    stages = config.training.stages(_order(name))
    if len(stages) > 1 and mark <= stages[0].steps:
        order = order[:2]
    return f"{order}/{draw}/{mark}"


def _test(config: Any, mark: int) -> Test:
    """Sample counts at an iteration: all of them where schedules are compared."""
    full: Test = config.test
    curve: Test = config.curve
    return full if mark in (config.training.labelled, config.training.steps) else curve


def _stored(context: RunContext) -> tuple[Result, dict[str, History], dict[str, str]]:
    """Result of Fig. 3, the histories of its schedules, and notes of where they are from."""
    config = context.config
    whole = asdict(config)
    same = {name: whole[name] for name in ("scenario", "training", "draws", "shares")}
    stored = stored_sibling(context, "p3-fig3", same=same)
    weights = stored_weights(context, stored)
    histories: dict[str, History] = {}
    for name, spacings in weights.items():
        marks = [int(mark) for mark in stored[name]["iteration"].values]
        histories[name] = dict(zip(marks, spacings.tolist(), strict=True))
    notes = {"trained by": f"p3-fig3, commit {stored.provenance.commit}"}
    assert isinstance(config, Learning)
    return stored, histories, notes


def run_ratio(context: RunContext) -> Result:
    """Fig. 4: misdetection probability over the share of labelled iterations.

    Returns:
        For each array the series ``SL+UL/0`` over the labelled ``ratio``, from no labels on, and
        the points ``SL/0``, ``known/0`` and ``unknown/0`` of Fig. 3.
    """
    started, config = time.perf_counter(), context.config
    stored, histories, notes = _stored(context)
    training = config.training
    counts = sorted({training.iterations(ratio) for ratio in config.ratios} - {training.labelled})
    forks = {
        (draw, count): fork(
            config,
            "SL+UL",
            draw,
            count,
            histories[f"SL/{draw}"],
            name=f"SL+UL/{draw}/{count}",
        )
        for draw in range(config.ratio_draws)
        for count in counts
    }
    spacings = train_courses(context, list(forks.values()), "labelled shares")
    points = [
        Point(course.name, course.draw, spacings[course.name][training.steps], config.test)
        for course in forks.values()
    ]
    records = measure_points(context, points)
    series = []
    for draw in range(config.ratio_draws):
        found = {0: _end(stored, f"UL/{draw}"), training.labelled: _end(stored, f"SL+UL/{draw}")}
        found |= {count: records[forks[draw, count].name][0] for count in counts}
        shares = sorted(found)
        rows = [found[count] for count in shares]
        ratios = [count / training.steps for count in shares]
        series.append(metric_series(f"SL+UL/{draw}", rows, SENSING, ratio=ratios))
        series.append(metric_series(f"SL/{draw}", [_end(stored, f"SL/{draw}")], SENSING))
        series += [stored[f"{name}/{draw}"] for name in ("known", "unknown")]
    return finished(context, series, started, notes=notes)


def _end(stored: Result, name: str) -> dict[str, Any]:
    """Record of the last point of a stored series."""
    quantities = stored[name].quantities
    return {
        metric: {
            "value": quantities[metric].values[-1],
            "low": (quantities[metric].low or [])[-1],
            "high": (quantities[metric].high or [])[-1],
            "count": (quantities[metric].count or [])[-1],
        }
        for metric in SENSING
    }


def run_tradeoff(context: RunContext) -> Result:
    """Fig. 5: symbol error rate against sensing, over all joint beams.

    Returns:
        For each array a series over all pairs (``eta``, ``phi``) for each of :data:`SYSTEMS`,
        such as ``SL short/0``.
    """
    started, config = time.perf_counter(), context.config
    _, histories, notes = _stored(context)
    beams = config.beams()
    points = [
        _tradeoff_point(context, histories, system, draw)
        for draw in range(config.draws)
        for system in SYSTEMS
    ]
    records = measure_points(context, points)
    series = [
        metric_series(
            p.name,
            records[p.name],
            TRADEOFF,
            eta=[eta for eta, _ in beams],
            phi=[phi for _, phi in beams],
        )
        for p in points
    ]
    return finished(context, series, started, notes=notes)


def _tradeoff_point(
    context: RunContext, histories: Mapping[str, History], system: str, draw: int
) -> Point:
    """A system of Fig. 5 with all its beams."""
    config = context.config
    spacing: Sequence[float] | None
    receiver: Receiver = "learned"
    if system in REFERENCES:
        known, receiver = REFERENCES[system]
        spacing = None if known else config.scenario.nominal().tolist()
    elif system == "SL short":
        spacing = histories[f"SL/{draw}"][config.training.labelled]
    else:
        spacing = histories[f"{system}/{draw}"][config.training.steps]
    return Point(
        f"{system}/{draw}",
        draw,
        spacing,
        config.tradeoff,
        receiver,
        tuple(config.beams()),
        symbols=True,
    )

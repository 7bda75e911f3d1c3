"""What each figure of P4 runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from isaclib.channels.codes import Fading
from isaclib.experiments.p4.assembly import (
    EARLY,
    Outcome,
    System,
    confusion_series,
    curve,
    gradient_series,
    metrics_of,
    notes_of,
    record_at,
    sibling_of,
    stops_of,
    train,
)
from isaclib.experiments.p4.config import FADINGS, TEN_CLASSES, THREE_TASKS, Point
from isaclib.experiments.p4.tasks import METRICS, measure_linear
from isaclib.experiments.series.assembly import (
    collect_weights,
    finished,
    folder_name,
    metric_series,
)
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Result, Series
from isaclib.experiments.series.sweep import Task
from isaclib.systems.semantic.training import TaskWeights

LITERAL = 16 / 17
"""Sensing weight at which the scaled losses are, up to a common factor, the plain mean squared
error and the cross-entropy with 1/2 each."""


def _at(point: Point, fading: Fading, **changes: Any) -> Point:
    return replace(point, fading=fading, **changes)


def _repetitions(context: RunContext, point: Point) -> dict[str, System]:
    """The default point from other seeds; that of the run's own seed is in the curve."""
    return {
        f"repetitions/{fading}/{n}": System(_at(point, fading), context.seed + n)
        for fading in FADINGS
        for n in range(1, context.config.repetitions)
    }


def _repetition_series(
    context: RunContext, fading: Fading, own: Outcome, outcomes: Mapping[str, Outcome]
) -> list[Series]:
    """The default point over all seeds."""
    seeds = range(context.config.repetitions)
    found = [own, *(outcomes[f"repetitions/{fading}/{n}"] for n in seeds[1:])]
    return curve(
        f"repetitions/{fading}",
        context.config.point.weights,
        found,
        repetition=[context.seed + n for n in seeds],
    )


def run_weights(context: RunContext) -> Result:
    """Fig. 4: reconstruction and sensing over the weight of the sensing loss.

    At the ends only one decoder is trained. What the codes carry for the other task is measured
    with its decoder trained afterwards, for the encoder as it is.

    Returns:
        For each channel the series ``awgn`` over ``sensing_weight``, ``afterwards/awgn`` (weights 0
        and 1), ``repetitions/awgn``, for each weight ``gradients/awgn/weight=0.5`` over ``epochs``,
        and ``confusion/awgn`` of the default point.
    """
    started, config = time.perf_counter(), context.config
    values = config.sensing_weights
    systems = {
        f"{fading}/weight={w:.3g}": System(_weighted(config.point, fading, w), context.seed)
        for fading in FADINGS
        for w in values
    }
    outcomes = train(context, {**systems, **_repetitions(context, config.point)})
    series: list[Series] = []
    for fading in FADINGS:
        names = [f"{fading}/weight={w:.3g}" for w in values]
        found = [outcomes[name] for name in names]
        series += curve(fading, config.point.weights, found, sensing_weight=values)
        ends = [(w, o["afterwards"]) for w, o in zip(values, found, strict=True) if o["afterwards"]]
        series.append(
            metric_series(
                f"afterwards/{fading}",
                [record for _, record in ends],
                metrics_of(config.point.weights),
                sensing_weight=[w for w, _ in ends],
            )
        )
        own = outcomes[f"{fading}/weight=0.5"]
        series += _repetition_series(context, fading, own, outcomes)
        series.append(confusion_series(fading, own["sensing"]))
        stops = stops_of(config.training)
        series += [gradient_series(n, o, stops) for n, o in zip(names, found, strict=True)]
    folders: dict[str, Path] = {
        fading: context.state / folder_name(f"{fading}/weight=0.5") for fading in FADINGS
    }
    weights = collect_weights(context, folders)
    return finished(context, series, started, weights, notes_of(outcomes))


def _weighted(point: Point, fading: Fading, sensing: float) -> Point:
    """Point with a weight of the sensing loss; what is not trained for is so afterwards."""
    weights = TaskWeights(1 - sensing, sensing)
    alone = sensing in (0, 1)
    return _at(
        point,
        fading,
        weights=weights,
        afterwards=TaskWeights(sensing, 1 - sensing) if alone else None,
    )


def run_sweeps(context: RunContext) -> Result:
    """Fig. 5: reconstruction and sensing over both SNRs, the size of the code, and the ranges.

    Returns:
        For each channel the series ``communication_snr_db/awgn``, ``sensing_snr_db/awgn``,
        ``size/awgn`` and ``ranges/awgn``, the default point in each from the result of Fig. 4;
        ``linear/communication_snr_db/awgn`` and ``linear/size/awgn``, principal components; and
        ``confusion/awgn/ranges=4`` of every number of ranges but the default.
    """
    started, config = time.perf_counter(), context.config
    sibling = sibling_of(context, "p4-fig4", config.point)
    sweeps: dict[str, Sequence[float]] = {
        "communication_snr_db": config.communication_snrs_db,
        "sensing_snr_db": config.sensing_snrs_db,
        "size": config.sizes,
        "ranges": config.ranges,
    }
    systems = {
        f"{parameter}/{fading}/{value:g}": System(
            _at(config.point, fading, **{parameter: value}), context.seed
        )
        for parameter, values in sweeps.items()
        for fading in FADINGS
        for value in values
        if value != getattr(config.point, parameter)
    }
    outcomes = train(context, systems)
    series: list[Series] = []
    for fading in FADINGS:
        own = _default_outcome(sibling, fading)
        for parameter, values in sweeps.items():
            found = [outcomes.get(f"{parameter}/{fading}/{value:g}", own) for value in values]
            name = f"{parameter}/{fading}"
            series += curve(name, config.point.weights, found, **{parameter: values})
        for value in config.ranges:
            name = f"ranges/{fading}/{value:g}"
            if name in outcomes:
                series.append(
                    confusion_series(f"{fading}/ranges={value:g}", outcomes[name]["sensing"])
                )
    series += _linear(context)
    folders = {
        f"{name}/{value:g}": context.state / folder_name(f"{name}/{value:g}")
        for name, value in config.stored
    }
    weights = collect_weights(context, folders)
    return finished(context, series, started, weights, notes_of(outcomes, sibling))


def _default_outcome(stored: Result, fading: Fading) -> Outcome:
    """Records of the default point of Fig. 4, as its task gave them."""
    names = (f"{fading}{EARLY}", fading)
    return {"records": [record_at(stored[name], "sensing_weight", 0.5) for name in names]}


def _linear(context: RunContext) -> list[Series]:
    """Principal components over the communication SNR and over the size of the code."""
    config = context.config
    point = config.point
    sweeps = {
        "communication_snr_db": [(point.size, v) for v in config.communication_snrs_db],
        "size": [(v, point.communication_snr_db) for v in config.sizes],
    }
    curves = [(p, fading, values) for p, values in sweeps.items() for fading in FADINGS]
    payload = {
        "images": asdict(config.images),
        "linear_images": config.linear_images,
        "points": [[*value, fading] for _, fading, values in curves for value in values],
        "seed": context.seed,
    }
    (outcome,) = context.sweep.map(
        measure_linear, [Task("linear", payload)], context.state, label="principal components"
    )
    records = iter(outcome["records"])
    metrics = {metric: METRICS[metric] for metric in ("mse", "psnr_db")}
    return [
        metric_series(
            f"linear/{parameter}/{fading}",
            [next(records) for _ in values],
            metrics,
            **{parameter: [v[parameter != "size"] for v in values]},
        )
        for parameter, fading, values in curves
    ]


def run_semantic(context: RunContext) -> Result:
    """Fig. 6: three tasks over the SNR, the same in both channels.

    Returns:
        For each channel the series ``awgn`` over ``snr_db``, ``repetitions/awgn``, and for each
        SNR ``gradients/awgn/snr=3`` over ``epochs``.
    """
    started, config = time.perf_counter(), context.config
    default = config.point.communication_snr_db
    systems = {
        f"{fading}/snr={snr:g}": System(
            _at(config.point, fading, communication_snr_db=snr, sensing_snr_db=snr), context.seed
        )
        for fading in FADINGS
        for snr in config.snrs_db
    }
    outcomes = train(context, {**systems, **_repetitions(context, config.point)})
    stops = stops_of(config.training)
    series: list[Series] = []
    for fading in FADINGS:
        names = [f"{fading}/snr={snr:g}" for snr in config.snrs_db]
        found = [outcomes[name] for name in names]
        series += curve(fading, config.point.weights, found, snr_db=config.snrs_db)
        own = outcomes[f"{fading}/snr={default:g}"]
        series += _repetition_series(context, fading, own, outcomes)
        series += [gradient_series(n, o, stops) for n, o in zip(names, found, strict=True)]
    return finished(context, series, started, notes=notes_of(outcomes))


def run_choices(context: RunContext) -> Result:
    """The default point under the choices that the paper leaves open.

    Returns:
        For each choice and channel a series such as ``known, two tasks/awgn`` over ``epochs``, its
        last point at the end of the training; ``two tasks``, ``plain loss, two tasks``, ``range
        step`` and ``three tasks`` are points of Figs. 4, 5 and 6; ``confusion/awgn`` and
        ``gradients/ten classes/awgn`` are of the ten classes.
    """
    started, config = time.perf_counter(), context.config
    three = replace(config.point, weights=THREE_TASKS)
    siblings = (
        sibling_of(context, "p4-fig4", config.point),
        sibling_of(context, "p4-fig5", config.point),
        sibling_of(context, "p4-fig6", three),
    )
    systems = {
        f"{name}/{fading}": System(
            replace(system.point, fading=fading), context.seed, system.longer
        )
        for name, system in _choices(config, three).items()
        for fading in FADINGS
        # Without fading there is only one way.
        if system.point.ways == "independent" or fading == "rayleigh"
    }
    outcomes = train(context, systems)
    series = _borrowed(config, *siblings)
    for name, system in systems.items():
        stops = stops_of(config.training, system.longer)
        metrics = metrics_of(system.point.weights)
        series.append(metric_series(name, outcomes[name]["records"], metrics, epochs=stops))
    for fading in FADINGS:
        series.append(confusion_series(fading, outcomes[f"{_TEN}/{fading}"]["label"]))
        series.append(
            gradient_series(
                f"{_TEN}/{fading}",
                outcomes[f"{_TEN}/{fading}"],
                stops_of(config.training),
            )
        )
    return finished(context, series, started, notes=notes_of(outcomes, *siblings))


_TEN = "ten classes"


def _choices(config: Any, three: Point) -> dict[str, System]:
    """Every choice that differs from the default in one respect; the channel is set later."""
    two = config.point
    points = {
        "known, two tasks": replace(two, known=True),
        "known, three tasks": replace(three, known=True),
        "plain loss, three tasks": replace(three, reconstruction_scale=1.0),
        "other layers": replace(two, layers=config.other_layers),
        "same way back": replace(two, ways="reciprocal"),
        "other range step": replace(
            two, ranges=config.step_ranges, range_step_db=config.other_step_db
        ),
        _TEN: replace(two, weights=TEN_CLASSES),
    }
    found = {name: System(point, 0) for name, point in points.items()}
    found["longer, two tasks"] = System(two, 0, config.longer)
    found["longer, three tasks"] = System(three, 0, config.longer)
    return found


def _borrowed(config: Any, fig4: Result, fig5: Result, fig6: Result) -> list[Series]:
    """Points of the other figures as series over the epochs."""
    places = {
        "two tasks": (fig4, "{}", "sensing_weight", 0.5),
        "plain loss, two tasks": (fig4, "{}", "sensing_weight", LITERAL),
        "range step": (fig5, "ranges/{}", "ranges", config.step_ranges),
        "three tasks": (fig6, "{}", "snr_db", config.point.communication_snr_db),
    }
    stops = stops_of(config.training)
    series = []
    for name, (result, where, parameter, value) in places.items():
        for fading in FADINGS:
            records = [
                record_at(result[where.format(fading) + end], parameter, value)
                for end in (EARLY, "")
            ]
            metrics = {metric: METRICS[metric] for metric in records[0]}
            series.append(metric_series(f"{name}/{fading}", records, metrics, epochs=stops))
    return series

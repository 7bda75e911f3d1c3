"""What the runs of P4's figures are made of: systems to train, and series of what they gave.

Every system is measured twice: at the end of its training, and earlier, in the series whose names
end in :data:`EARLY`. Points that figures share are trained for one of them; the others read them
from its stored result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isaclib.experiments.p4.config import Point, Training
from isaclib.experiments.p4.tasks import METRICS, train_and_measure
from isaclib.experiments.series.assembly import folder_name, metric_series, stored_sibling
from isaclib.experiments.series.figures import RunContext
from isaclib.experiments.series.results import Quantity, Result, Series
from isaclib.experiments.series.sweep import Task
from isaclib.systems.semantic.training import TaskWeights

EARLY = "/early"
"""End of the names of series that were measured before the end of the training."""

ALWAYS = ("mse", "psnr_db", "sensing", "p_d", "p_fa")
"""Quantities that are stored of every system; those of decoder 3 only where it is trained."""

Outcome = dict[str, Any]


@dataclass(frozen=True)
class System:
    """One system to train.

    Attributes:
        point: Its channels, sizes and weights.
        repetition: Seed of its initial parameters and of its training.
        longer: Factor of the number of epochs.
    """

    point: Point
    repetition: int
    longer: int = 1


def stops_of(training: Training, longer: int = 1) -> list[int]:
    """Numbers of epochs after which a system is measured."""
    return [training.early, *(training.epochs * k for k in range(1, longer + 1))]


def train(context: RunContext, systems: Mapping[str, System]) -> dict[str, Outcome]:
    """Train and measure systems."""
    config = context.config
    tasks = [
        Task(
            folder_name(name),
            {
                "images": asdict(config.images),
                "training": asdict(config.training),
                "point": asdict(system.point),
                "stops": stops_of(config.training, system.longer),
                "repetition": system.repetition,
                "seed": context.seed,
                "device": context.device,
            },
        )
        for name, system in systems.items()
    ]
    outcomes = context.sweep.map(train_and_measure, tasks, context.state, label="systems")
    return dict(zip(systems, outcomes, strict=True))


def metrics_of(weights: TaskWeights) -> dict[str, str]:
    """Quantities that are stored of systems with these weights."""
    trained = [task for task in ("animal", "label") if getattr(weights, task) > 0]
    return {metric: METRICS[metric] for metric in (*ALWAYS, *trained)}


def curve(
    name: str, weights: TaskWeights, outcomes: Sequence[Outcome], **parameters: Sequence[float]
) -> list[Series]:
    """Make the series of a curve, at the end of the training and early."""
    metrics = metrics_of(weights)
    return [
        metric_series(name + end, [o["records"][stop] for o in outcomes], metrics, **parameters)
        for end, stop in (("", -1), (EARLY, 0))
    ]


def gradient_series(name: str, outcome: Outcome, stops: Sequence[int]) -> Series:
    """Make the series that compares the gradients of the tasks over the epochs."""
    records = outcome["gradients"]
    metrics = dict.fromkeys(records[0], "1")
    return metric_series(f"gradients/{name}", records, metrics, epochs=stops)


def confusion_series(name: str, matrix: Sequence[Sequence[int]]) -> Series:
    """Make the series of a confusion matrix: a list of its cells."""
    cells = [(t, d, n) for t, row in enumerate(matrix) for d, n in enumerate(row)]
    columns = zip(("true", "decided", "images"), zip(*cells, strict=True), strict=True)
    quantities = {key: Quantity(key, [float(v) for v in values]) for key, values in columns}
    return Series(f"confusion/{name}", quantities)


def confusion_matrix(series: Series) -> list[list[int]]:
    """Turn the series of a confusion matrix back into rows."""
    size = 1 + int(max(series["true"].values))
    counts = [int(n) for n in series["images"].values]
    return [counts[row * size :][:size] for row in range(size)]


def record_at(series: Series, parameter: str, value: float) -> dict[str, dict[str, float]]:
    """A point of a stored curve as the record that it was made of."""
    values = series[parameter].values
    if value not in values:
        raise ValueError(f"{parameter} of {series.name!r} must be one of {values}, got {value!r}")
    i = values.index(value)
    return {
        name: {"value": q.values[i], "low": q.low[i], "high": q.high[i], "count": q.count[i]}
        for name, q in series.quantities.items()
        if q.low is not None and q.high is not None and q.count is not None
    }


def sibling_of(context: RunContext, figure: str, point: Point) -> Result:
    """Read the result of another figure, from which this one takes points."""
    same = {"point": asdict(point)}
    same |= {name: asdict(getattr(context.config, name)) for name in ("images", "training")}
    return stored_sibling(context, figure, same=same)


def notes_of(outcomes: Mapping[str, Outcome], *siblings: Result) -> dict[str, str]:
    """Say in the provenance what the images are, and where other points come from."""
    notes = next(iter(outcomes.values()))["notes"]
    return {
        **notes,
        "weights": "stored as float16, and measured like that",
        **{f"points of {s.figure}": f"commit {s.provenance.commit}" for s in siblings},
    }

"""Trainings of P3 and what they leave: courses of spacings, and the tasks that run and measure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isaclib.experiments.engine.assembly import folder_name, measurement_data
from isaclib.experiments.engine.figures import RunContext
from isaclib.experiments.engine.sweep import Task
from isaclib.experiments.p1.config import Test
from isaclib.experiments.p3.config import Learning, Training
from isaclib.experiments.p3.scenario import Receiver
from isaclib.experiments.p3.tasks import measure_array, stage_data, train_spacings
from isaclib.systems.spacings.schedule import Order, Stage

Spacings = Sequence[Sequence[float]]
"""Spacings at some marks: ``[marks][antennas]`` [wavelengths]."""


@dataclass(frozen=True)
class Course:
    """A training and where it comes from.

    Attributes:
        name: Its name.
        draw: Index of the array.
        training: How it is trained.
        stages: Losses, iterations and learning rates.
        marks: Iterations of the whole schedule after which the spacings are kept.
        before: Iterations of the whole schedule before these stages.
        start: Spacings that it begins with; those without impairments if not given.
    """

    name: str
    draw: int
    training: Training
    stages: tuple[Stage, ...]
    marks: tuple[int, ...]
    before: int = 0
    start: Sequence[float] | None = None


def whole(config: Learning, order: Order, draw: int) -> Course:
    """A schedule of one loss alone."""
    training = config.training
    change = training.labelled if order == "SL" else training.steps - training.labelled
    marks = tuple(sorted({*config.marks(), change}))
    return Course(f"{order}/{draw}", draw, training, training.stages(order), marks)


def fork(
    config: Learning,
    order: Order,
    draw: int,
    labelled: int,
    begun: Mapping[int, Sequence[float]],
    *,
    marks: Sequence[int] = (),
    name: str | None = None,
) -> Course:
    """The second stage of semi-supervised learning."""
    first, second = config.training.stages(order, labelled)
    total = first.steps + second.steps
    own = tuple(sorted({mark for mark in marks if mark > first.steps} | {total}))
    start = begun[first.steps]
    return Course(
        name or f"{order}/{draw}", draw, config.training, (second,), own, first.steps, start
    )


def array_data(context: RunContext, draw: int) -> dict[str, Any]:
    """What every task of an array needs to know."""
    return {"scenario": asdict(context.config.scenario), "draw": draw, "seed": context.seed}


def train_courses(
    context: RunContext, courses: Sequence[Course], label: str
) -> dict[str, dict[int, list[float]]]:
    """Train."""
    tasks = [
        Task(
            f"train_{folder_name(course.name)}",
            {
                **array_data(context, course.draw),
                "stages": [stage_data(stage) for stage in course.stages],
                "parameter": course.training.parameter,
                "start": None if course.start is None else list(course.start),
                "marks": [mark - course.before for mark in course.marks],
                "device": context.device,
            },
        )
        for course in courses
    ]
    outcomes = context.sweep.map(train_spacings, tasks, context.state, label=label)
    return {
        course.name: dict(zip(course.marks, outcome["spacings"], strict=False))
        for course, outcome in zip(courses, outcomes, strict=True)
    }


@dataclass(frozen=True)
class Point:
    """A transceiver that is measured.

    Attributes:
        name: Its name.
        draw: Index of the array.
        spacing: Spacings that it assumes; the true ones if None.
        test: Sample counts.
        receiver: Which grid it searches.
        beams: Pairs of eta and phi.
        symbols: Whether symbol errors are measured.
    """

    name: str
    draw: int
    spacing: Sequence[float] | None
    test: Test
    receiver: Receiver = "learned"
    beams: Sequence[tuple[float, float]] = ((1.0, 0.0),)
    symbols: bool = False


def measure_points(context: RunContext, points: Sequence[Point]) -> dict[str, list[Any]]:
    """Measure."""
    tasks = [
        Task(
            f"measure_{folder_name(point.name)}",
            {
                **array_data(context, point.draw),
                "spacing": None if point.spacing is None else list(point.spacing),
                "receiver": point.receiver,
                "beams": [list(beam) for beam in point.beams],
                "symbols": point.symbols,
                "measurement": measurement_data(point.test, context),
            },
        )
        for point in points
    ]
    outcomes = context.sweep.map(measure_array, tasks, context.state, label="measurements")
    return {p.name: o["records"] for p, o in zip(points, outcomes, strict=True)}

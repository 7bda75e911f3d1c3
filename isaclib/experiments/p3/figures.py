"""P3, "Semi-Supervised End-to-End Learning for ISAC": the rows and panels of its figures.

Semi-supervised learning begins as learning with one loss does, on the same samples, so its second
stage goes on from a mark of that training; Figs. 4 and 5 go on from the trainings of Fig. 3.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from isaclib.experiments.engine.panels import Drawing, Front, Layer, Level, Line, Panel
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.p3.config import (
    CONSTELLATION_PRESETS,
    METHODS_PRESETS,
    RATIO_PRESETS,
    SENSING_PRESETS,
    TRADEOFF_PRESETS,
    ConstellationConfig,
    Learning,
    MethodsConfig,
    RatioConfig,
    SensingConfig,
    TradeoffConfig,
    Variation,
)
from isaclib.experiments.p3.scenario import Array, Receiver
from isaclib.experiments.p3.tasks import (
    Assumed,
    Calibrate,
    Measure,
    MeasureConstellation,
    Trained,
    TrainSpacings,
)
from isaclib.systems.spacings.schedule import Order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS = {
    "ser": "1",
    "p_md": "1",
    "p_fa": "1",
    "position": "m",
    "angle_deg": "deg",
    "range": "m",
    "threshold": "1",
    "position_error": "wavelengths",
}
"""Measured quantities, with their units."""

REFERENCES: dict[str, tuple[Assumed, Receiver]] = {
    "known": ("true", "baseline"),
    "unknown": ("nominal", "baseline"),
    "ideal": ("true", "learned"),
}
"""Arrays without learning: assumed spacings and receiver. ``ideal`` is what learning would end at
if it found the true spacings."""

ORDERS: tuple[Order, ...] = ("SL", "UL", "SL+UL", "UL+SL")

Checkpoints = Mapping[int, Trained]
"""Spacings of a schedule by iteration."""


# Trainings


def checkpoints(c: Learning, order: Order, array: Array, seed: int) -> dict[int, Trained]:
    """A schedule of Fig. 3."""
    training = c.training
    if "+" in order:
        marks = c.marks() if order == "SL+UL" else (training.steps - training.labelled // 2,)
        first_stage = checkpoints(c, "SL" if order == "SL+UL" else "UL", array, seed)
        return second_stage(
            c, order, array, seed, labelled=training.labelled, first_stage=first_stage, marks=marks
        )
    # Where the other loss takes over.
    change = training.labelled if order == "SL" else training.steps - training.labelled
    marks = tuple(sorted({*c.marks(), change}))
    stages = training.stages(order)
    whole = TrainSpacings(c.scenario, array, seed, stages, training.parameter, marks=marks)
    return {mark: Trained(whole, mark) for mark in marks}


def second_stage(
    c: Learning,
    order: Order,
    array: Array,
    seed: int,
    *,
    labelled: int,
    first_stage: Checkpoints,
    marks: Sequence[int] = (),
) -> dict[int, Trained]:
    """A schedule whose second stage goes on from a training with its first loss alone."""
    first, second = c.training.stages(order, labelled)
    own = sorted({mark - first.steps for mark in marks if mark > first.steps} | {second.steps})
    rest = TrainSpacings(
        c.scenario,
        array,
        seed,
        (second,),
        c.training.parameter,
        start=first_stage[first.steps],
        marks=tuple(own),
    )
    early = {mark: spacings for mark, spacings in first_stage.items() if mark <= first.steps}
    return early | {first.steps + mark: Trained(rest, mark) for mark in own}


def reference_rows(
    c: Learning | MethodsConfig, seed: int, arrays: Sequence[Array], names: Sequence[str]
) -> Iterator[Row]:
    """Arrays without learning."""
    for name, array in product(names, arrays):
        assumed, receiver = REFERENCES[name]
        measure = Measure(c.scenario, array, seed, assumed, c.test, receiver)
        yield Row({"system": name, "array": array}, measure)


# Fig. 3


def sensing_rows(c: SensingConfig, seed: int) -> Iterator[Row]:
    """All schedules over their iterations, and the arrays without learning."""
    full = (c.training.labelled, c.training.steps)  # where schedules are compared
    yield from reference_rows(c, seed, range(c.draws), list(REFERENCES))
    for order, array in product(ORDERS, range(c.draws)):
        for mark, spacings in checkpoints(c, order, array, seed).items():
            test = c.test if mark in full else c.curve
            measure = Measure(c.scenario, array, seed, spacings, test)
            yield Row({"system": order, "array": array, "iteration": mark}, measure)


def sensing_trainings(c: SensingConfig, seed: int) -> Iterator[Row]:
    """The trainings of all schedules; one of two stages stores its second."""
    for order, array in product(ORDERS, range(c.draws)):
        last = checkpoints(c, order, array, seed)[c.training.steps]
        yield Row({"system": order, "array": array}, last.training)


P_MD, POSITION = "p_md", "position"
KNOWN = Level({"system": "known"}, "baseline, spacings known", "black", "-", 1.2)
UNKNOWN = Level({"system": "unknown"}, r"baseline, assumes $\lambda/2$", "gray", "--", 1.2)


def _schedule(order: str) -> Line:
    label, color, marker = {
        "SL": ("supervised (SL)", "blue", "o"),
        "UL": ("unsupervised (UL)", "orange", "s"),
        "SL+UL": ("SL, then UL", "green", "^"),
        "UL+SL": ("UL, then SL", "purple", "D"),
    }[order]
    return Line({"system": order}, label, color, marker, over="array")


def sensing_panels(c: SensingConfig) -> list[Panel]:
    """The paper's two panels on top of each other."""
    return [
        Panel(
            "iteration",
            y,
            [KNOWN, UNKNOWN, *map(_schedule, orders)],
            xlabel=xlabel,
            xscale="log",
            yscale="plain",
        )
        for orders, xlabel in ((("SL", "UL"), ""), (("SL", "SL+UL", "UL+SL"), "iterations"))
        for y in (P_MD, POSITION)
    ]


# Fig. 4


def ratio_rows(c: RatioConfig, seed: int) -> Iterator[Row]:
    """Semi-supervised learning over its labelled share, from no labels on, beside Fig. 3."""
    training = c.training
    counts = {0, training.labelled, *map(training.iterations, c.ratios)}
    for array in range(c.ratio_draws):
        labelled = checkpoints(c, "SL", array, seed)
        for count in sorted(counts):
            if count == 0:
                ends: Checkpoints = checkpoints(c, "UL", array, seed)
            elif count == training.labelled:
                ends = checkpoints(c, "SL+UL", array, seed)
            else:
                ends = second_stage(c, "SL+UL", array, seed, labelled=count, first_stage=labelled)
            at: At = {"system": "SL+UL", "array": array, "ratio": count / training.steps}
            yield Row(at, Measure(c.scenario, array, seed, ends[training.steps], c.test))
        whole = Measure(c.scenario, array, seed, labelled[training.steps], c.test)
        yield Row({"system": "SL", "array": array}, whole)
        yield from reference_rows(c, seed, [array], ["known", "unknown"])


def ratio_panels(c: RatioConfig) -> list[Panel]:
    """Misdetection probability, and position RMSE."""

    def finish(axes: "Axes", rows: Table) -> None:
        smallest = min(ratio for ratio in rows["ratio"].values if ratio > 0)
        axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
        axes.set_xlim(left=-smallest / 5)  # room for the marker at 0

    whole = Level({"system": "SL"}, "supervised (SL)", "blue", ":", band=False)
    layers: list[Layer] = [KNOWN, UNKNOWN, whole, _schedule("SL+UL")]
    label = "share of iterations with labels"
    return [
        Panel("ratio", y, layers, xlabel=label, yscale="plain", finish=finish)
        for y in (P_MD, POSITION)
    ]


# Fig. 5

SYSTEMS = {
    "known": ("baseline, spacings known", "black", ""),
    "unknown": (r"baseline, assumes $\lambda/2$", "gray", "x"),
    "SL": ("SL, all iterations", "blue", "o"),
    "SL short": ("SL, 1/85 of the iterations", "orange", "s"),
    "SL+UL": ("the latter, then UL", "green", "^"),
}
"""Systems of Fig. 5: label, colour, marker."""


def tradeoff_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """All joint beams of each system."""
    for array in range(c.draws):
        supervised = checkpoints(c, "SL", array, seed)
        learned: dict[str, tuple[Assumed, Receiver]] = {
            "SL": (supervised[c.training.steps], "learned"),
            "SL short": (supervised[c.training.labelled], "learned"),
            "SL+UL": (checkpoints(c, "SL+UL", array, seed)[c.training.steps], "learned"),
        }
        for system in SYSTEMS:
            assumed, receiver = (REFERENCES | learned)[system]
            measure = Measure(
                c.scenario, array, seed, assumed, c.tradeoff, receiver, c.beams(), symbols=True
            )
            yield Row({"system": system, "array": array}, measure)


def tradeoff_panels(c: TradeoffConfig) -> list[Panel]:
    """Pareto-optimal points of the first array; faintly the others, and the fronts of the rest."""
    layers = [Front({"system": k}, *look, over="array") for k, look in SYSTEMS.items()]
    return [Panel("ser", y, layers, xscale="log", yscale="plain") for y in (P_MD, POSITION)]


# Ways to learn the spacings


def calibration(c: MethodsConfig, array: Array, seed: int) -> dict[int, Calibrate]:
    """Maximum-likelihood estimates by their numbers of samples."""
    return {n: Calibrate(c.scenario, array, seed, n) for n in c.calibrations}


def variation(c: MethodsConfig, way: Variation, array: Array, seed: int) -> TrainSpacings:
    """Training by one of the variations."""
    training, marks = way.training, way.training.marks(c.shares)
    stages = training.stages("SL")
    return TrainSpacings(c.scenario, array, seed, stages, training.parameter, marks=marks)


def learning_rows(c: MethodsConfig, seed: int) -> Iterator[Row]:
    """Ways to learn over labelled samples, and the arrays without learning."""
    yield from reference_rows(c, seed, range(c.calibration_draws), list(REFERENCES))
    for way, array in product(c.variations, range(c.draws)):
        training = variation(c, way, array, seed)
        at: At = {"system": "SL", "variation": way.name, "rate": way.training.rate, "array": array}
        for mark in training.marks:
            measure = Measure(c.scenario, array, seed, Trained(training, mark), c.test)
            yield Row({**at, "samples": mark * way.training.batch}, measure)
    for array in range(c.calibration_draws):
        for count, estimate in calibration(c, array, seed).items():
            measure = Measure(c.scenario, array, seed, estimate, c.test)
            yield Row({"system": "maximum likelihood", "array": array, "samples": count}, measure)


def learning_trainings(c: MethodsConfig, seed: int) -> Iterator[Row]:
    """The trainings and the estimates."""
    for way, array in product(c.variations, range(c.draws)):
        training = variation(c, way, array, seed)
        yield Row({"system": "SL", "variation": way.name, "array": array}, training)
    for array in range(c.calibration_draws):
        for count, estimate in calibration(c, array, seed).items():
            yield Row({"system": "maximum likelihood", "array": array, "samples": count}, estimate)


WAYS = {
    "supervised": "SL as in Fig. 3",
    "no drop": "SL, one learning rate throughout",
    "gated": "SL, declared targets alone",
    "all samples": "SL, missed targets too",
    "position": "SL, positions as parameters",
}
"""Labels of the variations that are no learning rates."""


def learning_panels(c: MethodsConfig) -> list[Panel]:
    """Misdetection probability, and error of the learned positions."""
    colors = ("blue", "orange", "green", "purple", "sky", "yellow", "gray")
    layers: list[Layer] = []
    for index, way in enumerate(c.variations):
        label = WAYS.get(way.name, f"learning rate {way.training.rate:g} x the paper's")
        where = {"system": "SL", "variation": way.name}
        color, marker = colors[index % 7], "osD^v<>"[index % 7]
        # One that diverged before its first mark has no rows.
        layers.append(Line(where, label, color, marker, over="array", optional=True))
    likely = {"system": "maximum likelihood"}
    layers.append(Line(likely, "maximum likelihood", "black", "*", over="array"))

    def finish(axes: "Axes", rows: Table) -> None:
        from matplotlib.ticker import NullFormatter

        axes.xaxis.set_minor_formatter(NullFormatter())

    look: dict[str, Any] = {"xlabel": "labelled samples", "xscale": "log", "yscale": "plain"}
    error = "RMS error of the positions ($\\lambda$)"
    return [
        Panel("samples", P_MD, [KNOWN, UNKNOWN, *layers], finish=finish, **look),
        Panel("samples", "position_error", layers, ylabel=error, finish=finish, **look),
    ]


# Constellations


def constellation_rows(c: ConstellationConfig, seed: int) -> Iterator[Row]:
    """The detector of Eq. (9), and the matched one, with several constellations."""
    for order in c.orders:
        yield Row({"order": order}, MeasureConstellation(c.scenario, seed, order, c.test))


def constellation_panels(c: ConstellationConfig) -> list[Panel]:
    """Misdetection with constellations of equal and unequal moduli."""

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xscale("log", base=2)
        axes.set_xticks(c.orders, [f"{order}-QAM" for order in c.orders])
        axes.set_xlim(c.orders[0] / 2, c.orders[-1] * 2)

    label = "Eq. (9), after reciprocal filtering"
    layers = [
        Line({"filter": "reciprocal"}, label, "orange", "s", line="", filled=False),
        Line({"filter": "matched"}, "MAPRT with the symbols' moduli", "blue", "o", line=""),
    ]
    return [Panel("order", P_MD, layers, xlabel="", finish=finish)]


FIG3 = FigureSpec(
    "p3-fig3",
    "Misdetection probability and position RMSE along all schedules",
    SENSING_PRESETS,
    sensing_rows,
    UNITS,
    Drawing(sensing_panels, sharex=True),
    sensing_trainings,
)
FIG4 = FigureSpec(
    "p3-fig4",
    "Misdetection probability over the labelled share",
    RATIO_PRESETS,
    ratio_rows,
    UNITS,
    Drawing(ratio_panels),
    builds_on=(FIG3.id,),
)
FIG5 = FigureSpec(
    "p3-fig5",
    "SER against misdetection probability and position RMSE over all joint beams",
    TRADEOFF_PRESETS,
    tradeoff_rows,
    UNITS,
    Drawing(tradeoff_panels),
    builds_on=(FIG3.id,),
)
LEARNING = FigureSpec(
    "p3-learning",
    "Ways to learn the spacings, on as many labelled samples",
    METHODS_PRESETS,
    learning_rows,
    UNITS,
    Drawing(learning_panels),
    learning_trainings,
)
CONSTELLATION = FigureSpec(
    "p3-constellation",
    "The detector of Eq. (9) with symbols of unequal moduli",
    CONSTELLATION_PRESETS,
    constellation_rows,
    UNITS,
    Drawing(constellation_panels),
)
FIGURES = (FIG3, FIG4, FIG5, LEARNING, CONSTELLATION)

"""P2, "Model-Driven End-to-End Learning for ISAC": the rows and panels of its figures.

Fig. 5 shows the systems of Fig. 4, which are measured in both target sectors, the one ``seen`` in
training and the ``unseen``. Networks are measured after either training step: the detector is
trained in the first, and the beamformer goes on without it in the second.
"""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from isaclib.experiments.engine.panels import Band, Drawing, Layer, Line, Notes, Panel, Ranges
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.p2.config import (
    IDEAL_PRESETS,
    IMPAIRED_PRESETS,
    READINGS_PRESETS,
    ArraysConfig,
    IdealConfig,
    ImpairedConfig,
    MatrixTraining,
    NetworkTraining,
    ReadingsConfig,
)
from isaclib.experiments.p2.tasks import (
    LeastSquares,
    Measure,
    Setting,
    Shares,
    System,
    TrainMatrix,
    TrainNetworks,
)
from isaclib.systems.sector_networks.model import StageName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS = {"ser": "1", "p_md": "1", "p_fa": "1", "rmse_deg": "deg", "threshold": "1"}
"""Measured quantities, with their units."""

KNOWN = {"known": True, "unknown": False}
"""What the coordinate ``spacings`` says of a baseline: whether it knows the true ones."""


def trained_networks(
    setting: Setting, training: NetworkTraining, radar_weight: float
) -> dict[StageName, TrainNetworks]:
    """Networks by the training step that they have been through."""
    first = TrainNetworks(setting, training, radar_weight)
    return {"detection": first, "angle": replace(first, start=first)}


# Fig. 3


def networks_at(training: NetworkTraining, step: StageName = "angle") -> At:
    """Coordinates of Fig. 3's networks, but for omega_r."""
    readings = {"indicator": training.indicator, "angle_unit": training.angle_unit}
    return {"system": "networks", **readings, "step": step}


def ideal_rows(c: IdealConfig, seed: int) -> Iterator[Row]:
    """Both learners, in all readings, and the baseline, without impairments."""
    setting, sector = Setting(c.scenario, seed), c.scenario.target_sector_deg
    baseline = LeastSquares(setting, True, c.grid_size)
    yield Row({"system": "baseline"}, Measure(baseline, sector, c.test, c.radar_weights))
    for row in ideal_trainings(c, seed):
        assert isinstance(row.task, TrainMatrix)
        yield Row(row.at, Measure(row.task, sector, c.test, c.radar_weights))
    for training in c.networks_and_readings():
        own = training == c.networks
        for weight in c.radar_weights if own else c.few_radar_weights:
            for step, networks in trained_networks(setting, training, weight).items():
                at = {**networks_at(training, step), "omega_r": weight}
                yield Row(at, Measure(networks, sector, c.test))


def ideal_trainings(c: IdealConfig, seed: int) -> Iterator[Row]:
    """The steering matrices; networks would be too large."""
    for training in c.matrices():
        at: At = {"system": "model-driven", "reading": training.reading}
        yield Row(at, TrainMatrix(Setting(c.scenario, seed), training))


def matrix_label(training: MatrixTraining) -> str:
    """What a steering matrix is called in a legend."""
    grid = rf"$N_\mathrm{{grid}}={training.grid_size}$"
    return f"model-driven, {grid}, {training.steps:,} steps"


def network_label(training: NetworkTraining) -> str:
    """What networks are called in a legend."""
    return f"networks, $N={training.width}$, 2 x {training.steps:,} steps of {training.batch:,}"


def ideal_panels(c: IdealConfig) -> list[Panel]:
    """SER against misdetection probability, and against angle RMSE."""
    own, printed, radians = c.networks_and_readings()
    curves = [
        Line({"system": "baseline"}, "baseline", "black", ""),
        Line({"reading": "literal"}, matrix_label(c.matrix)),
        Line(
            {"reading": "sector"}, "the same, softmax over the sector alone", "sky", "s", "-", False
        ),
        Line(networks_at(own), network_label(own), "orange", "^"),
        Line(networks_at(printed), "networks, Eq. (11) as printed", "purple", "x", ""),
        Line(networks_at(radians), "networks, angle loss in radians", "green", "D", "", False),
    ]
    label = "networks after the first training step"
    first = Line(networks_at(own, "detection"), label, "yellow", "v", "", False)
    notes = {weight: rf"$\omega_\mathrm{{r}}$={weight:g}" for weight in (0.4, 1.0)}
    names = Notes(networks_at(own), "omega_r", notes)
    return [
        Panel("ser", y, [*layers, names], xscale="log", yscale="plain")
        for y, layers in (("p_md", [*curves, first]), ("rmse_deg", curves))
    ]


# Figs. 4 and 5


def array_rows(c: ArraysConfig, at: At, system: System, shares: Shares = ()) -> Iterator[Row]:
    """A system in both target sectors."""
    for name, sector in c.sectors().items():
        yield Row({**at, "sector": name}, Measure(system, sector, c.test, shares))


def impaired_rows(c: ImpairedConfig, seed: int) -> Iterator[Row]:
    """Baselines and, in either complexity, learners on arrays with spacing errors."""

    def settings(draws: int) -> list[tuple[int, Setting]]:
        arrays = enumerate(c.arrays(c.model, draws))
        return [(array, Setting(c.scenario, seed, impairment)) for array, impairment in arrays]

    at: At
    for spacings, (array, setting) in product(KNOWN, settings(c.baseline_draws)):
        at = {"system": "baseline", "spacings": spacings, "array": array}
        baseline = LeastSquares(setting, KNOWN[spacings], c.grid_size)
        yield from array_rows(c, at, baseline, c.rhos)
    for complexity, (matrix, networks) in c.trainings().items():
        for array, setting in settings(c.matrix_draws):
            at = {"system": "model-driven", "complexity": complexity, "array": array}
            yield from array_rows(c, at, TrainMatrix(setting, matrix), c.radar_weights)
        for (array, setting), weight in product(settings(c.network_draws), c.radar_weights):
            at = {"system": "networks", "complexity": complexity, "array": array}
            for step, trained in trained_networks(setting, networks, weight).items():
                yield from array_rows(c, {**at, "step": step, "omega_r": weight}, trained)


def unseen_rows(c: ImpairedConfig, seed: int) -> Iterator[Row]:
    """The rows of Fig. 4 that it does not show."""
    return (row for row in impaired_rows(c, seed) if row.at["sector"] == "unseen")


def impaired_trainings(c: ImpairedConfig, seed: int) -> Iterator[Row]:
    """Steering matrices, and narrow networks after both steps; wide ones would be too large."""
    for row in unseen_rows(c, seed):
        assert isinstance(row.task, Measure)
        at, system = {k: v for k, v in row.at.items() if k != "sector"}, row.task.system
        narrow = at.get("complexity") == "limited" and at.get("step") == "angle"
        if isinstance(system, TrainMatrix) or (isinstance(system, TrainNetworks) and narrow):
            yield Row(at, system)


LOOKS = {
    "unlimited": (("blue", "o"), ("orange", "^")),
    "limited": (("sky", "s"), ("yellow", "v")),
}
"""Colour and marker of steering matrices, and of networks."""


def impaired_panels(c: ImpairedConfig, *, sector: str) -> list[Panel]:
    """The trade-off for the first array; the range of the baselines, and markers, over others."""
    layers: list[Layer] = [
        Band(
            {"system": "baseline", "spacings": spacings, "sector": sector},
            f"{label} (band: {c.baseline_draws} arrays)",
            color,
            first=True,
            alpha=0.2,
            edge=0.8,
        )
        for spacings, label, color in (
            ("known", "baseline, spacings known", "black"),
            ("unknown", r"baseline, assumes $\lambda/2$", "purple"),
        )
    ]
    for complexity, (matrix, networks) in c.trainings().items():
        matrix_look, network_look = LOOKS[complexity]
        at = {"complexity": complexity, "sector": sector}
        # The curves of both matrices lie on each other.
        filled = complexity == "unlimited"
        for array in range(c.matrix_draws):
            where: At = {"system": "model-driven", **at, "array": array}
            if array == 0:
                layers.append(Line(where, matrix_label(matrix), *matrix_look, filled=filled))
            else:
                layers.append(Line(where, None, *matrix_look, "", filled=filled, alpha=0.35))
        first: At = {"system": "networks", **at, "step": "angle", "array": 0}
        layers.append(Line(first, network_label(networks), *network_look))
    return [Panel("ser", y, layers, xscale="log", yscale="plain") for y in ("p_md", "rmse_deg")]


# Readings of the spacing errors


def readings_rows(c: ReadingsConfig, seed: int) -> Iterator[Row]:
    """Baselines and steering matrices at omega_r = 1 for each reading, in both target sectors."""
    at: At
    for model in c.models:
        for array, impairment in enumerate(c.arrays(model, c.baseline_draws)):
            setting = Setting(c.scenario, seed, impairment)
            for spacings, known in KNOWN.items():
                at = {"system": "baseline", "spacings": spacings, "model": model, "array": array}
                yield from array_rows(c, at, LeastSquares(setting, known, c.grid_size), (1.0,))
        for array, impairment in enumerate(c.arrays(model, c.matrix_draws)):
            at = {"system": "model-driven", "model": model, "array": array}
            matrix = TrainMatrix(Setting(c.scenario, seed, impairment), c.matrix)
            yield from array_rows(c, at, matrix, (1.0,))


def readings_panels(c: ReadingsConfig) -> list[Panel]:
    """All systems, side by side for each reading and sector."""
    names = {"cumulative": "neighbours", "per_element_centered": "per element"}
    sectors = {name: f"[{low:g}°, {high:g}°]" for name, (low, high) in c.sectors().items()}
    pairs = list(product(c.models, sectors))
    places = [{"model": model, "sector": sector} for model, sector in pairs]
    ticks = [f"{names[model]}\n{sectors[sector]}" for model, sector in pairs]

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xticks(range(len(ticks)), ticks)

    known, unknown = ({"system": "baseline", "spacings": spacings} for spacings in KNOWN)
    matrix, arrays = {"system": "model-driven"}, f"({c.baseline_draws} arrays)"
    few = f"{matrix_label(c.matrix)} ({c.matrix_draws} arrays)"
    assumes = rf"baseline, assumes $\lambda/2$ {arrays}"
    middle = statistics.median
    layers = [
        Ranges(known, f"baseline, spacings known {arrays}", "black", "o", -0.2, middle, places),
        Ranges(unknown, assumes, "purple", "s", 0.0, middle, places),
        Ranges(matrix, few, "blue", "^", 0.2, None, places),
    ]
    return [
        Panel("model", y, layers, xlabel="", yscale="plain", finish=finish)
        for y in ("p_md", "rmse_deg")
    ]


FIG3 = FigureSpec(
    "p2-fig3",
    "SER against misdetection probability and angle RMSE, without impairments",
    IDEAL_PRESETS,
    ideal_rows,
    UNITS,
    Drawing(ideal_panels),
    ideal_trainings,
)
FIG4 = FigureSpec(
    "p2-fig4",
    "The same with spacing errors, with and without a limit on the complexity",
    IMPAIRED_PRESETS,
    impaired_rows,
    UNITS,
    Drawing(partial(impaired_panels, sector="seen")),
    impaired_trainings,
)
FIG5 = FigureSpec(
    "p2-fig5",
    "The same for a target sector that is not in the training set",
    IMPAIRED_PRESETS,
    unseen_rows,
    UNITS,
    Drawing(partial(impaired_panels, sector="unseen")),
    builds_on=(FIG4.id,),
)
READINGS = FigureSpec(
    "p2-readings",
    "Baseline and model-driven learning under both readings of the spacing errors",
    READINGS_PRESETS,
    readings_rows,
    UNITS,
    Drawing(readings_panels),
)
FIGURES = (FIG3, FIG4, FIG5, READINGS)

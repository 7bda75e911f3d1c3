"""P1, "End-to-End Learning for ISAC": the rows and panels of its figures, but for App. A.

Figs. 3 and 4 show the autoencoders of Fig. 2, and so does the comparison of training schedules.
"""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, get_args

from isaclib.experiments.engine.panels import (
    Band,
    Drawing,
    Layer,
    Level,
    Line,
    Notes,
    Panel,
    Ranges,
)
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.p1.config import (
    IMPAIRED_PRESETS,
    PENALTY_PRESETS,
    SEQUENTIAL_PRESETS,
    TRADEOFF_PRESETS,
    ImpairedConfig,
    Impairment,
    Learning,
    PenaltyConfig,
    Scenario,
    SequentialConfig,
    SpacingReading,
    TradeoffConfig,
)
from isaclib.experiments.p1.tasks import (
    Beampattern,
    LeastSquares,
    MeasureAutoencoder,
    MeasureBaseline,
    Receivers,
    TrainAutoencoder,
)
from isaclib.metrics import pareto_front
from isaclib.systems.autoencoder.model import SEQUENTIAL, StageName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNITS = {
    "ser": "1",
    "p_d": "1",
    "p_fa": "1",
    "rmse_deg": "deg",
    "sigma_deg": "deg",
    "sigma_mean_deg": "deg",
    "threshold": "1",
    "energy": "1",
}
"""Measured quantities, with their units."""

AUTOENCODER: At = {"system": "autoencoder", "receivers": "learned"}
MARKERS = "os^Dv"
WEIGHT = r"$\omega_\mathrm{r}$"


def tradeoff_trainings(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Autoencoders in all units, and repetitions in the figure's own."""
    for repetition in range(c.training.repetitions):
        units = c.angle_units if repetition == 0 else c.angle_units[:1]
        for unit, omega_r in product(units, c.radar_weights):
            plan = c.training.plan(omega_r, unit)
            training = TrainAutoencoder(c.scenario, plan, seed + repetition)
            yield Row({"unit": unit, "repetition": repetition, "omega_r": omega_r}, training)


def measured(trainings: Iterator[Row], c: Learning, seed: int) -> Iterator[Row]:
    """Trained autoencoders with both kinds of receivers."""
    for training, receivers in product(trainings, get_args(Receivers)):
        assert isinstance(training.task, TrainAutoencoder)
        task = MeasureAutoencoder(training.task, receivers, c.test, seed)
        yield Row({"system": "autoencoder", **training.at, "receivers": receivers}, task)


def tradeoff_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Autoencoders and the baseline's sweep, without impairments."""
    yield from measured(tradeoff_trainings(c, seed), c, seed)
    phases = [2 * math.pi * i / c.num_phases for i in range(c.num_phases)]
    points = tuple(product(c.rhos, phases))
    task = MeasureBaseline(c.scenario, points, c.grid_size, c.test, seed)
    yield Row({"system": "baseline"}, task)


class Sweep:
    """All points of the baseline, faintly, and the front of those that no other beats."""

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        points, sign = rows.where(system="baseline"), -1 if y == "p_d" else 1
        front = points.take(pareto_front(points[x].values, [sign * v for v in points[y].values]))
        axes.plot(points[x].values, points[y].values, "k.", alpha=0.2, markersize=4, zorder=1)
        label = r"baseline, all $(\rho,\varphi)$ and front"
        axes.plot(front[x].values, front[y].values, "k-", label=label, zorder=2)


def markers(count: int, over: str, label: str, **where: str) -> list[Layer]:
    """Autoencoders, a marker each value of a coordinate."""
    return [
        Line({**AUTOENCODER, **where, over: n}, None if n else label, marker=MARKERS[n], line="")
        for n in range(count)
    ]


def tradeoff_panel(y: str, layers: list[Layer]) -> Panel:
    """A sensing metric over the symbol error rate."""
    return Panel("ser", y, layers, xscale="log", yscale="plain" if y == "rmse_deg" else "linear")


def tradeoff_panels(c: TradeoffConfig) -> list[Panel]:
    """Autoencoders, one marker a training, beside the baseline."""
    first = {**AUTOENCODER, "unit": "deg", "repetition": 0}
    classical = {**first, "receivers": "classical"}
    layers: list[Layer] = [
        Sweep(),
        *markers(c.training.repetitions, "repetition", "autoencoder, MSE in degrees", unit="deg"),
        Line({**AUTOENCODER, "unit": "rad"}, "autoencoder, MSE in radians", "orange", "x", ""),
        Line(classical, "learned beam, ML and MAPRT receivers", "green", "o", "", filled=False),
    ]
    names = {w: f"{WEIGHT}={w:g}" for w in (0.0, 0.01, 0.09, 1.0)}
    return [
        tradeoff_panel(y, [*layers, Notes(first, "omega_r", names, offset)])
        for y, offset in (("p_d", (7, -12)), ("rmse_deg", (7, 6)))
    ]


def pattern_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Beampatterns of the first autoencoders of Fig. 2, and of the baseline."""
    beams: list[tuple[At, TrainAutoencoder | LeastSquares]] = []
    for omega_r in c.radar_weights:
        training = TrainAutoencoder(c.scenario, c.training.plan(omega_r, c.angle_units[0]), seed)
        beams.append(({"system": "autoencoder", "omega_r": omega_r}, training))
    for rho in (0.0, 0.5, 1.0):
        beams.append(({"system": "baseline", "rho": rho}, LeastSquares(rho, c.grid_size)))
    return (Row(at, Beampattern(c.scenario, beam)) for at, beam in beams)


@dataclass(frozen=True)
class Patterns:
    """Shaded sectors, and curves by their values of a coordinate."""

    scenario: Scenario
    key: str
    colors: dict[float, str]

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS, shade_sector

        shade_sector(axes, self.scenario.target_sector, "target", COLORS["green"])
        shade_sector(axes, self.scenario.receiver_sector, "receiver", COLORS["sky"])
        for value, curve in rows.split(self.key).items():
            if value in self.colors:
                color = COLORS[self.colors[value]]
                axes.plot(curve[x].values, curve[y].values, color=color, label=f"{value:g}")


def pattern_panels(c: TradeoffConfig) -> list[Panel]:
    """Learned beams on the left, least-squares beams on the right."""

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xlim(-90, 90)
        axes.set_xticks(range(-90, 91, 30))
        axes.sharey(axes.figure.axes[0])

    colors = {0.0: "sky", 0.01: "blue", 0.09: "orange", 0.4: "yellow", 1.0: "green"}
    energy = r"$E(\phi)=|\mathbf{a}_\mathrm{tx}^\top(\phi)\,\mathbf{v}|^2$"
    look: dict[str, Any] = {"xlabel": "angle (degrees)", "legend": "upper left", "finish": finish}
    return [
        Panel("angle_deg", "energy", [Patterns(c.scenario, *what)], ylabel=y, title=title, **look)
        for what, y, title in (
            (("omega_r", colors), energy, f"autoencoder, {WEIGHT}"),
            (("rho", {**colors, 0.5: "orange"}), "", r"least-squares beams, $\rho$"),
        )
    ]


def uncertainty_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """The autoencoders of Fig. 2 that learn to sense."""
    for row in measured(tradeoff_trainings(c, seed), c, seed):
        if row.at["receivers"] == "learned" and row.at["omega_r"] != 0:
            yield row


@dataclass(frozen=True)
class Diagonal:
    """Where both quantities are equal, over the range of the rows."""

    where: At

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        table, label = rows.where(**self.where), r"RMSE $=\sigma_{\hat\theta}$"
        finite = [value for value in table[x].values + table[y].values if value > 0]
        ends = (min(finite) * 0.9, max(finite) * 1.1)
        axes.plot(ends, ends, "--", color=COLORS["gray"], label=label)


def uncertainty_panels(c: TradeoffConfig) -> list[Panel]:
    """The angle RMSE over both averages of the claimed uncertainty."""
    degrees = {"system": "autoencoder", "unit": "deg"}
    layers: list[Layer] = [
        Line({**degrees, "repetition": n}, f"training {n}", marker=MARKERS[n], line="")
        for n in range(c.training.repetitions)
    ]
    layers.append(Diagonal(degrees))
    look: dict[str, Any] = {"xscale": "plain", "yscale": "plain"}
    square, mean = (
        Panel(x, "rmse_deg", layers, rf"{name} of $\sigma_{{\hat\theta}}$ (degrees)", **look)
        for x, name in (("sigma_deg", "root mean square"), ("sigma_mean_deg", "mean"))
    )
    return [replace(square, legend="upper left"), mean]


def impaired_trainings(c: ImpairedConfig, seed: int) -> Iterator[Row]:
    """Autoencoders for each array and reading of the errors."""
    for array, (index, model) in product(range(c.learned_draws), enumerate(c.models)):
        for omega_r in c.other_radar_weights if index else c.radar_weights:
            impairment = Impairment(model, c.std_wavelengths, array)
            training = TrainAutoencoder(c.scenario, c.training.plan(omega_r), seed, impairment)
            yield Row({"model": model, "array": array, "omega_r": omega_r}, training)


def impaired_rows(c: ImpairedConfig, seed: int) -> Iterator[Row]:
    """Autoencoders, and baselines that know the spacings or assume half a wavelength."""
    yield from measured(impaired_trainings(c, seed), c, seed)
    common = (c.scenario, tuple((rho, 0.0) for rho in c.rhos), c.grid_size, c.test, seed)
    for model, known, array in product(c.models, (True, False), range(c.baseline_draws)):
        task = MeasureBaseline(*common, Impairment(model, c.std_wavelengths, array), known)
        at: At = {"system": "known" if known else "unknown", "model": model, "array": array}
        yield Row(at, task)


def impaired_panels(c: ImpairedConfig, model: SpacingReading = "cumulative") -> list[Panel]:
    """Autoencoders, one marker an array, beside the ranges of the baselines, for one reading."""
    arrays = f"(mean, range of {c.baseline_draws})"
    unknown = rf"baseline, assumes $\lambda/2$ {arrays}"
    layers: list[Layer] = [
        Band({"system": "known", "model": model}, f"baseline, spacings known {arrays}", "black"),
        Band({"system": "unknown", "model": model}, unknown, "purple"),
        *markers(c.learned_draws, "array", "autoencoder, one marker a draw", model=model),
    ]
    return [tradeoff_panel(y, layers) for y in ("p_d", "rmse_deg")]


def penalty_rows(c: PenaltyConfig, seed: int) -> Iterator[Row]:
    """Baselines that assume half a wavelength, over readings and sizes of the errors."""
    common = (c.scenario, ((c.rho, 0.0),), c.grid_size, c.test, seed)
    yield Row({"system": "nominal"}, MeasureBaseline(*common))
    for model, std, array in product(c.models, c.stds_wavelengths, range(c.draws)):
        task = MeasureBaseline(*common, Impairment(model, std, array), known=False)
        at: At = {"system": "unknown", "model": model, "std_wavelengths": std, "array": array}
        yield Row(at, task)


def category_panels(x: str, xlabel: str, ticks: list[str], layers: list[Layer]) -> list[Panel]:
    """Detection probability and angle RMSE over categories."""

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xticks(range(len(ticks)), ticks)

    look: dict[str, Any] = {"xlabel": xlabel, "finish": finish}
    return [Panel(x, "p_d", layers, **look), Panel(x, "rmse_deg", layers, yscale="plain", **look)]


def ranges(key: str, labels: dict[str, str], where: At, average: Any) -> list[Layer]:
    """Averages and ranges side by side, for three values of a coordinate."""
    looks = (("blue", "o", -0.18), ("orange", "s", 0.0), ("green", "^", 0.18))
    return [
        Ranges({**where, key: value}, label, *look, average)
        for (value, label), look in zip(labels.items(), looks, strict=True)
    ]


def penalty_panels(c: PenaltyConfig) -> list[Panel]:
    """Medians and ranges over arrays."""
    labels = {
        "cumulative": "distances between neighbours",
        "per_element": r"element $k$ at $k\,d_k$",
        "per_element_centered": r"at $(k-\frac{K-1}{2})\,d_k$",
    }
    layers: list[Layer] = [Level({"system": "nominal"}, "no errors", band=False)]
    layers += ranges("model", labels, {"system": "unknown"}, statistics.median_high)
    ticks = [rf"$\lambda/{1 / std:.0f}$" for std in c.stds_wavelengths]
    xlabel = r"spread of the spacings, $\sigma_\lambda$"
    return category_panels("std_wavelengths", xlabel, ticks, layers)


SCHEDULES: dict[str, tuple[tuple[StageName, ...], int]] = {
    "sequential": (SEQUENTIAL, 1),
    "joint": (("joint",), 1),
    "joint, equal steps": (("joint",), len(SEQUENTIAL)),
}
"""Stages, and their length: joint training with as many samples a network, and as many steps."""


def schedule_trainings(c: SequentialConfig, seed: int) -> Iterator[Row]:
    """All schedules, the sequential one as in Fig. 2."""
    repetitions = range(c.training.repetitions)
    for repetition, schedule, omega_r in product(repetitions, SCHEDULES, c.radar_weights):
        plan = c.training.plan(omega_r, None, *SCHEDULES[schedule])
        at: At = {"schedule": schedule, "repetition": repetition, "omega_r": omega_r}
        yield Row(at, TrainAutoencoder(c.scenario, plan, seed + repetition))


def joint_trainings(c: SequentialConfig, seed: int) -> Iterator[Row]:
    """Those whose networks Fig. 2 does not store."""
    return (row for row in schedule_trainings(c, seed) if row.at["schedule"] != "sequential")


def sequential_rows(c: SequentialConfig, seed: int) -> Iterator[Row]:
    """All schedules, and the beams of the joint ones with classical receivers."""
    for row in measured(schedule_trainings(c, seed), c, seed):
        if row.at["schedule"] != "sequential" or row.at["receivers"] == "learned":
            yield row


def sequential_panels(c: SequentialConfig) -> list[Panel]:
    """Means and ranges over trainings."""
    trainings = f"(mean, range of {c.training.repetitions})"
    labels = {
        "sequential": f"sequential, three stages {trainings}",
        "joint": f"joint, as many samples a network {trainings}",
        "joint, equal steps": f"joint, as many steps in all {trainings}",
    }
    layers = ranges("schedule", labels, AUTOENCODER, statistics.fmean)
    ticks = [f"{omega_r:g}" for omega_r in c.radar_weights]
    return category_panels("omega_r", f"radar weight {WEIGHT}", ticks, layers)


FIG2 = FigureSpec(
    "p1-fig2",
    "SER against detection probability and angle RMSE, without impairments",
    TRADEOFF_PRESETS,
    tradeoff_rows,
    UNITS,
    Drawing(tradeoff_panels),
    tradeoff_trainings,
)
FIG3 = FigureSpec(
    "p1-fig3",
    "Learned beampatterns",
    TRADEOFF_PRESETS,
    pattern_rows,
    UNITS,
    Drawing(pattern_panels, legend=False),
    builds_on=(FIG2.id,),
)
FIG4 = FigureSpec(
    "p1-fig4",
    "Angle RMSE against the claimed uncertainty",
    TRADEOFF_PRESETS,
    uncertainty_rows,
    UNITS,
    Drawing(uncertainty_panels, legend=False),
    builds_on=(FIG2.id,),
)
FIG5 = FigureSpec(
    "p1-fig5",
    "SER against detection probability and angle RMSE, with spacing errors",
    IMPAIRED_PRESETS,
    impaired_rows,
    UNITS,
    Drawing(impaired_panels),
    impaired_trainings,
)
PENALTY = FigureSpec(
    "p1-penalty",
    "What assuming half a wavelength costs the baseline, over readings and sizes of the errors",
    PENALTY_PRESETS,
    penalty_rows,
    UNITS,
    Drawing(penalty_panels),
)
JOINT = FigureSpec(
    "p1-sequential",
    "Sequential against joint training of the radar networks",
    SEQUENTIAL_PRESETS,
    sequential_rows,
    UNITS,
    Drawing(sequential_panels),
    joint_trainings,
    builds_on=(FIG2.id,),
)
FIGURES = (FIG2, FIG3, FIG4, FIG5, PENALTY, JOINT)

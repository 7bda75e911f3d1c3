"""P1, "End-to-End Learning for ISAC": the rows and panels of its figures.

Figs. 3 and 4 show the autoencoders of Fig. 2, and so does the comparison of training schedules.
:mod:`isaclib.experiments.p1.maprt` has the check of App. A.
"""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
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
from isaclib.systems.autoencoder.model import SEQUENTIAL, Stage

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

RECEIVERS: tuple[Receivers, ...] = get_args(Receivers)
AUTOENCODER: At = {"system": "autoencoder", "receivers": "learned"}
MARKERS = "os^Dv"
WEIGHT = r"$\omega_\mathrm{r}$"


# Fig. 2


def tradeoff_trainings(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Autoencoders in all units, and repetitions in the figure's own."""
    for repetition in range(c.training.repetitions):
        units = c.angle_units if repetition == 0 else c.angle_units[:1]
        for unit, omega_r in product(units, c.radar_weights):
            plan = c.training.plan(omega_r, unit)
            training = TrainAutoencoder(c.scenario, plan, seed + repetition)
            yield Row({"unit": unit, "repetition": repetition, "omega_r": omega_r}, training)


def measured(
    trainings: Iterator[Row], c: TradeoffConfig | ImpairedConfig | SequentialConfig, seed: int
) -> Iterator[Row]:
    """Trained autoencoders with both kinds of receivers."""
    for training, receivers in product(trainings, RECEIVERS):
        assert isinstance(training.task, TrainAutoencoder)
        task = MeasureAutoencoder(training.task, receivers, c.test, seed)
        yield Row({"system": "autoencoder", **training.at, "receivers": receivers}, task)


def tradeoff_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Autoencoders and the baseline's sweep, without impairments."""
    yield from measured(tradeoff_trainings(c, seed), c, seed)
    phases = [2 * math.pi * i / c.num_phases for i in range(c.num_phases)]
    points = tuple(product(c.rhos, phases))
    baseline = MeasureBaseline(c.scenario, points, c.grid_size, c.test, seed)
    yield Row({"system": "baseline"}, baseline)


@dataclass(frozen=True)
class Sweep:
    """All points of the baseline, faintly, and the front of those that no other beats."""

    label: str

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import plot_front

        better = y == "p_d"
        plot_front(
            axes, rows.where(system="baseline"), x, y, larger_is_better=better, label=self.label
        )


def tradeoff_panel(y: str, layers: list[Layer]) -> Panel:
    """A sensing metric over the symbol error rate."""
    return Panel("ser", y, layers, xscale="log", yscale="plain" if y == "rmse_deg" else "linear")


def tradeoff_panels(c: TradeoffConfig) -> list[Panel]:
    """Autoencoders, one marker a training, beside the baseline."""
    degrees = [
        {**AUTOENCODER, "unit": "deg", "repetition": n} for n in range(c.training.repetitions)
    ]
    classical = {**degrees[0], "receivers": "classical"}
    layers: list[Layer] = [
        Sweep(r"baseline, all $(\rho,\varphi)$ and front"),
        *(
            Line(where, None if n else "autoencoder, MSE in degrees", marker=MARKERS[n], line="")
            for n, where in enumerate(degrees)
        ),
        Line({**AUTOENCODER, "unit": "rad"}, "autoencoder, MSE in radians", "orange", "x", ""),
        Line(classical, "learned beam, ML and MAPRT receivers", "green", "o", "", filled=False),
    ]
    names = {w: f"{WEIGHT}={w:g}" for w in (0.0, 0.01, 0.09, 1.0)}
    return [
        tradeoff_panel(y, [*layers, Notes(degrees[0], "omega_r", names, offset)])
        for y, offset in (("p_d", (7, -12)), ("rmse_deg", (7, 6)))
    ]


# Fig. 3


def pattern_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """Beampatterns of the first autoencoders of Fig. 2, and of the baseline."""
    for omega_r in c.radar_weights:
        plan = c.training.plan(omega_r, c.angle_units[0])
        training = TrainAutoencoder(c.scenario, plan, seed)
        yield Row({"system": "autoencoder", "omega_r": omega_r}, Beampattern(c.scenario, training))
    for rho in (0.0, 0.5, 1.0):
        beam = LeastSquares(rho, c.grid_size)
        yield Row({"system": "baseline", "rho": rho}, Beampattern(c.scenario, beam))


@dataclass(frozen=True)
class Patterns:
    """Shaded sectors, and curves by their values of a coordinate."""

    scenario: Scenario
    system: str
    key: str
    colors: dict[float, str]

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS, shade_sector

        shade_sector(axes, self.scenario.target_sector, "target", COLORS["green"])
        shade_sector(axes, self.scenario.receiver_sector, "receiver", COLORS["sky"])
        curves = rows.where(system=self.system).split(self.key)
        for value, color in self.colors.items():
            if value in curves:
                curve = curves[value][x].values, curves[value][y].values
                axes.plot(*curve, color=COLORS[color], label=f"{value:g}")


def pattern_panels(c: TradeoffConfig) -> list[Panel]:
    """Learned beams on the left, least-squares beams on the right."""

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xlim(-90, 90)
        axes.set_xticks(range(-90, 91, 30))
        axes.sharey(axes.figure.axes[0])

    learned = {0.0: "sky", 0.01: "blue", 0.09: "orange", 0.4: "yellow", 1.0: "green"}
    fixed = {0.0: "sky", 0.5: "orange", 1.0: "green"}
    energy = r"$E(\phi)=|\mathbf{a}_\mathrm{tx}^\top(\phi)\,\mathbf{v}|^2$"
    look: dict[str, Any] = {"xlabel": "angle (degrees)", "legend": "upper left", "finish": finish}
    beams = Patterns(c.scenario, "autoencoder", "omega_r", learned)
    least = Patterns(c.scenario, "baseline", "rho", fixed)
    title = r"least-squares beams, $\rho$"
    return [
        Panel(
            "angle_deg", "energy", [beams], ylabel=energy, title=f"autoencoder, {WEIGHT}", **look
        ),
        Panel("angle_deg", "energy", [least], ylabel="", title=title, **look),
    ]


# Fig. 4


def uncertainty_rows(c: TradeoffConfig, seed: int) -> Iterator[Row]:
    """The autoencoders of Fig. 2 that learn to sense."""
    for row in measured(tradeoff_trainings(c, seed), c, seed):
        if row.at["receivers"] == "learned" and row.at["omega_r"] != 0:
            yield row


@dataclass(frozen=True)
class Diagonal:
    """Where both quantities are equal, over the range of the rows."""

    where: At
    label: str

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        table = rows.where(**self.where)
        finite = [value for value in table[x].values + table[y].values if value > 0]
        ends = (min(finite) * 0.9, max(finite) * 1.1)
        axes.plot(ends, ends, "--", color=COLORS["gray"], label=self.label)


def uncertainty_panels(c: TradeoffConfig) -> list[Panel]:
    """The angle RMSE over both averages of the claimed uncertainty."""
    degrees = {"system": "autoencoder", "unit": "deg"}
    layers: list[Layer] = [
        Line({**degrees, "repetition": n}, f"training {n}", marker=MARKERS[n], line="")
        for n in range(c.training.repetitions)
    ]
    layers.append(Diagonal(degrees, r"RMSE $=\sigma_{\hat\theta}$"))
    look: dict[str, Any] = {"xscale": "plain", "yscale": "plain"}
    square = r"root mean square of $\sigma_{\hat\theta}$ (degrees)"
    mean = r"mean of $\sigma_{\hat\theta}$ (degrees)"
    return [
        Panel("sigma_deg", "rmse_deg", layers, xlabel=square, legend="upper left", **look),
        Panel("sigma_mean_deg", "rmse_deg", layers, xlabel=mean, **look),
    ]


# Fig. 5


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
    points = tuple((rho, 0.0) for rho in c.rhos)
    systems = ("known", "unknown")
    for model, system, array in product(c.models, systems, range(c.baseline_draws)):
        impairment = Impairment(model, c.std_wavelengths, array)
        known = system == "known"
        task = MeasureBaseline(c.scenario, points, c.grid_size, c.test, seed, impairment, known)
        yield Row({"system": system, "model": model, "array": array}, task)


def impaired_panels(c: ImpairedConfig, model: SpacingReading = "cumulative") -> list[Panel]:
    """Autoencoders, one marker an array, beside the ranges of the baselines, for one reading."""
    arrays = f"(mean, range of {c.baseline_draws})"
    unknown = rf"baseline, assumes $\lambda/2$ {arrays}"
    layers: list[Layer] = [
        Band({"system": "known", "model": model}, f"baseline, spacings known {arrays}", "black"),
        Band({"system": "unknown", "model": model}, unknown, "purple"),
    ]
    for n in range(c.learned_draws):
        label = None if n else "autoencoder, one marker a draw"
        where = {**AUTOENCODER, "model": model, "array": n}
        layers.append(Line(where, label, marker=MARKERS[n], line=""))
    return [tradeoff_panel(y, layers) for y in ("p_d", "rmse_deg")]


# What assuming half a wavelength costs


def penalty_rows(c: PenaltyConfig, seed: int) -> Iterator[Row]:
    """Baselines that assume half a wavelength, over readings and sizes of the errors."""
    points = ((c.rho, 0.0),)
    nominal = MeasureBaseline(c.scenario, points, c.grid_size, c.test, seed)
    yield Row({"system": "nominal"}, nominal)
    for model, std, array in product(c.models, c.stds_wavelengths, range(c.draws)):
        impairment = Impairment(model, std, array)
        task = MeasureBaseline(c.scenario, points, c.grid_size, c.test, seed, impairment, False)
        at: At = {"system": "unknown", "model": model, "std_wavelengths": std, "array": array}
        yield Row(at, task)


def category_panels(x: str, xlabel: str, ticks: list[str], layers: list[Layer]) -> list[Panel]:
    """Detection probability and angle RMSE over categories."""

    def finish(axes: "Axes", rows: Table) -> None:
        axes.set_xticks(range(len(ticks)), ticks)

    return [
        Panel(x, "p_d", layers, xlabel=xlabel, finish=finish),
        Panel(x, "rmse_deg", layers, xlabel=xlabel, yscale="plain", finish=finish),
    ]


def penalty_panels(c: PenaltyConfig) -> list[Panel]:
    """Medians and ranges over arrays."""
    looks = {
        "cumulative": ("distances between neighbours", "blue", "o"),
        "per_element": (r"element $k$ at $k\,d_k$", "orange", "s"),
        "per_element_centered": (r"at $(k-\frac{K-1}{2})\,d_k$", "green", "^"),
    }
    layers: list[Layer] = [Level({"system": "nominal"}, "no errors", band=False)]
    for index, (model, look) in enumerate(looks.items()):
        where, shift = {"system": "unknown", "model": model}, 0.18 * (index - 1)
        layers.append(Ranges(where, *look, shift, statistics.median_high))
    ticks = [rf"$\lambda/{1 / std:.0f}$" for std in c.stds_wavelengths]
    xlabel = r"spread of the spacings, $\sigma_\lambda$"
    return category_panels("std_wavelengths", xlabel, ticks, layers)


# One after another, or all at once


SCHEDULES: dict[str, tuple[tuple[Stage, ...], int]] = {
    "sequential": (SEQUENTIAL, 1),
    "joint": (("joint",), 1),
    "joint, equal steps": (("joint",), len(SEQUENTIAL)),
}
"""Stages, and their length: joint training with as many samples a network, and as many steps."""


def schedule_trainings(c: SequentialConfig, seed: int) -> Iterator[Row]:
    """All schedules, the sequential one as in Fig. 2."""
    for repetition, schedule in product(range(c.training.repetitions), SCHEDULES):
        for omega_r in c.radar_weights:
            plan = c.training.plan(omega_r, None, *SCHEDULES[schedule])
            training = TrainAutoencoder(c.scenario, plan, seed + repetition)
            at: At = {"schedule": schedule, "repetition": repetition, "omega_r": omega_r}
            yield Row(at, training)


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
    looks = {
        "sequential": ("sequential, three stages", "blue", "o"),
        "joint": ("joint, as many samples a network", "orange", "s"),
        "joint, equal steps": ("joint, as many steps in all", "green", "^"),
    }
    layers: list[Layer] = []
    for index, (schedule, (label, color, marker)) in enumerate(looks.items()):
        where, shift = {**AUTOENCODER, "schedule": schedule}, 0.18 * (index - 1)
        label = f"{label} (mean, range of {c.training.repetitions})"
        layers.append(Ranges(where, label, color, marker, shift))
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
    Drawing(pattern_panels, legend_columns=0),
    builds_on=(FIG2.id,),
)
FIG4 = FigureSpec(
    "p1-fig4",
    "Angle RMSE against the claimed uncertainty",
    TRADEOFF_PRESETS,
    uncertainty_rows,
    UNITS,
    Drawing(uncertainty_panels, legend_columns=0),
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

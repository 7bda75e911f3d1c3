"""What the figures of P4 look like."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from isaclib.experiments.engine.panels import Drawing, Layer, Line, Panel, Ranges, Selected
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.p4.config import (
    Base,
    ChoicesConfig,
    SemanticConfig,
    SweepsConfig,
    WeightsConfig,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "mse": "reconstruction loss, MSE",
    "sensing": "sensing accuracy",
    "animal": "task accuracy, animal or not",
    "sensing_weight": r"weight of the sensing loss, $w_\mathrm{s}$",
    "communication_snr_db": "communication SNR (dB)",
    "sensing_snr_db": "sensing SNR (dB)",
    "snr_db": "SNR of both channels (dB)",
    "size": "encoder output size, $n$",
    "ranges": "potential ranges, $R$",
}
CHANNELS = {"awgn": ("AWGN", "blue", "o"), "rayleigh": ("Rayleigh fading", "orange", "s")}
"""Label, colour and marker of both channels."""
LINEAR = {
    "awgn": ("principal components, AWGN", "black"),
    "rayleigh": ("principal components, Rayleigh, known gain", "gray"),
}


def channel_look(fading: str) -> dict[str, Any]:
    """Label, colour and marker of a channel for Matplotlib."""
    from isaclib.experiments.engine.plotting import COLORS

    label, color, marker = CHANNELS[fading]
    return {"label": label, "color": COLORS[color], "marker": marker}


@dataclass(frozen=True)
class Plain(Selected):
    """A line without markers and intervals."""

    line: str = "--"
    alpha: float | None = None

    def draw(self, axes: "Axes", rows: Table, x: str, y: str) -> None:
        """Draw it."""
        from isaclib.experiments.engine.plotting import COLORS

        rows, color = rows.where(**self.where), COLORS[self.color]
        places = rows[x].values, rows[y].values
        axes.plot(*places, self.line, color=color, alpha=self.alpha, label=self.label)


def earlier(c: Base, label: str) -> str:
    """What a legend says of systems halfway through their training."""
    return f"{label}, after {c.training.early} of {c.training.epochs} epochs"


def curves(c: Base, at: At) -> list[Layer]:
    """Both channels at the end of the training, and faintly before it."""
    layers: list[Layer] = []
    for fading, (label, color, marker) in CHANNELS.items():
        where: At = {"measured": "performance", "fading": fading, **at}
        early, end = ({**where, "epochs": n} for n in c.training.marks())
        layers.append(Plain(early, earlier(c, label), color, ":", 0.8))
        layers.append(Line(end, label, color, marker))
    return layers


def repeated(c: WeightsConfig | SemanticConfig, x: str, place: float) -> list[Layer]:
    """Mean and range of the default system over the seeds of its training, at its place on x."""
    layers: list[Layer] = []
    for (fading, (label, *_)), marker in zip(CHANNELS.items(), "Dv", strict=True):
        where: At = {"measured": "performance", "fading": fading, x: place}
        where = {**where, "epochs": c.training.epochs}
        label = f"{label}: mean and range of {c.repetitions} trainings"
        layers.append(Ranges(where, label, "black", marker, shift=place))
    return layers


def panel(x: str, y: str, layers: list[Layer], *, logarithmic: bool = False) -> Panel:
    """A panel with the names of its axes, and the PSNR at the loss, which may be logarithmic."""

    def finish(axes: "Axes", rows: Table) -> None:
        from isaclib.experiments.engine.plotting import plain_log_scale

        plain_log_scale(axes, y=logarithmic)
        psnr_axis(axes)

    return Panel(x, y, layers, LABELS[x], LABELS[y], finish=finish if y == "mse" else None)


def psnr_axis(axes: "Axes") -> None:
    """Give the reconstruction loss as peak signal-to-noise ratio too, on the right."""
    import numpy as np
    from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullLocator

    def to_db(mse: Any) -> Any:
        return -10 * np.log10(np.maximum(mse, 1e-9))

    def from_db(psnr_db: Any) -> Any:
        return 10 ** (-np.asarray(psnr_db) / 10)

    right = axes.secondary_yaxis("right", functions=(to_db, from_db))
    right.yaxis.set_major_locator(MaxNLocator(5))
    right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    right.yaxis.set_minor_locator(NullLocator())
    right.set_ylabel("PSNR (dB)")


def weights_panels(c: WeightsConfig) -> list[Panel]:
    """Loss and accuracy, each with the decoder that was trained afterwards where it was not."""
    panels = []
    for y, end in (("mse", 1.0), ("sensing", 0.0)):
        layers = curves(c, {"repetition": 0})
        layers += repeated(c, "sensing_weight", c.point.weights.sensing)
        for fading, (label, color, _) in CHANNELS.items():
            where: At = {"measured": "afterwards", "fading": fading, "sensing_weight": end}
            label = f"{label}, decoder trained afterwards"
            layers.append(Line(where, label, color, "*", line="", filled=False))
        panels.append(panel("sensing_weight", y, layers, logarithmic=True))
    return panels


def sweeps_panels(c: SweepsConfig) -> list[Panel]:
    """Loss and accuracy over each parameter, and principal components."""
    fixed: Mapping[str, At] = {
        "communication_snr_db": {"size": c.point.size},
        "size": {"communication_snr_db": c.point.communication_snr_db},
    }
    panels = []
    for x, y in product(c.sweeps(), ("mse", "sensing")):
        layers = curves(c, {"varied": x})
        for fading, (label, color) in LINEAR.items() if x in fixed and y == "mse" else ():
            where: At = {"measured": "principal components", "fading": fading, **fixed[x]}
            layers.append(Plain(where, label, color))
        panels.append(panel(x, y, layers))
    return panels


def semantic_panels(c: SemanticConfig) -> list[Panel]:
    """Three tasks over the SNR."""
    layers = curves(c, {"repetition": 0})
    layers += repeated(c, "snr_db", c.point.communication_snr_db)
    return [panel("snr_db", y, layers) for y in ("mse", "sensing", "animal")]


def choices_panels(c: ChoicesConfig) -> list[Panel]:
    """A row a choice: the end of its training, and hollow what it was early."""
    from isaclib.experiments.engine.plotting import COLORS

    places = {(choice.tasks, choice.name): row for row, choice in enumerate(c.choices())}

    def panel_of(metric: str) -> Panel:
        def finish(axes: "Axes", rows: Table) -> None:
            for shift, fading in zip((-0.14, 0.14), CHANNELS, strict=True):
                own = rows.where(measured="performance", fading=fading)
                found = sorted(
                    (places[tasks, name] + shift, curve[metric].values)
                    for tasks, some in own.split("tasks").items()
                    for name, curve in some.split("choice").items()
                    if not math.isnan(curve[metric].values[-1])
                )
                heights, values = zip(*found, strict=True)
                label, color, marker = CHANNELS[fading]
                edge: Any = {"edgecolor": COLORS[color], "marker": marker}
                first, last = ([column[end] for column in values] for end in (0, -1))
                early = earlier(c, label)
                axes.scatter(first, heights, s=14, facecolor="white", label=early, **edge)
                axes.scatter(last, heights, s=28, facecolor=COLORS[color], label=label, **edge)
            axes.set_yticks(range(len(places)), [choice.label for choice in c.choices()])
            axes.set_ylim(len(places) - 0.5, -0.5)
            for group in (("three", "default"), ("two", "ranges")):
                axes.axhline(places[group] - 0.5, color=COLORS["gray"], lw=0.8)

        return Panel(metric, "", [], LABELS[metric], "", finish=finish)

    return [panel_of(metric) for metric in ("mse", "sensing", "animal")]


def gradients_panels(c: WeightsConfig) -> list[Panel]:
    """Cosine between both tasks' gradients for the shared encoder, and the share of one."""
    from isaclib.experiments.engine.plotting import COLORS, plot_points

    x = "sensing_weight"

    def ends(rows: Table, fading: str, task: str, other: str | None) -> Table:
        end, at = c.training.epochs, {"task": task, "other": other}
        return rows.where(measured="gradients", fading=fading, epochs=end, **at)

    def cosines(axes: "Axes", rows: Table) -> None:
        # Beside each other, so that the bars do not hide each other.
        for shift, fading in zip((-0.006, 0.006), CHANNELS, strict=True):
            both = ends(rows, fading, "reconstruction", "sensing")
            places: list[Any] = [weight + shift for weight in both[x].values]
            both = replace(both, coordinates={**both.coordinates, x: places})
            plot_points(axes, both, x, "cosine", **channel_look(fading))
        axes.axhline(0, color=COLORS["gray"], lw=0.8)

    def shares(axes: "Axes", rows: Table) -> None:
        for fading in CHANNELS:
            weights = ends(rows, fading, "reconstruction", "sensing")[x].values
            images, targets = (
                [ends(rows, fading, task, None).where(**{x: w})["norm"].value for w in weights]
                for task in ("reconstruction", "sensing")
            )
            found = [
                w * target / (w * target + (1 - w) * c.point.reconstruction_scale * image)
                for w, image, target in zip(weights, images, targets, strict=True)
            ]
            axes.plot(weights, found, **channel_look(fading))
        axes.plot([0, 1], [0, 1], ":", color=COLORS["gray"])
        axes.axhline(0.5, color=COLORS["gray"], ls="--", lw=0.8)

    finish = {
        "cosine between the tasks' gradients": cosines,
        "share of the sensing gradient": shares,
    }
    return [Panel(x, "", [], LABELS[x], label, finish=draw) for label, draw in finish.items()]


GRADIENTS = Drawing(gradients_panels)
"""Another drawing of Fig. 4's result."""

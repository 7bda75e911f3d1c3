"""The figures of P4, drawn from their results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullLocator

from isaclib.experiments.engine.plotting import (
    COLORS,
    legend_above,
    name_source,
    new_figure,
    plain_log_scale,
    plot_points,
    plot_ranges,
    style,
)
from isaclib.experiments.p4.assembly import EARLY, record_at
from isaclib.experiments.p4.config import FADINGS
from isaclib.experiments.series.assembly import metric_series
from isaclib.experiments.series.drawing import named
from isaclib.experiments.series.results import Result, Series

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
LOOKS: dict[str, dict[str, Any]] = {
    "awgn": {"color": COLORS["blue"], "marker": "o", "label": "AWGN"},
    "rayleigh": {"color": COLORS["orange"], "marker": "s", "label": "Rayleigh fading"},
}
"""Colours and markers of both channels."""

LINEAR: dict[str, dict[str, Any]] = {
    "awgn": {"color": COLORS["black"], "label": "principal components, AWGN"},
    "rayleigh": {"color": COLORS["gray"], "label": "principal components, Rayleigh, known gain"},
}


def training_note(config: Mapping[str, Any]) -> str:
    """What a legend says of the training."""
    return f"after {config['training']['early']} of {config['training']['epochs']} epochs"


def _psnr_axis(axes: Axes) -> None:
    """Give the reconstruction loss as peak signal-to-noise ratio too, on the right."""

    def to_db(mse: Any) -> Any:
        return -10 * np.log10(np.maximum(mse, 1e-9))

    def from_db(psnr_db: Any) -> Any:
        return 10 ** (-np.asarray(psnr_db) / 10)

    right = axes.secondary_yaxis("right", functions=(to_db, from_db))
    right.yaxis.set_major_locator(MaxNLocator(5))
    right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    right.yaxis.set_minor_locator(NullLocator())
    right.set_ylabel("PSNR (dB)")


def _curves(axes: Axes, result: Result, name: str, x: str, y: str) -> None:
    """Both channels at the end of the training, and faintly before it."""
    for fading in FADINGS:
        look = LOOKS[fading]
        early = result[name.format(fading) + EARLY]
        axes.plot(
            early[x].values,
            early[y].values,
            ":",
            color=look["color"],
            alpha=0.8,
            label=f"{look['label']}, {training_note(result.config)}",
        )
        plot_points(axes, result[name.format(fading)], x, y, **look)
    axes.set_xlabel(LABELS[x])
    axes.set_ylabel(LABELS[y])


def _repetitions(axes: Axes, result: Result, place: float, y: str) -> None:
    """Range of the default point over the seeds of its training."""
    for fading in FADINGS:
        values = result[f"repetitions/{fading}"][y].values
        plot_ranges(
            axes,
            [place],
            [values],
            average=lambda column: sum(column) / len(column),
            label=f"{LOOKS[fading]['label']}: mean and range of {len(values)} trainings",
            color=COLORS["black"],
            marker="D" if fading == "awgn" else "v",
        )


def draw_weights(result: Result) -> Figure:
    """P4 Fig. 4: reconstruction loss and sensing accuracy over the weight of the sensing loss."""
    with style():
        figure, panels = new_figure(2, height=4.2)
        for axes, y in zip(panels, ("mse", "sensing"), strict=True):
            _curves(axes, result, "{}", "sensing_weight", y)
            _repetitions(axes, result, 0.5, y)
            for fading in FADINGS:
                plot_points(
                    axes,
                    _afterwards(result[f"afterwards/{fading}"], y),
                    "sensing_weight",
                    y,
                    color=LOOKS[fading]["color"],
                    marker="*",
                    line="",
                    filled=False,
                    label=f"{LOOKS[fading]['label']}, decoder trained afterwards",
                )
        plain_log_scale(panels[0], y=True)
        _psnr_axis(panels[0])
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _afterwards(series: Series, y: str) -> Series:
    """The end of the weights at which the decoder of a metric was trained afterwards."""
    end = {"mse": 1.0, "sensing": 0.0}[y]
    place = {"sensing_weight": [end]}
    return metric_series(series.name, [record_at(series, "sensing_weight", end)], {y: "1"}, **place)


def draw_sweeps(result: Result) -> Figure:
    """P4 Fig. 5: reconstruction loss and sensing accuracy over four parameters."""
    rows = ("communication_snr_db", "sensing_snr_db", "size", "ranges")
    with style():
        figure, grid = plt.subplots(len(rows), 2, figsize=(8.8, 11.5), squeeze=False)
        for panels, x in zip(grid, rows, strict=True):
            for axes, y in zip(panels, ("mse", "sensing"), strict=True):
                _curves(axes, result, f"{x}/{{}}", x, y)
            if x in ("communication_snr_db", "size"):
                _linear(panels[0], result, x)
            _psnr_axis(panels[0])
        legend_above(figure, grid[0][0])
        name_source(figure, result)
    return figure


def _linear(axes: Axes, result: Result, x: str) -> None:
    """Principal components through the same channels."""
    for fading, look in LINEAR.items():
        series = result[f"linear/{x}/{fading}"]
        axes.plot(series[x].values, series["mse"].values, "--", **look)


def draw_semantic(result: Result) -> Figure:
    """P4 Fig. 6: three tasks over the SNR."""
    default = result.config["point"]["communication_snr_db"]
    with style():
        figure, panels = new_figure(3, width=3.7, height=4.2)
        for axes, y in zip(panels, ("mse", "sensing", "animal"), strict=True):
            _curves(axes, result, "{}", "snr_db", y)
            _repetitions(axes, result, default, y)
        _psnr_axis(panels[0])
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


CHOICES = {
    "two tasks": "two tasks",
    "longer, two tasks": "{longer} times the epochs",
    "known, two tasks": "channels known to the receivers",
    "plain loss, two tasks": "plain MSE of pixels in [0, 1]",
    "other layers": "networks of {layers} channels",
    "same way back": "same way to the target and back",
    "three tasks": "three tasks",
    "longer, three tasks": "{longer} times the epochs",
    "known, three tasks": "channels known to the receivers",
    "plain loss, three tasks": "plain MSE of pixels in [0, 1]",
    "ten classes": "ten classes as the third task",
    "range step": "{ranges} ranges, {step:g} dB apart",
    "other range step": "{ranges} ranges, {other:g} dB apart",
}
"""What is drawn for each choice, from top to bottom."""

_GROUPS = ("two tasks", "three tasks", "range step")


def draw_choices(result: Result) -> Figure:
    """The default point under the choices that the paper leaves open."""
    config = result.config
    words = {
        "longer": config["longer"],
        "layers": ", ".join(map(str, config["other_layers"]["channels"])),
        "ranges": config["step_ranges"],
        "step": config["point"]["range_step_db"],
        "other": config["other_step_db"],
    }
    names = list(CHOICES)
    with style():
        figure, panels = new_figure(3, width=3.4, height=5.4)
        for axes, y in zip(panels, ("mse", "sensing", "animal"), strict=True):
            for fading in FADINGS:
                _last_points(axes, result, names, fading, y)
            axes.set_yticks(range(len(names)), [])
            axes.set_ylim(len(names) - 0.5, -0.5)
            for name in _GROUPS[1:]:
                axes.axhline(names.index(name) - 0.5, color=COLORS["gray"], lw=0.8)
            axes.set_xlabel(LABELS[y])
        panels[0].set_yticks(
            range(len(names)), [label.format(**words) for label in CHOICES.values()]
        )
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _last_points(axes: Axes, result: Result, names: Sequence[str], fading: str, y: str) -> None:
    """The end of each training, and hollow what it was early."""
    look = LOOKS[fading]
    places: list[tuple[int, float, float]] = []
    for row, name in enumerate(names):
        for series in named(result, f"{name}/{fading}"):
            if y in series.quantities:
                values = series[y].values
                places.append((row, values[0], values[-1]))
    shift = -0.14 if fading == "awgn" else 0.14
    rows = [row + shift for row, _, _ in places]
    axes.scatter(
        [early for _, early, _ in places],
        rows,
        s=14,
        marker=look["marker"],
        facecolor="white",
        edgecolor=look["color"],
        label=f"{look['label']}, {training_note(result.config)}",
    )
    axes.scatter(
        [last for _, _, last in places],
        rows,
        s=28,
        marker=look["marker"],
        color=look["color"],
        label=look["label"],
    )


def draw_gradients(result: Result) -> Figure:
    """Cosine between the gradients of reconstruction and sensing for the shared encoder."""
    pair = "reconstruction~sensing"
    with style():
        figure, panels = new_figure(2)
        for fading in FADINGS:
            look = LOOKS[fading]
            found = [
                s for s in named(result, f"gradients/{fading}/weight=") if pair in s.quantities
            ]
            weights = [float(s.name.rpartition("=")[2]) for s in found]
            cosine = [s[pair].values[-1] for s in found]
            low, high = ([getattr(s[pair], end)[-1] for s in found] for end in ("low", "high"))
            errors = [
                [c - a for c, a in zip(cosine, low, strict=True)],
                [b - c for c, b in zip(cosine, high, strict=True)],
            ]
            # Beside each other, so that the bars do not hide each other.
            shift = -0.006 if fading == "awgn" else 0.006
            places = [weight + shift for weight in weights]
            panels[0].errorbar(places, cosine, yerr=errors, elinewidth=1, **look)
            scale = result.config["point"]["reconstruction_scale"]
            shares = []
            for weight, series in zip(weights, found, strict=True):
                sensing = weight * series["norm/sensing"].values[-1]
                rest = (1 - weight) * scale * series["norm/reconstruction"].values[-1]
                shares.append(sensing / (sensing + rest))
            panels[1].plot(weights, shares, **look)
        panels[0].axhline(0, color=COLORS["gray"], lw=0.8)
        panels[0].set_ylabel("cosine between the tasks' gradients")
        panels[1].set_ylabel("share of the sensing gradient")
        panels[1].plot([0, 1], [0, 1], ":", color=COLORS["gray"])
        panels[1].axhline(0.5, color=COLORS["gray"], ls="--", lw=0.8)
        for axes in panels:
            axes.set_xlabel(LABELS["sensing_weight"])
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure

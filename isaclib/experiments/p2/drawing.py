"""The figures of P2, drawn from their results."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isaclib.experiments.engine.plotting import (
    COLORS,
    annotate,
    legend_above,
    name_source,
    new_figure,
    plain_log_scale,
    plot_points,
    plot_ranges,
    spread,
    style,
)
from isaclib.experiments.p2.runs import FIRST_STEP, UNSEEN
from isaclib.experiments.series.drawing import LABELS, WEIGHT, named, tradeoff_axes
from isaclib.experiments.series.results import Result

PANELS = ("p_md", "rmse_deg")


def matrix_label(training: Mapping[str, Any]) -> str:
    """What a steering matrix is called in a legend."""
    steps = f"{training['steps']:,} steps"
    return rf"model-driven, $N_\mathrm{{grid}}={training['grid_size']}$, {steps}"


def network_label(training: Mapping[str, Any]) -> str:
    """What networks are called in a legend."""
    return (
        f"networks, $N={training['width']}$, 2 x {training['steps']:,} steps of "
        f"{training['batch']:,}"
    )


def draw_ideal(result: Result) -> Figure:
    """P2 Fig. 3: SER against misdetection probability, and against angle RMSE."""
    networks = network_label(result.config["networks"])
    looks: dict[str, dict[str, Any]] = {
        "baseline": {"color": COLORS["black"], "label": "baseline", "marker": ""},
        "model-driven/literal": {
            "color": COLORS["blue"],
            "label": matrix_label(result.config["matrix"]),
        },
        "model-driven/sector": {
            "color": COLORS["sky"],
            "label": "the same, softmax over the sector alone",
            "marker": "s",
            "filled": False,
        },
        "networks/all/deg": {"color": COLORS["orange"], "label": networks, "marker": "^"},
        "networks/present/deg": {
            "color": COLORS["purple"],
            "label": "networks, Eq. (11) as printed",
            "marker": "x",
            "line": "",
        },
        "networks/all/rad": {
            "color": COLORS["green"],
            "label": "networks, angle loss in radians",
            "marker": "D",
            "line": "",
            "filled": False,
        },
    }
    with style():
        figure, panels = new_figure(2, height=4.0)
        for axes, y in zip(panels, PANELS, strict=True):
            for name, look in looks.items():
                plot_points(axes, result[name], "ser", y, **look)
            if y == "p_md":
                _first_step(axes, result, f"networks/all/deg{FIRST_STEP}")
            names = {w: f"{WEIGHT}={w:g}" for w in (0.4, 1.0)}
            annotate(axes, result["networks/all/deg"], "ser", y, names=names, key="omega_r")
            tradeoff_axes(axes, y)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def _first_step(axes: Axes, result: Result, name: str) -> None:
    """Networks whose beam and detector were trained together, before the angle step."""
    plot_points(
        axes,
        result[name],
        "ser",
        "p_md",
        color=COLORS["yellow"],
        label="networks after the first training step",
        marker="v",
        line="",
        filled=False,
    )


def draw_impaired(result: Result) -> Figure:
    """P2 Fig. 4: the trade-off with spacing errors, for one array and the range over all."""
    with style():
        figure, panels = new_figure(2, height=4.2)
        for axes, y in zip(panels, PANELS, strict=True):
            _baseline_curves(axes, result, y)
            _learned_curves(axes, result, y)
            tradeoff_axes(axes, y)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


draw_unseen = draw_impaired


def _baseline_curves(axes: Axes, result: Result, y: str) -> None:
    """Baselines: draw 0 as lines, the range over all draws as bands."""
    draws = result.config["baseline_draws"]
    looks = {
        "known": (COLORS["black"], "baseline, spacings known"),
        "unknown": (COLORS["purple"], r"baseline, assumes $\lambda/2$"),
    }
    for knowledge, (color, label) in looks.items():
        curves = named(result, f"baseline/{knowledge}/", without=UNSEEN)
        middle, _, _ = spread(curves, "ser")
        _, low, high = spread(curves, y)
        axes.fill_between(middle, low, high, color=color, alpha=0.2, lw=0.8)
        first = curves[0]
        axes.plot(
            first["ser"].values,
            first[y].values,
            color=color,
            label=f"{label} (band: {draws} arrays)",
        )


def _learned_curves(axes: Axes, result: Result, y: str) -> None:
    """Learners: draw 0 with a line, the other draws as small markers."""
    looks = {
        "unlimited": (COLORS["blue"], "o", COLORS["orange"], "^"),
        "limited": (COLORS["sky"], "s", COLORS["yellow"], "v"),
    }
    for complexity, (matrix_color, matrix_marker, network_color, network_marker) in looks.items():
        matrix, networks = result.config[complexity]
        curves = named(result, f"model-driven/{complexity}/", without=UNSEEN)
        for index, curve in enumerate(curves):
            plot_points(
                axes,
                curve,
                "ser",
                y,
                color=matrix_color,
                marker=matrix_marker,
                label=None if index else matrix_label(matrix),
                line="" if index else "-",
                alpha=0.35 if index else 1.0,
                # The curves of both matrices lie on each other.
                filled=complexity == "unlimited",
            )
        plot_points(
            axes,
            result[f"networks/{complexity}/0"],
            "ser",
            y,
            color=network_color,
            marker=network_marker,
            label=network_label(networks),
            line="-",
        )


def draw_readings(result: Result) -> Figure:
    """Baselines and model-driven learning at omega_r = 1 under each reading of the errors."""
    config = result.config
    places = {
        (model, suffix): f"{_READINGS[model]}\n{_sector_name(sector)}"
        for model in config["models"]
        for suffix, sector in (
            ("", config["scenario"]["target_sector_deg"]),
            (UNSEEN, config["unseen_sector_deg"]),
        )
    }
    looks = {
        "known": (COLORS["black"], "o", "baseline, spacings known", "baseline_draws"),
        "unknown": (COLORS["purple"], "s", r"baseline, assumes $\lambda/2$", "baseline_draws"),
        "model-driven": (COLORS["blue"], "^", matrix_label(config["matrix"]), "matrix_draws"),
    }
    with style():
        figure, panels = new_figure(2)
        for axes, y in zip(panels, PANELS, strict=True):
            for offset, (name, (color, marker, label, draws)) in enumerate(looks.items()):
                at = [i + 0.2 * (offset - 1) for i in range(len(places))]
                columns = [result[f"{name}/{model}{suffix}"][y].values for model, suffix in places]
                look = {"label": f"{label} ({config[draws]} arrays)", "color": color}
                if name == "model-driven":
                    # A few arrays have no range worth a bar.
                    (points, *_) = axes.plot(at, columns, marker, ms=4, color=color)
                    points.set_label(look["label"])
                else:
                    plot_ranges(axes, at, columns, average=statistics.median, marker=marker, **look)
            axes.set_xticks(range(len(places)), list(places.values()), fontsize=8)
            axes.set_ylabel(LABELS[y])
            plain_log_scale(axes, y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


_READINGS = {
    "cumulative": "neighbours",
    "per_element_centered": "per element",
}


def _sector_name(sector_deg: Sequence[float]) -> str:
    return f"[{sector_deg[0]:g}°, {sector_deg[1]:g}°]"

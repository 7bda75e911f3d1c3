"""The figures of P1, drawn from their results."""

import statistics
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isaclib.experiments.engine.plotting import (
    COLORS,
    annotate,
    legend_above,
    name_source,
    new_figure,
    plain_log_scale,
    plot_front,
    plot_points,
    plot_ranges,
    shade_sector,
    spread,
    style,
)
from isaclib.experiments.series.drawing import LABELS, MARKERS, WEIGHT, named, tradeoff_axes
from isaclib.experiments.series.results import Result
from isaclib.signal.arrays import Sector

MODEL_BASED = "model-based"
"""End of the names of learned beams with model-based receivers."""


def draw_tradeoff(result: Result) -> Figure:
    """P1 Fig. 2: SER against detection probability, and against angle RMSE."""
    with style():
        figure, panels = new_figure(2)
        for axes, y in zip(panels, ("p_d", "rmse_deg"), strict=True):
            plot_front(
                axes,
                result["baseline"],
                "ser",
                y,
                larger_is_better=y == "p_d",
                label=r"baseline, all $(\rho,\varphi)$ and front",
            )
            for index, curve in enumerate(named(result, "autoencoder/deg/", without=MODEL_BASED)):
                label = "autoencoder, MSE in degrees" if index == 0 else None
                plot_points(axes, curve, "ser", y, label=label, marker=MARKERS[index], line="")
            for curve in named(result, "autoencoder/rad/", without=MODEL_BASED):
                plot_points(
                    axes,
                    curve,
                    "ser",
                    y,
                    label="autoencoder, MSE in radians",
                    color=COLORS["orange"],
                    marker="x",
                    line="",
                )
            for curve in named(result, "autoencoder/deg/0", MODEL_BASED):
                plot_points(
                    axes,
                    curve,
                    "ser",
                    y,
                    label="learned beam, ML and MAPRT receivers",
                    color=COLORS["green"],
                    marker="o",
                    line="",
                    filled=False,
                )
            names = {w: f"{WEIGHT}={w:g}" for w in (0.0, 0.01, 0.09, 1.0)}
            first = result["autoencoder/deg/0"]
            offset = (7, -12) if y == "p_d" else (7, 6)
            annotate(axes, first, "ser", y, names=names, key="omega_r", offset=offset)
            tradeoff_axes(axes, y)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def draw_beampatterns(result: Result) -> Figure:
    """P1 Fig. 3: learned beampatterns."""
    colors = {
        "omega=0": COLORS["sky"],
        "omega=0.01": COLORS["blue"],
        "omega=0.09": COLORS["orange"],
        "omega=0.4": COLORS["yellow"],
        "omega=1": COLORS["green"],
    }
    baseline = {"rho=0": COLORS["sky"], "rho=0.5": COLORS["orange"], "rho=1": COLORS["green"]}
    titles = (f"autoencoder, {WEIGHT}", r"least-squares beams, $\rho$")
    scenario = result.config["scenario"]
    with style():
        figure, panels = new_figure(2)
        for axes, curves, title in zip(panels, (colors, baseline), titles, strict=True):
            _sectors(axes, scenario)
            for name, color in curves.items():
                if any(s.name == name for s in result.series):
                    curve = result[name]
                    values = (curve["angle_deg"].values, curve["energy"].values)
                    axes.plot(*values, color=color, label=name.split("=")[1])
            axes.set(xlabel="angle (degrees)", xlim=(-90, 90), title=title)
            axes.set_xticks(range(-90, 91, 30))
            axes.legend(loc="upper left")
        panels[0].set_ylabel(r"$E(\phi)=|\mathbf{a}_\mathrm{tx}^\top(\phi)\,\mathbf{v}|^2$")
        panels[1].sharey(panels[0])
        name_source(figure, result)
    return figure


def _sectors(axes: Axes, scenario: Mapping[str, list[float]]) -> None:
    shade_sector(axes, Sector(*scenario["target_sector_deg"]), "target", COLORS["green"])
    shade_sector(axes, Sector(*scenario["receiver_sector_deg"]), "receiver", COLORS["sky"])


def draw_uncertainty(result: Result) -> Figure:
    """P1 Fig. 4: angle RMSE against the claimed uncertainty."""
    kinds = {
        "sigma_deg": r"root mean square of $\sigma_{\hat\theta}$ (degrees)",
        "sigma_mean_deg": r"mean of $\sigma_{\hat\theta}$ (degrees)",
    }
    with style():
        figure, panels = new_figure(2)
        for axes, (kind, label) in zip(panels, kinds.items(), strict=True):
            values: list[float] = []
            for index, curve in enumerate(named(result, "autoencoder/deg/", without=MODEL_BASED)):
                marker = MARKERS[index]
                plot_points(
                    axes, curve, kind, "rmse_deg", marker=marker, line="", label=f"training {index}"
                )
                values += curve[kind].values + curve["rmse_deg"].values
            finite = [v for v in values if v > 0]
            ends = (min(finite) * 0.9, max(finite) * 1.1)
            axes.plot(ends, ends, "--", color=COLORS["gray"], label=r"RMSE $=\sigma_{\hat\theta}$")
            plain_log_scale(axes, x=True, y=True)
            axes.set(xlabel=label, ylabel=LABELS["rmse_deg"])
        panels[0].legend(loc="upper left")
        name_source(figure, result)
    return figure


def draw_impaired(result: Result) -> Figure:
    """P1 Fig. 5: the trade-off with spacing errors, first reading, draw by draw."""
    with style():
        figure, panels = new_figure(2)
        for axes, y in zip(panels, ("p_d", "rmse_deg"), strict=True):
            draw_impaired_panel(axes, result, "cumulative", y)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def draw_impaired_panel(axes: Axes, result: Result, model: str, y: str) -> None:
    """One panel of Fig. 5, for one reading of the spacing errors."""
    draws = result.config["baseline_draws"]
    looks = {
        "known": (COLORS["black"], "baseline, spacings known"),
        "unknown": (COLORS["purple"], r"baseline, assumes $\lambda/2$"),
    }
    for knowledge, (color, label) in looks.items():
        curves = named(result, f"baseline/{model}/{knowledge}/")
        ser, _, _ = spread(curves, "ser")
        mean, low, high = spread(curves, y)
        axes.fill_between(ser, low, high, color=color, alpha=0.15, lw=0)
        axes.plot(ser, mean, color=color, label=f"{label} (mean, range of {draws})")
    for index, curve in enumerate(named(result, f"autoencoder/{model}/", without=MODEL_BASED)):
        plot_points(
            axes,
            curve,
            "ser",
            y,
            label="autoencoder, one marker a draw" if index == 0 else None,
            marker=MARKERS[index],
            line="",
        )
    tradeoff_axes(axes, y)


def draw_penalties(result: Result) -> Figure:
    """Penalty of assuming half a wavelength, over readings and sizes of the spacing errors."""
    looks = {
        "cumulative": (COLORS["blue"], "o", "distances between neighbours"),
        "per_element": (COLORS["orange"], "s", r"element $k$ at $k\,d_k$"),
        "per_element_centered": (COLORS["green"], "^", r"at $(k-\frac{K-1}{2})\,d_k$"),
    }
    stds = result.config["stds_wavelengths"]
    with style():
        figure, panels = new_figure(2)
        for axes, y in zip(panels, ("p_d", "rmse_deg"), strict=True):
            axes.axhline(
                result["nominal"][y].values[0], color=COLORS["gray"], ls="--", label="no errors"
            )
            for offset, (model, (color, marker, label)) in enumerate(looks.items()):
                places = [i + 0.18 * (offset - 1) for i in range(len(stds))]
                columns = [result[f"{model}/{std:.4f}"][y].values for std in stds]
                plot_ranges(
                    axes,
                    places,
                    columns,
                    average=statistics.median_high,
                    label=label,
                    color=color,
                    marker=marker,
                )
            axes.set_xticks(range(len(stds)), [rf"$\lambda/{1 / std:.0f}$" for std in stds])
            axes.set(xlabel=r"spread of the spacings, $\sigma_\lambda$", ylabel=LABELS[y])
        plain_log_scale(panels[1], y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def draw_sequential(result: Result) -> Figure:
    """Sequential against joint training, P1 Sec. IV-C."""
    schedules = {
        "sequential": (COLORS["blue"], "o", "sequential, three stages"),
        "joint": (COLORS["orange"], "s", "joint, as many samples a network"),
        "joint, equal steps": (COLORS["green"], "^", "joint, as many steps in all"),
    }
    with style():
        figure, panels = new_figure(2)
        for axes, y in zip(panels, ("p_d", "rmse_deg"), strict=True):
            for offset, (name, (color, marker, label)) in enumerate(schedules.items()):
                curves = named(result, f"{name}/", without=MODEL_BASED)
                columns = list(zip(*(c[y].values for c in curves), strict=True))
                places = [i + 0.18 * (offset - 1) for i in range(len(columns))]
                plot_ranges(
                    axes,
                    places,
                    columns,
                    average=statistics.fmean,
                    label=f"{label} (mean, range of {len(curves)})",
                    color=color,
                    marker=marker,
                )
            weights = curves[0]["omega_r"].values
            axes.set_xticks(range(len(weights)), [f"{w:g}" for w in weights])
            axes.set(xlabel=f"radar weight {WEIGHT}", ylabel=LABELS[y])
        plain_log_scale(panels[1], y=True)
        legend_above(figure, panels[0])
        name_source(figure, result)
    return figure


def draw_maprt(result: Result) -> Figure:
    """The closed-form MAPRT against brute force, and against knowing the signal."""
    brute, detection = result["brute force"], result["detection"]
    with style():
        figure, (left, right) = new_figure(2)
        closed = brute["closed_form"].values
        left.plot([0, max(closed)], [0, max(closed)], "--", color=COLORS["gray"])
        left.plot(closed, brute["brute_force"].values, "o", color=COLORS["blue"], alpha=0.5)
        left.set(
            xlabel="log-ratio, closed form", ylabel="log-ratio, largest value that scipy found"
        )
        for test, color, marker, label in (
            ("unknown", COLORS["blue"], "o", "Eq. (18), signal maximized over"),
            ("known", COLORS["orange"], "s", "Eq. (16), signal known"),
        ):
            plot_points(
                right, detection, "rho", f"p_d_{test}", color=color, marker=marker, label=label
            )
        right.set(xlabel=r"trade-off parameter $\rho$", ylabel=LABELS["p_d"])
        right.legend(loc="lower right")
        name_source(figure, result)
    return figure

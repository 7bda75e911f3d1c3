"""How much of the way from a baseline to the limit the systems of P1, P2 and P3 go."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from isaclib.experiments.series.results import Series
from isaclib.metrics import pareto_front

Load = Callable[[str], Any]

ARRAYS = range(3)
"""Arrays that P2's and P3's means are over."""
RADAR_WEIGHT = 0.09
"""omega_r of P1's autoencoder, the paper's own example."""
LABELLED = 100
"""Echoes that P3's maximum-likelihood estimate is given."""


@dataclass(frozen=True)
class Point:
    """What a system does, or the mean over arrays of what it does.

    Attributes:
        p_md: Misdetection probability.
        rmse: RMSE of detected targets [degrees or m].
        own_beam: Misses of the best receiver behind the same beam; None if not measured.
    """

    p_md: float
    rmse: float
    own_beam: float | None = None


@dataclass(frozen=True)
class Scene:
    """Systems between a baseline and the limit.

    Attributes:
        name: What they have in common.
        unit: Unit of the RMSE.
        start: Baseline that is to be improved on.
        limit: Best receiver with the best beam.
        systems: The systems by their names.
    """

    name: str
    unit: str
    start: Point
    limit: Point
    systems: dict[str, Point]

    def way(self, system: str) -> tuple[float, float]:
        """Share of the way from start to limit that a system goes, negative behind the start."""
        found = self.systems[system]
        misses, error = (
            (getattr(self.start, m) - getattr(found, m))
            / (getattr(self.start, m) - getattr(self.limit, m))
            for m in ("p_md", "rmse")
        )
        return misses, error


def scenes(load: Load) -> list[Scene]:
    """All scenes.

    Returns:
        P1 at the symbol error rate of an autoencoder, P2 in both sectors and P3, these with the
        beam on the radar alone.
    """
    return [_p1(load), _p2(load), _p2(load, unseen=True), _p3(load)]


def distance_table(load: Load) -> str:
    """The scenes as a table in Markdown."""
    lines = [
        "| | P_md | RMSE | own beam | way in P_md | way in RMSE |",
        "|---|---|---|---|---|---|",
    ]
    for scene in scenes(load):
        lines.append(f"| **{scene.name}** | | | | | |")
        lines.append(_row("*start*", scene.start, scene.unit, ("", "")))
        for name, point in scene.systems.items():
            ways = tuple(f"{way:.0%}" if way > -1 else "behind" for way in scene.way(name))
            lines.append(_row(name, point, scene.unit, ways))
        lines.append(_row("*limit*", scene.limit, scene.unit, ("100%", "100%")))
    return "\n".join(lines)


def _row(name: str, point: Point, unit: str, ways: Sequence[str]) -> str:
    beam = "" if point.own_beam is None else f"{point.own_beam:.4f}"
    cells = (name, f"{point.p_md:.4f}", f"{point.rmse:.2f}{unit}", beam, *ways)
    return f"| {' | '.join(cells)} |"


def _mean(points: Iterable[Point]) -> Point:
    """Mean over arrays."""
    every = list(points)
    beams = [p.own_beam for p in every if p.own_beam is not None]
    return Point(
        statistics.fmean(p.p_md for p in every),
        statistics.fmean(p.rmse for p in every),
        statistics.fmean(beams) if beams else None,
    )


def _measured(series: Series, index: int = -1) -> Point:
    """A system of a result of limits."""
    columns = ("measured_p_md", "measured_rmse", "p_md")
    return Point(*(series[column].values[index] for column in columns))


def _best(series: Series) -> Point:
    """The end of a front, with the fewest misses."""
    return Point(series["p_md"].values[-1], series["rmse"].values[-1])


def _p1(load: Load) -> Scene:
    stored, limits, name = load("p1-fig2"), load("p1-limits"), "autoencoder/deg/0"
    own = limits[name]
    index = own["parameter"].values.index(RADAR_WEIGHT)
    ser = own["measured_ser"].values[index]
    baseline = stored.where(system="baseline")
    sers, p_ds, rmses = (baseline[q].values for q in ("ser", "p_d", "rmse_deg"))
    misses = [1 - p_d for p_d in p_ds]
    # The baseline's share is continuous, so it too is read at that symbol error rate.
    chosen = pareto_front(sers, misses)
    start = (_between(((sers[i], values[i]) for i in chosen), ser) for values in (misses, rmses))
    front = limits["front/0"]
    place = {"unit": "deg", "repetition": 0, "omega_r": RADAR_WEIGHT, "receivers": "classical"}
    classical = stored.where(**place)
    return Scene(
        f"P1, at an SER of {ser:.4f}",
        "°",
        Point(*start),
        Point(*(_at_ser(front, metric, ser) for metric in ("p_md", "rmse"))),
        {
            "autoencoder": _measured(own, index),
            "its beam, classical receiver": Point(
                1 - classical["p_d"].value, classical["rmse_deg"].value
            ),
        },
    )


def _at_ser(front: Series, metric: str, ser: float) -> float:
    """A front at a symbol error rate."""
    return _between(zip(front["ser"].values, front[metric].values, strict=True), ser)


def _between(points: Iterable[tuple[float, float]], ser: float) -> float:
    """A curve at a symbol error rate, between two of its points, in logarithms."""
    pairs = sorted(points)
    j = next(j for j, (x, _) in enumerate(pairs) if x >= ser)
    (x0, y0), (x1, y1) = pairs[j - 1], pairs[j]
    part = math.log(ser / x0) / math.log(x1 / x0)
    return y0 * (y1 / y0) ** part


def _p2(load: Load, *, unseen: bool = False) -> Scene:
    limits, end = load("p2-limits"), "/unseen" if unseen else ""
    networks = load("p2-fig5" if unseen else "p2-fig4")["networks/unlimited/0"]
    kinds = {
        "baseline, spacings known": ("baseline/known", ARRAYS),
        "model-driven, 500 angles": ("model-driven/unlimited", ARRAYS),
        "model-driven, 156 angles": ("model-driven/limited", ARRAYS),
        "networks, 21 neurons, one array": ("networks/limited", range(1)),
    }
    systems = {
        label: _mean(_measured(limits[f"{kind}/{n}{end}"]) for n in arrays)
        for label, (kind, arrays) in kinds.items()
    }
    systems["networks, 128 neurons, one array"] = Point(
        networks["p_md"].values[-1], networks["rmse_deg"].values[-1]
    )
    return Scene(
        "P2, target in [-20°, 20°], unseen" if unseen else "P2, target in [-40°, -20°]",
        "°",
        _mean(_measured(limits[f"baseline/unknown/{n}{end}"]) for n in ARRAYS),
        _mean(_best(limits[f"front/{n}{end}"]) for n in ARRAYS),
        systems,
    )


def _p3(load: Load) -> Scene:
    limits, learning = load("p3-limits"), load("p3-learning")
    kinds = {
        "baseline, spacings known": "known",
        "SL": "SL",
        "UL": "UL",
        "SSL: SL, then UL": "SL+UL",
    }
    systems = {
        label: _mean(_measured(limits[f"{kind}/{n}"]) for n in ARRAYS)
        for label, kind in kinds.items()
    }
    likely = learning.where(system="maximum likelihood", samples=LABELLED)
    systems[f"maximum likelihood, {LABELLED} labelled echoes"] = _mean(
        Point(*(rows[q].value for q in ("p_md", "position")))
        for rows in (likely.where(array=n) for n in ARRAYS)
    )
    return Scene(
        "P3",
        " m",
        _mean(_measured(limits[f"unknown/{n}"]) for n in ARRAYS),
        _mean(_best(limits[f"front/{n}"]) for n in ARRAYS),
        systems,
    )

"""How much of the way from a baseline to the limit the systems of P1, P2 and P3 go."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.metrics import pareto_front

Load = Callable[[str], Result]

RADAR_WEIGHT = 0.09
"""omega_r of P1's autoencoder, the paper's own example."""
LABELLED = 100
"""Echoes that P3's maximum-likelihood estimate is given."""


@dataclass(frozen=True)
class Measured:
    """What a system does, or the mean over arrays; and the best receiver behind its own beam."""

    p_md: float
    rmse: float
    own_beam: float | None = None


@dataclass(frozen=True)
class Distances:
    """Systems between a baseline to be improved on, and the best receiver with the best beam."""

    name: str
    unit: str
    start: Measured
    limit: Measured
    systems: dict[str, Measured]

    def way(self, system: str) -> tuple[float, float]:
        """Fraction of the way from start to limit that a system goes, negative behind the start."""
        start, limit, own = self.start, self.limit, self.systems[system]
        misses = (start.p_md - own.p_md) / (start.p_md - limit.p_md)
        return misses, (start.rmse - own.rmse) / (start.rmse - limit.rmse)

    def table(self) -> list[str]:
        """Rows of a table in Markdown."""
        lines = [f"| **{self.name}** | | | | | |", self._row("*start*", self.start, "", "")]
        for name, point in self.systems.items():
            ways = (f"{way:.0%}" if way > -1 else "behind" for way in self.way(name))
            lines.append(self._row(name, point, *ways))
        return [*lines, self._row("*limit*", self.limit, "100%", "100%")]

    def _row(self, name: str, point: Measured, *ways: str) -> str:
        beam = "" if point.own_beam is None else f"{point.own_beam:.4f}"
        cells = (name, f"{point.p_md:.4f}", f"{point.rmse:.2f}{self.unit}", beam, *ways)
        return f"| {' | '.join(cells)} |"


def distances(load: Load) -> list[Distances]:
    """P1 at the SER of an autoencoder; P2 in both sectors and P3 for the radar alone."""
    return [_p1(load), _p2(load, "seen"), _p2(load, "unseen"), _p3(load)]


def distance_table(load: Load) -> str:
    """All of :func:`distances` as a table in Markdown."""
    head = ["| | P_md | RMSE | own beam | way in P_md | way in RMSE |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(line for each in distances(load) for line in each.table())])


def _mean(rows: Table, *columns: str) -> Measured:
    """Mean over the rows' arrays."""
    return Measured(*(fmean(rows[column].values) for column in columns))


def _measured(rows: Table) -> Measured:
    """Systems of a result of limits."""
    return _mean(rows, "measured_p_md", "measured_rmse", "p_md")


def _best(fronts: Table) -> Measured:
    """The ends of fronts with the fewest misses."""
    ends = [front.take([-1]) for front in fronts.split("array").values()]
    return Measured(*(fmean(end[column].value for end in ends) for column in ("p_md", "rmse")))


def _p1(load: Load) -> Distances:
    stored, limits = load("p1-fig2"), load("p1-limits")
    own = limits.where(system="autoencoder", omega_r=RADAR_WEIGHT)
    ser = own["measured_ser"].value
    sweep, front = stored.where(system="baseline"), limits.where(system="front")
    sers, misses = sweep["ser"].values, [1 - p_d for p_d in sweep["p_d"].values]
    # The baseline's share is continuous, so it too is read at that symbol error rate.
    chosen = pareto_front(sers, misses)
    start = (
        _between(((sers[i], values[i]) for i in chosen), ser)
        for values in (misses, sweep["rmse_deg"].values)
    )
    autoencoder = stored.where(system="autoencoder", unit="deg", repetition=0)
    classical = autoencoder.where(receivers="classical", omega_r=RADAR_WEIGHT)
    return Distances(
        f"P1, at an SER of {ser:.4f}",
        "°",
        Measured(*start),
        Measured(*(front_at(front, metric, ser) for metric in ("p_md", "rmse"))),
        {
            "autoencoder": _measured(own),
            "its beam, classical receiver": Measured(
                1 - classical["p_d"].value, classical["rmse_deg"].value
            ),
        },
    )


def front_at(front: Table, metric: str, ser: float) -> float:
    """A front at a symbol error rate."""
    return _between(zip(front["ser"].values, front[metric].values, strict=True), ser)


def _between(points: Iterable[tuple[float, float]], ser: float) -> float:
    """A curve at a symbol error rate, between two of its points, in logarithms."""
    pairs = sorted(points)
    j = next(j for j, (x, _) in enumerate(pairs) if x >= ser)
    (x0, y0), (x1, y1) = pairs[j - 1], pairs[j]
    part = math.log(ser / x0) / math.log(x1 / x0)
    return y0 * (y1 / y0) ** part


def _p2(load: Load, sector: str) -> Distances:
    limits = load("p2-limits").where(sector=sector)
    networks = load("p2-fig4").where(system="networks", sector=sector, array=0, omega_r=1.0)
    wide = networks.where(complexity="unlimited", step="angle")
    baseline = limits.where(system="baseline", rho=1.0)
    learned = limits.where(omega_r=1.0)
    matrix = learned.where(system="model-driven")
    return Distances(
        f"P2, target in {'[-40°, -20°]' if sector == 'seen' else '[-20°, 20°], unseen'}",
        "°",
        _measured(baseline.where(spacings="unknown")),
        _best(limits.where(system="front")),
        {
            "baseline, spacings known": _measured(baseline.where(spacings="known")),
            "model-driven, 500 angles": _measured(matrix.where(complexity="unlimited")),
            "model-driven, 156 angles": _measured(matrix.where(complexity="limited")),
            "networks, 21 neurons, one array": _measured(learned.where(system="networks")),
            "networks, 128 neurons, one array": _mean(wide, "p_md", "rmse_deg"),
        },
    )


def _p3(load: Load) -> Distances:
    limits = load("p3-limits")
    ends = limits.where(figure="p3-fig3").split("system")
    likely = load("p3-learning").where(system="maximum likelihood", samples=LABELLED)
    return Distances(
        "P3",
        " m",
        _measured(ends["unknown"]),
        _best(limits.where(system="front")),
        {
            "baseline, spacings known": _measured(ends["known"]),
            "SL": _measured(ends["SL"]),
            "UL": _measured(ends["UL"]),
            "SSL: SL, then UL": _measured(ends["SL+UL"]),
            f"maximum likelihood, {LABELLED} labelled echoes": _mean(likely, "p_md", "position"),
        },
    )

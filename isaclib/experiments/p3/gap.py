"""How far two systems are apart in misdetection, as a share of the *gap*.

The gap is what not knowing the spacings costs the baseline on the same array. A difference is a
mean over all arrays, and its interval that of the test samples behind it.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isaclib.experiments.engine.claims import Number
from isaclib.experiments.engine.criteria import average
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table


@dataclass(frozen=True)
class Difference:
    """Mean over the arrays, and half of its interval, in shares of the gap."""

    mean: float
    half: float

    def __str__(self) -> str:
        """The difference in words."""
        return f"{self.mean:+.0%} ± {self.half:.0%} of the gap"

    @property
    def significant(self) -> bool:
        """Whether the first system is worse by more than the interval."""
        return self.mean > self.half

    def number(self, name: str) -> Number:
        """The difference with its interval."""
        words = "share of the gap, 95 % interval of the test samples"
        return Number(name, self.mean, self.mean - self.half, self.mean + self.half, words)


def arrays(result: Result, system: str) -> list[Table]:
    """Rows of a system, a table an array."""
    return list(result.where(system=system).split("array").values())


def ends(tables: Iterable[Table]) -> list[Table]:
    """Last row of each table."""
    return [table.take([-1]) for table in tables]


def half(row: Table) -> float:
    """Half of the interval of a row's misdetection probability."""
    found = row["p_md"].estimate()
    return (found.high - found.low) / 2


def gaps(result: Result, count: int) -> list[float]:
    """What not knowing the spacings of each array costs the baseline in misdetection."""
    unknown, known = (
        [min(table["p_md"].values) for table in arrays(result, system)[:count]]
        for system in ("unknown", "known")
    )
    return [worse - better for worse, better in zip(unknown, known, strict=True)]


def difference(
    gaps: Sequence[float], first: Sequence[Table], second: Sequence[Table]
) -> Difference:
    """How much worse one system is than another, row by row, an array each."""
    pairs = list(zip(gaps, first, second, strict=True))
    mean = statistics.fmean((a["p_md"].value - b["p_md"].value) / g for g, a, b in pairs)
    squares = [(half(a) ** 2 + half(b) ** 2) / g**2 for g, a, b in pairs]
    return Difference(mean, math.sqrt(sum(squares)) / len(pairs))


def end_difference(result: Result, first: Sequence[Table], second: Sequence[Table]) -> Difference:
    """Difference of two systems' last rows over the arrays that both were trained for."""
    count = min(len(first), len(second))
    return difference(gaps(result, count), ends(first[:count]), ends(second[:count]))


def level(tables: Sequence[Table]) -> float:
    """Mean misdetection probability of a system's last rows."""
    return statistics.fmean(end["p_md"].value for end in ends(tables))


def levels(**systems: Sequence[Table]) -> tuple[Number, ...]:
    """Misdetection probabilities of systems' last rows, by their names."""
    return tuple(
        average(f"P_md at the end, {name}", [end["p_md"].value for end in ends(tables)], "arrays")
        for name, tables in systems.items()
    )

"""A sweep of one system against that of another, at equal SER and at equal weight.

A trade-off is compared at equal symbol error rate (SER). Where all points have nearly the same SER
that pairs points of very different weights, or cannot tell; so the same points are compared with
those of the same weight, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isaclib import comparison
from isaclib.comparison import Front, at_equal_ser, difference
from isaclib.experiments.engine.claims import Number
from isaclib.experiments.engine.criteria import MOST, median
from isaclib.experiments.engine.tables import Table
from isaclib.metrics import Estimate


@dataclass(frozen=True)
class Tally:
    """How many points are shown to be at most a limit, how many to be above, and how many neither.

    ``holds`` is True where most points are shown to be at most the limit, False where too many are
    shown to be above, None where the intervals cannot tell.
    """

    below: int
    above: int
    unclear: int

    @classmethod
    def of(cls, estimates: Sequence[Estimate], limit: float) -> Tally:
        """Count points by their intervals; one that touches the limit from below is at most it."""
        below = sum(e.high <= limit for e in estimates)
        above = sum(e.low > limit for e in estimates)
        return cls(below, above, len(estimates) - below - above)

    @property
    def holds(self) -> bool | None:
        """Whether most points are at most the limit, as far as that can be told."""
        count = self.below + self.above + self.unclear
        if count and self.below >= MOST * count:
            return True
        return False if count - self.above < MOST * count else None

    def __str__(self) -> str:
        count = self.below + self.above + self.unclear
        return f"{self.below} of {count} points, not {self.above}, unclear {self.unclear}"


@dataclass(frozen=True)
class Points:
    """A system's points against another's: differences or ratios of a cost.

    At equal SER each is set against what the other system attains there, at equal weight against
    the other's point of the same weight, where it has one.
    """

    equal_ser: tuple[Estimate, ...]
    equal_weight: tuple[Estimate, ...]

    def holds(self, limit: float) -> bool | None:
        """Whether most points are at most a limit: at equal SER, or else, if unclear, weight."""
        at_ser, at_weight = (Tally.of(e, limit).holds for e in (self.equal_ser, self.equal_weight))
        return at_weight if at_ser is None else at_ser

    def words(self, limit: float) -> str:
        """The counts in words: at equal weight too, where that does not say the same."""
        at_ser, at_weight = (Tally.of(e, limit) for e in (self.equal_ser, self.equal_weight))
        told = f"at equal SER {at_ser}"
        if not self.equal_weight or at_weight.holds == at_ser.holds:
            return told
        return f"{told}; at equal weight {at_weight}"

    def numbers(self, name: str) -> tuple[Number, ...]:
        """Medians and ranges over the points."""
        found = {"SER": self.equal_ser, "weight": self.equal_weight}
        return tuple(
            median(f"{name}, at equal {what}", [e.value for e in estimates], "points")
            for what, estimates in found.items()
            if not all(math.isnan(e.value) for e in estimates)
        )


def over_repetitions(found: Sequence[Points], *, geometric: bool = False) -> Points:
    """Mean of each point over trainings or arrays, whose sweeps have the same weights.

    See :func:`isaclib.comparison.over_repetitions`; ratios have a geometric mean.
    """

    def means(*columns: Sequence[Estimate]) -> tuple[Estimate, ...]:
        points = zip(*columns, strict=True)
        return tuple(comparison.over_repetitions(p, geometric=geometric) for p in points)

    return Points(means(*(p.equal_ser for p in found)), means(*(p.equal_weight for p in found)))


def compare(
    system: Table,
    reference: Table,
    cost: str,
    by: Callable[[Estimate, Estimate], Estimate] = difference,
    *,
    weights: tuple[str, str] | None = ("omega_r", "omega_r"),
    complement: bool = False,
) -> Points:
    """Compare a sweep's points, those of positive weight, with another system's sweep.

    Args:
        system: Rows with ``ser``, the cost and a weight.
        reference: Likewise.
        cost: Quantity to compare, the smaller the better.
        by: :func:`isaclib.comparison.difference` or :func:`isaclib.comparison.ratio`.
        weights: Names of the weights of the two; None where these mean different things, so that
            there is no equal weight, and all points of the system count.
        complement: Whether the quantity is a probability of the opposite of the cost, such as P_d.
    """

    def column(table: Table, name: str, turned: bool = False) -> list[Estimate]:
        found = [table[name].estimate(i) for i in range(len(table))]
        return [e.complement() for e in found] if turned else found

    own, others = column(system, cost, complement), column(reference, cost, complement)
    front = Front.of(column(reference, "ser"), others)
    points = list(zip(column(system, "ser"), own, strict=True))
    if weights is None:
        return Points(tuple(at_equal_ser(*point, front, by) for point in points), ())
    same = dict(zip(reference[weights[1]].values, others, strict=True))
    shared = [
        (weight, *point)
        for weight, point in zip(system[weights[0]].values, points, strict=True)
        if weight > 0
    ]
    return Points(
        tuple(at_equal_ser(ser, value, front, by) for _, ser, value in shared),
        tuple(by(value, same[weight]) for weight, _, value in shared if weight in same),
    )

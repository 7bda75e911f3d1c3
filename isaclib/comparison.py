r"""Whether one system is better than another beyond chance, from estimates with intervals.

A difference keeps the asymmetry of both intervals: if the estimates are independent,

.. math::
    \hat a - \hat b - \sqrt{(\hat a - a_{\mathrm{low}})^2 + (b_{\mathrm{high}} - \hat b)^2}

is its lower end, and likewise its upper one. For probabilities with Wilson's intervals this is
Newcombe's interval (Stat. Med. 17, 1998, method 10), for means the usual one. Two systems that are
tested on the same samples have positively correlated errors, so the interval is then too wide
rather than too narrow.

What is not known is no reason to decide: an estimate that is NaN (a training that collapsed, say),
or that has no interval, gives an interval without ends.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from scipy.special import stdtrit

from isaclib._validation import check_probability
from isaclib.metrics import Estimate, pareto_front

__all__ = ["Front", "at_equal_ser", "difference", "over_repetitions", "ratio"]


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two quantities with its interval.

    Args:
        first: Estimate of the first, with any interval.
        second: Estimate of the second, with an interval of the same confidence.

    Returns:
        First less second; the count is the smaller one. The first is the smaller beyond chance
        where ``high < 0``, at most ``x`` above the second where ``high <= x``.
    """
    count = min(first.count, second.count)
    value = first.value - second.value
    if math.isinf(value):
        return Estimate(value, value, value, count)
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return _with_ends(value, low, high, count)


def ratio(first: Estimate, second: Estimate) -> Estimate:
    """Ratio of two positive quantities with its interval, that of the difference of logarithms.

    Args:
        first: Estimate of the numerator.
        second: Estimate of the denominator, with an interval of the same confidence.

    Returns:
        First over second.

    Raises:
        ValueError: If a value is zero or negative.
    """
    return _exponential(difference(_logarithm(first), _logarithm(second)))


def over_repetitions(
    estimates: Sequence[Estimate], *, geometric: bool = False, confidence: float = 0.95
) -> Estimate:
    r"""Mean over repetitions such as trainings or arrays, with the spread among them.

    The interval joins Student's, :math:`t_{n-1}\,s/\sqrt n`, from the values, with the mean of the
    estimates' own, as if these were all wrong in the same direction: repetitions are tested on the
    same samples. To compare two systems in pairs, give the differences or ratios of the pairs.

    Args:
        estimates: One a repetition; an interval of NaN counts as none.
        geometric: Whether to take the geometric mean, which suits ratios.
        confidence: Probability in (0, 1) that the interval of the spread holds the mean.

    Returns:
        The mean; its count is the number of repetitions. A single one has an interval without
        ends, since nothing is known of the spread.

    Raises:
        ValueError: If there is no estimate, or ``geometric`` and a value is not positive.
    """
    check_probability("confidence", confidence)
    if not estimates:
        raise ValueError("estimates must not be empty")
    if geometric:
        logarithms = [_logarithm(e) for e in estimates]
        return _exponential(over_repetitions(logarithms, confidence=confidence))
    count, values = len(estimates), [e.value for e in estimates]
    mean = math.fsum(values) / count if all(map(math.isfinite, values)) else math.nan
    if count == 1 or math.isnan(mean):
        return _with_ends(mean, math.nan, math.nan, count)
    spread = float(stdtrit(count - 1, (1 + confidence) / 2)) * statistics.stdev(values)
    below = statistics.fmean(_known(e.value - e.low) for e in estimates)
    above = statistics.fmean(_known(e.high - e.value) for e in estimates)
    spread /= math.sqrt(count)
    return Estimate(mean, mean - math.hypot(spread, below), mean + math.hypot(spread, above), count)


@dataclass(frozen=True)
class Front:
    """What a system attains of a cost at each symbol error rate (SER).

    Between two neighbouring points of the front it attains what time shared between them gives,
    beyond the last point what the last one does, and below the first SER nothing.

    Attributes:
        ser: SER of the front's points, rising.
        cost: Cost of the same points, falling: a misdetection probability, an RMSE.
    """

    ser: tuple[Estimate, ...]
    cost: tuple[Estimate, ...]

    @classmethod
    def of(cls, ser: Sequence[Estimate], cost: Sequence[Estimate]) -> "Front":
        """Front of a sweep.

        Args:
            ser: SER of each point.
            cost: Cost of each point, the smaller the better.

        Returns:
            Those points that no other beats in both; a point with a NaN is none.

        Raises:
            ValueError: If no point is left, or the two are not equally long.
        """
        kept = pareto_front([e.value for e in ser], [e.value for e in cost])
        if not kept:
            raise ValueError("a front must have a point whose SER and cost are numbers, got none")
        return cls(tuple(ser[i] for i in kept), tuple(cost[i] for i in kept))

    def at(self, ser: Estimate) -> tuple[Estimate, Estimate, Estimate]:
        """Costs that the system attains at the SER of another one.

        Neither SER is known exactly, so there are three: at the SER's value, and at the largest and
        the smallest SER within the tolerance that the intervals of both leave.

        Args:
            ser: SER with its interval.

        Returns:
            Cost at the value, and the best and the worst within the tolerance. All are infinite
            where the front begins beyond the tolerance, the worst where it begins within; all are
            NaN if the SER is.
        """
        if math.isnan(ser.value):
            return (_exactly(math.nan),) * 3
        own, first = self._between(self.ser, ser.value), self.ser[0].value
        more = ser.value + math.hypot(ser.high - ser.value, own.value - own.low)
        less = ser.value - math.hypot(ser.value - ser.low, own.high - own.value)
        if more < first:
            return (_exactly(math.inf),) * 3
        worst = self._between(self.cost, less) if less >= first else _exactly(math.inf)
        return self._between(self.cost, ser.value), self._between(self.cost, more), worst

    def _between(self, along: Sequence[Estimate], ser: float) -> Estimate:
        """Estimate between the front's points, linear in the SER; beyond an end that of the end."""
        after = next((i for i, e in enumerate(self.ser) if e.value >= ser), len(self.ser))
        if after in (0, len(self.ser)):
            return along[min(after, len(self.ser) - 1)]
        one, two = (self.ser[i].value for i in (after - 1, after))
        share = (ser - one) / (two - one)
        first, second = along[after - 1], along[after]
        value, low, high = (
            (1 - share) * a + share * b
            for a, b in (
                (first.value, second.value),
                (first.low, second.low),
                (first.high, second.high),
            )
        )
        return Estimate(value, low, high, min(first.count, second.count))


def at_equal_ser(
    ser: Estimate,
    cost: Estimate,
    front: Front,
    compare: Callable[[Estimate, Estimate], Estimate] = difference,
) -> Estimate:
    """Compare a point of one system with what another one attains at the same SER.

    Args:
        ser: SER of the point.
        cost: Its cost.
        front: Front of the other system.
        compare: :func:`difference` or :func:`ratio`.

    Returns:
        The comparison at the point's SER. Its interval holds those of the comparisons with all
        costs that the front has within the tolerance of the SER: a steep front is known as well as
        the SER is. Where the front does not reach so small an SER the point is ahead by infinity.
    """
    value, best, worst = (compare(cost, other) for other in front.at(ser))
    return replace(value, low=worst.low, high=best.high)


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value, 0)


def _with_ends(value: float, low: float, high: float, count: int) -> Estimate:
    """Estimate whose unknown ends are infinite."""
    return Estimate(
        value, -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high, count
    )


def _known(width: float) -> float:
    return 0.0 if math.isnan(width) else width


def _logarithm(estimate: Estimate) -> Estimate:
    """Logarithm of a positive quantity; an end of its interval that is not positive is at -inf."""
    if estimate.value <= 0:
        raise ValueError(f"estimate must be of a positive quantity, got {estimate.value}")
    value, low, high = (
        -math.inf if x <= 0 else math.log(x) for x in (estimate.value, estimate.low, estimate.high)
    )
    return replace(estimate, value=value, low=low, high=high)


def _exponential(estimate: Estimate) -> Estimate:
    value, low, high = (
        math.inf if x == math.inf else math.exp(x)
        for x in (estimate.value, estimate.low, estimate.high)
    )
    return replace(estimate, value=value, low=low, high=high)

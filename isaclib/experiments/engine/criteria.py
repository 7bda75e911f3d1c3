"""What the criteria of all papers' claims share: thresholds, and how parts make a verdict."""

import math
import statistics
from collections.abc import Callable, Sequence

from isaclib.experiments.engine.claims import Number, Status
from isaclib.experiments.engine.tables import Table

CLOSE_P_D = 0.05
"""Largest difference of detection or misdetection probabilities that counts as close."""
CLOSE_RMSE = 1.25
"""Largest ratio of angle RMSEs that counts as close."""
MOST = 0.8
"""Fraction of the points that counts as most of them."""


def best_at(baseline: Table, metric: str, ser: float, *, larger_is_better: bool) -> float:
    """Best value that a sweep reaches without a larger SER."""
    rates = baseline["ser"].values
    limit = max(ser, min(rates))
    allowed = [
        value
        for value, rate in zip(baseline[metric].values, rates, strict=True)
        if rate <= limit and not math.isnan(value)
    ]
    return (max if larger_is_better else min)(allowed, default=math.nan)


def fraction(values: Sequence[float], accept: Callable[[float], bool]) -> float:
    """Fraction of the values that are accepted."""
    return sum(accept(v) for v in values) / len(values)


def point(name: str, rows: Table, metric: str, index: int = 0) -> Number:
    """One measured value with the interval of its test samples."""
    found = rows[metric]
    if found.low is None or found.high is None:
        return Number(name, found.values[index])
    ends = found.low[index], found.high[index]
    return Number(name, found.values[index], *ends, "95 % interval of the test samples")


def average(name: str, values: Sequence[float], over: str) -> Number:
    """Mean of repetitions, and their range."""
    return _spread(name, statistics.fmean(values), values, f"mean and range of {{}} {over}")


def median(name: str, values: Sequence[float], over: str) -> Number:
    """Median of values, and their range."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Number(name, math.nan)
    return _spread(name, statistics.median(known), known, f"median and range of {{}} {over}")


def _spread(name: str, value: float, values: Sequence[float], words: str) -> Number:
    if len(values) == 1:
        return Number(name, value)
    return Number(name, value, min(values), max(values), words.format(len(values)))


def status_of(*passed: bool | None) -> Status:
    """Verdict on a claim with several parts; None is one on which the results cannot tell."""
    if all(part is None for part in passed):
        return "not tested"
    if all(passed):
        return "reproduced"
    return "partly" if any(passed) else "not reproduced"

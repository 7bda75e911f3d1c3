"""What the criteria of all papers' claims share: thresholds, and how parts make a verdict."""

import math
from collections.abc import Callable, Sequence

from isaclib.claims import Status
from isaclib.results import Series

CLOSE_P_D = 0.05
"""Largest difference of detection or misdetection probabilities that counts as close."""
CLOSE_RMSE = 1.25
"""Largest ratio of angle RMSEs that counts as close."""
MOST = 0.8
"""Share of the points that counts as most of them."""


def best_at(baseline: Series, metric: str, ser: float, *, larger_is_better: bool) -> float:
    """Best value that a sweep reaches without a larger SER.

    Args:
        baseline: The sweep.
        metric: Name of the metric.
        ser: Symbol error rate that must not be exceeded; the smallest of the sweep if it has none
            so small.
        larger_is_better: Whether the metric is a benefit.

    Returns:
        The best value; NaN if the metric is undefined at all of these points.
    """
    limit = max(ser, min(baseline["ser"].values))
    allowed = [
        value
        for value, rate in zip(baseline[metric].values, baseline["ser"].values, strict=True)
        if rate <= limit and not math.isnan(value)
    ]
    best = max if larger_is_better else min
    return best(allowed, default=math.nan)


def share(values: Sequence[float], accept: Callable[[float], bool]) -> float:
    """Share of the values that are accepted.

    Args:
        values: At least one.
        accept: Which.

    Returns:
        A number in [0, 1].
    """
    return sum(accept(v) for v in values) / len(values)


def status_of(*passed: bool) -> Status:
    """Verdict on a claim with several parts.

    Args:
        *passed: Whether each part holds.

    Returns:
        ``"reproduced"`` if all do, ``"partly"`` if some do.
    """
    if all(passed):
        return "reproduced"
    return "partly" if any(passed) else "not reproduced"

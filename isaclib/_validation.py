"""Argument checks shared by the whole library.

Every function returns the value it was given (as a plain ``int`` or ``float`` where that is its
kind), so that a check and an assignment fit on one line. The ``ValueError`` names the argument, the
value and what is allowed, in this form::

    p_fa must be a probability in (0, 1), got 1.5
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Collection
from typing import TypeVar

_T = TypeVar("_T")


def _refusal(name: str, allowed: str, value: object) -> ValueError:
    return ValueError(f"{name} must be {allowed}, got {value!r}")


def _number(name: str, value: object, allowed: str, fits: Callable[[float], bool]) -> float:
    """Return a finite number that fits; a bool is none."""
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        number = float(value)
        if math.isfinite(number) and fits(number):
            return number
    raise _refusal(name, allowed, value)


def _integer(name: str, value: object, least: int) -> int:
    """Return a whole number that is large enough; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise _refusal(name, f"an integer >= {least}", value)
    return int(value)


def check_finite(name: str, value: object) -> float:
    """Check that an argument is a finite real number."""
    return _number(name, value, "a finite number", math.isfinite)


def check_positive(name: str, value: object) -> float:
    """Check that an argument is a finite number above zero."""
    return _number(name, value, "a finite number > 0", lambda number: number > 0)


def check_nonnegative(name: str, value: object) -> float:
    """Check that an argument is a finite number that is not negative."""
    return _number(name, value, "a finite number >= 0", lambda number: number >= 0)


def check_range(name: str, value: object, low: float, high: float) -> float:
    """Check that an argument is a number in the closed interval ``[low, high]``."""
    allowed = f"a number in [{low:g}, {high:g}]"
    return _number(name, value, allowed, lambda number: low <= number <= high)


def check_probability(name: str, value: object) -> float:
    """Check that an argument is a probability, neither 0 nor 1."""
    return _number(name, value, "a probability in (0, 1)", lambda number: 0 < number < 1)


def check_positive_int(name: str, value: object) -> int:
    """Check that an argument is a whole number of at least 1."""
    return _integer(name, value, 1)


def check_nonnegative_int(name: str, value: object) -> int:
    """Check that an argument is a whole number of at least 0."""
    return _integer(name, value, 0)


def check_one_of(name: str, value: _T, allowed: Collection[_T]) -> _T:
    """Check that an argument is one of a few choices; the message lists them in their order."""
    if value not in allowed:
        raise _refusal(name, "one of " + ", ".join(map(repr, allowed)), value)
    return value


def check_interval_deg(
    name: str, value: tuple[float, float], low: float = -90.0, high: float = 90.0
) -> tuple[float, float]:
    """Check that an argument is a pair of rising angles within ``[low, high]`` [deg]."""
    allowed = f"a pair (lower, upper) of degrees with {low:g} <= lower < upper <= {high:g}"
    try:
        first, second = (_number(name, end, allowed, math.isfinite) for end in value)
    except (TypeError, ValueError):
        raise _refusal(name, allowed, value) from None
    if not low <= first < second <= high:
        raise _refusal(name, allowed, value)
    return first, second

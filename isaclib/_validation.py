"""Argument checks shared by the whole library.

Every function returns the value it was given (converted to a plain ``int`` or ``float`` where that
is its kind), so that a check and an assignment fit on one line. The message of every error names
the argument, the value and what is allowed, in this form::

    p_fa must be a probability in (0, 1), got 1.5
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from typing import TypeVar

_T = TypeVar("_T")


def _number(name: str, value: object, allowed: str) -> float:
    """Return ``value`` as a finite float, or raise ``ValueError`` saying what is ``allowed``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def _integer(name: str, value: object, allowed: str) -> int:
    """Return ``value`` as an int, or raise ``ValueError`` saying what is ``allowed``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return int(value)


def check_finite(name: str, value: object) -> float:
    """Check that an argument is a finite real number.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.

    Returns:
        The value as a float.

    Raises:
        ValueError: It is not a number, or it is NaN or infinite.
    """
    return _number(name, value, "a finite number")


def check_positive(name: str, value: object) -> float:
    """Check that an argument is a finite number above zero.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.

    Returns:
        The value as a float.

    Raises:
        ValueError: It is not a finite number, or it is not above zero.
    """
    number = _number(name, value, "a finite number > 0")
    if number <= 0:
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return number


def check_nonnegative(name: str, value: object) -> float:
    """Check that an argument is a finite number that is not negative.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.

    Returns:
        The value as a float.

    Raises:
        ValueError: It is not a finite number, or it is below zero.
    """
    number = _number(name, value, "a finite number >= 0")
    if number < 0:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return number


def check_range(name: str, value: object, low: float, high: float) -> float:
    """Check that an argument is a number in the closed interval ``[low, high]``.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.
        low: Smallest value allowed.
        high: Largest value allowed.

    Returns:
        The value as a float.

    Raises:
        ValueError: It is not a finite number, or it is outside the interval.
    """
    allowed = f"a number in [{low:g}, {high:g}]"
    number = _number(name, value, allowed)
    if not low <= number <= high:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_probability(name: str, value: object, *, closed: bool = False) -> float:
    """Check that an argument is a probability.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.
        closed: Whether 0 and 1 themselves are allowed.

    Returns:
        The value as a float.

    Raises:
        ValueError: It is not a number, or it is outside (0, 1), or [0, 1] when ``closed``.
    """
    allowed = f"a probability in {'[0, 1]' if closed else '(0, 1)'}"
    number = _number(name, value, allowed)
    inside = 0 <= number <= 1 if closed else 0 < number < 1
    if not inside:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_positive_int(name: str, value: object) -> int:
    """Check that an argument is a whole number of at least 1.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.

    Returns:
        The value as an int.

    Raises:
        ValueError: It is not an integer (a bool is not one), or it is below 1.
    """
    allowed = "an integer >= 1"
    number = _integer(name, value, allowed)
    if number < 1:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_nonnegative_int(name: str, value: object) -> int:
    """Check that an argument is a whole number of at least 0.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.

    Returns:
        The value as an int.

    Raises:
        ValueError: It is not an integer (a bool is not one), or it is negative.
    """
    allowed = "an integer >= 0"
    number = _integer(name, value, allowed)
    if number < 0:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return number


def check_one_of(name: str, value: _T, allowed: Collection[_T]) -> _T:
    """Check that an argument is one of a few named choices.

    Args:
        name: Argument's name, for the message.
        value: What the caller passed.
        allowed: The choices, in the order in which the message lists them.

    Returns:
        The value, unchanged.

    Raises:
        ValueError: It is not among the choices.
    """
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")
    return value


def check_interval_deg(
    name: str, value: tuple[float, float], low: float = -90.0, high: float = 90.0
) -> tuple[float, float]:
    """Check that an argument is an interval of angles in increasing order.

    Args:
        name: Argument's name, for the message.
        value: (lower, upper) end [deg].
        low: Smallest angle allowed [deg].
        high: Largest angle allowed [deg].

    Returns:
        The two ends as floats [deg].

    Raises:
        ValueError: It is not a pair of finite numbers, it is reversed or empty, or it leaves
            ``[low, high]``.
    """
    allowed = f"a pair (lower, upper) of degrees with {low:g} <= lower < upper <= {high:g}"
    try:
        first, second = (_number(name, end, allowed) for end in value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be {allowed}, got {value!r}") from None
    if not low <= first < second <= high:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return first, second

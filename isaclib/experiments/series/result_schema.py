"""What a result document may hold, checked field by field, on writing and on reading alike.

The document is plain JSON data (dicts, lists, strings, numbers, None). Each error names the field
by its path, such as ``series[2].quantities[0].low[3]``, the value, and what is allowed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, NoReturn

SCHEMA = 1
PRESETS = ("smoke", "desk", "paper")

_FIGURE = re.compile(r"p[0-9]+-[a-z0-9]+(-[a-z0-9]+)*")
_HASH = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}|unknown")
# An interval's end and its value come from different formulas; they may cross by rounding alone.
_ROUNDING = 1e-9

Check = Callable[[str, Any], None]


def fail(field: str, value: object, allowed: str) -> NoReturn:
    """Raise the ``ValueError`` that every check here ends in."""
    shown = repr(value)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    raise ValueError(f"{field} must be {allowed}, got {shown}")


def check_figure(field: str, value: object) -> None:
    """Check a figure id such as ``p1-fig2``: it is also a file name, so nothing else passes."""
    if not isinstance(value, str) or not _FIGURE.fullmatch(value):
        fail(field, value, "a figure id such as 'p1-fig2'")


def check_document(document: object) -> None:
    """Check a whole result document, its own hash aside.

    Args:
        document: Parsed JSON, or the plain data that is about to be written.

    Raises:
        ValueError: A field is missing, unknown, or holds something that is not allowed there.
    """
    check_fields("result", document, _DOCUMENT)


def check_fields(field: str, value: object, checks: Mapping[str, Check]) -> None:
    """Check that a value is an object with exactly the fields of ``checks``, each one valid."""
    if not isinstance(value, dict):
        fail(field, value, "an object")
    missing = [name for name in checks if name not in value]
    unknown = [name for name in value if name not in checks]
    if missing or unknown:
        raise ValueError(
            f"{field} must have exactly the fields {', '.join(checks)}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    prefix = "" if field == "result" else f"{field}."
    for name, check in checks.items():
        check(f"{prefix}{name}", value[name])


def _text(field: str, value: object) -> None:
    if not isinstance(value, str):
        fail(field, value, "a text")


def _name(field: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        fail(field, value, "a text that is not empty")


def _boolean(field: str, value: object) -> None:
    if not isinstance(value, bool):
        fail(field, value, "true or false")


def _whole(low: int) -> Check:
    def check(field: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            fail(field, value, f"an integer >= {low}")

    return check


def _duration(field: str, value: object) -> None:
    if not _is_number(value) or value < 0:  # type: ignore[operator]
        fail(field, value, "a finite number of seconds >= 0")


def _schema(field: str, value: object) -> None:
    if isinstance(value, bool) or value != SCHEMA:
        fail(field, value, f"{SCHEMA}, the schema that this version of isaclib writes and reads")


def _preset(field: str, value: object) -> None:
    if value not in PRESETS:
        fail(field, value, f"one of {', '.join(map(repr, PRESETS))}")


def _matching(pattern: re.Pattern[str], allowed: str) -> Check:
    def check(field: str, value: object) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            fail(field, value, allowed)

    return check


def _created(field: str, value: object) -> None:
    allowed = "a UTC time in ISO 8601 such as '2026-01-31T12:00:00+00:00'"
    try:
        offset = datetime.fromisoformat(str(value)).utcoffset()
    except ValueError:
        offset = None
    if not isinstance(value, str) or offset is None or offset.total_seconds() != 0:
        fail(field, value, allowed)


def _config(field: str, value: object) -> None:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        fail(field, value, "an object")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{field} must hold JSON data with finite numbers only: {error}") from None


def _texts(field: str, value: object) -> None:
    if not isinstance(value, dict):
        fail(field, value, "an object of texts")
    for name, text in value.items():
        _name(f"a name in {field}", name)
        _text(f"{field}[{name!r}]", text)


def _weights(field: str, value: object) -> None:
    if not isinstance(value, dict):
        fail(field, value, "an object of file names and SHA-256 sums")
    for name, digest in value.items():
        path = PurePosixPath(name) if isinstance(name, str) else None
        if path is None or not path.name or path.is_absolute() or ".." in path.parts:
            fail(f"a name in {field}", name, "a file name inside the paper's results folder")
        if not isinstance(digest, str) or not _HASH.fullmatch(digest):
            fail(f"{field}[{name!r}]", digest, "a SHA-256 sum of 64 hexadecimal digits")


def _is_number(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)  # type: ignore[arg-type]


def _values(field: str, value: object) -> None:
    if not isinstance(value, list) or not value:
        fail(field, value, "a list of numbers that is not empty")
    for index, item in enumerate(value):
        if item is not None and not _is_number(item):
            fail(f"{field}[{index}]", item, "a finite number, or null where it is undefined")


def _optional_values(field: str, value: object) -> None:
    if value is not None:
        _values(field, value)


def _counts(field: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        fail(field, value, "null or a list of sample counts")
    for index, item in enumerate(value):
        _whole(0)(f"{field}[{index}]", item)


def _length(quantity: Mapping[str, Any]) -> int:
    return len(quantity["values"])


def _quantity(field: str, value: object) -> None:
    check_fields(field, value, _QUANTITY)
    assert isinstance(value, dict)
    for name in ("low", "high", "count"):
        if value[name] is not None and len(value[name]) != _length(value):
            fail(f"{field}.{name}", value[name], f"as long as values, which has {_length(value)}")
    if (value["low"] is None) != (value["high"] is None):
        raise ValueError(f"{field}.low and {field}.high must be both given or both null")
    if value["low"] is not None:
        _check_order(field, value["low"], value["values"], value["high"])


def _check_order(
    field: str,
    low: Sequence[float | None],
    values: Sequence[float | None],
    high: Sequence[float | None],
) -> None:
    """Check that each value lies inside its interval, where both are defined."""
    for index, triple in enumerate(zip(low, values, high, strict=True)):
        defined = [item for item in triple if item is not None]
        slack = _ROUNDING * max((abs(item) for item in defined), default=0.0)
        if any(right < left - slack for left, right in pairwise(defined)):
            fail(f"{field} at index {index}", triple, "ordered as low <= value <= high")


def _series(field: str, value: object) -> None:
    check_fields(field, value, _SERIES)
    assert isinstance(value, dict)
    quantities = value["quantities"]
    if len({_length(quantity) for quantity in quantities}) != 1:
        lengths = {quantity["name"]: _length(quantity) for quantity in quantities}
        fail(f"{field}.quantities", lengths, "equally long, one value for each point")


def _list_of(check: Check) -> Check:
    """Return the check of a list whose items are valid and carry different names."""

    def check_list(field: str, value: object) -> None:
        if not isinstance(value, list) or not value:
            fail(field, value, "a list that is not empty")
        for index, item in enumerate(value):
            check(f"{field}[{index}]", item)
        names = [item["name"] for item in value]
        if len(set(names)) != len(names):
            fail(field, names, "named differently")

    return check_list


_QUANTITY: dict[str, Check] = {
    "name": _name,
    "unit": _text,
    "values": _values,
    "low": _optional_values,
    "high": _optional_values,
    "count": _counts,
}
_SERIES: dict[str, Check] = {"name": _name, "quantities": _list_of(_quantity)}
_PROVENANCE: dict[str, Check] = {
    "version": _name,
    "commit": _matching(_COMMIT, "a git commit of 40 hexadecimal digits, or 'unknown'"),
    "dirty": _boolean,
    "seed": _whole(0),
    "device": _name,
    "torch": _name,
    "threads": _whole(1),
    "wall_time_s": _duration,
    "created": _created,
    "weights": _weights,
    "notes": _texts,
}
_DOCUMENT: dict[str, Check] = {
    "schema": _schema,
    "figure": check_figure,
    "preset": _preset,
    "config": _config,
    "series": _list_of(_series),
    "provenance": lambda field, value: check_fields(field, value, _PROVENANCE),
}

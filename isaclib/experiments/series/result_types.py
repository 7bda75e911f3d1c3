"""The curves of a figure as Python objects, and their translation to and from JSON data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from isaclib.experiments.series.provenance import Provenance
from isaclib.experiments.series.result_schema import SCHEMA

_T = TypeVar("_T")


@dataclass(frozen=True)
class Quantity:
    """One measured or chosen quantity along a curve.

    Attributes:
        name: Identifier, such as ``"p_d"``.
        values: [points], float. The value at each point; NaN where it is undefined.
        low: [points], float, or None. Lower end of the confidence interval.
        high: [points], float, or None. Upper end of the confidence interval.
        count: [points], int, or None. Independent samples behind each point.
        unit: Unit of the values, such as ``"rad"``; empty for a pure number.
    """

    name: str
    values: list[float]
    low: list[float] | None = None
    high: list[float] | None = None
    count: list[int] | None = None
    unit: str = ""

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.values)

    def take(self, points: Sequence[int]) -> Quantity:
        """Return the quantity at some of its points, in the order given."""

        def chosen(column: list[Any] | None) -> list[Any] | None:
            return None if column is None else [column[i] for i in points]

        values = [self.values[i] for i in points]
        low, high, count = (chosen(column) for column in (self.low, self.high, self.count))
        return dataclasses.replace(self, values=values, low=low, high=high, count=count)


@dataclass(frozen=True)
class Series:
    """The points of one curve.

    Any quantity may go on any axis of a plot (P_d against SER, RMSE against SER, ...), so a series
    does not say which is x and which is y. ``series["p_d"]`` is the quantity of that name.

    Attributes:
        name: Identifier, such as ``"baseline"``.
        quantities: Quantities by name, all equally long.
    """

    name: str
    quantities: dict[str, Quantity]

    def __getitem__(self, name: str) -> Quantity:
        """Return the quantity of this name; the KeyError of an unknown one lists the names."""
        return _look_up(self.quantities, name, f"series {self.name!r} has no quantity")

    def __len__(self) -> int:
        """Return the number of points."""
        return len(next(iter(self.quantities.values()), ()))

    def take(self, points: Sequence[int]) -> Series:
        """Return some points of the curve, in the order given."""
        return Series(self.name, {name: q.take(points) for name, q in self.quantities.items()})


@dataclass(frozen=True)
class Result:
    """One figure's curves with everything that is needed to make them again.

    ``result["baseline"]`` is the series of that name.

    Attributes:
        figure: Figure id, such as ``"p1-fig2"``.
        preset: ``"smoke"``, ``"desk"`` or ``"paper"``.
        config: The full configuration as JSON data.
        series: The curves.
        provenance: Where the numbers come from.
    """

    figure: str
    preset: str
    config: dict[str, Any]
    series: list[Series]
    provenance: Provenance

    @property
    def samples(self) -> int | None:
        """Largest sample count behind a point."""
        quantities = [q for series in self.series for q in series.quantities.values()]
        return max((max(q.count) for q in quantities if q.count is not None), default=None)

    def __getitem__(self, name: str) -> Series:
        """Return the series of this name; the KeyError of an unknown one lists the names."""
        found = {series.name: series for series in self.series}
        return _look_up(found, name, f"result {self.figure!r} has no series")


def encode(result: Result) -> dict[str, Any]:
    """Turn a result into JSON data, NaN into None and tuples into lists."""
    return {
        "schema": SCHEMA,
        "figure": result.figure,
        "preset": result.preset,
        "config": _plain(result.config),
        "series": [
            {"name": series.name, "quantities": _encode_quantities(series)}
            for series in result.series
        ],
        "provenance": _plain(dataclasses.asdict(result.provenance)),
    }


def _encode_quantities(series: Series) -> list[dict[str, Any]]:
    for key, quantity in series.quantities.items():
        if key != quantity.name:
            raise ValueError(
                f"series {series.name!r}: quantities[{key!r}] must be filed under its own name, "
                f"got a quantity named {quantity.name!r}"
            )
    return [
        {
            "name": quantity.name,
            "unit": quantity.unit,
            "values": _nan_to_none(quantity.values),
            "low": _nan_to_none(quantity.low),
            "high": _nan_to_none(quantity.high),
            "count": None if quantity.count is None else list(quantity.count),
        }
        for quantity in series.quantities.values()
    ]


def _nan_to_none(values: Sequence[float] | None) -> list[float | None] | None:
    if values is None:
        return None
    return [None if isinstance(item, float) and math.isnan(item) else item for item in values]


def _none_to_nan(values: Sequence[float | None] | None) -> list[float] | None:
    if values is None:
        return None
    return [math.nan if item is None else float(item) for item in values]


def _plain(value: Any) -> Any:
    """Turn tuples into lists, at any depth, as JSON would."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def decode(document: Mapping[str, Any]) -> Result:
    """Turn checked JSON data into a result."""
    return Result(
        figure=document["figure"],
        preset=document["preset"],
        config=document["config"],
        series=[
            Series(
                item["name"],
                {entry["name"]: _decode_quantity(entry) for entry in item["quantities"]},
            )
            for item in document["series"]
        ],
        provenance=Provenance(**document["provenance"]),
    )


def _decode_quantity(entry: Mapping[str, Any]) -> Quantity:
    return Quantity(
        name=entry["name"],
        values=_none_to_nan(entry["values"]) or [],
        low=_none_to_nan(entry["low"]),
        high=_none_to_nan(entry["high"]),
        count=entry["count"],
        unit=entry["unit"],
    )


def _look_up(found: Mapping[str, _T], name: str, complaint: str) -> _T:
    """Return ``found[name]``, or raise a KeyError that lists the names there are."""
    try:
        return found[name]
    except KeyError:
        raise KeyError(f"{complaint} {name!r}; it has {', '.join(map(repr, found))}") from None

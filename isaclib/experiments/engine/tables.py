"""Rows as columns: coordinates that say where a row stands, and quantities measured there.

The dataclasses here, in :mod:`.results` and in :mod:`.provenance` are the schema of stored results
too, which pydantic checks.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainValidator, StringConstraints

from isaclib.experiments.engine.tasks import At, Point, Scalar

if TYPE_CHECKING:
    import isaclib.metrics
    from isaclib.metrics import Estimate

# An interval's end and its value come from different formulas; they may cross by rounding alone.
_ROUNDING = 1e-9

FORBID = ConfigDict(extra="forbid", strict=True)


def _defined(value: object) -> object:
    if value is None:
        return math.nan
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or abs(value) > sys.float_info.max:  # type: ignore[arg-type]
        raise ValueError("a finite number, or null where it is undefined")
    return value


def _scalar(value: object) -> Any:
    plain = value is None or isinstance(value, str | bool | int | float)
    if not plain or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("a text, a finite number, true, false, or null where it does not apply")
    return value


def _count(value: int | None) -> int | None:
    if value is not None and value < 0:
        raise ValueError("an integer >= 0, or null where nothing was measured")
    return value


Number = Annotated[float, BeforeValidator(_defined)]
Coordinate = Annotated[Scalar | None, PlainValidator(_scalar)]
Count = Annotated[int | None, AfterValidator(_count)]
Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=False, pattern=r"\S")]
Key = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]


@dataclass(frozen=True)
class Quantity:
    """One measured quantity along the rows.

    Attributes:
        values: [rows], float. NaN where it is undefined, or was not measured.
        low: [rows], float, or None. Lower end of the confidence interval.
        high: [rows], float, or None. Upper end of the confidence interval.
        count: [rows], int, or None. Independent samples behind each value, where known.
        unit: Unit of the values, such as ``"rad"``; ``"1"`` for a pure number.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    values: list[Number]
    low: list[Number] | None = None
    high: list[Number] | None = None
    count: list[Count] | None = None
    unit: str = "1"

    def __post_init__(self) -> None:
        """Check that intervals belong to the values."""
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high must be both given or both null")
        for name in ("low", "high", "count"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.values):
                raise ValueError(f"{name} must be as long as values, which has {len(self.values)}")
        triples = (
            zip(self.low, self.values, self.high, strict=True) if self.low and self.high else ()
        )
        for index, triple in enumerate(triples):
            known = [end for end in triple if not math.isnan(end)]
            slack = _ROUNDING * max(map(abs, known), default=0.0)
            if any(right < left - slack for left, right in pairwise(known)):
                raise ValueError(
                    f"low[{index}], values[{index}] and high[{index}] must be ordered as "
                    f"low <= value <= high, got {triple}"
                )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @property
    def value(self) -> float:
        """The value of the only row."""
        if len(self) != 1:
            raise KeyError(f"one row must be selected for its value, got {len(self)} rows")
        return self.values[0]

    def estimate(self, index: int = 0) -> isaclib.metrics.Estimate:
        """Value, interval and sample count of a row; NaN and zero where there are none."""
        from isaclib.metrics import Estimate

        low, high = (column[index] if column else math.nan for column in (self.low, self.high))
        return Estimate(self.values[index], low, high, (self.count or {index: 0})[index] or 0)

    def take(self, rows: Sequence[int]) -> Quantity:
        """Return the quantity of some rows, in the order given."""

        def taken(column: list[Any] | None) -> list[Any] | None:
            return None if column is None else [column[i] for i in rows]

        low, high, count = map(taken, (self.low, self.high, self.count))
        return Quantity([self.values[i] for i in rows], low, high, count, self.unit)


@dataclass(frozen=True)
class Table:
    """Rows with coordinates.

    ``table.where(system="SL", array=0)["p_md"]`` is a quantity along the rows with these
    coordinates, and ``table["iteration"]`` a coordinate as one, to draw over or compare by.

    Attributes:
        coordinates: Where each row stands; None where a coordinate does not apply.
        quantities: What was measured there.
        tasks: Key of the task that measured each row; None where it is not known.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    coordinates: dict[Name, list[Coordinate]]
    quantities: dict[Name, Quantity] = field(default_factory=dict)
    tasks: list[Key | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check that all columns are equally long."""
        columns: Mapping[str, Any] = {**self.coordinates, **self.quantities, "tasks": self.tasks}
        lengths = {name: len(column) for name, column in columns.items()}
        if set(lengths.values()) != {len(self.tasks)} or not self.tasks:
            raise ValueError(f"columns must be equally long and not empty, got {lengths}")
        if both := set(self.coordinates) & set(self.quantities):
            raise ValueError(f"coordinates and quantities must differ in name, got {both} twice")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.tasks)

    def __getitem__(self, name: str) -> Quantity:
        """Return a quantity, or a coordinate that is a number, along the rows."""
        if name in self.quantities:
            return self.quantities[name]
        return Quantity([float("nan") if v is None else float(v) for v in self.at(name)])

    def at(self, name: str) -> list[Scalar | None]:
        """Return a coordinate of all rows; the KeyError of an unknown one lists those there are."""
        if name not in self.coordinates:
            raise KeyError(f"no column {name!r}; there are {', '.join(map(repr, self._names()))}")
        return self.coordinates[name]

    def where(self, **at: Scalar | None) -> Table:
        """Return the rows with these coordinates; the KeyError of none says which there are."""
        rows = list(range(len(self)))
        for name, wanted in at.items():
            column = self.at(name)
            kept = [i for i in rows if column[i] == wanted]
            if not kept:
                known = ", ".join(map(repr, dict.fromkeys(column[i] for i in rows)))
                before = {n: v for n, v in at.items() if n != name}
                raise KeyError(f"no row has {name}={wanted!r} with {before}; there are {known}")
            rows = kept
        return self.take(rows)

    def split(self, name: str) -> dict[Any, Table]:
        """Return the rows by their values of a coordinate, in order of appearance."""
        column = self.at(name)
        return {
            value: self.take([i for i, own in enumerate(column) if own == value])
            for value in dict.fromkeys(column)
            if value is not None
        }

    def take(self, rows: Sequence[int]) -> Table:
        """Return some rows, in the order given; -1 is the last."""
        return Table(
            {name: [column[i] for i in rows] for name, column in self.coordinates.items()},
            {name: quantity.take(rows) for name, quantity in self.quantities.items()},
            [self.tasks[i] for i in rows],
        )

    def _names(self) -> list[str]:
        return [*self.coordinates, *self.quantities]


def tabulate(rows: Iterable[tuple[At, Point, str | None]], units: Mapping[str, str]) -> Table:
    """Put measured points into columns.

    Args:
        rows: Coordinates, what was measured there, and the key of the task that did.
        units: Unit of each quantity; they are stored in this order.

    Raises:
        ValueError: A quantity has no unit, or two rows have the same coordinates.
    """
    listed = [({**at, **point.at}, point.values, key) for at, point, key in rows]
    places = Counter(frozenset(at.items()) for at, _, _ in listed)
    if twice := [dict(at) for at, count in places.items() if count > 1]:
        raise ValueError(f"rows must differ in their coordinates, got {twice[0]} more than once")
    measured = {name for _, values, _ in listed for name in values}
    if unknown := sorted(measured - set(units)):
        raise ValueError(f"quantities must be among {', '.join(units)}, got {', '.join(unknown)}")
    names = dict.fromkeys(name for at, _, _ in listed for name in at)
    return Table(
        {name: [at.get(name) for at, _, _ in listed] for name in names},
        {
            name: _quantity([values.get(name) for _, values, _ in listed], unit)
            for name, unit in units.items()
            if name in measured
        },
        [key for _, _, key in listed],
    )


def _quantity(column: Sequence[Estimate | float | None], unit: str) -> Quantity:
    """A column of estimates, of numbers without intervals, or of both."""
    from isaclib.metrics import Estimate

    known = [one if isinstance(one, Estimate) else None for one in column]
    values = [
        estimate.value if estimate else math.nan if one is None else float(one)  # type: ignore[arg-type]
        for estimate, one in zip(known, column, strict=True)
    ]
    if not any(known):
        return Quantity(values, unit=unit)
    low, high = (
        [getattr(one, end) if one else math.nan for one in known] for end in ("low", "high")
    )
    counts = [one.count if one else None for one in known]
    return Quantity(values, low, high, counts if any(counts) else None, unit)

"""From a stored result of schema 1 to the present one, numbers and provenance unchanged."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isaclib.experiments.engine.provenance import Provenance
from isaclib.experiments.engine.results import (
    Folder,
    Result,
    ResultError,
    content_hash,
    load_tensors,
    result_path,
    save_result,
)
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.runs import trained_table
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point, Scalar, key_of

if TYPE_CHECKING:
    import torch

    from isaclib.metrics import Estimate

OLD = 1
"""Schema that is converted."""

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Curve:
    """A series of schema 1: points with quantities, and a name.

    Attributes:
        name: Its name.
        columns: Its quantities by name, as they were stored.
    """

    name: str
    columns: Mapping[str, Mapping[str, Any]]

    def points(
        self, measured: Collection[str]
    ) -> Iterator[tuple[dict[str, float], dict[str, Estimate | float]]]:
        """Parameters, which have become coordinates, and measured quantities of each point."""
        for index in range(len(next(iter(self.columns.values()))["values"])):
            yield (
                {k: c["values"][index] for k, c in self.columns.items() if k not in measured},
                {k: _value(c, index) for k, c in self.columns.items() if k in measured},
            )


class Names(Protocol):
    """What the names of a paper's series and tensors meant; a module of this package each."""

    PARAMETERS: Mapping[str, str]
    """What parameters of series are called now, where they were not called so."""

    def coordinates(
        self, figure: str, name: str, config: Any
    ) -> Mapping[str, Scalar | range | None]:
        """Coordinates that a series' name stands for.

        A range numbers its points; None leaves out a parameter that means nothing there.
        """

    def tensors(
        self, row: Row, figure: str, curves: Mapping[str, Curve], stored: Tensors
    ) -> Tensors:
        """Tensors of the task of a row of what was trained, as it gives them now."""


def convert(spec: FigureSpec[Any], names: Names, directory: Folder = None) -> Path:
    """Convert a stored result in its place; its old tensors' file is removed.

    Raises:
        ResultError: It is missing, broken, or of another schema.
        ValueError: Its series are not those of the figure's rows.
    """
    path = result_path(spec.id, directory)
    document = _read(path)
    try:
        result, tensors = _converted(spec, names, document, path.parent)
    except (KeyError, IndexError) as error:
        reason = error.args[0] if error.args else error
        raise ValueError(f"{path}: its series are not those of {spec.id} now: {reason}") from error
    save_result(result, tensors, directory)
    for file in document["provenance"]["weights"]:
        (path.parent / file).unlink(missing_ok=True)
    return path


def _converted(
    spec: FigureSpec[Any], names: Names, document: Mapping[str, Any], folder: Path
) -> tuple[Result, dict[str, torch.Tensor]]:
    """The result that a document is now, and its tensors."""
    source = document["provenance"]
    config = spec.config_of(document["config"])
    curves = {
        series["name"]: Curve(series["name"], {q["name"]: q for q in series["quantities"]})
        for series in document["series"]
    }
    points = []
    split = getattr(names, "split", lambda curve: [curve])
    for curve in itertools.chain.from_iterable(map(split, curves.values())):
        named = names.coordinates(spec.id, curve.name, config)
        for index, (parameters, values) in enumerate(curve.points(spec.units)):
            at: dict[str, Any] = {names.PARAMETERS.get(k, k): v for k, v in parameters.items()}
            at |= {k: v[index] if isinstance(v, range) else v for k, v in named.items()}
            points.append(({k: v for k, v in at.items() if v is not None}, values))
    rows = list(spec.rows(config, source["seed"]))
    trained = list(spec.trained(config, source["seed"]))
    stored: dict[str, torch.Tensor] = {}
    for file, digest in source["weights"].items():
        stored |= load_tensors(folder / file, digest)
    found = {key_of(row.task): names.tensors(row, spec.id, curves, stored) for row in trained}
    result = Result(
        figure=spec.id,
        preset=document["preset"],
        config=document["config"],
        rows=tabulate(list(_matched(rows, points)), spec.units),
        provenance=_provenance(source),
        trained=trained_table(trained) if trained else None,
    )
    tensors = {f"{key}/{name}": t for key, own in found.items() for name, t in own.items()}
    return result, tensors


def _read(path: Path) -> dict[str, Any]:
    """Read a document of the old schema and check its sum."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: cannot be read: {error}") from error
    if document.get("schema") != OLD:
        raise ResultError(f"{path}: schema must be {OLD}, got {document.get('schema')!r}")
    if document.pop("sha256", None) != content_hash(document):
        raise ResultError(f"{path}: the file was edited after it was written")
    return document


def _matched(
    rows: Sequence[Row], points: Sequence[tuple[dict[str, Any], dict[str, Estimate | float]]]
) -> Iterator[tuple[Mapping[str, Scalar], Point, str | None]]:
    """The points in the order of the rows whose coordinates they have, and as those have them."""
    kinds = {frozenset(row.at): tuple(row.at) for row in rows}.values()
    places: dict[Any, list[Point]] = {tuple(row.at.items()): [] for row in rows}
    for at, values in points:
        own = [tuple((n, at[n]) for n in names) for names in kinds if all(n in at for n in names)]
        own = sorted((place for place in own if place in places), key=len)
        if not own:
            raise ValueError(f"no row of this figure has the coordinates {at}")
        beyond = {name: value for name, value in at.items() if name not in dict(own[-1])}
        point, found = Point(values, beyond), places[own[-1]]
        if repr(point) not in map(repr, found):  # several series may have had it
            found.append(point)
    for row in rows:
        found = places[tuple(row.at.items())]
        for point in found:
            yield row.at, point, key_of(row.task)


def _provenance(source: Mapping[str, Any]) -> Provenance:
    """The old provenance, and how it was converted."""
    from isaclib import __version__

    files = ", ".join(f"{name} with SHA-256 {digest}" for name, digest in source["weights"].items())
    how = f"from schema {OLD} by isaclib {__version__}{f'; tensors from {files}' if files else ''}"
    kept = {**source, "weights": {}, "notes": {**source["notes"], "converted": how}}
    return Provenance(**kept)


def _value(column: Mapping[str, Any], index: int) -> Estimate | float:
    """A point's value, with its interval and count where it has them."""
    from isaclib.metrics import Estimate

    value, low, high = (
        _defined((column[name] or {index: None})[index]) for name in ("values", "low", "high")
    )
    return Estimate(value, low, high, column["count"][index]) if column["count"] else value


def _defined(value: float | None) -> float:
    return math.nan if value is None else float(value)

"""What a run leaves behind: rows and provenance as JSON, trained tensors as safetensors beside it.

A result is one file, ``results/<paper>/<figure>.json``, checked when it is written and when it is
read. It carries the SHA-256 of its own content and of its tensors' file, whose name ends in the
beginning of that sum: writing the JSON file is what publishes both, and a reader never meets new
tensors with old rows. A truncated, edited or mixed-up file is a clear :class:`ResultError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, PlainValidator, StringConstraints, TypeAdapter, ValidationError

from isaclib import _files
from isaclib.experiments.engine.provenance import Provenance
from isaclib.experiments.engine.tables import FORBID, Table
from isaclib.experiments.engine.tasks import Outcome, Point, Scalar, Task

if TYPE_CHECKING:
    import torch

SCHEMA = 2
PRESETS = ("smoke", "desk", "paper")

_FIGURE = r"p[0-9]+-[a-z0-9]+(-[a-z0-9]+)*"
Folder = str | os.PathLike[str] | None


class ResultError(ValueError):
    """A stored result or its tensors are missing, broken, edited, or of another schema."""


def _config(value: object) -> Any:
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        plain = None
    if not isinstance(plain, dict):
        raise ValueError("an object of JSON data with finite numbers only")
    return plain


@dataclass(frozen=True)
class Result:
    """A figure's rows with everything that is needed to make them again.

    Attributes:
        figure: Figure id, such as ``"p1-fig2"``.
        preset: ``"smoke"``, ``"desk"`` or ``"paper"``.
        config: The full configuration as JSON data.
        rows: What was measured.
        provenance: Where the numbers come from.
        trained: Coordinates of the trained tensors that are stored, and keys of their tasks.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID
    folder: ClassVar[Path] = Path()
    """Folder that a result was read from."""

    figure: Annotated[str, StringConstraints(pattern=f"^{_FIGURE}$")]
    preset: Literal["smoke", "desk", "paper"]
    config: Annotated[dict[str, Any], PlainValidator(_config)]
    rows: Table
    provenance: Provenance
    trained: Table | None = None

    @property
    def samples(self) -> int | None:
        """Largest sample count behind a row."""
        counts = [n for q in self.rows.quantities.values() for n in q.count or () if n is not None]
        return max(counts, default=None)

    def where(self, **at: Scalar | None) -> Table:
        """Return the rows with these coordinates, see :meth:`.tables.Table.where`."""
        return self.rows.where(**at)

    def tensors(self, **at: Scalar | None) -> dict[str, torch.Tensor]:
        """Return what was trained for these coordinates, by name, on the CPU.

        Raises:
            KeyError: Nothing stored, or more than one thing, has these coordinates.
            ResultError: The tensors' file is missing or is not the one that was stored.
        """
        if self.trained is None:
            raise KeyError(f"{self.figure} stores no trained tensors")
        keys = set(self.trained.where(**at).tasks)
        if len(keys) != 1:
            raise KeyError(f"{at} must be the coordinates of one training, got {len(keys)}")
        (prefix,) = (f"{key}/" for key in keys)
        stored = self._bundle()
        return {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}

    def outcomes(self, tasks: Mapping[str, Task], *, measured: bool) -> dict[str, Outcome]:
        """Return what those of the tasks gave that this result holds, by their keys.

        That is what was trained and, if ``measured``, points too.
        """
        found: dict[str, Outcome] = {}
        stored = self._bundle() if self.trained else {}
        for key in set(self.trained.tasks if self.trained else ()) & set(tasks):
            own = {k: v for k, v in stored.items() if k.startswith(f"{key}/")}
            found[str(key)] = Outcome(tensors={k.partition("/")[2]: v for k, v in own.items()})
        rows: dict[str, list[int]] = {}
        for index, key in enumerate(self.rows.tasks if measured else ()):
            if key in tasks:
                rows.setdefault(str(key), []).append(index)
        for key, own_rows in rows.items():
            points = [self._point(index, tasks[key].coordinates) for index in own_rows]
            # A task that stands in several rows has the same points there.
            places = {repr(dict(point.at)): point for point in points}
            if all(repr(places[repr(dict(p.at))]) == repr(p) for p in points):
                found[key] = Outcome(list(places.values()))
        return found

    def _point(self, index: int, coordinates: Sequence[str]) -> Point:
        quantities, at = self.rows.quantities.items(), self.rows.coordinates
        known = [
            (name, q)
            for name, q in quantities
            if (q.count[index] is not None if q.count else not math.isnan(q.values[index]))
        ]
        return Point(
            {n: q.values[index] if q.low is None else q.estimate(index) for n, q in known},
            {n: v for n in coordinates if n in at and (v := at[n][index]) is not None},
        )

    def _bundle(self) -> dict[str, torch.Tensor]:
        ((file, digest),) = self.provenance.weights.items()
        return load_tensors(self.folder / file, digest, recipe(self.figure, self.preset))


def results_directory(directory: Folder = None) -> Path:
    """Find the folder that holds the results.

    Args:
        directory: Folder to use, wherever it is. None looks for it.

    Returns:
        The argument; else the environment variable ``ISACLIB_RESULTS``; else ``results/`` of the
        nearest folder, from the current one upwards, that looks like this project (it holds
        ``results/`` beside ``pyproject.toml`` or ``_config.yml``); else ``results/`` here. It need
        not exist.
    """
    chosen = directory or os.environ.get("ISACLIB_RESULTS")
    if chosen:
        return Path(chosen)
    here = Path.cwd()
    for folder in (here, *here.parents):
        marked = (folder / "pyproject.toml").is_file() or (folder / "_config.yml").is_file()
        if marked and (folder / "results").is_dir():
            return folder / "results"
    return here / "results"


def result_path(figure: str, directory: Folder = None) -> Path:
    """Return where a figure's result is stored: ``<directory>/<paper>/<figure>.json``.

    Raises:
        ValueError: ``figure`` is not a figure id.
    """
    if not isinstance(figure, str) or not re.fullmatch(_FIGURE, figure):
        raise ValueError(f"figure must be a figure id such as 'p1-fig2', got {figure!r}")
    return results_directory(directory) / figure.partition("-")[0] / f"{figure}.json"


def recipe(figure: str, preset: str = "paper") -> str:
    """Return the command that makes a figure's result again."""
    return f"isaclib run {figure} --preset {preset}"


# Writing


def save_result(
    result: Result, tensors: Mapping[str, torch.Tensor], directory: Folder = None
) -> Path:
    """Write a result and its tensors in one step: afterwards all of the old or of the new is there.

    Tensors are named ``<key of their task>/<name>``; their file is put into the provenance.

    Raises:
        ValueError: The result is not valid; the message names the field, its value and what is
            allowed. Nothing was written.
        OSError: The files could not be written; what was stored before is unchanged.
    """
    content = tensor_bytes(tensors) if tensors else b""
    digest = _files.sha256_of_bytes(content)
    path = result_path(result.figure, directory)
    new = path.with_name(f"{result.figure}.{digest[:8]}.safetensors")
    source = dataclasses.replace(result.provenance, weights={new.name: digest} if tensors else {})
    document = _encode(dataclasses.replace(result, provenance=source))
    _decode(document)
    document["sha256"] = content_hash(document)
    prepared = _files.write_aside(path, f"{_layout(document)}\n".encode())
    try:
        with _publishing(path):
            if tensors:
                _files.write_atomically(new, content)
            # This one rename publishes the tensors as well, whose file has a name of its own.
            _files.move_into_place(prepared, path)
    finally:
        prepared.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _publishing(path: Path) -> Iterator[None]:
    """Let nobody else publish this result in the block, and tidy up behind it, however it ends."""
    lock = path.with_name(f".{path.stem}.lock")
    with _files.locked(lock, f"isaclib: waiting for another process that writes {path}"):
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                named = json.loads(path.read_bytes())["provenance"]["weights"]
                for file in path.parent.glob(f"{path.stem}.*.safetensors"):
                    if file.name not in named:
                        file.unlink()
            _files.remove_leftovers(path.parent, f".{path.stem}.*.tmp")
            lock.unlink(missing_ok=True)


def tensor_bytes(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Return tensors of any shape, dtype and device as a safetensors file; equal ones, equal bytes.

    Raises:
        ValueError: A value is not a tensor.
    """
    import torch
    from safetensors.torch import save

    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"tensors[{name!r}] must be a tensor, got {type(tensor).__name__}")
    # A clone each: safetensors refuses tensors that share memory, and views.
    return save({k: t.detach().cpu().contiguous().clone() for k, t in tensors.items()})


# Reading


def load_result(figure: str, directory: Folder = None) -> Result:
    """Read a stored result and check all of it, its tensors' file included.

    Args:
        figure: Figure id, such as ``"p1-fig2"``.
        directory: Results folder; see :func:`results_directory`.

    Returns:
        The result; ``null`` values are NaN.

    Raises:
        ValueError: ``figure`` is not a figure id.
        ResultError: The file or that of its tensors is missing, broken, edited, of another schema
            or of another figure; the message names the file, what is wrong, and the command that
            mends it.
    """
    path = result_path(figure, directory)
    for last in (False, True):
        result = _read(path, figure)
        try:
            for name, digest in result.provenance.weights.items():
                checked_bytes(path.parent / name, digest, recipe(figure, result.preset))
        except ResultError:
            # Another process may have published between the two looks.
            if last:
                raise
    return result


def _read(path: Path, figure: str) -> Result:
    command = recipe(figure)
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ResultError(f"{path}: there is no such result; create it with `{command}`") from None
    except OSError as error:
        raise ResultError(f"{path}: cannot be read ({error.strerror}); see `{command}`") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(
            f"{path}: is not complete JSON ({error}); re-create it with `{command}`"
        ) from error
    if isinstance(document, dict) and document.get("schema") == 1:
        raise ResultError(
            f"{path}: schema must be {SCHEMA}, got 1; convert it, its numbers and provenance "
            f"unchanged, with `isaclib results convert {figure}`"
        )
    try:
        if not isinstance(document, dict):
            raise ValueError("must hold a JSON object")
        if document.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}, got {document.get('schema')!r}")
        found = document.pop("sha256", None)
        if found != (expected := content_hash(document)):
            raise ValueError(
                f"sha256 must be {expected[:12]}... for this content, got {str(found)[:12]}...: "
                "the file was edited after it was written"
            )
        result = _decode(document)
        if result.figure != figure:
            raise ValueError(f"figure must be {figure!r}, got {result.figure!r}")
    except (ValueError, OverflowError) as error:
        raise ResultError(f"{path}: {error}; re-create it with `{command}`") from error
    object.__setattr__(result, "folder", path.parent)
    return result


def load_tensors(path: Path, sha256: str, command: str = "") -> dict[str, torch.Tensor]:
    """Read tensors from a safetensors file, onto the CPU.

    Raises:
        ResultError: The file is missing, is not a whole safetensors file, or has another SHA-256.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = checked_bytes(path, sha256, command or recipe("FIGURE"))
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ResultError(f"{path}: is not a whole safetensors file ({error})") from error


def checked_bytes(path: Path, digest: str | None, command: str) -> bytes:
    """Read a tensors' file and compare its SHA-256, or raise ResultError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultError(
            f"{path}: weights file cannot be read ({error.strerror}); re-create it with `{command}`"
        ) from error
    actual = _files.sha256_of_bytes(content)
    if digest not in (None, actual):
        raise ResultError(
            f"{path}: weights file has SHA-256 {actual[:12]}..., but {str(digest)[:12]}... is "
            f"expected: it was changed or comes from another run; re-create it with `{command}`"
        )
    return content


# The document


def content_hash(document: Mapping[str, Any]) -> str:
    """Hash the content whatever its layout in the file, so that reformatting is no edit."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return _files.sha256_of_bytes(canonical.encode())


def _encode(result: Result) -> dict[str, Any]:
    """Turn a result into JSON data, NaN into None and tuples into lists."""
    document = {"schema": SCHEMA, **dataclasses.asdict(result)}
    for table in (document["rows"], document["trained"]):
        for quantity in (table or {"quantities": {}})["quantities"].values():
            for name in ("values", "low", "high"):
                column = quantity[name]
                quantity[name] = column and [None if math.isnan(x) else x for x in column]
    return document


def _decode(document: Mapping[str, Any]) -> Result:
    """Turn JSON data into a result, or raise ValueError with the first field that is wrong."""
    fields = {name: value for name, value in document.items() if name != "schema"}
    try:
        return _adapter().validate_json(json.dumps(fields))
    except ValidationError as error:
        raise ValueError(_in_words(error)) from None


@functools.cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)


_NEEDS_ARTICLE = re.compile(r"^Input should (be|match) ")


def _in_words(error: ValidationError) -> str:
    """Name the first field that is wrong, what is allowed there, and what it holds."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])[1:]
    reason = first["msg"].removeprefix("Value error, ")
    shown = repr(first["input"])
    shown = shown if len(shown) <= 120 else shown[:117] + "..."
    if first["type"] == "missing":
        return f"{place} must be given"
    if first["type"] == "unexpected_keyword_argument":
        return f"{place} must not be given: there is no such field"
    if " must be " in reason or " must differ " in reason:
        return f"{place}: {reason}"
    return f"{place} must be {_NEEDS_ARTICLE.sub('', reason)}, got {shown}"


def _layout(value: Any, depth: int = 0) -> str:
    """Lay a document out for people: objects indented, each list on one line."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inside = "\n" + " " * (depth + 1)
    items = (f"{_layout(str(k))}: {_layout(v, depth + 1)}" for k, v in value.items())
    return f"{{{inside}{f',{inside}'.join(items)}\n{' ' * depth}}}"

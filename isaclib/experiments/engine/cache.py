"""The cache: what finished tasks gave, a folder a task, found again by the task's key.

``<runs>/<device>/TrainSpacings-0123456789abcdef/`` holds ``record.json``, with the points, where
they come from and the SHA-256 of all of it; the tensors, under a name that begins with theirs; and
a folder for the task's own checkpoints. A record that does not have its sums is treated as
missing, and said to be.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isaclib import _files
from isaclib.experiments.engine.results import ResultError, content_hash, load_tensors, tensor_bytes
from isaclib.experiments.engine.tasks import Outcome, Point, Task, content, key_of

RECORD = "record.json"


@dataclass(frozen=True)
class Record:
    """A finished task: its outcome, at which commit, in how long, and from which stored result.

    The last two are alternatives: one was run, the other taken.
    """

    outcome: Outcome
    commit: str
    elapsed_s: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Cache:
    """What was computed on one kind of device, ``"cpu"`` or ``"cuda"``, and this code's commit."""

    folder: Path
    device: str
    commit: str = "unknown"

    def place(self, task: Task) -> Path:
        """Folder of a task."""
        return self.folder / f"{type(task).__name__}-{key_of(task)}"

    def read(self, task: Task) -> Record | None:
        """What a task gave, or None where it has not run, or not for all that it asks."""
        record = self._any(task)
        outcome = task.chosen(record.outcome) if record else None
        return dataclasses.replace(record, outcome=outcome) if record and outcome else None

    def write(self, task: Task, record: Record) -> None:
        """Store what a task gave.

        Raises:
            TypeError: It is not an outcome, or holds what cannot be stored.
        """
        place, outcome = self.place(task), record.outcome
        if not isinstance(outcome, Outcome):
            raise TypeError(f"a task must return an Outcome, got {type(outcome).__name__}")
        try:
            tensors = tensor_bytes(outcome.tensors) if outcome.tensors else b""
            digest = _files.sha256_of_bytes(tensors) if tensors else ""
            document = {
                "task": content(task),
                "commit": record.commit,
                "elapsed_s": record.elapsed_s,
                "source": record.source,
                "points": [[dict(p.at), _plain(p.values)] for p in outcome.points],
                "notes": dict(outcome.notes),
                "tensors": digest,
            }
            text = json.dumps({**document, "sha256": content_hash(document)}, indent=1)
        except (TypeError, ValueError) as error:
            raise TypeError(f"a task must return points of numbers and tensors: {error}") from error
        place.mkdir(parents=True, exist_ok=True)
        _files.remove_leftovers(place, ".*.tmp")
        if tensors:
            _files.write_atomically(_tensors_file(place, digest), tensors)
        _files.write_atomically(place / RECORD, text.encode())
        for file in set(place.glob("*.safetensors")) - {_tensors_file(place, digest)}:
            file.unlink(missing_ok=True)

    def forget(self, task: Task) -> None:
        """Remove what a task gave and its checkpoints; nothing else that may lie in its folder."""
        place = self.place(task)
        if not place.is_dir():
            return
        with self.locked(task):
            (place / RECORD).unlink(missing_ok=True)
            for file in place.glob("*.safetensors"):
                file.unlink(missing_ok=True)
            for folder in place.glob("work*"):
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, task: Task) -> Iterator[None]:
        """Let no other process run the task during the block."""
        place = self.place(task)
        place.mkdir(parents=True, exist_ok=True)
        waiting = f"isaclib: waiting for another process that runs {place.name}"
        with _files.locked(place / ".lock", waiting):
            yield

    def _any(self, task: Task) -> Record | None:
        """Whatever is stored for the task's key, if it is whole."""
        path = self.place(task) / RECORD
        try:
            document = json.loads(path.read_bytes())
            if document.pop("sha256") != content_hash(document):
                raise ValueError("does not have its SHA-256")
            if document["task"] != content(task):
                raise ValueError("is of another task")
            tensors = document["tensors"]
            loaded = load_tensors(_tensors_file(path.parent, tensors), tensors) if tensors else {}
            points = [Point(_measured(values), at) for at, values in document["points"]]
            outcome = Outcome(points, loaded, document["notes"])
            return Record(outcome, document["commit"], document["elapsed_s"], document["source"])
        except FileNotFoundError:
            return None
        except ResultError as error:
            reason = f"{error}"
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"{path}: {error}"
        print(f"isaclib: {reason}; it is computed again", file=sys.stderr, flush=True)
        return None


@dataclass(frozen=True)
class Working:
    """What a running task is given, see :class:`.tasks.Work`."""

    cache: Cache
    directory: Path

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return self.cache.device

    def outcome(self, task: Task) -> Outcome:
        """Outcome of a task; it is run here where it is not stored."""
        return execute(task, self.cache).outcome


def execute(task: Task, cache: Cache) -> Record:
    """Run a task, unless its outcome is stored, and store it.

    Two processes may want the same task: a worker whose client was stopped can still be busy with
    it when the sweep is resumed. The second one waits, then finds the first one's record.
    """
    asked = task
    stored = cache.read(asked)
    if stored is not None:
        return stored
    with cache.locked(task):
        stored = cache.read(asked)
        if stored is not None:
            return stored
        partial = cache._any(task)
        if partial is not None:
            task = task.widened(partial.outcome)
        directory = cache.place(task) / f"work{_variant(task)}"
        directory.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        outcome = task.run(Working(cache, directory))
        elapsed_s = round(time.perf_counter() - started, 3)
        cache.write(task, Record(outcome, cache.commit, elapsed_s))
    record = cache.read(asked)
    assert record is not None, f"{task} has not given what it was asked for"
    return record


def _variant(task: Task) -> str:
    """Tell checkpoints apart that were made with other marks, which are no part of the key."""
    fields = [f for f in dataclasses.fields(task) if not f.compare]  # type: ignore[arg-type]
    aside = [content(getattr(task, f.name)) for f in fields]
    return f"-{hashlib.sha256(json.dumps(aside).encode()).hexdigest()[:8]}" if fields else ""


def _tensors_file(place: Path, digest: str) -> Path:
    return place / f"{digest[:16]}.safetensors"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Estimates as lists of value, low, high and count; other numbers as they are."""
    from isaclib.metrics import Estimate

    plain: dict[str, Any] = {}
    for name, one in values.items():
        if isinstance(one, Estimate):
            plain[name] = [one.value, one.low, one.high, one.count]
        elif isinstance(one, float | int):
            plain[name] = float(one)
        else:
            raise TypeError(f"{name} must be a number or an Estimate, got {one!r}")
    return plain


def _measured(values: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of :func:`_plain`."""
    from isaclib.metrics import Estimate

    return {k: Estimate(*v) if isinstance(v, list) else float(v) for k, v in values.items()}

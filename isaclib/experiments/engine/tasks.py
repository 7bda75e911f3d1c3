"""Tasks: what is computed, as frozen dataclasses whose content is their key.

A task's fields say all that its outcome depends on, but the device: numbers, texts, tuples, other
frozen dataclasses and other tasks. A field with ``compare=False``, such as the marks at which a
training is recorded, is no part of the key. Whoever changes what a task computes from the same
fields raises its ``version``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import torch

    import isaclib.metrics

Scalar = str | int | float | bool
"""What a coordinate can be."""

At = Mapping[str, Scalar]
"""Coordinates by their names."""


@dataclass(frozen=True)
class Test:
    """How everything is measured.

    Attributes:
        samples: Test samples a point and hypothesis.
        block: Samples drawn from one generator.
    """

    __test__: ClassVar[bool] = False  # it is nothing for pytest to collect

    samples: int = 1_000_000
    block: int = 10_000


@dataclass(frozen=True)
class Point:
    """What a task measured at one place.

    Attributes:
        values: Each quantity by its name, with its confidence interval where it has one.
        at: Coordinates beyond those of the task's row, for a task that measures several places.
    """

    values: Mapping[str, isaclib.metrics.Estimate | float]
    at: At = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a task gave: measured points, trained tensors, or both.

    Attributes:
        points: What was measured.
        tensors: Tensors by name, of any shape and dtype.
        notes: What else is worth knowing, for the provenance.
    """

    points: Sequence[Point] = ()
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


class Work(Protocol):
    """What a running task is given."""

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""

    @property
    def directory(self) -> Path:
        """Folder for the checkpoints of this task alone."""

    def outcome(self, task: Task) -> Outcome:
        """Outcome of a task that this one holds."""


class Task:
    """A piece of work; subclasses are frozen dataclasses at the top of a module.

    One that gives several points names their ``coordinates``, so that other figures can take them
    from a stored result.
    """

    version: ClassVar[int] = 1
    coordinates: ClassVar[tuple[str, ...]] = ()

    def run(self, work: Work) -> Outcome:
        """Compute the outcome; what it reports to :mod:`isaclib._progress` moves the display."""
        raise NotImplementedError(f"{type(self).__name__} must say how it is run")

    def chosen(self, stored: Outcome) -> Outcome | None:
        """What this task asks for of the outcome of one with its key; None if that lacks some."""
        return stored

    def joined(self, other: Self) -> Self:
        """Task of the same key that serves as this and as another one."""
        return self

    def widened(self, stored: Outcome) -> Self:
        """Task of the same key that serves as this one and holds what is stored too."""
        return self


class Recorded(Task):
    """A training that is recorded at some of its iterations, its ``marks``.

    A subclass declares ``marks: tuple[int, ...] = field(default=(), compare=False)``. Its outcome
    has them as the tensor ``"marks"``, and all its tensors are ``[marks, ...]``, so that one
    training serves whoever wants the same or fewer marks.
    """

    marks: tuple[int, ...]

    def chosen(self, stored: Outcome) -> Outcome | None:
        """The records at its own marks."""
        known = stored.tensors["marks"].tolist()
        if not set(self.marks) <= set(known):
            return None
        rows = [known.index(mark) for mark in self.marks]
        tensors = {name: tensor[rows] for name, tensor in stored.tensors.items()}
        return dataclasses.replace(stored, tensors=tensors)

    def joined(self, other: Self) -> Self:
        """The training with the marks of both."""
        return self._with(other.marks)

    def widened(self, stored: Outcome) -> Self:
        """The training with the marks of both."""
        return self._with(stored.tensors["marks"].tolist())

    def _with(self, marks: Iterable[int]) -> Self:
        union = tuple(sorted({*self.marks, *marks}))
        return dataclasses.replace(self, marks=union)  # type: ignore[type-var]


class TaskError(RuntimeError):
    """A task failed; its own exception is the cause. Finished tasks are kept."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"task {name} failed with {type(error).__name__}: {error}")


def content(value: object) -> Any:
    """Everything that a value says, as JSON data; what a key is made of.

    Raises:
        ValueError: Something is not allowed in a task.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        head: dict[str, Any] = {"": kind.__name__}
        if isinstance(value, Task):
            head = {"": task_name(value), "version": value.version}
        own = (f for f in dataclasses.fields(value) if f.compare)
        return head | {f.name: content(getattr(value, f.name)) for f in own}
    if isinstance(value, Mapping):
        return {str(name): content(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value  # 1.0 means what 1 does
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(
        "a task's fields must be numbers, texts, tuples, frozen dataclasses or tasks, got "
        f"{value!r}"
    )


def task_name(task: Task) -> str:
    """Qualified name of a task's class, which a worker can import."""
    name = f"{type(task).__module__}.{type(task).__qualname__}"
    if "<" in name:
        raise ValueError(f"a task must be defined at the top of a module, got {name}")
    return name


def key_of(task: Task) -> str:
    """The task's key: 16 hexadecimal digits of the SHA-256 of its content."""
    text = json.dumps(content(task), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def held_by(value: object) -> Iterator[Task]:
    """Tasks that a task holds in its fields, at any depth but not inside of each other."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            inner = getattr(value, each.name)
            yield from [inner] if isinstance(inner, Task) else held_by(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from [inner] if isinstance(inner, Task) else held_by(inner)


def graph(tasks: Iterable[Task]) -> dict[str, Task]:
    """All tasks that some need, each once by its key; those that others wait for come first."""
    found: dict[str, Task] = {}
    heights: dict[str, int] = {}

    def add(task: Task, height: int) -> None:
        key = key_of(task)
        found[key] = found[key].joined(task) if key in found else task
        if height > heights.get(key, -1):
            heights[key] = height
            for needed in held_by(task):
                add(needed, height + 1)

    for task in tasks:
        add(task, 0)
    return {key: found[key] for key in sorted(found, key=lambda key: -heights[key])}


def unfinished(tasks: Iterable[Task], finished: Container[str]) -> set[str]:
    """Keys of what has to be run for some tasks: nothing that finished ones alone have needed."""
    found: set[str] = set()
    left = list(tasks)
    while left:
        task = left.pop()
        key = key_of(task)
        if key not in found and key not in finished:
            found.add(key)
            left += held_by(task)
    return found

"""What a figure is: rows that say which task's outcome stands where, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tasks import At, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isaclib.experiments.engine.panels import Drawing

C = TypeVar("C")


@dataclass(frozen=True)
class Row:
    """A place in a figure and what fills it.

    Its coordinates are such as ``{"system": "SL", "array": 0}``. Those of the points that the task
    gives are added, and a task that gives none leaves no row.
    """

    at: At
    task: Task


def no_rows(config: Any, seed: int) -> Iterable[Row]:
    """Rows of a figure that stores no trained tensors."""
    return ()


@dataclass(frozen=True)
class FigureSpec(Generic[C]):
    """One figure of a paper; its id, such as ``"p1-fig2"``, begins with the paper's.

    Attributes:
        presets: Configuration of each preset, a frozen dataclass.
        rows: Makes the rows of a configuration and a seed.
        units: Unit of each measured quantity, in the order in which they are stored.
        drawing: How rows are drawn: panels, or a function that draws a result.
        trained: Makes the rows whose tasks' tensors are published with the result.
        builds_on: Ids of figures whose stored rows, where their tasks are the same, are taken
            and not measured again.
    """

    id: str
    title: str
    presets: Mapping[str, C]
    rows: Callable[[C, int], Iterable[Row]]
    units: Mapping[str, str]
    drawing: Drawing[C] | Callable[[Result], Figure]
    trained: Callable[[C, int], Iterable[Row]] = no_rows
    builds_on: tuple[str, ...] = ()

    @property
    def paper(self) -> str:
        """Paper id, such as ``"p1"``."""
        return self.id.partition("-")[0]

    def config(self, result: Result) -> C:
        """Configuration of a stored result."""
        return self.config_of(result.config)

    def config_of(self, data: Mapping[str, Any]) -> C:
        """Configuration from the JSON data that a result keeps of it; ValueError if it is none."""
        from pydantic import TypeAdapter

        kind = type(next(iter(self.presets.values())))
        try:
            return TypeAdapter(kind).validate_python(data)
        except ValueError as error:
            raise ValueError(f"{self.id} has another configuration now: {error}") from error

    def draw(self, result: Result) -> Figure:
        """Draw a result."""
        if callable(self.drawing):
            return self.drawing(result)
        return self.drawing.draw(self.config(result), result)

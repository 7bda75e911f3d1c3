"""The progress of a sweep on stderr: a bar on a terminal, a line for each task elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Update = Callable[[float], None]


@contextmanager
def display(label: str, begun: int, total: int, console: Console | None = None) -> Iterator[Update]:
    """Show the progress of tasks, with an estimate of the time left, while the block runs.

    Yields:
        A function to call with the number of tasks that are finished, the done part of a running
        one included.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    label = label or "tasks"
    started = time.perf_counter()
    if not console.is_terminal:
        yield _lines(label, begun, total, started)
        return
    with _bar(console) as progress:
        task = progress.add_task(label, completed=begun, total=total, left="")

        def update(done: float) -> None:
            left = _left(done, begun, total, time.perf_counter() - started)
            progress.update(task, completed=done, left=left)

        yield update


def duration(seconds: float) -> str:
    """Return a duration as people say it: 41 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _left(done: float, begun: int, total: int, elapsed_s: float) -> str:
    """Estimate the time left from the average speed, which is even over tasks of one kind."""
    if done <= begun:
        return ""
    return f"about {duration(elapsed_s / (done - begun) * (total - done))} left"


def _lines(label: str, begun: int, total: int, started: float) -> Update:
    """Return a function that prints a line whenever one more task is finished."""
    shown = begun

    def update(done: float) -> None:
        nonlocal shown
        if math.floor(done) > shown:
            shown = math.floor(done)
            elapsed_s = time.perf_counter() - started
            left = _left(done, begun, total, elapsed_s)
            line = f"{label}: {shown} of {total} done; {duration(elapsed_s)} so far, {left}"
            print(line, file=sys.stderr, flush=True)

    return update


def _bar(console: Console) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
    )

"""The progress of a sweep on stderr: a bar a kind of task on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Update = Callable[[str, float], None]
"""Called with a kind of task and how far the present one is; 1 is the end of it."""


@contextmanager
def display(
    kinds: Mapping[str, tuple[int, int]], console: Console | None = None
) -> Iterator[Update]:
    """Show the progress of kinds of tasks, of which so many are finished, of so many."""
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _lines(kinds)
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console) as bars:
        ids = {
            kind: bars.add_task(kind, completed=done, total=total, start=False)
            for kind, (done, total) in kinds.items()
            if done < total
        }
        finished = {kind: done for kind, (done, _) in kinds.items()}

        def update(kind: str, part: float) -> None:
            bars.start_task(ids[kind])
            bars.update(ids[kind], completed=finished[kind] + part)
            finished[kind] += part >= 1

        yield update


def duration(seconds: float) -> str:
    """Return a duration as people say it: 41 s, 12 min, 3.4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _lines(kinds: Mapping[str, tuple[int, int]]) -> Update:
    """Return a function that prints a line whenever one more task is finished."""
    finished = {kind: done for kind, (done, _) in kinds.items()}
    started: dict[str, float] = {}
    begun = last = time.perf_counter()

    def update(kind: str, part: float) -> None:
        nonlocal last
        since = started.setdefault(kind, last)
        if part < 1:
            return
        finished[kind] += 1
        last = time.perf_counter()
        already, total = kinds[kind]
        left = (last - since) / (finished[kind] - already) * (total - finished[kind])
        print(
            f"{kind}: {finished[kind]} of {total} done; {duration(last - begun)} so far, "
            f"about {duration(left)} left",
            file=sys.stderr,
            flush=True,
        )

    return update

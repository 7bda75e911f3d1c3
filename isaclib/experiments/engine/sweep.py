"""A sweep: tasks with all that they need, each resumable, run in this process or on Dask.

A finished task is found in the cache, so a sweep that was stopped computes only what is missing.
How far an unfinished one got is its own business: it has a folder for checkpoints. Tasks give the
same in this process and on a cluster, up to the rounding that comes with the number of threads: a
local worker gets its share of the processor's cores.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext

from isaclib._progress import listening
from isaclib._validation import check_nonnegative_int
from isaclib.experiments.engine.cache import Cache, Record, execute
from isaclib.experiments.engine.progress import Update, display
from isaclib.experiments.engine.tasks import Task, TaskError, graph, unfinished

Tasks = Mapping[str, Task]
Records = dict[str, Record]


class Sweep:
    """Runs tasks, in this process or on a cluster.

    Args:
        workers: Worker processes of an embedded local cluster; 0 runs in this process.
        scheduler: Address of an existing Dask scheduler, such as ``"tcp://10.0.0.1:8786"``. Its
            workers should have one thread each and see the same file system.
        progress: Whether progress is shown on stderr.
    """

    def __init__(
        self, workers: int = 0, scheduler: str | None = None, progress: bool = True
    ) -> None:
        self.workers = check_nonnegative_int("workers", workers)
        if workers and scheduler:
            raise ValueError(
                f"workers must be 0 when a scheduler is given, got workers={workers} and "
                f"scheduler={scheduler!r}; choose one of them"
            )
        cores = os.cpu_count() or 1
        if workers > cores:
            print(f"isaclib: {workers} workers share {cores} cores", file=sys.stderr)
        self.scheduler = scheduler
        self.progress = progress

    def run(self, tasks: Iterable[Task], cache: Cache) -> dict[str, Record]:
        """Run every task that is not finished yet, and return what all gave by their keys.

        What only finished tasks hold is not run, and missing from the answer if it is not stored.

        Raises:
            ValueError: A task holds what is not allowed, or is not at the top of a module.
            TaskError: A task failed. The others that were finished are stored.
            OSError: The scheduler cannot be reached, or a record cannot be written.
        """
        roots = list(tasks)
        every = graph(roots)
        done = {key: record for key, task in every.items() if (record := cache.read(task))}
        wanted = unfinished(roots, done)
        every = {key: task for key, task in every.items() if key in wanted or key in done}
        missing = {key: task for key, task in every.items() if key in wanted}
        if missing:
            run = self._run_on_cluster if self._uses_cluster() else self._run_here
            with self._display(every, done) as update:
                run(missing, cache, done, update)
        return {key: done[key] for key in every}

    def _uses_cluster(self) -> bool:
        """Return whether to run on a cluster; say so where that was wanted and cannot be."""
        if not self.workers and not self.scheduler:
            return False
        if importlib.util.find_spec("distributed") is not None:
            return True
        print(
            "isaclib: running in this process: workers and schedulers need the cluster extra, "
            'pip install "isaclib[cluster]"',
            file=sys.stderr,
        )
        return False

    def _run_here(self, tasks: Tasks, cache: Cache, done: Records, update: Update) -> None:
        """Run tasks one after another; what they report of themselves moves the progress on."""
        for key, task in tasks.items():
            kind = type(task).__name__
            try:
                with listening(_within(kind, update)):
                    done[key] = execute(task, cache)
            except Exception as error:
                raise TaskError(cache.place(task).name, error) from error
            update(kind, 1.0)

    def _run_on_cluster(self, tasks: Tasks, cache: Cache, done: Records, update: Update) -> None:
        """Run tasks on the cluster and store each outcome as it comes."""
        from isaclib.experiments.engine.cluster import completed

        # closing: the cluster goes down now, not when the garbage is collected.
        with closing(completed(tasks, cache, self.workers, self.scheduler)) as outcomes:
            for key, outcome in outcomes:
                task = tasks[key]
                if isinstance(outcome, BaseException):
                    raise TaskError(cache.place(task).name, outcome) from outcome
                # The worker has stored it already, unless it has another file system.
                stored = cache.read(task)
                if stored is None:
                    cache.write(task, outcome)
                    stored = cache.read(task)
                    assert stored is not None, f"{task} was written a moment ago"
                done[key] = stored
                update(type(task).__name__, 1.0)

    def _display(self, every: Tasks, done: Records) -> AbstractContextManager[Update]:
        if not self.progress:
            return nullcontext(lambda _kind, _part: None)
        kinds = [type(task).__name__ for task in every.values()]
        finished = [type(every[key]).__name__ for key in done]
        return display({k: (finished.count(k), kinds.count(k)) for k in dict.fromkeys(kinds)})


def _within(kind: str, update: Update) -> Callable[[float], None]:
    """Return a listener to a running task: it is finished when stored, not when it says so."""
    return lambda part: update(kind, min(part, 0.99))

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
from dataclasses import dataclass

from isaclib._progress import listening
from isaclib._validation import check_nonnegative_int
from isaclib.experiments.engine.cache import Cache, Record, execute
from isaclib.experiments.engine.progress import Update, display
from isaclib.experiments.engine.tasks import Task, TaskError, graph, held_by, key_of, unfinished


@dataclass(frozen=True)
class Job:
    """A task with all that is needed to run it anywhere; the fields survive pickling.

    Attributes:
        key: The task's key.
        task: The task.
        needs: Keys of the tasks that it holds.
        cache: Where its outcome goes.
    """

    key: str
    task: Task
    needs: tuple[str, ...]
    cache: Cache

    @property
    def name(self) -> str:
        """The task in a message, as its folder in the cache is called."""
        return f"{type(self.task).__name__}-{self.key}"


def perform(job: Job) -> Record:
    """Run one job, here or in a worker."""
    return execute(job.task, job.cache)


class Sweep:
    """Runs tasks, in this process or on a cluster.

    Args:
        workers: Worker processes of an embedded local cluster; 0 runs in this process.
        scheduler: Address of an existing Dask scheduler, such as ``"tcp://10.0.0.1:8786"``. Its
            workers should have one thread each and see the same file system.
        progress: Whether progress is shown on stderr.

    Raises:
        ValueError: ``workers`` is negative, or both ``workers`` and ``scheduler`` are given.
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
        """Run every task that is not finished yet, and return what all of them gave by their keys.

        What only finished tasks hold is not run, and missing from the answer if it is not stored.

        Args:
            tasks: What to run, with all that these tasks hold.
            cache: Where finished tasks are found and stored.

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
        missing = [
            Job(key, task, tuple(key_of(needed) for needed in held_by(task)), cache)
            for key, task in every.items()
            if key in wanted
        ]
        if missing:
            run = self._run_on_cluster if self._uses_cluster() else self._run_here
            with self._display(every, done) as update:
                run(missing, done, update)
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

    def _run_here(self, jobs: list[Job], done: dict[str, Record], update: Update) -> None:
        """Run jobs one after another; what they report of themselves moves the progress on."""
        for job in jobs:
            kind = type(job.task).__name__
            try:
                with listening(_within(kind, update)):
                    done[job.key] = perform(job)
            except Exception as error:
                raise TaskError(job.name, error) from error
            update(kind, 1.0)

    def _run_on_cluster(self, jobs: list[Job], done: dict[str, Record], update: Update) -> None:
        """Run jobs on the cluster and store each outcome as it comes."""
        from isaclib.experiments.engine.cluster import completed

        # closing: the cluster goes down now, not when the garbage is collected.
        with closing(completed(perform, jobs, self.workers, self.scheduler)) as outcomes:
            for job, outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise TaskError(job.name, outcome) from outcome
                # The worker has stored it already, unless it has another file system.
                stored = job.cache.read(job.task)
                done[job.key] = stored or job.cache.write(job.task, outcome)
                update(type(job.task).__name__, 1.0)

    def _display(
        self, every: Mapping[str, Task], done: Mapping[str, Record]
    ) -> AbstractContextManager[Update]:
        if not self.progress:
            return nullcontext(lambda _kind, _part: None)
        kinds = [type(task).__name__ for task in every.values()]
        finished = [type(every[key]).__name__ for key in done]
        return display({k: (finished.count(k), kinds.count(k)) for k in dict.fromkeys(kinds)})


def _within(kind: str, update: Update) -> Callable[[float], None]:
    """Return a listener to a running task: it is finished when stored, not when it says so."""
    return lambda part: update(kind, min(part, 0.99))

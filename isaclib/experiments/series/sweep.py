"""A sweep: independent tasks, each resumable, run in this process or on a Dask cluster.

A task is a module-level function and a payload of JSON data. What it returns, JSON data too, is
stored when it is finished, so a sweep that was stopped computes only what is missing. How far an
unfinished task got is the task's own business: it has a folder of its own for checkpoints. What it
reports with :func:`isaclib._progress.report` moves the progress bar.

Tasks give the same results in this process and on a cluster, up to the rounding that comes with the
number of threads: a local worker gets its share of the processor's cores.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isaclib._files import locked, write_atomically
from isaclib._progress import listening
from isaclib._validation import check_nonnegative_int
from isaclib.experiments.engine import tasks
from isaclib.experiments.series.display import Update, display

TaskFunction = Callable[[dict[str, Any], Path], dict[str, Any]]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,119}")


class TaskError(tasks.TaskError):
    """A task of a sweep failed; its own exception is the cause. Finished tasks are kept.

    Attributes:
        key: Key of the task.
    """

    def __init__(self, key: str, error: BaseException) -> None:
        super().__init__(repr(key), error)
        self.key = key


@dataclass(frozen=True)
class Task:
    """One independent piece of a sweep.

    Attributes:
        key: Name of the task, also of its folder: letters, digits and ``._=+-``.
        payload: JSON data that the task's function is given.
    """

    key: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class _Job:
    """A task with all that is needed to run it anywhere; the fields survive pickling."""

    function: TaskFunction
    key: str
    payload: str
    fingerprint: str
    state: Path

    @property
    def directory(self) -> Path:
        return self.state / self.key

    @property
    def record(self) -> Path:
        return self.state / f"{self.key}.json"


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
        self.scheduler = scheduler
        self.progress = progress

    def map(
        self, function: TaskFunction, tasks: Sequence[Task], state: Path, label: str = ""
    ) -> list[dict[str, Any]]:
        """Run every task that is not finished yet, and return what all of them gave.

        Args:
            function: ``function(payload, directory) -> dict``, defined at the top of a module. The
                directory ``state / task.key`` exists and is its own; payload and return value are
                JSON data (NaN is allowed).
            tasks: Tasks with different keys.
            state: Folder of this sweep. Finished tasks are found here again, unless their function
                or payload changed or their record is broken.
            label: What the sweep does, for the progress display.

        Returns:
            The tasks' results, in the order of ``tasks``.

        Raises:
            ValueError: A key or payload is not allowed, two keys are equal, or the function is not
                at the top of a module.
            TaskError: A task failed. The others that were finished are stored.
            OSError: The scheduler cannot be reached, or a record cannot be written.
        """
        jobs = _jobs(function, tasks, Path(state).resolve())
        done = {job.key: result for job in jobs if (result := _read(job)) is not None}
        missing = [job for job in jobs if job.key not in done]
        if missing:
            run = self._run_on_cluster if self._uses_cluster() else self._run_here
            with self._display(label, len(done), len(jobs)) as update:
                run(missing, done, update)
        return [done[job.key] for job in jobs]

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

    def _run_here(self, jobs: Sequence[_Job], done: dict[str, Any], update: Update) -> None:
        """Run jobs one after another; what they report of themselves moves the progress on."""
        for job in jobs:
            try:
                with listening(_counting_from(len(done), update)):
                    done[job.key] = _execute(job)
            except Exception as error:
                raise TaskError(job.key, error) from error
            update(len(done))

    def _run_on_cluster(self, jobs: Sequence[_Job], done: dict[str, Any], update: Update) -> None:
        """Run jobs on the cluster and store each result as it comes."""
        from isaclib.experiments.series.cluster import completed

        # closing: the cluster goes down now, not when the garbage is collected.
        with closing(completed(_execute, jobs, self.workers, self.scheduler)) as outcomes:
            for job, outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise TaskError(job.key, outcome) from outcome
                # The worker has stored it already, unless it has another file system.
                if _read(job) is None:
                    _write(job, outcome)
                done[job.key] = outcome
                update(len(done))

    def _display(self, label: str, begun: int, total: int) -> AbstractContextManager[Update]:
        if self.progress:
            return display(label, begun, total)
        return nullcontext(lambda _done: None)


def _counting_from(finished: int, update: Update) -> Update:
    """Return a listener that adds a task's done part to the number of finished tasks.

    A task is finished when its result is stored, not when it says so itself.
    """

    def listener(part: float) -> None:
        update(finished + min(part, 0.99))

    return listener


def _jobs(function: TaskFunction, tasks: Sequence[Task], state: Path) -> list[_Job]:
    """Check the tasks and bind them to the function and the folder."""
    name = f"{function.__module__}.{function.__qualname__}"
    if "<" in name:
        raise ValueError(f"function must be defined at the top of a module, got {name}")
    jobs = [_job(function, name, task, state) for task in tasks]
    keys = [task.key for task in tasks]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"tasks must have different keys, got {repeated} more than once")
    return jobs


def _job(function: TaskFunction, name: str, task: Task, state: Path) -> _Job:
    if not _KEY.fullmatch(task.key) or task.key.endswith(".json"):
        raise ValueError(
            "task key must be 1 to 120 letters, digits and ._=+- that start with a letter or "
            f"digit and do not end in .json, got {task.key!r}"
        )
    try:
        payload = json.dumps(task.payload, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"payload of task {task.key!r} must be JSON data: {error}") from error
    fingerprint = hashlib.sha256(f"{name}\n{payload}".encode()).hexdigest()
    return _Job(function, task.key, payload, fingerprint, state)


def _execute(job: _Job) -> dict[str, Any]:
    """Run one job, here or in a worker, and store what it gives.

    Two processes may want the same job: a worker whose client was stopped can still be busy with it
    when the sweep is resumed. The second one waits, then finds the first one's record.
    """
    job.directory.mkdir(parents=True, exist_ok=True)
    waiting = f"isaclib: waiting for another process that runs task {job.key}"
    with locked(job.state / f".{job.key}.lock", waiting):
        stored = _read(job)
        if stored is not None:
            return stored
        started = time.perf_counter()
        result = job.function(json.loads(job.payload), job.directory)
        return _write(job, result, time.perf_counter() - started)


def _read(job: _Job) -> dict[str, Any] | None:
    """Return the stored result of a job, or None where there is none that fits it."""
    try:
        record = json.loads(job.record.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("fingerprint") != job.fingerprint:
        return None
    result = record.get("result")
    return result if isinstance(result, dict) else None


def _write(job: _Job, result: Mapping[str, Any], elapsed_s: float | None = None) -> dict[str, Any]:
    """Store a job's result and return it as it will be read again."""
    if not isinstance(result, Mapping):
        raise TypeError(f"the task must return a dict, got {type(result).__name__}")
    record = {
        "key": job.key,
        "fingerprint": job.fingerprint,
        "elapsed_s": elapsed_s,
        "result": dict(result),
    }
    try:
        text = json.dumps(record, indent=1)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the task must return JSON data: {error}") from error
    write_atomically(job.record, text.encode())
    plain: dict[str, Any] = json.loads(text)["result"]
    return plain

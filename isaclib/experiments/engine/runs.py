"""From a command's arguments to a stored result: all checks, then the run, then publishing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isaclib._files import check_writable, locked
from isaclib._validation import check_nonnegative_int, check_one_of
from isaclib.experiments.engine.cache import Cache, Record
from isaclib.experiments.engine.provenance import code_state, provenance
from isaclib.experiments.engine.results import (
    PRESETS,
    Result,
    ResultError,
    load_result,
    result_path,
    save_result,
)
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tables import Table, tabulate
from isaclib.experiments.engine.tasks import Point, Task, content, graph, key_of

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Request:
    """One figure to run.

    Attributes:
        spec: The figure.
        preset: Preset's name.
        seed: Seed of the run.
        device: ``"cpu"`` or ``"cuda"``.
        results: Results folder.
        runs: Folder for work in progress.
        resume: Whether to go on from what earlier runs, and stored results, hold.
    """

    spec: FigureSpec[Any]
    preset: str
    seed: int
    device: str
    results: Path
    runs: Path
    resume: bool = True

    @property
    def config(self) -> Any:
        """Configuration of the preset."""
        return self.spec.presets[self.preset]

    @property
    def name(self) -> str:
        """Name of this run, which no run of another configuration, seed or device has."""
        digest = hashlib.sha256(json.dumps(content(self.config)).encode()).hexdigest()[:8]
        return f"{self.spec.id}-{self.preset}-seed{self.seed}-{self.device}-{digest}"

    def cache(self) -> Cache:
        """Where its tasks are found; figures share it."""
        return Cache(self.runs.resolve() / self.device, self.device, code_state()[0])

    def rows(self) -> list[Row]:
        """The figure's rows."""
        return list(self.spec.rows(self.config, self.seed))

    def trained(self) -> list[Row]:
        """Rows whose tensors are published."""
        return list(self.spec.trained(self.config, self.seed))

    def tasks(self) -> dict[str, Task]:
        """All tasks by their keys, with those that they need."""
        return graph(row.task for row in (*self.rows(), *self.trained()))


def runs_directory(results: Path, directory: Path | None = None) -> Path:
    """Return the folder for work in progress: that given, ``ISACLIB_STATE``, or ``runs/``."""
    chosen = directory or os.environ.get("ISACLIB_STATE")
    return Path(chosen) if chosen else results.resolve().parent / "runs"


def resolve_device(device: str) -> str:
    """Turn ``"auto"`` into what this machine has, and refuse a GPU that it has not.

    Raises:
        ValueError: The device is unknown, or ``"cuda"`` where there is no usable GPU.
    """
    check_one_of("device", device, DEVICES)
    import torch

    usable = torch.cuda.is_available()
    if device == "cuda" and not usable:
        raise ValueError(
            "device must be 'auto' or 'cpu' on this machine, where PyTorch finds no usable CUDA "
            "GPU, got 'cuda'"
        )
    return "cuda" if device != "cpu" and usable else "cpu"


def check_request(request: Request, overwrite: bool) -> None:
    """Find out before a run whatever would spoil it after.

    Raises:
        ValueError: The preset or seed is not allowed, or the stored result is of a higher preset
            and ``overwrite`` is not given.
        OSError: A folder cannot be written.
    """
    check_one_of("preset", request.preset, tuple(request.spec.presets))
    if check_nonnegative_int("seed", request.seed) >= 2**63:
        raise ValueError(f"seed must be an integer >= 0 and < 2**63, got {request.seed}")
    check_writable("results", result_path(request.spec.id, request.results).parent)
    check_writable("state", request.runs)
    try:
        stored = load_result(request.spec.id, request.results)
    except ResultError:
        return
    if not overwrite and PRESETS.index(stored.preset) > PRESETS.index(request.preset):
        raise ValueError(
            f"preset must be at least {stored.preset!r} to replace the stored {stored.preset} "
            f"result of {request.spec.id}, got {request.preset!r}; use --overwrite to replace it "
            "all the same, or --results for another folder"
        )


def forget(requests: Iterable[Request]) -> None:
    """Remove what earlier runs of these figures computed, where they are not to be resumed."""
    for request in requests:
        if not request.resume:
            for task in request.tasks().values():
                request.cache().forget(task)


def run(request: Request, sweep: Sweep) -> Path:
    """Run a figure and store its result.

    Returns:
        Path of the result file.

    Raises:
        ValueError: Another process works on the same run, or the rows are not valid.
        TaskError: A task failed.
        OSError: Something could not be written.
    """
    started = time.perf_counter()
    request.runs.mkdir(parents=True, exist_ok=True)
    with locked(request.runs / f".{request.name}.lock") as free:
        if not free:
            raise ValueError(
                f"state must be a folder where this figure is not running already, got "
                f"{request.runs}, where {request.name} is"
            )
        cache, tasks = request.cache(), request.tasks()
        if request.resume:
            _take_stored(request, cache, tasks)
        before = {key: record for key, task in tasks.items() if (record := cache.read(task))}
        _tell_resumed(request, tasks, before)
        rows = (*request.rows(), *request.trained())
        records = sweep.run([row.task for row in rows], cache)
        earlier_s = sum(record.elapsed_s or 0.0 for record in before.values())
        wall_time_s = time.perf_counter() - started + earlier_s
        return _publish(request, records, wall_time_s)


def _take_stored(request: Request, cache: Cache, tasks: Mapping[str, Task]) -> None:
    """Fill the cache from stored results: what they trained, and points of figures built on."""
    for figure in (request.spec.id, *request.spec.builds_on):
        try:
            result = load_result(figure, request.results)
        except ResultError:
            continue
        own = result.provenance
        for key, outcome in result.outcomes(tasks, measured=figure != request.spec.id).items():
            task = tasks[key]
            if cache.read(task) is None and task.chosen(outcome) is not None:
                cache.write(task, Record(outcome, own.commit, None, figure))


def _tell_resumed(
    request: Request, tasks: Mapping[str, Task], before: Mapping[str, Record]
) -> None:
    """Say how much is there already, and whether other code computed it."""
    if not before:
        return
    sources = sorted({record.source for record in before.values() if record.source})
    commits = _others(before.values())
    print(
        f"isaclib: {len(before)} of {len(tasks)} tasks are finished already in {request.runs}"
        f"{', some by ' + ', '.join(sources) if sources else ''}"
        f"{', some at commit ' + ', '.join(c[:7] for c in commits) if commits else ''}; "
        "use --no-resume to start afresh",
        file=sys.stderr,
    )


def _others(records: Collection[Record]) -> Counter[str]:
    """Commits of other code than that which runs, and how many tasks it ran."""
    return Counter(r.commit for r in records if r.commit != code_state()[0])


def _publish(request: Request, records: Mapping[str, Record], wall_time_s: float) -> Path:
    """Put the tasks' outcomes in rows and store them."""
    spec, trained = request.spec, request.trained()
    notes = {k: v for record in records.values() for k, v in record.outcome.notes.items()}
    for figure in sorted({r.source for r in records.values() if r.source}):
        taken = [record for record in records.values() if record.source == figure]
        notes[f"{len(taken)} tasks of {figure}"] = f"commit {taken[0].commit}"
    for commit, count in _others([r for r in records.values() if not r.source]).items():
        notes[f"{count} tasks at another commit"] = commit
    source = provenance(
        seed=request.seed, device=request.device, wall_time_s=wall_time_s, notes=notes
    )
    measured = []
    for row in request.rows():
        key = key_of(row.task)
        measured += [(row.at, point, key) for point in records[key].outcome.points]
    config = json.loads(json.dumps(dataclasses.asdict(request.config)))
    result = Result(
        figure=spec.id,
        preset=request.preset,  # type: ignore[arg-type]  # checked by check_request
        config=config,
        rows=tabulate(measured, spec.units),
        provenance=source,
        trained=trained_table(trained) if trained else None,
    )
    tensors: dict[str, torch.Tensor] = {}
    for row in trained:
        key = key_of(row.task)
        # Whatever else was asked of a training that figures share, and is in the cache.
        outcome = row.task.chosen(records[key].outcome)
        tensors |= {f"{key}/{name}": t for name, t in (outcome.tensors if outcome else {}).items()}
    return save_result(result, tensors, request.results)


def trained_table(rows: Iterable[Row]) -> Table:
    """Coordinates of trained tensors, and the keys of the tasks that trained them."""
    return tabulate([(row.at, Point({}), key_of(row.task)) for row in rows], {})

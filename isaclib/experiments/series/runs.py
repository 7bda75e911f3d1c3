"""From a command's arguments to a stored result: all checks, then the run, then publishing."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isaclib._files import check_writable, locked, write_atomically
from isaclib._validation import check_nonnegative_int, check_one_of
from isaclib.experiments.series.figures import FigureSpec, RunContext
from isaclib.experiments.series.provenance import Provenance, code_state
from isaclib.experiments.series.result_schema import PRESETS
from isaclib.experiments.series.results import (
    Result,
    ResultError,
    load_result,
    result_path,
    save_result,
)
from isaclib.experiments.series.sweep import Sweep

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Request:
    """One figure to run, with every argument checked.

    Attributes:
        spec: The figure.
        preset: Preset's name.
        seed: Seed of the run.
        device: ``"cpu"`` or ``"cuda"``.
        results: Results folder.
        runs: Folder that holds the work folders of all runs.
        resume: Whether to go on from what an earlier, unfinished run left.
    """

    spec: FigureSpec
    preset: str
    seed: int
    device: str
    results: Path
    runs: Path
    resume: bool

    @property
    def config(self) -> Any:
        """Configuration of the preset."""
        return self.spec.presets[self.preset]

    @property
    def state(self) -> Path:
        """Work folder: another configuration, seed or device never meets these checkpoints."""
        config = json.dumps(dataclasses.asdict(self.config), sort_keys=True)
        digest = hashlib.sha256(config.encode()).hexdigest()[:8]
        name = f"{self.spec.id}-{self.preset}-seed{self.seed}-{self.device}-{digest}"
        return self.runs / name


def runs_directory(results: Path, directory: Path | None = None) -> Path:
    """Return the folder for work in progress.

    Args:
        results: Results folder.
        directory: Folder to use. None looks at the environment variable ``ISACLIB_STATE``, then
            takes ``runs/`` beside the results.
    """
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

    Args:
        request: What shall be run.
        overwrite: Whether a stored result of a higher preset may be replaced.

    Raises:
        ValueError: The preset or seed is not allowed, or the stored result is of a higher preset.
        OSError: A folder cannot be written.
    """
    check_one_of("preset", request.preset, tuple(request.spec.presets))
    check_nonnegative_int("seed", request.seed)
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


def run(request: Request, sweep: Sweep) -> Path:
    """Run a figure and store its result.

    Args:
        request: What to run, checked by :func:`check_request`.
        sweep: Runs the tasks.

    Returns:
        Path of the result file.

    Raises:
        ValueError: Another process works on the same run, or the figure's function gave a result
            that is not valid.
        TaskError: A task failed.
        OSError: Something could not be written.
    """
    request.runs.mkdir(parents=True, exist_ok=True)
    lock = request.runs / f".{request.state.name}.lock"
    with locked(lock) as free:
        if not free:
            raise ValueError(
                f"state must be a folder that no other run works in, got {request.state}"
            )
        with _work_folder(request) as begun:
            result = request.spec.run(_context(request, sweep))
            _check_answer(result, request)
            source = _whole_run(result.provenance, begun)
            result = dataclasses.replace(result, provenance=source)
            return save_result(result, request.results, staged=request.state)


def _context(request: Request, sweep: Sweep) -> RunContext:
    return RunContext(
        figure=request.spec.id,
        preset=request.preset,
        config=request.config,
        seed=request.seed,
        device=request.device,
        results=request.results,
        state=request.state,
        sweep=sweep,
    )


def _check_answer(result: Result, request: Request) -> None:
    """Check that a figure's function gave the result that it was asked for."""
    asked = (request.spec.id, request.preset)
    if (result.figure, result.preset) != asked:
        raise ValueError(
            f"the run of {asked[0]} must give a result with figure and preset {asked}, got "
            f"{(result.figure, result.preset)}"
        )


@dataclass(frozen=True)
class _Begun:
    """How a run stood when this process took it up.

    Attributes:
        earlier_s: Time that earlier parts of it took [s].
        first_commit: Commit at which the first part was begun.
        commit: Commit of the code that runs now.
        dirty: Whether that code differs from its commit.
    """

    earlier_s: float
    first_commit: str
    commit: str
    dirty: bool


def _whole_run(source: Provenance, begun: _Begun) -> Provenance:
    """Correct a provenance, which was collected at the end, for what was so from the beginning.

    The code that ran is the one that was imported at the start, whatever was committed meanwhile.
    """
    notes = dict(source.notes)
    if begun.first_commit != begun.commit:
        notes["begun at commit"] = begun.first_commit
    return dataclasses.replace(
        source,
        wall_time_s=round(source.wall_time_s + begun.earlier_s, 3),
        commit=begun.commit,
        dirty=begun.dirty,
        notes=notes,
    )


@contextlib.contextmanager
def _work_folder(request: Request) -> Iterator[_Begun]:
    """Prepare the work folder, and keep account there of the time spent on the run."""
    journal = request.state / "run.json"
    entry = _read_journal(journal)
    # Only a folder with our journal is ours to delete.
    if entry is not None and not request.resume:
        shutil.rmtree(request.state)
        entry = None
    commit, dirty = code_state()
    if entry is None:
        begun = _Begun(0.0, commit, commit, dirty)
    else:
        begun = _Begun(entry["elapsed_s"], entry["commit"], commit, dirty)
        _tell_resumed(request, begun)
    _write_journal(journal, begun, 0.0)
    started = time.perf_counter()
    try:
        yield begun
    finally:
        # On a full disk the reason that stopped the run is the one to report.
        with contextlib.suppress(OSError):
            _write_journal(journal, begun, time.perf_counter() - started)


def _tell_resumed(request: Request, begun: _Begun) -> None:
    print(f"isaclib: going on from what is in {request.state}", file=sys.stderr)
    if begun.first_commit != begun.commit:
        print(
            f"isaclib: that run was begun at commit {begun.first_commit[:7]}, the code is at "
            f"{begun.commit[:7]} now; use --no-resume to start afresh",
            file=sys.stderr,
        )


def _read_journal(path: Path) -> dict[str, Any] | None:
    """Return the journal of an earlier part of the run, or None where there is no whole one."""
    try:
        entry = json.loads(path.read_bytes())
        return {"commit": str(entry["commit"]), "elapsed_s": max(0.0, float(entry["elapsed_s"]))}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_journal(path: Path, begun: _Begun, spent_s: float) -> None:
    entry = {"commit": begun.first_commit, "elapsed_s": round(begun.earlier_s + spent_s, 3)}
    write_atomically(path, json.dumps(entry).encode())

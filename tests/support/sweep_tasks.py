"""Tasks that the engine's tests run in this process and in workers, which import them by name."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from isaclib._progress import report, span
from isaclib.experiments.engine.cache import Cache
from isaclib.experiments.engine.tasks import Outcome, Point, Recorded, Task, key_of
from isaclib.metrics import Estimate


@dataclass(frozen=True)
class Square(Task):
    """Square a number; every call leaves a line in the task's folder."""

    x: int
    wait: str = ""
    fail: str = ""

    def run(self, work):
        note_call(self, work)
        if self.wait:
            wait_for(Path(self.wait))
        if self.fail:
            raise ValueError(self.fail)
        square = float(self.x**2)
        return Outcome([Point({"y": Estimate(square, square, square, 1000), "nan": float("nan")})])


@dataclass(frozen=True)
class Sum(Task):
    """Add what other tasks gave."""

    terms: tuple[Task, ...]

    def run(self, work):
        note_call(self, work)
        found = [work.outcome(term).points[0].values["y"].value for term in self.terms]
        return Outcome([Point({"y": sum(found)})])


@dataclass(frozen=True)
class Train(Recorded):
    """Count up from a start, and keep the count at some marks."""

    start: float
    steps: int = 10
    marks: tuple[int, ...] = field(default=(), compare=False)

    def run(self, work):
        import torch

        note_call(self, work)
        counts = torch.arange(self.steps + 1, dtype=torch.float64) + self.start
        marks = torch.tensor(self.marks)
        return Outcome(tensors={"marks": marks, "weights": counts[marks]}, notes={"by": "counting"})


@dataclass(frozen=True)
class Read(Task):
    """Read the count of a training at a mark."""

    training: Train
    mark: int

    def run(self, work):
        note_call(self, work)
        tensors = work.outcome(self.training).tensors
        row = tensors["marks"].tolist().index(self.mark)
        return Outcome([Point({"y": float(tensors["weights"][row])})])


@dataclass(frozen=True)
class Several(Task):
    """Measure several places at once."""

    coordinates = ("x",)
    count: int

    def run(self, work):
        return Outcome([Point({"y": float(x**3)}, {"x": x}) for x in range(self.count)])


@dataclass(frozen=True)
class InTwoStages(Task):
    """Report the progress of two stages of two steps each."""

    number: int

    def run(self, work):
        for stage in range(2):
            with span(stage / 2, (stage + 1) / 2):
                for step in range(2):
                    report((step + 1) / 2)
        return Outcome()


@dataclass(frozen=True)
class Simulate(Task):
    """Draw a seeded random matrix product, whose last bits would show any difference."""

    seed: int

    def run(self, work):
        import torch

        torch.set_num_threads(1)
        noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(self.seed))
        return Outcome([Point({"sum": float((noise @ noise).sum())})], {"noise": noise[0, :4]})


@dataclass(frozen=True)
class Threads(Task):
    """Report the threads that PyTorch would use, and the process."""

    number: int

    def run(self, work):
        import torch

        return Outcome([Point({"threads": torch.get_num_threads(), "pid": os.getpid()})])


@dataclass(frozen=True)
class Listening(Task):
    """Report the addresses that this worker and the processes around it listen at."""

    def run(self, work):
        import psutil

        parent = psutil.Process(os.getpid()).parent()
        family = [parent, *parent.children(recursive=True)]
        found = [one for process in family for one in process.net_connections()]
        hosts = sorted({one.laddr.ip for one in found if one.status == "LISTEN"})
        return Outcome(notes={"hosts": " ".join(hosts)})


@dataclass(frozen=True)
class GivesAnything(Task):
    """Return what is not allowed, or cannot be stored."""

    what: str

    def run(self, work):
        points = {"text": {"y": "1"}, "path": {"y": work.directory}}
        return [1] if self.what == "list" else Outcome([Point(points[self.what])])


@dataclass(frozen=True)
class Die(Task):
    """End the worker process at once, as the system does when memory runs out."""

    def run(self, work):
        os._exit(1)


def cache_in(folder, device="cpu", commit="0" * 40):
    return Cache(folder.resolve(), device, commit)


def note_call(task, work):
    with (work.directory.parent / "calls").open("a") as stream:
        stream.write(f"{os.getpid()}\n")


def calls(folder, task):
    """How often a task was run, whatever became of it."""
    path = folder / f"{type(task).__name__}-{key_of(task)}" / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def record_of(folder, task):
    return folder / f"{type(task).__name__}-{key_of(task)}" / "record.json"


def wait_for(path):
    """Wait until a file is there."""
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def wait_for_any(folder, pattern):
    """Wait until a file of this pattern is in the folder."""
    deadline = time.monotonic() + 120
    while not any(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)

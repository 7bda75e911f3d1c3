"""Trainings at the papers' own sizes that take more than one session, one process each, resumable.

    python tools/long_runs.py p3 published SL          # 85,000 supervised iterations
    python tools/long_runs.py p3 published SL+UL/1000  # goes on from SL's mark at 1,000
    python tools/long_runs.py p2 21 rad none 1.0       # networks of one radar weight
    python tools/long_runs.py save                     # copy what is small to state/, to commit it
    python tools/long_runs.py restore                  # and back to runs/long/, elsewhere

Each goes on from its checkpoint in ``runs/long/``. What is finished becomes the cache of a figure's
run; until then ``state/README.md`` says how far each is.
"""

import argparse
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import torch

from isaclib._files import write_atomically
from isaclib.experiments.engine.cache import Cache, Record, Working
from isaclib.experiments.engine.results import tensor_bytes
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.config import NetworkTraining
from isaclib.experiments.p2.config import Scenario as NarrowbandScenario
from isaclib.experiments.p2.figures import trained_networks
from isaclib.experiments.p2.tasks import Setting
from isaclib.experiments.p3.config import PAPER_STEPS, Training
from isaclib.experiments.p3.scenario import Scenario
from isaclib.signal.spacings import read_spacings
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.training import train_impairment

ROOT = Path(__file__).resolve().parent.parent
RUNS, STATE, CACHE = ROOT / "runs" / "long", ROOT / "state", ROOT / "runs" / "cpu"
SMALL = 1_000_000
"""Bytes above which a file is not copied to the repository."""

MARKS = (
    *(0, 10, 20, 50, 85, 100, 170, 200, 300, 425, 500, 680, 700, 850, 1000, 1200, 1400, 1700),
    *range(2000, PAPER_STEPS + 1, 1000),
)
"""Iterations after which spacings are kept."""


def commit() -> str:
    """The commit that runs."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def spacings_of(array: str) -> torch.Tensor:
    """True spacings [wavelengths] of the authors' array, or of one of our draws."""
    if array == "published":
        place = files("isaclib.experiments.p3") / "published_spacings.json"
        return read_spacings(place, Scenario().num_antennas)
    return Scenario().spacings(int(array), 0)


def train_p3(array: str, name: str) -> None:
    """Train one of P3's schedules: ``SL``, ``UL``, ``SL+UL/n`` or ``UL+SL/n``, n with labels."""
    folder, true = RUNS / "p3" / array / name, spacings_of(array)
    order, _, labelled = name.partition("/")
    (first, *rest) = Training().stages(order, int(labelled) if labelled else None)
    stage, model = (rest or [first])[0], SpacingArray(Scenario().num_antennas)
    if rest:
        whole = json.loads((RUNS / "p3" / array / order[:2] / "spacings.json").read_text())
        start = whole["spacings"][whole["marks"].index(first.steps)]
        model.set_spacing(torch.tensor(start, dtype=torch.float64))
    marks = sorted({mark for mark in MARKS if mark < stage.steps} | {stage.steps})
    history = train_impairment(model, Scenario().scene(true), [stage], folder, seed=0, marks=marks)
    found = {"marks": marks, "spacings": history.tolist(), "true": true.tolist()}
    told = {"array": array, "name": name, "stage": asdict(replace(stage)), "commit": commit()}
    write_atomically(folder / "spacings.json", json.dumps({**told, **found}).encode())


def train_p2(width: int, unit: str, draw: str, weights: list[float]) -> None:
    """Train P2's networks at the paper's size, weight by weight, into the cache of its figures."""
    array = None if draw == "none" else Impairment("cumulative", 1 / 30, int(draw))
    setting = Setting(NarrowbandScenario(), 0, array)
    training, cache = NetworkTraining(width=width, angle_unit=unit), Cache(CACHE, "cpu", commit())
    for weight in weights:
        folder = RUNS / "p2" / f"n{width}-{unit}-{draw}" / f"omega={weight:g}"
        for step, task in trained_networks(setting, training, weight).items():
            found = task.run(Working(cache, folder))
            cache.write(task, Record(found, cache.commit))
            write_atomically(folder / f"{step}.safetensors", tensor_bytes(found.tensors))


def copy(source: Path, target: Path) -> None:
    """Copy checkpoints, weights and spacings, where they are small."""
    for path in sorted(source.rglob("*")):
        kept = path.name == "last.ckpt" or path.suffix in (".safetensors", ".json")
        if kept and path.is_file() and path.stat().st_size <= SMALL:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    p3 = commands.add_parser("p3")
    p3.add_argument("array", help="published, or the index of a draw")
    p3.add_argument("name", help="SL, UL, SL+UL/1000, UL+SL/1000 ...")
    p2 = commands.add_parser("p2")
    p2.add_argument("width", type=int)
    p2.add_argument("unit", choices=("deg", "rad"))
    p2.add_argument("draw", help="none, or the index of an impaired array")
    p2.add_argument("weights", type=float, nargs="+")
    commands.add_parser("save")
    commands.add_parser("restore")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "p3":
        train_p3(options.array, options.name)
    elif options.command == "p2":
        train_p2(options.width, options.unit, options.draw, options.weights)
    elif options.command == "save":
        copy(RUNS, STATE)
    else:
        copy(STATE, RUNS)


if __name__ == "__main__":
    main()

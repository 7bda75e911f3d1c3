"""How fast P3's training step and its evaluation are, and how much memory they take.

At P3's sizes (64 antennas, 256 subcarriers, a grid of 720 x 200), three versions of one supervised
step are compared at the same batch, simulation and gradient included:

- *literal*: the paper's formulas from left to right, all subcarriers, the whole angle-delay map;
- *literal, delays first*: the same, but the smaller product of Eq. (15) first, as one who thinks of
  speed would write it;
- *fast*: :func:`isaclib.systems.spacings.training.batch_loss`.

So are literal and fast estimates without a gradient, as a measurement needs them. Each runs in a
process of its own, so that the peak of its resident memory, less what the process held before the
first step, is its own. The report says how far losses and gradients are apart on the same noise,
how much of the fast version's time its noise takes, and where the rest goes.

With ``--against PATH``, a checkout of another version of isaclib, steps of both versions are timed
in turn on one thread, in the paper's batch and in one of 300: labelled and unlabelled samples, at
the true and at the nominal array.

Run as ``python benchmarks/impairment_step.py [--against PATH] [--output FILE.json]``. Times are
processor times of one thread, so that other work on the machine disturbs them little.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from isaclib.channels.basis_echo import GivenNoise, WhiteNoise
from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.receivers.angle_delay import peak as angle_delay_peak
from isaclib.receivers.angle_delay import reference as angle_delay
from isaclib.receivers.angle_delay import search as angle_delay_search
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.receivers.angle_delay.window import ChunkColumns, Moves, WindowTables
from isaclib.signal.arrays import Sector
from isaclib.signal.modulation import psk
from isaclib.signal.noise import step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings import training as spacings_training
from isaclib.systems.spacings.measurement import SensingReceiver
from isaclib.systems.spacings.model import ArrayTransceiver, SpacingArray
from isaclib.systems.spacings.schedule import Stage
from isaclib.systems.spacings.training import Scene, batch_loss, literal_loss

ANTENNAS, STD = 64, 1 / 25
TARGET, RECEIVER = Sector(-40, -20), Sector(30, 50)
SUBCARRIERS, RANGES = Subcarriers(), RangeSector()
GRID = angle_delay.training_grid(ANTENNAS, SUBCARRIERS, RANGES)
SPACING = draw_spacings(ANTENNAS, STD, generator=step_generator(0, "impairment", 0))
RADAR = OfdmRadarChannel(spacing_positions(SPACING), TARGET, RANGES, SUBCARRIERS, 15.0)
SCENE = Scene(RADAR, GRID, delay_basis(SUBCARRIERS, RANGES))
WARM_UP = 1


def an_array(known: bool = True) -> SpacingArray:
    """Array to train: the true one, where most targets are found, or the nominal one."""
    model = SpacingArray(ANTENNAS)
    if known:
        model.set_spacing(SPACING)
    return model


def delays_first(filtered, steering, delays):
    """The angle-delay map, its smaller product first."""
    return (steering.conj() @ (filtered @ delays.mH)).abs()


class Training:
    """Steps of one version."""

    def __init__(self, version: str, batch: int) -> None:
        self.stage = Stage("supervised", 1, batch=batch)
        self.model = an_array()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-9, fused=True)
        self.search = MapSearch(GRID, SCENE.basis) if version == "fast" else None
        if version == "literal, delays first":
            angle_delay.angle_delay_map = delays_first

    def __call__(self, index: int) -> None:
        """One step, optimizer included."""
        generator = step_generator(0, "benchmark", index)
        if self.search is None:
            loss = literal_loss(self.model, SCENE, self.stage, generator)
        else:
            loss = batch_loss(self.model, SCENE, self.stage, generator, search=self.search)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class Evaluation:
    """Estimates of one version, without a gradient."""

    def __init__(self, version: str, batch: int) -> None:
        self.transceiver = ArrayTransceiver(RADAR.positions, TARGET, RECEIVER, GRID.angles, GRID)
        self.beam, self.batch = self.transceiver.beam(), batch
        self.receiver = None
        if version == "fast":
            self.receiver = SensingReceiver(self.transceiver, RADAR, SCENE.basis)

    @torch.no_grad()
    def __call__(self, index: int) -> None:
        """Estimates of one batch."""
        generator = step_generator(0, "benchmark", index)
        targets = RADAR.draw(self.batch, generator, present=True)
        if self.receiver is not None:
            self.receiver.sense(self.beam, targets, generator)
            return
        messages = torch.randint(4, (self.batch, SUBCARRIERS.count), generator=generator)
        symbols = psk(4)[messages]
        echo = RADAR(self.beam, symbols, targets, RADAR.noise(self.batch, generator))
        filtered = reciprocal_filter(echo, symbols)
        windows = self.transceiver.windows()
        angle_delay.literal_estimate(filtered, RADAR.positions, GRID, SUBCARRIERS, windows)


KINDS = {"training": Training, "evaluation": Evaluation}
VERSIONS = {
    "training": ("literal", "literal, delays first", "fast"),
    "evaluation": ("literal", "fast"),
}


def timed(run: Callable[[int], None], steps: int) -> list[float]:
    """Processor times of steps after a warm-up, sorted [s]."""
    times = []
    for index in range(WARM_UP + steps):
        start = time.process_time()
        run(index)
        times.append(time.process_time() - start)
    return sorted(times[WARM_UP:])


def one_version(kind: str, version: str, batch: int, steps: int) -> dict[str, float]:
    """Rate and peak memory of one version, in this process.

    Args:
        kind: ``"training"`` or ``"evaluation"``.
        version: Which version.
        batch: Samples a step.
        steps: Steps to time.

    Returns:
        Median and best rate [samples a second of processor time] and memory [MiB].
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = timed(KINDS[kind](version, batch), steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "samples_per_s": round(batch / times[len(times) // 2], 1),
        "best_samples_per_s": round(batch / times[0], 1),
        "memory_mib": round((peak - before) / 1024, 1),
    }


class SameNoise(OfdmRadarChannel):
    """Draws the noise of the literal echo for the one in the basis, symbols and all."""

    def in_basis(self, beam, targets, basis, generator, **options):
        echo = super().in_basis(beam, targets, basis, generator, **options)
        shape = (len(targets), self.subcarriers.count)
        symbols = psk(4)[torch.randint(4, shape, generator=generator)]
        noise = self.noise(len(targets), generator)
        projected = basis.project(reciprocal_filter(noise, symbols))
        given = GivenNoise(lambda index: projected[index], torch.arange(len(targets)))
        return replace(echo, noise=given)

    def __call__(self, *drawn):
        # In double precision: gradients of the literal version in single are off by some 1e-3.
        return super().__call__(*drawn).to(torch.complex128)


def differences(batch: int) -> dict[str, float]:
    """Relative distance of loss and gradient from the literal ones in double, on the same noise."""
    radar = SameNoise(RADAR.positions, TARGET, RANGES, SUBCARRIERS, RADAR.snr_db)
    scene = Scene(radar, GRID, SCENE.basis)
    found = []
    for loss_of in (literal_loss, batch_loss):
        model = an_array()
        stage = Stage("supervised", 1, batch=batch)
        loss = loss_of(model, scene, stage, step_generator(0, "benchmark", 0))
        (gradient,) = torch.autograd.grad(loss, [model.values])
        found.append((float(loss.detach()), gradient))
    (literal, first), (fast, second) = found
    distance = torch.linalg.vector_norm(second - first) / torch.linalg.vector_norm(first)
    return {
        "loss_difference": float(f"{abs(fast / literal - 1):.2g}"),
        "gradient_difference": float(f"{float(distance):.2g}"),
    }


PARTS = {
    "noise": (WhiteNoise, "_drawn"),
    "spans": (angle_delay_search, "sector_groups"),
    "echo": (MapSearch, "_searched"),
    "search": (angle_delay_search, "find_peak"),
    "coarse map": (angle_delay_peak, "_coarse_power"),
    "window": (WindowTables, "average"),
    "gradient": (Moves, "gradient"),
    "outside": (ChunkColumns, "moves"),
    "beams": (spacings_training, "design_beams"),
    "targets": (OfdmRadarChannel, "in_basis"),
    "backward": (torch.Tensor, "backward"),
}
"""Parts of a fast step, and what does each, without the time of parts within it."""


def breakdown(batch: int, steps: int) -> dict[str, float]:
    """Where the time of a fast training step goes [microseconds of processor time a sample].

    Args:
        batch: Samples a step.
        steps: Steps to time.

    Returns:
        Time of each part, and of the rest (sectors and loss).
    """
    spent, open_parts = dict.fromkeys(PARTS, 0.0), []
    originals = {name: getattr(*place) for name, place in PARTS.items()}

    def with_clock(name: str) -> Callable:
        def run(*arguments, **options):
            start = time.process_time()
            open_parts.append(name)
            try:
                return originals[name](*arguments, **options)
            finally:
                seconds = time.process_time() - start
                open_parts.pop()
                spent[name] += seconds
                if open_parts:
                    spent[open_parts[-1]] -= seconds

        return run

    run_step = Training("fast", batch)
    run_step(0)
    for name, (owner, attribute) in PARTS.items():
        setattr(owner, attribute, with_clock(name))
    start = time.process_time()
    for index in range(steps):
        run_step(1 + index)
    whole = time.process_time() - start
    for name, (owner, attribute) in PARTS.items():
        setattr(owner, attribute, originals[name])
    per_sample = 1e6 / (steps * batch)
    found = {name: round(seconds * per_sample, 2) for name, seconds in spent.items()}
    found["rest"] = round((whole - sum(spent.values())) * per_sample, 2)
    found["whole"] = round(whole * per_sample, 2)
    return found


BATCHES = (Stage("supervised", 1).batch, 300)
CASES = [
    f"{loss}, {array} array, batch of {batch}"
    for batch in BATCHES
    for loss in ("supervised", "unsupervised")
    for array in ("known", "nominal")
]


def compared(path: Path, steps: int) -> dict[str, Any]:
    """Time steps of this version and of another in turn.

    Args:
        path: Checkout of the other version.
        steps: Steps of each case.

    Returns:
        For each case the medians of either version [microseconds of processor time a sample] and of
        their ratio in turn; and the memory of either in the first case [MiB].
    """
    script = Path(__file__).with_name("impairment_cases.py")
    children = {}
    for name, place in (("old", path), ("new", Path(__file__).parents[1])):
        environment = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", str(script)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        children[name] = subprocess.Popen(command, env=environment, **pipes)

    def ask(name: str, case: str, index: int) -> dict[str, float]:
        child = children[name]
        child.stdin.write(f"{case} {index}\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    found: dict[str, Any] = {}
    memory: dict[str, dict[str, float]] = {}
    for case in CASES:
        for name in children:
            ask(name, case, 0)
        times = {name: [] for name in children}
        for index in range(1, steps + 1):
            for name in children:
                answer = ask(name, case, index)
                times[name].append(answer["us"])
                memory.setdefault(name, {})[case] = answer["memory_mib"]
        ratios = [old / new for old, new in zip(*times.values(), strict=True)]
        medians = {name: round(statistics.median(some), 1) for name, some in times.items()}
        found[case] = {**medians, "speed_up": round(statistics.median(ratios), 2)}
    for child in children.values():
        child.stdin.close()
        child.wait()
    # Later cases come on top of earlier ones.
    found["memory_mib"] = {name: some[CASES[0]] for name, some in memory.items()}
    return found


def in_process(kind: str, version: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one version in a fresh process."""
    steps = options.steps if version == "fast" else options.literal_steps
    command = [sys.executable, __file__, "--only", kind, version, "--steps", str(steps)]
    command += ["--threads", str(options.threads), "--batch", str(options.batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Time all versions, print the comparison, and write it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--batch", type=int, default=300)
    arguments.add_argument("--steps", type=int, default=15)
    arguments.add_argument("--literal-steps", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--against", type=Path, help="checkout of another version")
    arguments.add_argument("--only", nargs=2, help="one kind and version, in this process")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        print(json.dumps(one_version(*options.only, options.batch, options.steps)))
        return
    found = {
        kind: {version: in_process(kind, version, options) for version in versions}
        for kind, versions in VERSIONS.items()
    }
    large = argparse.Namespace(**{**vars(options), "batch": Stage("supervised", 1).batch})
    found["training"]["fast, batch of the paper"] = in_process("training", "fast", large)
    training, evaluation = found["training"], found["evaluation"]
    literal, fast = training["literal"], training["fast"]
    against = compared(options.against, options.steps) if options.against else None
    # Last, as what a process holds is counted as the beginning of those that it starts.
    every_part = {str(batch): breakdown(batch, options.steps) for batch in BATCHES}
    parts = every_part[str(large.batch)]
    report = {
        **found,
        "training_speed_up": round(fast["samples_per_s"] / literal["samples_per_s"], 1),
        "training_speed_up_over_delays_first": round(
            fast["samples_per_s"] / training["literal, delays first"]["samples_per_s"], 1
        ),
        "memory_share": round(fast["memory_mib"] / literal["memory_mib"], 4),
        "evaluation_speed_up": round(
            evaluation["fast"]["samples_per_s"] / evaluation["literal"]["samples_per_s"], 1
        ),
        **differences(options.batch),
        **({"against": against} if against else {}),
        "breakdown_us": every_part,
        "noise_limit_samples_per_s": round(1e6 / parts["noise"]),
        "share_of_noise_limit": round(parts["noise"] / parts["whole"], 3),
        "batch": options.batch,
        "rank": SCENE.basis.rank,
        "threads": options.threads,
        "steps": {"fast": options.steps, "literal": options.literal_steps},
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=1))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

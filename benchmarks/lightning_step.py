"""What Lightning adds to a training step of the P1 autoencoder.

A training through :func:`isaclib.learning.training.train` and a bare loop of the same steps take
turns in one process, ten steps each, as a machine's speed drifts by more than they differ. A pair
is 250 steps of both, from one checkpoint to the next; the time that it takes to set up a run is not
in it.

``load`` is the system's load average before the first stage and after each, to which this process
alone adds 1 for each thread. Times are those of the machine at that moment, so only those of one
row can be compared.

Run as ``python benchmarks/lightning_step.py [--output FILE.json]``.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from isaclib.experiments.p1.config import Scenario
from isaclib.learning.training import Schedule, train
from isaclib.signal.noise import step_generator
from isaclib.systems.autoencoder.model import SEQUENTIAL
from isaclib.systems.autoencoder.training import (
    AutoencoderTraining,
    TrainingPlan,
)

BATCH = 10_000
RADAR_WEIGHT = 0.09
BLOCK = 250


class BareLoop:
    """A training as one would write it without Lightning, a number of steps at a time.

    Args:
        module: Its loss and its optimizer are used, and nothing of Lightning.
    """

    def __init__(self, module: AutoencoderTraining) -> None:
        self.loss, self.stage = module.loss, module.stage
        self.optimizer, self.done = module.configure_optimizers(), 0

    def __call__(self, steps: int) -> float:
        """Take some steps.

        Args:
            steps: How many.

        Returns:
            Time of all [s].
        """
        start = time.perf_counter()
        for index in range(self.done, self.done + steps):
            self.optimizer.zero_grad()
            self.loss(step_generator(0, f"train/{self.stage}", index)).backward()
            self.optimizer.step()
        self.done += steps
        return time.perf_counter() - start


class Interleaved(AutoencoderTraining):
    """A training that lets a bare loop go first, a few steps at a time.

    A Lightning block's time is all of the time that the bare loop does not take, from the block's
    beginning to the next one's: the steps, the log and the checkpoint.
    """

    def time_against(self, bare: BareLoop, pairs: int) -> list[tuple[float, float]]:
        """Train through :func:`isaclib.learning.training.train`.

        Args:
            bare: The other loop, with a model of its own.
            pairs: Blocks of each, after one of each that is not timed.

        Returns:
            Mean time of a step in the bare loop and in Lightning [ms], for each pair.
        """
        self.bare, self.bare_time, self.begun = bare, 0.0, 0.0
        self.found: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory() as folder:
            train(self, Schedule((1 + pairs) * BLOCK, BLOCK), Path(folder))
        return self.found[1:]

    def on_train_epoch_start(self) -> None:
        """A block ends, unless it is the first, and the next one begins."""
        if self.begun:
            self.on_train_end()
        self.bare_time, self.begun = 0.0, time.perf_counter()

    def on_train_batch_start(self, batch: list[int], batch_idx: int) -> None:
        """Lightning is about to take some steps: the bare loop takes as many."""
        self.bare_time += self.bare(len(batch))

    def on_train_end(self) -> None:
        """A block ends."""
        lightning_time = time.perf_counter() - self.begun - self.bare_time
        self.found.append((1e3 * self.bare_time / BLOCK, 1e3 * lightning_time / BLOCK))


def main() -> None:
    """Time both in all stages, print a table, and write it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=20)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    scenario = Scenario()
    channels = scenario.channels(scenario.nominal_positions())
    rows, load = [], [os.getloadavg()[0]]
    for stage in SEQUENTIAL:
        plan = TrainingPlan(RADAR_WEIGHT, batch=BATCH)
        reference = AutoencoderTraining(
            scenario.autoencoder(0), *channels, plan, stage=stage, seed=0
        )
        module = Interleaved(scenario.autoencoder(0), *channels, plan, stage=stage, seed=0)
        found = module.time_against(BareLoop(reference), options.pairs)
        ratios = [lightning / bare for bare, lightning in found]
        lower, median, upper = statistics.quantiles(ratios, n=4)
        row = {
            "stage": stage,
            "bare_ms": round(statistics.median(bare for bare, _ in found), 2),
            "lightning_ms": round(statistics.median(lightning for _, lightning in found), 2),
            "ratio": round(median, 3),
            "quartiles": [round(lower, 3), round(upper, 3)],
            "range": [round(min(ratios), 3), round(max(ratios), 3)],
        }
        rows.append(row)
        load.append(os.getloadavg()[0])
        print(row)
    report = {
        "batch": BATCH,
        "threads": options.threads,
        "pairs": options.pairs,
        "steps": BLOCK,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in load],
        "rows": rows,
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

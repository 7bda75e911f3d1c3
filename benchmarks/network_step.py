"""How long a training step of P2's networks is, for the widths of the paper and of the desk runs.

Both training steps, Eqs. (11) and (12), at omega_r = 0.4, simulation, gradient and Adam included.
From this the book says what the paper's own training would take here.

Run as ``python benchmarks/network_step.py [--threads 1] [--output FILE.json]`` on an idle machine.
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import torch

from isaclib.experiments.p2.config import Scenario
from isaclib.learning.networks import seeded
from isaclib.signal.noise import step_generator
from isaclib.systems.sector_networks.model import SectorAutoencoder
from isaclib.systems.sector_networks.training import (
    STAGES,
    SectorAutoencoderTraining,
    SectorPlan,
)

WIDTHS = (21, 128, 1024)
BATCHES = (1000, 10_000)
WARM_UP, STEPS_TIMED = 1, 4


def step_seconds(width: int, batch: int) -> float:
    """Median time of a step, mean of both kinds [s].

    Args:
        width: Hidden neurons N.
        batch: Samples a step.

    Returns:
        The time.
    """
    scenario = Scenario()
    radar, communication = scenario.channels(scenario.nominal_positions())
    model = seeded(SectorAutoencoder, scenario.num_antennas, scenario.order, width, seed=0)
    plan = SectorPlan(steps=1, batch=batch, radar_weight=0.4)
    found = []
    for step in STAGES:
        module = SectorAutoencoderTraining(model, radar, communication, plan, step=step, seed=0)
        optimizer = module.configure_optimizers()
        times = []
        for index in range(WARM_UP + STEPS_TIMED):
            started = time.perf_counter()
            optimizer.zero_grad()
            module.loss(step_generator(0, "benchmark", index)).backward()
            optimizer.step()
            times.append(time.perf_counter() - started)
        found.append(statistics.median(times[WARM_UP:]))
    return statistics.fmean(found)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [
        {"width": width, "batch": batch, "step_s": round(step_seconds(width, batch), 4)}
        for width in WIDTHS
        for batch in BATCHES
    ]
    report = {
        "rows": rows,
        "threads": arguments.threads,
        "torch": torch.__version__,
        "processor": platform.machine(),
    }
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

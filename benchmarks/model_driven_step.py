"""How fast one training step of P2's steering matrix is, and how much memory it takes.

Two versions of the same step are compared on the same samples at batch 10,000 and 500 grid angles,
simulation and gradient included, every sample with a target and a sector of its own:

- *literal*: the paper's formulas over the whole grid, a mask of 500 numbers for each sample;
- *fast*: :func:`isaclib.systems.steering_matrix.training.sensing_loss`.

Each runs in a process of its own, so that the peak of its resident memory, less what the process
held before the first step, is its own. The report also says how far the gradients differ.

Run as ``python benchmarks/model_driven_step.py --threads 1 2 [--output FILE.json]`` on an idle
machine.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from isaclib.channels.narrowband import RadarChannel
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.modulation import qam
from isaclib.signal.noise import step_generator
from isaclib.systems.steering_matrix.model import ModelDriven, seeded_model_driven
from isaclib.systems.steering_matrix.training import ModelDrivenPlan, sensing_loss

ANTENNAS, GRID = 16, 500
PLAN = ModelDrivenPlan(p_present=1.0)
RADAR = RadarChannel(element_positions(ANTENNAS, reference="center"), Sector(-40, -20), 0.0)
WARM_UP = 2


def literal_loss(model: ModelDriven, generator: torch.Generator) -> torch.Tensor:
    """Loss of one mini-batch, written from the paper's equations without a thought for speed.

    Args:
        model: Steering matrix.
        generator: Source of randomness, used in the order of the fast version.

    Returns:
        ``[]``, float32. Loss [degrees^2].
    """
    steering, grid = model.matrix(), model.grid.float()
    torch.rand(PLAN.batch, generator=generator)
    sectors = PLAN.sectors.draw(PLAN.batch, generator)
    symbols = qam(PLAN.order)[torch.randint(PLAN.order, (PLAN.batch,), generator=generator)]
    realization = RADAR.draw(PLAN.batch, generator, present=True, sectors=sectors)
    b = ((model.grid >= sectors.min[:, None]) & (model.grid <= sectors.max[:, None])).float()
    precoder = torch.linalg.solve(steering.mH @ steering, steering.mH)
    beams = b.to(steering.dtype) @ precoder.mT
    beams = beams / torch.linalg.vector_norm(beams, dim=-1, keepdim=True)
    echo = RADAR(beams, symbols, realization)
    g = torch.softmax((echo @ steering.mH).abs() * b, dim=-1)
    return torch.rad2deg(g @ grid - realization.theta).square().mean()


def fast_loss(model: ModelDriven, generator: torch.Generator) -> torch.Tensor:
    """The same with the library.

    Args:
        model: Steering matrix.
        generator: Source of randomness.

    Returns:
        ``[]``, float32. Loss [degrees^2].
    """
    return sensing_loss(model, RADAR, PLAN, generator)


VERSIONS: dict[str, Callable[[ModelDriven, torch.Generator], torch.Tensor]] = {
    "literal": literal_loss,
    "fast": fast_loss,
}


def one_version(name: str, steps: int) -> dict[str, float]:
    """Shortest and median step, optimizer included, and peak memory, in this process.

    Args:
        name: Which version.
        steps: Steps to time.

    Returns:
        Times [ms] and memory [MiB].
    """
    model = seeded_model_driven(ANTENNAS, GRID, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=PLAN.learning_rate, fused=True)
    before, times = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for index in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        VERSIONS[name](model, step_generator(0, "benchmark", index)).backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = sorted(times[WARM_UP:])
    return {
        "shortest_ms": round(times[0], 2),
        "median_ms": round(times[len(times) // 2], 2),
        "memory_mib": round((peak - before) / 1024, 1),
    }


def gradient_difference() -> float:
    """Distance of the two versions' gradients, relative to their length."""
    gradients = []
    for loss in VERSIONS.values():
        model = seeded_model_driven(ANTENNAS, GRID, seed=0)
        loss(model, step_generator(0, "benchmark", 0)).backward()
        if model.steering.grad is None:
            raise RuntimeError("the loss does not depend on the steering matrix")
        gradients.append(model.steering.grad.double())
    literal, fast = gradients
    return float(torch.linalg.vector_norm(fast - literal) / torch.linalg.vector_norm(literal))


def in_process(name: str, threads: int, steps: int) -> dict[str, float]:
    """Run one version in a fresh process.

    Args:
        name: Which version.
        threads: Number of threads.
        steps: Steps to time.

    Returns:
        What :func:`one_version` found there.
    """
    command = [sys.executable, __file__, "--only", name, "--steps", str(steps)]
    command += ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(threads: int, steps: int) -> dict[str, object]:
    """Both versions at a number of threads.

    Args:
        threads: Number of threads.
        steps: Steps to time.

    Returns:
        Times, memory, and their ratios.
    """
    literal, fast = (in_process(name, threads, steps) for name in VERSIONS)
    return {
        "threads": threads,
        "literal": literal,
        "fast": fast,
        "speed_up": round(literal["median_ms"] / fast["median_ms"], 2),
        "memory_share": round(fast["memory_mib"] / literal["memory_mib"], 3),
    }


def main() -> None:
    """Time both versions, print the comparison, and write it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=30)
    arguments.add_argument("--threads", type=int, nargs="+", default=[os.cpu_count()])
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--only", choices=sorted(VERSIONS), help="one version, in this process")
    options = arguments.parse_args()
    if options.only:
        torch.set_num_threads(options.threads[0])
        print(json.dumps(one_version(options.only, options.steps)))
        return
    report = {
        "rows": [compare(threads, options.steps) for threads in options.threads],
        "gradient_difference": float(f"{gradient_difference():.2g}"),
        "batch": PLAN.batch,
        "grid": GRID,
        "steps": options.steps,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=1))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

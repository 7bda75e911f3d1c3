"""How long one epoch of P4's training takes, and what the faster layers cost in accuracy.

Two versions of the three-task training at the paper's default point are compared on CIFAR-10:
code of 20 numbers, both SNRs 3 dB over AWGN, batch 250.

- *trial*: convolutions of 32, 32 and 64 channels in a plain loop: the first two on the full 32 x 32
  pixels, default memory format, the unfused optimizer;
- *fast*: :func:`isaclib.systems.semantic.training.train_semantic`, checkpoint and log included.

Each runs in a process of its own. Besides the wall time there is the processor time, which other
work on the machine changes little.

Run as ``python benchmarks/semantic_epoch.py [--epochs 3] [--fraction 1] [--output FILE.json]``.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from isaclib.channels.codes import CodeChannel, EchoChannel
from isaclib.data.images import ImageSet, load_cifar10
from isaclib.learning.losses import multi_task_loss
from isaclib.learning.networks import count_parameters, seeded
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import Link, measure_semantic
from isaclib.systems.semantic.model import Layers, Semantic
from isaclib.systems.semantic.training import (
    SemanticPlan,
    TaskWeights,
    image_order,
    task_losses,
    train_semantic,
)

SIZE, SEED = 20, 0
LINK = Link(CodeChannel(3.0), EchoChannel(3.0))
WEIGHTS = TaskWeights(1 / 3, 1 / 3, 1 / 3)
SCALE = 16.0
"""About one over the variance of CIFAR-10's pixels: all tasks count alike."""


def trial_model() -> Semantic:
    """The same decoders behind an encoder written without a thought for speed."""
    model = seeded(Semantic, SIZE, seed=SEED, layers=Layers((32, 32, 64)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model.features = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        )
        model.output = nn.Linear(64 * 8 * 8, SIZE)
    return model


def train_trial(model: Semantic, images: ImageSet, plan: SemanticPlan) -> None:
    """Train in a plain loop.

    Args:
        model: System in its initial state; trained in place.
        images: Training images.
        plan: Epochs, batch and weights.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    steps = len(images) // plan.batch
    for epoch in range(plan.epochs):
        order = image_order(len(images), seed=SEED, epoch=epoch)
        for index in range(steps):
            chosen = order[index * plan.batch :][: plan.batch]
            generator = step_generator(SEED, "trial", epoch * steps + index)
            batch = images.images[chosen], images.labels[chosen]
            found = task_losses(model, LINK, batch, WEIGHTS.positive(), generator)
            found["reconstruction"] = plan.reconstruction_scale * found["reconstruction"]
            optimizer.zero_grad()
            multi_task_loss(found, asdict(WEIGHTS)).backward()
            optimizer.step()


def one_version(name: str, epochs: int, fraction: float) -> dict[str, float]:
    """Time and accuracy of one version, in this process.

    Args:
        name: Which version.
        epochs: Epochs to train.
        fraction: Share of the training images that an epoch uses here.

    Returns:
        Seconds for an epoch over all images, and the test metrics.
    """
    data = load_cifar10()
    images = data.train.first(round(fraction * len(data.train)))
    plan = SemanticPlan(epochs, 250, weights=WEIGHTS, reconstruction_scale=SCALE)
    model = trial_model() if name == "trial" else seeded(Semantic, SIZE, seed=SEED)
    wall, processor = time.perf_counter(), time.process_time()
    if name == "trial":
        train_trial(model, images, plan)
    else:
        with tempfile.TemporaryDirectory() as folder:
            train_semantic(model, LINK, images, plan, Path(folder), seed=SEED)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    found = measure_semantic(model, LINK, data.test, seed=SEED)
    metrics = {
        metric: float(f"{getattr(found, metric).value:.5g}")
        for metric in ("mse", "psnr_db", "sensing", "animal")
    }
    share = epochs * len(images) / len(data.train)
    return {
        "epoch_s": round(wall / share, 2),
        "epoch_processor_s": round(processor / share, 2),
        "parameters": count_parameters(model),
        **metrics,
    }


def in_process(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one version in a fresh process.

    Args:
        name: Which version.
        options: Epochs, share of the images and threads.

    Returns:
        What :func:`one_version` found there.
    """
    command = [sys.executable, __file__, "--only", name, "--threads", str(options.threads)]
    command += ["--epochs", str(options.epochs), "--fraction", str(options.fraction)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Train and time both versions, print the comparison, and write it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--fraction", type=float, default=1.0, help="share of the images")
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--only", choices=["trial", "fast"], help="one version, in this process")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        print(json.dumps(one_version(options.only, options.epochs, options.fraction)))
        return
    found = {name: in_process(name, options) for name in ("trial", "fast")}
    report = {
        **found,
        "speed_up": round(found["trial"]["epoch_s"] / found["fast"]["epoch_s"], 2),
        "epochs": options.epochs,
        "fraction": options.fraction,
        "batch": 250,
        "images": load_cifar10().origin.notes()["images"],
        "threads": options.threads,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=1))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How fast one training step of the P1 autoencoder is.

Two versions are timed at batch 10,000, simulation included:

- *literal*: the paper's formulas one by one, every sample with its own pass through encoder and
  beamformer, echoes simulated and all three radar networks run for every sample;
- *step*: :func:`isaclib.systems.autoencoder.training.stage_loss`.

What Lightning adds to it is measured by ``lightning_step.py``.

Run as ``python benchmarks/autoencoder_step.py [--output FILE.json]`` on an idle machine.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.experiments.p1.config import Scenario
from isaclib.learning import losses
from isaclib.learning.networks import as_real
from isaclib.signal.noise import NOISE_POWER, complex_normal, gain_variance, step_generator
from isaclib.systems.autoencoder.model import SEQUENTIAL, Autoencoder, StageName
from isaclib.systems.autoencoder.training import (
    TrainingPlan,
    stage_loss,
)

BATCH = 10_000
RADAR_WEIGHT = 0.09
WARM_UP = 20


def literal_loss(
    model: Autoencoder,
    radar: RadarChannel,
    communication: CommunicationChannel,
    stage: StageName,
    generator: torch.Generator,
) -> torch.Tensor:
    """Loss of one mini-batch, written from the paper's equations without a thought for speed.

    Args:
        model: The six networks.
        radar: Radar channel.
        communication: Communication channel.
        stage: Training stage.
        generator: Source of randomness.

    Returns:
        ``[]``, float32. Loss.
    """
    messages = torch.randint(model.order, (BATCH,), generator=generator)
    symbols = torch.view_as_complex(model.encoder(functional.one_hot(messages, 4).float()))
    symbols = symbols / symbols.abs().square().mean().sqrt()
    real, imag = model.beamformer(model.sectors.expand(BATCH, -1)).chunk(2, dim=-1)
    beam = torch.complex(real, imag)
    signal = beam / torch.linalg.vector_norm(beam, dim=-1, keepdim=True) * symbols[:, None]

    def steering(theta: torch.Tensor) -> torch.Tensor:
        return torch.exp(-2j * torch.pi * radar.positions.float() * torch.sin(theta)[:, None])

    angle = communication.sector.sample(BATCH, generator)
    beta = complex_normal((BATCH,), gain_variance(communication.snr_db), generator=generator)
    response = beta * (steering(angle) * signal).sum(-1)
    received = response + complex_normal((BATCH,), NOISE_POWER, generator=generator)
    scores = model.decode(received, response / symbols)
    comm = losses.categorical_cross_entropy(scores, messages)

    theta = radar.sector.sample(BATCH, generator)
    present = torch.rand(BATCH, generator=generator) < 0.5
    alpha = complex_normal((BATCH,), gain_variance(radar.snr_db), generator=generator)
    a = steering(theta)
    channel = alpha[:, None, None] * a[:, :, None] * a[:, None, :]
    clean = (channel @ signal[:, :, None]).squeeze(-1)
    noise = complex_normal((BATCH, model.num_antennas), NOISE_POWER, generator=generator)
    echo = as_real(present[:, None] * clean + noise)
    logits, estimate, sigma = (
        f(echo) for f in (model.detect, model.estimate_angle, model.estimate_sigma)
    )
    part = {
        "angle": 0.5 * (torch.rad2deg(estimate - theta)[present]).square().mean(),
        "uncertainty": 0.5 * losses.gaussian_nll(estimate[present], sigma[present], theta[present]),
        "presence": losses.binary_cross_entropy(logits, present),
    }[stage]
    return losses.isac_loss(part, comm, RADAR_WEIGHT)


def time_loop(
    loss: Callable[[int], torch.Tensor], model: Autoencoder, stage: StageName, steps: int
) -> float:
    """Mean time of a step of a bare training loop.

    Args:
        loss: Loss of the step with an index.
        model: What is trained.
        stage: Training stage.
        steps: Steps to time.

    Returns:
        Time [s].
    """
    model.requires_grad_(False)
    parameters = list(model.trained_parameters(stage))
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=0.01, fused=True)
    start = 0.0
    for index in range(WARM_UP + steps):
        if index == WARM_UP:
            start = time.perf_counter()
        optimizer.zero_grad()
        loss(index).backward()
        optimizer.step()
    return (time.perf_counter() - start) / steps


def main() -> None:
    """Time all versions and stages, print a table, and write it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=2000)
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    arguments.add_argument("--output", type=Path)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    scenario = Scenario()
    radar, communication = scenario.channels(scenario.nominal_positions())
    plan = TrainingPlan(RADAR_WEIGHT, batch=BATCH)
    rows = []
    for stage in SEQUENTIAL:
        model = scenario.autoencoder(0)

        def literal(index: int, m: Autoencoder = model, s: StageName = stage) -> torch.Tensor:
            return literal_loss(m, radar, communication, s, step_generator(0, f"train/{s}", index))

        def fast(index: int, m: Autoencoder = model, s: StageName = stage) -> torch.Tensor:
            generator = step_generator(0, f"train/{s}", index)
            return stage_loss(m, radar, communication, (s, plan), generator)

        row = {
            "stage": stage,
            "literal_ms": 1e3 * time_loop(literal, model, stage, options.steps // 10),
            "step_ms": 1e3 * time_loop(fast, model, stage, options.steps),
        }
        rows.append({k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()})
        print(rows[-1])
    report = {
        "batch": BATCH,
        "threads": options.threads,
        "steps": options.steps,
        "torch": torch.__version__,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "rows": rows,
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

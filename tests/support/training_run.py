"""One small training of the autoencoder, as a process that tests can kill, and its golden log."""

import functools
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning.networks import seeded
from isaclib.learning.training import Schedule
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.noise import step_generator
from isaclib.systems.autoencoder import training as autoencoder_training
from isaclib.systems.autoencoder.model import Autoencoder
from isaclib.systems.autoencoder.training import TrainingPlan, stage_loss

K, BLOCK, SEED = 6, 7, 3
TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
RADAR = RadarChannel(element_positions(K), TARGET, 0.0)
COMMUNICATION = CommunicationChannel(element_positions(K), RECEIVER, 20.0)
PLAN = TrainingPlan(radar_weight=0.3, steps=60, batch=100)
INTERRUPTED = 130
GOLDEN = Path(__file__).parents[1] / "golden" / "autoencoder.json"


def a_model():
    return seeded(Autoencoder, K, 4, TARGET, RECEIVER, seed=SEED)


def train_here(directory):
    """Train, or go on with a training, in this process; return the final parameters."""
    model = a_model()
    whole = autoencoder_training.Schedule
    # A block as short as this one would spend a real training on checkpoints.
    autoencoder_training.Schedule = functools.partial(Schedule, block=BLOCK)
    try:
        autoencoder_training.train_autoencoder(
            model, RADAR, COMMUNICATION, PLAN, Path(directory), seed=SEED
        )
    finally:
        autoencoder_training.Schedule = whole
    return model.state_dict()


def train_in_process(directory, output):
    """The same as the whole work of a process, with the parameters saved at the end."""
    torch.set_num_threads(1)
    # A shell starts what it runs in the background with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        parameters = train_here(directory)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    torch.save(parameters, output)


def bare_loop(stage, steps, model, batch=PLAN.batch, log=None):
    """The training of one stage as one would write it without Lightning."""
    model.requires_grad_(False)
    parameters = list(model.trained_parameters(stage))
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, lr=PLAN.learning_rate, fused=True)
    objective = (stage, replace(PLAN, batch=batch))
    for step in range(steps):
        generator = step_generator(SEED, f"train/{stage}", step)
        loss = stage_loss(model, RADAR, COMMUNICATION, objective, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if log is not None:
            log.append(float(loss.detach()))


def golden_log(steps=20):
    """Losses of the first steps of every stage, one after the other."""
    model, curves = a_model(), {}
    for stage in PLAN.stages:
        bare_loop(stage, steps, model, log=curves.setdefault(stage, []))
    bare_loop("joint", steps, a_model(), log=curves.setdefault("joint", []))
    return curves


if __name__ == "__main__":
    # `python tests/support/training_run.py` writes the log anew, after a change that is meant.
    torch.set_num_threads(1)
    GOLDEN.write_text(json.dumps(golden_log(), indent=1) + "\n")

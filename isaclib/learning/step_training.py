"""What the Lightning modules of all systems have in common: one simulated batch a step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from isaclib._progress import span
from isaclib._validation import check_nonnegative_int, check_positive
from isaclib.learning.training import LOG_EVERY, Schedule, train
from isaclib.signal.noise import step_generator

_STEPS = "epoch_loop.manual_optimization.optim_step_progress"


class StepTraining(LightningModule):
    """Adam on batches that seed, stream and step index alone determine.

    Args:
        model: What is trained, in place.
        stream: Name of the random stream, ``train/<stream>`` of :mod:`isaclib.signal.noise`.
        seed: Seed of the training samples.
        learning_rate: Adam's step size, positive.

    Raises:
        ValueError: If ``seed`` or ``learning_rate`` is out of range.
    """

    def __init__(
        self, model: nn.Module, *, stream: str, seed: int, learning_rate: float = 1e-3
    ) -> None:
        super().__init__()
        self.model = model
        self.stream = stream
        self.seed = check_nonnegative_int("seed", seed)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.automatic_optimization = False

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Simulate a batch and return its loss, ``[]``, float32; each system has its own."""
        raise NotImplementedError(f"{type(self).__name__} must define its loss")

    def trained(self) -> Iterable[nn.Parameter]:
        """Parameters that are trained: all of the model's, unless a system says otherwise."""
        return self.model.parameters()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on the trained parameters; the others are frozen."""
        parameters = list(self.trained())
        self.model.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        return torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)

    def step_loss(self, step: int) -> torch.Tensor:
        """Loss of one step, on samples that the step index alone determines."""
        return self.loss(step_generator(self.seed, f"train/{self.stream}", step, self.device))

    def training_step(self, steps: Sequence[int]) -> None:
        """Take the steps of these indices, one after the other."""
        # Lightning's wrapper of the optimizer, which counts the trainer's steps.
        optimizer = cast(torch.optim.Optimizer, self.optimizers())
        scheduler = cast(LRScheduler | None, self.lr_schedulers())
        for step in steps:
            optimizer.zero_grad()
            loss = self.step_loss(step)
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            if (step + 1) % LOG_EVERY == 0:
                for logger in self.loggers:
                    logger.log_metrics({"loss": loss.item()}, step)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint of automatic optimisation too, which counted steps elsewhere."""
        progress = checkpoint["loops"]["fit_loop"][_STEPS]["total"]
        progress["ready"] = progress["completed"] = checkpoint["global_step"]


def train_stages(
    stages: Mapping[str, StepTraining],
    schedule: Schedule,
    directory: Path,
    *,
    device: str = "cpu",
    after: Callable[[str], None] | None = None,
) -> None:
    """Train one model in stages, or go on where an earlier call stopped.

    Args:
        stages: Module of each stage, in order, by its name. They share one model.
        schedule: How long each stage is.
        directory: Folder for the checkpoints, of this run alone; each stage has a folder in it.
        device: ``"cpu"`` or ``"cuda"``; another is a ``ValueError``.
        after: Called with each stage's name at its end, also of one that was finished before.
    """
    for index, (name, module) in enumerate(stages.items()):
        with span(index / len(stages), (index + 1) / len(stages)):
            train(module, schedule, directory / name, device=device)
        if after is not None:
            after(name)
    for module in stages.values():
        module.model.requires_grad_(True)

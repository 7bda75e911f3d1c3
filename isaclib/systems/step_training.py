"""What the Lightning modules of all systems have in common: one simulated batch a step."""

from collections.abc import Iterable

import torch
from pytorch_lightning import LightningModule
from torch import nn

from isaclib._validation import check_nonnegative_int, check_positive
from isaclib.noise import step_generator
from isaclib.training import LOG_EVERY


class StepTraining(LightningModule):
    """Adam on batches that seed, stream and step index alone determine.

    Args:
        model: What is trained, in place.
        stream: Name of the random stream, ``train/<stream>`` of :mod:`isaclib.noise`.
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

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Simulate a batch and return its loss; each system has its own.

        Args:
            generator: Source of all randomness of the batch.

        Returns:
            ``[]``, float32. Loss.
        """
        raise NotImplementedError(f"{type(self).__name__} must define its loss")

    def trained(self) -> Iterable[nn.Parameter]:
        """Parameters that are trained; the others are frozen.

        Returns:
            All of the model's, unless a system says otherwise.
        """
        return self.model.parameters()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on the trained parameters; the others are frozen."""
        parameters = list(self.trained())
        self.model.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        return torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)

    def training_step(self, step: int) -> torch.Tensor:
        """Loss of one step, on samples that the step index alone determines.

        Args:
            step: Index of the mini-batch.

        Returns:
            ``[]``, float32. Loss.
        """
        loss = self.loss(step_generator(self.seed, f"train/{self.stream}", step, self.device))
        if (step + 1) % LOG_EVERY == 0:
            self.log("loss", loss)
        return loss

r"""Training of the P4 system: weighted losses of its tasks, on shuffled images, resumable."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from isaclib._validation import check_positive, check_positive_int
from isaclib.data.images import ImageSet, is_animal
from isaclib.learning import losses
from isaclib.learning.step_training import StepTraining
from isaclib.learning.training import Schedule, train
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import Link, transmit
from isaclib.systems.semantic.model import TASKS, Semantic, TaskName, scaled_pixels

STREAM = "semantic"
"""Random stream of the training: dropout and channels, and with ``/order`` the images' order."""


@dataclass(frozen=True)
class TaskWeights:
    """Weight of each task's loss, P4 Sec. II. A task of weight zero is not trained.

    The paper's individual communication is ``TaskWeights(1, 0)``, its individual sensing
    ``TaskWeights(0, 1)``, its three tasks ``TaskWeights(1 / 3, 1 / 3, 1 / 3)``.

    Attributes:
        reconstruction: Weight of the mean squared error of the pixels.
        sensing: Weight of the cross-entropy of the target's label.
        animal: Weight of the cross-entropy of whether there is an animal.
        label: Weight of the cross-entropy of the ten classes.

    Raises:
        ValueError: If a weight is negative, or they do not sum to one.
    """

    reconstruction: float = 0.5
    sensing: float = 0.5
    animal: float = 0.0
    label: float = 0.0

    def __post_init__(self) -> None:
        losses.check_task_weights(asdict(self))

    def positive(self) -> tuple[TaskName, ...]:
        """Tasks that are trained."""
        return tuple(task for task in TASKS if getattr(self, task) > 0)


@dataclass(frozen=True)
class SemanticPlan:
    """Training of one system.

    Attributes:
        epochs: How often every training image is used.
        batch: Images a step.
        learning_rate: Adam's step size.
        weights: Weight of each task's loss; 1/2 each for the paper's two tasks.
        reconstruction_scale: Factor of the mean squared error before it is weighted. The paper
            does not give the unit of this loss: 1 is the mean over pixels in [0, 1], of 0.06 at
            the start, far below the 0.69 nat of a detection at chance. One over the variance of
            the pixels puts all losses on the same scale.
        encoder: Whether the encoder is trained too. If not, the decoders are trained for the codes
            of an encoder as it is, which tells what its codes carry.

    Raises:
        ValueError: If a number is out of range.
    """

    epochs: int = 10
    batch: int = 250
    learning_rate: float = 1e-3
    weights: TaskWeights = field(default_factory=TaskWeights)
    reconstruction_scale: float = 1.0
    encoder: bool = True

    def __post_init__(self) -> None:
        check_positive_int("epochs", self.epochs)
        check_positive_int("batch", self.batch)
        check_positive("learning_rate", self.learning_rate)
        check_positive("reconstruction_scale", self.reconstruction_scale)


def task_losses(
    model: Semantic,
    link: Link,
    images: tuple[torch.Tensor, torch.Tensor],
    tasks: Collection[TaskName],
    generator: torch.Generator,
) -> dict[TaskName, torch.Tensor]:
    """Send a batch of images and return the loss of each task.

    The same channels and dropout are drawn whichever tasks are asked for.

    Args:
        model: Encoder and decoders.
        link: Channels.
        images: Bytes ``[batch, 3, 32, 32]``, uint8, and classes ``[batch]``, int64.
        tasks: Which losses to find; the decoders of the others are not run.
        generator: Source of all randomness of the batch.

    Returns:
        A loss ``[]``, float32, for each task: the mean squared error of pixels in [0, 1], or a
        cross-entropy [nat].
    """
    pixels, label = scaled_pixels(images[0]), images[1]
    reception = transmit(model, link, model.encode(pixels, generator), generator)
    answers = {"sensing": reception.target, "animal": is_animal(label).long(), "label": label}
    found: dict[TaskName, torch.Tensor] = {}
    for task in tasks:
        if task == "reconstruction":
            reconstructed = model.reconstruct(reception.communication)
            found[task] = nn.functional.mse_loss(reconstructed, pixels)
        else:
            inputs = reception.echo if task == "sensing" else reception.communication
            scores = model.decide(task, inputs)
            found[task] = losses.categorical_cross_entropy(scores, answers[task])
    return found


def encoder_gradients(
    model: Semantic, task_loss: Mapping[TaskName, torch.Tensor]
) -> dict[TaskName, torch.Tensor]:
    """Gradient of each task's loss for the shared encoder, ``[parameters]``: do tasks agree?"""
    parameters = [*model.features.parameters(), *model.output.parameters()]
    return {
        task: torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)]
        )
        for task, loss in task_loss.items()
    }


def image_order(count: int, *, seed: int, epoch: int) -> torch.Tensor:
    """Order of the training images in an epoch, from seed and epoch alone: ``[count]``, int64.

    On the CPU: the same order whatever device trains.
    """
    generator = step_generator(seed, f"train/{STREAM}/order", epoch)
    return torch.randperm(count, generator=generator)


class SemanticTraining(StepTraining):
    """Lightning module of one system.

    It holds the training images as bytes, on the device that trains. There must be a batch of them.
    """

    model: Semantic
    images: torch.Tensor
    labels: torch.Tensor

    def __init__(
        self, model: Semantic, link: Link, images: ImageSet, plan: SemanticPlan, *, seed: int
    ) -> None:
        super().__init__(model, stream=STREAM, seed=seed, learning_rate=plan.learning_rate)
        self.link, self.plan = link, plan
        if plan.batch > len(images):
            raise ValueError(
                f"batch must be at most the {len(images)} training images, got {plan.batch}"
            )
        self.steps_per_epoch = len(images) // plan.batch
        # Not persistent: a checkpoint holds no images. Channels last, as the convolutions want it.
        pixels = images.images.contiguous(memory_format=torch.channels_last)
        self.register_buffer("images", pixels, persistent=False)
        self.register_buffer("labels", images.labels, persistent=False)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)
        self._chosen = self._order

    def trained(self) -> Iterator[nn.Parameter]:
        """Parameters of the encoder, if the plan says so, and of decoders with a weight."""
        if self.plan.encoder:
            yield from self.model.features.parameters()
            yield from self.model.output.parameters()
        for task in self.plan.weights.positive():
            yield from self.model.decoders[task].parameters()

    def batch(self, step: int) -> torch.Tensor:
        """Indices of a step's images, ``[batch]``, int64.

        An epoch's last images that fill no batch are left out of it, others each time.
        """
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = image_order(len(self.labels), seed=self.seed, epoch=epoch)
            self._epoch = epoch
        return self._order[index * self.plan.batch :][: self.plan.batch]

    def step_loss(self, step: int) -> torch.Tensor:
        """Loss of one step, on images and samples that the step index alone determines."""
        self._chosen = self.batch(step).to(self.device)
        return super().step_loss(step)

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Weighted loss of the images that the step chose."""
        weights = self.plan.weights
        images = self.images[self._chosen], self.labels[self._chosen]
        found = task_losses(self.model, self.link, images, weights.positive(), generator)
        scales = {"reconstruction": self.plan.reconstruction_scale}
        scaled = {str(task): scales.get(task, 1.0) * loss for task, loss in found.items()}
        return losses.multi_task_loss(scaled, asdict(weights))


def train_semantic(
    model: Semantic,
    link: Link,
    images: ImageSet,
    plan: SemanticPlan,
    directory: Path,
    *,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train a system, or go on where an earlier call in the same directory stopped.

    The model is trained in place from its initial state. The folder is for the checkpoint of this
    run alone, one every epoch; the seed is that of order, dropout and channels, the device
    ``"cpu"`` or ``"cuda"``.

    Raises:
        ValueError: If ``seed`` or ``device`` is not allowed, there are fewer images than a batch,
            or the model's ranges are not the channel's.
    """
    module = SemanticTraining(model, link, images, plan, seed=seed)
    steps = module.steps_per_epoch
    schedule = Schedule(plan.epochs * steps, block=steps)
    train(module, schedule, directory, device=device)
    model.requires_grad_(True)

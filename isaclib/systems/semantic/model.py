r"""The system of P4: one encoder of images, two channels, and a decoder for each task.

P4 Fig. 2 as a chain of this module's parts::

    image ── Encoder ── code x ─┬─ CodeChannel ── y ─┬─ reconstruct ── image
                                │                    ├─ classify ───── animal or not
                                │                    └─ classify ───── one of ten classes
                                └─ EchoChannel ── z ─── sense ──────── absent, or one of R ranges

The paper draws its layers in a figure that gives no sizes in the text; those of :class:`Layers`
are this project's own choice.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from isaclib._validation import check_one_of, check_positive_int, check_range
from isaclib.channels.codes import check_code_size, paired, unit_power_code
from isaclib.data.images import CLASSES, SHAPE
from isaclib.learning.networks import feed_forward

TaskName = Literal["reconstruction", "sensing", "animal", "label"]
"""What the system is trained for: the image, the target, whether an animal is shown, the class."""

TASKS: tuple[TaskName, ...] = get_args(TaskName)

_COLOURS, _ROWS, _COLUMNS = SHAPE


@dataclass(frozen=True)
class Layers:
    """Sizes of the networks, which P4 does not give.

    Attributes:
        channels: Channels of the three convolutions.
        hidden: Neurons of decoder 1's hidden layer.
        sensing: Neurons of decoder 2's hidden layers.
        task: Neurons of decoder 3's hidden layers.
        dropout: Probability that a feature is dropped before the encoder's linear output.

    Raises:
        ValueError: If a size is no positive integer, or ``dropout`` is outside [0, 1).
    """

    channels: tuple[int, int, int] = (16, 32, 64)
    hidden: int = 256
    sensing: tuple[int, ...] = (64, 64)
    task: tuple[int, ...] = (64,)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if len(self.channels) != 3:
            raise ValueError(f"channels must be three numbers, got {self.channels!r}")
        for name in ("channels", "sensing", "task"):
            for size in getattr(self, name):
                check_positive_int(name, size)
        check_positive_int("hidden", self.hidden)
        if check_range("dropout", self.dropout, 0, 1) == 1:
            raise ValueError(f"dropout must be a number in [0, 1), got {self.dropout!r}")


class Semantic(nn.Module):
    """Encoder and decoders of P4, sized by the code.

    Args:
        size: Real dimensions of a code, n: the encoder's outputs, an even number.
        ranges: Number of ranges R that a target can have.
        known: Whether the receivers know the realization of their channel, see
            :func:`isaclib.channels.codes.receiver_inputs`.
        layers: Sizes of the networks.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self, size: int, ranges: int = 1, *, known: bool = False, layers: Layers | None = None
    ) -> None:
        super().__init__()
        self.size = check_code_size("size", size)
        self.ranges = check_positive_int("ranges", ranges)
        self.known = known
        self.layers = layers or Layers()
        inputs, pixels = self.size + known, _COLOURS * _ROWS * _COLUMNS
        self.features = image_features(self.layers.channels)
        self.output = nn.Linear(self.layers.channels[-1] * (_ROWS // 8) * (_COLUMNS // 8), size)
        self.decoders = nn.ModuleDict(
            {
                "reconstruction": feed_forward(inputs, (self.layers.hidden,), pixels),
                "sensing": feed_forward(inputs, self.layers.sensing, self.ranges + 1),
                "animal": feed_forward(inputs, self.layers.task, 2),
                "label": feed_forward(inputs, self.layers.task, len(CLASSES)),
            }
        )

    @property
    def symbols(self) -> int:
        """Complex symbols of a code."""
        return self.size // 2

    def encode(
        self, pixels: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Codes of images, of unit average power a symbol.

        Args:
            pixels: ``[batch, 3, 32, 32]``, float32, from :func:`scaled_pixels`.
            generator: Source of the dropout in training; without one nothing is dropped.

        Returns:
            ``[batch, size / 2]``, complex64.
        """
        # The convolutions work on channels last, where this order needs no copy.
        features = self.features(pixels).permute(0, 2, 3, 1).flatten(1)
        if generator is not None and self.layers.dropout:
            features = dropout(features, self.layers.dropout, generator)
        return unit_power_code(paired(self.output(features)))

    def reconstruct(self, inputs: torch.Tensor) -> torch.Tensor:
        """Images from what came through the channel: decoder 1.

        Args:
            inputs: ``[batch, size]``, or one more with the realization known, float32.

        Returns:
            ``[batch, 3, 32, 32]``, float32. Pixels, mostly in [0, 1].
        """
        pixels = self.decoders["reconstruction"](inputs)
        return pixels.unflatten(1, (_ROWS, _COLUMNS, _COLOURS)).permute(0, 3, 1, 2)

    def decide(self, task: TaskName, inputs: torch.Tensor) -> torch.Tensor:
        """Scores of a task's classes before the softmax: decoders 2 and 3.

        Args:
            task: ``"sensing"``, whose class 0 is no target and class r the r-th range;
                ``"animal"``, whose class 1 is that there is one; or ``"label"``.
            inputs: ``[batch, size]``, or one more with the realization known, float32.

        Returns:
            ``[batch, classes]``, float32.

        Raises:
            ValueError: If the task is another.
        """
        check_one_of("task", task, TASKS[1:])
        scores: torch.Tensor = self.decoders[task](inputs)
        return scores


def image_features(channels: tuple[int, int, int]) -> nn.Sequential:
    """Convolutions from an image to features on a grid of 4 x 4, channels last in memory.

    The first moves in strides of two, which leaves a quarter of the work of one that does not. The
    pooling stands before the ReLU, which gives the same (both keep the order of numbers) on a
    quarter of the features.
    """
    first, second, third = channels
    layers = nn.Sequential(
        nn.Conv2d(_COLOURS, first, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(second, third, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
    )
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def scaled_pixels(images: torch.Tensor) -> torch.Tensor:
    """Bytes as numbers in [0, 1], P4 Sec. II: float32, of the same shape and memory format."""
    return images.float().div_(255)


def dropout(features: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Zero features so probably, and scale the others, as ``nn.Dropout``, but from a generator."""
    kept = torch.empty_like(features).bernoulli_(1 - probability, generator=generator)
    return features * kept.div_(1 - probability)

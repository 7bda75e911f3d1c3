"""Transmission of images through both channels of P4, and how well it works on test images."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from isaclib._validation import check_nonnegative_int, check_one_of, check_positive_int
from isaclib.channels.codes import CodeChannel, EchoChannel, receiver_inputs
from isaclib.data.images import CLASSES, ImageSet, is_animal
from isaclib.metrics import (
    Accuracy,
    DetectionProbability,
    Estimate,
    FalseAlarmProbability,
    Mean,
    psnr_db,
)
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.model import Semantic, scaled_pixels


@dataclass(frozen=True)
class Link:
    """The two channels that every code goes through, P4 Fig. 2.

    Attributes:
        communication: Channel to the receiver, before decoders 1 and 3.
        sensing: Channel to the target and back, before decoder 2.
    """

    communication: CodeChannel
    sensing: EchoChannel


class Reception(NamedTuple):
    """What arrives of a batch of codes.

    Attributes:
        communication: ``[batch, size]``, or one more with the realization known, float32. Inputs
            of decoders 1 and 3.
        echo: Of the same shape. Inputs of decoder 2.
        target: ``[batch]``, int64. 0 without a target, else its range.
    """

    communication: torch.Tensor
    echo: torch.Tensor
    target: torch.Tensor


def transmit(
    model: Semantic, link: Link, code: torch.Tensor, generator: torch.Generator
) -> Reception:
    """Send codes through both channels, each code through realizations of its own.

    Args:
        model: Whose codes; it says what the receivers know of the channels.
        link: Channels.
        code: ``[batch, symbols]``, complex64. From :meth:`~.semantic.Semantic.encode`.
        generator: Source of the realizations.

    Raises:
        ValueError: If the model's number of ranges is not the channel's.
    """
    if model.ranges != link.sensing.ranges:
        raise ValueError(
            f"link must have the model's {model.ranges} ranges, got {link.sensing.ranges}"
        )
    batch, symbols = code.shape
    there = link.communication.draw(batch, symbols, generator)
    back = link.sensing.draw(batch, symbols, generator)
    return Reception(
        receiver_inputs(
            link.communication(code, there), link.communication, there if model.known else None
        ),
        receiver_inputs(link.sensing(code, back), link.sensing, back if model.known else None),
        back.label,
    )


@dataclass(frozen=True)
class SemanticPerformance:
    """What a measurement found. A decoder that was not trained is measured all the same.

    Attributes:
        mse: Reconstruction loss: mean squared error of pixels in [0, 1].
        psnr_db: The same as peak signal-to-noise ratio [dB].
        sensing: Sensing accuracy over all labels, absence and ranges.
        p_d: Detection probability: a target in any range is declared to be in some range.
        p_fa: False-alarm probability.
        animal: Semantic accuracy of whether there is an animal.
        label: Semantic accuracy of the ten classes.
        sensing_confusion: ``[true][decided]`` counts of the sensing labels.
        label_confusion: ``[true][decided]`` counts of the ten classes.
    """

    mse: Estimate
    psnr_db: Estimate
    sensing: Estimate
    p_d: Estimate
    p_fa: Estimate
    animal: Estimate
    label: Estimate
    sensing_confusion: list[list[int]]
    label_confusion: list[list[int]]


@torch.no_grad()
def measure_semantic(
    model: Semantic,
    link: Link,
    images: ImageSet,
    *,
    seed: int,
    block: int = 1000,
    device: str = "cpu",
) -> SemanticPerformance:
    """Measure all tasks on test images, each sent once through a realization of its own.

    Two systems measured with the same seed meet the same channels and targets.

    Args:
        model: What to measure.
        link: Channels.
        images: Test images.
        seed: Seed of the realizations.
        block: Images that are sent at a time; their realizations come from one generator.
        device: ``"cpu"`` or ``"cuda"``; the model must be there.

    Returns:
        All metrics with their confidence intervals. Those hold for new images and realizations
        of the same kind and the same trained system.

    Raises:
        ValueError: If an argument is out of range, or the model's ranges are not the channel's.
    """
    check_one_of("device", device, ("cpu", "cuda"))
    check_nonnegative_int("seed", seed)
    check_positive_int("block", block)
    errors, sensing = Mean().to(device), Accuracy().to(device)
    p_d, p_fa = DetectionProbability().to(device), FalseAlarmProbability().to(device)
    animal, label = Accuracy().to(device), Accuracy().to(device)
    targets = torch.zeros(model.ranges + 1, model.ranges + 1, dtype=torch.int64, device=device)
    classes = torch.zeros(len(CLASSES), len(CLASSES), dtype=torch.int64, device=device)
    blocks = zip(images.images.split(block), images.labels.split(block), strict=True)
    for step, (raw, shown) in enumerate(blocks):
        generator = step_generator(seed, "test/semantic", step, device)
        pixels, true = scaled_pixels(raw.to(device)), shown.to(device)
        reception = transmit(model, link, model.encode(pixels), generator)
        error = model.reconstruct(reception.communication) - pixels
        errors.update(error.square().mean((1, 2, 3)))
        sensed = model.decide("sensing", reception.echo).argmax(-1)
        sensing.update(sensed, reception.target)
        p_d.update(sensed > 0, reception.target > 0)
        p_fa.update(sensed > 0, reception.target > 0)
        seen = model.decide("animal", reception.communication).argmax(-1)
        animal.update(seen, is_animal(true).long())
        decided = model.decide("label", reception.communication).argmax(-1)
        label.update(decided, true)
        _count(targets, reception.target, sensed)
        _count(classes, true, decided)
    mse = errors.estimate()
    return SemanticPerformance(
        mse=mse,
        psnr_db=psnr_db(mse),
        sensing=sensing.estimate(),
        p_d=p_d.estimate(),
        p_fa=p_fa.estimate(),
        animal=animal.estimate(),
        label=label.estimate(),
        sensing_confusion=targets.tolist(),
        label_confusion=classes.tolist(),
    )


def _count(confusion: torch.Tensor, true: torch.Tensor, decided: torch.Tensor) -> None:
    """Count pairs of true and decided classes, in place."""
    size = len(confusion)
    confusion += torch.bincount(true * size + decided, minlength=size * size).view(size, size)

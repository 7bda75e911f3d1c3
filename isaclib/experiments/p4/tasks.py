"""The pieces of P4's figures: train a system, measure it, compare its tasks; and linear codes.

A training keeps the parameters after some epochs. What is measured are systems with the parameters
that a file of half the size can hold, so that stored weights give the stored numbers.
"""

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch

from isaclib._files import write_atomically
from isaclib._progress import span
from isaclib.channels.codes import CodeChannel, Fading
from isaclib.experiments.engine.results import load_tensors, tensor_bytes
from isaclib.experiments.engine.tasks import Outcome, Point, Recorded, Task, Work
from isaclib.experiments.p4.config import Images, System
from isaclib.learning.networks import load_parameters, seeded
from isaclib.metrics import Mean, psnr_db
from isaclib.receivers.linear_codes import PrincipalComponents, principal_components
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import SemanticPerformance, measure_semantic
from isaclib.systems.semantic.model import Semantic, scaled_pixels
from isaclib.systems.semantic.training import (
    SemanticPlan,
    encoder_gradients,
    task_losses,
    train_semantic,
)

Parameters = Mapping[str, torch.Tensor]
Labels = Literal["sensing", "label"]

_ROUNDED = "stored as float16, and measured like that"

_load = functools.lru_cache(maxsize=1)(Images.load)
"""Images of the tasks of a process, read once."""


@dataclass(frozen=True)
class Trained:
    """A system after some epochs of a training.

    Attributes:
        training: The training.
        epochs: One of its marks.
    """

    training: "TrainSystem"
    epochs: int

    def parameters(self, work: Work) -> Parameters:
        """Parameters as they were trained, by their names."""
        stored = dict(work.outcome(self.training).tensors)
        row = stored.pop("marks").tolist().index(self.epochs)
        return {name: tensor[row] for name, tensor in stored.items()}


@dataclass(frozen=True)
class TrainSystem(Recorded):
    """Train one system.

    The outcome's tensors are ``marks`` and the parameters by their names, ``[marks, ...]``.

    Attributes:
        images: Which images are sent.
        system: Its channels, sizes and weights.
        batch: Images a step.
        learning_rate: Adam's step size.
        seed: Seed of the initial parameters and of the training.
        start: What it begins with; parameters drawn from the seed if not given.
        encoder: Whether the encoder is trained, and not the decoders alone for its codes.
        marks: Epochs after which the parameters are kept.
    """

    images: Images
    system: System
    batch: int
    learning_rate: float
    seed: int
    start: Trained | None = None
    encoder: bool = True
    marks: tuple[int, ...] = field(default=(), compare=False)

    def model(self, parameters: Parameters | None = None, device: str = "cpu") -> Semantic:
        """The system with these parameters, or untrained."""
        size, ranges, layers = self.system.size, self.system.ranges, self.system.layers
        known = self.system.known
        model = seeded(Semantic, size, ranges, seed=self.seed, known=known, layers=layers)
        if parameters is not None:
            load_parameters(model, parameters)
        return model.to(device)

    def run(self, work: Work) -> Outcome:
        """Train, or go on from a checkpoint; what was kept before it lies beside it."""
        data, link, last, kept = _load(self.images), self.system.link(), self.marks[-1], []
        model = self.model(self.start.parameters(work) if self.start else None, work.device)
        losses = self.system.weights, self.system.reconstruction_scale
        plan = SemanticPlan(last, self.batch, self.learning_rate, *losses, self.encoder)
        options: Any = {"seed": self.seed, "device": work.device}
        for before, epochs in itertools.pairwise((0, *self.marks)):
            file, part = (
                work.directory / f"after-{epochs}.safetensors",
                replace(plan, epochs=epochs),
            )
            if not file.exists():
                with span(before / last, epochs / last):
                    train_semantic(model, link, data.train, part, work.directory, **options)
                write_atomically(file, tensor_bytes(model.state_dict()))
            kept.append(load_tensors(file, None))
        tensors = {name: torch.stack([some[name] for some in kept]) for name in kept[0]}
        tensors["marks"] = torch.tensor(self.marks)
        return Outcome(tensors=tensors, notes=data.origin.notes())


@dataclass(frozen=True)
class RoundSystem(Task):
    """Round a system to the parameters that are stored of it, float16."""

    trained: Trained

    def run(self, work: Work) -> Outcome:
        """Round; the outcome's tensors are the parameters by their names."""
        rounded = {name: tensor.half() for name, tensor in self.trained.parameters(work).items()}
        return Outcome(tensors=rounded, notes={"weights": _ROUNDED})

    def measured(self, seed: int, work: Work) -> SemanticPerformance:
        """Performance of the rounded system on the test images."""
        training, parameters = self.trained.training, work.outcome(self).tensors
        images, model = training.images, training.model(parameters, work.device)
        options: Any = {"seed": seed, "block": images.block, "device": work.device}
        return measure_semantic(model, training.system.link(), _load(images).test, **options)


@dataclass(frozen=True)
class Measure(Task):
    """Measure a system; of decoder 3 only the tasks that it was trained for."""

    system: RoundSystem
    seed: int

    def run(self, work: Work) -> Outcome:
        """Measure."""
        found = self.system.measured(self.seed, work)
        tasks = self.system.trained.training.system.weights.positive()
        names = ["mse", "psnr_db", "sensing", "p_d", "p_fa"]
        names += [task for task in tasks if task in ("animal", "label")]
        return Outcome([Point({name: getattr(found, name) for name in names})])


@dataclass(frozen=True)
class Confuse(Task):
    """Count how often each label is decided for each.

    The points' coordinates are ``true`` and ``decided``: 0 without a target, else its range; or
    one of the ten classes.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("true", "decided")

    system: RoundSystem
    seed: int
    labels: Labels

    def run(self, work: Work) -> Outcome:
        """Measure."""
        found = self.system.measured(self.seed, work)
        counts = found.sensing_confusion if self.labels == "sensing" else found.label_confusion
        points = [
            Point({"images": float(count)}, {"true": true, "decided": decided})
            for true, row in enumerate(counts)
            for decided, count in enumerate(row)
        ]
        return Outcome(points)


@dataclass(frozen=True)
class CompareGradients(Task):
    """Compare the gradients of a system's tasks for its encoder, over some training batches.

    The points are the norm of each ``task``, and the cosine of each with each ``other``.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("task", "other")

    trained: Trained
    seed: int
    batches: int

    def run(self, work: Work) -> Outcome:
        """Compare."""
        training = self.trained.training
        model = training.model(self.trained.parameters(work), work.device)
        tasks = training.system.weights.positive()
        norms = {task: Mean() for task in tasks}
        cosines = {pair: Mean() for pair in itertools.combinations(tasks, 2)}
        chosen = _load(training.images).train.first(self.batches * training.batch)
        parts = (part.split(training.batch) for part in (chosen.images, chosen.labels))
        for step, (images, labels) in enumerate(zip(*parts, strict=True)):
            batch = images.to(work.device), labels.to(work.device)
            generator = step_generator(self.seed, "gradients/semantic", step, work.device)
            losses = task_losses(model, training.system.link(), batch, tasks, generator)
            gradients = encoder_gradients(model, losses)
            for task, norm in norms.items():
                norm.update(gradients[task].norm().cpu())
            for (a, b), cosine in cosines.items():
                cosine.update(torch.cosine_similarity(gradients[a], gradients[b], dim=0).cpu())
        points = [
            Point({"cosine": cosine.estimate()}, {"task": a, "other": b})
            for (a, b), cosine in cosines.items()
        ]
        points += [Point({"norm": norm.estimate()}, {"task": task}) for task, norm in norms.items()]
        return Outcome(points)


@dataclass(frozen=True)
class FindComponents(Task):
    """Find as many principal components of the first training images."""

    images: Images
    count: int
    size: int

    def run(self, work: Work) -> Outcome:
        """Find; the outcome's tensors are those of the components, and their total variance."""
        found = vars(principal_components(_load(self.images).train.first(self.count), self.size))
        total = torch.tensor(found["total_variance"], dtype=torch.float64)
        return Outcome(tensors={**found, "total_variance": total})


@dataclass(frozen=True)
class MeasureLinear(Task):
    """Measure principal components as a code, by a receiver that knows the gain.

    Attributes:
        components: At least as many as the code has dimensions.
        size: Code size n.
        snr_db: SNR at the receiver, for which the power is shared out [dB].
        fading: Channel.
        seed: Seed of the realizations, those that the learned systems meet.
    """

    components: FindComponents
    size: int
    snr_db: float
    fading: Fading
    seed: int

    @torch.no_grad()
    def run(self, work: Work) -> Outcome:
        """Measure."""
        found: Any = dict(work.outcome(self.components).tensors)
        images, total = self.components.images, float(found.pop("total_variance"))
        components = PrincipalComponents(**found, total_variance=total)
        code, channel = (
            components.code(self.size, self.snr_db),
            CodeChannel(self.snr_db, self.fading),
        )
        mse = Mean()
        for step, raw in enumerate(_load(images).test.images.split(images.block)):
            pixels, generator = scaled_pixels(raw), step_generator(self.seed, "test/semantic", step)
            sent = code.encode(pixels)
            realization = channel.draw(len(sent), sent.shape[1], generator)
            error = code.reconstruct(channel(sent, realization), channel, realization) - pixels
            mse.update(error.square().mean((1, 2, 3)))
        return Outcome([Point({"mse": mse.estimate(), "psnr_db": psnr_db(mse.estimate())})])

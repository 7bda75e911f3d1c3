"""The independent pieces of P4's sweeps: train a system and measure it, or measure a linear code.

Each function is a task of a :class:`~isaclib.experiments.series.sweep.Sweep`: JSON data in and out.
"""

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from isaclib._files import write_atomically
from isaclib._progress import share
from isaclib.channels.codes import CodeChannel
from isaclib.data.images import ImageData
from isaclib.experiments.p4.config import Images, Point, Training
from isaclib.experiments.series.assembly import WEIGHTS, with_tuples
from isaclib.experiments.series.results import save_weights
from isaclib.metrics import Estimate, Mean, psnr_db
from isaclib.receivers.linear_codes import LinearCode, principal_components
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import SemanticPerformance, measure_semantic
from isaclib.systems.semantic.model import (
    Layers,
    Semantic,
    TaskName,
    scaled_pixels,
    seeded_semantic,
)
from isaclib.systems.semantic.training import (
    SemanticPlan,
    TaskWeights,
    encoder_gradients,
    task_losses,
    train_semantic,
)

Record = dict[str, dict[str, float]]

METRICS = {
    "mse": "1",
    "psnr_db": "dB",
    "sensing": "1",
    "p_d": "1",
    "p_fa": "1",
    "animal": "1",
    "label": "1",
}
"""Measured quantities of a system, with their units."""


def performance_record(performance: SemanticPerformance) -> Record:
    """Performance as JSON data."""
    return {metric: asdict(getattr(performance, metric)) for metric in METRICS}


def point_from(data: Mapping[str, Any]) -> Point:
    """Read a point from JSON data, the inverse of :func:`dataclasses.asdict`."""
    afterwards = data["afterwards"]
    return Point(
        **{
            **data,
            "layers": Layers(**with_tuples(data["layers"])),
            "weights": TaskWeights(**data["weights"]),
            "afterwards": None if afterwards is None else TaskWeights(**afterwards),
        }
    )


class _Bench:
    """What one task trains and measures, and on which images.

    Args:
        payload: ``images``, ``training`` and ``point`` as in :mod:`~.p4_config`, ``repetition``,
            which seeds initial parameters and training, ``seed`` of the measurements, ``device``.
    """

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self.images = Images(**payload["images"])
        self.training = Training(**payload["training"])
        self.point = point_from(payload["point"])
        self.repetition, self.seed = payload["repetition"], payload["seed"]
        self.device = payload["device"]
        self.data: ImageData = self.images.load()
        self.link = self.point.link()

    def model(self) -> Semantic:
        """The untrained system."""
        point = self.point
        return seeded_semantic(
            point.size,
            point.ranges,
            seed=self.repetition,
            known=point.known,
            layers=point.layers,
        ).to(self.device)

    def train(self, model: Semantic, plan: SemanticPlan, directory: Path) -> None:
        """Train a system, or go on with it."""
        train_semantic(
            model,
            self.link,
            self.data.train,
            plan,
            directory,
            seed=self.repetition,
            device=self.device,
        )
        model.to(self.device)

    def measure(self, model: Semantic) -> SemanticPerformance:
        """Measure a system on the test images."""
        return measure_semantic(
            model,
            self.link,
            self.data.test,
            seed=self.seed,
            block=self.images.block,
            device=self.device,
        )

    def gradients(self, model: Semantic, tasks: Sequence[TaskName]) -> Record:
        """Compare the gradients of tasks for the encoder, over some training batches.

        Returns:
            For each pair ``a~b`` of tasks the mean cosine between their gradients, and for each
            task ``norm/a`` the mean norm, with intervals.
        """
        found: dict[str, Mean] = {f"{a}~{b}": Mean() for a, b in itertools.combinations(tasks, 2)}
        norms = {task: Mean() for task in tasks}
        count = self.training.gradient_batches
        batches = self.data.train.first(count * self.training.batch)
        for step, (images, labels) in enumerate(
            zip(
                batches.images.split(self.training.batch),
                batches.labels.split(self.training.batch),
                strict=True,
            )
        ):
            generator = step_generator(self.seed, "gradients/semantic", step, self.device)
            batch = images.to(self.device), labels.to(self.device)
            gradients = encoder_gradients(
                model, task_losses(model, self.link, batch, tasks, generator)
            )
            for task, gradient in gradients.items():
                norms[task].update(gradient.norm().cpu())
            for a, b in itertools.combinations(tasks, 2):
                cosine = torch.cosine_similarity(gradients[a], gradients[b], dim=0)
                found[f"{a}~{b}"].update(cosine.cpu())
        found |= {f"norm/{task}": norm for task, norm in norms.items()}
        return {name: asdict(metric.estimate()) for name, metric in found.items()}


def as_stored(model: Semantic) -> Semantic:
    """A system with the parameters that a file of half the size can hold.

    Systems are measured like this, so that stored weights give the stored numbers.
    """
    stored = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in stored.parameters():
            parameter.copy_(parameter.half())
    return stored


def train_and_measure(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Train one system, and measure it after some epochs and at the end.

    Returns:
        ``records`` and ``gradients``, one a stop; the confusion matrices at the end, ``sensing``
        and ``label``; ``afterwards``, the record after the decoders were trained for the encoder
        as it is, or None; and ``notes`` on the images.
    """
    bench, stops = _Bench(payload), payload["stops"]
    point, model, last = bench.point, bench.model(), payload["stops"][-1]
    tasks = point.weights.positive()
    whole = 1.0 if point.afterwards is None else 0.6
    early: list[dict[str, Any]] = []
    for before, stop in itertools.pairwise([0, *stops]):
        file = directory / f"after-{stop}.json"
        if stop != last and file.exists():
            early.append(json.loads(file.read_text()))
            continue
        with share(whole * before / last, whole * stop / last):
            bench.train(model, point.plan(bench.training, stop), directory)
        performance = bench.measure(as_stored(model))
        found = {
            "record": performance_record(performance),
            "gradients": bench.gradients(model, tasks),
        }
        write_atomically(file, json.dumps(found).encode())
        early.append(found)
    save_weights(directory / WEIGHTS, {k: v.half() for k, v in model.state_dict().items()})
    afterwards = None
    if point.afterwards is not None:
        plan = replace(point.plan(bench.training, last), weights=point.afterwards, encoder=False)
        with share(whole, 1.0):
            bench.train(model, plan, directory / "afterwards")
        afterwards = performance_record(bench.measure(as_stored(model)))
    return {
        "records": [found["record"] for found in early],
        "gradients": [found["gradients"] for found in early],
        "sensing": performance.sensing_confusion,
        "label": performance.label_confusion,
        "afterwards": afterwards,
        "notes": bench.data.origin.notes(),
    }


@torch.no_grad()
def measure_linear(payload: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Measure principal components as a code, by a receiver that knows the gain."""
    images = Images(**payload["images"])
    data = images.load()
    largest = max(size for size, _, _ in payload["points"])
    components = principal_components(data.train.first(payload["linear_images"]), largest)
    return {
        "records": [
            _linear_record(
                components.code(size, snr_db),
                CodeChannel(snr_db, fading),
                data,
                images.block,
                payload["seed"],
            )
            for size, snr_db, fading in payload["points"]
        ]
    }


def _linear_record(
    code: LinearCode, channel: CodeChannel, data: ImageData, block: int, seed: int
) -> Record:
    """Error of a linear code, over the realizations that the learned systems meet."""
    mse = Mean()
    for step, raw in enumerate(data.test.images.split(block)):
        pixels = scaled_pixels(raw)
        sent = code.encode(pixels)
        batch, symbols = sent.shape
        realization = channel.draw(batch, symbols, step_generator(seed, "test/semantic", step))
        error = code.reconstruct(channel(sent, realization), channel, realization) - pixels
        mse.update(error.square().mean((1, 2, 3)))
    found: Estimate = mse.estimate()
    return {"mse": asdict(found), "psnr_db": asdict(psnr_db(found))}

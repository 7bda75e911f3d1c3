"""Payloads of P4's tasks that take a fraction of a second, and what should come of them."""

from dataclasses import asdict

from isaclib.data.images import synthetic_images
from isaclib.experiments.p4.config import Images, Point, Training
from isaclib.experiments.p4.tasks import performance_record
from isaclib.experiments.series.assembly import WEIGHTS
from isaclib.experiments.series.results import load_weights
from isaclib.learning.networks import load_parameters
from isaclib.systems.semantic.link import measure_semantic
from isaclib.systems.semantic.model import Layers, Semantic, seeded_semantic
from isaclib.systems.semantic.training import TaskWeights

IMAGES = Images("synthetic", 60, 40, 20)
TRAINING = Training(epochs=2, early=1, batch=20, learning_rate=0.003, gradient_batches=2)
POINT = Point(
    size=6,
    ranges=2,
    fading="rayleigh",
    weights=TaskWeights(0.4, 0.3, 0.2, 0.1),
    layers=Layers((2, 3, 4), 8, (4,), (4,)),
)
DATA = synthetic_images(60, 40)
SEED, REPETITION = 3, 2


def a_system(point=POINT, **changes):
    return {
        "images": asdict(IMAGES),
        "training": asdict(TRAINING),
        "point": asdict(point),
        "stops": [1, 2],
        "repetition": REPETITION,
        "seed": SEED,
        "device": "cpu",
        **changes,
    }


def some_codes(points, **changes):
    return {
        "images": asdict(IMAGES),
        "linear_images": 50,
        "points": points,
        "seed": SEED,
        **changes,
    }


def untrained(point=POINT):
    return seeded_semantic(
        point.size, point.ranges, seed=REPETITION, known=point.known, layers=point.layers
    )


def stored_system(folder, point=POINT):
    """The system that a task left in its folder."""
    model = Semantic(point.size, point.ranges, known=point.known, layers=point.layers)
    load_parameters(model, load_weights(folder / WEIGHTS))
    return model


def measured(model, point=POINT, seed=SEED):
    """Performance of a system from the measurement alone."""
    return measure_semantic(model, point.link(), DATA.test, seed=seed, block=IMAGES.block)


def record(model, point=POINT):
    return performance_record(measured(model, point))

"""Tasks of P4 that take a fraction of a second, and what should come of them."""

from dataclasses import replace

from isaclib.data.images import synthetic_images
from isaclib.experiments.engine.cache import Cache, execute
from isaclib.experiments.p4.config import Images, System
from isaclib.experiments.p4.tasks import Measure, RoundSystem, Trained, TrainSystem
from isaclib.learning.networks import seeded
from isaclib.systems.semantic.link import measure_semantic
from isaclib.systems.semantic.model import Layers, Semantic
from isaclib.systems.semantic.training import SemanticPlan, TaskWeights, train_semantic

IMAGES = Images("synthetic", 60, 40, 20)
SYSTEM = System(
    size=6,
    ranges=2,
    fading="rayleigh",
    weights=TaskWeights(0.4, 0.3, 0.2, 0.1),
    layers=Layers((2, 3, 4), 8, (4,), (4,)),
)
DATA = synthetic_images(60, 40)
SEED, REPETITION = 3, 2


def a_training(system=SYSTEM, **changes):
    options = {"images": IMAGES, "batch": 20, "learning_rate": 0.003, "seed": REPETITION}
    return TrainSystem(**{**options, "system": system, "marks": (1, 2), **changes})


def outcome(task, folder):
    """What a task gives; its cache is in the folder."""
    return execute(task, Cache(folder.resolve(), "cpu")).outcome


def at_the_end(training):
    return RoundSystem(Trained(training, training.marks[-1]))


def values(task, folder):
    """The measured values of a task's only point."""
    (point,) = outcome(task, folder).points
    return point.values


def measured(system, folder, seed=SEED):
    return values(Measure(system, seed), folder)


def untrained(system=SYSTEM):
    return seeded(
        Semantic,
        system.size,
        system.ranges,
        seed=REPETITION,
        known=system.known,
        layers=system.layers,
    )


def trained(folder, system=SYSTEM, epochs=2, model=None, **options):
    """A system by the training module alone."""
    model = model or untrained(system)
    plan = SemanticPlan(epochs, 20, 0.003, system.weights, system.reconstruction_scale)
    plan = replace(plan, **options)
    train_semantic(model, system.link(), DATA.train, plan, folder, seed=REPETITION)
    return model


def performance(model, system=SYSTEM):
    """Performance of a system from the measurement alone."""
    return measure_semantic(model, system.link(), DATA.test, seed=SEED, block=IMAGES.block)

"""P4, "Joint Sensing and Semantic Communications": the rows and panels of its figures.

What a row is of, its coordinate ``measured`` says: the ``performance`` of a trained system, that
with its decoders trained ``afterwards``, that of ``principal components``, the ``gradients`` of its
tasks, or the ``confusion`` of their labels. Figures share their default system: whichever is run
later takes its points from the stored results of the others.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from isaclib.experiments.engine.panels import Drawing
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At, Scalar
from isaclib.experiments.p4.config import (
    CHOICES_PRESETS,
    FADINGS,
    SEMANTIC_PRESETS,
    SWEEPS_PRESETS,
    WEIGHTS_PRESETS,
    Base,
    ChoicesConfig,
    SemanticConfig,
    SweepsConfig,
    System,
    WeightsConfig,
)
from isaclib.experiments.p4.panels import (
    choices_panels,
    semantic_panels,
    sweeps_panels,
    weights_panels,
)
from isaclib.experiments.p4.tasks import (
    CompareGradients,
    Confuse,
    FindComponents,
    Labels,
    Measure,
    MeasureLinear,
    RoundSystem,
    Trained,
    TrainSystem,
)

UNITS = {
    "mse": "1",
    "psnr_db": "dB",
    "sensing": "1",
    "p_d": "1",
    "p_fa": "1",
    "animal": "1",
    "label": "1",
    "norm": "1",
    "cosine": "1",
    "images": "1",
}
"""Measured quantities, with their units."""


def final_rows(result: Result, fading: str, **at: Scalar) -> Table:
    """Stored performance over one channel at the end of the training."""
    rows = result.where(measured="performance", fading=fading, **at)
    return rows.where(epochs=result.config["training"]["epochs"])


# Rows that figures share


def training(c: Base, system: System, seed: int, longer: int = 1) -> TrainSystem:
    """Training of a system."""
    batch, rate = c.training.batch, c.training.learning_rate
    return TrainSystem(c.images, system, batch, rate, seed, marks=c.training.marks(longer))


def final(c: Base, system: System, seed: int) -> RoundSystem:
    """A system at the end of its training."""
    return RoundSystem(Trained(training(c, system, seed), c.training.epochs))


def performance(at: At, trained: TrainSystem, seed: int) -> Iterator[Row]:
    """A system over the epochs of its training."""
    for epochs in trained.marks:
        measure = Measure(RoundSystem(Trained(trained, epochs)), seed)
        yield Row({"measured": "performance", **at, "epochs": epochs}, measure)


def gradients(c: Base, at: At, system: System, seed: int) -> Iterator[Row]:
    """Gradients of a system's tasks over the epochs of its training."""
    trained, batches = training(c, system, seed), c.training.gradient_batches
    for epochs in trained.marks:
        compare = CompareGradients(Trained(trained, epochs), seed, batches)
        yield Row({"measured": "gradients", **at, "epochs": epochs}, compare)


def confusion(c: Base, at: At, system: System, seed: int, labels: Labels = "sensing") -> Row:
    """Labels that a system decides for at the end of its training."""
    return Row({"measured": "confusion", **at}, Confuse(final(c, system, seed), seed, labels))


# Fig. 4


def weights_rows(c: WeightsConfig, seed: int) -> Iterator[Row]:
    """Reconstruction and sensing over the weight of the sensing loss.

    At the ends only one decoder is trained. What the codes carry for the other task is measured
    with its decoder trained afterwards, for the encoder as it is.
    """
    for fading in FADINGS:
        default = replace(c.point, fading=fading)
        for weight in c.sensing_weights:
            at: At = {"fading": fading, "sensing_weight": weight}
            system, end = default.weighted(weight), c.training.epochs
            own = training(c, system, seed)
            yield from performance({**at, "repetition": 0}, own, seed)
            yield from gradients(c, at, system, seed)
            if weight in (0, 1):
                other: dict[str, Any] = {"system": default.weighted(1 - weight), "marks": (end,)}
                after = replace(own, start=Trained(own, end), encoder=False, **other)
                measure = Measure(RoundSystem(Trained(after, end)), seed)
                yield Row({"measured": "afterwards", **at}, measure)
        for n in range(1, c.repetitions):
            at = {"fading": fading, "sensing_weight": default.weights.sensing, "repetition": n}
            yield from performance(at, training(c, default, seed + n), seed)
        yield confusion(c, {"fading": fading}, default, seed)


def weights_trained(c: WeightsConfig, seed: int) -> Iterator[Row]:
    """The default system over both channels."""
    for fading in FADINGS:
        yield Row({"fading": fading}, final(c, replace(c.point, fading=fading), seed))


# Fig. 5

KEPT: dict[str, float] = {"communication_snr_db": -9.0, "size": 4}
"""Of these sweeps, systems over AWGN whose parameters are stored for the chapter."""


def sweeps_rows(c: SweepsConfig, seed: int) -> Iterator[Row]:
    """Reconstruction and sensing over both SNRs, the size and the ranges, one at a time."""
    for fading, (parameter, values) in product(FADINGS, c.sweeps().items()):
        for value in values:
            own: dict[str, Any] = {"fading": fading, parameter: value}
            system = replace(c.point, **own)
            yield from performance({"varied": parameter, **own}, training(c, system, seed), seed)
            if parameter == "ranges" and value != c.point.ranges:
                yield confusion(c, own, system, seed)
    components = FindComponents(c.images, c.linear_images, max(c.sizes))
    codes = {(c.point.size, snr) for snr in c.communication_snrs_db}
    codes |= {(size, c.point.communication_snr_db) for size in c.sizes}
    for fading, (size, snr) in product(FADINGS, sorted(codes)):
        at: At = {"fading": fading, "size": size, "communication_snr_db": snr}
        measure = MeasureLinear(components, size, snr, fading, seed)
        yield Row({"measured": "principal components", **at}, measure)


def sweeps_trained(c: SweepsConfig, seed: int) -> Iterator[Row]:
    """Systems with a low SNR and a small code."""
    for parameter, value in KEPT.items():
        own: dict[str, Any] = {"fading": "awgn", parameter: value}
        yield Row(own, final(c, replace(c.point, **own), seed))


# Fig. 6 and the choices


def semantic_rows(c: SemanticConfig, seed: int) -> Iterator[Row]:
    """Three tasks over the SNR, the same in both channels."""
    for fading in FADINGS:
        default, at = replace(c.point, fading=fading), {"fading": fading}
        for snr in c.snrs_db:
            system = replace(default, communication_snr_db=snr, sensing_snr_db=snr)
            place: At = {**at, "snr_db": snr}
            yield from performance({**place, "repetition": 0}, training(c, system, seed), seed)
            yield from gradients(c, place, system, seed)
        for n in range(1, c.repetitions):
            place = {**at, "snr_db": default.communication_snr_db, "repetition": n}
            yield from performance(place, training(c, default, seed + n), seed)


def choices_rows(c: ChoicesConfig, seed: int) -> Iterator[Row]:
    """The default system under the choices that the paper leaves open."""
    for choice, fading in product(c.choices(), FADINGS):
        system = replace(choice.system, fading=fading)
        if system.ways == "reciprocal" and fading == "awgn":
            continue  # without fading there is only one way
        at: At = {"tasks": choice.tasks, "choice": choice.name, "fading": fading}
        yield from performance(at, training(c, system, seed, choice.longer), seed)
        if choice.name == "ten classes":
            yield from gradients(c, at, system, seed)
            yield confusion(c, at, system, seed, "label")


FIG4 = FigureSpec(
    "p4-fig4",
    "Reconstruction loss and sensing accuracy over the weight of the sensing task",
    WEIGHTS_PRESETS,
    weights_rows,
    UNITS,
    Drawing(weights_panels),
    weights_trained,
)
FIG5 = FigureSpec(
    "p4-fig5",
    "The same over both SNRs, the encoder's output size and the number of ranges",
    SWEEPS_PRESETS,
    sweeps_rows,
    UNITS,
    Drawing(sweeps_panels, height=2.5),
    sweeps_trained,
    builds_on=(FIG4.id,),
)
FIG6 = FigureSpec(
    "p4-fig6",
    "Three tasks over the SNR: reconstruction, sensing, and animal or not",
    SEMANTIC_PRESETS,
    semantic_rows,
    UNITS,
    Drawing(semantic_panels),
)
CHOICES = FigureSpec(
    "p4-choices",
    "The default point under the choices that the paper leaves open",
    CHOICES_PRESETS,
    choices_rows,
    UNITS,
    Drawing(choices_panels, height=3.8),
    builds_on=(FIG4.id, FIG5.id, FIG6.id),
)
FIGURES = (FIG4, FIG5, FIG6, CHOICES)

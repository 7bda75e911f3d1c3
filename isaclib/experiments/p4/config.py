"""Parameters of P4 Sec. III as frozen dataclasses, and the presets of its figures.

What the paper leaves open (sizes of the networks, number of epochs, the scale of the losses, what
the receivers know) has its defaults here; ``p4-choices`` shows what each of them changes.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from isaclib.channels.codes import CodeChannel, EchoChannel, Fading, Ways
from isaclib.data.images import ImageData, load_cifar10, synthetic_images
from isaclib.systems.semantic.link import Link
from isaclib.systems.semantic.model import Layers
from isaclib.systems.semantic.training import SemanticPlan, TaskWeights

FADINGS: tuple[Fading, ...] = ("awgn", "rayleigh")
"""Both channels of P4 Sec. II."""

TWO_TASKS = TaskWeights(1 / 2, 1 / 2)
THREE_TASKS = TaskWeights(1 / 3, 1 / 3, 1 / 3)
"""Default weights of P4 Sec. III."""
TEN_CLASSES = TaskWeights(1 / 3, 1 / 3, 0.0, 1 / 3)
"""The same with the ten classes in the place of animal or not."""

PIXEL_SCALE = 16.0
"""One over the variance of CIFAR-10's pixels, 0.062: the scale of the reconstruction loss at which
all losses begin at about one."""


@dataclass(frozen=True)
class Images:
    """Which images are sent.

    Attributes:
        source: CIFAR-10, or the synthetic images that the code makes.
        train: Number of training images, the first of the set.
        test: Number of test images, the first of the set.
        block: Test images that are sent at a time.
    """

    source: Literal["cifar10", "synthetic"] = "cifar10"
    train: int = 50_000
    test: int = 10_000
    block: int = 1000

    def load(self) -> ImageData:
        """Read or make the images.

        Returns:
            Training and test images, so many as asked for.

        Raises:
            DataError: If CIFAR-10 is asked for and not there, incomplete or damaged.
            ValueError: If there are fewer images than asked for.
        """
        if self.source == "synthetic":
            return synthetic_images(self.train, self.test)
        data = load_cifar10()
        return replace(data, train=data.train.first(self.train), test=data.test.first(self.test))


@dataclass(frozen=True)
class Training:
    """How every system is trained.

    Attributes:
        epochs: How often every training image is used.
        early: Epochs after which systems are measured for the first time: what does not change
            from there to the end does not hang on the number of epochs.
        batch: Images a step.
        learning_rate: Adam's step size.
        gradient_batches: Training batches that the gradients of the tasks are compared on.
    """

    epochs: int = 100
    early: int = 50
    batch: int = 250
    learning_rate: float = 1e-3
    gradient_batches: int = 10


@dataclass(frozen=True)
class Point:
    """One system and its channels; the defaults are those of P4 Sec. III.

    Attributes:
        communication_snr_db: SNR at the receiver [dB].
        sensing_snr_db: SNR of the echo of a target in the nearest range [dB].
        size: Encoder output size n.
        ranges: Number of potential target ranges R.
        range_step_db: SNR that each range further away costs [dB].
        fading: AWGN, or Rayleigh fading on every way.
        ways: Whether the ways to the target and back fade independently.
        known: Whether the receivers know the realization of their channel.
        weights: Weight of each task's loss.
        reconstruction_scale: Factor of the mean squared error before it is weighted.
        layers: Sizes of the networks.
        afterwards: Weights with which the decoders alone are trained afterwards, for the codes of
            the encoder that was trained before; None for no such training.
    """

    communication_snr_db: float = 3.0
    sensing_snr_db: float = 3.0
    size: int = 20
    ranges: int = 1
    range_step_db: float = 3.0
    fading: Fading = "awgn"
    ways: Ways = "independent"
    known: bool = False
    weights: TaskWeights = TWO_TASKS
    reconstruction_scale: float = PIXEL_SCALE
    layers: Layers = field(default_factory=Layers)
    afterwards: TaskWeights | None = None

    def link(self) -> Link:
        """Both channels of this point."""
        return Link(
            CodeChannel(self.communication_snr_db, self.fading),
            EchoChannel(
                self.sensing_snr_db,
                self.fading,
                ranges=self.ranges,
                range_step_db=self.range_step_db,
                ways=self.ways,
            ),
        )

    def plan(self, training: Training, epochs: int) -> SemanticPlan:
        """Training of this point.

        Args:
            training: Batch and step size.
            epochs: How long.
        """
        return SemanticPlan(
            epochs,
            training.batch,
            training.learning_rate,
            self.weights,
            self.reconstruction_scale,
        )


@dataclass(frozen=True)
class Base:
    """What the figures of a preset have in common, so that they share the default point.

    Attributes:
        images: Which images are sent.
        training: How systems are trained.
        point: Default point of the figure.
    """

    images: Images = Images()
    training: Training = Training()
    point: Point = Point()


@dataclass(frozen=True)
class WeightsConfig(Base):
    """Configuration of Fig. 4.

    Attributes:
        sensing_weights: Weight of the sensing loss; that of the reconstruction is one less this.
            16/17 with the losses scaled alike is 1/2 with the plain mean squared error.
        repetitions: Trainings of the default point from different seeds.
    """

    sensing_weights: tuple[float, ...] = (0.0, 0.05, 0.25, 0.5, 0.75, 16 / 17, 0.99, 1.0)
    repetitions: int = 5


@dataclass(frozen=True)
class SweepsConfig(Base):
    """Configuration of Fig. 5: one parameter is varied at a time.

    Attributes:
        communication_snrs_db: SNRs at the receiver [dB].
        sensing_snrs_db: SNRs of the echo [dB].
        sizes: Encoder output sizes n.
        ranges: Numbers of potential target ranges R.
        linear_images: Training images that the principal components are found from.
        stored: Systems whose weights are kept for the chapter, by their series and value.
    """

    communication_snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    sensing_snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    sizes: tuple[int, ...] = (2, 4, 10, 20, 30, 40)
    ranges: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    linear_images: int = 10_000
    stored: tuple[tuple[str, float], ...] = (
        ("communication_snr_db/awgn", -9.0),
        ("size/awgn", 4),
    )


@dataclass(frozen=True)
class SemanticConfig(Base):
    """Configuration of Fig. 6, with three tasks.

    Attributes:
        snrs_db: SNRs of both channels, which are varied together as the figure's caption says [dB].
        repetitions: Trainings of the default point from different seeds.
    """

    point: Point = Point(weights=THREE_TASKS)
    snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    repetitions: int = 5


@dataclass(frozen=True)
class ChoicesConfig(Base):
    """Configuration of the comparison of what the paper leaves open.

    Attributes:
        other_layers: Other sizes of the networks.
        other_step_db: Another loss of SNR a range [dB].
        step_ranges: Number of ranges at which it is tried, one of those of Fig. 5.
        longer: Factor of the number of epochs for the points that are trained longer.
    """

    other_layers: Layers = field(default_factory=lambda: Layers((32, 64, 128), 512))
    other_step_db: float = 6.0
    step_ranges: int = 4
    longer: int = 3


_SMOKE_IMAGES = Images("synthetic", 200, 100, 50)
_SMOKE_TRAINING = Training(epochs=2, early=1, batch=50, gradient_batches=2)
_SMOKE_LAYERS = Layers((2, 4, 4), 16, (8,), (8,))
# The paper states neither sizes nor epochs. Two cores have time for small networks and few epochs.
_DESK_TRAINING = Training(epochs=12, early=6)
_DESK_LAYERS = Layers((8, 16, 32), 128)
_DESK_SNRS_DB = (-9.0, -5.0, -1.0, 3.0, 7.0, 11.0)

WEIGHTS_PRESETS: dict[str, WeightsConfig] = {
    "smoke": WeightsConfig(
        images=_SMOKE_IMAGES,
        training=_SMOKE_TRAINING,
        point=Point(layers=_SMOKE_LAYERS),
        sensing_weights=(0.0, 0.5, 16 / 17, 1.0),
        repetitions=2,
    ),
    "desk": WeightsConfig(
        training=_DESK_TRAINING,
        point=Point(layers=_DESK_LAYERS),
        sensing_weights=(0.0, 0.05, 0.25, 0.5, 0.75, 16 / 17, 1.0),
        repetitions=3,
    ),
    "paper": WeightsConfig(),
}
SWEEPS_PRESETS: dict[str, SweepsConfig] = {
    "smoke": SweepsConfig(
        images=_SMOKE_IMAGES,
        training=_SMOKE_TRAINING,
        point=Point(layers=_SMOKE_LAYERS),
        communication_snrs_db=(-9.0, 3.0),
        sensing_snrs_db=(-9.0, 3.0),
        sizes=(4, 20),
        ranges=(1, 3),
        linear_images=100,
    ),
    "desk": SweepsConfig(
        training=_DESK_TRAINING,
        point=Point(layers=_DESK_LAYERS),
        communication_snrs_db=_DESK_SNRS_DB,
        sensing_snrs_db=_DESK_SNRS_DB,
        sizes=(2, 4, 10, 20, 40),
        ranges=(1, 2, 3, 4, 6),
    ),
    "paper": SweepsConfig(),
}
SEMANTIC_PRESETS: dict[str, SemanticConfig] = {
    "smoke": SemanticConfig(
        images=_SMOKE_IMAGES,
        training=_SMOKE_TRAINING,
        point=Point(weights=THREE_TASKS, layers=_SMOKE_LAYERS),
        snrs_db=(-9.0, 3.0),
        repetitions=2,
    ),
    "desk": SemanticConfig(
        training=_DESK_TRAINING,
        point=Point(weights=THREE_TASKS, layers=_DESK_LAYERS),
        snrs_db=_DESK_SNRS_DB,
        repetitions=2,
    ),
    "paper": SemanticConfig(),
}
CHOICES_PRESETS: dict[str, ChoicesConfig] = {
    "smoke": ChoicesConfig(
        images=_SMOKE_IMAGES,
        training=_SMOKE_TRAINING,
        point=Point(layers=_SMOKE_LAYERS),
        other_layers=Layers((4, 4, 4), 20, (8,), (8,)),
        step_ranges=3,
        longer=2,
    ),
    "desk": ChoicesConfig(
        training=_DESK_TRAINING,
        point=Point(layers=_DESK_LAYERS),
        other_layers=Layers((16, 32, 64), 256),
    ),
    "paper": ChoicesConfig(),
}

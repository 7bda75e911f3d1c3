"""Parameters of P4 Sec. III as frozen dataclasses, and the presets of its figures.

What the paper leaves open (sizes of the networks, number of epochs, the scale of the losses, what
the receivers know) has its defaults here; ``p4-choices`` shows what each of them changes.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from isaclib.channels.codes import CodeChannel, EchoChannel, Fading, Ways
from isaclib.data.images import ImageData, load_cifar10, synthetic_images
from isaclib.systems.semantic.link import Link
from isaclib.systems.semantic.model import Layers
from isaclib.systems.semantic.training import TaskWeights

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
LITERAL = 16 / 17
"""Sensing weight at which the scaled losses are, up to a common factor, the plain mean squared
error and the cross-entropy with 1/2 each."""


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

        Raises:
            DataError: CIFAR-10 is asked for and not there, incomplete or damaged.
            ValueError: There are fewer images than asked for.
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

    def marks(self, longer: int = 1) -> tuple[int, ...]:
        """Epochs after which a system is measured that is trained ``longer`` times as long."""
        return (self.early, *(self.epochs * k for k in range(1, longer + 1)))


@dataclass(frozen=True)
class System:
    """A system and its channels; the defaults are those of P4 Sec. III.

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

    def weighted(self, sensing: float) -> "System":
        """This system with a weight of the sensing loss; that of reconstruction is the rest."""
        return replace(self, weights=TaskWeights(1 - sensing, sensing))

    def link(self) -> Link:
        """Both channels of this system."""
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


@dataclass(frozen=True)
class Base:
    """What the figures of a preset have in common, so that they share the default system.

    Attributes:
        images: Which images are sent.
        training: How systems are trained.
        point: Default system of the figure.
    """

    images: Images = Images()
    training: Training = Training()
    point: System = System()


@dataclass(frozen=True)
class WeightsConfig(Base):
    """Configuration of Fig. 4.

    Attributes:
        sensing_weights: Weight of the sensing loss; that of the reconstruction is one less this.
            16/17 with the losses scaled alike is 1/2 with the plain mean squared error.
        repetitions: Trainings of the default system from different seeds.
    """

    sensing_weights: tuple[float, ...] = (0.0, 0.05, 0.25, 0.5, 0.75, LITERAL, 0.99, 1.0)
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
    """

    communication_snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    sensing_snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    sizes: tuple[int, ...] = (2, 4, 10, 20, 30, 40)
    ranges: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    linear_images: int = 10_000

    def sweeps(self) -> dict[str, tuple[float, ...]]:
        """Values of each parameter that is varied."""
        return {
            "communication_snr_db": self.communication_snrs_db,
            "sensing_snr_db": self.sensing_snrs_db,
            "size": self.sizes,
            "ranges": self.ranges,
        }


@dataclass(frozen=True)
class SemanticConfig(Base):
    """Configuration of Fig. 6, with three tasks.

    Attributes:
        snrs_db: SNRs of both channels, which are varied together as the figure's caption says [dB].
        repetitions: Trainings of the default system from different seeds.
    """

    point: System = System(weights=THREE_TASKS)
    snrs_db: tuple[float, ...] = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0, 12.0)
    repetitions: int = 5


class Choice(NamedTuple):
    """A system that differs from the default in one respect, and how it is called in a drawing."""

    tasks: Literal["two", "three"]
    name: str
    label: str
    system: System
    longer: int = 1


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

    def choices(self) -> list[Choice]:
        """All of them over AWGN, in the order in which they are drawn."""
        two, three = self.point, replace(self.point, weights=THREE_TASKS)
        more = replace(two, ranges=self.step_ranges)
        other = replace(more, range_step_db=self.other_step_db)
        known, plain = "channels known to the receivers", "plain MSE of pixels in [0, 1]"
        longer, way = f"{self.longer} times the epochs", "same way to the target and back"
        layers = f"networks of {', '.join(map(str, self.other_layers.channels))} channels"
        ten = replace(two, weights=TEN_CLASSES)
        return [
            Choice("two", "default", "two tasks", two),
            Choice("two", "longer", longer, two, self.longer),
            Choice("two", "known", known, replace(two, known=True)),
            Choice("two", "plain loss", plain, two.weighted(LITERAL)),
            Choice("two", "layers", layers, replace(two, layers=self.other_layers)),
            Choice("two", "same way", way, replace(two, ways="reciprocal")),
            Choice("three", "default", "three tasks", three),
            Choice("three", "longer", longer, three, self.longer),
            Choice("three", "known", known, replace(three, known=True)),
            Choice("three", "plain loss", plain, replace(three, reconstruction_scale=1.0)),
            Choice("three", "ten classes", "ten classes as the third task", ten),
            *(
                Choice("two", name, f"{s.ranges} ranges, {s.range_step_db:g} dB apart", s)
                for name, s in (("ranges", more), ("range step", other))
            ),
        ]


_SMOKE_IMAGES = Images("synthetic", 200, 100, 50)
_SMOKE_TRAINING = Training(epochs=2, early=1, batch=50, gradient_batches=2)
_SMOKE_LAYERS = Layers((2, 4, 4), 16, (8,), (8,))
# The paper states neither sizes nor epochs. Two cores have time for small networks and few epochs.
_DESK_TRAINING = Training(epochs=12, early=6)
_DESK_LAYERS = Layers((8, 16, 32), 128)
_DESK_SNRS_DB = (-9.0, -5.0, -1.0, 3.0, 7.0, 11.0)

_SMOKE = Base(_SMOKE_IMAGES, _SMOKE_TRAINING, System(layers=_SMOKE_LAYERS))
_DESK = Base(training=_DESK_TRAINING, point=System(layers=_DESK_LAYERS))

WEIGHTS_PRESETS = {
    "smoke": WeightsConfig(**vars(_SMOKE), sensing_weights=(0.0, 0.5, LITERAL, 1.0), repetitions=2),
    "desk": WeightsConfig(
        **vars(_DESK),
        sensing_weights=(0.0, 0.05, 0.25, 0.5, 0.75, LITERAL, 1.0),
        repetitions=3,
    ),
    "paper": WeightsConfig(),
}
SWEEPS_PRESETS = {
    "smoke": SweepsConfig(
        **vars(_SMOKE),
        communication_snrs_db=(-9.0, 3.0),
        sensing_snrs_db=(-9.0, 3.0),
        sizes=(4, 20),
        ranges=(1, 3),
        linear_images=100,
    ),
    "desk": SweepsConfig(
        **vars(_DESK),
        communication_snrs_db=_DESK_SNRS_DB,
        sensing_snrs_db=_DESK_SNRS_DB,
        sizes=(2, 4, 10, 20, 40),
        ranges=(1, 2, 3, 4, 6),
    ),
    "paper": SweepsConfig(),
}
SEMANTIC_PRESETS = {
    "smoke": SemanticConfig(
        _SMOKE_IMAGES,
        _SMOKE_TRAINING,
        System(weights=THREE_TASKS, layers=_SMOKE_LAYERS),
        snrs_db=(-9.0, 3.0),
        repetitions=2,
    ),
    "desk": SemanticConfig(
        training=_DESK_TRAINING,
        point=System(weights=THREE_TASKS, layers=_DESK_LAYERS),
        snrs_db=_DESK_SNRS_DB,
        repetitions=2,
    ),
    "paper": SemanticConfig(),
}
CHOICES_PRESETS = {
    "smoke": ChoicesConfig(
        **vars(_SMOKE),
        other_layers=Layers((4, 4, 4), 20, (8,), (8,)),
        step_ranges=3,
        longer=2,
    ),
    "desk": ChoicesConfig(**vars(_DESK), other_layers=Layers((16, 32, 64), 256)),
    "paper": ChoicesConfig(),
}

r"""What P3 trains with, in which order: losses, iterations, learning rates."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from isaclib._validation import (
    check_nonnegative,
    check_one_of,
    check_positive,
    check_positive_int,
    check_probability,
    check_range,
)
from isaclib.signal.sectors import RandomSectors
from isaclib.signal.spacings import wavelength

Loss = Literal["supervised", "unsupervised"]
"""P3 Eq. (20), which needs the targets' positions, or Eq. (21), which does not."""

Order = Literal["SL", "UL", "SL+UL", "UL+SL"]
"""P3's schedules: one loss alone, or first one, then the other."""

CARRIER_HZ = 60e9
"""Carrier frequency of P3, which turns its learning rates from metres into wavelengths."""

SUPERVISED_RATE = 4e-7 / wavelength(CARRIER_HZ)
"""Learning rate of P3 for its supervised loss, 4e-7 m [wavelengths]."""

UNSUPERVISED_RATE = 5e-7 / wavelength(CARRIER_HZ)
"""Learning rate of P3 for its unsupervised loss, 5e-7 m [wavelengths]."""


@dataclass(frozen=True)
class Stage:
    """A part of a training with one loss, P3 Sec. V-A.

    Attributes:
        loss: Which.
        steps: Number of iterations.
        learning_rate: Adam's step size [wavelengths].
        drop_at: Iteration of the stage from which on the step size is multiplied by ``drop``;
            none if not given.
        drop: That factor.
        batch: Samples an iteration.
        p_present: Probability of a target in (0, 1]. Labels are those of targets, so supervised
            batches hold a target each; a radar without labels does not know.
        gate: Samples whose statistic does not exceed this level do not count in the supervised
            loss. The paper's average is over all of them, for zero; but Algorithm 1 estimates a
            position only where it declares a target, and what lies below the threshold is noise
            whose errors are a hundred times those of detected targets.
        transmitter: Whether the gradient reaches the beam through the channel, as end-to-end
            learning in a simulation has it. A radar that learns from echoes it has measured
            cannot differentiate the channel; it learns at the receiver alone.
        sectors: Distribution of the sectors.

    Raises:
        ValueError: If a number is out of range.
    """

    loss: Loss
    steps: int
    learning_rate: float = SUPERVISED_RATE
    drop_at: int | None = None
    drop: float = 0.1
    batch: int = 3000
    p_present: float = 1.0
    gate: float = 0.0
    transmitter: bool = True
    sectors: RandomSectors = field(default_factory=RandomSectors)

    def __post_init__(self) -> None:
        check_one_of("loss", self.loss, get_args(Loss))
        check_positive_int("steps", self.steps)
        check_positive_int("batch", self.batch)
        check_positive("learning_rate", self.learning_rate)
        check_positive("drop", self.drop)
        check_nonnegative("gate", self.gate)
        check_range("p_present", self.p_present, 0, 1)
        check_positive("p_present", self.p_present)

    def factor(self, step: int) -> float:
        """What the learning rate is multiplied by after so many iterations: one, or ``drop``."""
        dropped = self.drop_at is not None and step >= self.drop_at
        return self.drop if dropped else 1.0


def paper_schedule(
    order: Order,
    *,
    steps: int = 85_000,
    labelled_fraction: float = 1000 / 85_000,
    batch: int = 3000,
    drop_at: int = 50_000,
) -> tuple[Stage, ...]:
    """Schedules of P3: 85,000 iterations in all, whatever the order.

    The supervised learning rate falls to a tenth after 50,000 iterations with labels; the
    unsupervised one stays.

    Args:
        order: Which losses, in which order.
        steps: Iterations in all, positive.
        labelled_fraction: Share of iterations with labels in (0, 1), where there are both losses.
        batch: Samples an iteration.
        drop_at: Supervised iterations after which their learning rate falls.

    Returns:
        One stage or two.

    Raises:
        ValueError: If an argument is out of range, or the share leaves a stage without iterations.
    """
    check_one_of("order", order, get_args(Order))
    check_positive_int("steps", steps)
    check_probability("labelled_fraction", labelled_fraction)
    labelled = unlabelled = steps
    if "+" in order:
        labelled = round(labelled_fraction * steps)
        unlabelled = steps - labelled
        if not 0 < labelled < steps:
            raise ValueError(
                f"labelled_fraction must leave each stage an iteration of {steps}, "
                f"got {labelled_fraction!r}"
            )

    def stage(name: str) -> Stage:
        if name == "SL":
            return Stage("supervised", labelled, drop_at=drop_at, batch=batch)
        return Stage("unsupervised", unlabelled, UNSUPERVISED_RATE, batch=batch, p_present=0.5)

    return tuple(map(stage, order.split("+")))

"""Parameters of P3 Sec. V as frozen dataclasses, and the presets of its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from isaclib.experiments.p1.config import Test
from isaclib.experiments.p3.scenario import Scenario
from isaclib.systems.spacings.model import Parameter
from isaclib.systems.spacings.schedule import Order, Stage, paper_schedule

PAPER_STEPS, PAPER_LABELLED, PAPER_DROP = 85_000, 1000, 50_000
"""Iterations of P3 in all, with labels in its semi-supervised learning, and before the supervised
learning rate falls."""


GATE = 462.0
"""Threshold of the receiver at the paper's sizes and false-alarm probability, to within a per cent
whatever the array: above it Algorithm 1 estimates a position [sqrt(noise power)]."""


@dataclass(frozen=True)
class Training:
    """How spacings are trained, P3 Sec. V-A.

    The proportions of the paper's schedule are kept at any number of iterations: 1,000 of 85,000
    iterations with labels in semi-supervised learning, a fall of the supervised learning rate to a
    tenth after 50,000 of 85,000, and 4 to 5 between the two learning rates.

    Attributes:
        steps: Iterations.
        batch: Samples an iteration.
        rate: Learning rates over the paper's.
        drops: Whether the supervised learning rate falls.
        gate: Level of the statistic that a sample has to exceed to count in the supervised loss,
            see :class:`isaclib.systems.spacings.schedule.Stage`.
        parameter: What is learned, see :class:`isaclib.systems.spacings.model.SpacingArray`.
    """

    steps: int = PAPER_STEPS
    batch: int = 3000
    rate: float = 1.0
    drops: bool = True
    gate: float = 0.0
    parameter: Parameter = "spacing"

    def marks(self, shares: Sequence[float]) -> tuple[int, ...]:
        """Iterations at some shares of all of them.

        Args:
            shares: In (0, 1].

        Returns:
            Numbers of iterations, rising, all of them the last.
        """
        return tuple(sorted({*(self.iterations(share) for share in shares), self.steps}))

    def iterations(self, share: float) -> int:
        """Number of iterations that a share of them is.

        Args:
            share: In (0, 1].

        Returns:
            At least one.
        """
        return max(round(share * self.steps), 1)

    @property
    def labelled(self) -> int:
        """Iterations with labels in semi-supervised learning."""
        return self.iterations(PAPER_LABELLED / PAPER_STEPS)

    def stages(self, order: Order, labelled: int | None = None) -> tuple[Stage, ...]:
        """The stages of a schedule.

        Args:
            order: Which losses, in which order.
            labelled: Iterations with labels where there are both losses; the paper's share if not
                given.

        Returns:
            One stage or two.
        """
        stages = paper_schedule(
            order,
            steps=self.steps,
            labelled_share=(self.labelled if labelled is None else labelled) / self.steps,
            batch=self.batch,
            drop_at=round(PAPER_DROP / PAPER_STEPS * self.steps),
        )
        return tuple(self._scaled(stage) for stage in stages)

    def _scaled(self, stage: Stage) -> Stage:
        rate = self.rate * stage.learning_rate
        if stage.loss == "unsupervised":
            return replace(stage, learning_rate=rate)
        return replace(
            stage,
            learning_rate=rate,
            gate=self.gate,
            drop_at=stage.drop_at if self.drops else None,
        )


@dataclass(frozen=True)
class Learning:
    """What the trainings of Figs. 3 to 5 have in common.

    Attributes:
        scenario: Array, channels and grids.
        training: How spacings are trained.
        draws: Arrays that they are trained for, the first of the same.
        test: Sample counts of the final measurements.
        shares: Shares of all iterations after which the spacings are kept and measured; those of
            supervised learning are where semi-supervised learning with as many labels goes on.
    """

    scenario: Scenario = field(default_factory=Scenario)
    training: Training = Training()
    draws: int = 3
    test: Test = field(default_factory=lambda: Test(samples=1_200_000))
    shares: tuple[float, ...] = (
        *(0.001, 0.002, 0.005, 0.008, 0.01, PAPER_LABELLED / PAPER_STEPS, 0.014),
        *(0.02, 0.05, 0.1, 20 / 85, 0.4, 50 / 85, 0.75, 1.0),
    )

    def marks(self) -> tuple[int, ...]:
        """Iterations after which the spacings of a schedule are measured.

        Returns:
            Numbers of iterations, rising, all of them the last.
        """
        return self.training.marks(self.shares)


@dataclass(frozen=True)
class SensingConfig(Learning):
    """Configuration of Fig. 3.

    Attributes:
        curve: Sample counts of the measurements along the trainings, but for the last ones.
    """

    curve: Test = field(default_factory=lambda: Test(samples=1_200_000))


@dataclass(frozen=True)
class RatioConfig(Learning):
    """Configuration of Fig. 4.

    Attributes:
        ratios: Which of the shares are labelled ones of the figure, besides the paper's 1.2 %.
        ratio_draws: Arrays that they are measured for, the first of the same.
    """

    ratios: tuple[float, ...] = (
        *(0.001, 0.002, 0.005, 0.008, 0.01, 0.014),
        *(0.02, 0.05, 0.1, 20 / 85, 50 / 85),
    )
    ratio_draws: int = 3


@dataclass(frozen=True)
class TradeoffConfig(Learning):
    """Configuration of Fig. 5.

    Attributes:
        radar_shares: Number of shares eta from 0 to 1.
        phases: Number of phases phi from 0 on, in one turn.
        tradeoff: Sample counts of each point.
    """

    radar_shares: int = 8
    phases: int = 8
    tradeoff: Test = field(default_factory=lambda: Test(samples=1_200_000))

    def beams(self) -> list[tuple[float, float]]:
        """Pairs of share and phase.

        One beam alone has a common phase, which changes nothing, so it is there once.

        Returns:
            Pairs (eta, phi [rad]).
        """
        found = []
        for number in range(self.radar_shares):
            share = number / (self.radar_shares - 1)
            count = self.phases if 0 < share < 1 else 1
            found += [(share, 2 * math.pi * i / self.phases) for i in range(count)]
        return found


@dataclass(frozen=True)
class Variation:
    """A way to learn the spacings by Adam.

    Attributes:
        name: Name of its series.
        training: How.
    """

    name: str
    training: Training


@dataclass(frozen=True)
class MethodsConfig:
    """Configuration of the comparison of ways to learn the spacings, beyond the paper.

    Attributes:
        scenario: Array, channels and grids.
        variations: Ways to learn by Adam on as many labelled samples.
        draws: Arrays that spacings are trained for, the first of the same.
        calibrations: Numbers of labelled samples that the maximum-likelihood estimate is given.
        calibration_draws: Arrays that it is made for, the first of the same.
        shares: Shares of all iterations after which spacings are measured.
        test: Sample counts.
    """

    scenario: Scenario = field(default_factory=Scenario)
    variations: tuple[Variation, ...] = ()
    draws: int = 1
    calibrations: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    calibration_draws: int = 3
    shares: tuple[float, ...] = (0.01, 0.05, 0.2, 50 / 85, 1.0)
    test: Test = field(default_factory=lambda: Test(samples=1_200_000))


@dataclass(frozen=True)
class ConstellationConfig:
    """Configuration of the comparison of constellations.

    Attributes:
        scenario: Array, channels and grids.
        orders: Numbers of symbols of the square constellations; with four all symbols have unit
            modulus.
        test: Sample counts.
    """

    scenario: Scenario = field(default_factory=Scenario)
    orders: tuple[int, ...] = (4, 16)
    test: Test = field(default_factory=lambda: Test(samples=100_000, block=1000))


def variations(training: Training, *, rates: Sequence[float]) -> tuple[Variation, ...]:
    """Ways to learn on as many samples as a training that differ from it in one respect each.

    Args:
        training: What to start from.
        rates: Learning rates over the paper's; those of the training itself is left out.

    Returns:
        The training as ``supervised``; ``no drop``, the same at one learning rate; ``gated`` or
        ``all samples``, whichever it is not; ``position``, with positions as what is learned; and
        ``rate x1`` for each of the rates.
    """
    gated = "all samples" if training.gate else "gated"
    found = {
        "supervised": training,
        "no drop": replace(training, drops=False),
        gated: replace(training, gate=0.0 if training.gate else GATE),
        "position": replace(training, parameter="position"),
        **{f"rate x{rate:g}": replace(training, rate=rate) for rate in rates},
    }
    return tuple(Variation(name, value) for name, value in found.items())

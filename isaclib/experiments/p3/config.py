"""Parameters of P3 Sec. V as frozen dataclasses, and the presets of its figures.

The desk preset keeps the paper's array, subcarriers, grids and SNRs, and the proportions of its
schedule: the labelled share, where the supervised learning rate falls and how far, and the ratio of
the two learning rates. It has a tenth of the iterations and a twentieth of the samples in each, at
six times the learning rates: the spacings can move by 60 % of what they can in the paper. In trial
trainings of the first array larger rates ended in more noise, and smaller ones left the few
labelled iterations without effect.

With a two-hundredth of the samples one thing has to differ. A missed target is an error of
tens of metres, and in Eq. (20) these drown the rest, which 255 million samples may average out
and a million do not. So on the desk only declared targets count in the supervised loss, as
Algorithm 1 gives positions to no others. ``p3-learning`` trains without this too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from isaclib.experiments.engine.tasks import Test
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
    """How spacings are trained, P3 Sec. V-A, in the proportions of its schedule.

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
        """Iterations at some shares of all of them, and all of them, rising."""
        return tuple(sorted({*(self.iterations(share) for share in shares), self.steps}))

    def iterations(self, share: float) -> int:
        """Number of iterations that a share in (0, 1] is, at least one."""
        return max(round(share * self.steps), 1)

    @property
    def labelled(self) -> int:
        """Iterations with labels in semi-supervised learning."""
        return self.iterations(PAPER_LABELLED / PAPER_STEPS)

    def stages(self, order: Order, labelled: int | None = None) -> tuple[Stage, ...]:
        """Stages of a schedule, the paper's share of labels where there are both losses."""
        stages = paper_schedule(
            order,
            steps=self.steps,
            labelled_fraction=(self.labelled if labelled is None else labelled) / self.steps,
            batch=self.batch,
            drop_at=round(PAPER_DROP / PAPER_STEPS * self.steps),
        )
        return tuple(self._scaled(stage) for stage in stages)

    def _scaled(self, stage: Stage) -> Stage:
        stage = replace(stage, learning_rate=self.rate * stage.learning_rate)
        if stage.loss == "unsupervised":
            return stage
        return replace(stage, gate=self.gate, drop_at=stage.drop_at if self.drops else None)


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

    scenario: Scenario = Scenario()
    training: Training = Training()
    draws: int = 3
    test: Test = Test(samples=1_200_000)
    shares: tuple[float, ...] = (
        *(0.001, 0.002, 0.005, 0.008, 0.01, PAPER_LABELLED / PAPER_STEPS, 0.014),
        *(0.02, 0.05, 0.1, 20 / 85, 0.4, 50 / 85, 0.75, 1.0),
    )

    def marks(self) -> tuple[int, ...]:
        """Iterations after which the spacings of a schedule are measured, rising."""
        return self.training.marks(self.shares)


@dataclass(frozen=True)
class SensingConfig(Learning):
    """Configuration of Fig. 3.

    Attributes:
        curve: Sample counts of the measurements along the trainings, but for the last ones.
    """

    curve: Test = Test(samples=1_200_000)


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
    tradeoff: Test = Test(samples=1_200_000)

    def beams(self) -> tuple[tuple[float, float], ...]:
        """Pairs (eta, phi [rad]); one beam alone has a common phase, so it is there once."""
        found = []
        for number in range(self.radar_shares):
            share = number / (self.radar_shares - 1)
            count = self.phases if 0 < share < 1 else 1
            found += [(share, 2 * math.pi * i / self.phases) for i in range(count)]
        return tuple(found)


@dataclass(frozen=True)
class Variation:
    """A way to learn the spacings by Adam, with a name of its own."""

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

    scenario: Scenario = Scenario()
    variations: tuple[Variation, ...] = ()
    draws: int = 1
    calibrations: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    calibration_draws: int = 3
    shares: tuple[float, ...] = (0.01, 0.05, 0.2, 50 / 85, 1.0)
    test: Test = Test(samples=1_200_000)


@dataclass(frozen=True)
class ConstellationConfig:
    """Configuration of the comparison of constellations.

    Attributes:
        scenario: Array, channels and grids.
        orders: Numbers of symbols of the square constellations; with four all symbols have unit
            modulus.
        test: Sample counts.
    """

    scenario: Scenario = Scenario()
    orders: tuple[int, ...] = (4, 16)
    test: Test = Test(samples=100_000, block=1000)


def variations(training: Training, *, rates: Sequence[float]) -> tuple[Variation, ...]:
    """Ways to learn on as many samples as a training that differ from it in one respect each.

    The training as ``supervised``; ``no drop``, the same at one learning rate; ``gated`` or ``all
    samples``, whichever it is not; ``position``, with positions as what is learned; and one for
    each of the learning rates.
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


# Presets

_SMALL = Scenario(
    num_antennas=8,
    subcarriers=32,
    ranges_m=(0.0, 500.0),
    num_angles=90,
    num_ranges=40,
    std_wavelengths=1 / 50,
)
_SMOKE = Learning(
    scenario=_SMALL,
    training=Training(steps=12, batch=20, rate=10.0),
    draws=1,
    test=Test(samples=2000, block=1000),
    shares=(0.2, 50 / 85, 1.0),
)
_DESK = Learning(
    training=Training(steps=8500, batch=150, rate=6.0, gate=GATE), test=Test(samples=100_000)
)
_DESK_CURVE = Test(samples=20_000)

SENSING_PRESETS = {
    "smoke": SensingConfig(**vars(_SMOKE), curve=_SMOKE.test),
    "desk": SensingConfig(**vars(_DESK), curve=_DESK_CURVE),
    "paper": SensingConfig(),
}
RATIO_PRESETS = {
    "smoke": RatioConfig(**vars(_SMOKE), ratios=(0.2, 50 / 85), ratio_draws=1),
    "desk": RatioConfig(**vars(_DESK), ratios=(0.002, 0.005, 0.008, 0.02, 0.1, 50 / 85)),
    "paper": RatioConfig(),
}
TRADEOFF_PRESETS = {
    "smoke": TradeoffConfig(**vars(_SMOKE), radar_shares=3, phases=2, tradeoff=_SMOKE.test),
    "desk": TradeoffConfig(**vars(_DESK), tradeoff=_DESK_CURVE),
    "paper": TradeoffConfig(),
}
METHODS_PRESETS = {
    "smoke": MethodsConfig(
        scenario=_SMALL,
        variations=variations(_SMOKE.training, rates=(1.0, 100.0)),
        draws=1,
        calibrations=(20, 100),
        calibration_draws=1,
        shares=(0.5, 1.0),
        test=_SMOKE.test,
    ),
    "desk": MethodsConfig(
        variations=variations(_DESK.training, rates=(1.0, 60.0)),
        draws=3,
        calibrations=(30, 100, 1000, 10_000),
        shares=(0.05, 0.2, 1.0),
        test=Test(samples=50_000),
    ),
    "paper": MethodsConfig(variations=variations(Training(), rates=(10.0, 100.0)), draws=3),
}
CONSTELLATION_PRESETS = {
    "smoke": ConstellationConfig(scenario=_SMALL, test=Test(samples=1000, block=500)),
    "desk": ConstellationConfig(test=Test(samples=20_000, block=1000)),
    "paper": ConstellationConfig(test=Test(samples=1_200_000, block=1000)),
}

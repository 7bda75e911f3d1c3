"""What the figures of limits measure, and how closely: frozen dataclasses and presets."""

from dataclasses import dataclass, field

from isaclib.experiments.engine.tasks import Test
from isaclib.experiments.p1 import config as p1
from isaclib.experiments.p2 import config as p2
from isaclib.experiments.p3 import config as p3


@dataclass(frozen=True)
class FrontConfig:
    """How the front of all beams is searched.

    Attributes:
        beams: Beams on it.
        random: Random starts of each search, besides least-squares beams.
    """

    beams: int = 14
    random: int = 20


@dataclass(frozen=True)
class LimitsConfig:
    """Configuration of the limits of a paper's systems.

    Attributes:
        front: The front of all beams, for the first array.
        test: Sample counts.
        draws: Arrays that limits are measured for, the first of the same; one in P1.
    """

    front: FrontConfig = FrontConfig()
    test: Test = Test()
    draws: int = 1


@dataclass(frozen=True)
class P1Limits(LimitsConfig):
    """Configuration of P1's limits; ``systems`` is that of Fig. 2."""

    systems: p1.TradeoffConfig = field(default_factory=p1.TradeoffConfig)


@dataclass(frozen=True)
class P2Limits(LimitsConfig):
    """Configuration of P2's limits; ``systems`` is that of Fig. 4."""

    systems: p2.ImpairedConfig = field(default_factory=p2.ImpairedConfig)


@dataclass(frozen=True)
class P3Limits(LimitsConfig):
    """Configuration of P3's limits; ``systems`` is that of Fig. 5, whose rest is Fig. 3's."""

    systems: p3.TradeoffConfig = field(default_factory=p3.TradeoffConfig)


_SMOKE = (FrontConfig(beams=3, random=2), Test(samples=2000, block=1000), 1)

P1_PRESETS = {
    "smoke": P1Limits(*_SMOKE, p1.TRADEOFF_PRESETS["smoke"]),
    "desk": P1Limits(FrontConfig(), Test(200_000), 1, p1.TRADEOFF_PRESETS["desk"]),
    "paper": P1Limits(FrontConfig(), Test(), 1, p1.TRADEOFF_PRESETS["paper"]),
}
# P2's arrays have impairments, and their fronts more local minima.
P2_PRESETS = {
    "smoke": P2Limits(*_SMOKE, p2.IMPAIRED_PRESETS["smoke"]),
    "desk": P2Limits(FrontConfig(random=60), Test(200_000), 3, p2.IMPAIRED_PRESETS["desk"]),
    "paper": P2Limits(FrontConfig(random=100), Test(), 3, p2.IMPAIRED_PRESETS["paper"]),
}
P3_PRESETS = {
    "smoke": P3Limits(*_SMOKE, p3.TRADEOFF_PRESETS["smoke"]),
    "desk": P3Limits(FrontConfig(8, 4), Test(50_000), 3, p3.TRADEOFF_PRESETS["desk"]),
    "paper": P3Limits(FrontConfig(12, 20), Test(1_200_000), 3, p3.TRADEOFF_PRESETS["paper"]),
}

"""What the figures of limits measure, and how closely: frozen dataclasses and presets."""

from dataclasses import dataclass, field

from isaclib.experiments.engine.tasks import Test


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
    """Configuration of the limits of a paper's systems, which come from its stored results.

    Attributes:
        front: The front of all beams, for the first array.
        test: Sample counts.
        draws: Arrays that limits are measured for, the first of the same; one in P1.
    """

    front: FrontConfig = FrontConfig()
    test: Test = field(default_factory=Test)
    draws: int = 1


_SMOKE = LimitsConfig(FrontConfig(beams=3, random=2), Test(samples=2000, block=1000))

SINGLE_CARRIER_PRESETS: dict[str, dict[str, LimitsConfig]] = {
    "p1": {
        "smoke": _SMOKE,
        "desk": LimitsConfig(test=Test(samples=200_000)),
        "paper": LimitsConfig(),
    },
    "p2": {
        "smoke": _SMOKE,
        "desk": LimitsConfig(FrontConfig(random=60), Test(samples=200_000), draws=3),
        "paper": LimitsConfig(FrontConfig(random=100), draws=3),
    },
}
"""Presets of P1 and of P2, whose arrays have impairments and whose fronts more local minima."""

MAP_PRESETS: dict[str, LimitsConfig] = {
    "smoke": _SMOKE,
    "desk": LimitsConfig(FrontConfig(beams=8, random=4), Test(samples=50_000), draws=3),
    "paper": LimitsConfig(FrontConfig(beams=12, random=20), Test(samples=1_200_000), draws=3),
}
"""Presets of P3."""

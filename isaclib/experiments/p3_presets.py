"""Presets of P3's figures: smoke, desk and paper.

The desk preset keeps the paper's array, subcarriers, grids, loss functions and proportions of the
schedule. It has a tenth of the iterations, of a tenth of the samples each, at ten times the learning
rate: in each part of the schedule the spacings can go as far as in the paper, with a hundredth of
the samples to find the way by. So the noise of the gradient is about thirty times that of the paper
in the steps that it disturbs, and supervised learning, whose loss is dominated by the targets that
it misses, ends further from the baseline than it would at the paper's size.
"""

from isaclib.experiments.p1_config import Test
from isaclib.experiments.p3_config import (
    ConstellationConfig,
    MethodsConfig,
    RatioConfig,
    SensingConfig,
    TradeoffConfig,
    Training,
    variations,
)
from isaclib.experiments.p3_scenario import Scenario

_SMALL = Scenario(
    num_antennas=8,
    subcarriers=32,
    ranges_m=(0.0, 500.0),
    num_angles=90,
    num_ranges=40,
    std_wavelengths=1 / 50,
)
_SMOKE_TRAINING = Training(steps=12, batch=20, rate=10.0)
_SMOKE_TEST = Test(samples=2000, block=1000)
_SMOKE_SHARES = (0.2, 50 / 85, 1.0)

_DESK_TRAINING = Training(steps=8500, batch=300, rate=10.0)
_DESK_TEST = Test(samples=100_000)
_DESK_CURVE = Test(samples=20_000)

SENSING_PRESETS: dict[str, SensingConfig] = {
    "smoke": SensingConfig(
        scenario=_SMALL,
        training=_SMOKE_TRAINING,
        draws=1,
        test=_SMOKE_TEST,
        shares=_SMOKE_SHARES,
        curve=_SMOKE_TEST,
    ),
    "desk": SensingConfig(training=_DESK_TRAINING, test=_DESK_TEST, curve=_DESK_CURVE),
    "paper": SensingConfig(),
}
RATIO_PRESETS: dict[str, RatioConfig] = {
    "smoke": RatioConfig(
        scenario=_SMALL,
        training=_SMOKE_TRAINING,
        draws=1,
        test=_SMOKE_TEST,
        shares=_SMOKE_SHARES,
        ratios=(0.2, 50 / 85),
        ratio_draws=1,
    ),
    "desk": RatioConfig(training=_DESK_TRAINING, test=_DESK_TEST, ratio_draws=1),
    "paper": RatioConfig(),
}
TRADEOFF_PRESETS: dict[str, TradeoffConfig] = {
    "smoke": TradeoffConfig(
        scenario=_SMALL,
        training=_SMOKE_TRAINING,
        draws=1,
        test=_SMOKE_TEST,
        shares=_SMOKE_SHARES,
        radar_shares=3,
        phases=2,
        tradeoff=_SMOKE_TEST,
    ),
    "desk": TradeoffConfig(training=_DESK_TRAINING, test=_DESK_TEST, tradeoff=_DESK_CURVE),
    "paper": TradeoffConfig(),
}
METHODS_PRESETS: dict[str, MethodsConfig] = {
    "smoke": MethodsConfig(
        scenario=_SMALL,
        variations=variations(_SMOKE_TRAINING, rates=(1.0, 100.0)),
        draws=1,
        calibrations=(20, 100),
        calibration_draws=1,
        shares=(0.5, 1.0),
        test=_SMOKE_TEST,
    ),
    "desk": MethodsConfig(
        variations=variations(_DESK_TRAINING, rates=(1.0, 50.0)),
        calibrations=(100, 1000, 10_000),
        test=_DESK_TEST,
    ),
    "paper": MethodsConfig(variations=variations(Training(), rates=(10.0, 100.0)), draws=3),
}
CONSTELLATION_PRESETS: dict[str, ConstellationConfig] = {
    "smoke": ConstellationConfig(scenario=_SMALL, test=Test(samples=1000, block=500)),
    "desk": ConstellationConfig(test=Test(samples=20_000, block=1000)),
    "paper": ConstellationConfig(test=Test(samples=1_200_000, block=1000)),
}

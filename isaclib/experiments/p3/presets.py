"""Presets of P3's figures: smoke, desk and paper.

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

from isaclib.experiments.p1.config import Test
from isaclib.experiments.p3.config import (
    GATE,
    ConstellationConfig,
    MethodsConfig,
    RatioConfig,
    SensingConfig,
    TradeoffConfig,
    Training,
    variations,
)
from isaclib.experiments.p3.scenario import Scenario

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

_DESK_TRAINING = Training(steps=8500, batch=150, rate=6.0, gate=GATE)
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
    "desk": RatioConfig(
        training=_DESK_TRAINING,
        test=_DESK_TEST,
        ratios=(0.002, 0.005, 0.008, 0.02, 0.1, 50 / 85),
    ),
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
        variations=variations(_DESK_TRAINING, rates=(1.0, 60.0)),
        draws=3,
        calibrations=(30, 100, 1000, 10_000),
        shares=(0.05, 0.2, 1.0),
        test=Test(samples=50_000),
    ),
    "paper": MethodsConfig(variations=variations(Training(), rates=(10.0, 100.0)), draws=3),
}
CONSTELLATION_PRESETS: dict[str, ConstellationConfig] = {
    "smoke": ConstellationConfig(scenario=_SMALL, test=Test(samples=1000, block=500)),
    "desk": ConstellationConfig(test=Test(samples=20_000, block=1000)),
    "paper": ConstellationConfig(test=Test(samples=1_200_000, block=1000)),
}

import math
from dataclasses import astuple, dataclass, field, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning.networks import seeded
from isaclib.metrics import wilson
from isaclib.receivers.ratio_test import maprt
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import maximum_likelihood, qam
from isaclib.signal.noise import complex_normal, db_to_linear, step_generator
from isaclib.systems.autoencoder.model import Autoencoder
from isaclib.systems.transceiver import (
    Baseline,
    Measurement,
    OperatingPoint,
    Sensed,
    Transceiver,
    measure,
    operating_point,
    symbol_error_rate,
)

K = 8
POSITIONS = element_positions(K)
TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
RADAR = RadarChannel(POSITIONS, TARGET, 0.0)
COMMUNICATION = CommunicationChannel(POSITIONS, RECEIVER, 10.0)
SMALL = Measurement(samples=2000, block=500, p_fa=0.05)
SIGMAS = 4.5


def towards(angle):
    """Matched beam of unit norm."""
    steering = steering_vector(torch.tensor(angle, dtype=torch.float64), POSITIONS)
    return (steering.conj() / math.sqrt(K)).to(torch.complex64)


BASELINE = Baseline(qam(4), towards(0.2), POSITIONS, TARGET, grid_size=41)
LEARNED = seeded(Autoencoder, K, 4, TARGET, RECEIVER, seed=0)


def same(a, b, rel=0.0):
    """Whether two performances agree, undefined values included."""
    pairs = zip(
        np.concatenate([astuple(x) for x in astuple_of(a)]).tolist(),
        np.concatenate([astuple(x) for x in astuple_of(b)]).tolist(),
        strict=True,
    )
    return all(x == pytest.approx(y, rel=rel, abs=0, nan_ok=True) for x, y in pairs)


def astuple_of(performance):
    return [getattr(performance, name) for name in performance.__dataclass_fields__]


@dataclass(frozen=True)
class Pieces:
    """A transceiver that works through every batch in pieces."""

    inner: Transceiver
    cuts: list = field(default_factory=list)

    def split(self, x):
        places = sorted({min(c, len(x)) for c in self.cuts})
        return [x[a:b] for a, b in zip([0, *places], [*places, len(x)], strict=True) if b > a]

    def constellation(self):
        return self.inner.constellation()

    def beam(self):
        return self.inner.beam()

    def decide(self, received, csi):
        pairs = zip(self.split(received), self.split(csi), strict=True)
        return torch.cat([self.inner.decide(*pair) for pair in pairs])

    def sense(self, echo):
        parts = [self.inner.sense(piece) for piece in self.split(echo)]
        return Sensed(*(torch.cat(column) for column in zip(*parts, strict=True)))


# The baseline


def test_the_baseline_is_ml_decisions_and_the_maprt():
    generator = step_generator(0, "z", 0)
    echo = complex_normal((20, K), generator=generator)
    statistic, angle = maprt(echo, POSITIONS, TARGET, grid_size=41)
    found = BASELINE.sense(echo)
    assert torch.equal(found.statistic, statistic)
    assert torch.equal(found.angle, angle)
    assert bool(torch.isnan(found.sigma).all())
    received, csi = complex_normal((2, 20), generator=generator)
    assert torch.equal(BASELINE.decide(received, csi), maximum_likelihood(received, csi, qam(4)))
    assert torch.equal(BASELINE.constellation(), qam(4))
    assert torch.equal(BASELINE.beam(), BASELINE.beamformer)


# Measurements against theory


def test_the_false_alarm_probability_is_the_one_asked_for():
    for transceiver in (BASELINE, LEARNED):
        measurement = Measurement(samples=40_000, p_fa=0.02)
        found = operating_point(transceiver, RADAR, measurement)
        # Both the threshold and the check are measured, each with a binomial spread.
        spread = math.sqrt(2 * 0.02 * 0.98 / 40_000)
        assert abs(found.p_fa.value - 0.02) < SIGMAS * spread
        assert found.p_fa.count == 40_000
        assert found.threshold.p_fa == 0.02


@pytest.mark.parametrize("snr_db", [-10.0, 0.0])
def test_a_target_at_one_known_angle_is_detected_as_theory_says(snr_db):
    """|a^H z|^2 is exponential either way: P_d = P_fa^(1 / (1 + SNR K |a^T v|^2))."""
    narrow = Sector(10, 10.00001)
    beam = towards(0.3)
    illumination = abs(complex((steering_vector(torch.tensor(narrow.min), POSITIONS) * beam).sum()))
    baseline = Baseline(qam(4), beam, POSITIONS, narrow, grid_size=2)
    measurement = Measurement(samples=100_000, p_fa=0.05)
    found = measure(baseline, RadarChannel(POSITIONS, narrow, snr_db), COMMUNICATION, measurement)
    exponent = 1 / (1 + db_to_linear(snr_db) * K * illumination**2)
    expected = 0.05**exponent
    assert 0.05 < expected < 0.95
    # The measured threshold moves P_d: dP_d = dP_fa * dP_d/dP_fa.
    slope = exponent * 0.05 ** (exponent - 1)
    variance = expected * (1 - expected) + slope**2 * 0.05 * 0.95
    assert abs(found.p_d.value - expected) < SIGMAS * math.sqrt(variance / 100_000)
    assert found.rmse.value < math.radians(1e-5)
    level = -K * math.log(0.05)
    assert found.threshold.value == pytest.approx(level, rel=0.05)


# The same samples, however they are cut


@settings(max_examples=8)
@given(st.lists(st.integers(1, 499), max_size=4), st.sampled_from([BASELINE, LEARNED]))
def test_pieces_of_a_batch_make_no_difference(cuts, transceiver):
    whole = measure(transceiver, RADAR, COMMUNICATION, SMALL)
    # Matrix products of other sizes may round differently.
    assert same(measure(Pieces(transceiver, cuts), RADAR, COMMUNICATION, SMALL), whole, rel=1e-5)


@pytest.mark.parametrize("transceiver", [BASELINE, LEARNED], ids=["baseline", "learned"])
@torch.no_grad()
def test_block_by_block_gives_what_all_samples_at_once_give(transceiver):
    """NumPy on all samples, put together from the generators of the blocks."""
    found = measure(transceiver, RADAR, COMMUNICATION, SMALL)
    symbols, beam = transceiver.constellation(), transceiver.beam()
    parts = {"theta": [], "statistic": [], "angle": [], "sigma": [], "absent": []}
    for generator in SMALL.blocks("present"):
        messages = torch.randint(4, (500,), generator=generator)
        draw = RADAR.draw(500, generator, present=True)
        sensed = transceiver.sense(RADAR(beam, symbols[messages], draw))
        for name, value in zip(("statistic", "angle", "sigma"), sensed, strict=True):
            parts[name].append(value)
        parts["theta"].append(draw.theta)
    for generator in SMALL.blocks("threshold"):
        noise = RADAR.draw(500, generator, present=False).noise
        parts["absent"].append(transceiver.sense(noise).statistic)
    data = {name: torch.cat(values).double().numpy() for name, values in parts.items()}
    level = np.sort(data["absent"])[-101]  # 5 % of 2000 are above it
    declared = data["statistic"] > level
    assert found.threshold.value == level
    assert found.p_d == wilson(int(declared.sum()), 2000)
    rmse = np.sqrt(np.mean((data["angle"] - data["theta"])[declared] ** 2))
    assert found.rmse.value == pytest.approx(rmse, rel=1e-5)
    assert found.rmse.count == found.sigma.count == declared.sum()
    sigma = data["sigma"][declared]
    assert found.sigma.value == pytest.approx(np.sqrt(np.mean(sigma**2)), rel=1e-5, nan_ok=True)
    assert found.sigma_mean.value == pytest.approx(np.mean(sigma), rel=1e-5, nan_ok=True)


def test_a_longer_measurement_begins_with_the_blocks_of_a_shorter_one():
    short = [g.initial_seed() for g in SMALL.blocks("present")]
    long = [g.initial_seed() for g in replace(SMALL, samples=4000).blocks("present")]
    assert len(short) == 4
    assert long[:4] == short
    assert len(set(long)) == 8


def test_streams_do_not_share_samples():
    streams = ("present", "absent", "threshold", "communication")
    seeds = [g.initial_seed() for s in streams for g in SMALL.blocks(s)]
    assert len(set(seeds)) == 16


def test_the_threshold_is_checked_on_samples_other_than_its_own():
    """On its own samples exactly the share asked for would lie above it."""
    found = [operating_point(BASELINE, RADAR, replace(SMALL, seed=s)).p_fa.value for s in range(5)]
    assert any(value != 0.05 for value in found)


def test_measuring_twice_gives_the_same_and_another_seed_something_else():
    first = measure(BASELINE, RADAR, COMMUNICATION, SMALL)
    torch.manual_seed(3)
    assert same(measure(BASELINE, RADAR, COMMUNICATION, SMALL), first)
    other = measure(BASELINE, RADAR, COMMUNICATION, replace(SMALL, seed=1))
    assert other.p_d.value != first.p_d.value


def test_a_calibration_can_be_used_again_for_another_beam():
    operating = operating_point(BASELINE, RADAR, SMALL)
    other = replace(BASELINE, beamformer=towards(-0.1))
    fresh = measure(other, RADAR, COMMUNICATION, SMALL)
    assert same(measure(other, RADAR, COMMUNICATION, SMALL, operating), fresh)
    never = OperatingPoint(replace(operating.threshold, value=math.inf), operating.p_fa)
    blind = measure(other, RADAR, COMMUNICATION, SMALL, never)
    assert blind.p_d.value == 0
    assert math.isnan(blind.rmse.value)
    assert blind.rmse.count == 0


def test_the_error_rate_alone_is_that_of_the_whole_measurement():
    whole = measure(LEARNED, RADAR, COMMUNICATION, SMALL)
    assert symbol_error_rate(LEARNED, COMMUNICATION, SMALL) == whole.ser
    assert whole.ser.count == 2000


def test_measuring_leaves_no_gradients():
    measure(LEARNED, RADAR, COMMUNICATION, SMALL)
    assert all(p.grad is None for p in LEARNED.parameters())


# Bad input


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"samples": 0}, "samples must be an integer >= 1, got 0"),
        ({"samples": 1500, "block": 1000}, "samples must be a multiple of block=1000, got 1500"),
        ({"samples": 10, "block": 0}, "block must be an integer >= 1, got 0"),
        ({"samples": 10_000, "p_fa": 0}, r"p_fa must be a probability in \(0, 1\), got 0"),
        ({"samples": 10_000, "p_fa": 1.0}, r"p_fa must be a probability in \(0, 1\), got 1.0"),
        ({"samples": 10_000, "p_fa": math.nan}, r"p_fa must be a probability in \(0, 1\), got nan"),
        ({"samples": 10_000, "seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"samples": 10_000, "device": "gpu"}, "device must be one of 'cpu', 'cuda', got 'gpu'"),
    ],
)
def test_measurements_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        Measurement(**arguments)

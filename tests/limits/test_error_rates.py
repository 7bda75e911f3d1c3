import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import erfc

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.limits.error_rates import (
    BeamCriteria,
    SectorPattern,
    known_place_level,
    missed,
    qam_error,
)
from isaclib.metrics import wilson
from isaclib.receivers.ratio_test import maprt
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.beamforming import least_squares_beam
from isaclib.signal.modulation import maximum_likelihood, qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.spacings import impaired_positions

K = 8
POSITIONS = element_positions(K)
TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
LEVEL = known_place_level(0.01)
CRITERIA = BeamCriteria(POSITIONS, TARGET, RECEIVER, float(K), 100.0, LEVEL)
BEAM = complex_normal((K,), generator=step_generator(0, "beam", 0), dtype=torch.complex128)
SNRS = [0.01, 0.5, 7.0, 120.0, 1e4]
SURE = 1 - 1e-5


def gaussian_tail(x):
    return erfc(x / math.sqrt(2)) / 2


def faded(error, snr):
    """Mean over the fading of an error rate in white noise."""

    def integrand(x):
        return math.exp(-x) * error(snr * x)

    edges = [0, *(10 / snr * np.array([0.03, 0.3, 1, 3, 10, 30, 100])), 50]
    edges = sorted(min(edge, 50) for edge in edges)
    return sum(quad(integrand, a, b)[0] for a, b in pairwise(edges) if b > a)


@pytest.mark.parametrize("snr", SNRS)
@pytest.mark.parametrize("order", [4, 16, 64])
def test_qam_is_the_fading_mean_of_the_error_rate_in_white_noise(order, snr):
    share = 1 - 1 / math.sqrt(order)

    def error(gamma):
        tail = gaussian_tail(math.sqrt(3 * gamma / (order - 1)))
        return 4 * share * tail - 4 * share**2 * tail**2

    found = float(qam_error(torch.tensor(snr, dtype=torch.float64), order))
    assert found == pytest.approx(faded(error, snr), rel=1e-6)


@pytest.mark.parametrize(
    ("constellation", "error"),
    [
        (qam(4), qam_error),
        (qam(16), lambda x: qam_error(x, 16)),
    ],
)
def test_the_sector_mean_is_what_a_receiver_measures(constellation, error):
    channel, count = CommunicationChannel(POSITIONS, RECEIVER, 12.0), 200_000
    generator = step_generator(0, "symbols", 0)
    messages = torch.randint(len(constellation), (count,), generator=generator)
    beam = BEAM.to(torch.complex64)
    received, csi = channel(beam, constellation[messages], channel.draw(count, generator))
    wrong = int((maximum_likelihood(received, csi, constellation) != messages).sum())
    pattern = SectorPattern(POSITIONS, RECEIVER)
    expected = float(error(10**1.2 * pattern(BEAM)) @ pattern.weights)
    found = wilson(wrong, count, confidence=SURE)
    assert found.low < expected < found.high


def test_misses_at_a_known_angle_are_what_a_matched_filter_measures():
    radar, count = RadarChannel(POSITIONS, TARGET, 0.0), 100_000
    drawn = radar.draw(count, step_generator(0, "echoes", 0), present=True)
    beam = BEAM.to(torch.complex64)
    echo = radar(beam, torch.ones(count, dtype=torch.complex64), drawn)
    steering = steering_vector(drawn.theta, POSITIONS)
    power = torch.linalg.vecdot(steering, echo).abs().square() / K
    found = wilson(int((power <= LEVEL).sum()), count, confidence=SURE)
    assert found.low < float(CRITERIA.p_md(BEAM)) < found.high
    # A search against the same level misses fewer, and one with its own P_fa more.
    searched, _ = maprt(echo, POSITIONS, TARGET)
    assert float((searched / K <= LEVEL).double().mean()) < found.value
    noise = maprt(
        radar.draw(count, step_generator(0, "noise", 0), present=False).noise, POSITIONS, TARGET
    )[0]
    assert float((searched <= noise.quantile(0.99)).double().mean()) > found.value


def test_the_known_place_has_the_closed_form():
    q = torch.tensor([0.0, 1.0, 30.0], dtype=torch.float64)
    torch.testing.assert_close(1 - missed(q, LEVEL), 0.01 ** (1 / (1 + q)))


@pytest.mark.parametrize("positions", [POSITIONS, impaired_positions(16, 0.05)])
def test_nodes_suffice_even_for_patterns_with_zeros_in_the_sector(positions):
    count = len(positions)
    criteria = BeamCriteria(positions, TARGET, RECEIVER, float(count), 100.0, LEVEL)
    angles = torch.tensor([-0.2, 0.1, 0.7, -1.0], dtype=torch.float64)
    wanted = torch.tensor([0, 0, 0, 1 + 0j], dtype=torch.complex128)
    beam = torch.linalg.pinv(steering_vector(angles, positions)) @ wanted
    beam = beam / torch.linalg.vector_norm(beam)
    parts = ((criteria.misses, TARGET, criteria.p_md), (criteria.errors, RECEIVER, criteria.ser))
    smooth = least_squares_beam(Sector(-90, 90), positions).to(beam)
    for function, sector, found in parts:
        fine = SectorPattern(positions, sector, 4000)
        for one, tolerance in ((beam, 1e-2), (smooth, 1e-9)):
            expected = float(function(fine(one)) @ fine.weights)
            assert float(found(one)) == pytest.approx(expected, rel=tolerance)


def test_beams_in_a_batch_and_gradients():
    beams = complex_normal((3, K), generator=step_generator(1, "b", 0), dtype=torch.complex128)
    for criterion in (CRITERIA.ser, CRITERIA.p_md):
        one = torch.stack([criterion(beam) for beam in beams])
        torch.testing.assert_close(criterion(beams), one)
        assert torch.autograd.gradcheck(criterion, (beams[:2].clone().requires_grad_(),))
    better = 2 * beams
    assert bool((CRITERIA.ser(better) < CRITERIA.ser(beams)).all())
    assert bool((CRITERIA.p_md(better) < CRITERIA.p_md(beams)).all())


@pytest.mark.parametrize("order", [4, 16])
def test_symbol_errors_are_convex_in_the_pattern(order):
    """Mixtures of exponentials in the SNR: what the certificate of a best beam rests on."""
    snr = torch.logspace(-4, 4, 3000, dtype=torch.float64)
    slope = torch.diff(qam_error(snr, order)) / torch.diff(snr)
    assert bool((slope < 0).all())
    assert bool((torch.diff(slope) > -1e-12).all())


def test_the_usual_beams_are_judged_as_expected():
    radar, user = (least_squares_beam(sector, POSITIONS) for sector in (TARGET, RECEIVER))
    assert float(CRITERIA.p_md(radar)) < float(CRITERIA.p_md(user))
    assert float(CRITERIA.ser(user)) < float(CRITERIA.ser(radar))


def test_wrong_arguments_are_named():
    for order in (2, 8, 5, 2.0):
        with pytest.raises(ValueError, match=f"order must be an even power of two .*, got {order}"):
            qam_error(torch.ones(()), order)
    with pytest.raises(ValueError, match="p_fa must be"):
        known_place_level(1.0)
    with pytest.raises(ValueError, match=r"beam must have shape \[..., 8\], got \(7,\)"):
        CRITERIA.ser(BEAM[:7])
    with pytest.raises(ValueError, match=r"level must be .*, got 0"):
        BeamCriteria(POSITIONS, TARGET, RECEIVER, 1.0, 1.0, 0)

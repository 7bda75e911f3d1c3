import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erfc

from isaclib.channels.narrowband import CommunicationChannel
from isaclib.metrics import SymbolErrorRate
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import maximum_likelihood, psk, qam
from isaclib.signal.noise import complex_normal, db_to_linear, step_generator

COUNT = 400_000
CONSTELLATIONS = [qam(4), qam(16), qam(64), psk(2), psk(3), psk(8)]


def q_function(x):
    return 0.5 * erfc(x / math.sqrt(2))


def qpsk_ser(snr):
    """Symbol error rate of QPSK in white noise: both real dimensions must be right."""
    q = q_function(math.sqrt(snr))
    return 2 * q - q**2


def rayleigh_qpsk_ser(mean_snr):
    """The same averaged over an exponential SNR, in closed form."""
    mu = math.sqrt(mean_snr / (2 + mean_snr))
    return (1 - mu) - (1 - mu * 4 / math.pi * math.atan(1 / mu)) / 4


def matches(metric, expected):
    """Whether a rate is inside an interval that a true one leaves once in 10^5 times."""
    found = metric.estimate(confidence=1 - 1e-5)
    return found.low <= expected <= found.high


# Constellations


@pytest.mark.parametrize("points", CONSTELLATIONS, ids=len)
def test_symbols_have_unit_average_power_zero_mean_and_are_distinct(points):
    assert points.dtype == torch.complex64
    assert float(points.abs().square().mean()) == pytest.approx(1, abs=1e-6)
    assert abs(complex(points.mean())) < 1e-6
    distance = (points[:, None] - points).abs() + 10 * torch.eye(len(points))
    assert float(distance.min()) > 0.1


@pytest.mark.parametrize("order", [4, 16, 64, 256])
def test_neighbours_in_a_qam_are_equally_far_apart(order):
    points = qam(order)
    assert len(points) == order
    distance = (points[:, None] - points).abs() + 10 * torch.eye(order)
    nearest = distance.min(dim=1).values
    # A square grid of side * side points with unit power has the spacing sqrt(6 / (order - 1)).
    torch.testing.assert_close(nearest, torch.full((order,), math.sqrt(6 / (order - 1))))


@pytest.mark.parametrize("order", [2, 3, 4, 8])
def test_psk_turns_in_equal_steps(order):
    points = psk(order)
    torch.testing.assert_close(points.abs(), torch.ones(order))
    turn = points.roll(-1) / points
    expected = complex(math.cos(2 * math.pi / order), math.sin(2 * math.pi / order))
    torch.testing.assert_close(turn, torch.full((order,), expected))


def test_four_qam_and_four_psk_are_the_same_set():
    def ordered(points):
        return sorted((round(z.real, 5), round(z.imag, 5)) for z in points.tolist())

    assert ordered(qam(4)) == ordered(psk(4))


# Decisions


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(CONSTELLATIONS), st.integers(1, 20))
def test_decisions_are_the_nearest_symbols(seed, points, count):
    generator = step_generator(seed, "ml", 0)
    received = complex_normal((count,), 4.0, generator=generator, dtype=torch.complex128)
    csi = complex_normal((count,), 2.0, generator=generator, dtype=torch.complex128)
    points = points.to(torch.complex128)
    distance = np.abs(received.numpy()[:, None] - csi.numpy()[:, None] * points.numpy())
    decided = maximum_likelihood(received, csi, points)
    assert decided.dtype == torch.int64
    np.testing.assert_array_equal(decided.numpy(), np.argmin(distance, axis=1))


@pytest.mark.parametrize("points", CONSTELLATIONS, ids=len)
def test_without_noise_every_message_arrives_whatever_the_channel(points):
    messages = torch.arange(len(points)).repeat(50)
    csi = complex_normal((len(messages),), generator=step_generator(0, "csi", 0))
    assert torch.equal(maximum_likelihood(csi * points[messages], csi, points), messages)


def test_decisions_know_the_energy_of_the_symbols():
    points = torch.tensor([0.1 + 0j, 1 + 0j])
    received = torch.tensor([0.54 + 0j, 0.56 + 0j])
    assert maximum_likelihood(received, torch.ones(1) + 0j, points).tolist() == [0, 1]


# Symbol error rates against theory


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 9.0])
@pytest.mark.parametrize("points", [qam(4), psk(4)], ids=["qam", "psk"])
def test_qpsk_in_white_noise_has_its_closed_form_error_rate(snr_db, points):
    generator = step_generator(0, f"awgn/{snr_db}", 0)
    messages = torch.randint(4, (COUNT,), generator=generator)
    csi = torch.full((COUNT,), math.sqrt(db_to_linear(snr_db)) * np.exp(1.3j)).to(torch.complex64)
    received = csi * points[messages] + complex_normal((COUNT,), generator=generator)
    metric = SymbolErrorRate()
    metric.update(maximum_likelihood(received, csi, points), messages)
    assert matches(metric, qpsk_ser(db_to_linear(snr_db)))
    assert not matches(metric, qpsk_ser(db_to_linear(snr_db + 0.5)))


@pytest.mark.parametrize("mean_snr", [0.5, 3.0, 100.0, 1600.0])
def test_the_closed_form_over_rayleigh_fading_is_the_integral(mean_snr):
    def weighted(x):
        return qpsk_ser(mean_snr * x) * math.exp(-x)

    # The integrand is concentrated where the SNR is about 1.
    edge = min(30 / mean_snr, 30.0)
    integral = quad(weighted, 0, edge)[0] + quad(weighted, edge, 60)[0]
    assert rayleigh_qpsk_ser(mean_snr) == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_qpsk_over_the_channel_has_the_closed_form_error_rate_of_rayleigh_fading(snr_db):
    antennas, narrow = 8, Sector(40, 40.0001)
    positions = element_positions(antennas)
    channel = CommunicationChannel(positions, narrow, snr_db)
    towards = steering_vector(torch.tensor(narrow.min), positions)
    generator = step_generator(0, f"rayleigh/{snr_db}", 0)
    messages = torch.randint(4, (COUNT,), generator=generator)
    metric = SymbolErrorRate()
    beam = towards.conj() / math.sqrt(antennas)
    received, csi = channel(beam, qam(4)[messages], channel.draw(COUNT, generator))
    metric.update(maximum_likelihood(received, csi, qam(4)), messages)
    # The matched beam of unit norm has the array gain K.
    assert matches(metric, rayleigh_qpsk_ser(antennas * db_to_linear(snr_db)))
    assert not matches(metric, rayleigh_qpsk_ser(antennas * db_to_linear(snr_db + 0.5)))


# Bad input


@pytest.mark.parametrize("order", [0, 1, 2, 8, 9, 32, 36, 4.0, -4, "4", None])
def test_the_order_of_a_qam_must_be_an_even_power_of_two(order):
    with pytest.raises(ValueError, match=r"order must be an even power of two .* got") as error:
        qam(order)
    assert repr(order) in str(error.value)


@pytest.mark.parametrize("order", [1, 0, 2.5, True, None])
def test_psk_needs_at_least_two_points(order):
    with pytest.raises(ValueError, match=f"order must be an integer of at least 2, got {order}"):
        psk(order)


def test_a_constellation_has_one_axis():
    with pytest.raises(ValueError, match=r"constellation must have shape \[order\], got \(2, 2\)"):
        maximum_likelihood(torch.ones(3) + 0j, torch.ones(3) + 0j, torch.ones(2, 2) + 0j)

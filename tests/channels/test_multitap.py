import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import dft
from scipy.stats import norm

from isaclib.channels.multitap import MultitapChannel
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import maximum_likelihood, psk
from isaclib.signal.noise import complex_normal, db_to_linear, step_generator
from isaclib.signal.ofdm import Subcarriers

K = 6
POSITIONS = element_positions(K, reference="center")
SUBCARRIERS = Subcarriers(24, 1e6)
COMMUNICATION = MultitapChannel(POSITIONS, Sector(30, 50), SUBCARRIERS, 20.0)
SIGMAS = 4.5


def generator(name="multitap"):
    return step_generator(0, name, 0)


def symbols_of(points, batch):
    return points[torch.randint(len(points), (batch, SUBCARRIERS.count), generator=generator())]


def test_the_received_samples_are_those_of_the_paper():
    beam, symbols = complex_normal((K,), generator=generator("beam")), symbols_of(psk(4), 4)
    realization = COMMUNICATION.draw(4, generator())
    received, csi = COMMUNICATION(beam, symbols, realization)
    for i in range(4):
        a = np.exp(-2j * np.pi * POSITIONS.numpy() * np.sin(float(realization.angle[i])))
        kappa = realization.response[i].numpy() * (beam.numpy() @ a)
        np.testing.assert_allclose(csi[i].numpy(), kappa, rtol=1e-4)
        oracle = symbols[i].numpy() * kappa + realization.noise[i].numpy()
        np.testing.assert_allclose(received[i].numpy(), oracle, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("profile", ["power", "amplitude"])
@pytest.mark.parametrize("taps", [1, 5, 24])
def test_the_response_is_the_unitary_transform_of_decaying_taps(profile, taps):
    channel = replace(COMMUNICATION, profile=profile, taps=taps)
    count = 20_000
    response = channel.draw(count, generator("taps")).response.numpy()
    gains = response @ dft(24, scale="sqrtn").conj().T
    np.testing.assert_allclose(gains[:, taps:], 0, atol=1e-4)
    fall = 1 if profile == "power" else 2
    ratio = np.exp(-fall * np.arange(taps))
    expected = 24 * 100 * ratio / ratio.sum()
    power = (np.abs(gains[:, :taps]) ** 2).mean(0)
    # The last taps of 24 are below what a transform in single precision leaves.
    np.testing.assert_allclose(power, expected, rtol=SIGMAS / math.sqrt(count), atol=1e-9)
    np.testing.assert_allclose(channel.variances().numpy(), expected, rtol=1e-9)


def test_the_snr_is_the_average_over_subcarriers():
    """SNR_c = sum sigma_l^2 / (S N_0): power of beta on each subcarrier, against noise of one."""
    realization = COMMUNICATION.draw(20_000, generator("snr"))
    power = realization.response.abs().square().double().mean(0)
    torch.testing.assert_close(
        power, torch.full((24,), db_to_linear(20.0)).double(), rtol=SIGMAS / math.sqrt(2e4), atol=0
    )
    noise = realization.noise.abs().square().double()
    assert float(noise.mean()) == pytest.approx(1, rel=SIGMAS / math.sqrt(noise.numel()))


def test_qpsk_errors_are_those_of_the_closed_form():
    """Two independent decisions a symbol, each wrong with Q(|kappa|) where N_0 is one."""
    count = 4000
    channel = replace(COMMUNICATION, snr_db=0.0)
    beam = steering_vector(torch.tensor(math.radians(40)), POSITIONS).conj() / math.sqrt(K)
    messages = torch.randint(4, (count, 24), generator=generator("messages"))
    received, csi = channel(beam, psk(4)[messages], channel.draw(count, generator()))
    errors = (maximum_likelihood(received, csi, psk(4)) != messages).double().mean(1)
    expected = 1 - (1 - norm.sf(csi.abs().double().numpy())) ** 2
    difference = errors.numpy() - expected.mean(1)
    assert 0.005 < expected.mean() < 0.5
    assert abs(difference.mean()) < SIGMAS * difference.std() / math.sqrt(count)


# Bad input


def test_fewer_subcarriers_than_taps_are_refused():
    match = "taps must be at most the number of subcarriers, 24, got 25"
    with pytest.raises(ValueError, match=match):
        replace(COMMUNICATION, taps=25)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replace(COMMUNICATION, snr_db=math.inf), "snr_db must be a finite number"),
        (lambda: replace(COMMUNICATION, taps=0), "taps must be an integer >= 1, got 0"),
        (
            lambda: replace(COMMUNICATION, profile="x"),
            "profile must be one of 'power', 'amplitude'",
        ),
        (lambda: COMMUNICATION.draw(-1, generator()), "batch must be an integer >= 1, got -1"),
    ],
)
def test_arguments_are_checked(call, match):
    with pytest.raises(ValueError, match=match):
        call()

import math

import numpy as np
import pytest
import torch
from scipy.stats import expon, kstest, uniform

from isaclib.channels.narrowband import (
    CommunicationChannel,
    RadarChannel,
    channel_state,
    target_echo,
)
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, db_to_linear, step_generator
from isaclib.signal.sectors import RandomSectors

K = 6
POSITIONS = element_positions(K)
SECTOR = Sector(-20, 20)
COUNT = 50_000
SIGMAS = 4.5
BAD_SNRS = (math.nan, math.inf, -math.inf)


def generator(name="channel"):
    return step_generator(0, name, 0)


def double(*shape, variance=1.0, name="double"):
    return complex_normal(
        shape, variance, generator=generator(f"{name}/{shape}"), dtype=torch.complex128
    )


def radar_input(batch=5):
    """Arguments of :func:`target_echo`, in double precision."""
    theta = torch.linspace(-1.2, 1.3, batch, dtype=torch.float64)
    return {
        "beam": double(K),
        "symbols": double(batch, name="symbols"),
        "theta": theta,
        "gain": double(batch, name="gain"),
        "noise": double(batch, K, name="noise"),
        "positions": POSITIONS,
    }


def numpy_steering(theta):
    return np.exp(-2j * np.pi * POSITIONS.numpy() * np.sin(theta))


# The echo, Eq. (1)


def test_the_echo_is_the_matrix_product_of_the_paper():
    data = radar_input()
    found = target_echo(**data).numpy()
    for i, theta in enumerate(data["theta"].tolist()):
        a = numpy_steering(theta)[:, None]
        y = data["beam"].numpy()[:, None] * complex(data["symbols"][i])
        oracle = complex(data["gain"][i]) * a @ a.T @ y + data["noise"].numpy()[i][:, None]
        np.testing.assert_allclose(found[i], oracle[:, 0], rtol=1e-10)


def test_without_a_target_the_echo_is_the_noise():
    data = radar_input()
    present = torch.tensor([True, False, True, False, False])
    echo = target_echo(**data, present=present)
    assert torch.equal(echo[~present], data["noise"][~present])
    torch.testing.assert_close(echo[present], target_echo(**data)[present])


def test_one_beam_for_all_and_the_same_beam_for_each_sample_agree():
    data = radar_input()
    each = {**data, "beam": data["beam"].expand(5, K)}
    torch.testing.assert_close(target_echo(**data), target_echo(**each))
    state = (data["theta"], data["gain"], POSITIONS)
    torch.testing.assert_close(
        channel_state(data["beam"], *state), channel_state(each["beam"], *state)
    )


def test_beams_of_samples_are_not_mixed_up():
    data = radar_input()
    beams = double(5, K, name="beams")
    together = target_echo(**{**data, "beam": beams})
    state = channel_state(beams, data["theta"], data["gain"], POSITIONS)
    for i in range(5):
        torch.testing.assert_close(together[i], target_echo(**{**data, "beam": beams[i]})[i])
        alone = channel_state(
            beams[i], data["theta"][i : i + 1], data["gain"][i : i + 1], POSITIONS
        )
        torch.testing.assert_close(state[i], alone[0])


@pytest.mark.parametrize("shape", [(K,), (5, K)], ids=["one beam", "beam a sample"])
def test_the_echo_is_differentiable_for_beam_and_symbols(shape):
    data = radar_input()
    beam = double(*shape).requires_grad_(True)
    symbols = data.pop("symbols").requires_grad_(True)
    del data["beam"]
    present = torch.tensor([True, True, False, True, True])

    def echo(beam, symbols):
        return target_echo(beam, symbols, **data, present=present)

    assert torch.autograd.gradcheck(echo, (beam, symbols))


# Communication, Eq. (2)


def test_the_channel_state_and_the_received_sample_are_those_of_the_paper():
    channel = CommunicationChannel(POSITIONS, Sector(30, 50), 20.0)
    beam, symbols = double(K).to(torch.complex64), double(4).to(torch.complex64)
    realization = channel.draw(4, generator())
    received, csi = channel(beam, symbols, realization)
    for i in range(4):
        a = numpy_steering(float(realization.angle[i]))
        kappa = complex(realization.gain[i]) * (a @ beam.numpy())
        assert complex(csi[i]) == pytest.approx(kappa, rel=1e-4)
        expected = kappa * complex(symbols[i]) + complex(realization.noise[i])
        assert complex(received[i]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shape", [(K,), (4, K)], ids=["one beam", "beam a sample"])
def test_the_channel_state_is_differentiable_for_the_beam(shape):
    angle = torch.linspace(-1, 1, 4, dtype=torch.float64)
    gain = double(4, name="gain").requires_grad_(True)
    beam = double(*shape).requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda v, beta: channel_state(v, angle, beta, POSITIONS), (beam, gain)
    )


# What is random


def test_gains_are_swerling_1():
    snr_db = 7.0
    draw = RadarChannel(POSITIONS, SECTOR, snr_db).draw(COUNT, generator())
    variance = db_to_linear(snr_db)
    assert kstest(draw.gain.abs().square(), expon(scale=variance).cdf).pvalue > 1e-5
    assert kstest(draw.gain.angle(), uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-5
    pseudo = draw.gain.to(torch.complex128).square().mean().abs()
    assert float(pseudo) < SIGMAS * variance / math.sqrt(COUNT)


def test_communication_gains_are_rayleigh_and_angles_uniform():
    sector = Sector(30, 50)
    draw = CommunicationChannel(POSITIONS, sector, 20.0).draw(COUNT, generator())
    assert kstest(draw.gain.abs(), lambda r: 1 - np.exp(-(r**2) / 100.0)).pvalue > 1e-5
    scale = sector.max - sector.min
    assert kstest(draw.angle.double(), uniform(sector.min, scale).cdf).pvalue > 1e-5
    assert float(draw.noise.abs().square().mean()) == pytest.approx(
        1, abs=SIGMAS / math.sqrt(COUNT)
    )


def test_a_target_is_present_half_of_the_time_independently_of_the_rest():
    draw = RadarChannel(POSITIONS, SECTOR, 0.0).draw(COUNT, generator())
    present = draw.present.double()
    assert abs(float(present.mean()) - 0.5) < SIGMAS * 0.5 / math.sqrt(COUNT)
    sign = 2 * present - 1
    for other, spread in (
        (draw.theta.double() / SECTOR.max, 1 / math.sqrt(3)),
        (draw.gain.real.double(), math.sqrt(0.5)),
        (draw.noise[:, 0].real.double(), math.sqrt(0.5)),
        (sign[1:], 1.0),
    ):
        product = (sign[: len(other)] * other).mean()
        assert abs(float(product)) < SIGMAS * spread / math.sqrt(len(other) - 1)


@pytest.mark.parametrize("present", [True, False])
def test_presence_can_be_asked_for(present):
    draw = RadarChannel(POSITIONS, SECTOR, 0.0).draw(10, generator(), present=present)
    assert draw.present.tolist() == [present] * 10


def test_the_echo_power_is_that_of_eq_1():
    """E||z||^2 = SNR_r K E|a^T v|^2 + K, the mean over the sector by quadrature."""
    channel = RadarChannel(POSITIONS, SECTOR, 3.0)
    beam = (steering_vector(torch.tensor(0.1), POSITIONS).conj() / math.sqrt(K)).to(torch.complex64)
    draw = channel.draw(COUNT, generator(), present=True)
    power = channel(beam, torch.ones(COUNT) + 0j, draw).abs().square().sum(-1).double()
    theta = np.linspace(SECTOR.min, SECTOR.max, 2001)
    illumination = np.abs(np.exp(-2j * np.pi * np.outer(np.sin(theta), POSITIONS)) @ beam.numpy())
    expected = db_to_linear(3.0) * K * np.mean(illumination**2) + K
    assert float(power.mean()) == pytest.approx(
        expected, abs=SIGMAS * float(power.std()) / math.sqrt(COUNT)
    )


def test_without_a_target_the_echo_is_white_with_unit_power():
    channel = RadarChannel(POSITIONS, SECTOR, 30.0)
    echo = channel(
        torch.ones(K) + 0j,
        torch.ones(COUNT) + 0j,
        channel.draw(COUNT, generator(), present=False),
    ).to(torch.complex128)
    covariance = echo.mT @ echo.conj() / COUNT
    error = (covariance - torch.eye(K)).abs().max()
    assert float(error) < SIGMAS / math.sqrt(COUNT)


def test_shapes_and_dtypes_of_realizations():
    radar = RadarChannel(POSITIONS, SECTOR, 0.0).draw(3, generator())
    assert (radar.theta.shape, radar.theta.dtype) == ((3,), torch.float32)
    assert (radar.gain.shape, radar.gain.dtype) == ((3,), torch.complex64)
    assert (radar.present.shape, radar.present.dtype) == ((3,), torch.bool)
    assert (radar.noise.shape, radar.noise.dtype) == ((3, K), torch.complex64)


# Bad input


@pytest.mark.parametrize("kind", [RadarChannel, CommunicationChannel])
@pytest.mark.parametrize("snr_db", BAD_SNRS)
def test_the_snr_must_be_finite(kind, snr_db):
    with pytest.raises(ValueError, match=f"snr_db must be a finite .* got {snr_db}"):
        kind(POSITIONS, SECTOR, snr_db)


@pytest.mark.parametrize("kind", [RadarChannel, CommunicationChannel])
@pytest.mark.parametrize(
    "positions", [torch.zeros(0), torch.zeros(2, 2), torch.zeros(3, dtype=torch.complex64)]
)
def test_positions_must_be_a_list_of_real_numbers(kind, positions):
    with pytest.raises(ValueError, match=r"positions must be a real \[antennas\] tensor, got"):
        kind(positions, SECTOR, 0.0)


@pytest.mark.parametrize("kind", [RadarChannel, CommunicationChannel])
@pytest.mark.parametrize("batch", [0, -3, 2.0, True, None])
def test_a_batch_must_hold_samples(kind, batch):
    with pytest.raises(ValueError, match=f"batch must be an integer >= 1, got {batch!r}"):
        kind(POSITIONS, SECTOR, 0.0).draw(batch, generator())


@pytest.mark.parametrize("shape", [(K - 1,), (5, K + 1), (5, 1, K)])
def test_a_beam_must_fit_the_array(shape):
    data = radar_input()
    data["beam"] = double(*shape)
    with pytest.raises(ValueError, match=rf"beam must have shape \[{K}\] or \[batch, {K}\]") as e:
        target_echo(**data)
    assert f"got {shape}" in str(e.value)
    with pytest.raises(ValueError, match="beam must have shape"):
        channel_state(data["beam"], data["theta"], data["gain"], POSITIONS)


# A sector for each sample, as P2 trains


def test_sectors_of_their_own_change_the_angles_alone():
    channel = RadarChannel(element_positions(4), Sector(-40, -20), 0.0)
    sectors = RandomSectors().draw(50, step_generator(0, "sectors", 0))
    usual = channel.draw(50, step_generator(0, "draw", 0))
    found = channel.draw(50, step_generator(0, "draw", 0), sectors=sectors)
    for name in ("gain", "present", "noise"):
        assert torch.equal(getattr(found, name), getattr(usual, name))
    assert bool((found.theta >= sectors.min - 1e-6).all())
    assert bool((found.theta <= sectors.max + 1e-6).all())


def test_there_must_be_a_sector_for_each_sample():
    channel = RadarChannel(element_positions(4), Sector(-40, -20), 0.0)
    sectors = RandomSectors().draw(3, step_generator(0, "sectors", 0))
    with pytest.raises(ValueError, match="count must be the number of sectors, 3, got 4"):
        channel.draw(4, step_generator(0, "draw", 0), sectors=sectors)

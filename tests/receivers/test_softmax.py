import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from isaclib.receivers import softmax as estimation
from isaclib.receivers.softmax import softmax_angle
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.beamforming import FIELD_OF_VIEW
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.sectors import RandomSectors, SectorBatch, Windows, grid_windows

K, GRID = 8, 181
POSITIONS = element_positions(K, reference="center")
ANGLES = FIELD_OF_VIEW.grid(GRID)
STEERING = steering_vector(ANGLES, POSITIONS)
READINGS = pytest.mark.parametrize("reading", ["literal", "sector"])


def random_sectors(count, name="sectors"):
    return RandomSectors().draw(count, step_generator(0, name, 0))


def echoes(count, variance=4.0, name="echoes", dtype=torch.complex128):
    generator = step_generator(0, name, 0)
    return complex_normal((count, K), variance, generator=generator, dtype=dtype)


def mask(windows, count):
    """The vectors b of Eq. (13), one a sample: ``[count, grid]``, 0 or 1."""
    index = torch.arange(GRID)
    inside = (index >= windows.start[:, None]) & (index < windows.stop[:, None])
    return inside.expand(count, -1)


def literal(echo, steering, windows, reading, level=1.0):
    """Eqs. (13) and (14) in NumPy, sample by sample over the whole grid."""
    statistics, angles = [], []
    for z, b in zip(echo.numpy(), mask(windows, len(echo)).numpy(), strict=True):
        output = np.abs(steering.numpy().conj() @ z) * b
        exponent = level * output if reading == "literal" else np.where(b, level * output, -np.inf)
        statistics.append(output.max())
        angles.append(softmax(exponent) @ ANGLES.numpy())
    return np.array(statistics), np.array(angles)


# The formula


@READINGS
@settings(max_examples=25)
@given(st.integers(1, 40), st.floats(1e-6, 1e4), st.sampled_from([0.25, 1.0, float(K)]))
def test_estimates_equal_the_formula(reading, count, variance, level):
    echo = echoes(count, variance, f"echo/{count}")
    windows = grid_windows(ANGLES, random_sectors(count, f"sectors/{count}"))
    found = softmax_angle(echo, STEERING, ANGLES, windows, reading=reading, level=level)
    oracle = literal(echo, STEERING, windows, reading, level)
    for value, expected in zip(found, oracle, strict=True):
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-9, atol=1e-12)


@READINGS
@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_do_not_change_the_estimate(reading, block, monkeypatch):
    echo, windows = echoes(50), grid_windows(ANGLES, random_sectors(50))
    whole = softmax_angle(echo, STEERING, ANGLES, windows, reading=reading)
    monkeypatch.setattr(estimation, "BLOCK", block)
    found = softmax_angle(echo, STEERING, ANGLES, windows, reading=reading)
    torch.testing.assert_close(found, whole)


@READINGS
def test_one_sector_serves_all_samples(reading):
    echo, sector = echoes(9), Sector(-40, -20)
    one = grid_windows(ANGLES, sector)
    many = Windows(one.start.expand(9), one.stop.expand(9))
    found = softmax_angle(echo, STEERING, ANGLES, one, reading=reading)
    torch.testing.assert_close(found, softmax_angle(echo, STEERING, ANGLES, many, reading=reading))
    oracle = literal(echo, STEERING, one, reading)
    np.testing.assert_allclose(found[1].numpy(), oracle[1], rtol=1e-9)


@READINGS
def test_single_precision_is_near_double(reading):
    echo, windows = echoes(200), grid_windows(ANGLES, random_sectors(200))
    exact = softmax_angle(echo, STEERING, ANGLES, windows, reading=reading)
    single = (echo.to(torch.complex64), STEERING.to(torch.complex64))
    found = softmax_angle(*single, ANGLES, windows, reading=reading)
    for value, expected in zip(found, exact, strict=True):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=2e-6)


@READINGS
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e8])
def test_extreme_echoes_give_finite_estimates_and_gradients(reading, scale):
    echo = (scale * echoes(20)).to(torch.complex64).requires_grad_()
    windows = grid_windows(ANGLES, random_sectors(20))
    steering = STEERING.to(torch.complex64).requires_grad_()
    statistic, angle = softmax_angle(echo, steering, ANGLES, windows, reading=reading)
    angle.sum().backward()
    for value in (statistic, angle, echo.grad, steering.grad):
        assert bool(
            torch.isfinite(torch.view_as_real(value) if value.is_complex() else value).all()
        )


# Gradients


@READINGS
@pytest.mark.parametrize("level", [1.0, 3.0])
def test_gradients_equal_finite_differences(reading, level):
    grid = ANGLES[::15]
    windows = Windows(torch.tensor([0, 4, 4, 11]), torch.tensor([3, 5, 13, 13]))

    def angle(echo, steering):
        return softmax_angle(echo, steering, grid, windows, reading=reading, level=level)[1]

    arguments = echoes(4, 0.5).requires_grad_(), STEERING[::15].clone().requires_grad_()
    assert torch.autograd.gradcheck(angle, arguments)


def by_autograd(echo, steering, windows, reading):
    """Eq. (13) as PyTorch differentiates it by itself."""
    inside = mask(windows, len(echo))
    output = (echo @ steering.mH).abs() * inside
    if reading == "sector":
        output = output.masked_fill(~inside, -torch.inf)
    return torch.softmax(output, dim=-1) @ ANGLES.to(output.dtype)


@READINGS
def test_gradients_equal_those_of_the_literal_computation(reading):
    """In single precision, over several blocks, to the accuracy that the speed may cost."""
    count = 1500
    windows = grid_windows(ANGLES, random_sectors(count))
    target = random_sectors(count).sample(count, step_generator(0, "theta", 0))
    gradients = []
    for estimate in (
        lambda z, a: softmax_angle(z, a, ANGLES, windows, reading=reading)[1],
        lambda z, a: by_autograd(z, a, windows, reading),
    ):
        echo = echoes(count, dtype=torch.complex64).requires_grad_()
        steering = STEERING.to(torch.complex64).requires_grad_()
        (estimate(echo, steering) - target).square().mean().backward()
        gradients.append((echo.grad, steering.grad))
    for found, expected in zip(*gradients, strict=True):
        error = torch.linalg.vector_norm(found - expected)
        assert float(error) < 1e-4 * float(torch.linalg.vector_norm(expected))


def test_the_statistic_passes_no_gradient_on():
    echo = echoes(3).requires_grad_()
    statistic, angle = softmax_angle(echo, STEERING, ANGLES, grid_windows(ANGLES, Sector(0, 20)))
    assert not statistic.requires_grad
    assert angle.requires_grad


# Limits


def echo_from(theta_deg, strength):
    theta = torch.deg2rad(torch.tensor(theta_deg, dtype=torch.float64))
    return strength * steering_vector(theta, POSITIONS)


@READINGS
def test_a_strong_echo_on_a_true_grid_is_found_where_it_is(reading):
    sector = grid_windows(ANGLES, Sector(-40, -20))
    theta = [-37.0, -30.0, -23.0]
    statistic, angle = softmax_angle(
        echo_from(theta, 50.0), STEERING, ANGLES, sector, reading=reading
    )
    np.testing.assert_allclose(np.degrees(angle.numpy()), theta, atol=0.05)
    np.testing.assert_allclose(statistic.numpy(), 50.0 * K)


def test_without_an_echo_the_readings_fall_back_on_their_priors():
    """All weights are equal: the middle of the sector, or of the whole grid as printed."""
    windows = grid_windows(ANGLES, Sector(20, 40))
    silence = torch.zeros(1, K, dtype=torch.complex128)
    found = {
        reading: math.degrees(softmax_angle(silence, STEERING, ANGLES, windows, reading=reading)[1])
        for reading in ("literal", "sector")
    }
    assert found["sector"] == pytest.approx(30)
    assert found["literal"] == pytest.approx(0, abs=1e-9)


def test_the_literal_reading_pulls_weak_echoes_out_of_the_sector():
    """Angles outside weigh exp(0) each, so their share falls as the echo grows; both then agree."""
    windows = grid_windows(ANGLES, Sector(20, 40))

    def pull(strength):
        echo = echo_from([30.0], strength)
        both = [
            softmax_angle(echo, STEERING, ANGLES, windows, reading=reading)[1]
            for reading in ("literal", "sector")
        ]
        return math.degrees(both[1] - both[0])

    pulls = [pull(strength) for strength in (0.1, 0.3, 0.6, 1.0, 3.0)]
    assert pulls == sorted(pulls, reverse=True)
    assert pulls[0] > 15
    assert pulls[-1] < 1e-6


def test_the_mean_is_biased_inwards_at_the_edge_of_the_sector():
    """Half of the main lobe is cut off there; a sharper softmax (a larger level) is less biased."""
    windows = grid_windows(ANGLES, Sector(-40, -20))

    def bias(theta, level=1.0):
        echo = echo_from([theta], 1.0)
        angle = softmax_angle(echo, STEERING, ANGLES, windows, reading="sector", level=level)[1]
        return math.degrees(angle) - theta

    assert bias(-40.0) > 1
    assert bias(-20.0) < -1
    assert abs(bias(-30.0)) < 0.2
    assert 0 < bias(-40.0, level=float(K)) < 0.6 * bias(-40.0)


@given(st.integers(0, 30))
def test_the_sector_reading_stays_in_the_sector(seed):
    sectors = random_sectors(30, f"inside/{seed}")
    windows = grid_windows(ANGLES, sectors)
    angle = softmax_angle(echoes(30), STEERING, ANGLES, windows, reading="sector")[1]
    assert bool(((angle >= sectors.min - 1e-6) & (angle <= sectors.max + 1e-6)).all())


# Bad input

WINDOW = grid_windows(ANGLES, Sector(0, 20))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"reading": "printed"}, "reading must be one of 'literal', 'sector', got 'printed'"),
        ({"level": 0.0}, "level must be a finite number > 0, got 0.0"),
        ({"level": math.nan}, "level must be a finite number > 0, got nan"),
        ({"echo": torch.zeros(3, 7)}, r"echo must have shape \[batch, 8\] .* got \(3, 7\)"),
        ({"echo": torch.zeros(8)}, r"echo must have shape \[batch, 8\] .* got \(8,\)"),
        ({"steering": STEERING[1:]}, r"steering must have shape \[grid, antennas\] .* \(180, 8\)"),
        (
            {"windows": grid_windows(ANGLES, random_sectors(2))},
            "windows must be one for all samples or one for each of 3, got 2",
        ),
    ],
)
def test_arguments_are_checked(change, match):
    arguments = {"echo": echoes(3), "steering": STEERING, "grid": ANGLES, "windows": WINDOW}
    with pytest.raises(ValueError, match=match):
        softmax_angle(**{**arguments, **change})


def test_sectors_narrower_than_the_grid_are_refused_before():
    narrow = SectorBatch(torch.tensor([0.1]), torch.tensor([0.101]))
    with pytest.raises(ValueError, match="grid must put an angle inside the sector"):
        grid_windows(FIELD_OF_VIEW.grid(50), narrow)

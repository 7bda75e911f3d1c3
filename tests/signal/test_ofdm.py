import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import c

from isaclib.signal.modulation import psk, qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import (
    RangeSector,
    Subcarriers,
    delay_basis,
    delay_to_range,
    range_to_delay,
    reciprocal_filter,
)

P3 = Subcarriers(256, 120e3)
SMALL, NEAR = Subcarriers(32, 1e6), RangeSector(0, 40)


# Delays and ranges


def test_the_numbers_of_p3():
    """Range resolution of 4.88 m, unambiguous range of 1,249 m."""
    assert P3.range_resolution == pytest.approx(c / (2 * 256 * 120e3))
    assert P3.range_resolution == pytest.approx(4.879, abs=1e-3)
    assert P3.unambiguous_range == pytest.approx(1249.1, abs=0.1)


@given(st.floats(0, 1e4))
def test_delay_and_range_are_inverse(distance):
    assert delay_to_range(range_to_delay(distance)) == pytest.approx(distance, rel=1e-12)
    assert range_to_delay(distance) == pytest.approx(2 * distance / c, rel=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_delay_vectors_are_those_of_the_paper(dtype, tolerance):
    distance = torch.tensor([[0.0, 3.7], [120.25, 200.0]], dtype=dtype)
    tau = 2 * distance.double().numpy() / c
    oracle = np.exp(-2j * np.pi * np.arange(256) * 120e3 * tau[..., None])
    found = P3.delay_vector(distance)
    assert found.dtype == dtype.to_complex()
    np.testing.assert_allclose(found.numpy(), oracle, atol=tolerance)


def test_delay_vectors_repeat_after_the_unambiguous_range():
    near = torch.tensor([0.0, 17.0, 450.0], dtype=torch.float64)
    again = P3.delay_vector(near + P3.unambiguous_range)
    torch.testing.assert_close(P3.delay_vector(near), again, atol=1e-9, rtol=0)


def test_targets_a_resolution_apart_are_orthogonal():
    vectors = P3.delay_vector(torch.arange(4, dtype=torch.float64) * P3.range_resolution)
    gram = vectors.conj() @ vectors.T
    torch.testing.assert_close(gram, 256 * torch.eye(4).to(gram), atol=1e-9, rtol=0)


def test_ranges_are_uniform_in_their_sector():
    found = RangeSector(10, 30).sample(40_000, step_generator(0, "ranges", 0)).double()
    assert found.min() >= 10
    assert found.max() <= 30
    assert float(found.mean()) == pytest.approx(20, abs=4.5 * 20 / math.sqrt(12 * 40_000))
    assert float(found.std()) == pytest.approx(20 / math.sqrt(12), rel=0.02)


def test_grid_ranges_hold_both_ends():
    np.testing.assert_allclose(RangeSector().grid(200).numpy(), np.linspace(0, 200, 200))


# Reciprocal filtering


def test_psk_cancels_exactly_and_leaves_the_noise_white():
    """P3 Eq. (7): only a phase of each noise sample changes."""
    generator = step_generator(0, "filter", 0)
    symbols = psk(4)[torch.randint(4, (5, 32), generator=generator)]
    noise = complex_normal((5, 3, 32), generator=generator)
    amplitude = complex_normal((5, 3, 1), generator=generator)
    found = reciprocal_filter(amplitude * symbols[:, None] + noise, symbols)
    left = found - amplitude
    torch.testing.assert_close(left.abs(), noise.abs())
    torch.testing.assert_close(left, noise * symbols[:, None].conj(), atol=1e-5, rtol=0)


def test_other_symbols_amplify_the_noise_where_they_are_small():
    generator = step_generator(0, "filter", 1)
    symbols = qam(16)[torch.randint(16, (400, 64), generator=generator)]
    noise = complex_normal((400, 8, 64), generator=generator)
    found = reciprocal_filter(noise, symbols).abs().square()
    for power in qam(16).abs().square().unique():
        here = (symbols.abs().square() - power).abs() < 1e-3
        mean = float(found.mT[here].mean())
        assert mean == pytest.approx(1 / float(power), rel=0.03)


# The delay basis


@pytest.mark.parametrize("ranges", [RangeSector(0, 200), RangeSector(150, 163), RangeSector(0, 2)])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-10])
def test_all_ranges_of_the_sector_are_in_the_basis(ranges, tolerance):
    found = delay_basis(P3, ranges, tolerance=tolerance)
    distance = ranges.sample(500, step_generator(0, "between", 0)).double()
    vectors = P3.delay_vector(torch.cat([distance, torch.tensor([ranges.min, ranges.max])])).conj()
    columns = found.columns()
    rest = vectors.T - columns @ (columns.mH @ vectors.T)
    worst = float((rest.abs() ** 2).sum(0).max()) / 256
    assert worst <= tolerance
    assert found.lost <= tolerance
    cells = (ranges.max - ranges.min) / P3.range_resolution
    assert cells < found.rank < cells + 15


def test_p3_needs_53_dimensions_of_256():
    assert delay_basis(P3, RangeSector(0, 200)).rank == 53


@pytest.mark.parametrize("count", [32, 33])
def test_the_basis_is_orthonormal(count):
    columns = delay_basis(Subcarriers(count, 1e6), RangeSector(7, 40)).columns()
    unit = torch.eye(columns.shape[1], dtype=torch.complex128)
    torch.testing.assert_close(columns.mH @ columns, unit, atol=1e-12, rtol=0)


@pytest.mark.parametrize("count", [32, 33])
@pytest.mark.parametrize("ranges", [NEAR, RangeSector(20, 47)])
def test_delay_vectors_are_real_in_the_basis_but_for_a_phase(count, ranges):
    basis = delay_basis(Subcarriers(count, 1e6), ranges)
    distance = ranges.sample(20, step_generator(0, "ranges", 0)).double()
    expected = basis.subcarriers.delay_vector(distance) @ basis.columns()
    found = basis.phase(distance).unsqueeze(-1) * basis.signature(distance)
    assert found.shape == (20, basis.rank)
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=0)


def test_signatures_give_the_correlations_of_the_delay_vectors():
    basis = delay_basis(SMALL, NEAR)
    first, second = (NEAR.sample(20, step_generator(0, n, 0)).double() for n in ("a", "b"))
    expected = (SMALL.delay_vector(first) @ SMALL.delay_vector(second).conj().T).abs()
    found = (basis.signature(first) @ basis.signature(second).T).abs()
    assert basis.rank < 32
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)
    single = basis.signature(first.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), basis.signature(first), atol=1e-5, rtol=0)


def test_the_projection_of_an_echo_keeps_every_magnitude():
    basis = delay_basis(SMALL, NEAR, tolerance=1e-20)
    echo = complex_normal((3, 4, 32), generator=step_generator(0, "echo", 0), dtype=torch.cdouble)
    grid = NEAR.grid(30)
    expected = (echo @ SMALL.delay_vector(grid).conj().T).abs()
    found = (basis.project(echo) @ (basis.signature(grid).T + 0j)).abs()
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)


def test_white_noise_stays_white_in_the_basis():
    basis = delay_basis(SMALL, NEAR)
    count = 20_000
    noise = complex_normal((count, 32), generator=step_generator(0, "noise", 0))
    found = basis.project(noise)
    covariance = found.T.conj() @ found / count
    unit = torch.eye(basis.rank)
    torch.testing.assert_close(covariance.abs(), unit, atol=4.5 / math.sqrt(count), rtol=0)
    assert abs(complex((found**2).mean())) < 4.5 / math.sqrt(count * basis.rank)


# Bad input


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Subcarriers(0), "count must be an integer >= 1, got 0"),
        (lambda: Subcarriers(8, -1.0), "spacing_hz must be a finite number > 0, got -1.0"),
        (lambda: RangeSector(-1, 5), "min must be a finite number >= 0, got -1"),
        (lambda: RangeSector(5, 5), r"0 <= min < max metres, got min=5, max=5"),
        (lambda: RangeSector(0, math.inf), "max must be a finite number, got inf"),
        (lambda: RangeSector().grid(1), "count must be at least 2 grid ranges, got 1"),
        (
            lambda: delay_basis(P3, RangeSector(0, 1300)),
            r"unambiguous range c / \(2 Delta_f\) = 1249.1 m .* 120000 Hz apart, got max=1300 m",
        ),
        (
            lambda: delay_basis(P3, RangeSector(), tolerance=-1),
            r"tolerance must be a number in \[2e-28, 1\], got -1",
        ),
    ],
)
def test_arguments_are_checked(call, match):
    with pytest.raises(ValueError, match=match):
        call()

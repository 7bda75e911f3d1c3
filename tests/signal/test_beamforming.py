import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isaclib.signal.arrays import Sector, beampattern, element_positions, steering_vector
from isaclib.signal.beamforming import (
    FIELD_OF_VIEW,
    SingularSteeringError,
    combine_beams,
    least_squares_beam,
    precoder,
    window_beams,
)
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.sectors import RandomSectors, Windows, grid_windows
from isaclib.signal.spacings import impaired_positions

TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
sectors = (
    st.tuples(st.integers(-90, 80), st.integers(10, 90))
    .filter(lambda e: e[0] + 10 <= e[1])
    .map(lambda e: Sector(*map(float, e)))
)
rhos = st.floats(0, 1)
phases = st.floats(0, 2 * math.pi)


def problem(sector, positions, grid_size):
    """Matrix A^T and desired pattern b of Eq. (9), in NumPy."""
    grid = np.linspace(-np.pi / 2, np.pi / 2, grid_size)
    matrix = np.exp(-2j * np.pi * np.outer(np.sin(grid), positions.numpy()))
    low, high = np.radians([sector.min_deg, sector.max_deg])
    inside = (grid > low - 1e-9) & (grid < high + 1e-9)
    return matrix, np.where(inside, float(len(positions)), 0.0)


def unit_beams(antennas=8):
    beams = complex_normal(
        (2, antennas), dtype=torch.complex128, generator=step_generator(0, "beams", 0)
    )
    return beams / torch.linalg.vector_norm(beams, dim=-1, keepdim=True)


# Least squares, Eq. (9)


@settings(max_examples=40)
@given(sectors, st.integers(2, 16), st.integers(0, 1000))
def test_beams_equal_those_of_numpy_lstsq(sector, antennas, draw):
    positions = impaired_positions(antennas, 1 / 30, generator=step_generator(0, "ls", draw))
    beam = least_squares_beam(sector, positions, grid_size=300)
    matrix, desired = problem(sector, positions, 300)
    oracle = np.linalg.lstsq(matrix, desired.astype(complex), rcond=None)[0]
    np.testing.assert_allclose(beam.numpy(), oracle / np.linalg.norm(oracle), atol=1e-4)


@pytest.mark.parametrize("sector", [TARGET, RECEIVER])
@pytest.mark.parametrize("grid_size", [181, 500])
def test_the_residual_is_orthogonal_to_every_column(sector, grid_size):
    positions = element_positions(16)
    matrix, desired = problem(sector, positions, grid_size)
    beam = least_squares_beam(sector, positions, grid_size=grid_size).numpy().astype(complex)
    # The beam is known up to its scale: the best one is a projection.
    fitted = matrix @ beam
    scale = np.vdot(fitted, desired) / np.vdot(fitted, fitted)
    residual = desired - scale * fitted
    cosine = np.abs(matrix.conj().T @ residual) / np.linalg.norm(desired) / math.sqrt(grid_size)
    assert cosine.max() < 1e-5
    assert scale.real > 0
    assert abs(scale.imag) < 1e-6 * scale.real


@settings(max_examples=30)
@given(sectors, st.integers(1, 20))
def test_beams_have_unit_norm(sector, antennas):
    beam = least_squares_beam(sector, element_positions(antennas))
    assert beam.shape == (antennas,)
    assert beam.dtype == torch.complex64
    assert float(torch.linalg.vector_norm(beam)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sector", [TARGET, RECEIVER])
def test_the_energy_goes_into_the_sector(sector):
    positions = element_positions(16)
    theta = FIELD_OF_VIEW.grid(2001)
    pattern = beampattern(least_squares_beam(sector, positions), theta, positions)
    inside = sector.contains(theta)
    # Weighted by cos(theta), the measure in which the pattern of this array integrates to 1.
    weight = torch.cos(theta)
    share = float((pattern * weight)[inside].sum() / (pattern * weight).sum())
    # Sixteen elements cannot make the edges of the sector sharp.
    assert share > 0.65
    assert float(pattern[inside].mean()) > 10 * float(pattern[~inside].mean())


def test_a_beam_for_all_angles_is_the_element_at_the_phase_reference():
    """A flat pattern K over the whole circle of phases is one element's."""
    positions = element_positions(8)
    beam = least_squares_beam(FIELD_OF_VIEW, positions)
    expected = torch.zeros(8, dtype=torch.complex64)
    expected[0] = 1
    torch.testing.assert_close(beam, expected, atol=1e-5, rtol=0)


# The combined beam, Eq. (10)


@given(rhos, phases, st.floats(0.1, 10))
def test_the_combined_beam_has_the_energy_and_the_direction_of_the_formula(rho, phase, energy):
    radar, communication = unit_beams()
    found = combine_beams(radar, communication, rho, phase, energy=energy).numpy()
    mixed = np.sqrt(rho) * radar + np.sqrt(1 - rho) * np.exp(1j * phase) * communication
    oracle = np.sqrt(energy) * mixed.numpy() / np.linalg.norm(mixed)
    np.testing.assert_allclose(found, oracle, atol=1e-12)
    assert np.linalg.norm(found) ** 2 == pytest.approx(energy)


@given(phases)
def test_the_ends_of_the_trade_off_are_the_two_beams(phase):
    radar, communication = unit_beams()
    torch.testing.assert_close(combine_beams(radar, communication, 1.0, phase), radar)
    rotated = communication * complex(math.cos(phase), math.sin(phase))
    torch.testing.assert_close(combine_beams(radar, communication, 0.0, phase), rotated)


def test_the_phase_changes_the_beam_in_between_with_the_period_of_a_turn():
    radar, communication = unit_beams()
    found = combine_beams(radar, communication, 0.5, torch.tensor([0.0, 1.0, 2 * math.pi]))
    torch.testing.assert_close(found[0], found[2], atol=1e-6, rtol=0)
    assert float((found[0] - found[1]).abs().max()) > 0.1


def test_a_whole_sweep_equals_its_points():
    radar, communication = unit_beams()
    rho, phase = torch.linspace(0, 1, 5).double()[:, None], torch.linspace(0, 6, 4).double()
    sweep = combine_beams(radar, communication, rho, phase)
    assert sweep.shape == (5, 4, 8)
    for i in range(5):
        for j in range(4):
            alone = combine_beams(radar, communication, float(rho[i]), float(phase[j]))
            torch.testing.assert_close(sweep[i, j], alone)


def test_the_sector_beams_of_p1_share_the_energy_as_rho_says():
    positions = element_positions(16)
    radar, communication = (least_squares_beam(s, positions) for s in (TARGET, RECEIVER))
    theta = RECEIVER.grid(201)
    towards = [
        float(beampattern(combine_beams(radar, communication, rho), theta, positions).mean())
        for rho in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert towards == sorted(towards, reverse=True)


# Beams of many sectors at once, P2 Eq. (4)


def random_steering(grid_size, antennas=5):
    return complex_normal(
        (grid_size, antennas),
        generator=step_generator(0, "steering", grid_size),
        dtype=torch.complex128,
    )


@settings(max_examples=20)
@given(st.integers(5, 60))
def test_the_precoder_is_the_pseudo_inverse(grid_size):
    steering = random_steering(grid_size)
    found = precoder(steering)
    np.testing.assert_allclose(found.numpy(), np.linalg.pinv(steering.numpy()), atol=1e-8)


@pytest.mark.parametrize("grid_size", [156, 500])
def test_each_sector_of_a_batch_gets_its_least_squares_beam(grid_size):
    positions = impaired_positions(
        16, 1 / 30, reference="center", generator=step_generator(0, "", 0)
    )
    grid = FIELD_OF_VIEW.grid(grid_size)
    sectors = RandomSectors().draw(40, step_generator(0, "sectors", 0))
    beams = window_beams(precoder(steering_vector(grid, positions)), grid_windows(grid, sectors))
    assert beams.dtype == torch.complex64
    for beam, low, high in zip(beams, sectors.min.double(), sectors.max.double(), strict=True):
        sector = Sector(math.degrees(low), math.degrees(high))
        oracle = least_squares_beam(sector, positions, grid_size=grid_size)
        torch.testing.assert_close(beam, oracle, atol=1e-5, rtol=0)


def test_gradients_of_the_beams_equal_finite_differences():
    windows = Windows(torch.tensor([0, 3, 3]), torch.tensor([4, 4, 12]))

    def beams(parts):
        matrix = precoder(torch.view_as_complex(parts))
        return torch.view_as_real(window_beams(matrix, windows, dtype=torch.complex128))

    parts = torch.view_as_real(random_steering(12)).clone().requires_grad_()
    assert torch.autograd.gradcheck(beams, (parts,))


# Bad input


def test_the_grid_must_tell_the_elements_apart():
    match = "grid_size must be at least the number of antennas, 16, got 15"
    with pytest.raises(ValueError, match=match):
        least_squares_beam(TARGET, element_positions(16), grid_size=15)


def test_the_grid_must_meet_the_sector():
    with pytest.raises(ValueError, match=r"grid_size must put .* inside the sector \[1.*got 19"):
        least_squares_beam(Sector(1, 2), element_positions(4), grid_size=19)


def test_two_elements_in_one_place_are_refused():
    with pytest.raises(ValueError, match=r"positions must .* independent .* got \[0.0, 0.5, 0.5\]"):
        least_squares_beam(TARGET, torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64))


@pytest.mark.parametrize("rho", [-0.1, 1.1, math.nan, [0.5, 2.0]])
def test_rho_must_lie_between_the_beams(rho):
    with pytest.raises(ValueError, match=r"rho must lie in \[0, 1\], got"):
        combine_beams(*unit_beams(), torch.tensor(rho))


@pytest.mark.parametrize("phase", [math.nan, math.inf])
def test_the_phase_must_be_finite(phase):
    with pytest.raises(ValueError, match=rf"phase must be finite \[rad\], got {phase}"):
        combine_beams(*unit_beams(), 0.5, phase)


@pytest.mark.parametrize("energy", [0, -1, math.nan, math.inf])
def test_the_energy_must_be_positive(energy):
    with pytest.raises(ValueError, match=f"energy must be positive and finite, got {energy}"):
        combine_beams(*unit_beams(), 0.5, energy=energy)


def test_beams_that_cancel_are_refused():
    radar, _ = unit_beams()
    with pytest.raises(ValueError, match="rho and phase must not make the two beams cancel"):
        combine_beams(radar, -radar, 0.5)


def broken(row, value):
    steering = random_steering(9)
    steering[row] = value
    return steering


@pytest.mark.parametrize(
    "steering",
    [
        random_steering(4),  # fewer angles than antennas
        random_steering(9)[:, [0, 1, 2, 3, 3]],  # two antennas that do the same
        torch.zeros(9, 5, dtype=torch.complex64),
        broken(2, math.nan),
        broken(2, math.inf),
    ],
)
def test_a_singular_matrix_is_refused(steering):
    message = r"steering must hold .* but A\* A\^T is singular"
    with pytest.raises(SingularSteeringError, match=message):
        precoder(steering)

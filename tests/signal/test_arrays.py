import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isaclib.signal.arrays import (
    Sector,
    array_response,
    beampattern,
    element_positions,
    steering_vector,
)
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.spacings import impaired_positions

STD = 1 / 30
ARRAYS = 4000
angles = hnp.arrays(
    float, hnp.array_shapes(max_dims=2, max_side=5), elements=st.floats(-math.pi / 2, math.pi / 2)
)
places = hnp.arrays(float, st.integers(1, 20), elements=st.floats(-20, 20))


def impaired(model, reference="first", std=STD, count=16):
    """Errors of many arrays: ``[ARRAYS, count]``, in units of ``std``."""
    nominal = element_positions(count, reference=reference)
    draws = [
        impaired_positions(
            count,
            std,
            model=model,
            reference=reference,
            generator=step_generator(0, "arrays", draw),
        )
        for draw in range(ARRAYS)
    ]
    return (torch.stack(draws) - nominal) / std


# Steering vectors


@settings(max_examples=50)
@given(angles, places)
def test_steering_vectors_equal_the_formula_in_numpy(theta, positions):
    oracle = np.exp(-2j * np.pi * positions * np.sin(theta)[..., None])
    found = steering_vector(torch.from_numpy(theta), torch.from_numpy(positions))
    assert found.dtype == torch.complex128
    np.testing.assert_allclose(found.numpy(), oracle, atol=1e-12)


@settings(max_examples=50)
@given(angles, places, st.sampled_from([torch.float32, torch.float64]))
def test_entries_have_unit_modulus_and_the_precision_of_the_angle(theta, positions, dtype):
    found = steering_vector(torch.from_numpy(theta).to(dtype), torch.from_numpy(positions))
    assert found.dtype == dtype.to_complex()
    torch.testing.assert_close(found.abs(), torch.ones_like(found.real))


@given(st.floats(-1.5, 1.5), st.floats(-5, 5))
def test_a_shift_of_all_positions_is_a_common_phase(angle, shift):
    theta, positions = torch.tensor(angle, dtype=torch.float64), element_positions(8)
    phase = np.exp(-2j * np.pi * shift * math.sin(angle))
    torch.testing.assert_close(
        steering_vector(theta, positions + shift), phase * steering_vector(theta, positions)
    )


def test_the_two_phase_references_differ_by_the_phase_of_the_centre():
    theta = torch.linspace(-1.5, 1.5, 11, dtype=torch.float64)
    first, centre = element_positions(9), element_positions(9, reference="center")
    assert float(first[0]) == 0
    assert float(centre[4]) == 0
    assert torch.equal(centre, -centre.flip(0))
    ratio = steering_vector(theta, first) / steering_vector(theta, centre)
    expected = torch.exp(-1j * math.pi * 8 / 2 * torch.sin(theta)).unsqueeze(-1).expand(-1, 9)
    torch.testing.assert_close(ratio, expected)


def test_element_k_of_p1_sits_at_k_half_wavelengths():
    assert element_positions(16).tolist() == [k / 2 for k in range(16)]
    assert element_positions(3, spacing=0.7).tolist() == pytest.approx([0, 0.7, 1.4])
    assert element_positions(1, reference="center").tolist() == [0]


# Beampatterns


def test_the_beampattern_is_the_energy_of_the_response_and_highest_for_the_matched_beam():
    positions, theta = element_positions(16), torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)
    steered = steering_vector(theta[100], positions).conj() / 4
    pattern = beampattern(steered, theta, positions)
    assert int(pattern.argmax()) == 100
    assert float(pattern[100]) == pytest.approx(16)
    oracle = (
        np.exp(-2j * np.pi * np.outer(np.sin(theta.numpy()), positions.numpy())) @ steered.numpy()
    )
    np.testing.assert_allclose(array_response(steered, theta, positions), oracle, atol=1e-12)
    np.testing.assert_allclose(pattern, np.abs(oracle) ** 2, atol=1e-12)


def test_no_beam_exceeds_the_array_gain_and_half_wavelengths_conserve_energy():
    positions = element_positions(16)
    beam = complex_normal((16,), dtype=torch.complex128, generator=step_generator(0, "beam", 0))
    # Equally spaced in sin(theta), the steering vectors of 16 angles are orthogonal.
    theta = torch.asin((2 * torch.arange(16, dtype=torch.float64) - 15) / 16)
    pattern = beampattern(beam, theta, positions)
    energy = float(beam.abs().square().sum())
    assert float(pattern.mean()) == pytest.approx(energy)
    assert float(pattern.max()) <= 16 * energy


# Spacing errors


def test_cumulative_errors_are_cumulative_sums_of_independent_spacings():
    errors = impaired("cumulative")
    assert not errors[:, 0].any()
    steps = errors.diff(dim=1)
    tolerance = 4.5 / math.sqrt(ARRAYS)
    assert float(steps.mean(0).abs().max()) < tolerance
    assert float((steps.var(0) - 1).abs().max()) < math.sqrt(2) * tolerance
    covariance = steps.mT @ steps / ARRAYS - torch.eye(15)
    assert float((covariance - covariance.diag().diag()).abs().max()) < tolerance
    # A random walk: the variance of element k is k times that of one spacing.
    walk = errors[:, 1:].var(0) / torch.arange(1, 16)
    assert float((walk - 1).abs().max()) < math.sqrt(2) * tolerance


def test_per_element_errors_are_the_index_times_independent_spacings():
    for reference in ("first", "center"):
        errors = impaired("per_element", reference)
        index = 2 * element_positions(16, reference=reference)
        unit = errors[:, index != 0] / index[index != 0]
        tolerance = 4.5 / math.sqrt(ARRAYS)
        assert float(unit.mean(0).abs().max()) < tolerance
        assert float((unit.var(0) - 1).abs().max()) < math.sqrt(2) * tolerance
        covariance = unit.mT @ unit / ARRAYS
        assert float((covariance - covariance.diag().diag()).abs().max()) < tolerance
        assert not errors[:, index == 0].any()


def test_per_element_spacings_multiply_the_index_as_in_the_printed_steering_vector():
    errors = torch.randn(5, generator=step_generator(0, "d", 0), dtype=torch.float64)
    d = 0.5 + 0.1 * errors
    for reference, index in (("first", range(5)), ("center", range(-2, 3))):
        found = impaired_positions(
            5, 0.1, model="per_element", reference=reference, generator=step_generator(0, "d", 0)
        )
        torch.testing.assert_close(found, torch.tensor(list(index)) * d)


def test_a_centred_cumulative_array_is_the_first_one_moved_to_zero_mean():
    def draw(reference):
        return impaired_positions(9, STD, reference=reference, generator=step_generator(0, "c", 0))

    assert float(draw("center").mean()) == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(draw("center").diff(), draw("first").diff())


@pytest.mark.parametrize("model", ["cumulative", "per_element"])
@pytest.mark.parametrize("reference", ["first", "center"])
def test_without_errors_the_array_is_the_nominal_one(model, reference):
    for count in (1, 2, 16):
        found = impaired_positions(count, 0.0, model=model, reference=reference)
        nominal = element_positions(count, reference=reference)
        torch.testing.assert_close(found, nominal)


# Sectors


def test_a_sector_is_sampled_uniformly():
    from scipy.stats import kstest

    sector = Sector(-20, 50)
    theta = sector.sample(20_000, step_generator(0, "sector", 0)).double()
    assert theta.shape == (20_000,)
    assert bool(sector.contains(theta).all())
    scale = sector.max - sector.min
    assert kstest(theta.numpy(), "uniform", (sector.min, scale)).pvalue > 1e-5


@given(
    st.tuples(st.floats(-90, 90), st.floats(-90, 90)).filter(lambda e: e[0] + 1e-6 < e[1]),
    st.integers(2, 50),
)
def test_a_grid_is_equally_spaced_and_reaches_both_ends(ends, count):
    sector = Sector(*ends)
    grid = sector.grid(count).numpy()
    np.testing.assert_allclose(grid, np.linspace(*np.radians(ends), count), atol=1e-12)
    assert sector.contains(torch.tensor([sector.min, sector.max], dtype=torch.float64)).all()
    outside = torch.tensor([sector.min - 1e-9, sector.max + 1e-9], dtype=torch.float64)
    assert not sector.contains(outside).any()


@pytest.mark.parametrize(
    "ends", [(20, -20), (5, 5), (-91, 0), (0, 90.5), (math.nan, 1), (0, math.nan), (0, math.inf)]
)
def test_a_sector_must_run_upwards_within_the_half_plane(ends):
    with pytest.raises(ValueError, match=r"-90 <= min_deg < max_deg <= 90 degrees, got") as error:
        Sector(*ends)
    assert f"min_deg={ends[0]!r}, max_deg={ends[1]!r}" in str(error.value)


# Bad input


@pytest.mark.parametrize("count", [0, -1, 1.5, "16", None, True])
def test_the_number_of_antennas_must_be_a_positive_integer(count):
    match = f"num_antennas must be an integer >= 1, got {count!r}"
    with pytest.raises(ValueError, match=match):
        element_positions(count)
    with pytest.raises(ValueError, match=match):
        impaired_positions(count, STD)


@pytest.mark.parametrize("spacing", [0, -0.5, math.nan, math.inf])
def test_the_spacing_must_be_positive(spacing):
    with pytest.raises(ValueError, match=f"spacing must be a finite number > 0, got {spacing}"):
        element_positions(4, spacing=spacing)


@pytest.mark.parametrize("std", [-0.1, math.nan, math.inf])
def test_the_spread_of_the_spacings_must_not_be_negative(std):
    with pytest.raises(ValueError, match=f"std must be a finite number >= 0, got {std}"):
        impaired_positions(4, std)


def test_unknown_readings_and_references_are_named():
    with pytest.raises(
        ValueError, match="model must be one of 'cumulative', 'per_element', got 'walk'"
    ):
        impaired_positions(4, STD, model="walk")
    with pytest.raises(ValueError, match="reference must be one of 'first', 'center', got 'last'"):
        element_positions(4, reference="last")


def test_grids_need_two_angles():
    with pytest.raises(ValueError, match="count must be at least 2 grid angles, got 1"):
        Sector(0, 1).grid(1)


@pytest.mark.parametrize(
    ("theta", "positions"),
    [
        (torch.zeros(2), torch.zeros(2, 2)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.complex64)),
        (torch.zeros(2, dtype=torch.complex64), torch.zeros(2)),
        (torch.zeros(2), torch.tensor(0.0)),
    ],
)
def test_steering_vectors_need_real_angles_and_one_axis_of_positions(theta, positions):
    with pytest.raises(ValueError, match=r"positions must be a real \[antennas\] tensor") as error:
        steering_vector(theta, positions)
    assert str(tuple(positions.shape)) in str(error.value)

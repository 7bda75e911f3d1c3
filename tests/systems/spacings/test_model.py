import math
import warnings

import pytest
import torch
from safetensors.torch import load, save

from isaclib.learning.networks import count_parameters, load_parameters
from isaclib.receivers.angle_delay.reference import baseline_grid, training_grid
from isaclib.signal.arrays import Sector, element_index, element_positions
from isaclib.signal.beamforming import FIELD_OF_VIEW, least_squares_beam
from isaclib.signal.modulation import maximum_likelihood, psk
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings.model import ArrayTransceiver, SpacingArray

K = 16
TARGET, RECEIVER = Sector(-40, -20), Sector(30, 50)
SUBCARRIERS, RANGES = Subcarriers(32, 1e6), RangeSector(0, 60)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=70)
NOMINAL = element_positions(K, reference="center")


def a_transceiver(positions=NOMINAL, **options):
    return ArrayTransceiver(positions, TARGET, RECEIVER, GRID.angles, GRID, **options)


# The array


@pytest.mark.parametrize("parameter", ["spacing", "position"])
@pytest.mark.parametrize("antennas", [5, 64])
def test_the_array_starts_without_impairments(parameter, antennas):
    model = SpacingArray(antennas, parameter=parameter)
    expected = element_positions(antennas, reference="center")
    torch.testing.assert_close(model.positions().detach(), expected)
    assert count_parameters(model) == antennas


def test_a_step_moves_outer_elements_further_or_all_alike():
    """Paper: a step of the same size for each spacing. Alternative: for each position."""
    spacing, position = (SpacingArray(6, parameter=p) for p in ("spacing", "position"))
    for model in (spacing, position):
        with torch.no_grad():
            model.values += 0.01
    moved = [
        m.positions().detach() - element_positions(6, reference="center")
        for m in (spacing, position)
    ]
    torch.testing.assert_close(moved[0], 0.01 * element_index(6))
    torch.testing.assert_close(moved[1], 0.01 * torch.sign(element_index(6)))


@pytest.mark.parametrize("parameter", ["spacing", "position"])
@pytest.mark.parametrize("antennas", [7, 8])
def test_any_spacings_can_be_put_in(parameter, antennas):
    spacing = draw_spacings(antennas, 0.05, generator=step_generator(0, "d", 0))
    model = SpacingArray(antennas, parameter=parameter)
    model.set_spacing(spacing)
    torch.testing.assert_close(model.spacing.detach(), spacing)
    torch.testing.assert_close(model.positions().detach(), spacing_positions(spacing))


def test_weights_survive_their_file():
    model = SpacingArray(6)
    model.set_spacing(torch.linspace(0.4, 0.6, 6))
    stored = save(model.state_dict())
    found = SpacingArray(6)
    load_parameters(found, load(stored))
    assert torch.equal(found.spacing, model.spacing)
    with pytest.raises(ValueError, match=r"'values' of shape \[7\], got \[6\]"):
        load_parameters(SpacingArray(7), load(stored))


# The transceiver


@pytest.mark.parametrize(("share", "sector"), [(1.0, TARGET), (0.0, RECEIVER)])
def test_the_ends_of_the_trade_off_are_least_squares_beams(share, sector):
    spacing = draw_spacings(K, 0.04, generator=step_generator(0, "d", 0))
    positions = spacing_positions(spacing)
    beam = a_transceiver(positions, radar_fraction=share).beam()
    expected = least_squares_beam(sector, positions, grid_size=180)
    torch.testing.assert_close(beam, expected, atol=1e-5, rtol=0)
    assert beam.dtype == torch.complex64


def test_the_joint_beam_is_that_of_the_paper():
    radar, communication = (
        least_squares_beam(s, NOMINAL, grid_size=180) for s in (TARGET, RECEIVER)
    )
    beam = a_transceiver(radar_fraction=0.3, phase=1.0).beam()
    mixed = (
        math.sqrt(0.3) * radar + math.sqrt(0.7) * complex(math.cos(1), math.sin(1)) * communication
    )
    expected = mixed / torch.linalg.vector_norm(mixed)
    torch.testing.assert_close(beam, expected, atol=1e-5, rtol=0)


def test_symbols_are_decided_by_maximum_likelihood():
    generator = step_generator(0, "y", 0)
    received, csi = (complex_normal((9, 32), generator=generator) for _ in range(2))
    expected = maximum_likelihood(received, csi, psk(4))
    assert torch.equal(a_transceiver().decide(received, csi), expected)


def test_the_receivers_sector_is_on_its_own_grid():
    learned, baseline = (
        ArrayTransceiver(NOMINAL, TARGET, RECEIVER, GRID.angles, grid).windows()
        for grid in (GRID, baseline_grid(TARGET, RANGES, num_angles=50, num_distances=9))
    )
    assert (int(baseline.start), int(baseline.stop)) == (0, 50)
    degrees = torch.rad2deg(GRID.angles[int(learned.start) : int(learned.stop)])
    assert -40 <= float(degrees[0]) < -39
    assert -21 < float(degrees[-1]) <= -20


# Bad input


def test_a_disordered_array_is_warned_of():
    with pytest.warns(UserWarning, match="elements 7 and 8 have changed places"):
        a_transceiver(torch.where(element_index(K).abs() < 1, -NOMINAL, NOMINAL))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a_transceiver()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: SpacingArray(0), "num_antennas must be an integer >= 1, got 0"),
        (lambda: SpacingArray(4, parameter="x"), "parameter must be one of 'spacing', 'position'"),
        (lambda: a_transceiver(radar_fraction=1.2).beam(), r"rho must lie in \[0, 1\], got 1.2"),
        (
            lambda: ArrayTransceiver(
                NOMINAL, Sector(1, 2), RECEIVER, FIELD_OF_VIEW.grid(19), GRID
            ).beam(),
            r"inside the sector \[1, 2\] degrees, got 19 angles",
        ),
    ],
)
def test_arguments_are_checked(call, match):
    with pytest.raises(ValueError, match=match):
        call()

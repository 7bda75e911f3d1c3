import math

import numpy as np
import pytest
import torch

from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.receivers.angle_delay.ratio_test import log_map_ratio
from isaclib.receivers.angle_delay.reference import (
    AngleDelayGrid,
    angle_delay_map,
    baseline_grid,
    keep_sectors,
    literal_estimate,
    position,
    strongest,
    training_grid,
    window_average,
    window_halves,
)
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers
from isaclib.signal.sectors import RandomSectors, Windows, grid_windows

K = 8
POSITIONS = element_positions(K, reference="center")
SUBCARRIERS, RANGES, SECTOR = Subcarriers(16, 1e6), RangeSector(0, 60), Sector(-40, -10)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=60, num_distances=25)
RADAR = OfdmRadarChannel(POSITIONS, SECTOR, RANGES, SUBCARRIERS, 20.0)


def generator(name="map"):
    return step_generator(0, name, 0)


def echoes(count=6, present=True):
    targets = RADAR.draw(count, generator("targets"), present=present)
    beam = steering_vector(torch.tensor(-0.45), POSITIONS).conj() / math.sqrt(K)
    symbols = torch.ones(count, SUBCARRIERS.count) + 0j
    noise = RADAR.noise(count, generator("noise"))
    return RADAR(beam, symbols, targets, noise).to(torch.complex128), targets


def algorithm_1(y, d, start, stop):
    """Algorithm 1 with loops, for one echo and spacings d."""
    theta, ranges = np.linspace(-np.pi / 2, np.pi / 2, 60), np.linspace(0, 60, 25)
    k, s = np.arange(K) - (K - 1) / 2, np.arange(16)
    values = np.zeros((60, 25))
    for i in range(start, stop):
        a = np.exp(-2j * np.pi * k * d * np.sin(theta[i]))
        for j in range(25):
            rho = np.exp(-2j * np.pi * s * 1e6 * 2 * ranges[j] / 299792458)
            values[i, j] = abs(a.conj() @ y @ rho.conj())
    row, column = np.unravel_index(values.argmax(), values.shape)
    inside = [
        (i, j)
        for i in range(row - GRID.half_angles, row + GRID.half_angles + 1)
        for j in range(column - GRID.half_distances, column + GRID.half_distances + 1)
        if 0 <= i < 60 and 0 <= j < 25
    ]
    weights = np.exp([values[i, j] - values.max() for i, j in inside])
    weights /= weights.sum()
    angle = sum(w * theta[i] for w, (i, _) in zip(weights, inside, strict=True))
    distance = sum(w * ranges[j] for w, (_, j) in zip(weights, inside, strict=True))
    return values.max(), angle, distance


# The grid


def test_the_window_of_p3_is_seven_and_four():
    """Eqs. (11) and (12) over the whole grids, K = 64, S = 256."""
    grid = training_grid(64, Subcarriers(256, 120e3), RangeSector(0, 200))
    assert (grid.half_angles, grid.half_distances) == (7, 4)
    np.testing.assert_allclose(grid.angles.numpy(), np.linspace(-np.pi / 2, np.pi / 2, 720))
    np.testing.assert_allclose(grid.distances.numpy(), np.linspace(0, 200, 200))


def test_a_window_counts_the_grid_points_of_a_resolution_cell():
    halves = window_halves(
        64,
        Subcarriers(256, 120e3),
        num_angles=720,
        angle_span=math.radians(20),
        num_distances=200,
        distance_span=50.0,
    )
    assert halves == (int(2 / 64 * 720 / math.radians(20)), int(4.8794 * 200 / 50))


def test_the_baseline_searches_the_sector_alone():
    grid = baseline_grid(SECTOR, RANGES, num_angles=31, num_distances=9)
    np.testing.assert_allclose(np.degrees(grid.angles.numpy()), np.linspace(-40, -10, 31))
    np.testing.assert_allclose(grid.distances.numpy(), np.linspace(0, 60, 9))


# Algorithm 1


def test_it_is_the_algorithm_as_printed():
    filtered, _ = echoes()
    sectors = RandomSectors().draw(6, generator("sectors"))
    windows = grid_windows(GRID.angles, sectors)
    spacing = torch.linspace(0.45, 0.6, K, dtype=torch.float64)
    positions = (torch.arange(K) - (K - 1) / 2) * spacing
    found = literal_estimate(filtered, positions, GRID, SUBCARRIERS, windows)
    for i in range(6):
        start, stop = int(windows.start[i]), int(windows.stop[i])
        oracle = algorithm_1(filtered[i].numpy(), spacing.numpy(), start, stop)
        np.testing.assert_allclose([float(x[i]) for x in found], oracle, rtol=1e-8)


def test_a_value_of_the_map_is_the_ratio_test_of_its_place():
    filtered, _ = echoes(3)
    steering = steering_vector(GRID.angles, POSITIONS)
    values = angle_delay_map(filtered, steering, SUBCARRIERS.delay_vector(GRID.distances))
    assert values.shape == (3, 60, 25)
    model = {"positions": POSITIONS, "subcarriers": SUBCARRIERS, "variance": 2.0}
    for i, j in ((0, 0), (17, 3), (59, 24)):
        theta, distance = GRID.angles[i].expand(3), GRID.distances[j].expand(3)
        ratio = log_map_ratio(filtered, theta, distance, **model)
        expected = values[:, i, j].square() / (K * 16 + 1 / 2.0)
        torch.testing.assert_close(ratio, expected)


def test_a_strong_target_is_found_within_the_grid():
    filtered, targets = echoes(200)
    windows = grid_windows(GRID.angles, SECTOR)
    found = literal_estimate(filtered, POSITIONS, GRID, SUBCARRIERS, windows)
    strong = targets.gain.abs() > 1
    assert int(strong.sum()) > 30
    assert float((found.angle - targets.theta)[strong].abs().median()) < math.radians(3)
    assert float((found.distance - targets.distance)[strong].abs().median()) < 2.5


def test_a_window_of_one_point_is_the_maximum():
    filtered, _ = echoes()
    grid = AngleDelayGrid(GRID.angles, GRID.distances, 0, 0)
    windows = grid_windows(GRID.angles, SECTOR)
    found = literal_estimate(filtered, POSITIONS, grid, SUBCARRIERS, windows)
    delays = SUBCARRIERS.delay_vector(grid.distances)
    steering = steering_vector(grid.angles, POSITIONS)
    values = keep_sectors(angle_delay_map(filtered, steering, delays), windows)
    value, row, column = strongest(values)
    assert torch.equal(found.statistic, value)
    torch.testing.assert_close(found.angle, grid.angles[row])
    torch.testing.assert_close(found.distance, grid.distances[column])


def test_nothing_outside_the_sector_is_chosen():
    filtered, _ = echoes(50, present=False)
    windows = Windows(torch.arange(50) % 30, torch.arange(50) % 30 + 4)
    grid = AngleDelayGrid(GRID.angles, GRID.distances, 0, 0)
    found = literal_estimate(filtered, POSITIONS, grid, SUBCARRIERS, windows)
    row = torch.searchsorted(grid.angles, found.angle - 1e-9)
    assert bool(((row >= windows.start) & (row < windows.stop)).all())


@pytest.mark.parametrize("row", [0, 3, 9])
@pytest.mark.parametrize("column", [0, 4, 7])
def test_what_lies_outside_the_grid_has_no_weight(row, column):
    """Of a flat map, every angle and range inside the window weighs the same."""
    grid = AngleDelayGrid(torch.linspace(0, 0.9, 10).double(), torch.arange(8.0).double(), 2, 1)
    values = torch.full((1, 10, 8), 5.0, dtype=torch.float64)
    angle, distance = window_average(values, torch.tensor([row]), torch.tensor([column]), grid)
    rows = [i for i in range(row - 2, row + 3) if 0 <= i < 10]
    columns = [j for j in range(column - 1, column + 2) if 0 <= j < 8]
    assert float(angle) == pytest.approx(0.1 * np.mean(rows))
    assert float(distance) == pytest.approx(np.mean(columns))


def test_the_estimate_is_differentiable_for_the_positions():
    filtered, _ = echoes(4)
    filtered = filtered / 30  # flat enough for finite differences
    windows = grid_windows(GRID.angles, SECTOR)

    def estimates(positions):
        return tuple(literal_estimate(filtered, positions, GRID, SUBCARRIERS, windows))

    assert torch.autograd.gradcheck(estimates, (POSITIONS.clone().requires_grad_(),), atol=1e-6)


def test_the_gradient_of_the_maximum_is_that_of_its_entry():
    values = complex_normal((3, 5, 4), generator=generator()).abs().requires_grad_()
    strongest(values)[0].sum().backward()
    assert int((values.grad != 0).sum()) == 3
    assert torch.equal(values.grad.flatten(1).argmax(1), values.detach().flatten(1).argmax(1))


def test_positions_are_those_of_the_paper():
    found = position(torch.tensor([0.0, math.pi / 6]), torch.tensor([3.0, 10.0]))
    expected = torch.tensor([[3.0, 0.0], [10 * math.sqrt(3) / 2, 5.0]])
    torch.testing.assert_close(found, expected)


# Bad input


@pytest.mark.parametrize(
    ("halves", "match"),
    [
        ((5, 1), r"half_angles .* of at most the grid's 10 points, got 5"),
        ((1, 4), r"half_distances .* of at most the grid's 8 points, got 4"),
        ((-1, 1), "half_angles must not be negative"),
    ],
)
def test_a_window_larger_than_the_grid_is_refused(halves, match):
    with pytest.raises(ValueError, match=match):
        AngleDelayGrid(torch.arange(10.0), torch.arange(8.0), *halves)


def test_so_is_a_grid_too_small_for_the_resolution():
    with pytest.raises(ValueError, match=r"half_angles .* the grid's 60 points, got 38"):
        training_grid(1, SUBCARRIERS, RANGES, num_angles=60, num_distances=25)
    with pytest.raises(ValueError, match=r"half_distances .* the grid's 25 points, got 15"):
        training_grid(K, Subcarriers(4, 1e6), RANGES, num_angles=60, num_distances=25)


def test_ambiguous_ranges_are_refused():
    with pytest.raises(ValueError, match="unambiguous range"):
        training_grid(K, SUBCARRIERS, RangeSector(0, 150), num_angles=60, num_distances=25)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"num_angles": 0}, "num_angles must be an integer >= 1, got 0"),
        ({"num_distances": 0}, "num_distances must be an integer >= 1, got 0"),
        ({"angle_span": 0.0}, "angle_span must be a finite number > 0, got 0.0"),
        ({"distance_span": -1.0}, "distance_span must be a finite number > 0, got -1.0"),
    ],
)
def test_numbers_are_checked(change, match):
    sizes = {"num_angles": 9, "angle_span": 1.0, "num_distances": 9, "distance_span": 1.0}
    with pytest.raises(ValueError, match=match):
        window_halves(4, SUBCARRIERS, **{**sizes, **change})

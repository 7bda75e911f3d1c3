import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isaclib.signal.arrays import Sector
from isaclib.signal.beamforming import FIELD_OF_VIEW
from isaclib.signal.noise import step_generator
from isaclib.signal.sectors import RandomSectors, SectorBatch, grid_windows

COUNT = 40_000


def draw(name, count=COUNT, sectors=None):
    return (sectors or RandomSectors()).draw(count, step_generator(0, name, 0))


# Random sectors


def test_means_and_spans_are_uniform_as_p2_says():
    sectors = draw("moments")
    mean = torch.rad2deg((sectors.min + sectors.max) / 2).double()
    span = torch.rad2deg(sectors.max - sectors.min).double()
    for values, low, high in ((mean, -60, 60), (span, 10, 20)):
        assert float(values.min()) == pytest.approx(low, abs=0.1)
        assert float(values.max()) == pytest.approx(high, abs=0.1)
        spread = (high - low) / math.sqrt(12)
        assert float(values.mean()) == pytest.approx(
            (low + high) / 2, abs=4.5 * spread / math.sqrt(COUNT)
        )
        assert float(values.std()) == pytest.approx(spread, rel=0.02)
    assert abs(float(torch.corrcoef(torch.stack([mean, span]))[0, 1])) < 4.5 / math.sqrt(COUNT)


def test_targets_are_uniform_in_their_own_sector():
    sectors = draw("targets")
    theta = sectors.sample(COUNT, step_generator(0, "angles", 0))
    assert theta.dtype == torch.float32
    place = ((theta - sectors.min) / (sectors.max - sectors.min)).double()
    assert float(place.min()) >= -1e-5
    assert float(place.max()) <= 1 + 1e-5
    assert float(place.mean()) == pytest.approx(0.5, abs=4.5 / math.sqrt(12 * COUNT))
    assert float(place.std()) == pytest.approx(1 / math.sqrt(12), rel=0.02)


def test_the_generator_alone_decides():
    first, again, other = (draw(name, 5).bounds for name in ("a", "a", "b"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_parts_of_a_batch_keep_their_ends():
    sectors = draw("parts", 7)
    assert len(sectors) == 7
    assert torch.equal(sectors[2:5].bounds, sectors.bounds[2:5])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"span_deg": (20.0, 10.0)}, "span_deg must be a pair"),
        ({"span_deg": (-1.0, 10.0)}, "span_deg must be a pair"),
        ({"mean_deg": (-85.0, 60.0)}, "mean_deg must be a pair .* with -80 <= lower"),
        ({"mean_deg": (60.0, -60.0)}, "mean_deg must be a pair"),
    ],
)
def test_distributions_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        RandomSectors(**arguments)


@pytest.mark.parametrize("count", [0, -1, 2.5])
def test_there_must_be_sectors(count):
    with pytest.raises(ValueError, match="count must be an integer >= 1"):
        draw("count", count)


def test_there_must_be_an_angle_for_each_sector():
    with pytest.raises(ValueError, match="count must be the number of sectors, 3, got 4"):
        draw("few", 3).sample(4)


def test_ends_must_fit_each_other():
    with pytest.raises(ValueError, match=r"min and max must be real tensors of the same shape"):
        SectorBatch(torch.zeros(3), torch.zeros(4))


# Windows


@given(st.integers(2, 700), st.integers(0, 30))
def test_windows_hold_the_grid_angles_inside(size, seed):
    grid, sectors = FIELD_OF_VIEW.grid(size), draw(f"windows/{seed}", 6)
    inside = (grid.numpy() >= sectors.min.double().numpy()[:, None]) & (
        grid.numpy() <= sectors.max.double().numpy()[:, None]
    )
    if not inside.any(axis=1).all():
        with pytest.raises(ValueError, match="grid must put an angle inside"):
            grid_windows(grid, sectors)
        return
    windows = grid_windows(grid, sectors)
    index = np.arange(size)
    found = (index >= windows.start.numpy()[:, None]) & (index < windows.stop.numpy()[:, None])
    np.testing.assert_array_equal(found, inside)


@pytest.mark.parametrize("sector", [Sector(-40, -20), Sector(30, 50), FIELD_OF_VIEW])
@pytest.mark.parametrize("size", [19, 156, 181, 500])
def test_a_single_sector_has_one_window_with_its_ends(sector, size):
    grid = FIELD_OF_VIEW.grid(size)
    windows = grid_windows(grid, sector)
    assert len(windows) == 1
    expected = sector.contains(grid).nonzero().flatten()
    assert torch.equal(torch.arange(int(windows.start), int(windows.stop)), expected)


def test_a_grid_too_coarse_for_a_sector_is_refused():
    with pytest.raises(
        ValueError,
        match=r"grid must put an angle inside the sector \[1, 9\] degrees, "
        r"got 19 angles from -90 to 90 degrees",
    ):
        grid_windows(FIELD_OF_VIEW.grid(19), Sector(1, 9))

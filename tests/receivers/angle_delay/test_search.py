import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from isaclib.channels.ofdm import GivenNoise, OfdmRadarChannel, Targets
from isaclib.receivers.angle_delay import search as angle_delay_search
from isaclib.receivers.angle_delay import sectors as angle_delay_sectors
from isaclib.receivers.angle_delay import window as angle_delay_window
from isaclib.receivers.angle_delay.peak import DelayCells
from isaclib.receivers.angle_delay.reference import (
    AngleDelayGrid,
    baseline_grid,
    literal_estimate,
    training_grid,
)
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.receivers.angle_delay.sectors import cell_size, sector_groups
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import psk
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.sectors import RandomSectors, Windows, grid_windows
from isaclib.signal.subspace import spanning_basis, steering_spans

K = 16
TRUE = element_positions(K, spacing=0.52, reference="center")
ASSUMED = element_positions(K, reference="center")
SUBCARRIERS, RANGES = Subcarriers(32, 1e6), RangeSector(0, 60)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=70)
BASIS = delay_basis(SUBCARRIERS, RANGES, tolerance=1e-20)
RADAR = OfdmRadarChannel(TRUE, Sector(-40, -20), RANGES, SUBCARRIERS, 15.0)


def generator(name):
    return step_generator(0, name, 0)


@pytest.fixture
def lossless(monkeypatch):
    """Spans that lose nothing, as BASIS does, in place of 1e-10 of a steering vector's energy."""
    spans = partial(steering_spans, tolerance=1e-20)
    monkeypatch.setattr(angle_delay_sectors, "steering_spans", spans)


def given(samples):
    """Noise that is known, ``[batch, antennas, rank]``."""
    return GivenNoise(lambda index: samples[index], torch.arange(len(samples)))


class Trial:
    """The same echoes for the literal computation and for the fast one."""

    def __init__(self, count=150, present=True, grid=GRID, sector=None):
        radar, sectors = (
            RADAR,
            None if sector else RandomSectors().draw(count, generator("sectors")),
        )
        self.windows = grid_windows(grid.angles, sector or sectors)
        t = radar.draw(count, generator("targets"), present=present, sectors=sectors)
        self.targets = Targets(t.theta.double(), t.distance.double(), t.gain.cdouble(), t.present)
        self.noise = radar.noise(count, generator("noise")).cdouble()
        points = psk(4).cdouble()
        messages = torch.randint(4, (count, radar.subcarriers.count), generator=generator("x"))
        self.symbols = (points / points.abs())[messages]
        self.radar, self.grid = radar, grid

    def beams(self, positions):
        """Beams that depend on the assumed positions, one a sample."""
        middle = ((self.windows.start + self.windows.stop) // 2).expand(len(self.noise))
        steering = steering_vector(self.grid.angles[middle], positions)
        return (steering.conj() / math.sqrt(len(positions))).to(self.noise.dtype)

    def literal(self, positions):
        echo = self.radar(self.beams(positions), self.symbols, self.targets, self.noise)
        filtered = reciprocal_filter(echo, self.symbols)
        return literal_estimate(
            filtered, positions, self.grid, self.radar.subcarriers, self.windows
        )

    def echo(self, positions, basis=BASIS, angles=None):
        projected = basis.project(reciprocal_filter(self.noise, self.symbols))
        if angles is not None:
            projected = angles.mH @ projected
        echo = self.radar.in_basis(
            self.beams(positions), self.targets, basis, generator("unused"), angles=angles
        )
        return replace(echo, noise=given(projected))

    def fast(self, positions, output="position", **options):
        search = MapSearch(self.grid, BASIS, dtype=torch.float64, **options)
        return search.differentiable(self.echo(positions), positions, self.windows, output)


def loss_of(found, targets, output, samples):
    if output == "maximum":
        return -(found.statistic * samples).sum()
    error = (found.angle - targets.theta).square() * 100
    return ((error + (found.distance - targets.distance).square()) * samples).sum()


# The same numbers as the literal computation, on the same noise


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize("output", ["position", "maximum"])
@pytest.mark.parametrize("assumed", [TRUE, ASSUMED], ids=["known", "unknown"])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_estimates_and_gradients_are_those_of_the_whole_map(output, assumed, chunk):
    trial = Trial(60 if chunk < 10 else 150, present=True if output == "position" else None)
    results = []
    for compute in (trial.literal, lambda p: trial.fast(p, output, chunk=chunk)):
        positions = assumed.clone().requires_grad_()
        results.append((compute(positions), positions))
    (literal, first), (fast, second) = results
    same = (literal.statistic - fast.statistic).abs() < 1e-6 * literal.statistic
    # A sample that is a chunk of its own has the coarsest cells that its sector allows.
    assert float(same.double().mean()) > (0.96 if chunk == 1 else 0.98)
    if output == "position":
        torch.testing.assert_close(fast.angle[same], literal.angle[same], atol=1e-7, rtol=0)
        torch.testing.assert_close(fast.distance[same], literal.distance[same], atol=1e-5, rtol=0)
    for found in (literal, fast):
        loss_of(found, trial.targets, output, same.double()).backward()
    error = torch.linalg.vector_norm(second.grad - first.grad)
    assert float(error) < 1e-4 * float(torch.linalg.vector_norm(first.grad))


def test_single_precision_says_the_same():
    trial = Trial(present=True)
    literal = trial.literal(TRUE)
    t = trial.targets
    trial.targets = Targets(
        t.theta.float(), t.distance.float(), t.gain.to(torch.complex64), t.present
    )
    trial.noise, trial.symbols = trial.noise.cfloat(), trial.symbols.cfloat()
    single = trial.echo(TRUE)
    assert single.spectral.dtype == torch.float32
    found = MapSearch(GRID, BASIS).estimate(single, TRUE, trial.windows)
    assert found.statistic.dtype == torch.float32
    same = (literal.statistic - found.statistic).abs() < 1e-4 * literal.statistic
    assert float(same.double().mean()) > 0.98
    for first, second, scale in zip(literal, found, (1e3, 1, 60), strict=True):
        torch.testing.assert_close(second[same].double(), first[same], atol=1e-4 * scale, rtol=0)


def test_without_a_gradient_the_estimates_are_the_same():
    trial = Trial(present=None)
    search = MapSearch(GRID, BASIS, dtype=torch.float64)
    plain = search.estimate(trial.echo(TRUE), TRUE, trial.windows)
    peak = search.maximum(trial.echo(TRUE), TRUE, trial.windows)
    first, second = (trial.fast(TRUE, output) for output in ("position", "maximum"))
    for found, expected in ((plain, first), (peak, second)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


def test_a_window_of_one_point_is_the_maximum():
    """As the baseline has it, on a grid so fine that its cells have many points."""
    sector = Sector(-40, -20)
    grid = baseline_grid(sector, RANGES, num_angles=200, num_distances=160)
    trial = Trial(grid=grid, sector=sector)
    search = MapSearch(grid, BASIS, dtype=torch.float64)
    assert search.delays.size > 3
    literal = trial.literal(TRUE)
    for compute in (search.maximum, search.estimate):
        found = compute(trial.echo(TRUE), TRUE, trial.windows)
        same = (literal.statistic - found.statistic).abs() < 1e-6 * literal.statistic
        assert float(same.double().mean()) > 0.98
        torch.testing.assert_close(found.angle[same], literal.angle[same])
        torch.testing.assert_close(found.distance[same], literal.distance[same])


@pytest.mark.parametrize("sector", [Sector(-40, -20), None], ids=["one sector", "one a sample"])
def test_a_basis_of_the_sectors_angles_is_enough(sector):
    """The statistic needs the echo only in the span of the sector's steering vectors."""
    trial = Trial(present=None, sector=sector)
    rows = slice(int(trial.windows.start.min()), int(trial.windows.stop.max()))
    side = spanning_basis(steering_vector(GRID.angles[rows], TRUE), tolerance=1e-20)[0]
    assert (side.shape[1] < K) == (sector is not None)
    search = MapSearch(GRID, BASIS, dtype=torch.float64, chunk=40)
    for compute in (search.estimate, search.maximum):
        whole = compute(trial.echo(TRUE), TRUE, trial.windows)
        part = compute(trial.echo(TRUE, angles=side), TRUE, trial.windows, angles=side)
        for one, other in zip(part, whole, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


# The search


@pytest.mark.parametrize(
    ("present", "allowed"), [(True, 0.005), (False, 0.01)], ids=["targets", "noise"]
)
def test_the_search_misses_few_maxima_at_the_size_of_p3(present, allowed):
    """Against every grid point in the sector; what is missed is a lobe about as high."""
    subcarriers, ranges, count = Subcarriers(), RangeSector(), 600
    grid = training_grid(64, subcarriers, ranges)
    basis = delay_basis(subcarriers, ranges)
    positions = element_positions(64, reference="center")
    radar = OfdmRadarChannel(positions, Sector(-40, -20), ranges, subcarriers, 15.0)
    windows = grid_windows(grid.angles, radar.sector)
    beam = steering_vector(torch.tensor(-0.5), positions).conj() / 8
    targets = radar.draw(count, generator("targets"), present=present)
    noise = complex_normal((count, 64, basis.rank), generator=generator("noise"))
    echo = replace(radar.in_basis(beam, targets, basis, generator("unused")), noise=given(noise))
    found = MapSearch(grid, basis).maximum(echo, positions, windows)
    rows = steering_vector(grid.angles[int(windows.start) : int(windows.stop)], positions)
    columns = basis.signature(grid.distances).to(torch.complex64).T
    exact = []
    for first in range(0, count, 64):
        samples = echo.samples(slice(first, min(first + 64, count))).mT
        exact.append((rows.conj().to(samples) @ samples @ columns).abs().flatten(1).amax(1))
    ratio = found.statistic / torch.cat(exact)
    assert float(ratio.max()) < 1 + 1e-5
    assert float((ratio < 1 - 1e-5).double().mean()) <= allowed
    assert float(ratio.min()) > 0.85


@pytest.mark.parametrize("points", [0.5, 3.0, 4.9, 7.2, 64.0])
@pytest.mark.parametrize("offset", [0.21, 0.3])
def test_cells_keep_every_point_near_their_middle(points, offset):
    size = cell_size(points, offset)
    assert (size - 1) / 2 / points <= offset
    assert size / 2 / points > offset


@pytest.mark.parametrize("num_distances", [69, 70, 71, 73])
def test_cells_hold_every_column_once(num_distances):
    grid = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=num_distances)
    cells = DelayCells(grid, BASIS, dtype=torch.float64, device="cpu")
    assert cells.size > 1
    expected = BASIS.signature(grid.distances)
    columns = cells.cells.flatten(0, 1)
    torch.testing.assert_close(columns[:num_distances], expected)
    assert cells.size % 2 == 1
    torch.testing.assert_close(cells.coarse, cells.cells[:, cells.size // 2])
    assert len(columns) == len(cells) * cells.size < num_distances + cells.size
    # What fills the last cell is its last column again, which has a place on the grid.
    missing = columns[num_distances:]
    torch.testing.assert_close(missing, expected[-1:].expand_as(missing))
    assert cells.last == num_distances - 1


@pytest.mark.parametrize("num_distances", [4, 70, 300])
def test_columns_are_interpolated_from_the_middles_of_cells_nearby(num_distances):
    """Within a few percent of the largest value: the search gives a column up at 7 % of power."""
    grid = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=num_distances)
    cells = DelayCells(grid, BASIS, dtype=torch.float64, device="cpu")
    middles = cells.coarse[cells.neighbours]
    error = torch.linalg.vector_norm(cells.weights @ middles - cells.cells, dim=-1)
    error = error / torch.linalg.vector_norm(cells.cells, dim=-1)
    assert float(error.square().mean().sqrt()) < 0.02
    ends = (cells.cells[:, (cells.size - 1) // 2], cells.cells[:, cells.size // 2])
    torch.testing.assert_close(cells.coarse, sum(ends) / 2)
    assert cells.size % 2 == 0 or float(error[:, cells.size // 2].max()) < 1e-9


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize("assumed", [TRUE, ASSUMED], ids=["known", "unknown"])
def test_groups_hold_every_row_of_their_sectors(assumed):
    """Their matrices take an echo's parts to the parts of the values of all rows."""
    bounds = [(0, 13), (40, 61), (171, 180)]
    groups = sector_groups(GRID.angles, assumed, bounds, dtype=torch.float64)
    steering = steering_vector(GRID.angles, assumed)
    echoes = complex_normal((3, K), generator=generator("echo"), dtype=torch.cdouble)
    for number, (echo, (first, stop)) in enumerate(zip(echoes, bounds, strict=True)):
        rows, rank = groups.rows(number), groups.ranks[number]
        count = rows.parts.shape[-1]
        assert count % rows.size == 0
        assert stop - first <= count < stop - first + rows.size
        expected = steering[first:stop].conj() @ echo
        basis = groups.bases[number, :, :rank]
        assert not groups.bases[number, :, rank:].any()
        parts = torch.view_as_real(basis.mH @ echo).flatten()
        found = torch.complex(*(parts @ rows.parts))[: stop - first]
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(basis.mH @ basis, torch.eye(rank).to(basis))
    windows = Windows(
        torch.tensor([2, 3, 41, 45, 172, 172]), torch.tensor([9, 8, 60, 61, 180, 175])
    )
    held = groups.first.unsqueeze(1) + torch.arange(groups.steering.shape[1])
    expected = windows.contain(held.expand(-1, 2, -1).flatten(0, 1)).double().view(3, 2, -1)
    torch.testing.assert_close(groups.contained(windows), expected)
    vectors = groups.vectors(torch.tensor([[5, 7], [50, 60], [175, 9]]))
    torch.testing.assert_close(vectors[1, 0], groups.steering[1, 10])
    torch.testing.assert_close(vectors[2, 1], groups.steering[2, 0])
    some = groups.chunk(slice(1, 3))
    rank = max(groups.ranks[1:])
    torch.testing.assert_close(some.steering, groups.steering[1:, :, :rank])
    torch.testing.assert_close(some.rows(1).parts, groups.rows(2).parts)
    one = groups.chunk(slice(0, 1)).chunk(slice(4, 7))
    torch.testing.assert_close(one.first, groups.first[[0, 0, 0]])


@pytest.mark.usefixtures("lossless")
@pytest.mark.parametrize("output", ["position", "maximum"])
@pytest.mark.parametrize("group", [1, 7, 30])
def test_groups_of_any_size_say_the_same(output, group, monkeypatch):
    trial, results = Trial(100), []
    for size in (group, 100):
        monkeypatch.setattr(angle_delay_search, "GROUP", {"cpu": size})
        positions = ASSUMED.clone().requires_grad_()
        results.append((trial.fast(positions, output, chunk=60), positions))
    (first, one), (second, other) = results
    # Cells begin elsewhere, so another maximum may be missed.
    same = (first.statistic - second.statistic).abs() < 1e-6 * first.statistic
    assert float(same.double().mean()) > 0.97
    for found in (first, second):
        loss_of(found, trial.targets, output, same.double()).backward()
    torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(first.angle[same], second.angle[same])


def test_columns_without_weight_are_left_out_of_the_gradient(monkeypatch):
    """Where all targets are strong; and nothing else changes."""
    trial, kept, results = Trial(200), [], []
    trial.targets = replace(trial.targets, gain=20 * (1 + trial.targets.gain.abs()) + 0j)
    original = angle_delay_window._relevant
    monkeypatch.setattr(
        angle_delay_window, "_relevant", lambda weights: kept.append(original(weights)) or kept[-1]
    )
    for negligible in (1e-6, -1.0):
        monkeypatch.setattr(angle_delay_window, "NEGLIGIBLE", negligible)
        positions = TRUE.clone().requires_grad_()
        found = trial.fast(positions, chunk=200)
        loss_of(found, trial.targets, "position", torch.ones(200)).backward()
        results.append(positions.grad)
    half = trial.grid.half_distances
    assert kept == [slice(half - 1, half + 2), slice(0, 2 * half + 1)]
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("edge", [0, 179])
@pytest.mark.parametrize("distance", [0.0, 60.0])
def test_windows_end_with_the_grid_and_the_sector(edge, distance):
    """A target in a corner of the map, in a sector of a few rows."""
    trial = Trial(8)
    theta = GRID.angles[edge] * 0.999
    trial.windows = Windows(torch.tensor([max(edge - 3, 0)]), torch.tensor([min(edge + 4, 180)]))
    trial.targets = Targets(
        theta.expand(8),
        torch.full((8,), distance, dtype=torch.float64),
        torch.full((8,), 20 + 5j),
        torch.ones(8, dtype=torch.bool),
    )
    beams = (steering_vector(theta, TRUE).conj() / 4).expand(8, -1)
    trial.beams = lambda positions: beams
    literal, fast = trial.literal(TRUE), trial.fast(TRUE)
    for one, other in zip(fast, literal, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_the_order_of_the_samples_does_not_matter():
    trial = Trial(100)
    order = torch.randperm(100, generator=generator("order"))
    echo = trial.echo(TRUE)
    search = MapSearch(GRID, BASIS, dtype=torch.float64)
    straight = search.estimate(echo, TRUE, trial.windows)
    noise = echo.noise.inside(slice(0, 100), None).unflatten(-1, (-1, 2))
    noise = torch.view_as_complex(noise).mT
    mixed = replace(
        echo,
        amplitude=echo.amplitude[order],
        spatial=echo.spatial[order],
        spectral=echo.spectral[order],
        noise=given(noise[order]),
    )
    windows = Windows(trial.windows.start[order], trial.windows.stop[order])
    found = search.estimate(mixed, TRUE, windows)
    again = search.estimate(echo.reordered(order), TRUE, windows)
    for one, two, other in zip(found, again, straight, strict=True):
        torch.testing.assert_close(one, other[order])
        torch.testing.assert_close(two, one)


# Bad input


def test_windows_of_another_batch_are_refused():
    trial = Trial(9)
    windows = Windows(trial.windows.start[:5], trial.windows.stop[:5])
    match = "windows must be one for all samples or one for each of 9, got 5"
    with pytest.raises(ValueError, match=match):
        MapSearch(GRID, BASIS).estimate(trial.echo(TRUE), TRUE, windows)


@pytest.mark.parametrize("chunk", [0, -3])
def test_a_chunk_has_samples(chunk):
    with pytest.raises(ValueError, match=f"chunk must be an integer >= 1, got {chunk}"):
        MapSearch(GRID, BASIS, chunk=chunk)


def test_an_output_without_a_gradient_is_refused():
    trial = Trial(3)
    search = MapSearch(GRID, BASIS, dtype=torch.float64)
    match = "output must be one of 'position', 'maximum', got 'angle'"
    with pytest.raises(ValueError, match=match):
        search.differentiable(trial.echo(TRUE), TRUE, trial.windows, "angle")


def test_a_window_larger_than_the_grid_is_refused_before_any_search():
    with pytest.raises(ValueError, match="half_distances"):
        MapSearch(AngleDelayGrid(GRID.angles, GRID.distances[:5], 7, 4), BASIS)


def test_noise_alone_has_no_slope_for_the_amplitude_of_absent_targets():
    trial = Trial(20, present=False)
    positions = ASSUMED.clone().requires_grad_()
    found = trial.fast(positions, "maximum")
    (gradient,) = torch.autograd.grad(found.statistic.sum(), positions)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) > 0
    beams = complex_normal((20, K), generator=generator("f"), dtype=torch.cdouble).requires_grad_()
    trial.beams = lambda positions: beams
    trial.fast(TRUE, "maximum").statistic.sum().backward()
    assert not beams.grad.any()

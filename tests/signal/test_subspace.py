import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal.windows import dpss
from scipy.special import pro_ang1, roots_legendre

from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.signal.subspace import (
    TOLERANCE,
    prolate_functions,
    spanning_basis,
    steering_spans,
)


def vectors(count=300, size=24):
    """Exponentials of all frequencies in a band of a tenth of the sampling rate."""
    frequency = torch.linspace(-0.05, 0.05, count, dtype=torch.float64)
    phase = 2 * math.pi * frequency[:, None] * torch.arange(size, dtype=torch.float64)
    return torch.polar(torch.ones_like(phase), phase)


def lost(found, basis):
    projector = basis @ basis.mH
    rest = found.T - projector @ found.T
    return torch.linalg.vector_norm(rest, dim=0) ** 2 / torch.linalg.vector_norm(found, dim=1) ** 2


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10, 1e-16])
def test_the_basis_is_orthonormal_and_no_vector_loses_more_than_the_tolerance(tolerance):
    basis, share = spanning_basis(vectors(), tolerance=tolerance)
    assert basis.dtype == torch.complex128
    unit = torch.eye(basis.shape[1], dtype=torch.complex128)
    torch.testing.assert_close(basis.mH @ basis, unit, atol=1e-13, rtol=0)
    worst = float(lost(vectors(), basis).max())
    assert worst <= tolerance
    assert share == pytest.approx(worst, rel=1e-3, abs=1e-28)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10])
def test_one_dimension_less_would_lose_more(tolerance):
    basis, _ = spanning_basis(vectors(), tolerance=tolerance)
    assert float(lost(vectors(), basis[:, :-1]).max()) > tolerance


def test_it_spans_the_space_of_the_prolate_sequences():
    """The best basis of a band is known: Slepian's sequences, SciPy's ``dpss``."""
    size, rank = 24, 5
    slepian = torch.from_numpy(dpss(size, size * 0.05, Kmax=rank).copy()).to(torch.complex128).T
    basis, _ = spanning_basis(vectors(4000))
    cosines = torch.linalg.svdvals(slepian.mH @ basis[:, :rank])
    np.testing.assert_allclose(cosines.numpy(), 1, atol=1e-3)


def test_complex_conjugates_are_told_apart():
    """A band that is not symmetric: the basis holds the vectors, not their conjugates."""
    upper = vectors() * vectors(1, 24)[0].conj() ** 4
    basis, _ = spanning_basis(upper, tolerance=1e-6)
    assert float(lost(upper, basis).max()) < 1e-6
    assert float(lost(upper.conj(), basis).max()) > 0.1


def test_a_vector_family_of_full_rank_keeps_every_dimension():
    basis, share = spanning_basis(complex_normal((50, 6), generator=step_generator(0, "v", 0)))
    assert basis.shape == (6, 6)
    assert share == 0.0


def test_real_vectors_have_a_real_basis():
    basis, share = spanning_basis(vectors().real, tolerance=1e-6)
    assert basis.dtype == torch.float64
    assert float(lost(vectors().real, basis).max()) == pytest.approx(share, rel=1e-3)
    assert share <= 1e-6


def test_parts_of_vectors_may_lose_a_share_of_the_whole():
    """Faint vectors need no dimension where the share is of something larger."""
    faint = 1e-4 * complex_normal((50, 6), generator=step_generator(0, "v", 0))
    both = torch.cat([vectors(300, 6), faint])
    alone, together = (spanning_basis(both, tolerance=1e-3, energy=e) for e in (None, 6.0))
    assert together[0].shape[1] < alone[0].shape[1] == 6
    missing = both.T - together[0] @ together[0].mH @ both.T
    assert together[1] == pytest.approx(float((missing.abs() ** 2).sum(0).max()) / 6, rel=1e-3)


def test_the_sectors_of_p3_are_small():
    """About as many dimensions as resolution cells: 20 degrees of a 64-element array."""
    positions = element_positions(64, reference="center")
    steering = steering_vector(Sector(-40, -20).grid(80), positions)
    cells = 64 / 2 * (math.sin(math.radians(40)) - math.sin(math.radians(20)))
    rank = spanning_basis(steering)[0].shape[1]
    assert cells < rank < 2 * cells + 2


# The spans of steering vectors


def steering(positions, low, high):
    """Steering vectors of an interval of sines."""
    sines = torch.linspace(low, high, 500, dtype=torch.float64)
    phase = -2 * math.pi * sines.unsqueeze(-1) * positions
    return torch.polar(torch.ones_like(phase), phase)


def check_spans(positions, ends, tolerance=TOLERANCE):
    """All that is asked of spans; how many more dimensions they have than the best of each."""
    low, high = torch.tensor(ends, dtype=torch.float64).T
    bases, ranks = steering_spans(positions, low, high, tolerance=tolerance)
    more = []
    for number, rank in enumerate(ranks):
        assert not bases[number, :, rank:].any()
        basis = bases[number, :, :rank]
        unit = torch.eye(rank, dtype=torch.complex128)
        torch.testing.assert_close(basis.mH @ basis, unit, atol=1e-13, rtol=0)
        found = steering(positions, *ends[number])
        outside = found - found @ basis.conj() @ basis.mT
        outside = outside.abs().square().sum(-1) / len(positions)
        assert float(outside.max()) <= tolerance
        more.append(rank - spanning_basis(found, tolerance=tolerance)[0].shape[1])
    return more


sines = st.floats(-1, 1)
intervals = st.lists(st.tuples(sines, sines).map(sorted), min_size=1, max_size=4)
arrays_of_any_kind = st.lists(st.floats(-20, 20), min_size=1, max_size=40).map(
    lambda places: torch.tensor(places, dtype=torch.float64)
)


@given(arrays_of_any_kind, intervals)
def test_spans_hold_the_steering_vectors_of_any_array(positions, ends):
    """Elements in any order and at any distance, together too; intervals of any width."""
    check_spans(positions, ends)


@pytest.mark.parametrize(
    "places",
    [[0.3], [0.3, 0.3], [-0.25, 0.25], [0.0, 7.0], [0.0, 0.1, 9.0], [1.0, 1.0, 2.0], [5.0] * 3],
)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10, 1e-20])
def test_spans_of_few_elements(places, tolerance):
    positions = torch.tensor(places, dtype=torch.float64)
    check_spans(positions, [(-1.0, 1.0), (0.2, 0.3), (0.5, 0.5)], tolerance)


@pytest.mark.parametrize("impaired", [False, True])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-10, 1e-16])
def test_spans_of_p3s_arrays_are_hardly_larger_than_the_best(impaired, tolerance):
    """Its sectors are of 10 to 20 degrees, chunks of them hold a few more."""
    spacing = torch.full((64,), 0.5, dtype=torch.float64)
    if impaired:
        spacing = draw_spacings(64, 1 / 25, generator=step_generator(0, "spans", 0))
    middles = torch.arange(-60, 61, 15)
    ends = [
        tuple(math.sin(math.radians(float(middle) + half * width)) for half in (-0.5, 0.5))
        for middle in middles
        for width in (10, 20, 35)
    ]
    more = check_spans(spacing_positions(spacing), ends, tolerance)
    assert min(more) >= 0
    assert max(more) <= 4
    assert sum(more) / len(more) < 1.5


def test_the_spans_of_a_batch_are_those_of_its_intervals():
    """One table serves several, and the widest gives the shape."""
    positions = spacing_positions(draw_spacings(16, 0.04, generator=step_generator(0, "b", 0)))
    low = torch.tensor([-0.9, 0.1, 0.2], dtype=torch.float64)
    high = torch.tensor([0.4, 0.2, 0.3], dtype=torch.float64)
    together, ranks = steering_spans(positions, low, high)
    for i in range(3):
        alone, own = steering_spans(positions, low[i : i + 1], high[i : i + 1])
        assert [ranks[i]] == own
        first, second = (basis @ basis.mH for basis in (together[i], alone[0]))
        torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


BANDWIDTHS = [0.5, 3.0, 12.5, 25.0]


def spheroidal(bandwidth, count, points):
    """SciPy's angular spheroidal wave functions of the first kind and order zero."""
    return np.stack([pro_ang1(0, n, bandwidth, points)[0] for n in range(count)], axis=-1)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS[:-1])
def test_prolate_functions_are_those_of_scipy(bandwidth):
    points = np.linspace(-0.99, 0.99, 101)
    found = prolate_functions(bandwidth).at(torch.from_numpy(points)).numpy()
    oracle = spheroidal(bandwidth, found.shape[1], points)
    cosines = (found * oracle).sum(0) / np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(abs(cosines), np.linalg.norm(oracle, axis=0), rtol=1e-12)


def test_the_span_of_many_prolate_functions_is_that_of_scipys():
    """The strongest are equally strong to all digits: there only their span is determined."""
    points = np.linspace(-0.99, 0.99, 201)
    found = prolate_functions(BANDWIDTHS[-1]).at(torch.from_numpy(points)).numpy()
    for count in (9, 18, found.shape[1]):
        pair = (found[:, :count], spheroidal(BANDWIDTHS[-1], count, points))
        first, second = (np.linalg.qr(part)[0] for part in pair)
        cosines = np.linalg.svd(first.T @ second, compute_uv=False)
        np.testing.assert_allclose(cosines, 1, atol=1e-6)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
def test_prolate_functions_are_orthonormal_eigenfunctions(bandwidth):
    """Of the integral over e^{-jcyx}, by a rule of other nodes than their own."""
    nodes, weights = (torch.from_numpy(part) for part in roots_legendre(173))
    values = prolate_functions(bandwidth).at(nodes)
    gram = values.mT @ (weights.unsqueeze(-1) * values)
    unit = torch.eye(len(gram), dtype=torch.float64)
    torch.testing.assert_close(gram, 2 * unit, atol=1e-8, rtol=0)
    kernel = torch.exp(-1j * bandwidth * nodes.unsqueeze(-1) * nodes)
    image = kernel @ (weights.unsqueeze(-1) * values).to(kernel)
    # Times a number each, real for even functions and imaginary for odd ones, and falling.
    factor = values.mT.to(kernel) @ (weights.unsqueeze(-1) * image) / 2
    torch.testing.assert_close(image, values.to(kernel) @ factor, atol=1e-9, rtol=0)
    off = factor - torch.diag(factor.diagonal())
    assert float(off.abs().max()) < 1e-9
    strength = factor.diagonal().abs()
    assert bool((strength.diff() < 1e-12).all())
    other = torch.view_as_real(factor.diagonal()).abs().amin(-1)
    assert float(other.max()) < 1e-9


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10, 1e-16])
@pytest.mark.parametrize("bandwidth", [0.0, *BANDWIDTHS])
def test_prolate_functions_leave_no_more_than_the_tolerance(bandwidth, tolerance):
    """Of e^{-jcyx}, in the mean over y whatever x is; two functions fewer would leave more."""
    nodes, weights = (torch.from_numpy(part) for part in roots_legendre(173))
    values = prolate_functions(bandwidth, tolerance).at(nodes)
    x = torch.linspace(-1, 1, 401, dtype=torch.float64)
    waves = torch.exp(-1j * bandwidth * nodes.unsqueeze(-1) * x)

    def left(count):
        basis = torch.linalg.qr(weights.sqrt().unsqueeze(-1) * values[:, :count]).Q.to(waves)
        rest = weights.sqrt().unsqueeze(-1) * waves
        rest = rest - basis @ (basis.mH @ rest)
        return float(rest.abs().square().sum(0).max()) / 2

    count = values.shape[1]
    assert left(count) <= tolerance
    if bandwidth:
        assert left(count - 2) > tolerance


@pytest.mark.parametrize(
    ("shape", "tolerance", "match"),
    [
        ((4,), 0.1, r"vectors must have shape \[count, size\], got \(4,\)"),
        ((0, 4), 0.1, r"vectors must have shape \[count, size\], got \(0, 4\)"),
        ((3, 4), 0.0, r"tolerance must be a number in \[1e-28, 1\], got 0.0"),
        ((3, 4), 2, r"tolerance must be a number in \[1e-28, 1\], got 2"),
    ],
)
def test_arguments_are_checked(shape, tolerance, match):
    with pytest.raises(ValueError, match=match):
        spanning_basis(torch.ones(shape), tolerance=tolerance)

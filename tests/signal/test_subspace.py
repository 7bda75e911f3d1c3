import math

import numpy as np
import pytest
import torch
from scipy.signal.windows import dpss

from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.subspace import spanning_basis


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

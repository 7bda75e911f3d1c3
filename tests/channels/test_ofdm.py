import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import expon, kstest, ncx2

from isaclib.channels.ofdm import (
    GivenNoise,
    OfdmRadarChannel,
    Targets,
    WhiteNoise,
)
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import psk, qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.sectors import RandomSectors
from isaclib.signal.subspace import spanning_basis

K = 6
POSITIONS = element_positions(K, reference="center")
SUBCARRIERS, RANGES = Subcarriers(24, 1e6), RangeSector(0, 30)
RADAR = OfdmRadarChannel(POSITIONS, Sector(-40, -20), RANGES, SUBCARRIERS, 15.0)
BASIS = delay_basis(SUBCARRIERS, RANGES, tolerance=1e-16)
SIGMAS = 4.5


def generator(name="ofdm"):
    return step_generator(0, name, 0)


def double(*shape, name="double"):
    return complex_normal(shape, generator=generator(f"{name}/{shape}"), dtype=torch.complex128)


def in_double(targets):
    return Targets(
        targets.theta.double(), targets.distance.double(), targets.gain.cdouble(), targets.present
    )


def symbols_of(points, batch):
    return points[torch.randint(len(points), (batch, SUBCARRIERS.count), generator=generator())]


# The echo, Eq. (1)


def test_the_echo_is_the_matrix_product_of_the_paper():
    targets = in_double(RADAR.draw(5, generator()))
    beam, noise = double(K, name="beam"), double(5, K, 24, name="noise")
    symbols = double(5, 24, name="symbols")
    found = RADAR(beam, symbols, targets, noise).numpy()
    assert 0 < int(targets.present.sum()) < 5
    for i in range(5):
        theta, distance = float(targets.theta[i]), float(targets.distance[i])
        a = np.exp(-2j * np.pi * POSITIONS.numpy() * np.sin(theta))[:, None]
        rho = np.exp(-2j * np.pi * np.arange(24) * 1e6 * 2 * distance / 299792458)
        spectrum = (symbols[i].numpy() * rho)[None, :]
        psi = complex(targets.gain[i]) * bool(targets.present[i])
        oracle = psi / np.sqrt(24) * a @ a.T @ beam.numpy()[:, None] @ spectrum
        np.testing.assert_allclose(found[i], oracle + noise[i].numpy(), rtol=1e-10)


def test_the_snr_is_that_of_all_antennas_together():
    """SNR_r = K sigma_r^2 / N_0, P3 Sec. II-A."""
    assert RADAR.variance == pytest.approx(10**1.5 / K)
    gain = RADAR.draw(40_000, generator()).gain.abs().square()
    assert kstest(gain.numpy(), expon(scale=RADAR.variance).cdf).pvalue > 1e-4


def test_targets_are_uniform_in_sector_and_range():
    targets = RADAR.draw(40_000, generator())
    degrees = torch.rad2deg(targets.theta)
    assert -40 <= float(degrees.min()) < float(degrees.max()) <= -20
    assert float(degrees.double().mean()) == pytest.approx(-30, abs=0.15)
    assert float(targets.distance.double().mean()) == pytest.approx(15, abs=0.25)
    assert float(targets.present.double().mean()) == pytest.approx(
        0.5, abs=SIGMAS / math.sqrt(4 * 40_000)
    )
    assert RADAR.draw(9, generator(), present=True).present.all()
    assert not RADAR.draw(9, generator(), present=False).present.any()


def test_targets_can_have_a_sector_each():
    sectors = RandomSectors().draw(500, generator("sectors"))
    theta = RADAR.draw(500, generator(), sectors=sectors).theta
    assert bool(((theta >= sectors.min - 1e-6) & (theta <= sectors.max + 1e-6)).all())


@pytest.mark.parametrize("shape", [(K,), (5, K)], ids=["one beam", "beam a sample"])
def test_the_amplitude_is_differentiable_for_the_beam(shape):
    targets = in_double(RADAR.draw(5, generator()))
    beam = double(*shape).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda f: RADAR.amplitude(f, targets), (beam,))


# The same echo in a basis


@pytest.mark.parametrize("angles", [False, True], ids=["delays", "angles and delays"])
def test_the_echo_in_the_basis_is_the_projection_of_the_literal_one(angles):
    """On the same noise, after reciprocal filtering of QPSK symbols."""
    targets = in_double(RADAR.draw(7, generator()))
    beam, noise = double(K, name="beam"), double(7, K, 24, name="noise")
    symbols = symbols_of(psk(4).cdouble(), 7)
    symbols = symbols / symbols.abs()
    filtered = reciprocal_filter(RADAR(beam, symbols, targets, noise), symbols)
    side = None
    if angles:
        side = spanning_basis(steering_vector(Sector(-40, -20).grid(50), POSITIONS))[0][:, :3]
    expected = BASIS.project(filtered)
    projected = BASIS.project(reciprocal_filter(noise, symbols))
    if side is not None:
        expected, projected = side.mH @ expected, side.mH @ projected
    echo = RADAR.in_basis(beam, targets, BASIS, generator(), angles=side)
    given = replace(echo, noise=GivenNoise(lambda index: projected[index], torch.arange(7)))
    assert len(given) == 7
    for part in (slice(0, 4), slice(4, 7)):
        found = given.samples(part)
        torch.testing.assert_close(found.mT, expected[part], atol=1e-10, rtol=0)


def test_noise_in_the_basis_does_not_depend_on_the_parts():
    """Parts of a multiple of 16 numbers, as PyTorch fills; then one stream is one stream."""
    source, again = (WhiteNoise(4, 8, generator()) for _ in range(2))
    whole = source.inside(slice(0, 10), None).clone()
    parts = [again.inside(slice(first, first + 5), None).clone() for first in (0, 5)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("points", [None, psk(4), qam(16)], ids=["unit", "psk", "qam"])
def test_the_noise_in_the_basis_has_the_covariance_of_the_divided_noise(points):
    """White for PSK; for QAM that of B^T n is B^T diag(1 / |x|^2) B^*, per OFDM symbol."""
    count = 20_000
    symbols = None if points is None else symbols_of(points, 1).expand(count, -1)
    targets = RADAR.draw(count, generator(), present=False)
    echo = RADAR.in_basis(torch.ones(K) + 0j, targets, BASIS, generator("noise"), symbols=symbols)
    samples = echo.samples(slice(0, count))[:, :, 2].to(torch.complex128)
    weights = torch.ones(24) if symbols is None else 1 / symbols[0].abs().square()
    columns = BASIS.columns()
    expected = columns.mT @ (weights.to(torch.complex128).unsqueeze(-1) * columns.conj())
    found = samples.T @ samples.conj() / count
    scale = float(weights.max())
    torch.testing.assert_close(found, expected, atol=6 * scale / math.sqrt(count), rtol=0)


def parts_of_noise(noise, count):
    """Noise in two directions, then sums of the others at three delays: ``[count / 2, numbers]``.

    A sum is over two samples whose delays and weights differ; of the first, the noise inside is
    kept too. Weights do not span all directions, so the covariance of the sums is singular.
    """
    inside = torch.linalg.qr(double(K, 2, name="rotation")).Q.to(torch.complex64)
    delays = BASIS.signature(torch.tensor([[3.0, 5.0, 9.0], [20.0, 24.0, 30.0]]))
    weights = (double(6, 2, name="left") @ double(2, 3, name="right")).to(torch.complex64)
    found = []
    for first in range(0, count, 500):
        part = slice(first, first + 500)
        one = torch.view_as_complex(noise.inside(part, inside).clone().unflatten(-1, (-1, 2)))
        total = noise.outside(part, delays.repeat(250, 1, 1), 250, 3)
        other = total(weights.expand(250, -1, -1))
        other = other - inside @ (inside.mH @ other)
        found.append(torch.cat([one[::2].flatten(1), other.flatten(1)], dim=-1))
    return torch.cat(found).to(torch.complex128)


def second_moments(samples):
    """Covariance of real and imaginary parts in units of their spreads, and the spreads."""
    parts = torch.view_as_real(samples).flatten(1)
    return parts.mT @ parts / len(parts), parts.square().mean(0).sqrt()


@pytest.mark.parametrize("points", [None, qam(16)], ids=["unit", "qam"])
def test_noise_drawn_in_parts_is_the_noise_of_all_antennas_in_distribution(points):
    """Means and all covariances, those between the parts too, with white and coloured noise.

    The reference draws the noise of all antennas once. Of 2,000 moments, one is 4.5 standard
    deviations off by chance in 1.5 % of such tests.
    """
    count = 12_000
    if points is None:
        noise = WhiteNoise(K, BASIS.rank, generator("parts"))
        every = complex_normal((count, K, BASIS.rank), generator=generator("whole"))
    else:
        symbols = symbols_of(points, 1).expand(count, -1)
        targets = RADAR.draw(count, generator(), present=False)
        silence = torch.zeros(K) + 0j
        echo = RADAR.in_basis(silence, targets, BASIS, generator("parts"), symbols=symbols)
        noise = echo.noise
        every = BASIS.project(reciprocal_filter(RADAR.noise(count, generator("whole")), symbols))
    reference = GivenNoise(lambda index: every[index], torch.arange(count))
    found, expected = (parts_of_noise(source, count) for source in (noise, reference))
    assert len(found) == count // 2
    (first, spread), (second, _) = map(second_moments, (found, expected))
    # The variance of a product of two Gaussian numbers is at most twice that of independent ones.
    tolerance = SIGMAS * torch.outer(spread, spread) * math.sqrt(2 * 2 / len(found))
    assert bool(((first - second).abs() < tolerance).all())
    for samples in (found, expected):
        mean = torch.view_as_real(samples).flatten(1).mean(0)
        assert bool((mean.abs() < SIGMAS * spread / math.sqrt(len(samples))).all())


def test_white_noise_in_parts_has_the_covariance_of_its_projections():
    """The same against the closed form: identity, that of the sums, nothing between."""
    count = 12_000
    noise = WhiteNoise(K, BASIS.rank, generator("parts"))
    samples = parts_of_noise(noise, count)
    delays = BASIS.signature(torch.tensor([[3.0, 5.0, 9.0], [20.0, 24.0, 30.0]]).double())
    weights = double(6, 2, name="left") @ double(2, 3, name="right")
    sums = torch.einsum("bjr,bjd->brd", delays.to(weights), weights.view(2, 3, 3))
    inside = torch.linalg.qr(double(K, 2, name="rotation")).Q
    orthogonal = torch.eye(K, dtype=torch.complex128) - inside @ inside.mH
    others = torch.kron(orthogonal, torch.einsum("brd,bre->de", sums, sums.conj()))
    expected = torch.block_diag(torch.eye(2 * BASIS.rank, dtype=torch.complex128), others)
    found = samples.mT @ samples.conj() / len(samples)
    scale = expected.diagonal().real.sqrt()
    tolerance = SIGMAS * torch.outer(scale, scale) / math.sqrt(len(samples))
    assert bool(((found - expected).abs() < tolerance).all())
    # Circular: no correlation with its own conjugate.
    assert bool(((samples.mT @ samples / len(samples)).abs() < math.sqrt(2) * tolerance).all())


def test_the_matched_filter_has_its_chi_square_law_in_the_basis():
    """A target of known place and gain: |a^H Y rho^*|^2 is non-central chi-square."""
    count = 20_000
    targets = Targets(
        torch.full((count,), -0.5),
        torch.full((count,), 11.0),
        torch.full((count,), 0.02 + 0j),
        torch.ones(count, dtype=torch.bool),
    )
    beam = steering_vector(torch.tensor(-0.5), POSITIONS).conj() / math.sqrt(K)
    samples = RADAR.in_basis(beam, targets, BASIS, generator("noise")).samples(slice(0, count))
    steering = steering_vector(torch.tensor(-0.5), POSITIONS)
    delay = BASIS.signature(torch.tensor(11.0))
    output = (samples.mT @ (delay + 0j) @ steering.conj()).abs().square()
    power = K * 24
    amplitude = 0.02 * math.sqrt(K) / math.sqrt(24)
    law = ncx2(2, 2 * power * amplitude**2)
    assert kstest((output / (power / 2)).double().numpy(), law.cdf).pvalue > 1e-4


def test_at_a_known_range_the_echo_is_one_sample_an_antenna():
    """The literal echo, correlated with its own delay vector: same mean, white noise."""
    count = 20_000
    one = RADAR.draw(1, generator(), present=True)
    targets = Targets(*(x.expand(count) for x in (one.theta, one.distance, one.gain, one.present)))
    beam = double(K, name="beam").to(torch.complex64)
    found = RADAR.at_range(beam, targets, generator("noise"))
    symbols = torch.ones(1, 24) + 0j
    clean = RADAR(beam, symbols, one, torch.zeros(1, K, 24) + 0j)[0]
    expected = clean @ SUBCARRIERS.delay_vector(one.distance)[0].conj() / math.sqrt(24)
    tolerance = SIGMAS / math.sqrt(count)
    torch.testing.assert_close(found.mean(0), expected, atol=tolerance, rtol=0)
    noise = found - expected
    covariance = noise.T @ noise.conj() / count
    torch.testing.assert_close(covariance.abs(), torch.eye(K), atol=tolerance, rtol=0)


# Bad input


def test_ranges_beyond_the_unambiguous_one_are_refused():
    with pytest.raises(ValueError, match=r"unambiguous range c / \(2 Delta_f\) = 149.9 m"):
        replace(RADAR, ranges=RangeSector(0, 200))


@pytest.mark.parametrize(
    ("basis", "match"),
    [
        (delay_basis(SUBCARRIERS, RangeSector(0, 29)), r"hold the ranges \[0, 30\] m"),
        (delay_basis(Subcarriers(25, 1e6), RANGES), r"must be of Subcarriers\(count=24"),
    ],
)
def test_a_basis_of_another_channel_is_refused(basis, match):
    targets = RADAR.draw(3, generator())
    with pytest.raises(ValueError, match=match):
        RADAR.in_basis(torch.ones(K) + 0j, targets, basis, generator())


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replace(RADAR, snr_db=math.nan), "snr_db must be a finite number, got nan"),
        (
            lambda: replace(RADAR, positions=POSITIONS[None]),
            r"positions must be a real \[antennas\] tensor, got \(1, 6\)",
        ),
        (lambda: RADAR.draw(0, generator()), "batch must be an integer >= 1, got 0"),
        (
            lambda: RADAR.amplitude(torch.ones(K + 1) + 0j, RADAR.draw(3, generator())),
            r"beam must have shape \[6\] or \[batch, 6\]",
        ),
    ],
)
def test_arguments_are_checked(call, match):
    with pytest.raises(ValueError, match=match):
        call()

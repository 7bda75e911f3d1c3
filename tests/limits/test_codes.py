import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import gammainc, k0
from scipy.stats import gamma, ncx2, norm

from isaclib.channels.codes import EchoChannel, unit_power_code
from isaclib.limits.codes import (
    coherent_accuracy_limit,
    echo_density,
    echo_power_cdf,
    sensing_accuracy_limit,
)
from isaclib.metrics import wilson
from isaclib.signal.noise import complex_normal, step_generator

SURE = 1 - 1e-5
COUNT = 100_000
SIZE = 20
CHANNELS = [
    EchoChannel(3.0),
    EchoChannel(-4.0, ranges=3),
    EchoChannel(3.0, "rayleigh"),
    EchoChannel(6.0, "rayleigh", ranges=4, range_step_db=6.0),
    EchoChannel(3.0, "rayleigh", ranges=2, ways="reciprocal"),
]
EACH = pytest.mark.parametrize("channel", CHANNELS, ids=str)


def generator(name):
    return step_generator(0, f"bounds_codes/{name}", 0)


def limits(channel, size=SIZE):
    """Of a receiver that knows the power, the code, and the code and the gain."""
    unknown, known = (sensing_accuracy_limit(channel, size, code_known=k) for k in (False, True))
    return unknown, known, coherent_accuracy_limit(channel, size)


# Density


@pytest.mark.parametrize("dimensions", [1, 2, 10, 300, 1536])
def test_density_is_that_of_a_noncentral_chi_square_variable(dimensions):
    draws = np.random.default_rng(0)
    energy = 10 ** draws.uniform(-6, 4, 2000)
    spread = np.sqrt(2 * energy + dimensions)
    statistic = np.abs(energy + dimensions + 3 * spread * draws.normal(size=2000))
    expected = 2 * ncx2.pdf(2 * statistic, 2 * dimensions, 2 * energy)
    # SciPy gives zero for the smallest densities.
    there = expected > 1e-15
    found = echo_density(statistic, dimensions, energy)
    assert there.sum() > 1500
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-8)
    assert np.all(found[~there] < 1e-14)


@pytest.mark.parametrize("energy", [1e7, 1e9, 1e12])
@pytest.mark.parametrize("dimensions", [1, 20])
def test_density_of_a_strong_signal_is_normal_in_the_root(dimensions, energy):
    """With sqrt(T) = sqrt(E) + d the density of d tends to a normal one of the variance 1/2."""
    shift = np.linspace(-2, 2, 9)
    root = math.sqrt(energy) + shift
    found = echo_density(root**2, dimensions, energy) * 2 * root
    expected = norm.pdf(shift, scale=math.sqrt(1 / 2))
    np.testing.assert_allclose(found, expected, rtol=2 * dimensions * 10 / math.sqrt(energy))


@pytest.mark.parametrize("dimensions", [1, 7])
def test_density_of_noise_alone(dimensions):
    statistic = np.linspace(0, 30, 50)
    expected = gamma.pdf(statistic, dimensions)
    np.testing.assert_allclose(echo_density(statistic, dimensions, 0), expected, atol=1e-14)


def test_density_broadcasts():
    statistic, energy = np.linspace(0.1, 9, 5)[:, None], np.array([0.0, 1e-3, 4.0])
    found = echo_density(statistic, 3, energy)
    assert found.shape == (5, 3)
    for (i, t), (j, e) in product(enumerate(statistic[:, 0]), enumerate(energy)):
        assert found[i, j] == pytest.approx(float(echo_density(t, 3, e)))


# Fading


@pytest.mark.parametrize("ways", ["independent", "reciprocal"])
def test_distribution_of_the_power_gain(ways):
    drawn = EchoChannel(0.0, "rayleigh", ways=ways).draw(COUNT, 1, generator(ways))
    power = drawn.gain.abs().square()
    for x in (0.0, 0.01, 0.3, 1.0, 5.0, 20.0):
        found = wilson(int((power <= x).sum()), COUNT, confidence=SURE)
        assert found.low <= float(echo_power_cdf(x, ways)) <= found.high
    assert float(echo_power_cdf(0.0, ways)) == 0.0
    assert float(echo_power_cdf(1e4, ways)) == 1.0


# Accuracies


def simulated(channel, size=SIZE):
    """Hits of the three receivers on random codes, without a frequency shift.

    They decide by likelihoods of their own: SciPy's without fading; with one, means over one way's
    power, in closed form over that of an independent other way.
    """
    symbols = size // 2
    sent = complex_normal((COUNT, symbols), generator=generator("codes"))
    sent = unit_power_code(sent)
    steady = EchoChannel(
        channel.snr_db,
        channel.fading,
        channel.ranges,
        channel.range_step_db,
        channel.ways,
        max_frequency=0.0,
    )
    drawn = steady.draw(COUNT, symbols, generator("echoes"))
    echo = steady(sent, drawn)
    filtered = (sent.conj() * echo).sum(1) / math.sqrt(symbols)
    label = drawn.label.numpy()
    energies = symbols * steady.amplitudes().double().numpy() ** 2
    found = []
    for statistic, dimensions in (
        (echo.abs().square().sum(1), symbols),
        (filtered.abs().square(), 1),
    ):
        grid = np.linspace(1e-4, float(statistic.max()), 4000)
        densities = [likelihood(steady, grid, dimensions, energy) for energy in energies]
        cells = np.searchsorted(grid, statistic.numpy()).clip(0, len(grid) - 1)
        found.append(int((np.argmax(densities, 0)[cells] == label).sum()))
    turned = (filtered * torch.sgn(drawn.gain).conj()).real
    means = drawn.gain.abs()[:, None] * torch.from_numpy(np.sqrt(energies)).float()
    found.append(int(((turned[:, None] - means).abs().argmin(1) == drawn.label).sum()))
    return found


def likelihood(channel, statistic, dimensions, energy):
    if energy == 0:
        return gamma.pdf(statistic, dimensions)
    if channel.fading == "awgn":
        return 2 * ncx2.pdf(2 * statistic, 2 * dimensions, 2 * energy)
    edges = np.logspace(-6, np.log10(40), 401)
    one_way = (edges[1:] * edges[:-1]) ** 0.5
    shares = np.exp(-edges[:-1]) - np.exp(-edges[1:])
    if channel.ways == "reciprocal":
        strengths = energy * one_way**2 / 2
        return sum(
            share * 2 * ncx2.pdf(2 * statistic, 2 * dimensions, 2 * strength)
            for share, strength in zip(shares, strengths, strict=True)
        )
    return sum(
        share * swerling(statistic, dimensions, energy * power)
        for share, power in zip(shares, one_way, strict=True)
    )


def swerling(statistic, dimensions, energy):
    """Density where the signal is complex normal, of a mean energy, and in one of D dimensions."""
    q = 1 + energy
    if dimensions == 1:
        return np.exp(-statistic / q) / q
    if energy < 1e-3:
        return gamma.pdf(statistic, dimensions)
    above = dimensions - 1
    rest = gammainc(above, statistic * energy / q)
    return np.exp(-statistic / q) / q * (q / energy) ** above * rest


@EACH
def test_limits_are_what_the_best_receivers_reach(channel):
    for hits, limit in zip(simulated(channel), limits(channel), strict=True):
        found = wilson(hits, COUNT, confidence=SURE)
        assert found.low <= limit <= found.high


def test_a_frequency_shift_makes_a_filter_no_better():
    channel = EchoChannel(3.0, max_frequency=0.01)
    symbols = SIZE // 2
    sent = complex_normal((COUNT, symbols), generator=generator("codes"))
    sent = unit_power_code(sent)
    drawn = channel.draw(COUNT, symbols, generator("shifted"))
    filtered = (sent.conj() * channel(sent, drawn)).sum(1).abs().square() / symbols
    present = drawn.label == 1
    best = max(
        int(((filtered > level) == present).sum()) for level in np.linspace(1, 6, 101).tolist()
    )
    assert wilson(best, COUNT, confidence=SURE).low < limits(channel)[1]


@pytest.mark.parametrize("dimensions", [1, 10])
@pytest.mark.parametrize("snr_db", [-9.0, 3.0, 60.0])
def test_without_fading_one_threshold_decides(dimensions, snr_db):
    channel = EchoChannel(snr_db)
    energy = 10 * 10 ** (snr_db / 10)
    level = np.linspace(0, energy + 60, 100_001)
    missed = ncx2.cdf(2 * level, 2 * dimensions, 2 * energy)
    best = (1 + gamma.cdf(level, dimensions) - missed).max() / 2
    found = sensing_accuracy_limit(channel, SIZE, code_known=dimensions == 1)
    assert found == pytest.approx(best, abs=2e-5)


@pytest.mark.parametrize("snr_db", [-9.0, 3.0, 40.0])
def test_in_fading_one_threshold_decides_on_a_known_code(snr_db):
    """With one way's power u the statistic is exponential; the mean over u is left to SciPy."""
    energy = 10 * 10 ** (snr_db / 10)

    def detected(level):
        return quad(
            lambda s: math.exp(s - math.exp(s) - level / (1 + energy * math.exp(s))), -25, 4
        )[0]

    levels = np.linspace(0.2, 14, 400)
    best = max(1 - math.exp(-level) + detected(level) for level in levels.tolist()) / 2
    found = sensing_accuracy_limit(EchoChannel(snr_db, "rayleigh"), SIZE, code_known=True)
    assert found == pytest.approx(best, abs=5e-5)


@pytest.mark.parametrize("ways", ["independent", "reciprocal"])
@pytest.mark.parametrize("snr_db", [-30.0, 3.0, 50.0])
def test_coherent_limit_is_a_mean_of_gaussian_tails(ways, snr_db):
    channel = EchoChannel(snr_db, "rayleigh", ranges=3, ways=ways)
    amplitudes = np.sqrt(10 * 10 ** (np.array([-np.inf, -6, -3, 0]) / 10 + snr_db / 10))

    def wrong(amplitude):
        means = amplitude * amplitudes
        return sum(norm.sf((b - a) / math.sqrt(2)) for a, b in pairwise(means))

    def weighted(s):
        w = math.exp(s)
        density = {
            "independent": 4 * w * k0(2 * w),
            "reciprocal": math.sqrt(2) * math.exp(-math.sqrt(2) * w),
        }
        return w * density[ways] * wrong(w)

    expected = 1 - 2 / 4 * quad(weighted, -16, 4, limit=200)[0]
    assert coherent_accuracy_limit(channel, SIZE) == pytest.approx(expected, abs=2e-5)


@EACH
@pytest.mark.parametrize("snr_db", [-40.0, -9.0, 3.0, 11.0, 30.0])
@pytest.mark.parametrize("size", [2, 8, 40])
def test_to_know_more_is_better(channel, snr_db, size):
    shifted = EchoChannel(
        snr_db, channel.fading, channel.ranges, channel.range_step_db, channel.ways
    )
    unknown, known, coherent = limits(shifted, size)
    guessed = 1 / (channel.ranges + 1)
    assert guessed - 1e-5 <= unknown <= known + 1e-5 <= coherent + 2e-5 <= 1 + 2e-5


@EACH
def test_one_symbol_has_nothing_but_its_power(channel):
    unknown, known, _ = limits(channel, 2)
    assert unknown == known


@EACH
def test_without_signal_all_labels_are_guessed(channel):
    silent = EchoChannel(-120.0, channel.fading, channel.ranges, ways=channel.ways)
    assert limits(silent) == pytest.approx([1 / (channel.ranges + 1)] * 3, abs=1e-5)


@pytest.mark.parametrize("ranges", [1, 4])
def test_a_strong_echo_leaves_no_doubt(ranges):
    assert limits(EchoChannel(70.0, ranges=ranges)) == pytest.approx([1] * 3, abs=1e-9)
    # A fade can be deeper than any SNR is high, but for fewer and fewer echoes; of a target whose
    # distance shows in nothing but the strength, only a receiver that knows the gain is sure.
    unknown, known, coherent = limits(EchoChannel(70.0, "rayleigh", ranges=ranges))
    assert coherent == pytest.approx(1, abs=1e-4)
    assert (unknown > 1 - 1e-4) == (known > 1 - 1e-4) == (ranges == 1)


@pytest.mark.parametrize("ways", ["independent", "reciprocal"])
def test_strong_echoes_in_fading_tell_ranges_apart_by_the_fades_alone(ways):
    """Far above the noise what is left is to tell the strengths of fades apart."""
    w = np.logspace(-8, 3, 400_001)
    density = {"independent": 4 * w * k0(2 * w), "reciprocal": math.sqrt(2) * np.exp(-(2**0.5) * w)}
    scales = 10 ** (np.array([0, -3, -6]) / 20)
    scaled = [np.interp(w / a, w, density[ways]) / a for a in scales]
    expected = (1 + np.trapezoid(np.max(scaled, 0), w)) / 4
    for snr_db in (80.0, 120.0):
        channel = EchoChannel(snr_db, "rayleigh", ranges=3, ways=ways)
        for code_known in (False, True):
            found = sensing_accuracy_limit(channel, SIZE, code_known=code_known)
            assert found == pytest.approx(expected, abs=1e-3 if snr_db == 80 else 2e-5)


@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
def test_ranges_of_the_same_strength_are_one(fading):
    """A target is found or not, and its range guessed."""
    one = limits(EchoChannel(20.0, fading))
    same = EchoChannel(20.0, fading, ranges=3, range_step_db=0.0)
    unknown, known, coherent = limits(same)
    assert max(unknown, known, coherent) <= 0.5 + 1e-5
    if fading == "awgn":
        assert (unknown, known, coherent) == pytest.approx([0.5] * 3, abs=1e-5)
        assert one == pytest.approx([1.0] * 3, abs=1e-5)


def test_longer_codes_and_stronger_echoes_are_heard_better():
    for fading in ("awgn", "rayleigh"):
        of_size = [limits(EchoChannel(-2.0, fading), size) for size in (4, 10, 40)]
        of_snr = [limits(EchoChannel(snr, fading)) for snr in (-9.0, -2.0, 5.0)]
        for course in (of_size, of_snr):
            assert np.all(np.diff(course, axis=0) > 0)


# Arguments


@pytest.mark.parametrize("size", [0, 3, True, 4.0])
def test_size_is_checked(size):
    for limit in (
        lambda: sensing_accuracy_limit(CHANNELS[0], size, code_known=True),
        lambda: coherent_accuracy_limit(CHANNELS[0], size),
    ):
        with pytest.raises(ValueError, match=rf"size must be an even integer >= 2, .* got {size}"):
            limit()


def test_a_phase_that_is_partly_known_has_another_limit():
    """The receiver that knows the code could use it; that which does not could not."""
    channel = EchoChannel(3.0, max_phase=0.5)
    with pytest.raises(ValueError, match=r"channel must have a uniform phase.*got 0\.5"):
        sensing_accuracy_limit(channel, SIZE, code_known=True)
    uniform = limits(EchoChannel(3.0))
    assert sensing_accuracy_limit(channel, SIZE, code_known=False) == uniform[0]
    # The phase of a Rayleigh gain is uniform with any shift.
    fading = EchoChannel(3.0, "rayleigh", max_phase=0.5)
    assert limits(fading) == limits(EchoChannel(3.0, "rayleigh"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: echo_density(1.0, 0, 1.0), "dimensions must be an integer >= 1, got 0"),
        (lambda: echo_density([1, -2.0], 1, 1.0), "statistic must be a number >= 0 everywhere"),
        (lambda: echo_density(1.0, 1, math.nan), "energy must be a number >= 0 everywhere"),
        (lambda: echo_power_cdf(-1.0), "power must be a number >= 0 everywhere"),
        (lambda: echo_power_cdf(1.0, "both"), "ways must be one of 'independent', 'reciprocal'"),
    ],
)
def test_arguments_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""The fast path is the same experiment: the joint distribution of all that it puts out.

It draws noise in few directions, and of the others only what the gradient of a chunk needs. What it
is compared with draws all of it: the same search on noise over all antennas, and the paper's
formulas over all antennas, subcarriers and grid points. All three meet targets of their own, so
that samples are independent and two-sample tests hold. A comparison of two experiments gives a
false alarm with a probability of at most :data:`LEVEL`, shared among its quantities; seeds are
fixed, so what passes once passes always.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, norm

from isaclib.channels.ofdm import GivenNoise, OfdmRadarChannel, WhiteNoise
from isaclib.receivers.angle_delay.reference import literal_estimate, position, training_grid
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.modulation import psk
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis, reciprocal_filter
from isaclib.signal.sectors import RandomSectors, grid_windows

LEVEL = 1e-2
STEPS, BATCH = 300, 20
K = 24
TRUE = element_positions(K, spacing=0.505, reference="center")
ASSUMED = element_positions(K, reference="center")
SUBCARRIERS, RANGES = Subcarriers(24, 1e6), RangeSector(0, 50)
GRID = training_grid(K, SUBCARRIERS, RANGES, num_angles=180, num_distances=50)
BASIS = delay_basis(SUBCARRIERS, RANGES)
RADAR = OfdmRadarChannel(TRUE, Sector(-40, -20), RANGES, SUBCARRIERS, 15.0)
SECTORS = RandomSectors((-30, 30), (10, 15))
# Where the maximum alone matters, the estimate is its place: a window of one point.
GRIDS = {"position": GRID, "maximum": replace(GRID, half_angles=0, half_distances=0)}
SEARCHES = {output: MapSearch(grid, BASIS, chunk=5) for output, grid in GRIDS.items()}
REFERENCES = ("all antennas", "literal")
OUTPUTS = ("position", "maximum")


def estimates(kind, output, positions, generator):
    """Estimates of one batch, and its targets."""
    sectors = SECTORS.draw(BATCH, generator)
    windows = grid_windows(GRID.angles, sectors)
    present = True if output == "position" else None
    targets = RADAR.draw(BATCH, generator, present=present, sectors=sectors)
    middle = (windows.start + windows.stop) // 2
    steering = steering_vector(GRID.angles[middle], positions)
    beams = (steering.conj() / math.sqrt(K)).to(torch.complex64)
    if kind == "literal":
        messages = torch.randint(4, (BATCH, SUBCARRIERS.count), generator=generator)
        symbols = psk(4)[messages]
        echo = RADAR(beams, symbols, targets, RADAR.noise(BATCH, generator))
        filtered = reciprocal_filter(echo, symbols)
        grid = GRIDS[output]
        return literal_estimate(filtered, positions, grid, SUBCARRIERS, windows), targets
    echo = RADAR.in_basis(beams, targets, BASIS, generator)
    if kind == "all antennas":
        noise = complex_normal((BATCH, K, BASIS.rank), generator=generator)
        given = GivenNoise(lambda index: noise[index], torch.arange(BATCH))
        echo = replace(echo, noise=given)
    return SEARCHES[output].differentiable(echo, positions, windows, output), targets


def loss_of(found, targets, output):
    """Mean height of the peaks, or a mean error; large errors are bounded, so moments say much."""
    if output == "maximum":
        return -found.statistic.mean()
    error = position(found.angle, found.distance) - position(targets.theta, targets.distance)
    square = error.square().sum(-1)
    return (square / (1 + square)).mean()


@cache
def experiment(kind, output):
    """Statistic, errors of angle and range, ``[samples, 3]``, and ``[steps, K]`` gradients."""
    samples, gradients = [], []
    for step in range(STEPS):
        positions = ASSUMED.clone().requires_grad_()
        generator = step_generator(1, f"{kind}/{output}", step)
        found, targets = estimates(kind, output, positions, generator)
        (gradient,) = torch.autograd.grad(loss_of(found, targets, output), positions)
        errors = (found.angle - targets.theta, found.distance - targets.distance)
        samples.append(torch.stack([found.statistic, *errors], dim=-1).detach().double())
        gradients.append(gradient)
    return torch.cat(samples).numpy(), torch.stack(gradients).numpy()


def moments_differ(first, second):
    """Probability of means, variances and covariances so far apart, by Bonferroni."""
    scale = np.concatenate([first, second]).std(0)
    centre = np.concatenate([first, second]).mean(0)
    rows = np.triu_indices(first.shape[1])
    parts = []
    for values in (first, second):
        values = (values - centre) / scale
        products = values[:, rows[0]] * values[:, rows[1]]
        parts.append(np.concatenate([values, products], axis=1))
    spread = np.sqrt(sum(part.var(0) / len(part) for part in parts))
    apart = abs(parts[0].mean(0) - parts[1].mean(0)) / spread
    return min(1.0, 2 * norm.sf(apart.max()) * len(apart))


def permutation_p(first, second, distance, count=3999, enough=20):
    """Probability, over random splits of the pooled rows, of a distance as large as found.

    Besag and Clifford's sequential form: it ends early where such distances are frequent.
    """
    pooled, generator = np.concatenate([first, second]), np.random.default_rng(0)
    found, larger = distance(first, second), 0
    for done in range(1, count + 1):
        mixed = pooled[generator.permutation(len(pooled))]
        larger += distance(mixed[: len(first)], mixed[len(first) :]) >= found
        if larger == enough:
            return larger / done
    return (1 + larger) / (1 + count)


def comparable(first, second):
    """Gradients so that faint directions count as others do, and large ones count less.

    Few large ones would be most of a covariance otherwise. What is done to them depends on both
    experiments alike, so it is the same for all splits of the pooled rows.
    """
    scale = np.median(abs(np.concatenate([first, second])), axis=0)
    first, second = (np.arcsinh(part / scale) for part in (first, second))
    root = np.linalg.cholesky(np.linalg.inv(np.cov(np.concatenate([first, second]).T)))
    return first @ root, second @ root


def between_means(first, second):
    return float(np.linalg.norm(first.mean(0) - second.mean(0)))


def between_covariances(first, second):
    return float(np.linalg.norm(np.cov(first.T) - np.cov(second.T)))


def differences(first, second):
    """Probability of each difference between two experiments, were they the same."""
    (samples, gradients), (others, theirs) = first, second
    found = {"moments": moments_differ(samples, others)}
    for i, name in enumerate(("statistic", "angle", "range")):
        found[f"quantiles of {name}"] = ks_2samp(samples[:, i], others[:, i]).pvalue
    # Which goes with which: the height of the peak and the size of the errors.
    for i, name in ((1, "angle"), (2, "range")):
        pair = (part[:, 0] * abs(part[:, i]) for part in (samples, others))
        found[f"quantiles of statistic times {name}"] = ks_2samp(*pair).pvalue
    pair = comparable(gradients, theirs)
    found["mean gradient"] = permutation_p(*pair, between_means)
    found["covariance of gradients"] = permutation_p(*pair, between_covariances)
    for k in range(K):
        found[f"quantiles of gradient {k}"] = ks_2samp(gradients[:, k], theirs[:, k]).pvalue
    return found


def unlikely(found):
    """What differs beyond chance."""
    return {name: p for name, p in found.items() if p < LEVEL / len(found)}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_joint_distribution_is_that_of_all_the_noise(reference, output):
    found = differences(experiment("fast", output), experiment(reference, output))
    assert not unlikely(found)


@pytest.mark.parametrize("factor", [0.0, math.sqrt(2)], ids=["left out", "doubled"])
def test_noise_that_is_wrong_outside_the_span_would_be_noticed(factor, monkeypatch):
    """The test can fail, and only gradients tell: the search never sees that noise."""
    original = WhiteNoise.outside

    def outside(*arguments):
        total = original(*arguments)
        return lambda weights: factor * total(weights)

    monkeypatch.setattr(WhiteNoise, "outside", outside)
    samples, wrong = experiment.__wrapped__("fast", "maximum")
    right = experiment("all antennas", "maximum")[1]
    assert permutation_p(*comparable(wrong, right), between_covariances) < 3e-4
    np.testing.assert_array_equal(samples[:BATCH], experiment("fast", "maximum")[0][:BATCH])

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from isaclib.channels.codes import CodeChannel
from isaclib.data.images import ImageSet, synthetic_images
from isaclib.receivers.linear_codes import principal_components, shared_power
from isaclib.signal.noise import db_to_linear, step_generator

DATA = synthetic_images(600, 300).train
PIXELS = DATA.images.float() / 255
SIZE, SNR_DB = 10, 3.0


@pytest.fixture(scope="module")
def code():
    return principal_components(DATA, SIZE).code(SIZE, SNR_DB)


@pytest.fixture(scope="module")
def components():
    return principal_components(DATA, 40)


@pytest.fixture(scope="module")
def decomposition():
    """Mean, variances and directions by NumPy, from the centred images themselves."""
    flat = PIXELS.flatten(1).double().numpy()
    mean = flat.mean(0)
    values, rows = np.linalg.svd(flat - mean, full_matrices=False)[1:]
    return mean, values**2 / len(flat), rows


def sent(code, channel, repetitions=1):
    """Mean squared error of images sent through a channel."""
    errors = []
    for step in range(repetitions):
        realization = channel.draw(len(PIXELS), SIZE // 2, step_generator(0, "linear", step))
        received = channel(code.encode(PIXELS), realization)
        image = code.reconstruct(received, channel, realization)
        errors.append((image - PIXELS).double().square().mean((1, 2, 3)))
    return torch.cat(errors)


def test_components_are_those_of_a_singular_value_decomposition(components, decomposition):
    mean, variances, rows = decomposition
    np.testing.assert_allclose(components.mean, mean, atol=1e-5)
    np.testing.assert_allclose(components.variances, variances[:40], rtol=1e-3)
    assert components.total_variance == pytest.approx(variances.sum(), rel=1e-4)
    found = components.directions.double().numpy()
    np.testing.assert_allclose(found.T @ found, np.eye(40), atol=1e-4)
    # The first ones stand alone; those after them may turn among others of the same variance.
    np.testing.assert_allclose(np.abs(rows[:SIZE] @ found[:, :SIZE]), np.eye(SIZE), atol=0.02)


def test_components_leave_the_least_that_any_of_their_number_can(components, decomposition):
    """Eckart and Young: what is not in the first k has the sum of the other variances."""
    mean, variances, _ = decomposition
    flat = PIXELS.flatten(1).double().numpy() - mean
    directions = components.directions.double().numpy()
    for k in (1, 7, 40):
        first = directions[:, :k]
        left = np.sum((flat - flat @ first @ first.T) ** 2) / len(flat)
        assert left == pytest.approx(variances[k:].sum(), rel=1e-4)


def test_a_code_takes_the_first_components(components, code):
    """Those of every size are the same, and their amplitudes are the code's alone."""
    for size in (2, SIZE, 40):
        small = components.code(size, SNR_DB)
        assert torch.equal(small.components, components.directions[:, :size])
        assert torch.equal(small.variances, components.variances[:size])
        assert torch.equal(small.mean, components.mean)
        assert small.total_variance == components.total_variance
        power = float((small.amplitudes.square() * small.variances).sum())
        assert power == pytest.approx(size / 2, rel=1e-4)
    same = components.code(SIZE, SNR_DB)
    assert same.expected_mse(SNR_DB) == pytest.approx(code.expected_mse(SNR_DB), rel=1e-5)


def test_components_without_variance_are_not_sent():
    """Images of two kinds have one direction: what else is computed is rounding."""
    pixels = torch.zeros(20, 3, 32, 32, dtype=torch.uint8)
    pixels[:10, 0] = 200
    flat = principal_components(ImageSet(pixels, torch.zeros(20, dtype=torch.int64)), 6)
    assert float(flat.variances[0]) == pytest.approx(1024 * (100 / 255) ** 2, rel=1e-4)
    assert float(flat.variances.min()) >= 0
    assert float(flat.variances[1:].max()) < 1e-3
    code = flat.code(6, SNR_DB)
    assert bool(code.amplitudes.isfinite().all())
    assert float((code.amplitudes.square() * code.variances)[0]) == pytest.approx(3, rel=1e-2)


def test_codes_have_unit_power_on_average_over_the_images(code):
    found = code.encode(PIXELS)
    assert found.shape == (600, SIZE // 2)
    assert float(found.abs().square().mean()) == pytest.approx(1, rel=1e-3)


def test_the_error_is_the_expected_one(code):
    errors = sent(code, CodeChannel(SNR_DB), 5)
    spread = float(errors.std()) / math.sqrt(len(errors))
    expected = code.expected_mse(SNR_DB)
    assert float(errors.mean()) == pytest.approx(expected, abs=4.5 * spread)


def test_at_a_high_snr_only_the_components_that_are_not_sent_are_lost(components):
    high = components.code(SIZE, 60.0)
    lost = (high.total_variance - float(high.variances.sum())) / 3072
    assert high.expected_mse(60.0) == pytest.approx(lost, rel=1e-3)
    assert float(sent(high, CodeChannel(60.0)).mean()) == pytest.approx(lost, rel=1e-3)


def test_at_a_low_snr_all_is_lost(code):
    assert code.expected_mse(-60.0) == pytest.approx(code.total_variance / 3072, rel=1e-3)


def test_a_fading_channel_that_is_known_costs_something(code):
    """By Jensen's inequality: the error is convex in the power of the gain."""
    still = float(sent(code, CodeChannel(SNR_DB)).mean())
    fading = sent(code, CodeChannel(SNR_DB, "rayleigh"), 5)
    assert float(fading.mean()) > still
    # The mean of the closed form over |h|^2, by Gauss-Laguerre quadrature.
    nodes, weights = np.polynomial.laguerre.laggauss(40)
    expected = sum(
        w * code.expected_mse(SNR_DB + 10 * math.log10(x))
        for x, w in zip(nodes, weights, strict=True)
    )
    spread = float(fading.std()) / math.sqrt(len(fading))
    assert float(fading.mean()) == pytest.approx(expected, abs=4.5 * spread + 0.002 * expected)


@pytest.mark.parametrize("snr", [0.01, 1.0, 30.0])
def test_the_power_is_shared_as_a_numerical_minimizer_would(snr):
    variances = torch.tensor([5.0, 2.0, 0.7, 0.1, 0.01, 0.0], dtype=torch.float64)
    found = shared_power(variances, 3.0, snr).numpy()
    assert found.sum() == pytest.approx(3)
    assert np.all(found >= 0)

    def error(p):
        return np.sum(variances.numpy() / (1 + snr * p))

    best = minimize(
        error,
        np.full(6, 0.5),
        bounds=[(0, 3)] * 6,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 3},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert error(found) <= best.fun * (1 + 1e-6)


def test_equal_variances_get_equal_power():
    assert shared_power(torch.ones(4), 2.0, db_to_linear(3.0)).tolist() == pytest.approx([0.5] * 4)


@pytest.mark.parametrize(
    ("size", "match"),
    [
        (0, "size must be an even integer >= 2, .* got 0"),
        (7, "size must be an even integer >= 2, .* got 7"),
        (600, "size must be below the number of images, 600, and of pixels, 3072, got 600"),
    ],
)
def test_sizes_are_checked(size, match):
    with pytest.raises(ValueError, match=match):
        principal_components(DATA, size or 2).code(size, SNR_DB)


@pytest.mark.parametrize("size", [0, -1, 2.5, 600])
def test_numbers_of_components_are_checked(size):
    with pytest.raises(ValueError, match=rf"size must be .*, got {size}"):
        principal_components(DATA, size)


def test_a_code_needs_its_components(components):
    assert len(components.code(40, SNR_DB).variances) == 40
    with pytest.raises(ValueError, match="size must be at most 40, the number of components, g"):
        components.code(42, SNR_DB)
    with pytest.raises(ValueError, match=r"size must be an even integer >= 2, .* got 7"):
        components.code(7, SNR_DB)

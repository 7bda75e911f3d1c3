import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from isaclib.code_channels import CodeChannel
from isaclib.images import synthetic_images
from isaclib.linear_codes import linear_code, shared_power
from isaclib.noise import db_to_linear, step_generator

DATA = synthetic_images(600, 300).train
PIXELS = DATA.images.float() / 255
SIZE, SNR_DB = 10, 3.0


@pytest.fixture(scope="module")
def code():
    return linear_code(DATA, SIZE, SNR_DB)


def sent(code, channel, repetitions=1):
    """Mean squared error of images sent through a channel."""
    errors = []
    for step in range(repetitions):
        realization = channel.draw(len(PIXELS), SIZE // 2, step_generator(0, "linear", step))
        received = channel(code.encode(PIXELS), realization)
        image = code.reconstruct(received, channel, realization)
        errors.append((image - PIXELS).double().square().mean((1, 2, 3)))
    return torch.cat(errors)


def test_components_are_those_of_a_singular_value_decomposition(code):
    flat = PIXELS.flatten(1).double().numpy()
    centred = flat - flat.mean(0)
    values, rows = np.linalg.svd(centred, full_matrices=False)[1:]
    np.testing.assert_allclose(code.variances, values[:SIZE] ** 2 / len(flat), rtol=1e-3)
    overlap = np.abs(rows[:SIZE] @ code.components.double().numpy())
    np.testing.assert_allclose(overlap, np.eye(SIZE), atol=0.02)
    assert code.total_variance == pytest.approx(np.sum(centred**2) / len(flat), rel=1e-4)


def test_codes_have_unit_power_on_average_over_the_images(code):
    found = code.encode(PIXELS)
    assert found.shape == (600, SIZE // 2)
    assert float(found.abs().square().mean()) == pytest.approx(1, rel=1e-3)


def test_the_error_is_the_expected_one(code):
    errors = sent(code, CodeChannel(SNR_DB), 5)
    spread = float(errors.std()) / math.sqrt(len(errors))
    expected = code.expected_mse(SNR_DB)
    assert float(errors.mean()) == pytest.approx(expected, abs=4.5 * spread)


def test_at_a_high_snr_only_the_components_that_are_not_sent_are_lost():
    high = linear_code(DATA, SIZE, 60.0)
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
        linear_code(DATA, size, SNR_DB)

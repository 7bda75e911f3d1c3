import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_softmax
from scipy.stats import norm

from isaclib.learning.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    check_task_weights,
    gaussian_nll,
    isac_loss,
    mean_squared_error,
    multi_task_loss,
    radar_nll,
)
from isaclib.signal.noise import step_generator

BATCH, ORDER = 7, 4


def normal(name, *shape):
    return torch.randn(*shape, generator=step_generator(0, name, 0), dtype=torch.float64)


LOGITS, ESTIMATE, THETA = (normal(n, BATCH) for n in ("logits", "estimate", "theta"))
SIGMA = normal("sigma", BATCH).abs() + 0.1
SCORES = normal("scores", BATCH, ORDER)
PRESENT = torch.tensor([True, False, True, True, False, False, True])
MESSAGES = torch.tensor([0, 1, 2, 3, 3, 0, 2])


def test_eq_3():
    q, t = expit(LOGITS.numpy()), PRESENT.numpy()
    oracle = -np.mean(t * np.log(q) + (1 - t) * np.log(1 - q))
    assert float(binary_cross_entropy(LOGITS, PRESENT)) == pytest.approx(oracle)


def test_eq_3_is_least_at_the_true_probability():
    present = torch.tensor([True] * 3 + [False] * 7)

    def loss(q):
        logit = math.log(q / (1 - q))
        return float(binary_cross_entropy(torch.full((10,), logit).double(), present))

    entropy = -0.3 * math.log(0.3) - 0.7 * math.log(0.7)
    assert loss(0.3) == pytest.approx(entropy)
    assert min(loss(0.25), loss(0.35)) > entropy


def test_eq_3_is_finite_where_the_logarithm_of_a_sigmoid_is_not():
    far = torch.tensor([200.0, -200.0])
    assert float(binary_cross_entropy(far, torch.tensor([False, True]))) == pytest.approx(200)
    assert float(binary_cross_entropy(far, torch.tensor([True, False]))) == pytest.approx(0)


def test_eq_4_is_the_gaussian_likelihood_without_its_constant():
    density = norm.logpdf(ESTIMATE.numpy(), THETA.numpy(), SIGMA.numpy())
    oracle = -np.mean(density) - 0.5 * math.log(2 * math.pi)
    assert float(gaussian_nll(ESTIMATE, SIGMA, THETA)) == pytest.approx(oracle)


def test_eq_4_is_least_where_sigma_is_the_root_mean_squared_error():
    rmse = mean_squared_error(ESTIMATE, THETA).sqrt()

    def loss(factor):
        return float(gaussian_nll(ESTIMATE, (factor * rmse).expand(BATCH), THETA))

    assert loss(1) < min(loss(0.95), loss(1.05))
    assert loss(1) == pytest.approx(float(torch.log(rmse)) + 0.5)


def test_the_mean_squared_error():
    oracle = np.mean((ESTIMATE.numpy() - THETA.numpy()) ** 2)
    assert float(mean_squared_error(ESTIMATE, THETA)) == pytest.approx(oracle)


@given(st.floats(0.01, 0.99))
def test_eq_6(p_present):
    detection, regression = torch.tensor([0.7, -1.3], dtype=torch.float64)
    found = radar_nll(detection, regression, p_present)
    assert float(found) == pytest.approx(0.7 - 1.3 * p_present)


def test_eq_6_gives_a_target_half_of_the_time():
    assert float(radar_nll(torch.tensor(1.0), torch.tensor(1.0))) == 1.5


def test_eq_7():
    one_hot = np.eye(ORDER)[MESSAGES.numpy()]
    oracle = -np.mean(np.sum(one_hot * log_softmax(SCORES.numpy(), axis=1), axis=1))
    assert float(categorical_cross_entropy(SCORES, MESSAGES)) == pytest.approx(oracle)


def test_eq_7_of_a_receiver_that_knows_nothing_is_the_entropy_of_the_messages():
    found = categorical_cross_entropy(torch.zeros(BATCH, ORDER), MESSAGES)
    assert float(found) == pytest.approx(math.log(ORDER))


@given(st.floats(0, 1))
def test_eq_8(weight):
    found = isac_loss(torch.tensor(2.0).double(), torch.tensor(5.0).double(), weight)
    assert float(found) == pytest.approx(2 * weight + 5 * (1 - weight))


@pytest.mark.parametrize(
    ("loss", "variables"),
    [
        (lambda x: binary_cross_entropy(x, PRESENT), [LOGITS]),
        (gaussian_nll, [ESTIMATE, SIGMA, THETA]),
        (mean_squared_error, [ESTIMATE, THETA]),
        (lambda x: categorical_cross_entropy(x, MESSAGES), [SCORES]),
        (radar_nll, [LOGITS[0], ESTIMATE[0]]),
        (lambda r, c: isac_loss(r, c, 0.3), [LOGITS[0], ESTIMATE[0]]),
    ],
    ids=["bce", "nll", "mse", "cce", "radar", "isac"],
)
def test_every_loss_is_differentiable(loss, variables):
    inputs = [v.clone().requires_grad_(True) for v in variables]
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, math.nan])
def test_the_probability_of_a_target_is_inside_the_unit_interval(value):
    with pytest.raises(ValueError, match=rf"p_present must be a .* in \(0, 1\), got {value}"):
        radar_nll(torch.tensor(1.0), torch.tensor(1.0), value)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_the_radar_weight_lies_in_the_unit_interval(value):
    with pytest.raises(ValueError, match=rf"radar_weight must be .* \[0, 1\], got {value}"):
        isac_loss(torch.tensor(1.0), torch.tensor(1.0), value)


def test_the_squared_error_in_degrees_is_that_of_the_angles_in_degrees():
    found = mean_squared_error(ESTIMATE, THETA, "deg")
    oracle = np.mean((np.degrees(ESTIMATE.numpy()) - np.degrees(THETA.numpy())) ** 2)
    assert float(found) == pytest.approx(oracle)


# Several tasks, P4


TASKS = {"first": torch.tensor(3.0), "second": torch.tensor(-1.0), "third": torch.tensor(0.5)}


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda parts: sum(parts) > 0.1))
def test_the_multi_task_loss_is_the_weighted_sum(parts):
    weights = dict(zip(TASKS, np.divide(parts, sum(parts)), strict=True))
    oracle = sum(float(weights[name] * float(TASKS[name])) for name in TASKS)
    assert float(multi_task_loss(TASKS, weights)) == pytest.approx(oracle, abs=1e-5)


def test_gradients_of_the_multi_task_loss_are_the_weights():
    losses = {name: loss.clone().requires_grad_(True) for name, loss in TASKS.items()}
    multi_task_loss(losses, {"first": 0.2, "second": 0.0, "third": 0.8}).backward()
    assert float(losses["first"].grad) == pytest.approx(0.2)
    assert losses["second"].grad is None
    assert float(losses["third"].grad) == pytest.approx(0.8)


def test_a_task_without_weight_needs_no_loss_and_cannot_spoil_it():
    alone = {"first": torch.tensor(3.0)}
    weights = {"first": 1.0, "second": 0.0}
    assert float(multi_task_loss(alone, weights)) == 3
    assert float(multi_task_loss(alone | {"second": torch.tensor(math.nan)}, weights)) == 3
    with pytest.raises(
        ValueError, match=r"every task of positive weight, .* none for \['second'\]"
    ):
        multi_task_loss(alone, {"first": 0.5, "second": 0.5})


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ({"a": 0.5, "b": 0.6}, r"weights must sum to one, got \{'a': 0.5, 'b': 0.6\}, .* 1.1"),
        ({"a": 0.0, "b": 0.0}, "weights must sum to one, .* sum to 0"),
        ({"a": -0.5, "b": 1.5}, "weight of a must be a finite number >= 0, got -0.5"),
        ({"a": math.nan, "b": 1.0}, "weight of a must be a finite number >= 0, got nan"),
        ({}, "weights must sum to one, got {}"),
    ],
)
def test_task_weights_are_checked(weights, match):
    with pytest.raises(ValueError, match=match):
        check_task_weights(weights)
    with pytest.raises(ValueError, match=match):
        multi_task_loss({"a": torch.tensor(1.0), "b": torch.tensor(1.0)}, weights)


def test_weights_that_sum_to_one_up_to_rounding_are_weights():
    check_task_weights({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    check_task_weights({str(i): 0.1 for i in range(10)})

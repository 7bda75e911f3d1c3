r"""Training losses, P1 Eqs. (3)-(8), and the weighted loss of several tasks, P4 Sec. II.

Each takes what the networks put out before their last nonlinearity where that is numerically
safer (logits), and returns the mean over the batch.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch.nn import functional

from isaclib._validation import check_nonnegative, check_probability, check_range

AngleUnit = Literal["deg", "rad"]


def binary_cross_entropy(logits: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    r"""Detection loss :math:`\mathcal{J}_{\mathrm{TD}}`, P1 Eq. (3).

    Also P2 Eq. (9).

    .. math:: -\mathbb{E}[t\log q + (1-t)\log(1-q)]

    Args:
        logits: ``[batch]``, real: log(q / (1 - q)) of the estimated presence probability q.
        present: ``[batch]``, bool. Whether there is a target, t.

    Returns:
        ``[]``, real [nat].
    """
    return functional.binary_cross_entropy_with_logits(logits, present.to(logits.dtype))


def gaussian_nll(estimate: torch.Tensor, sigma: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    r"""Regression loss :math:`\mathcal{J}_{\mathrm{TR}}`, P1 Eq. (4), without its constant.

    .. math:: \mathbb{E}\left[\log\sigma_{\hat\theta}
        + \frac{|\theta-\hat\theta|^2}{2\sigma_{\hat\theta}^2}\right]

    Args:
        estimate: ``[batch]``, real. Angle estimate [rad].
        sigma: ``[batch]``, real, positive. Estimated standard deviation [rad].
        theta: ``[batch]``, real. True angle [rad].

    Returns:
        ``[]``, real [nat].
    """
    return torch.mean(torch.log(sigma) + (theta - estimate).square() / (2 * sigma.square()))


def mean_squared_error(
    estimate: torch.Tensor, theta: torch.Tensor, unit: AngleUnit = "rad"
) -> torch.Tensor:
    """Mean squared angle error, P1 Sec. IV-C without the factor p(t = 1).

    Args:
        estimate: ``[batch]``, real. Angle estimate [rad].
        theta: ``[batch]``, real. True angle [rad].
        unit: Unit whose square the error is in.

    Returns:
        ``[]``, real [rad^2 or degrees^2].
    """
    error = functional.mse_loss(estimate, theta)
    return error if unit == "rad" else math.degrees(1) ** 2 * error


def categorical_cross_entropy(logits: torch.Tensor, messages: torch.Tensor) -> torch.Tensor:
    r"""Communication loss :math:`\mathcal{J}_{\mathrm{CE}}`, P1 Eq. (7).

    Also P2 Eq. (10).

    Args:
        logits: ``[batch, order]``, real. Message scores before the softmax.
        messages: ``[batch]``, int64. Transmitted messages m.

    Returns:
        ``[]``, real [nat].
    """
    return functional.cross_entropy(logits, messages)


def radar_nll(
    detection: torch.Tensor, regression: torch.Tensor, p_present: float = 0.5
) -> torch.Tensor:
    r"""Overall radar loss :math:`\mathcal{J}_{\mathrm{NLL}}`, P1 Eq. (6).

    Args:
        detection: ``[]``, real. Detection loss over all samples.
        regression: ``[]``, real. Regression loss over the samples with a target.
        p_present: Probability of a target, in (0, 1).

    Returns:
        ``[]``, real: ``detection + p_present * regression``.

    Raises:
        ValueError: If ``p_present`` is outside (0, 1).
    """
    return detection + check_probability("p_present", p_present) * regression


def isac_loss(
    radar: torch.Tensor, communication: torch.Tensor, radar_weight: float
) -> torch.Tensor:
    r"""Joint loss :math:`\mathcal{J}_{\mathrm{ISAC}}`, P1 Eq. (8).

    Args:
        radar: ``[]``, real. Radar loss.
        communication: ``[]``, real. Communication loss.
        radar_weight: Hyper-parameter :math:`\omega_r` in [0, 1].

    Returns:
        ``[]``, real: ``radar_weight * radar + (1 - radar_weight) * communication``.

    Raises:
        ValueError: If ``radar_weight`` is outside [0, 1].
    """
    check_range("radar_weight", radar_weight, 0, 1)
    return radar_weight * radar + (1 - radar_weight) * communication


def check_task_weights(weights: Mapping[str, float]) -> None:
    """Check that the weights of a multi-task loss are not negative and sum to one."""
    for name, weight in weights.items():
        check_nonnegative(f"weight of {name}", weight)
    total = math.fsum(weights.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"weights must sum to one, got {dict(weights)}, which sum to {total:g}")


def multi_task_loss(
    losses: Mapping[str, torch.Tensor], weights: Mapping[str, float]
) -> torch.Tensor:
    r"""Weighted sum of the losses of several tasks, P4 Sec. II.

    .. math:: \sum_i w_i \mathcal{J}_i, \quad w_i \ge 0, \quad \sum_i w_i = 1

    Args:
        losses: Loss of each task, ``[]``, real, by its name.
        weights: Weight of each task. One of weight zero needs no loss, so its network need not
            be run.

    Returns:
        ``[]``, real.

    Raises:
        ValueError: If a weight is negative, the weights do not sum to one, or a task of positive
            weight has no loss.
    """
    check_task_weights(weights)
    active = {name: weight for name, weight in weights.items() if weight > 0}
    missing = sorted(active.keys() - losses.keys())
    if missing:
        raise ValueError(
            f"losses must hold every task of positive weight, {sorted(active)}, got none for "
            f"{missing}"
        )
    return torch.stack([weight * losses[name] for name, weight in active.items()]).sum()

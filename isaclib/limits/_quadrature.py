"""Gauss-Legendre quadrature over intervals, evenly or round a peak."""

from functools import lru_cache

import torch

from isaclib._validation import check_positive_int


@lru_cache(maxsize=32)
def _unit_rule(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights on [-1, 1], float64; nobody writes to them."""
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(check_positive_int("count", count))
    return torch.from_numpy(nodes), torch.from_numpy(weights)


def legendre(low: float, high: float, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gauss-Legendre rule for the mean of a function over an interval.

    Nodes and weights, which add up to one: ``[count]``, float64, each.
    """
    nodes, weights = _unit_rule(count)
    return (low + high) / 2 + (high - low) / 2 * nodes, weights / 2


def legendre_round(
    low: torch.Tensor, high: torch.Tensor, peak: torch.Tensor, width: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Gauss-Legendre rules for integrals from ``low`` to ``high`` whose nodes crowd round a peak.

    With :math:`x = p + w\sinh t` the nodes are uniform within the width :math:`w` of the peak
    :math:`p`, and further apart in proportion to the distance from there on. Ends, peak and width
    (positive) are ``[batch]``, float64; nodes and weights ``[batch, count]``.
    """
    unit, weights = (part.to(low) for part in _unit_rule(count))
    ends = [torch.asinh((end - peak) / width).unsqueeze(-1) for end in (low, high)]
    half = (ends[1] - ends[0]) / 2
    turn = (ends[0] + ends[1]) / 2 + half * unit
    scale = width.unsqueeze(-1)
    return peak.unsqueeze(-1) + scale * torch.sinh(turn), weights * half * scale * torch.cosh(turn)

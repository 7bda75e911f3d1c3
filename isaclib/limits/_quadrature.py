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

    Args:
        low: Lower end.
        high: Upper end.
        count: Number of nodes, positive.

    Returns:
        ``[count]``, float64: nodes; and ``[count]``, float64: weights, which add up to one.

    Raises:
        ValueError: If ``count`` is no positive integer.
    """
    nodes, weights = _unit_rule(count)
    return (low + high) / 2 + (high - low) / 2 * nodes, weights / 2


def legendre_round(
    low: torch.Tensor, high: torch.Tensor, peak: torch.Tensor, width: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Gauss-Legendre rules whose nodes crowd round a peak.

    With :math:`x = p + w\sinh t` the nodes are uniform within the width :math:`w` of the peak
    :math:`p`, and further apart in proportion to the distance from there on.

    Args:
        low: ``[batch]``, float64. Lower ends.
        high: ``[batch]``, float64. Upper ends.
        peak: ``[batch]``, float64. Where the integrand is narrow.
        width: ``[batch]``, float64. How narrow, positive.
        count: Number of nodes, positive.

    Returns:
        ``[batch, count]``, float64: nodes; and ``[batch, count]``, float64: weights of the
        integral from ``low`` to ``high``.

    Raises:
        ValueError: If ``count`` is no positive integer.
    """
    unit, weights = (part.to(low) for part in _unit_rule(count))
    ends = [torch.asinh((end - peak) / width).unsqueeze(-1) for end in (low, high)]
    half = (ends[1] - ends[0]) / 2
    turn = (ends[0] + ends[1]) / 2 + half * unit
    scale = width.unsqueeze(-1)
    return peak.unsqueeze(-1) + scale * torch.sinh(turn), weights * half * scale * torch.cosh(turn)

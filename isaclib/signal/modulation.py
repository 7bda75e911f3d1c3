"""Symbol constellations and maximum-likelihood symbol decisions."""

import math

import torch


def square_side(order: int) -> int:
    """Points on a side of a square constellation, of which there are an even power of two."""
    side = math.isqrt(order) if isinstance(order, int) and order >= 4 else 0
    if side == 0 or side * side != order or side & (side - 1):
        raise ValueError(f"order must be an even power of two (4, 16, 64, ...), got {order!r}")
    return side


def qam(order: int) -> torch.Tensor:
    """Square quadrature amplitude modulation with unit average power.

    Args:
        order: Number of symbols, an even power of two: 4, 16, 64, ...

    Returns:
        ``[order]``, complex64.

    Raises:
        ValueError: If ``order`` is not an even power of two.
    """
    side = square_side(order)
    levels = torch.arange(side, dtype=torch.float64) * 2 - (side - 1)
    points = torch.complex(*torch.meshgrid(levels, levels, indexing="ij")).flatten()
    return (points / math.sqrt(2 * (order - 1) / 3)).to(torch.complex64)


def psk(order: int) -> torch.Tensor:
    """Phase-shift keying: points of unit modulus, the first one at angle pi / order.

    Args:
        order: Number of symbols, at least 2. ``psk(4)`` has the points of ``qam(4)``.

    Returns:
        ``[order]``, complex64.

    Raises:
        ValueError: If ``order`` is below 2 or no integer.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 2:
        raise ValueError(f"order must be an integer of at least 2, got {order!r}")
    phase = (2 * torch.arange(order, dtype=torch.float64) + 1) * math.pi / order
    return torch.polar(torch.ones_like(phase), phase).to(torch.complex64)


def maximum_likelihood(
    received: torch.Tensor, csi: torch.Tensor, constellation: torch.Tensor
) -> torch.Tensor:
    r"""Decide which symbol was sent, given the channel: P1 Eq. (11).

    .. math:: \hat{m} = \arg\min_m |z_c - \kappa x(m)|^2

    Args:
        received: ``[...]``, complex. Received samples :math:`z_c`.
        csi: ``[...]``, complex, broadcastable to ``received``. Channel state information
            :math:`\kappa = \beta\,\mathbf{a}_{\mathrm{tx}}^\top(\vartheta)\,\mathbf{v}`.
        constellation: ``[order]``, complex. Symbols x(m).

    Returns:
        ``[...]``, int64. Index of the decided message.

    Raises:
        ValueError: If ``constellation`` is not one-dimensional.
    """
    if constellation.ndim != 1:
        raise ValueError(f"constellation must have shape [order], got {tuple(constellation.shape)}")
    # |z - kx|^2 = |z|^2 - 2 Re(z* k x) + |k|^2 |x|^2, whose first term decides nothing.
    matched = received.conj() * csi
    correlation = (
        matched.real.unsqueeze(-1) * constellation.real
        - matched.imag.unsqueeze(-1) * constellation.imag
    )
    energy = constellation.real.square() + constellation.imag.square()
    gain = (csi.real.square() + csi.imag.square()).unsqueeze(-1)
    return torch.argmin(gain * energy - 2 * correlation, dim=-1)

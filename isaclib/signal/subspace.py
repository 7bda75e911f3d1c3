r"""Orthonormal bases of families of vectors that need far fewer dimensions than they have entries.

All delay phase vectors of a range sector, or all steering vectors of an angular sector, lie in a
small subspace but for a negligible share of their energy: about as many dimensions as the sector
holds resolution cells, and a few more. White noise stays white under an orthonormal basis, so what
a receiver correlates with such vectors can be simulated in the basis: it is the same experiment.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from scipy.special import roots_legendre

from isaclib._validation import check_range

TOLERANCE = 1e-10
"""Largest share of any vector's energy that a basis may lose."""

TINY = 1e-9
"""Length that an array of one element is given [wavelengths]."""


def spanning_basis(
    vectors: torch.Tensor, *, tolerance: float = TOLERANCE, energy: float | None = None
) -> tuple[torch.Tensor, float]:
    r"""Smallest leading set of singular vectors that holds every vector's energy.

    The rank is the smallest r for which
    :math:`\max_i \|\mathbf{v}_i - \mathbf{B}\mathbf{B}^H\mathbf{v}_i\|^2 / \|\mathbf{v}_i\|^2`
    does not exceed the tolerance: the worst vector counts, not the mean one, as vectors at the ends
    of a sector are the last to fit.

    Args:
        vectors: ``[count, size]``, complex or real.
        tolerance: Largest share of energy that any vector may lose, in [1e-28, 1]; below this,
            double precision cannot tell.
        energy: What the share is of, in place of each vector's own energy; for vectors that are
            parts of others.

    Returns:
        ``[size, rank]``, complex128 or float64: orthonormal columns B; and the largest share that
        a vector does lose.

    Raises:
        ValueError: If ``vectors`` has another shape or ``tolerance`` is out of range.
    """
    check_range("tolerance", tolerance, 1e-28, 1)
    if vectors.ndim != 2 or vectors.numel() == 0:
        raise ValueError(f"vectors must have shape [count, size], got {tuple(vectors.shape)}")
    vectors = vectors.to(torch.complex128 if vectors.is_complex() else torch.float64)
    right = torch.linalg.svd(vectors, full_matrices=False).Vh
    if energy is None:
        reference = torch.linalg.vector_norm(vectors, dim=-1).square().unsqueeze(-1)
    else:
        reference = torch.tensor(energy, dtype=torch.float64, device=vectors.device)
    # What is beyond the first r is added up from the last, so that small remainders stay exact.
    parts = (vectors @ right.mH).abs().square().flip(-1).cumsum(-1).flip(-1)
    lost = (parts / reference).amax(dim=0)
    rank = int((lost > tolerance).sum())
    share = float(lost[rank]) if rank < len(lost) else 0.0
    return right[:rank].mT.contiguous(), share


def steering_spans(
    positions: torch.Tensor,
    low: torch.Tensor,
    high: torch.Tensor,
    *,
    tolerance: float = TOLERANCE,
) -> tuple[torch.Tensor, list[int]]:
    r"""Bases of the steering vectors of intervals of angles, without a decomposition of each.

    Counted from the middle of the array and of the interval, element k of a steering vector is
    :math:`e^{-jcyx}` with :math:`y_k \in [-1, 1]` along the array, x in [-1, 1] along the sines of
    the interval, and c = 2 pi times half of either's length. For all arrays these lie in the span
    of the same functions of y, the prolate spheroidal wave functions
    (:func:`prolate_functions`), which are real. What is left to do for an array is to make their
    values at its elements orthonormal, by a QR decomposition.

    Args:
        positions: ``[antennas]``, real. Element positions [wavelengths].
        low: ``[intervals]``, real. Sines of the lower ends.
        high: ``[intervals]``, real. Sines of the upper ends, none below its lower one.
        tolerance: Largest share of energy that any steering vector may lose.

    Returns:
        ``[intervals, antennas, rank]``, complex128, on the device of ``positions``: orthonormal
        columns; and how many each interval has, behind which there are zeros.
    """
    positions = positions.double()
    first, last = positions.min(), positions.max()
    middle, half = (first + last) / 2, float(last - first) / 2
    low, high = low.double(), high.double()
    angle = -2 * math.pi * positions * ((low + high) / 2).unsqueeze(-1)
    phases = torch.polar(torch.ones_like(angle), angle).unsqueeze(-1)
    # A table for each half: few tables serve all intervals.
    bandwidths = [math.ceil(2 * c) / 2 for c in (math.pi * half * (high - low)).tolist()]
    points = (positions - middle) / max(half, TINY)
    values = {
        bandwidth: prolate_functions(bandwidth, tolerance).at(points)[:, : len(positions)]
        for bandwidth in set(bandwidths)
    }
    ranks = [values[bandwidth].shape[1] for bandwidth in bandwidths]
    wide = positions.new_zeros(len(ranks), len(positions), max(ranks))
    for matrix, bandwidth, rank in zip(wide, bandwidths, ranks, strict=True):
        matrix[:, :rank] = values[bandwidth]
    columns = torch.arange(max(ranks), device=positions.device)
    used = columns < torch.tensor(ranks, device=positions.device).view(-1, 1, 1)
    return torch.linalg.qr(wide).Q * (phases * used), ranks


@dataclass(frozen=True, eq=False)
class ProlateFunctions:
    r"""The leading prolate spheroidal wave functions of a bandwidth c, at any points.

    They are the eigenfunctions of :math:`\int_{-1}^1 e^{-jcyx}\psi(x)\,dx`, so
    :math:`\psi_n(y)` is proportional to a sum of cosines or sines of :math:`cyx_q` over quadrature
    nodes, which is how they are computed.

    Attributes:
        bandwidth: c.
        nodes: ``[nodes]``, float64. Positive quadrature nodes x_q in (0, 1).
        even: ``[nodes, even functions]``, float64. What each node's cosine counts.
        odd: ``[nodes, odd functions]``, float64. Likewise its sine.
        order: ``[functions]``, int64. Places of the functions, the strongest first, among the even
            ones and then the odd ones.
    """

    bandwidth: float
    nodes: torch.Tensor
    even: torch.Tensor
    odd: torch.Tensor
    order: torch.Tensor

    def at(self, points: torch.Tensor) -> torch.Tensor:
        """Values of the functions.

        Args:
            points: ``[points]``, float64. In [-1, 1].

        Returns:
            ``[points, functions]``, float64.
        """
        angle = self.bandwidth * points.unsqueeze(-1) * self.nodes.to(points)
        even, odd = (part.to(points) for part in (self.even, self.odd))
        found = torch.cat([torch.cos(angle) @ even, torch.sin(angle) @ odd], dim=-1)
        return found[:, self.order.to(points.device)]


@lru_cache(maxsize=256)
def prolate_functions(bandwidth: float, tolerance: float = TOLERANCE) -> ProlateFunctions:
    r"""As many functions as all :math:`e^{-jcyx}` with y and x in [-1, 1] need.

    Args:
        bandwidth: c, not negative.
        tolerance: Largest mean square over y that the expansion may leave, whatever x is.

    Returns:
        The functions, each with a mean square of one over [0, 1].
    """
    count = 24 + math.ceil(bandwidth)
    nodes, weights = (torch.from_numpy(part) for part in roots_legendre(2 * count))
    nodes, weights = nodes[count:], weights[count:]
    root = weights.sqrt()
    angle = bandwidth * nodes.unsqueeze(-1) * nodes
    kinds = []
    for kernel in (torch.cos(angle), torch.sin(angle)):
        values, vectors = torch.linalg.eigh(root.unsqueeze(-1) * kernel * root)
        order = values.abs().argsort(descending=True)
        kinds.append((values[order], vectors[:, order] / root.unsqueeze(-1)))
    strength = torch.cat([values.abs() for values, _ in kinds])
    parity = torch.arange(len(strength)) >= count
    # e^{-jcyx} = sum_n lambda_n psi_n(y) psi_n(x), -j times it for odd functions. In the mean over
    # y, what is left of n from N on is largest where psi_n(x) is; elements need not lie as evenly
    # as the mean has it, so twice that is counted.
    peaks = torch.cat([vectors.abs().amax(0) for _, vectors in kinds])
    order = strength.argsort(descending=True)
    left = 2 * (strength * peaks).square()[order].flip(0).cumsum(0).flip(0)
    needed = order[: max(int((left > tolerance).sum()), 1)]
    chosen = []
    for odd, (values, vectors) in enumerate(kinds):
        some = int((parity[needed] == bool(odd)).sum())
        chosen.append(weights.unsqueeze(-1) * vectors[:, :some] / values[:some])
    ranking = torch.where(parity[needed], needed - count + chosen[0].shape[1], needed)
    return ProlateFunctions(bandwidth, nodes, chosen[0], chosen[1], ranking)

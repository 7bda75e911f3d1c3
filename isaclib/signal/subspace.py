r"""Orthonormal bases of families of vectors that need far fewer dimensions than they have entries.

All delay phase vectors of a range sector, or all steering vectors of an angular sector, lie in a
small subspace but for a negligible share of their energy: about as many dimensions as the sector
holds resolution cells, and a few more. White noise stays white under an orthonormal basis, so what
a receiver correlates with such vectors can be simulated in the basis: it is the same experiment.
"""

import torch

from isaclib._validation import check_range

TOLERANCE = 1e-10
"""Largest share of any vector's energy that a basis may lose."""


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

r"""Beampattern synthesis by least squares, and the combination of two beams into one."""

import math

import torch

from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.sectors import Windows

FIELD_OF_VIEW = Sector(-90.0, 90.0)
"""The angles that a linear array can tell apart."""


def least_squares_beam(
    sector: Sector, positions: torch.Tensor, *, grid_size: int = 500
) -> torch.Tensor:
    r"""Unit-power beam that fits a flat pattern over a sector, P1 Eq. (9).

    Also P2 Eqs. (3), (4), P3 Eqs. (5), (6).

    The desired pattern is :math:`[\mathbf{b}]_i = K` at the grid angles inside the sector and 0
    elsewhere; the beam is the least-squares solution
    :math:`\mathbf{y} = (\mathbf{A}^*\mathbf{A}^\top)^{-1}\mathbf{A}^*\mathbf{b}`, scaled to unit
    norm. As :math:`\mathbf{b}` is real, the beam depends on the phase reference of ``positions``.

    Args:
        sector: Angles to illuminate.
        positions: ``[antennas]``, real. Element positions that the design assumes [wavelengths].
        grid_size: Number of grid angles N_grid from -90 to 90 degrees, at least the number of
            antennas.

    Returns:
        ``[antennas]``, complex64, with ``norm(beam) == 1``.

    Raises:
        ValueError: If the grid has fewer angles than the array has elements, no angle inside the
            sector, or cannot tell the elements apart.
    """
    if grid_size < len(positions):
        raise ValueError(
            f"grid_size must be at least the number of antennas, {len(positions)}, "
            f"got {grid_size!r}"
        )
    grid = FIELD_OF_VIEW.grid(grid_size)
    inside = sector.contains(grid)
    if not inside.any():
        raise ValueError(
            f"grid_size must put a grid angle inside the sector [{sector.min_deg}, "
            f"{sector.max_deg}] degrees, got {grid_size!r} angles "
            f"{180 / (grid_size - 1):.3g} degrees apart"
        )
    steering = steering_vector(grid, positions.double())  # A^T: [grid, antennas]
    desired = len(positions) * inside.to(steering.dtype)
    gram = steering.mH @ steering
    if torch.linalg.cond(gram) > 1 / torch.finfo(torch.float64).eps:
        raise ValueError(
            "positions must give linearly independent steering vectors (two elements in one "
            f"place?), got {positions.tolist()}"
        )
    beam = torch.linalg.solve(gram, steering.mH @ desired)
    return (beam / torch.linalg.vector_norm(beam)).to(torch.complex64)


def combine_beams(
    radar_beam: torch.Tensor,
    communication_beam: torch.Tensor,
    rho: torch.Tensor | float,
    phase: torch.Tensor | float = 0.0,
    *,
    energy: float = 1.0,
) -> torch.Tensor:
    r"""Share the transmit energy between a radar and a communication beam, P1 Eq. (10).

    Also P2 Eq. (5), P3 Eq. (4).

    .. math::
        \mathbf{v}(\rho, \varphi) = \sqrt{E_{\mathrm{tx}}}
        \frac{\sqrt\rho\,\mathbf{y}_r + \sqrt{1-\rho}\,e^{j\varphi}\,\mathbf{y}_c}
        {\|\sqrt\rho\,\mathbf{y}_r + \sqrt{1-\rho}\,e^{j\varphi}\,\mathbf{y}_c\|}

    Args:
        radar_beam: ``[antennas]``, complex. Beam y_r, of unit norm.
        communication_beam: ``[antennas]``, complex. Beam y_c, of unit norm.
        rho: Number or ``[...]``, real, in [0, 1]. Trade-off parameter: 1 is radar alone.
        phase: Number or ``[...]``, real, broadcastable with ``rho``. Phase varphi [rad].
        energy: Transmit energy E_tx, positive and finite.

    Returns:
        ``[..., antennas]``, complex. Beams of squared norm ``energy``.

    Raises:
        ValueError: If an argument is out of range, or the two beams cancel for some (rho, phase).
    """
    if not (math.isfinite(energy) and energy > 0):
        raise ValueError(f"energy must be positive and finite, got {energy!r}")
    real = radar_beam.real.dtype
    rho = torch.as_tensor(rho, dtype=real, device=radar_beam.device).unsqueeze(-1)
    phase = torch.as_tensor(phase, dtype=real, device=radar_beam.device).unsqueeze(-1)
    if not bool(((rho >= 0) & (rho <= 1)).all()):
        raise ValueError(f"rho must lie in [0, 1], got {rho.squeeze(-1).tolist()!r}")
    if not bool(torch.isfinite(phase).all()):
        raise ValueError(f"phase must be finite [rad], got {phase.squeeze(-1).tolist()!r}")
    rotation = torch.complex(torch.cos(phase), torch.sin(phase))
    mixed = torch.sqrt(rho) * radar_beam + torch.sqrt(1 - rho) * rotation * communication_beam
    norm = torch.linalg.vector_norm(mixed, dim=-1, keepdim=True)
    if bool((norm < torch.finfo(real).eps).any()):
        raise ValueError("rho and phase must not make the two beams cancel, but they do")
    return math.sqrt(energy) * mixed / norm


SINGULAR = 1e-12
"""Ratio of the extreme eigenvalues of A* A^T below which A does not tell its elements apart."""


class SingularSteeringError(ValueError):
    """Steering vectors do not tell the elements apart, so that no beam can be designed."""


def precoder(steering: torch.Tensor) -> torch.Tensor:
    r"""Matrix whose columns add up to the least-squares beam of any sector, P2 Sec. IV-B.

    It solves :math:`(\mathbf{A}^*\mathbf{A}^\top)\mathbf{M} = \mathbf{A}^*`, in double precision
    and without an explicit inverse, so that P2 Eq. (4) becomes :math:`\mathbf{M}\mathbf{b}`.

    Args:
        steering: ``[grid, antennas]``, complex. Steering vectors of the grid angles, A^T.

    Returns:
        ``[antennas, grid]``, complex128. The precoder M, differentiable.

    Raises:
        SingularSteeringError: If the steering vectors are not finite or do not span the antennas,
            so that A* A^T is singular.
    """
    steering = steering.to(torch.complex128)
    gram = steering.mH @ steering
    eigenvalues = torch.linalg.eigvalsh(torch.nan_to_num(gram.detach()))
    ratio = float(eigenvalues[0] / eigenvalues[-1])
    if not ratio > SINGULAR or not bool(torch.isfinite(eigenvalues[-1])):
        raise SingularSteeringError(
            "steering must hold finite vectors that span the antennas, but A* A^T is singular for "
            f"this one of shape {tuple(steering.shape)}: its eigenvalues have the ratio {ratio:.3g}"
        )
    return torch.linalg.solve(gram, steering.mH)


def window_beams(
    precoder: torch.Tensor, windows: Windows, *, dtype: torch.dtype = torch.complex64
) -> torch.Tensor:
    r"""Least-squares beams of many sectors at once, each of unit power, P2 Eq. (4).

    .. math:: \mathbf{v} = \mathbf{M}\mathbf{b} / \|\mathbf{M}\mathbf{b}\|

    A sector's beam is the sum of neighbouring columns of M, so it is a difference of one cumulative
    sum along the grid, whatever the number of sectors.

    Args:
        precoder: ``[antennas, grid]``, complex. From :func:`precoder`.
        windows: Sectors on the grid.
        dtype: Complex dtype of the result.

    Returns:
        ``[batch, antennas]`` of ``dtype``, differentiable.
    """
    columns = precoder.mT
    sums = torch.cat([columns.new_zeros(1, columns.shape[-1]), columns.cumsum(0)]).to(dtype)
    beams = sums.index_select(0, windows.stop) - sums.index_select(0, windows.start)
    # The norm of the real and imaginary parts is the same, and a complex one is slow in PyTorch.
    parts = torch.view_as_real(beams).flatten(-2)
    norm = torch.linalg.vector_norm(parts, dim=-1, keepdim=True)
    return torch.view_as_complex((parts / norm).unflatten(-1, (-1, 2)))

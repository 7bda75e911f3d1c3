r"""The best beams there are: the front of symbol errors and misses over all beams of unit power.

:func:`pareto_beams` minimizes the misdetection probability over all beams whose symbol error rate
does not exceed a limit, from many starts. Whether a better beam exists somewhere else is a question
that starts cannot answer, but :func:`certificate` does, with a proof.

**The proof.** A beam enters both criteria through its pattern alone, which is linear in
:math:`\mathbf{V} = \mathbf{v}\mathbf{v}^H`:
:math:`E(\theta) = \mathbf{a}^\top\mathbf{V}\mathbf{a}^*`. Symbol errors G are a convex function of
the pattern. Misses are convex where the pattern is not very weak; let F be their largest convex
minorant. For any :math:`\mathbf{V}` of trace one with
:math:`G(\mathbf{V}) \le s`, for any :math:`\lambda \ge 0` and any :math:`\mathbf{V}_0`, both lie
above their tangents:

.. math::
    F(\mathbf{V}) \ge F(\mathbf{V}_0) + \lambda\,(G(\mathbf{V}_0) - s) +
    \langle\mathbf{M}, \mathbf{V} - \mathbf{V}_0\rangle \ge
    F(\mathbf{V}_0) + \lambda\,(G(\mathbf{V}_0) - s) + \mu_{\min}(\mathbf{M}) -
    \mathrm{tr}\,\mathbf{M}\mathbf{V}_0, \qquad
    \mathbf{M} = \nabla F + \lambda\nabla G ,

with the smallest eigenvalue :math:`\mu_{\min}`. With :math:`\mathbf{V}_0` of the best beam and
the right :math:`\lambda`, the bound meets the misses if some beam has the best pattern of all
:math:`\mathbf{V}`. For equally spaced elements one always has, by the theorem of Fejér and Riesz:
every pattern :math:`E \ge 0` of such an array is that of a single beam. For others there may be a
gap.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from isaclib._validation import check_positive, check_positive_int
from isaclib.limits.error_rates import BeamCriteria, SectorPattern
from isaclib.signal.beamforming import combine_beams, least_squares_beam
from isaclib.signal.noise import complex_normal

Function = Callable[[torch.Tensor], torch.Tensor]

SAME = 1e-3
"""Relative distance within which a start counts as having reached the best one."""


@dataclass(frozen=True, eq=False)
class ParetoBeam:
    """The best beam for a limit on the symbol error rate.

    Attributes:
        beam: ``[antennas]``, complex128, of unit norm.
        limit: Largest symbol error rate allowed.
        ser: Its symbol error rate.
        p_md: Its misdetection probability.
        floor: What no beam within the limit can go below, see :func:`certificate`.
        starts: Number of starts.
        reached: How many of them ended within 0.1 % of ``p_md``.
    """

    beam: torch.Tensor
    limit: float
    ser: float
    p_md: float
    floor: float
    starts: int
    reached: int


def starting_beams(
    criteria: BeamCriteria, random: int, generator: torch.Generator, *, phases: int = 4
) -> torch.Tensor:
    """Starts of a search: random beams, and least-squares beams of all rho and phases.

    Args:
        criteria: Array and sectors.
        random: Number of random beams.
        generator: Source of randomness.
        phases: Number of phases between radar and communication beam.

    Returns:
        ``[starts, antennas]``, complex128, of unit norm.
    """
    positions = criteria.positions.double()
    sectors = (criteria.target_sector, criteria.receiver_sector)
    grid = max(500, 8 * len(positions))
    radar, user = (least_squares_beam(x, positions, grid_size=grid) for x in sectors)
    rho, phase = torch.meshgrid(
        torch.tensor([0.0, 0.1, 0.35, 0.65, 0.9, 1.0]),
        torch.arange(phases) * (2 * math.pi / phases),
        indexing="ij",
    )
    joint = combine_beams(radar, user, rho.flatten(), phase.flatten())
    drawn = complex_normal((random, len(positions)), generator=generator, dtype=torch.complex128)
    return _unit(torch.cat([joint.to(drawn), drawn]))


def best_beam(
    criteria: BeamCriteria, limit: float, starts: torch.Tensor, *, iterations: int = 500
) -> ParetoBeam:
    """Beam with the fewest misses within a limit on the symbol error rate.

    Sequential quadratic programming (SciPy's SLSQP) of the logarithms of both, over real and
    imaginary parts, from every start.

    Args:
        criteria: What to judge by.
        limit: Largest symbol error rate allowed, positive; infinite for none.
        starts: ``[starts, antennas]``, complex. Where to start.
        iterations: Iterations a start, at most.

    Returns:
        The best beam found, with its certificate.

    Raises:
        ValueError: If no start leads to a beam within the limit.
    """

    def excess(beam: torch.Tensor) -> torch.Tensor:
        return criteria.ser(beam).log() - math.log(limit)

    within = None if limit == math.inf else excess
    found = [_minimize(criteria.p_md, within, start, iterations) for start in starts]
    beams = torch.stack(found)
    ser, p_md = criteria.ser(beams), criteria.p_md(beams)
    # The search keeps to the limit but for rounding errors.
    allowed = ser <= limit * (1 + 1e-6)
    if not bool(allowed.any()):
        raise ValueError(f"limit must be a SER that a beam can reach, got {limit!r}")
    best = int(p_md.masked_fill(~allowed, torch.inf).argmin())
    near = allowed & (p_md <= p_md[best] * (1 + SAME))
    return ParetoBeam(
        beam=beams[best],
        limit=limit,
        ser=float(ser[best]),
        p_md=float(p_md[best]),
        floor=certificate(criteria, beams[best], limit),
        starts=len(starts),
        reached=int(near.sum()),
    )


def fewest_errors(
    criteria: BeamCriteria, starts: torch.Tensor, *, iterations: int = 500
) -> torch.Tensor:
    """Beam with the smallest symbol error rate, one end of the front; as :func:`best_beam`.

    Returns:
        ``[antennas]``, complex128, of unit norm.
    """
    found = torch.stack([_minimize(criteria.ser, None, start, iterations) for start in starts])
    return found[int(criteria.ser(found).argmin())]


def pareto_beams(
    criteria: BeamCriteria,
    count: int,
    generator: torch.Generator,
    *,
    random: int = 20,
    iterations: int = 500,
) -> list[ParetoBeam]:
    """The front of symbol errors and misses over all beams of unit power.

    The limits go from the smallest symbol error rate there is to that of the beam with the fewest
    misses; their logarithms are spaced quadratically, as the front bends near the first end. Each
    is searched from all of
    :func:`starting_beams` and from the best beam of the limit before.

    Args:
        criteria: What to judge by.
        count: Number of beams, at least 2.
        generator: Source of the random starts.
        random: Number of them.
        iterations: Iterations a start, at most.

    Returns:
        The beams, from the fewest symbol errors to the fewest misses.

    Raises:
        ValueError: If ``count`` is below 2.
    """
    if check_positive_int("count", count) < 2:
        raise ValueError(f"count must be at least 2 beams, got {count!r}")
    starts = starting_beams(criteria, random, generator)
    first = fewest_errors(criteria, starts, iterations=iterations)
    last = best_beam(criteria, math.inf, starts, iterations=iterations)
    ends = [math.log(x) for x in (float(criteria.ser(first)), last.ser)]
    front: list[ParetoBeam] = []
    near = first
    for i in range(count - 1):
        # The first limit is a little above the smallest, for a limit that only one beam keeps is
        # nothing that a search could find.
        fraction = max(i / (count - 1), 0.03) ** 2
        limit = math.exp(ends[0] + fraction * (ends[1] - ends[0]))
        both = torch.cat([starts, near.unsqueeze(0), last.beam.unsqueeze(0)])
        front.append(best_beam(criteria, limit, both, iterations=iterations))
        near = front[-1].beam
    return [*front, last]


def certificate(criteria: BeamCriteria, beam: torch.Tensor, limit: float) -> float:
    """Misdetection probability that no beam within a limit goes below.

    Args:
        criteria: What to judge by.
        beam: ``[antennas]``, complex, of unit norm. A beam that is thought to be the best.
        limit: Largest symbol error rate allowed, positive; infinite for none.

    Returns:
        A bound, whatever ``beam`` is; close to its misses if it is the best.
    """
    from scipy.optimize import minimize_scalar

    check_positive("limit", limit if limit != math.inf else 1.0)
    value, matrix = _tangent(criteria.target, convex_misses(criteria), beam)
    if limit == math.inf:
        return _floor(value, matrix, beam)
    errors, slope = _tangent(criteria.receiver, criteria.errors, beam)

    def bound(weight: float) -> float:
        return _floor(value + weight * (errors - limit), matrix + weight * slope, beam)

    # Concave in the weight, whose scale is how many misses an error is worth.
    scale = float(torch.linalg.matrix_norm(matrix) / torch.linalg.matrix_norm(slope))
    found = minimize_scalar(
        lambda x: -bound(scale * math.exp(x)), bounds=(-12, 12), options={"xatol": 1e-8}
    )
    return max(-float(found.fun), bound(0.0))


def errors_certificate(criteria: BeamCriteria, beam: torch.Tensor) -> float:
    """Symbol error rate that no beam goes below, by the same proof, see :func:`certificate`."""
    return _floor(*_tangent(criteria.receiver, criteria.errors, beam), beam)


def convex_misses(criteria: BeamCriteria) -> Function:
    r"""Largest convex function of the pattern that misses are nowhere below.

    With :math:`x = 1 + q`, misses :math:`1 - e^{-u/x}` are convex from :math:`x = u/2` on. Below
    the point where the line from no power at all touches them, that line takes their place.

    Args:
        criteria: SNR and threshold.

    Returns:
        The function, from a beampattern ``[...]`` to ``[...]``.
    """
    from scipy.optimize import brentq

    level, snr = criteria.level, criteria.radar_snr
    if level <= 2:
        return criteria.misses

    def apart(x: float) -> float:
        """How far the tangent at x passes above the misses without any power, scaled."""
        return 1 - (x - 1) * level / x**2 - math.exp(level / x - level)

    # The tangent at the inflection passes below; far out it passes above.
    touch = brentq(apart, max(level / 2, 1 + 1e-9), 2 * level + 2)
    start = -math.expm1(-level)
    slope = (start + math.expm1(-level / touch)) / (touch - 1)

    def minorant(pattern: torch.Tensor) -> torch.Tensor:
        power = snr * pattern
        return torch.where(power < touch - 1, start - slope * power, criteria.misses(pattern))

    return minorant


def _tangent(
    pattern: SectorPattern, function: Function, beam: torch.Tensor
) -> tuple[float, torch.Tensor]:
    """Sector mean at a beam, and its gradient for V: ``[antennas, antennas]``, Hermitian."""
    at = pattern(beam.detach()).requires_grad_()
    value = function(at) @ pattern.weights
    (slope,) = torch.autograd.grad(value, at)
    steering = pattern.steering
    return float(value.detach()), steering.mH @ (slope.unsqueeze(-1) * steering)


def _floor(value: float, matrix: torch.Tensor, beam: torch.Tensor) -> float:
    """Smallest value of a tangent over all V of trace one."""
    beam = beam.to(matrix)
    here = float(torch.linalg.vecdot(beam, matrix @ beam).real)
    return value + float(torch.linalg.eigvalsh(matrix)[0]) - here


def _minimize(
    criterion: Function, excess: Function | None, start: torch.Tensor, iterations: int
) -> torch.Tensor:
    """Minimize the logarithm of a criterion over unit beams, with an excess of at most zero."""
    import numpy as np
    from scipy.optimize import minimize

    def evaluated(function: Function) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        def run(x: np.ndarray) -> tuple[float, np.ndarray]:
            parts = torch.from_numpy(x.copy()).requires_grad_()
            value = function(_unit(torch.view_as_complex(parts.view(-1, 2))))
            (slope,) = torch.autograd.grad(value, parts)
            return float(value.detach()), slope.numpy()

        return run

    constraints = []
    if excess is not None:
        above = evaluated(excess)
        constraints = [
            {"type": "ineq", "fun": lambda x: -above(x)[0], "jac": lambda x: -above(x)[1]}
        ]
    found = minimize(
        evaluated(lambda beam: criterion(beam).log()),
        torch.view_as_real(start.to(torch.complex128)).flatten().numpy(),
        jac=True,
        method="SLSQP",
        constraints=constraints,
        options={"maxiter": iterations, "ftol": 1e-12},
    )
    return _unit(torch.view_as_complex(torch.from_numpy(found.x).view(-1, 2)))


def _unit(beam: torch.Tensor) -> torch.Tensor:
    return beam / torch.linalg.vector_norm(beam, dim=-1, keepdim=True)

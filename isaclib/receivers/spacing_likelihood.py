r"""Element positions by maximum likelihood, from echoes of targets whose place is known.

At the range of a known target the echo of P3 is one sample an antenna,
:math:`\mathbf{v} = \beta\,\mathbf{a}(\theta) + \mathbf{n}`, with an unknown amplitude. With the
best amplitude of each echo, the likelihood of the positions :math:`\mathbf{p}` is highest where

.. math:: \sum_b |\mathbf{a}^H(\theta_b; \mathbf{p})\,\mathbf{v}_b|^2

is. As a function of one position, with the others held, it is

.. math::
    2\,\mathrm{Re}\sum_b r_b^*\,[\mathbf{v}_b]_k\,e^{j2\pi p_k\sin\theta_b} + \text{constant},
    \qquad r_b = \sum_{l\neq k} [\mathbf{a}(\theta_b)]_l^*\,[\mathbf{v}_b]_l,

which can be searched for its *global* maximum, so elements that are off by wavelengths do no harm
as long as others are not. From the middle of the array outwards, each element finds those before it
in place.
"""

import math

import torch

from isaclib._validation import check_positive, check_positive_int
from isaclib.signal.arrays import steering_vector

COARSE_STEP, FINE_STEP = 0.05, 0.001
"""Steps of the search for a position: a tenth of its main lobe, then finer than any estimate
[wavelengths]."""


def _offsets(reach: float, step: float) -> torch.Tensor:
    """Offsets from ``-reach`` to ``reach``: ``[offsets]``, float64."""
    half = math.ceil(reach / step)
    return torch.arange(-half, half + 1, dtype=torch.float64) * step


def likely_positions(
    responses: torch.Tensor,
    theta: torch.Tensor,
    start: torch.Tensor,
    *,
    reach: float = 4.0,
    sweeps: int = 3,
) -> torch.Tensor:
    """Element positions that make echoes of known targets most likely.

    The magnitudes do not change when the whole array is shifted; it stays where it starts.

    Args:
        responses: ``[batch, antennas]``, complex. Echoes at the targets' ranges, see
            :meth:`isaclib.channels.ofdm.OfdmRadarChannel.at_range`.
        theta: ``[batch]``, real. Target angles [rad].
        start: ``[antennas]``, real. Element positions to begin from [wavelengths]; those in the
            middle should be right to a fraction of a wavelength.
        reach: How far from its start each element is searched for, positive [wavelengths].
        sweeps: How often all elements are gone through, positive.

    Researches:
        ``[antennas]``, float64. Positions [wavelengths].

    Raises:
        ValueError: If shapes do not fit, or ``reach`` or ``sweeps`` is not positive.
    """
    check_positive("reach", reach)
    check_positive_int("sweeps", sweeps)
    if responses.shape != (len(theta), len(start)) or len(theta) == 0:
        raise ValueError(
            f"responses must have shape [batch, antennas] = [{len(theta)}, {len(start)}] for as "
            f"many angles and start positions, got {tuple(responses.shape)}"
        )
    responses = responses.to(torch.complex128)
    positions = start.to(responses.device, torch.float64).clone()
    angles = theta.double()
    grids = [_offsets(reach, COARSE_STEP), _offsets(COARSE_STEP, FINE_STEP)]
    searches = [
        (grid.to(positions), steering_vector(angles, grid.to(positions)).conj()) for grid in grids
    ]
    origin = positions.clone()
    terms = steering_vector(angles, positions).conj() * responses
    order = torch.argsort((start - start.mean()).abs()).tolist()
    for _ in range(sweeps):
        for k in order:
            rest = terms.sum(-1) - terms[:, k]
            place = origin[k]
            for offsets, phases in searches:
                here = steering_vector(angles, place.unsqueeze(0))[:, 0].conj()
                gain = (rest.conj() * responses[:, k] * here) @ phases
                place = place + offsets[gain.real.argmax()]
            positions[k] = place
            terms[:, k] = steering_vector(angles, place.unsqueeze(0))[:, 0].conj() * responses[:, k]
    return positions

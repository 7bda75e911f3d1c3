r"""Uniform linear arrays: element positions, steering vectors, beampatterns.

Positions are in wavelengths, angles in radians from broadside. The steering vector of P1 Eq. (1)
for elements at the positions :math:`p_k` is

.. math:: [\mathbf{a}(\theta)]_k = \exp(-j 2\pi p_k \sin\theta).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from isaclib._validation import check_one_of, check_positive, check_positive_int

PhaseReference = Literal["first", "center"]

HALF_WAVELENGTH = 0.5
"""Nominal element spacing [wavelengths]."""


@dataclass(frozen=True)
class Sector:
    """An interval of angles that a target or a receiver is known to lie in.

    Attributes:
        min_deg: Lower end [degrees], at least -90.
        max_deg: Upper end [degrees], at most 90, above ``min_deg``.

    Raises:
        ValueError: If the ends are not finite, reversed, equal, or outside [-90, 90].
    """

    min_deg: float
    max_deg: float

    def __post_init__(self) -> None:
        if not -90 <= self.min_deg < self.max_deg <= 90:
            raise ValueError(
                "sector must satisfy -90 <= min_deg < max_deg <= 90 degrees, "
                f"got min_deg={self.min_deg!r}, max_deg={self.max_deg!r}"
            )

    @property
    def min(self) -> float:
        """Lower end [rad]."""
        return math.radians(self.min_deg)

    @property
    def max(self) -> float:
        """Upper end [rad]."""
        return math.radians(self.max_deg)

    def sample(self, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw angles uniformly, ``[count]``, float32 [rad], on the generator's device."""
        device = generator.device if generator is not None else torch.device("cpu")
        uniform = torch.rand(count, generator=generator, device=device)
        return uniform.mul_(self.max - self.min).add_(self.min)

    def grid(self, count: int) -> torch.Tensor:
        """Equally spaced angles from one end of the sector to the other, both included.

        Args:
            count: Number of angles, at least 2, else a ``ValueError``.

        Returns:
            ``[count]``, float64. Angles [rad].
        """
        if count < 2:
            raise ValueError(f"count must be at least 2 grid angles, got {count!r}")
        return torch.linspace(self.min, self.max, count, dtype=torch.float64)

    def contains(self, theta: torch.Tensor) -> torch.Tensor:
        """Which angles ``[...]`` [rad] lie in the sector, its ends included: ``[...]``, bool."""
        return (theta >= self.min) & (theta <= self.max)


def element_index(num_antennas: int, reference: PhaseReference = "center") -> torch.Tensor:
    """Index of each element, counted from the phase reference, see :func:`element_positions`.

    Returns:
        ``[num_antennas]``, float64: :math:`k`, or :math:`k - (K-1)/2` from the centre.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_positive_int("num_antennas", num_antennas)
    check_one_of("reference", reference, get_args(PhaseReference))
    index = torch.arange(num_antennas, dtype=torch.float64)
    return index if reference == "first" else index - (num_antennas - 1) / 2


def element_positions(
    num_antennas: int, *, spacing: float = HALF_WAVELENGTH, reference: PhaseReference = "first"
) -> torch.Tensor:
    """Element positions of a uniform linear array.

    Args:
        num_antennas: Number of elements K, positive.
        spacing: Distance between neighbours [wavelengths], positive and finite.
        reference: Where the phase is zero: at the ``"first"`` element, as P1 numbers them
            (k = 0 ... K-1), or at the ``"center"`` of the array, as P2 and P3 do.

    Returns:
        ``[num_antennas]``, float64. Positions [wavelengths].

    Raises:
        ValueError: If an argument is out of range.
    """
    return check_positive("spacing", spacing) * element_index(num_antennas, reference)


def steering_vector(theta: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    r"""Steering vectors :math:`\mathbf{a}(\theta)` of a linear array, P1 Eq. (1).

    Also P3 Eq. (13), which is one for each grid angle.

    Args:
        theta: ``[...]``, float32 or float64. Angles from broadside [rad].
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[..., antennas]``, complex64 for float32 angles and complex128 for float64 ones, with
        entries of unit modulus.

    Raises:
        ValueError: If ``positions`` is not one-dimensional, or either argument is complex.
    """
    if positions.ndim != 1 or positions.is_complex() or theta.is_complex():
        raise ValueError(
            "positions must be a real [antennas] tensor and theta a real tensor, got positions of "
            f"shape {tuple(positions.shape)}, {positions.dtype}, and theta of {theta.dtype}"
        )
    scaled = (-2 * math.pi * positions).to(theta)
    phase = torch.sin(theta).unsqueeze(-1) * scaled
    return torch.complex(torch.cos(phase), torch.sin(phase))


def array_response(
    beam: torch.Tensor, theta: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    r"""What a beam sends towards each angle: :math:`\mathbf{a}^\top(\theta)\,\mathbf{v}`.

    Args:
        beam: ``[antennas]``, complex. Beamformer or transmitted signal.
        theta: ``[...]``, real. Angles [rad].
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[...]``, complex.
    """
    steering = steering_vector(theta, positions)
    return steering @ beam.to(steering.dtype)


def beampattern(beam: torch.Tensor, theta: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    r"""Energy that a beam sends towards each angle, :math:`E(\phi)` of P1 Fig. 3.

    Args:
        beam: ``[antennas]``, complex. Beamformer.
        theta: ``[...]``, real. Angles [rad].
        positions: ``[antennas]``, real. Element positions [wavelengths].

    Returns:
        ``[...]``, real: :math:`|\mathbf{a}^\top(\theta)\,\mathbf{v}|^2`, at most
        ``antennas * norm(beam) ** 2``.
    """
    response = array_response(beam, theta, positions)
    return response.real.square() + response.imag.square()

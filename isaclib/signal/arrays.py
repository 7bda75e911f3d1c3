r"""Uniform linear arrays: element positions, steering vectors, spacing impairments, beampatterns.

Positions are in wavelengths, angles in radians from broadside. The steering vector of P1 Eq. (1)
for elements at the positions :math:`p_k` is

.. math:: [\mathbf{a}(\theta)]_k = \exp(-j 2\pi p_k \sin\theta).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

PhaseReference = Literal["first", "center"]
ImpairmentModel = Literal["cumulative", "per_element"]

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
        """Check the ends."""
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
        """Draw angles uniformly from the sector.

        Args:
            count: Number of angles.
            generator: Source of randomness; its device is the device of the result.

        Returns:
            ``[count]``, float32. Angles [rad].
        """
        device = generator.device if generator is not None else torch.device("cpu")
        uniform = torch.rand(count, generator=generator, device=device)
        return uniform.mul_(self.max - self.min).add_(self.min)

    def grid(self, count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Equally spaced angles from one end of the sector to the other, both included.

        Args:
            count: Number of angles, at least 2.
            dtype: Real dtype of the result.

        Returns:
            ``[count]`` of ``dtype``. Angles [rad].

        Raises:
            ValueError: If ``count`` is below 2.
        """
        if count < 2:
            raise ValueError(f"count must be at least 2 grid angles, got {count!r}")
        return torch.linspace(self.min, self.max, count, dtype=dtype)

    def contains(self, theta: torch.Tensor) -> torch.Tensor:
        """Tell which angles lie in the sector, its ends included.

        Args:
            theta: ``[...]``, real. Angles [rad].

        Returns:
            ``[...]``, bool.
        """
        return (theta >= self.min) & (theta <= self.max)


def _element_index(num_antennas: int, reference: PhaseReference) -> torch.Tensor:
    """Index of each element, counted from the phase reference: ``[num_antennas]``, float64."""
    if isinstance(num_antennas, bool) or not isinstance(num_antennas, int) or num_antennas < 1:
        raise ValueError(f"num_antennas must be a positive integer, got {num_antennas!r}")
    if reference not in get_args(PhaseReference):
        raise ValueError(f"reference must be 'first' or 'center', got {reference!r}")
    index = torch.arange(num_antennas, dtype=torch.float64)
    return index if reference == "first" else index - (num_antennas - 1) / 2


def element_positions(
    num_antennas: int,
    *,
    spacing: float = HALF_WAVELENGTH,
    reference: PhaseReference = "first",
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
    if not (math.isfinite(spacing) and spacing > 0):
        raise ValueError(f"spacing must be positive and finite [wavelengths], got {spacing!r}")
    return spacing * _element_index(num_antennas, reference)


def impaired_positions(
    num_antennas: int,
    std: float,
    *,
    model: ImpairmentModel = "cumulative",
    reference: PhaseReference = "first",
    spacing: float = HALF_WAVELENGTH,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Element positions of an array whose spacings :math:`d_k` have Gaussian errors.

    The papers draw :math:`d_k \sim \mathcal{N}(\lambda/2, \sigma_\lambda^2)` (P1 Sec. IV-E) but use
    them in two ways:

    - ``"cumulative"``: :math:`d_k` is the distance between elements k and k+1, as the text of P1
      and P2 says, so positions are cumulative sums of K-1 draws and errors random-walk.
    - ``"per_element"``: element k sits at its index times :math:`d_k`, as P3 Sec. II writes (and as
      putting :math:`d_k` into the printed steering vector gives), from K draws; the error grows
      with the distance from the phase reference and large errors can swap neighbours.

    Args:
        num_antennas: Number of elements K, positive.
        std: Standard deviation :math:`\sigma_\lambda` of each spacing [wavelengths], such as
            ``1 / 30``; non-negative and finite.
        model: ``"cumulative"`` or ``"per_element"``.
        reference: Phase reference, see :func:`element_positions`. A centred cumulative array has
            the mean of its positions at zero.
        spacing: Mean spacing [wavelengths].
        generator: Source of randomness.

    Returns:
        ``[num_antennas]``, float64, on the CPU. Positions [wavelengths].

    Raises:
        ValueError: If an argument is out of range.
    """
    if not (math.isfinite(std) and std >= 0):
        raise ValueError(f"std must be non-negative and finite [wavelengths], got {std!r}")
    if model not in get_args(ImpairmentModel):
        raise ValueError(f"model must be 'cumulative' or 'per_element', got {model!r}")
    nominal = element_positions(num_antennas, spacing=spacing, reference=reference)
    if model == "per_element":
        errors = torch.randn(num_antennas, generator=generator, dtype=torch.float64)
        return nominal + std * errors * _element_index(num_antennas, reference)
    errors = torch.randn(num_antennas - 1, generator=generator, dtype=torch.float64)
    offsets = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumsum(std * errors, 0)])
    if reference == "center":
        offsets -= offsets.mean()
    return nominal + offsets


def steering_vector(theta: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    r"""Steering vectors :math:`\mathbf{a}(\theta)` of a linear array, P1 Eq. (1).

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

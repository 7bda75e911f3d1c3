r"""Spacing impairments: arrays whose elements are not where they should be.

The papers draw spacings :math:`d_k \sim \mathcal{N}(\lambda/2, \sigma_\lambda^2)`, and use them in
different ways. P1 and P2 have two, see :func:`impaired_positions`. P3 Sec. V-A puts the element
:math:`k` of a centred array at :math:`(k - (K-1)/2)\,d_k`, so an error weighs more the further out
its element is: with the paper's :math:`\sigma_\lambda = \lambda/25` the outer elements of 64 are
off by wavelengths. As printed, the draws are independent and neighbours change places; the authors'
simulation sorts the spacings, the smallest in the middle and the largest at the ends, so that the
elements stay in order. This is the default of :func:`draw_spacings`.
"""

import json
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from scipy.constants import speed_of_light

from isaclib._validation import (
    check_finite,
    check_nonnegative,
    check_one_of,
    check_positive,
    check_positive_int,
)
from isaclib.signal.arrays import HALF_WAVELENGTH, PhaseReference, element_index, element_positions

ImpairmentModel = Literal["cumulative", "per_element"]


def wavelength(carrier_hz: float) -> float:
    """Wavelength c / f_c [m] of a carrier [Hz], positive, the unit of all positions."""
    return speed_of_light / check_positive("carrier_hz", carrier_hz)


def impaired_positions(
    num_antennas: int,
    std: float,
    *,
    model: ImpairmentModel = "cumulative",
    reference: PhaseReference = "first",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    r"""Element positions of an array whose spacings :math:`d_k` have Gaussian errors.

    - ``"cumulative"``: :math:`d_k` is the distance between elements k and k+1, as the text of P1
      (Sec. IV-E) and P2 says, so positions are cumulative sums of K-1 draws and errors random-walk.
    - ``"per_element"``: element k sits at its index times :math:`d_k`, as P3 Sec. II writes (and as
      putting :math:`d_k` into the printed steering vector gives), from K draws; the error grows
      with the distance from the phase reference and large errors can swap neighbours.

    Args:
        num_antennas: Number of elements K, positive.
        std: Standard deviation :math:`\sigma_\lambda` of each spacing [wavelengths], such as
            ``1 / 30``; non-negative and finite.
        model: ``"cumulative"`` or ``"per_element"``.
        reference: Phase reference, see
            :func:`~isaclib.signal.arrays.element_positions`. A centred cumulative array has
            the mean of its positions at zero.
        generator: Source of randomness.

    Returns:
        ``[num_antennas]``, float64, on the CPU. Positions [wavelengths].

    Raises:
        ValueError: If an argument is out of range.
    """
    check_nonnegative("std", std)
    check_one_of("model", model, get_args(ImpairmentModel))
    nominal = element_positions(num_antennas, reference=reference)
    if model == "per_element":
        errors = torch.randn(num_antennas, generator=generator, dtype=torch.float64)
        return nominal + std * errors * element_index(num_antennas, reference)
    errors = torch.randn(num_antennas - 1, generator=generator, dtype=torch.float64)
    offsets = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumsum(std * errors, 0)])
    if reference == "center":
        offsets -= offsets.mean()
    return nominal + offsets


def spacing_positions(spacing: torch.Tensor) -> torch.Tensor:
    r"""Element positions :math:`(k - (K-1)/2)\,d_k`, P3 Sec. V-A, differentiable [wavelengths].

    Args:
        spacing: ``[antennas]``, real. Spacings d [wavelengths].
    """
    return element_index(len(spacing)).to(spacing) * spacing


def draw_spacings(
    num_antennas: int, std: float, *, ordered: bool = True, generator: torch.Generator | None = None
) -> torch.Tensor:
    r"""Draw spacings :math:`d_k \sim \mathcal{N}(\lambda/2, \sigma_\lambda^2)`.

    Args:
        num_antennas: Number of elements K, positive.
        std: Standard deviation :math:`\sigma_\lambda` [wavelengths], such as ``1 / 25``.
        ordered: Whether to sort the draws by how far out their elements are, which keeps the
            elements in order; otherwise as printed, with a warning where elements change places.
        generator: Source of randomness.

    Returns:
        ``[num_antennas]``, float64, on the CPU. Spacings d [wavelengths].

    Raises:
        ValueError: If an argument is out of range.
    """
    outwards = torch.argsort(element_index(num_antennas).abs(), stable=True)
    check_nonnegative("std", std)
    errors = torch.randn(num_antennas, generator=generator, dtype=torch.float64)
    drawn = HALF_WAVELENGTH + std * errors
    if ordered:
        found = torch.empty_like(drawn)
        found[outwards] = drawn.sort().values
        return found
    warn_of_disorder(spacing_positions(drawn))
    return drawn


ARRAY_KEYS = ("unit", "carrier_hz", "speed_of_light_m_per_s", "spacings")
"""What the file of an array has to say."""


def read_spacings(path: str | PathLike[str], num_antennas: int) -> torch.Tensor:
    """Read the spacings of an array from a file.

    The file is a JSON object with the spacings in metres, element by element, and the carrier and
    speed of light that make wavelengths of them: authors round the speed of light, and an array
    that they meant to be of half a wavelength should be::

        {"what": "whose array", "unit": "m", "carrier_hz": 60e9,
         "speed_of_light_m_per_s": 3e8, "spacings": [0.0025, ...]}

    Args:
        path: The file.
        num_antennas: Number of elements K, positive.

    Returns:
        ``[num_antennas]``, float64. Spacings d [wavelengths]; where they put elements out of
        order, there is a warning.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file, or of another number of elements.
    """
    check_positive_int("num_antennas", num_antennas)
    found = _array_file(Path(path))
    check_one_of(f"unit in {path}", found["unit"], ("m",))
    carrier = check_positive(f"carrier_hz in {path}", found["carrier_hz"])
    speed = check_positive(f"speed_of_light_m_per_s in {path}", found["speed_of_light_m_per_s"])
    spacings = found["spacings"]
    if not isinstance(spacings, list) or len(spacings) != num_antennas:
        count = f"{len(spacings)} numbers" if isinstance(spacings, list) else repr(spacings)
        raise ValueError(
            f"spacings in {path} must be a list of {num_antennas} numbers, got {count}"
        )
    metres = [check_finite(f"spacings[{k}] in {path}", value) for k, value in enumerate(spacings)]
    spacing = torch.tensor(metres, dtype=torch.float64) * (carrier / speed)
    warn_of_disorder(spacing_positions(spacing))
    return spacing


def _array_file(path: Path) -> dict[str, Any]:
    """Content of an array's file, with all keys there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be a JSON file, got one with: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(found).__name__}")
    if any(key not in found for key in ARRAY_KEYS):
        raise ValueError(
            f"{path} must have the keys {', '.join(ARRAY_KEYS)}, got {', '.join(found) or 'none'}"
        )
    return found


def warn_of_disorder(positions: torch.Tensor) -> None:
    """Warn where the elements of an array at the positions ``[antennas]`` are not in order.

    Steering vectors of such an array are well defined, but two elements that have nearly met make
    least-squares beams that cancel most of their own power.
    """
    steps = positions.detach().diff()
    swapped = (steps <= 0).nonzero().flatten().tolist()
    if swapped:
        places = ", ".join(f"{x:.4g}" for x in positions.tolist())
        pairs = ", ".join(f"{k} and {k + 1}" for k in swapped)
        warnings.warn(
            f"positions must rise from element to element to be in order, but elements {pairs} "
            f"have changed places: [{places}] wavelengths",
            stacklevel=2,
        )

r"""Complex Gaussian samples, SNR in dB, and step-indexed random generators.

The noise convention of the whole library is fixed here: the noise power is one,
:math:`N_0 = 1`, and :math:`\mathcal{CN}(0, v)` puts :math:`v/2` on each real dimension.

**Step-indexed randomness.** Block ``step`` of the random stream ``stream`` of a run with seed
``seed`` is drawn from a generator seeded from these three alone. A run can therefore be killed,
resumed, reordered, or spread over processes, and stays the same run.
"""

import hashlib
import math
from collections.abc import Sequence

import torch

from isaclib._validation import check_nonnegative_int

NOISE_POWER = 1.0
"""Noise power :math:`N_0` at every receiver [1]."""


def step_generator(
    seed: int, stream: str, step: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Random generator for one step of one stream of a run.

    Args:
        seed: Seed of the run, a non-negative integer.
        stream: What the samples are for, such as ``"train/angle"`` or ``"test/absent"``. Two
            streams of one run are independent.
        step: Index of the batch, a non-negative integer.
        device: Device that the samples are drawn on. The CPU and CUDA generators of PyTorch give
            different samples for the same seed.

    Returns:
        A generator of its own, seeded with 63 bits of the SHA-256 of the three.

    Raises:
        ValueError: If ``seed`` or ``step`` is negative or no integer.
    """
    check_nonnegative_int("seed", seed)
    check_nonnegative_int("step", step)
    digest = hashlib.sha256(f"{seed}\x1f{stream}\x1f{step}".encode()).digest()
    generator = torch.Generator(device=device)
    generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return generator


def db_to_linear(value_db: float) -> float:
    """Turn a finite power ratio in decibels into a linear one, ``10 ** (value_db / 10)``.

    Raises:
        ValueError: If ``value_db`` is NaN or infinite.
    """
    if not math.isfinite(value_db):
        raise ValueError(f"value_db must be a finite number of decibels, got {value_db!r}")
    return 10.0 ** (value_db / 10.0)


def gain_variance(snr_db: float) -> float:
    r"""Variance of a channel gain that gives an average SNR, with :math:`N_0 = 1`.

    P1 Sec. IV-A defines :math:`\mathrm{SNR}_r = \sigma_r^2 / N_0` and
    :math:`\mathrm{SNR}_c = \sigma_c^2 / N_0`: both leave out the transmit power and the array
    gain.

    Args:
        snr_db: Average signal-to-noise ratio [dB], finite. Negative values are allowed.

    Returns:
        The variance :math:`\sigma^2` of the complex gain [1].

    Raises:
        ValueError: If ``snr_db`` is NaN or infinite.
    """
    if not math.isfinite(snr_db):
        raise ValueError(f"snr_db must be a finite number of decibels, got {snr_db!r}")
    return NOISE_POWER * db_to_linear(snr_db)


def complex_normal(
    shape: Sequence[int],
    variance: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.complex64,
) -> torch.Tensor:
    r"""Draw independent circularly symmetric samples of :math:`\mathcal{CN}(0, v)`.

    Args:
        shape: Shape of the result.
        variance: Variance :math:`v` of each complex sample, non-negative and finite.
        generator: Source of randomness; its device is the device of the result. The global
            generator of the CPU where none is given.
        dtype: ``torch.complex64`` or ``torch.complex128``.

    Returns:
        ``[*shape]`` of ``dtype``. The real and the imaginary part have variance ``variance / 2``.

    Raises:
        ValueError: If ``variance`` is negative or not finite, or ``dtype`` is not complex.
    """
    if not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"variance must be finite and non-negative, got {variance!r}")
    if not dtype.is_complex:
        raise ValueError(f"dtype must be torch.complex64 or torch.complex128, got {dtype}")
    device = generator.device if generator is not None else torch.device("cpu")
    samples = torch.randn(*shape, 2, generator=generator, device=device, dtype=dtype.to_real())
    return torch.view_as_complex(samples.mul_(math.sqrt(variance / 2)))

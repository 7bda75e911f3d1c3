r"""Channels of learned codes: what happens to a vector of symbols that a network puts out, P4.

A *code* is what an encoder sends for one image: n real numbers, taken in pairs as the in-phase and
quadrature part of n/2 complex symbols. As in :mod:`isaclib.channels.narrowband`, a channel is a
frozen description, ``draw`` samples a realization with one draw a code, and calling the channel
passes codes through it, with gradients to the codes.

P4 names no constraint on the power. Here a code has unit average power a symbol
(:func:`unit_power_code`), and the noise power is one, so that an SNR is that of a received symbol.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from isaclib._validation import (
    check_finite,
    check_nonnegative,
    check_one_of,
    check_positive_int,
    check_range,
)
from isaclib.signal.noise import NOISE_POWER, complex_normal, gain_variance

Fading = Literal["awgn", "rayleigh"]
"""``"awgn"``: the gain is constant. ``"rayleigh"``: it is complex normal, one draw a code."""

Ways = Literal["independent", "reciprocal"]
"""How the gains to the target and back belong together: two draws, or the same one twice."""


def paired(outputs: torch.Tensor) -> torch.Tensor:
    """Real outputs of an encoder as complex symbols: neighbours are in-phase and quadrature.

    Args:
        outputs: ``[batch, size]``, real.

    Returns:
        ``[batch, size / 2]``, complex.

    Raises:
        ValueError: If the size is odd or zero.
    """
    check_code_size("size", outputs.shape[-1])
    return torch.view_as_complex(outputs.unflatten(-1, (-1, 2)).contiguous())


def check_code_size(name: str, size: object) -> int:
    """Check the number of real dimensions of a code."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 2 or size % 2:
        raise ValueError(
            f"{name} must be an even integer >= 2, as pairs of numbers are complex symbols, "
            f"got {size!r}"
        )
    return size


def unit_power_code(code: torch.Tensor) -> torch.Tensor:
    r"""Scale each code to unit average power a symbol: the power constraint of this chapter.

    .. math:: \frac{1}{S}\sum_{s=1}^{S} |x_s|^2 = 1

    The average is over the symbols of one code, so the constraint does not couple images, and
    a code needs no knowledge of the others when it is sent.

    Args:
        code: ``[batch, symbols]``, complex.

    Returns:
        ``[batch, symbols]``, complex. A code of zeros stays one.
    """
    # The energy of the pairs of reals: complex absolute values are slow in PyTorch.
    power = torch.view_as_real(code).square().sum((-2, -1), keepdim=True) / code.shape[-1]
    floor = torch.finfo(power.dtype).tiny
    return code * power.clamp_min(floor).rsqrt().squeeze(-1)


@dataclass(frozen=True)
class CodeRealization:
    """What is random in one batch of transmissions to the receiver.

    Attributes:
        gain: ``[batch]``, complex64. Fading of unit variance, h.
        noise: ``[batch, symbols]``, complex64. Receiver noise.
    """

    gain: torch.Tensor
    noise: torch.Tensor


@dataclass(frozen=True)
class CodeChannel:
    r"""Channel from the transmitter to the communication receiver, P4 Sec. II.

    .. math:: y_s = \sqrt{\mathrm{SNR}}\,h\,x_s + n_s, \quad \mathbb{E}|h|^2 = 1, \quad
        n_s \sim \mathcal{CN}(0, 1)

    Attributes:
        snr_db: SNR of a received symbol, on average over the fading [dB].
        fading: Whether the gain is constant or Rayleigh, one draw a code.

    Raises:
        ValueError: If ``snr_db`` is not finite or ``fading`` is unknown.
    """

    snr_db: float
    fading: Fading = "awgn"

    def __post_init__(self) -> None:
        check_finite("snr_db", self.snr_db)
        check_one_of("fading", self.fading, get_args(Fading))

    def draw(self, batch: int, symbols: int, generator: torch.Generator) -> CodeRealization:
        """Draw a realization for each code of a batch, on the generator's device.

        Raises:
            ValueError: If ``batch`` or ``symbols`` is not a positive integer.
        """
        check_positive_int("batch", batch)
        check_positive_int("symbols", symbols)
        return CodeRealization(
            gain=_fades(self.fading, batch, generator),
            noise=complex_normal((batch, symbols), NOISE_POWER, generator=generator),
        )

    def __call__(self, code: torch.Tensor, realization: CodeRealization) -> torch.Tensor:
        """Received symbols.

        Args:
            code: ``[batch, symbols]``, complex64. Transmitted symbols.
            realization: From :meth:`draw`; one for other codes is a ``ValueError``.

        Returns:
            ``[batch, symbols]``, complex64. Received symbols [sqrt(noise power)].
        """
        _check_fits(code, realization.noise)
        gain = math.sqrt(gain_variance(self.snr_db)) * realization.gain
        return gain.unsqueeze(-1) * code + realization.noise


@dataclass(frozen=True)
class EchoRealization:
    """What is random in one batch of echoes.

    Attributes:
        label: ``[batch]``, int64. 0 without a target, else its range, 1 the nearest.
        gain: ``[batch]``, complex64. Fading to the target and back, and the phase shift; of unit
            variance, and drawn also where there is no target.
        rotation: ``[batch, symbols]``, complex64. Turn of each symbol by the frequency shift, of
            unit modulus.
        noise: ``[batch, symbols]``, complex64. Receiver noise.
    """

    label: torch.Tensor
    gain: torch.Tensor
    rotation: torch.Tensor
    noise: torch.Tensor


@dataclass(frozen=True)
class EchoChannel:
    r"""Channel from the transmitter to a target and back, P4 Sec. II and III.

    .. math:: y_s = a_r\, h_1 h_2\, e^{j(\varphi + 2\pi f s)}\, x_s + n_s, \quad
        s = 0, \dots, S - 1, \quad a_0 = 0, \quad
        a_r^2 = \mathrm{SNR} \cdot 10^{-(r-1)\Delta/10}

    Attributes:
        snr_db: SNR of a symbol that the nearest range reflects, on average over the fading [dB].
        fading: Of each way, as in :class:`CodeChannel`.
        ranges: Number of ranges R that a target can have. All R + 1 labels are equally likely.
        range_step_db: How much SNR each range further away costs, Delta [dB], non-negative.
        ways: Whether both ways fade independently, or alike as over the same path; the variance
            of the overall gain is one either way.
        max_phase: The phase shift varphi is uniform in [-max_phase, max_phase] [rad].
        max_frequency: The frequency shift f is uniform in [-max_frequency, max_frequency] [cycles
            a symbol]. 0.01 is a target at 20 m/s, 77 GHz and a million symbols a second.

    Raises:
        ValueError: If an attribute is out of range.
    """

    snr_db: float
    fading: Fading = "awgn"
    ranges: int = 1
    range_step_db: float = 3.0
    ways: Ways = "independent"
    max_phase: float = math.pi
    max_frequency: float = 0.01

    def __post_init__(self) -> None:
        check_finite("snr_db", self.snr_db)
        check_one_of("fading", self.fading, get_args(Fading))
        check_positive_int("ranges", self.ranges)
        check_nonnegative("range_step_db", self.range_step_db)
        check_one_of("ways", self.ways, get_args(Ways))
        check_range("max_phase", self.max_phase, 0, math.pi)
        check_range("max_frequency", self.max_frequency, 0, 0.5)

    def amplitudes(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """Amplitude of each label, ``[ranges + 1]``, float32: 0, then a_r from near to far."""
        snrs_db = [self.snr_db - r * self.range_step_db for r in range(self.ranges)]
        values = [0.0, *(math.sqrt(gain_variance(snr_db)) for snr_db in snrs_db)]
        return torch.tensor(values, device=device)

    def draw(self, batch: int, symbols: int, generator: torch.Generator) -> EchoRealization:
        """Draw a realization for each code of a batch, on the generator's device.

        Raises:
            ValueError: If ``batch`` or ``symbols`` is not a positive integer.
        """
        check_positive_int("batch", batch)
        check_positive_int("symbols", symbols)
        device = generator.device
        label = torch.randint(self.ranges + 1, (batch,), generator=generator, device=device)
        there = _fades(self.fading, batch, generator)
        if self.ways == "independent":
            back = _fades(self.fading, batch, generator)
        else:
            # E|h^2|^2 is 2 for a Rayleigh h, E|h_1 h_2|^2 is 1.
            back = there / (math.sqrt(2) if self.fading == "rayleigh" else 1.0)
        phase, frequency = 2 * torch.rand(2, batch, generator=generator, device=device) - 1
        turns = 2 * math.pi * self.max_frequency * torch.arange(symbols, device=device)
        return EchoRealization(
            label=label,
            gain=there * back * _turn(self.max_phase * phase),
            rotation=_turn(frequency.unsqueeze(-1) * turns),
            noise=complex_normal((batch, symbols), NOISE_POWER, generator=generator),
        )

    def __call__(self, code: torch.Tensor, realization: EchoRealization) -> torch.Tensor:
        """Echo of codes: shapes and errors as for :class:`CodeChannel`."""
        r = realization
        _check_fits(code, r.noise)
        amplitude = self.amplitudes(code.device)[r.label] * r.gain
        return amplitude.unsqueeze(-1) * r.rotation * code + r.noise


def receiver_inputs(
    received: torch.Tensor,
    channel: CodeChannel | EchoChannel,
    realization: CodeRealization | EchoRealization | None = None,
) -> torch.Tensor:
    r"""What a receiver's network is given: real numbers of about unit power.

    Without knowledge of the realization these are the received symbols, divided by the root of
    their average power. With it (coherent reception) the phase of the gain and the turn of the
    frequency shift are taken back first, and one more number gives the modulus of the gain.
    Together these are all that the received symbols say of the code, given the realization.
    A sensing receiver is told what the gain would be if there were a target, and never whether
    there is one or its range.

    Args:
        received: ``[batch, symbols]``, complex64. Received symbols [sqrt(noise power)].
        channel: Channel that they came through.
        realization: Its realization where the receiver knows it.

    Returns:
        ``[batch, 2 * symbols]``, float32, or ``[batch, 2 * symbols + 1]`` with a realization.
    """
    # The average power of a symbol, from the nearest range: what a gain control would measure.
    scale = 1 / math.sqrt((gain_variance(channel.snr_db) + NOISE_POWER) / 2)
    if realization is None:
        return torch.view_as_real(received).flatten(1) * scale
    modulus = realization.gain.abs().unsqueeze(-1)
    coherent = received * torch.sgn(realization.gain).conj().unsqueeze(-1)
    if isinstance(realization, EchoRealization):
        coherent = coherent * realization.rotation.conj()
    return torch.cat([torch.view_as_real(coherent).flatten(1) * scale, modulus], dim=-1)


def _fades(fading: Fading, batch: int, generator: torch.Generator) -> torch.Tensor:
    """Gains of unit variance, ``[batch]``, complex64."""
    if fading == "awgn":
        return torch.ones(batch, dtype=torch.complex64, device=generator.device)
    return complex_normal((batch,), generator=generator)


def _turn(angle: torch.Tensor) -> torch.Tensor:
    return torch.polar(torch.ones_like(angle), angle)


def _check_fits(code: torch.Tensor, noise: torch.Tensor) -> None:
    if code.shape != noise.shape:
        raise ValueError(
            f"code must have the shape {list(noise.shape)} of its realization, got "
            f"{list(code.shape)}"
        )

r"""What every system of the book looks like from outside, the model-based one, and its measurement.

A *transceiver* sends symbols through a beam, decides which message came, and tells from an echo
whether there is a target and where. The learned systems and the model-based baseline are measured
by the same code on the same samples.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch

from isaclib._validation import (
    check_nonnegative_int,
    check_one_of,
    check_positive_int,
    check_probability,
)
from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.metrics import (
    AngleRMSE,
    DetectionProbability,
    Estimate,
    FalseAlarmProbability,
    Mean,
    RootMeanSquare,
    SymbolErrorRate,
)
from isaclib.receivers.ratio_test import Threshold, maprt, threshold
from isaclib.signal.arrays import Sector
from isaclib.signal.modulation import maximum_likelihood
from isaclib.signal.noise import step_generator


class Sensed(NamedTuple):
    """What a sensing receiver says of a batch of echoes.

    Attributes:
        statistic: ``[batch]``, real. Detection statistic, large where there is a target.
        angle: ``[batch]``, real. Angle estimate [rad].
        sigma: ``[batch]``, real. Standard deviation that the receiver claims for the angle [rad],
            NaN where it claims none.
    """

    statistic: torch.Tensor
    angle: torch.Tensor
    sigma: torch.Tensor


class Transceiver(Protocol):
    """Transmitter with its communication and sensing receivers."""

    def constellation(self) -> torch.Tensor:
        """Symbols of all messages: ``[order]``, complex64."""
        ...

    def beam(self) -> torch.Tensor:
        """Beamformer: ``[antennas]``, complex64."""
        ...

    def decide(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        """Decided messages ``[batch]``, int64, from samples and CSI ``[batch]``, complex64."""
        ...

    def sense(self, echo: torch.Tensor) -> Sensed:
        """Statistic, angle and uncertainty of echoes ``[batch, antennas]``, complex64."""
        ...


class FixedSymbols:
    """The part of a transceiver whose communication link is not learned, P1 Sec. IV-B."""

    symbols: torch.Tensor

    def constellation(self) -> torch.Tensor:
        """Symbols of all messages: ``[order]``, complex64."""
        return self.symbols

    def decide(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        """Maximum-likelihood messages, P1 Eq. (11), P2 and P3 Sec. III-C: ``[...]``, int64."""
        return maximum_likelihood(received, csi, self.symbols)


@dataclass(frozen=True, eq=False)
class Baseline(FixedSymbols):
    """The model-based benchmark of P1 Sec. IV-B: fixed symbols and beam, ML decisions, MAPRT.

    Attributes:
        symbols: ``[order]``, complex64. Constellation.
        beamformer: ``[antennas]``, complex64. Beam, for instance from
            :func:`isaclib.signal.beamforming.combine_beams`.
        positions: ``[antennas]``, real. Element positions that the sensing receiver assumes
            [wavelengths]; the true ones if it knows the impairments.
        sector: Where the target can be.
        grid_size: Number of angles that the receiver searches.
    """

    symbols: torch.Tensor
    beamformer: torch.Tensor
    positions: torch.Tensor
    sector: Sector
    grid_size: int = 201

    def beam(self) -> torch.Tensor:
        """Beamformer: ``[antennas]``, complex64."""
        return self.beamformer

    def sense(self, echo: torch.Tensor) -> Sensed:
        """MAPRT statistic and angle estimate, P1 Eq. (18); the test claims no uncertainty."""
        statistic, angle = maprt(echo, self.positions, self.sector, grid_size=self.grid_size)
        return Sensed(statistic, angle, torch.full_like(angle, math.nan))


@dataclass(frozen=True)
class Measurement:
    """How to measure a transceiver.

    Attributes:
        samples: Test samples: with a target, without one, to set the threshold, and symbols, so
            many of each; a multiple of ``block``.
        p_fa: False-alarm probability that the threshold is set for.
        seed: Seed of the test samples.
        block: Samples drawn from one generator; also what is held in memory at a time.
        device: ``"cpu"`` or ``"cuda"``.
    """

    samples: int
    p_fa: float = 1e-2
    seed: int = 0
    block: int = 10_000
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_probability("p_fa", self.p_fa)
        check_positive_int("block", self.block)
        check_positive_int("samples", self.samples)
        check_nonnegative_int("seed", self.seed)
        check_one_of("device", self.device, ("cpu", "cuda"))
        if self.samples % self.block:
            raise ValueError(
                f"samples must be a multiple of block={self.block}, got {self.samples}"
            )

    def blocks(self, stream: str) -> Iterator[torch.Generator]:
        """Generators of all blocks of a stream, one each."""
        for step in range(self.samples // self.block):
            yield step_generator(self.seed, f"test/{stream}", step, self.device)


@dataclass(frozen=True)
class Performance:
    """What a measurement found.

    Attributes:
        ser: Symbol error rate.
        p_d: Detection probability.
        p_fa: False-alarm probability on samples other than those that set the threshold.
        rmse: Angle RMSE of present and detected targets [rad].
        sigma: Root mean square of the claimed uncertainty of the same targets [rad]; NaN if none
            is claimed.
        sigma_mean: Mean of that uncertainty [rad].
        threshold: Detection threshold with its interval.
    """

    ser: Estimate
    p_d: Estimate
    p_fa: Estimate
    rmse: Estimate
    sigma: Estimate
    sigma_mean: Estimate
    threshold: Threshold


@torch.no_grad()
def symbol_error_rate(
    transceiver: Transceiver, channel: CommunicationChannel, measurement: Measurement
) -> Estimate:
    """Measure the symbol error rate of a transceiver."""
    device, shape = measurement.device, (measurement.block,)
    metric = SymbolErrorRate().to(device)
    symbols, beam = transceiver.constellation(), transceiver.beam()
    for generator in measurement.blocks("communication"):
        messages = torch.randint(len(symbols), shape, generator=generator, device=device)
        realization = channel.draw(measurement.block, generator)
        received, csi = channel(beam, symbols[messages], realization)
        metric.update(transceiver.decide(received, csi), messages)
    return metric.estimate()


@dataclass(frozen=True)
class OperatingPoint:
    """Operating point of a sensing receiver.

    Without a target the echo is noise alone, so this depends on the receiver and not on the beam.

    Attributes:
        threshold: Detection threshold with its interval.
        p_fa: False-alarm probability on samples other than those that set the threshold.
    """

    threshold: Threshold
    p_fa: Estimate


@torch.no_grad()
def set_threshold(
    noise_only: Callable[[torch.Generator], torch.Tensor], measurement: Measurement
) -> OperatingPoint:
    """Set a threshold on a statistic of noise alone, and check it on other noise.

    Args:
        noise_only: Statistics of a block of noise, ``[block]``, from the block's generator.
        measurement: Sample count, false-alarm probability, seed and device.
    """
    statistics = torch.cat([noise_only(g) for g in measurement.blocks("threshold")])
    level = threshold(statistics, measurement.p_fa)
    alarms = FalseAlarmProbability().to(measurement.device)
    for generator in measurement.blocks("absent"):
        declared = noise_only(generator) > level.value
        alarms.update(declared, torch.zeros_like(declared))
    return OperatingPoint(level, alarms.estimate())


@torch.no_grad()
def operating_point(
    transceiver: Transceiver, channel: RadarChannel, measurement: Measurement
) -> OperatingPoint:
    """Set the threshold of a sensing receiver for a radar channel, and check it."""

    def noise_only(generator: torch.Generator) -> torch.Tensor:
        noise = channel.draw(measurement.block, generator, present=False).noise
        return transceiver.sense(noise).statistic

    return set_threshold(noise_only, measurement)


@torch.no_grad()
def measure(
    transceiver: Transceiver,
    radar: RadarChannel,
    communication: CommunicationChannel,
    measurement: Measurement,
    operating: OperatingPoint | None = None,
) -> Performance:
    """Measure a transceiver over its two channels.

    Two transceivers measured with the same seed meet the same targets, gains and noise.

    Args:
        transceiver: What to measure.
        radar: Radar channel.
        communication: Communication channel.
        measurement: Sample count, false-alarm probability, seed and device.
        operating: Operating point of the same sensing receiver from an earlier
            :func:`operating_point`; found here if not given.

    Returns:
        All metrics with their confidence intervals.
    """
    operating = operating or operating_point(transceiver, radar, measurement)
    device, shape = measurement.device, (measurement.block,)
    p_d, rmse = DetectionProbability().to(device), AngleRMSE().to(device)
    sigma, sigma_mean = RootMeanSquare().to(device), Mean().to(device)
    symbols, beam = transceiver.constellation(), transceiver.beam()
    for generator in measurement.blocks("present"):
        messages = torch.randint(len(symbols), shape, generator=generator, device=device)
        realization = radar.draw(measurement.block, generator, present=True)
        sensed = transceiver.sense(radar(beam, symbols[messages], realization))
        declared = sensed.statistic > operating.threshold.value
        p_d.update(declared, realization.present)
        rmse.update(sensed.angle, realization.theta, declared, realization.present)
        sigma.update(sensed.sigma[declared])
        sigma_mean.update(sensed.sigma[declared])
    return Performance(
        ser=symbol_error_rate(transceiver, communication, measurement),
        p_d=p_d.estimate(),
        p_fa=operating.p_fa,
        rmse=rmse.estimate(),
        sigma=sigma.estimate(),
        sigma_mean=sigma_mean.estimate(),
        threshold=operating.threshold,
    )

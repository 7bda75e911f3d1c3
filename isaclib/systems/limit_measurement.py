"""Measure what no receiver can beat: tests and estimates of :mod:`isaclib.limits` on echoes.

The samples are those that :func:`isaclib.systems.transceiver.measure` and
:func:`isaclib.systems.spacings.measurement.measure_sensing` draw for the same seed, so that a
receiver and its limit meet the same targets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from isaclib.channels.narrowband import RadarChannel
from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.limits.angle import OptimalReceiver, rmse_limit
from isaclib.limits.angle_delay import OptimalMapReceiver
from isaclib.metrics import DetectionProbability, Estimate, RootMeanSquare
from isaclib.receivers.angle_delay.reference import position
from isaclib.receivers.ratio_test import Threshold
from isaclib.signal.ofdm import DelayBasis
from isaclib.systems.transceiver import Measurement, set_threshold


@dataclass(frozen=True, eq=False)
class Limit:
    """What no receiver can beat with a given beam.

    Attributes:
        p_md: Misdetection probability of the likelihood-ratio test.
        p_fa: Its false-alarm probability on samples other than those that set the threshold.
        rmse: RMSE of the posterior mean over the targets that the test detects [rad or m].
        variance: ``[samples]``, float64. Posterior variance of every target [rad² or m²].
        threshold: Threshold on the logarithm of the likelihood ratio.
    """

    p_md: Estimate
    p_fa: Estimate
    rmse: Estimate
    variance: torch.Tensor
    threshold: Threshold

    def rmse_limit(self, p_d: float) -> Estimate:
        """Smallest RMSE of a receiver with the detection probability ``p_d``, in (0, 1]."""
        return rmse_limit(self.variance, p_d)


class _Found(NamedTuple):
    """What a block of targets gave: ``[block]`` each."""

    log_ratio: torch.Tensor
    error: torch.Tensor
    variance: torch.Tensor


Source = Callable[[torch.Generator], torch.Tensor]


@torch.no_grad()
def measure_limit(
    radar: RadarChannel,
    beam: torch.Tensor,
    measurement: Measurement,
    symbols: torch.Tensor | None = None,
) -> Limit:
    """Limit of P1's and P2's receivers.

    Args:
        radar: Radar channel.
        beam: ``[antennas]``, complex. Beam that illuminates the targets.
        measurement: Sample count, false-alarm probability, seed and device.
        symbols: ``[order]``, complex. Constellation; of unit modulus if not given.

    Returns:
        The limit; its RMSE is that of the angle [rad].
    """
    device = measurement.device
    beam = beam.to(device, torch.complex64)
    symbols = torch.ones(4, device=device) + 0j if symbols is None else symbols.to(device)
    receiver = OptimalReceiver(radar, beam, device=device)

    def sent(generator: torch.Generator) -> torch.Tensor:
        shape = (measurement.block,)
        return symbols[torch.randint(len(symbols), shape, generator=generator, device=device)]

    def absent(generator: torch.Generator) -> torch.Tensor:
        noise = radar.draw(measurement.block, generator, present=False).noise
        return receiver.posterior(noise, sent(generator).abs().square()).log_ratio

    def present(generator: torch.Generator) -> _Found:
        signal = sent(generator)
        targets = radar.draw(measurement.block, generator, present=True)
        found = receiver.posterior(radar(beam, signal, targets), signal.abs().square())
        return _Found(found.log_ratio, found.mean - targets.theta, found.variance)

    return _measured(absent, present, measurement)


@torch.no_grad()
def measure_map_limit(
    radar: OfdmRadarChannel, beam: torch.Tensor, basis: DelayBasis, measurement: Measurement
) -> Limit:
    """Limit of P3's receivers, for symbols of unit modulus.

    Args:
        radar: Radar channel.
        beam: ``[antennas]``, complex. Beam that illuminates the targets.
        basis: Delay basis.
        measurement: Sample count, false-alarm probability, seed and device.

    Returns:
        The limit; its RMSE is that of the position [m].
    """
    device = measurement.device
    beam = beam.to(device, torch.complex64)
    receiver = OptimalMapReceiver(radar, beam, basis, device=device)

    def absent(generator: torch.Generator) -> torch.Tensor:
        targets = radar.draw(measurement.block, generator, present=False)
        return receiver.posterior(receiver.simulate(targets, generator)).log_ratio

    def present(generator: torch.Generator) -> _Found:
        targets = radar.draw(measurement.block, generator, present=True)
        found = receiver.posterior(receiver.simulate(targets, generator))
        apart = found.position - position(targets.theta, targets.distance)
        return _Found(found.log_ratio, torch.linalg.vector_norm(apart, dim=-1), found.variance)

    return _measured(absent, present, measurement)


def _measured(
    absent: Source, present: Callable[[torch.Generator], _Found], measurement: Measurement
) -> Limit:
    """Threshold, misses and errors, given the log-ratios of noise and what targets give."""
    operating = set_threshold(absent, measurement)
    detected = DetectionProbability().to(measurement.device)
    error = RootMeanSquare().to(measurement.device)
    variances = []
    for generator in measurement.blocks("present"):
        found = present(generator)
        declared = found.log_ratio > operating.threshold.value
        detected.update(declared, torch.ones_like(declared))
        error.update(found.error[declared])
        variances.append(found.variance.cpu())
    return Limit(
        p_md=detected.estimate().complement(),
        p_fa=operating.p_fa,
        rmse=error.estimate(),
        variance=torch.cat(variances),
        threshold=operating.threshold,
    )

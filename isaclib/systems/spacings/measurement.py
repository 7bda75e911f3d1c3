r"""Measurement of P3's transceivers: misdetection, position error, symbol errors.

The statistic and the position estimate need an echo only where the receiver correlates it: in the
span of the delay vectors of the range sector, and in that of the steering vectors that the receiver
assumes for the angular sector. Both are small, and
:class:`isaclib.receivers.angle_delay.search.MapSearch` simulates test echoes there alone.
"""

from dataclasses import dataclass
from functools import partial

import torch

from isaclib.channels.multitap import MultitapChannel
from isaclib.channels.ofdm import OfdmRadarChannel, Targets
from isaclib.metrics import DetectionProbability, Estimate, Mean, RootMeanSquare
from isaclib.receivers.angle_delay.reference import MapEstimate, position
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.receivers.ratio_test import Threshold
from isaclib.signal.ofdm import DelayBasis
from isaclib.signal.sectors import Windows
from isaclib.systems.spacings.model import ArrayTransceiver
from isaclib.systems.transceiver import Measurement, OperatingPoint, set_threshold


class SensingReceiver:
    """The sensing receiver of a transceiver, with echoes simulated as they are searched.

    Args:
        transceiver: Whose receiver.
        radar: Radar channel.
        basis: Delay basis.
        device: Where to simulate.

    Raises:
        ValueError: If the basis does not fit the channel, or the sector holds no grid angle.
    """

    def __init__(
        self,
        transceiver: ArrayTransceiver,
        radar: OfdmRadarChannel,
        basis: DelayBasis,
        *,
        device: str = "cpu",
    ) -> None:
        grid, windows = transceiver.search, transceiver.windows()
        self.radar, self.basis, self.device = radar, basis, device
        self.positions = transceiver.positions.to(device)
        self.windows = Windows(windows.start.to(device), windows.stop.to(device))
        self.search = MapSearch(grid, basis, device=device)

    def statistics(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Detection statistics without a target: ``[count]``, float32 [sqrt(noise power)]."""
        no_beam = torch.zeros(len(self.positions), dtype=torch.complex64, device=self.device)
        targets = self.radar.draw(count, generator, present=False)
        return self.sense(no_beam, targets, generator, place=False).statistic

    def sense(
        self,
        beam: torch.Tensor,
        targets: Targets,
        generator: torch.Generator,
        *,
        place: bool = True,
    ) -> MapEstimate:
        """Statistics and position estimates of simulated echoes.

        Args:
            beam: ``[antennas]``, complex64. Beam that illuminates the targets.
            targets: The targets.
            generator: Source of the noise.
            place: Whether positions matter; if not, they are those of the map's maximum.
        """
        echo = self.radar.in_basis(beam, targets, self.basis, generator)
        run = self.search.estimate if place else self.search.maximum
        return run(echo, self.positions, self.windows)


@torch.no_grad()
def array_operating_point(
    transceiver: ArrayTransceiver,
    radar: OfdmRadarChannel,
    basis: DelayBasis,
    measurement: Measurement,
) -> OperatingPoint:
    """Set the threshold of a transceiver's sensing receiver, and check it on other samples.

    Without a target the echo is noise alone, so this depends on the receiver and not on the beam.
    """
    receiver = SensingReceiver(transceiver, radar, basis, device=measurement.device)
    return set_threshold(partial(receiver.statistics, measurement.block), measurement)


@dataclass(frozen=True)
class SensingPerformance:
    """What a measurement of the sensing receiver found.

    Attributes:
        p_md: Misdetection probability.
        p_fa: False-alarm probability on samples other than those that set the threshold.
        position: Position RMSE of detected targets [m].
        angle: Their angle RMSE [rad].
        distance: Their range RMSE [m].
        threshold: Detection threshold with its interval.
    """

    p_md: Estimate
    p_fa: Estimate
    position: Estimate
    angle: Estimate
    distance: Estimate
    threshold: Threshold


@torch.no_grad()
def measure_sensing(
    transceiver: ArrayTransceiver,
    radar: OfdmRadarChannel,
    basis: DelayBasis,
    measurement: Measurement,
    operating: OperatingPoint | None = None,
) -> SensingPerformance:
    """Measure how well a transceiver detects targets and tells where they are.

    Two transceivers measured with the same seed meet the same targets and gains. The noise is the
    same in distribution only, as it is drawn in the basis of each receiver.

    Args:
        transceiver: What to measure.
        radar: Radar channel.
        basis: Delay basis.
        measurement: Sample count, false-alarm probability, seed and device.
        operating: Operating point of the same sensing receiver from an earlier
            :func:`array_operating_point`; found here if not given.

    Returns:
        All metrics with their confidence intervals.
    """
    operating = operating or array_operating_point(transceiver, radar, basis, measurement)
    receiver = SensingReceiver(transceiver, radar, basis, device=measurement.device)
    device = measurement.device
    beam, p_d = transceiver.beam().to(device), DetectionProbability().to(device)
    place, angle, distance = (RootMeanSquare().to(device) for _ in range(3))
    for generator in measurement.blocks("present"):
        targets = radar.draw(measurement.block, generator, present=True)
        found = receiver.sense(beam, targets, generator)
        declared = found.statistic > operating.threshold.value
        p_d.update(declared, targets.present)
        error = position(found.angle, found.distance) - position(targets.theta, targets.distance)
        place.update(torch.linalg.vector_norm(error, dim=-1)[declared])
        angle.update((found.angle - targets.theta)[declared])
        distance.update((found.distance - targets.distance)[declared])
    return SensingPerformance(
        p_md=p_d.estimate().complement(),
        p_fa=operating.p_fa,
        position=place.estimate(),
        angle=angle.estimate(),
        distance=distance.estimate(),
        threshold=operating.threshold,
    )


@torch.no_grad()
def measure_symbols(
    transceiver: ArrayTransceiver, channel: MultitapChannel, measurement: Measurement
) -> Estimate:
    """Symbol error rate (SER) of a transceiver: the mean fraction of wrong symbols.

    The subcarriers of an OFDM symbol share taps and angle, so their errors come together: the
    interval is that of independent OFDM symbols, of which a measurement has so many samples.
    """
    metric = Mean().to(measurement.device)
    symbols = transceiver.symbols.to(measurement.device)
    beam = transceiver.beam().to(measurement.device)
    shape = (measurement.block, channel.subcarriers.count)
    for generator in measurement.blocks("communication"):
        messages = torch.randint(len(symbols), shape, generator=generator, device=generator.device)
        realization = channel.draw(measurement.block, generator)
        received, csi = channel(beam, symbols[messages], realization)
        decided = transceiver.decide(received, csi)
        metric.update((decided != messages).double().mean(dim=-1))
    return metric.estimate()

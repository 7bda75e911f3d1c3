r"""P3's detector with symbols of unequal moduli, footnote 1.

Eq. (9) tests the map of the echo divided by the symbols, Eq. (7). With symbols of unit modulus that
is the MAPRT. Others leave the noise coloured after the division: following the derivation with
their moduli in place, the amplitude's best value is that of the *matched* echo, and the test that
results is

.. math::
    \max_{\theta,\tau}\frac{|\mathbf{a}^H(\theta)\,(\mathbf{Y}_r\odot\mathbf{1}\mathbf{x}^H)\,
    \boldsymbol\rho^*(\tau)|}{\|\mathbf{x}\|} \gtrless \eta

which weighs each subcarrier by the square of its symbol's modulus. (The prior of the amplitude
changes the divisor by a constant, which is below a per cent of it here.) Both are measured on the
same echoes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from isaclib.channels.basis_echo import BasisEcho, GivenNoise
from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.metrics import DetectionProbability, Estimate, FalseAlarmProbability
from isaclib.receivers.ratio_test import threshold
from isaclib.signal.arrays import steering_vector
from isaclib.signal.modulation import qam
from isaclib.signal.ofdm import DelayBasis, reciprocal_filter
from isaclib.signal.subspace import spanning_basis
from isaclib.systems.spacings.measurement import SensingReceiver
from isaclib.systems.spacings.model import ArrayTransceiver
from isaclib.systems.transceiver import Measurement

PART = 250
"""Echoes over all antennas and subcarriers that are held at a time."""


def matched_filter(received: torch.Tensor, symbols: torch.Tensor) -> torch.Tensor:
    """Echo Y_r, ``[batch, antennas, subcarriers]``, times the conjugate symbols, over their rms.

    The noise keeps its power. Symbols are ``[batch, subcarriers]``.
    """
    scale = symbols.abs().square().mean(-1, keepdim=True).sqrt()
    return received * (symbols.conj() / scale).unsqueeze(-2)


FILTERS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "reciprocal": reciprocal_filter,
    "matched": matched_filter,
}
"""What takes the symbols out of an echo: Eq. (7), or what the MAPRT has in its place."""


@dataclass(frozen=True)
class Detection:
    """How well a detector does.

    Attributes:
        p_md: Misdetection probability.
        p_fa: False-alarm probability on samples other than those that set the threshold.
    """

    p_md: Estimate
    p_fa: Estimate


class _Detectors:
    """Statistics of both detectors for the echoes of one transceiver."""

    def __init__(
        self,
        transceiver: ArrayTransceiver,
        radar: OfdmRadarChannel,
        basis: DelayBasis,
        symbols: torch.Tensor,
        device: str,
    ) -> None:
        self.receiver = SensingReceiver(transceiver, radar, basis, device=device)
        rows = slice(int(self.receiver.windows.start), int(self.receiver.windows.stop))
        steering = steering_vector(transceiver.search.angles[rows], transceiver.positions.double())
        self.angles = spanning_basis(steering)[0].to(device)
        self.beam = transceiver.beam().to(device)
        self.columns = basis.columns().to(device, torch.complex64)
        self.symbols = symbols.to(device)

    def statistics(
        self, count: int, generator: torch.Generator, *, present: bool
    ) -> dict[str, torch.Tensor]:
        """Statistics of simulated echoes, ``[count]`` each."""
        parts = [
            self._part(min(PART, count - first), generator, present)
            for first in range(0, count, PART)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in FILTERS}

    def _part(
        self, count: int, generator: torch.Generator, present: bool
    ) -> dict[str, torch.Tensor]:
        receiver = self.receiver
        shape = (count, receiver.radar.subcarriers.count)
        drawn = torch.randint(
            len(self.symbols), shape, generator=generator, device=generator.device
        )
        symbols = self.symbols[drawn]
        targets = receiver.radar.draw(count, generator, present=present)
        noise = receiver.radar.noise(count, generator)
        received = receiver.radar(self.beam, symbols, targets, noise)
        # The angles' basis first: it leaves a third of the rows.
        rows = self.angles.mH.to(received) @ received
        return {name: self._maximum(remove(rows, symbols)) for name, remove in FILTERS.items()}

    def _maximum(self, filtered: torch.Tensor) -> torch.Tensor:
        """Largest values of the maps of filtered echoes in the angles' basis."""
        samples = filtered @ self.columns
        count, rows, rank = samples.shape
        echo = BasisEcho(
            amplitude=samples.new_zeros(count),
            spatial=samples.new_zeros(count, rows),
            spectral=samples.new_zeros(count, rank, dtype=samples.real.dtype),
            noise=GivenNoise(
                lambda index: samples[index], torch.arange(count, device=samples.device)
            ),
        )
        receiver = self.receiver
        return receiver.search.maximum(
            echo, receiver.positions, receiver.windows, angles=self.angles
        ).statistic


@torch.no_grad()
def measure_constellation(
    transceiver: ArrayTransceiver,
    radar: OfdmRadarChannel,
    basis: DelayBasis,
    measurement: Measurement,
    *,
    order: int,
) -> dict[str, Detection]:
    """Measure the detector of P3 Eq. (9), and the matched one, with square QAM.

    Args:
        transceiver: Its beam and sensing receiver.
        radar: Radar channel.
        basis: Delay basis.
        measurement: Sample count, false-alarm probability, seed and device.
        order: Number of symbols; four have unit modulus.

    Returns:
        Misdetection and false-alarm probability of each of :data:`FILTERS`.

    Raises:
        ValueError: If ``order`` is not an even power of two.
    """
    detectors = _Detectors(transceiver, radar, basis, qam(order), measurement.device)

    def blocks(stream: str, *, present: bool) -> Iterator[dict[str, torch.Tensor]]:
        for generator in measurement.blocks(f"{stream}/qam{order}"):
            yield detectors.statistics(measurement.block, generator, present=present)

    noise_only = list(blocks("threshold", present=False))
    levels = {
        name: threshold(torch.cat([part[name] for part in noise_only]), measurement.p_fa).value
        for name in FILTERS
    }
    metrics = {name: (DetectionProbability(), FalseAlarmProbability()) for name in FILTERS}
    for number, (stream, present) in enumerate((("present", True), ("absent", False))):
        for part in blocks(stream, present=present):
            for name, statistic in part.items():
                truth = torch.full_like(statistic, present, dtype=torch.bool)
                metrics[name][number].to(measurement.device).update(statistic > levels[name], truth)
    return {
        name: Detection(p_d.estimate().complement(), p_fa.estimate())
        for name, (p_d, p_fa) in metrics.items()
    }

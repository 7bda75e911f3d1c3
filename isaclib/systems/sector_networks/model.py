r"""The neural competitor of P2: five networks that are told the sectors.

P2 Table I, "based on" the autoencoder of P1 (:mod:`isaclib.systems.autoencoder.model`): the
target's sector is random here, so the beamformer and both sensing networks get its ends as inputs.
There is no uncertainty network, and the communication receiver gets sample and channel state as
they are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from isaclib._validation import check_positive_int
from isaclib.learning.networks import as_real, feed_forward, unit_beam, unit_power
from isaclib.signal.arrays import Sector
from isaclib.systems.transceiver import Sensed

StageName = Literal["detection", "angle"]
STAGES: tuple[StageName, ...] = ("detection", "angle")
"""The two training steps of P2 Sec. IV-A.2, in order."""

TRANSMISSION = ("encoder", "beamformer", "receiver")
TRAINED: dict[StageName, tuple[str, ...]] = {
    "detection": (*TRANSMISSION, "presence"),
    "angle": (*TRANSMISSION, "angle"),
}
"""Networks that each step trains; the others are frozen."""

SENSING = ("beamformer", "presence", "angle")
"""Networks of the sensing task, whose parameters P2 counts."""


def sector_bounds(sector: Sector, device: torch.device | str = "cpu") -> torch.Tensor:
    """Ends of a sector as the networks take them: ``[2]``, float32 [rad]."""
    return torch.tensor([sector.min, sector.max], device=device)


class SectorAutoencoder(nn.Module):
    """The five networks of P2 Table I.

    Args:
        num_antennas: Number of array elements K.
        order: Number of messages.
        width: Neurons N of each hidden layer of the beamformer and the sensing networks.

    Raises:
        ValueError: If a number is no positive integer.
    """

    def __init__(self, num_antennas: int, order: int, width: int) -> None:
        super().__init__()
        check_positive_int("order", order)
        k = check_positive_int("num_antennas", num_antennas)
        n = check_positive_int("width", width)
        self.num_antennas, self.order, self.width = k, order, n
        self.encoder = feed_forward(order, (k, k, 2 * k), 2)
        self.beamformer = feed_forward(4, (n, n, n), 2 * k)
        self.presence = feed_forward(2 * k + 2, (n, n, n), 1)
        self.angle = feed_forward(2 * k + 2, (n, n, n), 1)
        self.receiver = feed_forward(4, (k, 2 * k, 2 * k), order)

    def constellation(self) -> torch.Tensor:
        """Symbols of all messages x(m): ``[order]``, complex64, of unit average power."""
        weight = next(self.encoder.parameters())
        messages = torch.eye(self.order, dtype=weight.dtype, device=weight.device)
        return unit_power(self.encoder(messages))

    def beams(self, target: torch.Tensor, receiver: torch.Tensor) -> torch.Tensor:
        """Beamformers v for pairs of sectors.

        Args:
            target: ``[..., 2]``, float32. Ends of the target's sectors [rad].
            receiver: ``[2]``, float32. Ends of the communication receiver's sector [rad].

        Returns:
            ``[..., antennas]``, complex64, of unit norm.
        """
        theta = torch.cat([target, receiver.expand_as(target)], dim=-1)
        return unit_beam(self.beamformer(theta))

    def detect(self, echo: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logit of the presence probability.

        Args:
            echo: ``[batch, antennas]``, complex64. Received echo z_r [sqrt(noise power)].
            target: ``[2]`` or ``[batch, 2]``, float32. Ends of the target's sector [rad].

        Returns:
            ``[batch]``, float32.
        """
        output: torch.Tensor = self.presence(_with_sector(echo, target))
        return output.squeeze(-1)

    def estimate_angle(self, echo: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Angles in (-pi/2, pi/2): ``[batch]``, float32 [rad], from the same as :meth:`detect`."""
        output: torch.Tensor = self.angle(_with_sector(echo, target))
        return math.pi / 2 * torch.tanh(output.squeeze(-1))

    def decode(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        """Message scores ``[batch, order]`` of the receiver, which sees sample and channel state.

        Args:
            received: ``[batch]``, complex64. Received samples z_c.
            csi: ``[batch]``, complex64. Channel state information kappa.
        """
        scores: torch.Tensor = self.receiver(as_real(torch.stack([received, csi], dim=-1)))
        return scores

    def trained_parameters(self, step: StageName) -> Iterator[nn.Parameter]:
        """Parameters of the networks in :data:`TRAINED` that a step trains."""
        for name in TRAINED[step]:
            yield from self.get_submodule(name).parameters()


def _with_sector(echo: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Echo and the ends of its sector as reals: ``[batch, 2 * antennas + 2]``."""
    return torch.cat([as_real(echo), target.expand(len(echo), 2)], dim=-1)


@dataclass(frozen=True, eq=False)
class SectorTransceiver:
    """The five networks at work for one pair of sectors, a :class:`~.transceiver.Transceiver`.

    Attributes:
        model: The networks, trained or not.
        target_sector: Where the target can be.
        receiver_sector: Where the communication receiver can be.
    """

    model: SectorAutoencoder
    target_sector: Sector
    receiver_sector: Sector

    def constellation(self) -> torch.Tensor:
        """Symbols of all messages: ``[order]``, complex64."""
        return self.model.constellation()

    def beam(self) -> torch.Tensor:
        """Joint beam of radar and communication: ``[antennas]``, complex64, of unit norm."""
        device = next(self.model.parameters()).device
        sectors = (self.target_sector, self.receiver_sector)
        return self.model.beams(*(sector_bounds(sector, device) for sector in sectors))

    def decide(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        """Most probable messages ``[batch]``, int64, from samples and CSI, complex64."""
        return self.model.decode(received, csi).argmax(dim=-1)

    def sense(self, echo: torch.Tensor) -> Sensed:
        """Presence logits as the statistic, and angles, of echoes; no uncertainty is claimed."""
        target = sector_bounds(self.target_sector, echo.device)
        angle = self.model.estimate_angle(echo, target)
        statistic = self.model.detect(echo, target)
        return Sensed(statistic, angle, torch.full_like(angle, math.nan))

r"""The end-to-end autoencoder of P1: six networks, two channels, three training stages.

P1 Fig. 1 as a chain of this module's parts::

    message m ── Encoder ── x(m) ─┐
    sectors Θ ── Beamformer ── v ─┴─ y = v x(m) ─┬─ RadarChannel ── z_r ─┬─ presence ──── q
                                                 │                       ├─ angle ─────── θ̂
                                                 │                       └─ uncertainty ─ σ_θ̂
                                                 └─ CommunicationChannel ── z_c ─ receiver ─ m̂
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from isaclib._validation import check_positive_int
from isaclib.learning.networks import as_real, feed_forward, unit_power
from isaclib.signal.arrays import Sector
from isaclib.systems.transceiver import Sensed

StageName = Literal["angle", "uncertainty", "presence", "joint"]
SEQUENTIAL: tuple[StageName, ...] = ("angle", "uncertainty", "presence")
"""The stages of P1 Sec. IV-C, in order."""

TRANSMISSION = ("encoder", "beamformer", "receiver")
TRAINED: dict[StageName, tuple[str, ...]] = {
    "angle": (*TRANSMISSION, "angle"),
    "uncertainty": (*TRANSMISSION, "uncertainty"),
    "presence": (*TRANSMISSION, "presence"),
    "joint": (*TRANSMISSION, "angle", "uncertainty", "presence"),
}
"""Networks that each stage trains; the others are frozen."""

SIGMA_FLOOR = 1e-3
"""Smallest uncertainty [rad]: Table I's ReLU alone can return 0, whose logarithm is -inf."""


class Autoencoder(nn.Module):
    r"""The six networks of P1 Table I.

    Table I gives the beamformer K outputs; a beam in :math:`\mathbb{C}^K` needs 2K real ones, and
    that is what is built here.

    Args:
        num_antennas: Number of array elements K.
        order: Number of messages.
        target_sector: Where the target can be, an input of the beamformer.
        receiver_sector: Where the communication receiver can be, likewise.

    Raises:
        ValueError: If ``num_antennas`` or ``order`` is no positive integer.
    """

    sectors: torch.Tensor

    def __init__(
        self, num_antennas: int, order: int, target_sector: Sector, receiver_sector: Sector
    ) -> None:
        super().__init__()
        check_positive_int("order", order)
        k = check_positive_int("num_antennas", num_antennas)
        self.num_antennas, self.order = num_antennas, order
        self.encoder = feed_forward(order, (k, k, 2 * k), 2)
        self.beamformer = feed_forward(4, (k, k, 2 * k), 2 * k)
        self.presence = feed_forward(2 * k, (2 * k, 2 * k, k), 1)
        self.angle = feed_forward(2 * k, (2 * k, 2 * k, k), 1)
        self.uncertainty = feed_forward(2 * k, (2 * k, 2 * k, k), 1)
        self.receiver = feed_forward(2, (k, 2 * k, 2 * k), order)
        # A ReLU output that starts negative never learns: start at 0.2 rad, about the spread of a
        # sector of 40 degrees.
        nn.init.constant_(self.uncertainty[-1].bias, 0.2)  # type: ignore[arg-type]
        theta = [target_sector.min, target_sector.max, receiver_sector.min, receiver_sector.max]
        self.register_buffer("sectors", torch.tensor(theta), persistent=False)

    def constellation(self) -> torch.Tensor:
        """Symbols of all messages x(m): ``[order]``, complex64, of unit average power."""
        messages = torch.eye(self.order, dtype=self.sectors.dtype, device=self.sectors.device)
        return unit_power(self.encoder(messages))

    def beam(self) -> torch.Tensor:
        """Beamformer v for the sectors: ``[antennas]``, complex64, of unit norm."""
        real, imag = self.beamformer(self.sectors).chunk(2)
        beam = torch.complex(real, imag)
        return beam / torch.linalg.vector_norm(beam)

    def estimate_angle(self, echo: torch.Tensor) -> torch.Tensor:
        """Angles ``[batch]``, float32, in (-pi/2, pi/2) [rad], from :meth:`sense`'s real echoes."""
        output: torch.Tensor = self.angle(echo)
        return math.pi / 2 * torch.tanh(output.squeeze(-1))

    def estimate_sigma(self, echo: torch.Tensor) -> torch.Tensor:
        """Their standard deviations, at least :data:`SIGMA_FLOOR`: ``[batch]``, float32 [rad]."""
        output: torch.Tensor = self.uncertainty(echo)
        return torch.relu(output.squeeze(-1)) + SIGMA_FLOOR

    def detect(self, echo: torch.Tensor) -> torch.Tensor:
        """Logits of the presence probability: ``[batch]``, float32, from the same real echoes."""
        output: torch.Tensor = self.presence(echo)
        return output.squeeze(-1)

    def decode(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        r"""Message scores of the communication receiver.

        Table I gives the receiver two inputs, one complex number, and the text the channel state
        information besides. It is given the received sample in phase with its channel,
        :math:`z_c\kappa^*/|\kappa|`, which is enough for symbols of equal modulus; dividing by
        :math:`\kappa` instead gives inputs of unbounded variance in a Rayleigh fade.

        Args:
            received: ``[batch]``, complex64. Received samples z_c.
            csi: ``[batch]``, complex64. Channel state information kappa.

        Returns:
            ``[batch, order]``, float32. Scores before the softmax.
        """
        derotated = received * torch.sgn(csi).conj()
        scores: torch.Tensor = self.receiver(torch.view_as_real(derotated))
        return scores

    def decide(self, received: torch.Tensor, csi: torch.Tensor) -> torch.Tensor:
        """Most probable messages, see :meth:`decode`: ``[batch]``, int64."""
        return self.decode(received, csi).argmax(dim=-1)

    def sense(self, echo: torch.Tensor) -> Sensed:
        """Run the three radar networks on real and imaginary parts of echoes.

        Args:
            echo: ``[batch, antennas]``, complex64. Received echo z_r [sqrt(noise power)].

        Returns:
            Presence logits as the detection statistic, angles, and their uncertainties.
        """
        real = as_real(echo)
        return Sensed(self.detect(real), self.estimate_angle(real), self.estimate_sigma(real))

    def trained_parameters(self, stage: StageName) -> Iterator[nn.Parameter]:
        """Parameters of the networks in :data:`TRAINED` that a stage trains."""
        for name in TRAINED[stage]:
            yield from self.get_submodule(name).parameters()

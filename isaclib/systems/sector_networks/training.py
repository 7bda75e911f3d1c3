r"""Two-step training of P2's networks: losses of Eqs. (11) and (12), Lightning module, schedule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from isaclib._validation import check_one_of, check_positive, check_positive_int, check_range
from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning import losses
from isaclib.learning.step_training import StepTraining, train_stages
from isaclib.learning.training import Schedule
from isaclib.signal.sectors import RandomSectors, SectorBatch
from isaclib.systems.sector_networks.model import (
    STAGES,
    SectorAutoencoder,
    StageName,
    sector_bounds,
)

Indicator = Literal["all", "present"]
P_PRESENT = 0.5
"""Probability of a target, P2 Sec. II-A."""


@dataclass(frozen=True)
class SectorPlan:
    r"""Training of P2's networks, Sec. IV-A.2 and V-A.

    Attributes:
        radar_weight: Hyper-parameter omega_r in [0, 1].
        steps: Optimizer steps of each of the two training steps.
        batch: Samples a step, at least 2.
        learning_rate: Adam's step size.
        indicator: Of Eq. (11), which weighs the detection loss by :math:`\mathbb{I}\{t = 1\}`.
            ``"present"`` is the formula as printed: no sample without a target ever trains the
            detector. ``"all"`` leaves the indicator out there.
        angle_unit: Unit of the angle in the mean squared error of Eq. (12); P2 does not say, and
            the unit scales this loss by 3283 against the communication loss.
        sectors: Distribution of the target's sectors.

    Raises:
        ValueError: If a value is out of range.
    """

    radar_weight: float
    steps: int = 50_000
    batch: int = 10_000
    learning_rate: float = 1e-3
    indicator: Indicator = "all"
    angle_unit: losses.AngleUnit = "deg"
    sectors: RandomSectors = field(default_factory=RandomSectors)

    def __post_init__(self) -> None:
        check_range("radar_weight", self.radar_weight, 0, 1)
        check_positive_int("steps", self.steps)
        check_positive("learning_rate", self.learning_rate)
        check_one_of("indicator", self.indicator, get_args(Indicator))
        check_one_of("angle_unit", self.angle_unit, get_args(losses.AngleUnit))
        if check_positive_int("batch", self.batch) < 2:
            raise ValueError(f"batch must be an integer of at least 2, got {self.batch!r}")


def two_step_loss(
    model: SectorAutoencoder,
    radar: RadarChannel,
    communication: CommunicationChannel,
    objective: tuple[StageName, SectorPlan],
    generator: torch.Generator,
) -> torch.Tensor:
    r"""Simulate one mini-batch and return its loss, P2 Eq. (11) or (12).

    A sample has a sector of its own, and so a beam of its own, which both its target and its
    communication receiver meet. Targets are present with probability 1/2; the samples that have one
    come first, at least one is of each kind, and echoes are simulated only where a loss looks.

    Args:
        model: The five networks.
        radar: Radar channel; its own sector is not used.
        communication: Communication channel, whose sector the beamformer is told.
        objective: Which step, ``"detection"`` for Eq. (11) or ``"angle"`` for Eq. (12), and the
            plan with weight, batch size and readings.
        generator: Source of all randomness of the batch.

    Returns:
        ``[]``, float32. Loss, differentiable for the networks.
    """
    plan = objective[1]
    batch, weight, device = plan.batch, plan.radar_weight, generator.device
    coins = torch.rand(batch, generator=generator, device=device)
    hits = min(max(int((coins < P_PRESENT).sum()), 1), batch - 1)
    sectors = plan.sectors.draw(batch, generator)
    messages = torch.randint(model.order, (batch,), generator=generator, device=device)
    # Without communication nobody looks at the beams of samples without a target.
    sent = batch if weight < 1 else hits
    receiver = sector_bounds(communication.sector, device)
    beams = model.beams(sectors.bounds[:sent], receiver)
    symbols = model.constellation()[messages[:sent]]
    radar_part = communication_part = beams.real.new_zeros(())
    if weight < 1:
        received, csi = communication(beams, symbols, communication.draw(batch, generator))
        scores = model.decode(received, csi)
        communication_part = losses.categorical_cross_entropy(scores, messages)
    if weight > 0:
        transmission = (beams[:hits], symbols[:hits], sectors)
        radar_part = _radar_loss(model, radar, objective, transmission, generator)
    return losses.isac_loss(radar_part, communication_part, weight)


def _radar_loss(
    model: SectorAutoencoder,
    channel: RadarChannel,
    objective: tuple[StageName, SectorPlan],
    transmission: tuple[torch.Tensor, torch.Tensor, SectorBatch],
    generator: torch.Generator,
) -> torch.Tensor:
    """Radar loss of a step, for beams and symbols of the targets and sectors of all samples."""
    step, plan = objective
    beams, symbols, sectors = transmission
    hits, bounds = len(beams), sectors.bounds
    realization = channel.draw(hits, generator, present=True, sectors=sectors[:hits])
    echo = channel(beams, symbols, realization)
    if step == "angle":
        estimate = model.estimate_angle(echo, bounds[:hits])
        error = losses.mean_squared_error(estimate, realization.theta, plan.angle_unit)
        return P_PRESENT * error
    if plan.indicator == "present":
        logits = model.detect(echo, bounds[:hits])
        return P_PRESENT * losses.binary_cross_entropy(logits, torch.ones_like(logits))
    misses = len(sectors) - hits
    absent = channel.draw(misses, generator, present=False, sectors=sectors[hits:]).noise
    present = torch.arange(len(sectors), device=echo.device) < hits
    logits = model.detect(torch.cat([echo, absent]), bounds)
    return losses.binary_cross_entropy(logits, present)


class SectorAutoencoderTraining(StepTraining):
    """Lightning module of one training step of P2's networks, see :func:`two_step_loss`."""

    model: SectorAutoencoder

    def __init__(
        self,
        model: SectorAutoencoder,
        radar: RadarChannel,
        communication: CommunicationChannel,
        plan: SectorPlan,
        *,
        step: StageName,
        seed: int,
    ) -> None:
        check_one_of("step", step, STAGES)
        super().__init__(
            model, stream=f"sector/{step}", seed=seed, learning_rate=plan.learning_rate
        )
        self.radar, self.communication = radar, communication
        self.step, self.plan = step, plan

    def trained(self) -> Iterator[nn.Parameter]:
        """Parameters of the networks that the step trains."""
        return self.model.trained_parameters(self.step)

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Loss of one batch."""
        objective = (self.step, self.plan)
        return two_step_loss(self.model, self.radar, self.communication, objective, generator)


def train_sector_autoencoder(
    model: SectorAutoencoder,
    radar: RadarChannel,
    communication: CommunicationChannel,
    plan: SectorPlan,
    directory: Path,
    *,
    seed: int,
    device: str = "cpu",
    steps: Sequence[StageName] = STAGES,
    after_stage: Callable[[str], None] | None = None,
) -> None:
    """Train P2's networks through both steps, or go on where an earlier call stopped.

    The model is trained in place from its initial state. The folder is for the checkpoints of this
    run alone, the seed is that of the training samples, the device ``"cpu"`` or ``"cuda"``.
    ``steps`` says which of the steps, in order; ``after_stage`` is called at the end of each step,
    also of one that an earlier call finished.
    """
    stages: dict[str, StepTraining] = {
        step: SectorAutoencoderTraining(model, radar, communication, plan, step=step, seed=seed)
        for step in steps
    }
    schedule = Schedule(plan.steps)
    train_stages(stages, schedule, directory, device=device, after=after_stage)

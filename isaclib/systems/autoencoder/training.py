r"""Training of the P1 autoencoder: losses of each stage, Lightning module, sequential schedule."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from isaclib._validation import check_one_of, check_range
from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning import losses
from isaclib.learning.networks import as_real
from isaclib.learning.step_training import StepTraining, train_stages
from isaclib.learning.training import Schedule
from isaclib.systems.autoencoder.model import SEQUENTIAL, TRAINED, Autoencoder, StageName

AngleUnit = losses.AngleUnit


@dataclass(frozen=True)
class TrainingPlan:
    """All stages of one autoencoder, P1 Sec. IV-C.

    Attributes:
        radar_weight: Hyper-parameter omega_r in [0, 1].
        stages: Stages in order, :data:`SEQUENTIAL` in P1 or ``("joint",)``.
        steps: Steps a stage.
        batch: Samples a step, at least 2.
        learning_rate: Adam's step size.
        angle_unit: Unit of the angle in the mean squared error. P1 does not say; the unit scales
            this loss by 3283 against the communication loss. The other losses do not depend on it.

    Raises:
        ValueError: If a value is out of range.
    """

    radar_weight: float
    stages: tuple[StageName, ...] = SEQUENTIAL
    steps: int = 2000
    batch: int = 10_000
    learning_rate: float = 0.01
    angle_unit: AngleUnit = "deg"

    def __post_init__(self) -> None:
        for stage in self.stages:
            check_one_of("stages", stage, tuple(TRAINED))
        check_one_of("angle_unit", self.angle_unit, ("deg", "rad"))
        check_range("radar_weight", self.radar_weight, 0, 1)
        if not isinstance(self.batch, int) or self.batch < 2:
            raise ValueError(f"batch must be an integer of at least 2, got {self.batch!r}")


def stage_loss(
    model: Autoencoder,
    radar: RadarChannel,
    communication: CommunicationChannel,
    objective: tuple[StageName, TrainingPlan],
    generator: torch.Generator,
) -> torch.Tensor:
    """Simulate one mini-batch and return its loss, P1 Eq. (8).

    Args:
        model: The six networks.
        radar: Radar channel.
        communication: Communication channel.
        objective: StageName, whose radar loss is for ``"angle"`` the mean squared error, for
            ``"uncertainty"`` the second term of Eq. (6), for ``"presence"`` the detection loss, for
            ``"joint"`` all of Eq. (6); and the plan with weight, batch size and unit.
        generator: Source of all randomness of the batch.

    Returns:
        ``[]``, float32. Loss, differentiable for the networks.
    """
    batch, weight = objective[1].batch, objective[1].radar_weight
    constellation, beam = model.constellation(), model.beam()
    messages = torch.randint(model.order, (batch,), generator=generator, device=generator.device)
    symbols = constellation[messages]
    zero = beam.real.new_zeros(())
    radar_part = communication_part = zero
    if weight < 1:
        received, csi = communication(beam, symbols, communication.draw(batch, generator))
        scores = model.decode(received, csi)
        communication_part = losses.categorical_cross_entropy(scores, messages)
    if weight > 0:
        radar_part = _radar_loss(model, radar, objective, (beam, symbols), generator)
    return losses.isac_loss(radar_part, communication_part, weight)


def _radar_loss(
    model: Autoencoder,
    channel: RadarChannel,
    objective: tuple[StageName, TrainingPlan],
    transmission: tuple[torch.Tensor, torch.Tensor],
    generator: torch.Generator,
) -> torch.Tensor:
    """Radar loss of a stage for a transmitted beam and symbols.

    Targets are present with probability 1/2. Which samples have one does not matter, only how many:
    these come first, and the others, which are noise alone, are drawn only where a loss looks at
    them. At least one sample is of each kind, which matters for tiny batches alone.
    """
    (stage, plan), (beam, symbols) = objective, transmission
    batch, p_present = plan.batch, 0.5
    coins = torch.rand(batch, generator=generator, device=generator.device)
    hits = min(max(int((coins < p_present).sum()), 1), batch - 1)
    realization = channel.draw(hits, generator, present=True)
    echo = as_real(channel(beam, symbols[:hits], realization))
    theta = realization.theta
    if stage == "angle":
        estimate = model.estimate_angle(echo)
        return p_present * losses.mean_squared_error(estimate, theta, plan.angle_unit)
    if stage == "uncertainty":
        estimate, sigma = model.estimate_angle(echo), model.estimate_sigma(echo)
        return p_present * losses.gaussian_nll(estimate, sigma, theta)
    absent = channel.draw(batch - hits, generator, present=False).noise
    present = torch.arange(batch, device=echo.device) < hits
    detection = losses.binary_cross_entropy(
        model.detect(torch.cat([echo, as_real(absent)])), present
    )
    if stage == "presence":
        return detection
    regression = losses.gaussian_nll(model.estimate_angle(echo), model.estimate_sigma(echo), theta)
    return losses.radar_nll(detection, regression, p_present)


class AutoencoderTraining(StepTraining):
    """Lightning module of one training stage, see :func:`stage_loss`."""

    model: Autoencoder

    def __init__(
        self,
        model: Autoencoder,
        radar: RadarChannel,
        communication: CommunicationChannel,
        plan: TrainingPlan,
        *,
        stage: StageName,
        seed: int,
    ) -> None:
        check_one_of("stage", stage, tuple(TRAINED))
        super().__init__(model, stream=stage, seed=seed, learning_rate=plan.learning_rate)
        self.radar, self.communication = radar, communication
        self.stage, self.plan = stage, plan

    def trained(self) -> Iterator[nn.Parameter]:
        """Parameters of the networks of the stage; the others are frozen."""
        return self.model.trained_parameters(self.stage)

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Loss of one batch."""
        objective = (self.stage, self.plan)
        return stage_loss(self.model, self.radar, self.communication, objective, generator)


def train_autoencoder(
    model: Autoencoder,
    radar: RadarChannel,
    communication: CommunicationChannel,
    plan: TrainingPlan,
    directory: Path,
    *,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train an autoencoder through all stages of a plan, or go on where an earlier call stopped.

    The model is trained in place from its initial state. The folder is for the checkpoints of this
    run alone, the seed is that of the training samples, the device ``"cpu"`` or ``"cuda"``.
    """
    stages: dict[str, StepTraining] = {
        stage: AutoencoderTraining(model, radar, communication, plan, stage=stage, seed=seed)
        for stage in plan.stages
    }
    train_stages(stages, Schedule(plan.steps), directory, device=device)

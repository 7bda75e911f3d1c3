r"""Training of the P2 steering matrix: on the angle of single targets in random sectors."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from isaclib._validation import check_one_of, check_positive, check_positive_int, check_range
from isaclib.channels.narrowband import RadarChannel
from isaclib.learning import losses
from isaclib.learning.step_training import StepTraining
from isaclib.learning.training import Schedule, train
from isaclib.signal.modulation import qam
from isaclib.signal.sectors import RandomSectors
from isaclib.systems.steering_matrix.model import ModelDriven

STREAM = "model-driven"
"""Random stream of the training samples."""


@dataclass(frozen=True)
class ModelDrivenPlan:
    """Training of one steering matrix, P2 Sec. V-A.

    Attributes:
        steps: Number of steps.
        batch: Samples a step.
        learning_rate: Adam's step size.
        sectors: Distribution of the sectors.
        p_present: Probability of a target in (0, 1]. The loss looks at targets alone, so P2's
            1/2 makes a batch of 10,000 one of about 5,000 echoes; 1 puts one in every sample.
        angle_unit: Unit of the angle in the mean squared error, a scale that Adam all but cancels.
        order: Number of QAM symbols.

    Raises:
        ValueError: If a number is out of range.
    """

    steps: int = 50_000
    batch: int = 10_000
    learning_rate: float = 1e-3
    sectors: RandomSectors = field(default_factory=RandomSectors)
    p_present: float = 0.5
    angle_unit: losses.AngleUnit = "deg"
    order: int = 4

    def __post_init__(self) -> None:
        check_positive_int("steps", self.steps)
        check_positive_int("batch", self.batch)
        check_positive("learning_rate", self.learning_rate)
        check_range("p_present", self.p_present, 0, 1)
        check_positive("p_present", self.p_present)
        check_one_of("angle_unit", self.angle_unit, ("deg", "rad"))
        qam(self.order)


def sensing_loss(
    model: ModelDriven, radar: RadarChannel, plan: ModelDrivenPlan, generator: torch.Generator
) -> torch.Tensor:
    r"""Simulate one mini-batch and return its angle loss, :math:`\mathcal{J}_{\mathrm{angle}}`.

    The loss is meaningful only with a target (P2 Sec. IV-A), so how many samples have one is
    drawn first, at least one, and the others, noise alone, are not simulated.

    Args:
        model: Steering matrix.
        radar: Radar channel; its own sector is not used, each target has one of its own.
        plan: Batch size, sectors and unit.
        generator: Source of all randomness of the batch.

    Returns:
        ``[]``, float32. ``p_present`` times the mean squared error over the targets, in the
        square of the plan's unit, differentiable for the steering matrix.
    """
    device = generator.device
    coins = torch.rand(plan.batch, generator=generator, device=device)
    hits = max(int((coins < plan.p_present).sum()), 1)
    sectors = plan.sectors.draw(hits, generator)
    messages = torch.randint(plan.order, (hits,), generator=generator, device=device)
    realization = radar.draw(hits, generator, present=True, sectors=sectors)
    windows = model.windows(sectors)
    symbols = qam(plan.order).to(device)[messages]
    echo = radar(model.beams(windows), symbols, realization)
    angle = model.sense(echo, windows)[1]
    return plan.p_present * losses.mean_squared_error(angle, realization.theta, plan.angle_unit)


class ModelDrivenTraining(StepTraining):
    """Lightning module of the steering matrix, see :func:`sensing_loss`."""

    model: ModelDriven

    def __init__(
        self, model: ModelDriven, radar: RadarChannel, plan: ModelDrivenPlan, *, seed: int
    ) -> None:
        super().__init__(model, stream=STREAM, seed=seed, learning_rate=plan.learning_rate)
        self.radar, self.plan = radar, plan

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Angle loss of one batch."""
        return sensing_loss(self.model, self.radar, self.plan, generator)


def train_model_driven(
    model: ModelDriven,
    radar: RadarChannel,
    plan: ModelDrivenPlan,
    directory: Path,
    *,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train a steering matrix, or go on where an earlier call in the same directory stopped.

    The matrix is trained in place from its initial state. The folder is for the checkpoint of this
    run alone, the seed is that of the training samples, the device ``"cpu"`` or ``"cuda"``.
    """
    module = ModelDrivenTraining(model, radar, plan, seed=seed)
    train(module, Schedule(plan.steps), directory, device=device)

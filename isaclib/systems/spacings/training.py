r"""Training of P3's spacings: from labelled positions, from the map's maximum alone, or in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from isaclib.channels.ofdm import OfdmRadarChannel, Targets
from isaclib.learning.step_training import StepTraining
from isaclib.learning.training import Schedule, train
from isaclib.receivers.angle_delay.reference import (
    AngleDelayGrid,
    MapEstimate,
    literal_estimate,
    position,
)
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.receivers.angle_delay.window import Differentiable
from isaclib.signal.beamforming import SingularSteeringError
from isaclib.signal.modulation import psk
from isaclib.signal.ofdm import DelayBasis, reciprocal_filter
from isaclib.signal.sectors import SectorBatch, Windows, grid_windows
from isaclib.systems.spacings.model import SpacingArray, design_beams
from isaclib.systems.spacings.schedule import Stage


@dataclass(frozen=True, eq=False)
class Scene:
    """What a training happens in.

    Attributes:
        radar: Radar channel with the true array; its own angular sector is not used.
        grid: Angle-delay grid of the receiver, whose angles are those of the beams' design too.
        basis: Delay basis of the simulation.
    """

    radar: OfdmRadarChannel
    grid: AngleDelayGrid
    basis: DelayBasis


def _draw(scene: Scene, stage: Stage, generator: torch.Generator) -> tuple[Windows, Targets]:
    """Sectors on the grid and targets of a batch, which has no order: sectors ascend."""
    sectors = stage.sectors.draw(stage.batch, generator)
    order = sectors.min.argsort()
    sectors = SectorBatch(sectors.min[order], sectors.max[order])
    targets = scene.radar.draw(stage.batch, generator, present=True, sectors=sectors)
    if stage.p_present < 1:
        coins = torch.rand(stage.batch, generator=generator, device=generator.device)
        targets = replace(targets, present=coins < stage.p_present)
    return grid_windows(scene.grid.angles.to(generator.device), sectors), targets


def loss_value(found: MapEstimate, targets: Targets, stage: Stage) -> torch.Tensor:
    r"""P3 Eq. (20) or (21).

    .. math::
        \mathcal{J}_{\mathrm{SL}} = \mathbb{E}[\|\mathbf{p}-\hat{\mathbf{p}}\|^2], \qquad
        \mathcal{J}_{\mathrm{UL}} = -\max_{i,j}[\mathcal{L}(\tilde{\mathbf{Y}}_r)]_{i,j}

    Args:
        found: Estimates of a batch.
        targets: Its targets, of which the unsupervised loss uses nothing.
        stage: Which, and its gate.

    Returns:
        ``[]``, real: [m^2], or the mean over the batch of [sqrt(noise power)].
    """
    if stage.loss == "unsupervised":
        return -found.statistic.mean()
    error = position(found.angle, found.distance) - position(targets.theta, targets.distance)
    declared = found.statistic.detach() > stage.gate
    return (error.square().sum(-1) * declared).sum() / declared.sum().clamp(min=1)


def batch_loss(
    model: SpacingArray,
    scene: Scene,
    stage: Stage,
    generator: torch.Generator,
    *,
    search: MapSearch | None = None,
) -> torch.Tensor:
    """Simulate one batch and return its loss.

    Args:
        model: Array whose spacings are learned.
        scene: True array, grid and basis.
        stage: Loss, batch size and sectors.
        generator: Source of all randomness of the batch.
        search: For the scene's grid and basis on the generator's device; made here if not given.

    Returns:
        ``[]``, float32. Loss, differentiable for the spacings.
    """
    search = search or MapSearch(scene.grid, scene.basis, device=generator.device)
    windows, targets = _draw(scene, stage, generator)
    positions = model.positions()
    beams = design_beams(positions, search.angles, windows)
    if not stage.transmitter:
        beams = beams.detach()
    echo = scene.radar.in_basis(beams, targets, scene.basis, generator)
    output: Differentiable = "position" if stage.loss == "supervised" else "maximum"
    found = search.differentiable(echo, positions, windows, output)
    return loss_value(found, targets, stage)


def literal_loss(
    model: SpacingArray, scene: Scene, stage: Stage, generator: torch.Generator
) -> torch.Tensor:
    """The same from the paper's formulas: QPSK on all subcarriers, and the whole map.

    Sectors and targets are those of :func:`batch_loss`; the noise is other noise, as there is more
    of it.
    """
    windows, targets = _draw(scene, stage, generator)
    positions = model.positions()
    beams = design_beams(positions, scene.grid.angles.to(generator.device), windows)
    if not stage.transmitter:
        beams = beams.detach()
    shape = (stage.batch, scene.radar.subcarriers.count)
    messages = torch.randint(4, shape, generator=generator, device=generator.device)
    symbols = psk(4).to(generator.device)[messages]
    noise = scene.radar.noise(stage.batch, generator)
    filtered = reciprocal_filter(scene.radar(beams, symbols, targets, noise), symbols)
    found = literal_estimate(filtered, positions, scene.grid, scene.radar.subcarriers, windows)
    return loss_value(found, targets, stage)


class ImpairmentTraining(StepTraining):
    """Lightning module of one stage.

    ``marks`` are numbers of its iterations after which the spacings are recorded.
    """

    model: SpacingArray
    history: torch.Tensor

    def __init__(
        self,
        model: SpacingArray,
        scene: Scene,
        stage: Stage,
        *,
        seed: int,
        marks: Sequence[int] = (),
    ) -> None:
        super().__init__(
            model, stream=f"impairment/{stage.loss}", seed=seed, learning_rate=stage.learning_rate
        )
        self.scene, self.stage = scene, stage
        self.marks = list(marks)
        shape = (len(self.marks), len(model.values))
        # Part of the checkpoint, so a resumed run knows the spacings of its past.
        self.register_buffer("history", torch.full(shape, torch.nan, dtype=torch.float64))
        self._search: MapSearch | None = None

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Loss of one batch, see :func:`batch_loss`."""
        if self._search is None:
            scene = self.scene
            self._search = MapSearch(scene.grid, scene.basis, device=generator.device)
        return batch_loss(self.model, self.scene, self.stage, generator, search=self._search)

    def step_loss(self, step: int) -> torch.Tensor:
        """Loss of one iteration, on samples that its index alone determines."""
        for i, mark in enumerate(self.marks):
            if mark == step:
                self.history[i] = self.model.spacing.detach()
        return super().step_loss(step)

    def configure_optimizers(self) -> Any:
        """Adam with the stage's step size and its drop."""
        optimizer = super().configure_optimizers()
        return [optimizer], [LambdaLR(optimizer, self.stage.factor)]

    def description(self) -> dict[str, str]:
        """What a training must have in common with one that it goes on from.

        The number of steps is not among it, as a training may go on.
        """
        radar, grid = self.scene.radar, self.scene.grid
        places = ", ".join(f"{x:.6g}" for x in radar.positions.tolist())
        stage = {f"stage.{k}": str(v) for k, v in vars(replace(self.stage, steps=1)).items()}
        return {
            **stage,
            "seed": str(self.seed),
            "marks": str(self.marks),
            "parameter": self.model.parameter,
            "array": f"[{places}]",
            "snr_db": str(radar.snr_db),
            "subcarriers": str(radar.subcarriers),
            "ranges": str(radar.ranges),
            "grid": f"{len(grid.angles)} x {len(grid.distances)}",
            "window": f"{grid.half_angles}, {grid.half_distances}",
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in a checkpoint what it is of."""
        checkpoint["isaclib_impairment"] = self.description()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another training."""
        stored, own = checkpoint.get("isaclib_impairment", {}), self.description()
        changed = [name for name in own if stored.get(name) != own[name]]
        if changed:
            differences = "; ".join(
                f"{name} was {stored.get(name)} and is {own[name]}" for name in changed
            )
            raise ValueError(
                "directory must hold checkpoints of the same training, or none, but it holds those "
                f"of another: {differences}"
            )
        super().on_load_checkpoint(checkpoint)


def train_impairment(
    model: SpacingArray,
    scene: Scene,
    stages: Sequence[Stage],
    directory: Path,
    *,
    seed: int,
    marks: Sequence[int] = (),
    device: str = "cpu",
) -> torch.Tensor:
    """Train an array stage after stage, or go on where an earlier call in the directory stopped.

    Each stage begins with an optimizer of its own. A training whose elements drift until no beam
    can be designed for them has diverged, and ends there.

    Args:
        model: Array in its initial state; trained in place.
        scene: True array, grid and basis.
        stages: In order.
        directory: Folder for the checkpoints, of this run alone; a folder in it for each stage.
        seed: Seed of the training samples.
        marks: Iterations of the whole schedule after which the spacings are recorded, 0 before
            the first.
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        ``[marks, antennas]``, float64. Recorded spacings [wavelengths], NaN from where the
        training has diverged.

    Raises:
        ValueError: If ``seed`` or ``device`` is not allowed, a mark is beyond the last stage, or
            the folder holds checkpoints of another training.
    """
    total = sum(stage.steps for stage in stages)
    history = torch.full((len(marks), len(model.values)), torch.nan, dtype=torch.float64)
    for mark in marks:
        if not 0 <= mark <= total:
            raise ValueError(f"marks must lie in [0, {total}] iterations, got {mark!r}")
    first = 0
    for number, stage in enumerate(stages):
        inside = [i for i, mark in enumerate(marks) if first <= mark < first + stage.steps]
        local = [marks[i] - first for i in inside]
        module = ImpairmentTraining(model, scene, stage, seed=seed, marks=local)
        folder = Path(directory) / f"{number}-{stage.loss}"
        try:
            train(module, Schedule(stage.steps), folder, device=device)
        except SingularSteeringError:
            history[inside] = module.history.cpu()
            return history
        history[inside] = module.history.cpu()
        first += stage.steps
    history[[i for i, mark in enumerate(marks) if mark == total]] = model.spacing.detach().cpu()
    return history

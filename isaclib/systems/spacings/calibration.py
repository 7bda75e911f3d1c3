r"""Beyond P3: its spacings by maximum likelihood from a few labelled echoes, without gradients."""

import torch

from isaclib._validation import check_positive_int
from isaclib.receivers.spacing_likelihood import likely_positions
from isaclib.signal.arrays import element_index
from isaclib.signal.noise import step_generator
from isaclib.signal.sectors import RandomSectors, grid_windows
from isaclib.systems.spacings.model import SpacingArray, design_beams
from isaclib.systems.spacings.training import Scene

STREAM = "train/impairment/calibration"
"""Random stream of the labelled echoes."""


def calibrate(
    model: SpacingArray,
    scene: Scene,
    *,
    samples: int,
    rounds: int = 2,
    seed: int,
    device: str = "cpu",
) -> torch.Tensor:
    """Put the most likely spacings in place of a model's own.

    Each round illuminates sectors with the beams of the positions found so far, as a training does,
    and estimates the positions from its own echoes alone; so the last round has the best beams.

    Args:
        model: Array, changed in place.
        scene: True array and grid of the beams' design.
        samples: Labelled echoes of all rounds together, at least one each.
        rounds: How often beams are designed anew, positive.
        seed: Seed of the echoes.
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        ``[rounds, antennas]``, float64. Spacings after each round [wavelengths].

    Raises:
        ValueError: If ``samples`` or ``rounds`` is not positive, or there are more rounds than
            samples.
    """
    check_positive_int("rounds", rounds)
    if check_positive_int("samples", samples) < rounds:
        raise ValueError(f"samples must be at least one for each of {rounds} rounds, got {samples}")
    history = []
    grid = scene.grid.angles.to(device)
    index = element_index(len(model.values))
    for number in range(rounds):
        count = samples * (number + 1) // rounds - samples * number // rounds
        generator = step_generator(seed, STREAM, number, device)
        chosen = RandomSectors().draw(count, generator)
        targets = scene.radar.draw(count, generator, present=True, sectors=chosen)
        positions = model.positions().detach()
        beams = design_beams(positions, grid, grid_windows(grid, chosen))
        responses = scene.radar.at_range(beams, targets, generator)
        found = likely_positions(responses, targets.theta, positions).cpu()
        # An element in the very middle has no spacing to learn.
        spacing = torch.where(index == 0, model.spacing.detach().cpu(), found / index)
        model.set_spacing(spacing)
        history.append(spacing)
    return torch.stack(history)

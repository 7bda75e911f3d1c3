"""Trainings of P2 that are stopped go on to the same result, from their last checkpoint."""

from functools import partial

import pytest
import torch
from p2_tasks import MATRIX, networks, outcome

from isaclib.learning.training import Schedule
from isaclib.systems.sector_networks import training as network_training
from isaclib.systems.sector_networks.training import SectorAutoencoderTraining
from isaclib.systems.steering_matrix import training as matrix_training
from isaclib.systems.steering_matrix.training import ModelDrivenTraining

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("module", "task", "at"),
    [
        (SectorAutoencoderTraining, networks()["detection"], 3),
        (SectorAutoencoderTraining, networks()["angle"], 0),
        (SectorAutoencoderTraining, networks()["angle"], 3),
        (ModelDrivenTraining, MATRIX, 3),
    ],
)
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch, module, task, at):
    for package in (matrix_training, network_training):
        monkeypatch.setattr(package, "Schedule", partial(Schedule, block=2))
    whole = outcome(task, tmp_path / "whole").tensors
    if getattr(task, "start", None):
        outcome(task.start, tmp_path / "parts")
    original, begun = module.step_loss, []

    def step_loss(self, index):
        begun.append(index)
        if index == at and begun.count(at) == 1:
            raise Killed
        return original(self, index)

    monkeypatch.setattr(module, "step_loss", step_loss)
    with pytest.raises(Killed):
        outcome(task, tmp_path / "parts")
    before = len(begun)
    again = outcome(task, tmp_path / "parts").tensors
    # From the last checkpoint: not from the beginning.
    assert begun[before] == at - at % 2
    assert whole.keys() == again.keys()
    assert all(torch.equal(again[name], value) for name, value in whole.items())

"""Runs of P2 that are stopped go on to the same result, and do nothing twice."""

from functools import partial

import pytest
import torch
from figure_runs import smoke_context
from p2_payloads import a_matrix, same, some_networks, stored_matrix, stored_networks

from isaclib.experiments.p2.tasks import train_matrix, train_networks
from isaclib.experiments.registry import figures
from isaclib.experiments.series.assembly import WEIGHTS
from isaclib.learning.training import Schedule
from isaclib.systems.sector_networks import training as sector_autoencoder_training
from isaclib.systems.sector_networks.training import SectorAutoencoderTraining
from isaclib.systems.steering_matrix import training as model_driven_training
from isaclib.systems.steering_matrix.training import ModelDrivenTraining
from isaclib.systems.transceiver import operating_point

pytestmark = pytest.mark.usefixtures("one_thread")


# One task


class Killed(Exception):
    pass


def killing(monkeypatch, module, at, step=None):
    """Let the process die when a mini-batch of a training is about to begin."""
    original = module.step_loss

    def step_loss(self, index):
        if index == at and getattr(self, "step", None) == step:
            raise Killed
        return original(self, index)

    monkeypatch.setattr(module, "step_loss", step_loss)


@pytest.fixture
def short_blocks(monkeypatch):
    for module in (model_driven_training, sector_autoencoder_training):
        monkeypatch.setattr(module, "Schedule", partial(Schedule, block=2))


@pytest.mark.usefixtures("short_blocks")
@pytest.mark.parametrize(("step", "at"), [("detection", 3), ("angle", 0), ("angle", 3)])
def test_networks_that_were_killed_go_on_to_the_same_record(tmp_path, monkeypatch, step, at):
    whole = train_networks(some_networks(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killing(patch, SectorAutoencoderTraining, at, step)
        with pytest.raises(Killed):
            train_networks(some_networks(), tmp_path / "parts")
    done = []
    original = SectorAutoencoderTraining.step_loss

    def counted(self, index):
        done.append((self.step, index))
        return original(self, index)

    monkeypatch.setattr(SectorAutoencoderTraining, "step_loss", counted)
    assert same(train_networks(some_networks(), tmp_path / "parts"), whole)
    # From the last checkpoint: not from the beginning.
    assert done[0] == (step, at - at % 2)
    first, second = (stored_networks(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for name, value in first.items():
        assert torch.equal(second[name], value)


@pytest.mark.usefixtures("short_blocks")
def test_networks_that_were_killed_while_they_were_measured_go_on_to_the_same_record(
    tmp_path, monkeypatch
):
    whole = train_networks(some_networks(), tmp_path / "whole")
    calls = []

    def until_the_fourth(*arguments):
        calls.append(arguments)
        # The second sector after the angle step.
        if len(calls) == 4:
            raise Killed
        return operating_point(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("isaclib.experiments.p2.tasks.operating_point", until_the_fourth)
        with pytest.raises(Killed):
            train_networks(some_networks(), tmp_path / "parts")
    assert not (tmp_path / "parts" / WEIGHTS).exists()
    assert same(train_networks(some_networks(), tmp_path / "parts"), whole)


@pytest.mark.usefixtures("short_blocks")
def test_a_matrix_that_was_killed_goes_on_to_the_same_record(tmp_path, monkeypatch):
    whole = train_matrix(a_matrix(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killing(patch, ModelDrivenTraining, 3)
        with pytest.raises(Killed):
            train_matrix(a_matrix(), tmp_path / "parts")
    assert same(train_matrix(a_matrix(), tmp_path / "parts"), whole)
    assert torch.equal(
        stored_matrix(tmp_path / "parts").steering, stored_matrix(tmp_path / "whole").steering
    )


# A whole figure


def test_a_second_run_finds_its_tasks_done_and_gives_the_same(p2_stored, p2_folder, monkeypatch):
    def computed(*_):
        raise AssertionError("a finished task was computed again")

    monkeypatch.setattr("isaclib.experiments.series.sweep._execute", computed)
    for figure in ("p2-fig3", "p2-fig4"):
        again = figures()[figure].run(smoke_context(p2_folder, figure))
        assert str(again.series) == str(p2_stored[figure].series)
        assert again.provenance.weights == p2_stored[figure].provenance.weights


def test_a_run_that_was_interrupted_goes_on_to_the_same_result(p2_stored, tmp_path, monkeypatch):
    """Ctrl-C during the second training step of the second networks of Fig. 3."""
    original = SectorAutoencoderTraining.step_loss
    begun = []

    def interrupted(self, index):
        begun.append((self.step, self.plan.radar_weight, index))
        if begun[-1] == ("angle", 0.4, 1):
            raise KeyboardInterrupt
        return original(self, index)

    where = smoke_context(tmp_path, "p2-fig3")
    with monkeypatch.context() as patch:
        patch.setattr(SectorAutoencoderTraining, "step_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            figures()["p2-fig3"].run(where)
    assert {weight for _, weight, _ in begun} == {0.0, 0.4}
    finished = {path.stem for path in where.state.glob("*.json")}
    assert finished == {
        "baseline",
        "model-driven_literal",
        "model-driven_sector",
        "networks_all_deg_omega=0",
    }
    again = []

    def counted(self, index):
        again.append((self.plan.radar_weight, self.plan.indicator, self.plan.angle_unit))
        return original(self, index)

    monkeypatch.setattr(SectorAutoencoderTraining, "step_loss", counted)
    result = figures()["p2-fig3"].run(where)
    assert (0.0, "all", "deg") not in again
    # The first step of the interrupted networks, which was finished, is not repeated.
    assert again.count((0.4, "all", "deg")) == 3
    assert again.count((1.0, "all", "deg")) == 6
    assert str(result.series) == str(p2_stored["p2-fig3"].series)
    assert result.provenance.weights == p2_stored["p2-fig3"].provenance.weights

import contextlib
import csv
import io
import json
import math
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from training_run import (
    COMMUNICATION,
    GOLDEN,
    INTERRUPTED,
    PLAN,
    RADAR,
    SEED,
    a_model,
    bare_loop,
    golden_log,
    train_here,
    train_in_process,
)

from isaclib._progress import listening
from isaclib.learning.training import CHECKPOINT, LOG_EVERY, STRIDE, Schedule, train
from isaclib.systems.autoencoder.training import AutoencoderTraining

pytestmark = pytest.mark.usefixtures("one_thread")

# Processes forked from a server that has imported everything start within milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["isaclib.systems.autoencoder.training", "pytorch_lightning"])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Parameters of a training that nobody disturbed, in a process of its own."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    process, output = begin(folder)
    process.join(120)
    assert process.exitcode == 0
    return torch.load(output)


def begin(folder):
    output = folder / "parameters.pt"
    process = PROCESSES.Process(target=train_in_process, args=(folder / "run", output))
    process.start()
    return process, output


def wait_for(path, process):
    """Wait until a file is there, or the process ends."""
    while process.is_alive() and not path.exists():
        time.sleep(0.002)


def disturb(folder, signum, stage, seconds):
    """Begin a training, send it a signal a while after a stage's first checkpoint; its end."""
    process, output = begin(folder)
    wait_for(folder / "run" / stage / CHECKPOINT, process)
    time.sleep(seconds)
    # One that is finished by then counts as well: the moment is random.
    if process.is_alive():
        os.kill(process.pid, signum)
    begun = time.monotonic()
    process.join(60)
    assert not process.is_alive()
    return process.exitcode, output, time.monotonic() - begun


def finish(folder):
    process, output = begin(folder)
    process.join(120)
    assert process.exitcode == 0
    return torch.load(output)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


# A run that is stopped


def test_a_run_killed_at_random_moments_ends_in_the_same_weights(tmp_path, uninterrupted):
    moments = random.Random()
    endings = []
    for stage in ("angle", "angle", "uncertainty", "presence"):
        seconds = moments.uniform(0, 0.15)
        ending, _, _ = disturb(tmp_path, signal.SIGKILL, stage, seconds)
        endings.append(ending)
        print(f"killed {seconds:.3f} s after the first checkpoint of {stage}: {ending}")
    assert -signal.SIGKILL in endings
    assert_same(finish(tmp_path), uninterrupted)


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path, uninterrupted):
    process, _ = begin(tmp_path)
    wait_for(tmp_path / "run" / "angle", process)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert_same(finish(tmp_path), uninterrupted)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_does_so_and_can_go_on(tmp_path, uninterrupted, signum):
    ending, output, seconds = disturb(tmp_path, signum, "angle", 0.05)
    assert ending != 0
    assert not output.exists()
    assert seconds < 10
    if signum == signal.SIGINT:
        # KeyboardInterrupt reached the caller, who decides on the exit status.
        assert ending == INTERRUPTED
    assert (tmp_path / "run" / "angle" / CHECKPOINT).exists()
    assert_same(finish(tmp_path), uninterrupted)


def test_a_finished_run_gives_its_weights_again_without_training(tmp_path, monkeypatch):
    first = train_here(tmp_path)

    def no_training(*_):
        raise AssertionError("a finished run was trained again")

    monkeypatch.setattr(AutoencoderTraining, "step_loss", no_training)
    assert_same(train_here(tmp_path), first)


def test_a_checkpoint_is_replaced_as_a_whole(tmp_path, monkeypatch):
    """A process killed while it writes must leave the checkpoint before, on any file system."""
    replaced = []
    replace = os.replace

    def watch(source, target, **options):
        replaced.append((Path(source), Path(target)))
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", watch)
    steps(tmp_path, 4, 2)
    written = [(s, t) for s, t in replaced if t.name == CHECKPOINT]
    assert len(written) == 2
    for source, target in written:
        assert target == tmp_path / CHECKPOINT
        assert source.parent == target.parent


def flipped(content):
    return content[:500] + bytes([content[500] ^ 1]) + content[501:]


class Hostile:
    def __reduce__(self):
        return (os.system, ("touch /tmp/isaclib-was-here",))


def hostile(_content):
    stream = io.BytesIO()
    torch.save(Hostile(), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (flipped, "does not have its SHA-256"),
        (lambda content: content[:-300], "cannot be read"),
        (lambda content: b"", "cannot be read"),
        (hostile, "cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_said_to_be_and_not_gone_on_from(tmp_path, capsys, spoil, reason):
    whole = steps(tmp_path / "whole", 6, 2)
    steps(tmp_path / "damaged", 4, 2)
    path = tmp_path / "damaged" / CHECKPOINT
    path.write_bytes(spoil(path.read_bytes()))
    assert_same(steps(tmp_path / "damaged", 6, 2), whole)
    said = capsys.readouterr().err
    assert f"isaclib: {path}: the checkpoint {reason}" in said
    assert "begins again" in said
    assert "weights_only" not in said
    assert not Path("/tmp/isaclib-was-here").exists()


# What Lightning does


def steps(folder, count, block, stage="angle", model=None):
    model = model or a_model()
    module = AutoencoderTraining(model, RADAR, COMMUNICATION, PLAN, stage=stage, seed=SEED)
    train(module, Schedule(count, block), folder)
    return model.state_dict()


def interrupted(folder, count, block, stop=math.inf):
    """Train until an exception in step ``stop``; the steps that were taken."""

    class Stop(Exception):
        pass

    module = AutoencoderTraining(a_model(), RADAR, COMMUNICATION, PLAN, stage="angle", seed=SEED)
    step, taken = module.step_loss, []

    def stopping(index):
        if index == stop:
            raise Stop
        taken.append(index)
        return step(index)

    module.step_loss = stopping
    with contextlib.suppress(Stop):
        train(module, Schedule(count, block), folder)
    return taken


@pytest.mark.parametrize("stage", ["angle", "uncertainty", "presence", "joint"])
def test_training_equals_a_bare_loop_bit_for_bit(tmp_path, stage):
    model = a_model()
    bare_loop(stage, 23, model)
    assert_same(steps(tmp_path, 23, 5, stage), model.state_dict())


def test_all_stages_equal_bare_loops_bit_for_bit(uninterrupted):
    model = a_model()
    for stage in PLAN.stages:
        bare_loop(stage, PLAN.steps, model)
    assert_same(model.state_dict(), uninterrupted)


def test_the_length_of_a_block_makes_no_difference(tmp_path):
    first = steps(tmp_path / "1", 12, 1)
    for block in (4, 5, 11, 12, 100):
        assert_same(steps(tmp_path / str(block), 12, block), first)


def test_a_resumed_run_takes_every_step_once(tmp_path):
    """Each step is taken from the state after the step before, wherever the run was stopped."""
    for stop in (1, 5, 12, 19):
        taken = interrupted(tmp_path / str(stop), 20, 5, stop)
        assert taken == list(range(stop))
        checkpointed = stop - stop % 5
        assert interrupted(tmp_path / str(stop), 20, 5) == list(range(checkpointed, 20))


@pytest.mark.parametrize("stop", range(0, 36, 5))
def test_a_run_stopped_at_any_step_ends_in_the_same_weights(tmp_path, stop):
    """Neither the block nor the total is a multiple of the steps that are taken at once."""
    assert 25 % STRIDE
    assert 36 % STRIDE
    interrupted(tmp_path / "parts", 36, 25, stop)
    assert_same(steps(tmp_path / "parts", 36, 25), steps(tmp_path / "whole", 36, 25))


@pytest.mark.parametrize("block", [1, 7, 10, 25])
def test_a_finished_run_can_be_made_longer(tmp_path, block):
    for count in (3, 12, 31):
        longer = steps(tmp_path / "parts", count, block)
    assert_same(longer, steps(tmp_path / "whole", 31, block))


def test_a_checkpoint_of_automatic_optimisation_is_gone_on_from(tmp_path):
    """Trainings were begun with it, one Lightning step for each step."""
    steps(tmp_path / "parts", 14, 7)
    path = tmp_path / "parts" / CHECKPOINT
    checkpoint = torch.load(path, weights_only=True)
    loop = checkpoint["loops"]["fit_loop"]
    automatic = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]
    manual = loop["epoch_loop.manual_optimization.optim_step_progress"]
    automatic["total"], manual["total"] = manual["total"], automatic["total"]
    assert manual["total"]["completed"] == 0
    # An epoch had as many batches as a block has steps.
    for count in ("total", "current"):
        loop["epoch_loop.batch_progress"][count] |= dict.fromkeys(
            ("ready", "started", "processed", "completed"), 14 if count == "total" else 7
        )
    torch.save(checkpoint, path)
    assert_same(steps(tmp_path / "parts", 20, 7), steps(tmp_path / "whole", 20, 7))


def logged(folder):
    """Loss by step, from the logs of all calls, of which there is one each."""
    rows = {}
    for path in sorted(folder.rglob("metrics.csv")):
        with path.open() as file:
            rows |= {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    return rows


def test_the_loss_is_logged(tmp_path):
    steps(tmp_path, 2 * LOG_EVERY, LOG_EVERY)
    losses = []
    bare_loop("angle", 2 * LOG_EVERY, a_model(), log=losses)
    rows = logged(tmp_path)
    assert list(rows) == [LOG_EVERY - 1, 2 * LOG_EVERY - 1]
    for step, loss in rows.items():
        assert loss == pytest.approx(losses[step], rel=1e-6)


def test_a_resumed_run_keeps_the_log_of_its_beginning(tmp_path):
    interrupted(tmp_path, 3 * LOG_EVERY, LOG_EVERY, 2 * LOG_EVERY + 10)
    steps(tmp_path, 3 * LOG_EVERY, LOG_EVERY)
    assert list(logged(tmp_path)) == [n * LOG_EVERY - 1 for n in (1, 2, 3)]


def test_training_says_nothing_but_its_progress(tmp_path, capfd, recwarn):
    steps(tmp_path, 4, 2)
    steps(tmp_path, 4, 2)
    assert capfd.readouterr() == ("", "")
    assert [str(w.message) for w in recwarn] == []


def test_a_sweep_hears_how_far_the_training_got(tmp_path):
    heard = []
    with listening(heard.append):
        steps(tmp_path, 30, 12)
    assert heard == pytest.approx([0.4, 0.8, 1])


# The golden log


def test_the_first_steps_of_every_stage_have_the_losses_of_the_stored_log():
    stored, found = json.loads(GOLDEN.read_text()), golden_log()
    assert found.keys() == stored.keys()
    for stage, losses in stored.items():
        assert found[stage] == pytest.approx(losses, rel=1e-3), stage
        assert len(losses) == 20


def test_training_lowers_the_loss():
    for stage, losses in golden_log(200).items():
        assert math.fsum(losses[-10:]) < math.fsum(losses[:10]), stage


# Bad input


@pytest.mark.parametrize("value", [0, -1, 2.5, None, True])
@pytest.mark.parametrize("name", ["steps", "block"])
def test_schedules_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 1, got {value}"):
        Schedule(**{"steps": 10, "block": 5, name: value})


def test_an_unknown_device_is_refused_before_anything_is_written(tmp_path):
    module = AutoencoderTraining(a_model(), RADAR, COMMUNICATION, PLAN, stage="angle", seed=0)
    with pytest.raises(ValueError, match="device must be one of 'cpu', 'cuda', got 'tpu'"):
        train(module, Schedule(2), tmp_path / "run", device="tpu")
    assert not (tmp_path / "run").exists()

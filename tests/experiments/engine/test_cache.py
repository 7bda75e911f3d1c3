"""Finished tasks are found again whole, or not at all, and two processes never run one at once."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
import torch
from sweep_tasks import GivesAnything, Read, Square, Sum, Train, cache_in, calls, record_of

from isaclib.experiments.engine.cache import Record, execute
from isaclib.experiments.engine.tasks import Outcome, Point


def value(record):
    found = record.outcome.points[0].values["y"]
    return getattr(found, "value", found)


def test_a_finished_task_is_read_and_not_run_again(tmp_path):
    cache = cache_in(tmp_path)
    first, second = execute(Square(3), cache), execute(Square(3), cache)
    assert calls(tmp_path, Square(3)) == 1
    assert value(first) == value(second) == 9.0
    # What is returned does not depend on whether it was stored.
    estimate = second.outcome.points[0].values["y"]
    assert first.outcome.points[0].values["y"] == estimate
    assert estimate.count == 1000
    assert second.outcome.points[0].values["nan"] != second.outcome.points[0].values["nan"]
    assert (second.commit, second.source) == ("0" * 40, "")
    assert second.elapsed_s >= 0


def test_what_a_task_holds_is_run_first_and_once(tmp_path):
    cache, squares = cache_in(tmp_path), (Square(1), Square(2))
    assert value(execute(Sum(squares), cache)) == 5.0
    assert value(execute(Square(2), cache)) == 4.0
    assert [calls(tmp_path, square) for square in squares] == [1, 1]


def test_tensors_and_notes_come_back(tmp_path):
    found = execute(Train(0.5, marks=(0, 10)), cache_in(tmp_path)).outcome
    assert found.tensors["weights"].tolist() == [0.5, 10.5]
    assert found.tensors["weights"].dtype == torch.float64
    assert found.notes == {"by": "counting"}


def test_a_training_with_more_marks_serves_and_one_with_fewer_is_run_for_all(tmp_path):
    cache, wide, narrow = cache_in(tmp_path), Train(0.0, marks=(1, 2, 5)), Train(0.0, marks=(2,))
    execute(wide, cache)
    assert execute(narrow, cache).outcome.tensors["marks"].tolist() == [2]
    assert calls(tmp_path, wide) == 1
    assert value(execute(Read(Train(0.0, marks=(7,)), 7), cache)) == 7.0
    assert calls(tmp_path, wide) == 2
    # Checkpoints with other marks are not gone on from.
    assert len(list(cache.place(wide).glob("work-*"))) == 2
    assert execute(Train(0.0, marks=(1, 7)), cache).outcome.tensors["marks"].tolist() == [1, 7]
    assert calls(tmp_path, wide) == 2
    assert len(list(cache.place(wide).glob("*.safetensors"))) == 1


def damage(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def rewritten(**changes):
    def spoil(record):
        record.write_text(json.dumps(json.loads(record.read_text()) | changes))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.write_text(record.read_text()[:-5]),
        lambda record: record.write_text("[]"),
        lambda record: record.write_text("[" * 100_000),
        lambda record: record.write_text(record.read_text().replace("9.0", "8.0")),
        rewritten(sha256="0" * 64),
        rewritten(points=[]),
        rewritten(task={}),
        lambda record: record.write_bytes(b"\xff"),
    ],
)
def test_a_damaged_record_is_said_to_be_and_made_again(tmp_path, capsys, spoil):
    cache, record = cache_in(tmp_path), record_of(tmp_path, Square(3))
    before = execute(Square(3), cache)
    content = record.read_text()
    spoil(record)
    assert value(execute(Square(3), cache)) == value(before)
    assert calls(tmp_path, Square(3)) == 2
    assert f"isaclib: {record}: " in capsys.readouterr().err
    assert json.loads(record.read_text())["points"] == json.loads(content)["points"]


@pytest.mark.parametrize("spoil", [damage, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_weights_are_said_to_be_and_made_again(tmp_path, capsys, spoil):
    cache, training = cache_in(tmp_path), Train(0.5, marks=(3,))
    execute(training, cache)
    (weights,) = cache.place(training).glob("*.safetensors")
    before = weights.read_bytes()
    spoil(weights)
    assert execute(training, cache).outcome.tensors["weights"].tolist() == [3.5]
    assert calls(tmp_path, training) == 2
    assert f"isaclib: {weights}: weights file" in capsys.readouterr().err
    assert weights.read_bytes() == before


def test_a_missing_record_is_nothing_to_speak_of(tmp_path, capsys):
    cache = cache_in(tmp_path)
    execute(Square(3), cache)
    record_of(tmp_path, Square(3)).unlink()
    execute(Square(3), cache)
    assert calls(tmp_path, Square(3)) == 2
    assert capsys.readouterr().err == ""


def test_another_device_is_another_folder_and_the_same_key(tmp_path):
    here, there = cache_in(tmp_path / "cpu"), cache_in(tmp_path / "cuda", "cuda")
    execute(Square(3), here)
    assert there.read(Square(3)) is None
    assert there.place(Square(3)).name == here.place(Square(3)).name


def test_what_was_taken_from_a_result_says_so(tmp_path):
    cache = cache_in(tmp_path)
    cache.write(Square(3), Record(Outcome([Point({"y": 9.0})]), "a" * 40, None, "p9-fig1"))
    found = execute(Square(3), cache)
    assert (found.commit, found.elapsed_s, found.source) == ("a" * 40, None, "p9-fig1")
    assert calls(tmp_path, Square(3)) == 0


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("list", "a task must return an Outcome, got list"),
        ("text", "points of numbers and tensors"),
        ("path", "points of numbers and tensors"),
    ],
)
def test_a_task_must_return_an_outcome_that_can_be_stored(tmp_path, what, message):
    with pytest.raises(TypeError, match=message):
        execute(GivesAnything(what), cache_in(tmp_path))
    assert not record_of(tmp_path, GivesAnything(what)).exists()


def test_a_task_is_forgotten_and_nothing_else_in_its_folder(tmp_path):
    cache, training = cache_in(tmp_path), Train(0.5, marks=(3,))
    cache.forget(training)
    execute(training, cache)
    (cache.place(training) / "mine.txt").write_text("")
    cache.forget(training)
    left = {path.name for path in cache.place(training).iterdir()}
    assert left == {".lock", "calls", "mine.txt"}


def test_old_temporary_files_are_removed_and_new_ones_left(tmp_path):
    cache = cache_in(tmp_path)
    place = cache.place(Square(3))
    place.mkdir(parents=True)
    for name, age in ((".record.json.0123.tmp", 7200), (".record.json.4567.tmp", 0)):
        (place / name).write_text("")
        os.utime(place / name, (time.time() - age,) * 2)
    execute(Square(3), cache)
    assert [path.name for path in place.glob(".*.tmp")] == [".record.json.4567.tmp"]


def test_two_processes_never_run_the_same_task_at_once(tmp_path, capsys):
    """A worker whose client was stopped may still be busy when the sweep is resumed."""
    go = tmp_path / "go"
    task, cache, found = Square(0, wait=str(go)), cache_in(tmp_path), []
    both = [threading.Thread(target=lambda: found.append(execute(task, cache))) for _ in range(2)]
    for thread in both:
        thread.start()
    time.sleep(0.3)
    go.touch()
    for thread in both:
        thread.join()
    assert [value(record) for record in found] == [0, 0]
    assert calls(tmp_path, task) == 1
    assert "waiting for another process that runs Square-" in capsys.readouterr().err

"""What a task is known by, what it needs, and what of a stored outcome serves it."""

from dataclasses import dataclass, replace

import pytest
import sweep_tasks
import torch
from sweep_tasks import Read, Square, Sum, Train

from isaclib.experiments.engine.tasks import Outcome, Task, content, graph, held_by, key_of


@dataclass(frozen=True)
class Inner:
    values: tuple[float, ...]


@dataclass(frozen=True)
class Holder(Task):
    inner: Inner | None = None
    named: object = None


def test_equal_content_is_one_key_and_any_other_is_another():
    one = Holder(Inner((1.0, 0.5)))
    assert key_of(one) == key_of(Holder(Inner((1, 0.5)))) == key_of(replace(one))
    others = [Holder(), Holder(Inner((1.0,))), Holder(Inner((1.0, 0.25))), Holder(named="x")]
    assert len({key_of(task) for task in (one, *others)}) == 5
    assert len(key_of(one)) == 16


def test_the_class_its_version_and_those_of_held_tasks_are_in_the_key(monkeypatch):
    square, total = Square(2), Sum((Square(2),))
    before = key_of(square), key_of(total)
    assert content(square) == {
        "": "sweep_tasks.Square",
        "version": 1,
        "x": 2,
        "wait": "",
        "fail": "",
    }
    monkeypatch.setattr(Square, "version", 2)
    assert key_of(square) != before[0]
    assert key_of(total) != before[1]


def test_marks_are_no_part_of_a_key():
    assert key_of(Train(1.0, marks=(1, 2))) == key_of(Train(1.0))
    assert Train(1.0, marks=(1,)) == Train(1.0)
    assert key_of(Train(2.0)) != key_of(Train(1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, torch.zeros(2), len, b"x"])
def test_what_json_cannot_hold_is_no_part_of_a_task(value):
    with pytest.raises(ValueError, match="a task's fields must be numbers, texts"):
        key_of(Holder(named=value))


def test_a_class_that_a_worker_cannot_import_is_refused():
    @dataclass(frozen=True)
    class Local(Task):
        pass

    with pytest.raises(ValueError, match="top of a module"):
        key_of(Local())


def test_what_a_task_holds_is_found_at_any_depth_and_comes_before_it():
    inner = Sum((Square(1), Square(2)))
    outer = Sum((inner, Square(1)))
    assert list(held_by(outer)) == [inner, Square(1)]
    assert list(held_by(Holder(named=Inner((1.0,))))) == []
    every = list(graph([Square(3), outer]).values())
    assert len(every) == 5
    for task in every:
        for needed in held_by(task):
            assert every.index(needed) < every.index(task)


def test_a_training_that_several_need_is_one_with_the_marks_of_all():
    some = [Read(Train(0.0, marks=(2, 5)), 5), Read(Train(0.0, marks=(3,)), 3)]
    (training, *readers) = graph(some).values()
    assert training.marks == (2, 3, 5)
    assert readers == some


def test_of_a_stored_training_its_own_marks_are_chosen():
    weights = torch.arange(3.0)
    stored = Outcome(tensors={"marks": torch.tensor([1, 4, 9]), "weights": weights})
    found = Train(0.0, marks=(4, 1)).chosen(stored)
    assert found.tensors["marks"].tolist() == [4, 1]
    assert found.tensors["weights"].tolist() == [1.0, 0.0]
    assert Train(0.0, marks=(4, 5)).chosen(stored) is None
    assert Train(0.0, marks=(5,)).widened(stored).marks == (1, 4, 5, 9)
    assert Square(1).chosen(stored) is stored


def test_a_task_says_how_it_is_run(tmp_path):
    with pytest.raises(NotImplementedError, match="Holder must say how it is run"):
        Holder().run(sweep_tasks.cache_in(tmp_path))

import importlib.util
import io
import os
from contextlib import nullcontext

import pytest
import sweep_tasks
from rich.console import Console
from sweep_tasks import InTwoStages, Read, Square, Sum, Train, cache_in, calls

from isaclib._progress import report, span
from isaclib.experiments.engine.progress import display, duration
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tasks import TaskError, key_of


def squares(count, **fields):
    return [Square(x, **fields) for x in range(count)]


def run_here(tasks, folder):
    return Sweep(progress=False).run(tasks, cache_in(folder))


def values(records):
    found = [record.outcome.points[0].values["y"] for record in records.values()]
    return [getattr(one, "value", one) for one in found]


def test_every_task_is_found_by_its_key(tmp_path):
    found = run_here(squares(4), tmp_path)
    assert list(found) == [key_of(task) for task in squares(4)]
    assert values(found) == [0, 1, 4, 9]


def test_no_tasks_give_no_records(tmp_path):
    assert run_here([], tmp_path) == {}


def test_finished_tasks_are_not_run_again_whoever_asks_for_them(tmp_path):
    run_here(squares(2), tmp_path)
    found = run_here([Sum(tuple(squares(3)))], tmp_path)
    assert values(found) == [0, 1, 4, 5]
    assert [calls(tmp_path, task) for task in squares(3)] == [1, 1, 1]


def test_two_figures_that_need_a_training_run_it_once(tmp_path):
    training = Train(0.0, marks=(2, 5))
    run_here([Read(training, 5)], tmp_path)
    run_here([Read(Train(0.0, marks=(2,)), 2)], tmp_path)
    assert calls(tmp_path, training) == 1


def test_what_only_finished_tasks_need_is_not_run(tmp_path):
    """Stored points of a training whose weights were too large to be stored."""
    first, second = Train(0.0, marks=(2, 5)), Train(1.0, marks=(2,))
    run_here([Read(first, 2), Read(second, 2)], tmp_path)
    for task in (first, second):
        sweep_tasks.record_of(tmp_path, task).unlink()
    found = run_here([Read(first, 2), Read(second, 2)], tmp_path)
    assert values(found) == [2, 3]
    run_here([Read(first, 5), Read(second, 2)], tmp_path)
    assert [calls(tmp_path, task) for task in (first, second)] == [2, 1]


def test_other_content_is_run_again(tmp_path):
    run_here(squares(1), tmp_path)
    run_here([Square(0, wait=os.devnull)], tmp_path)
    assert calls(tmp_path, Square(0)) == calls(tmp_path, Square(0, wait=os.devnull)) == 1


def test_a_failing_task_leaves_the_finished_ones(tmp_path):
    bad = Square(9, fail="no\nsignal")
    with pytest.raises(TaskError, match=f"task Square-{key_of(bad)} failed with ValueError: no"):
        run_here([*squares(2), bad, Square(5)], tmp_path)
    assert [calls(tmp_path, task) for task in (*squares(2), Square(5))] == [1, 1, 0]
    run_here(squares(2), tmp_path)
    assert calls(tmp_path, Square(0)) == 1


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(ValueError, match="workers must be an integer >= 0, got"):
        Sweep(workers=workers)


def test_workers_and_a_scheduler_exclude_each_other():
    with pytest.raises(ValueError, match="workers must be 0 when a scheduler is given"):
        Sweep(workers=2, scheduler="tcp://127.0.0.1:8786")


def test_more_workers_than_cores_are_spoken_of(capsys):
    Sweep(workers=os.cpu_count() + 1)
    assert f"share {os.cpu_count()} cores" in capsys.readouterr().err


def test_progress_goes_to_stderr_with_the_time_left(tmp_path, capsys):
    Sweep().run(squares(2), cache_in(tmp_path))
    Sweep().run([Sum(tuple(squares(3)))], cache_in(tmp_path))
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "Square: 1 of 2 done",
        "Square: 2 of 2 done",
        "Square: 3 of 3 done",
        "Sum: 1 of 1 done",
    ]
    assert lines[-1].endswith("so far, about 0 s left")


def test_what_a_task_reports_moves_the_progress(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "isaclib.experiments.engine.sweep.display",
        lambda kinds: nullcontext(lambda kind, part: seen.append((kind, part))),
    )
    Sweep().run([InTwoStages(0)], cache_in(tmp_path))
    assert {kind for kind, _ in seen} == {"InTwoStages"}
    assert [part for _, part in seen] == pytest.approx([0.25, 0.5, 0.5, 0.75, 0.99, 0.99, 1])


def test_a_report_without_a_listener_does_nothing():
    report(0.5)
    with span(0, 0.5):
        report(2.0)


def test_on_a_terminal_the_progress_is_a_bar_a_kind():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with display({"Train": (2, 2), "Square": (1, 4)}, console) as update:
        update("Square", 0.25)
        update("Square", 1.0)
        update("Square", 0.5)
    text = console.file.getvalue()
    assert "Square" in text
    assert "Train" not in text
    assert "2/4" in text
    assert "62%" in text


def test_durations_read_as_people_say_them():
    assert [duration(s) for s in (41.2, 750, 12345)] == ["41 s", "12 min", "3.4 h"]


def test_without_the_cluster_extra_a_run_is_in_process_and_says_so(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "distributed" else find(name)
    )
    Sweep(workers=2, progress=False).run(squares(2), cache_in(tmp_path))
    place = cache_in(tmp_path).place(Square(0))
    assert (place / "calls").read_text() == f"{os.getpid()}\n"
    assert 'pip install "isaclib[cluster]"' in capsys.readouterr().err


def test_records_are_whole_when_a_sweep_is_asked_again(tmp_path):
    first, again = run_here(squares(2), tmp_path), run_here(squares(2), tmp_path)
    assert sweep_tasks.record_of(tmp_path, Square(1)).exists()
    assert values(first) == values(again)

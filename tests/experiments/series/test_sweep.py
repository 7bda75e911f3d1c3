import importlib.util
import io
import json
import math
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import series_tasks
from rich.console import Console

from isaclib._progress import report, share
from isaclib.experiments.series.display import display, duration
from isaclib.experiments.series.sweep import Sweep, Task, TaskError


def tasks(count, **payload):
    return [Task(f"x-{x}", {"x": x, **payload}) for x in range(count)]


def squares(results):
    return [result["square"] for result in results]


def calls(state, key):
    path = state / key / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def run_here(function, some, state):
    return Sweep(progress=False).map(function, some, state)


def test_results_come_in_the_order_of_the_tasks(tmp_path):
    assert squares(run_here(series_tasks.square, tasks(4)[::-1], tmp_path)) == [9, 4, 1, 0]


def test_no_tasks_give_no_results(tmp_path):
    assert run_here(series_tasks.square, [], tmp_path) == []


def test_a_finished_task_is_read_and_not_run_again(tmp_path):
    first = run_here(series_tasks.square, tasks(2), tmp_path)
    second = run_here(series_tasks.square, tasks(3), tmp_path)
    assert [calls(tmp_path, f"x-{x}") for x in range(3)] == [1, 1, 1]
    assert json.dumps(second[:2]) == json.dumps(first)
    # What is returned does not depend on whether it was stored: both are JSON data.
    assert first[0]["pair"] == [1, 2]
    assert math.isnan(second[0]["undefined"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record.write_text(record.read_text()[:-5]),
        lambda record: record.write_text("[]"),
        lambda record: record.write_text(record.read_text().replace('"fingerprint": "', '"f": "')),
        lambda record: record.write_text(
            json.dumps(json.loads(record.read_text()) | {"result": 3})
        ),
        lambda record: record.write_bytes(b"\xff"),
        Path.unlink,
    ],
)
def test_a_broken_record_is_run_again(tmp_path, spoil):
    run_here(series_tasks.square, tasks(1), tmp_path)
    spoil(tmp_path / "x-0.json")
    assert squares(run_here(series_tasks.square, tasks(1), tmp_path)) == [0]
    assert calls(tmp_path, "x-0") == 2


def test_another_payload_or_function_is_run_again(tmp_path):
    run_here(series_tasks.square, [Task("a", {"x": 2})], tmp_path)
    assert squares(run_here(series_tasks.square, [Task("a", {"x": 3})], tmp_path)) == [9]
    run_here(series_tasks.simulate, [Task("a", {"seed": 3, "x": 3})], tmp_path)
    assert squares(run_here(series_tasks.square, [Task("a", {"x": 3})], tmp_path)) == [9]
    assert calls(tmp_path, "a") == 3


def test_a_failing_task_names_itself_and_leaves_the_finished_ones(tmp_path):
    some = [*tasks(2), Task("bad", {"x": 0, "fail": "no signal"}), Task("never", {"x": 1})]
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal") as caught:
        run_here(series_tasks.square, some, tmp_path)
    assert caught.value.key == "bad"
    assert isinstance(caught.value.__cause__, ValueError)
    assert calls(tmp_path, "never") == 0
    run_here(series_tasks.square, tasks(2), tmp_path)
    assert [calls(tmp_path, "x-0"), calls(tmp_path, "x-1")] == [1, 1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (series_tasks.not_a_dict, "must return a dict, got list"),
        (series_tasks.not_json, "must return JSON data"),
    ],
)
def test_a_task_must_return_json_data(tmp_path, function, message):
    with pytest.raises(TaskError, match=message):
        run_here(function, tasks(1), tmp_path)
    assert not (tmp_path / "x-0.json").exists()


@pytest.mark.parametrize("key", ["", "a/b", "..", ".hidden", "a b", "a.json", "x" * 121])
def test_a_key_that_is_no_file_name_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="task key must be"):
        run_here(series_tasks.square, [Task(key, {})], tmp_path)


def test_tasks_that_cannot_be_told_apart_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"different keys, got \['x-0'\]"):
        run_here(series_tasks.square, tasks(2) + tasks(1), tmp_path)


def test_a_payload_must_be_json_data(tmp_path):
    with pytest.raises(ValueError, match="payload of task 'a' must be JSON data"):
        run_here(series_tasks.square, [Task("a", {"x": tmp_path})], tmp_path)


def test_a_function_must_have_a_name_that_a_worker_can_import(tmp_path):
    with pytest.raises(ValueError, match="top of a module"):
        run_here(lambda payload, directory: {}, tasks(1), tmp_path)


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(ValueError, match="workers must be an integer >= 0, got"):
        Sweep(workers=workers)


def test_workers_and_a_scheduler_exclude_each_other():
    with pytest.raises(ValueError, match="workers must be 0 when a scheduler is given"):
        Sweep(workers=2, scheduler="tcp://127.0.0.1:8786")


def test_progress_goes_to_stderr_with_the_time_left(tmp_path, capsys):
    Sweep().map(series_tasks.square, tasks(2), tmp_path, label="squares")
    Sweep().map(series_tasks.square, tasks(3), tmp_path, label="squares")
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "squares: 1 of 2 done",
        "squares: 2 of 2 done",
        "squares: 3 of 3 done",
    ]
    assert lines[-1].endswith("so far, about 0 s left")


def test_what_a_task_reports_moves_the_progress(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "isaclib.experiments.series.sweep.display",
        lambda label, begun, total: nullcontext(seen.append),
    )
    Sweep().map(series_tasks.in_two_stages, tasks(2), tmp_path)
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert first == pytest.approx([0.25, 0.5, 0.5, 0.75, 0.99, 0.99, 1])
    assert second == pytest.approx([1.25, 1.5, 1.5, 1.75, 1.99, 1.99, 2])


def test_a_report_without_a_listener_does_nothing():
    report(0.5)
    with share(0, 0.5):
        report(2.0)


def test_on_a_terminal_the_progress_is_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with display("squares", 1, 4, console) as update:
        update(1)
        update(2.5)
    text = console.file.getvalue()
    assert "squares" in text
    assert "2/4" in text
    assert "62%" in text
    assert "about 0 s left" in text


def test_durations_read_as_people_say_them():
    assert [duration(s) for s in (41.2, 750, 12345)] == ["41 s", "12 min", "3.4 h"]


def test_without_the_cluster_extra_a_run_is_in_process_and_says_so(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "distributed" else find(name)
    )
    results = Sweep(workers=2, progress=False).map(series_tasks.square, tasks(2), tmp_path)
    assert squares(results) == [0, 1]
    assert (tmp_path / "x-0" / "calls").read_text() == f"{os.getpid()}\n"
    assert 'pip install "isaclib[cluster]"' in capsys.readouterr().err


def test_two_processes_never_run_the_same_task_at_once(tmp_path):
    """A worker whose client was stopped may still be busy when the sweep is resumed."""
    go = tmp_path / "go"
    some = tasks(1, wait=str(go))
    results = []

    def work():
        results.extend(run_here(series_tasks.square, some, tmp_path))

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    time.sleep(0.3)
    go.touch()
    for thread in both:
        thread.join()
    assert squares(results) == [0, 0]
    assert calls(tmp_path, "x-0") == 1

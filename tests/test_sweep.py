import importlib.util
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import sweep_tasks
from rich.console import Console

from isaclib import _cluster
from isaclib._display import display, duration
from isaclib._interrupt import Interrupted, stop_signals
from isaclib._progress import report, share
from isaclib.sweep import Sweep, Task, TaskError

SUPPORT = Path(sweep_tasks.__file__).parent
ROOT = SUPPORT.parents[1]


def tasks(count, **payload):
    return [Task(f"x-{x}", {"x": x, **payload}) for x in range(count)]


def squares(results):
    return [result["square"] for result in results]


def calls(state, key):
    path = state / key / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def run_here(function, some, state):
    return Sweep(progress=False).map(function, some, state)


# In this process


def test_results_come_in_the_order_of_the_tasks(tmp_path):
    assert squares(run_here(sweep_tasks.square, tasks(4)[::-1], tmp_path)) == [9, 4, 1, 0]


def test_no_tasks_give_no_results(tmp_path):
    assert run_here(sweep_tasks.square, [], tmp_path) == []


def test_a_finished_task_is_read_and_not_run_again(tmp_path):
    first = run_here(sweep_tasks.square, tasks(2), tmp_path)
    second = run_here(sweep_tasks.square, tasks(3), tmp_path)
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
    run_here(sweep_tasks.square, tasks(1), tmp_path)
    spoil(tmp_path / "x-0.json")
    assert squares(run_here(sweep_tasks.square, tasks(1), tmp_path)) == [0]
    assert calls(tmp_path, "x-0") == 2


def test_another_payload_or_function_is_run_again(tmp_path):
    run_here(sweep_tasks.square, [Task("a", {"x": 2})], tmp_path)
    assert squares(run_here(sweep_tasks.square, [Task("a", {"x": 3})], tmp_path)) == [9]
    run_here(sweep_tasks.simulate, [Task("a", {"seed": 3, "x": 3})], tmp_path)
    assert squares(run_here(sweep_tasks.square, [Task("a", {"x": 3})], tmp_path)) == [9]
    assert calls(tmp_path, "a") == 3


def test_a_failing_task_names_itself_and_leaves_the_finished_ones(tmp_path):
    some = [*tasks(2), Task("bad", {"x": 0, "fail": "no signal"}), Task("never", {"x": 1})]
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal") as caught:
        run_here(sweep_tasks.square, some, tmp_path)
    assert caught.value.key == "bad"
    assert isinstance(caught.value.__cause__, ValueError)
    assert calls(tmp_path, "never") == 0
    run_here(sweep_tasks.square, tasks(2), tmp_path)
    assert [calls(tmp_path, "x-0"), calls(tmp_path, "x-1")] == [1, 1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (sweep_tasks.not_a_dict, "must return a dict, got list"),
        (sweep_tasks.not_json, "must return JSON data"),
    ],
)
def test_a_task_must_return_json_data(tmp_path, function, message):
    with pytest.raises(TaskError, match=message):
        run_here(function, tasks(1), tmp_path)
    assert not (tmp_path / "x-0.json").exists()


@pytest.mark.parametrize("key", ["", "a/b", "..", ".hidden", "a b", "a.json", "x" * 121])
def test_a_key_that_is_no_file_name_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="task key must be"):
        run_here(sweep_tasks.square, [Task(key, {})], tmp_path)


def test_tasks_that_cannot_be_told_apart_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"different keys, got \['x-0'\]"):
        run_here(sweep_tasks.square, tasks(2) + tasks(1), tmp_path)


def test_a_payload_must_be_json_data(tmp_path):
    with pytest.raises(ValueError, match="payload of task 'a' must be JSON data"):
        run_here(sweep_tasks.square, [Task("a", {"x": tmp_path})], tmp_path)


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
    Sweep().map(sweep_tasks.square, tasks(2), tmp_path, label="squares")
    Sweep().map(sweep_tasks.square, tasks(3), tmp_path, label="squares")
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
        "isaclib.sweep.display", lambda label, begun, total: nullcontext(seen.append)
    )
    Sweep().map(sweep_tasks.in_two_stages, tasks(2), tmp_path)
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
    results = Sweep(workers=2, progress=False).map(sweep_tasks.square, tasks(2), tmp_path)
    assert squares(results) == [0, 1]
    assert (tmp_path / "x-0" / "calls").read_text() == f"{os.getpid()}\n"
    assert 'pip install "isaclib[cluster]"' in capsys.readouterr().err


def test_two_processes_never_run_the_same_task_at_once(tmp_path):
    """A worker whose client was stopped may still be busy when the sweep is resumed."""
    go = tmp_path / "go"
    some = tasks(1, wait=str(go))
    results = []

    def work():
        results.extend(run_here(sweep_tasks.square, some, tmp_path))

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    time.sleep(0.3)
    go.touch()
    for thread in both:
        thread.join()
    assert squares(results) == [0, 0]
    assert calls(tmp_path, "x-0") == 1


# On a cluster


def test_an_embedded_cluster_gives_the_same_results(tmp_path, capfd):
    seeds = [Task(f"seed-{seed}", {"seed": seed}) for seed in range(5)]
    here = run_here(sweep_tasks.simulate, seeds, tmp_path / "here")
    there = Sweep(workers=2).map(sweep_tasks.simulate, seeds, tmp_path / "there")
    assert there == here
    assert "tasks: 5 of 5 done" in capfd.readouterr().err
    # A second map finds everything stored and needs no cluster at all.
    again = Sweep(scheduler="tcp://127.0.0.1:1").map(
        sweep_tasks.simulate, seeds, tmp_path / "there"
    )
    assert again == here
    assert capfd.readouterr().err == ""


def test_local_workers_share_the_cores_and_listen_on_this_machine_alone(tmp_path):
    sweep = Sweep(workers=2, progress=False)
    found = sweep.map(sweep_tasks.threads, tasks(4), tmp_path / "threads")
    assert {one["threads"] for one in found} == {max(1, (os.cpu_count() or 1) // 2)}
    assert os.getpid() not in {one["pid"] for one in found}
    (listening,) = sweep.map(sweep_tasks.listening, tasks(1), tmp_path / "listening")
    assert listening["hosts"] == ["127.0.0.1"]


def test_a_failing_task_on_a_cluster_leaves_the_finished_ones(tmp_path):
    finished = tmp_path / "x-0.json"
    some = [*tasks(1), Task("bad", {"x": 0, "fail": "no signal", "wait": str(finished)})]
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal"):
        Sweep(workers=2, progress=False).map(sweep_tasks.square, some, tmp_path)
    assert squares(run_here(sweep_tasks.square, tasks(1), tmp_path)) == [0]
    assert calls(tmp_path, "x-0") == 1


def test_a_worker_that_dies_again_and_again_is_an_error(tmp_path):
    with pytest.raises(TaskError, match="task 'x-0' failed with KilledWorker"):
        Sweep(workers=1, progress=False).map(sweep_tasks.die, tasks(1), tmp_path)


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and two workers, as somebody would start them: other processes, by command."""
    address_file = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}"}
    common = ["--scheduler-file", str(address_file)]
    commands = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *common],
        *2 * [["worker", "--nthreads", "1", "--no-dashboard", "--no-nanny", *common]],
    ]
    processes = []
    try:
        for command in commands:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
                    env=environment,
                    cwd=tmp_path,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            sweep_tasks.wait_for(address_file)
        yield json.loads(address_file.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_an_existing_scheduler_gives_the_same_results_and_stays(tmp_path, scheduler):
    seeds = [Task(f"seed-{seed}", {"seed": seed}) for seed in range(3)]
    here = run_here(sweep_tasks.simulate, seeds, tmp_path / "here")
    sweep = Sweep(scheduler=scheduler, progress=False)
    assert sweep.map(sweep_tasks.simulate, seeds, tmp_path / "there") == here
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal"):
        sweep.map(sweep_tasks.square, [Task("bad", {"x": 0, "fail": "no signal"})], tmp_path)
    # The payload may change under the same name: the scheduler must not answer from memory.
    changed = [Task("seed-0", {"seed": 7})]
    (fresh,) = sweep.map(sweep_tasks.simulate, changed, tmp_path / "there")
    assert fresh == run_here(sweep_tasks.simulate, changed, tmp_path / "here")[0]


@pytest.mark.parametrize(
    ("threads", "advice"),
    [([], "has no workers yet"), ([1, 4], "has 4 threads; tasks that train"), ([1, 1], "")],
)
def test_workers_that_do_not_suit_are_spoken_of(capsys, threads, advice):
    class Client:
        def scheduler_info(self):
            return {"workers": {str(i): {"nthreads": n} for i, n in enumerate(threads)}}

    _cluster._advise(Client(), "tcp://host:1")
    said = capsys.readouterr().err
    assert advice in said
    assert bool(said) == bool(advice)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "no address"])
def test_a_scheduler_that_is_not_there_is_a_clear_error(tmp_path, address, monkeypatch):
    monkeypatch.setattr("isaclib._cluster.CONNECT_TIMEOUT", "1s")
    with pytest.raises(OSError, match=f"scheduler must be .*, got '{address}'"):
        Sweep(scheduler=address).map(sweep_tasks.square, tasks(1), tmp_path)


# Stopping and resuming

SCRIPT = """
import sys
from pathlib import Path
import sweep_tasks
from rich.console import Console
from isaclib import _cluster
from isaclib._display import display, duration
from isaclib._interrupt import Interrupted, stop_signals
from isaclib.sweep import Sweep, Task

if __name__ == "__main__":
    workers, state = int(sys.argv[1]), Path(sys.argv[2])
    # The last two tasks wait for a file that nobody makes while this runs.
    tasks = [Task(f"x-{x}", {"x": x, "wait": str(state / "go") if x > 1 else ""}) for x in range(4)]
    try:
        with stop_signals():
            print(Sweep(workers, progress=False).map(sweep_tasks.square, tasks, state))
    except Interrupted as error:
        sys.exit(error.exit_status)
"""


def start(tmp_path, workers):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(script), str(workers), str(state)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return process, state


def processes_of_session(session):
    found = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    return [line for line in found.stdout.splitlines() if " Z" not in line]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_stopped_sweep_goes_on_where_it_was(tmp_path, workers, signum, status):
    process, state = start(tmp_path, workers)
    for x in (0, 1):
        sweep_tasks.wait_for(state / f"x-{x}.json")
    sweep_tasks.wait_for(state / "x-2" / "calls")
    # Ctrl-C reaches the whole group of processes, as a terminal sends it.
    (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
    assert process.wait(timeout=60) == status
    if signum != signal.SIGKILL:
        assert process.stderr.read() == ""
    deadline = time.monotonic() + 30
    while processes_of_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of_session(process.pid) == []
    assert sorted(path.name for path in state.glob("*.json")) == ["x-0.json", "x-1.json"]

    (state / "go").touch()
    again, _ = start(tmp_path, workers)
    output, errors = again.communicate(timeout=120)
    assert (again.returncode, errors) == (0, "")
    assert all(f"'square': {x * x}," in output for x in range(4))
    assert [calls(state, f"x-{x}") for x in (0, 1)] == [1, 1]
    assert calls(state, "x-2") == 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_exit_status_survives_what_lightning_makes_of_a_signal(tmp_path, signum):
    """Lightning ends an interrupted fit with SystemExit(1), and handles SIGTERM itself."""
    import pytorch_lightning as lightning
    import torch

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def training_step(self, batch, index):
            if index == 2:
                os.kill(os.getpid(), signum)
            return (self.weight * batch).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer = lightning.Trainer(
        max_steps=5,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    data = torch.utils.data.DataLoader(torch.ones(8), batch_size=1)
    with pytest.raises(Interrupted) as caught, stop_signals():
        trainer.fit(Module(), data)
    assert caught.value.exit_status == 128 + signum
    assert trainer.global_step == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_errors_without_a_signal_pass_and_handlers_are_restored():
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    with pytest.raises(SystemExit) as caught, stop_signals():
        sys.exit(7)
    assert caught.value.code == 7
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_signals_are_left_alone():
    seen = []

    def work():
        with stop_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import series_tasks

from isaclib.experiments.engine.interrupt import Interrupted, stop_signals
from isaclib.experiments.series import cluster
from isaclib.experiments.series.sweep import Sweep, Task, TaskError

SUPPORT = Path(series_tasks.__file__).parent
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


def test_an_embedded_cluster_gives_the_same_results(tmp_path, capfd):
    seeds = [Task(f"seed-{seed}", {"seed": seed}) for seed in range(5)]
    here = run_here(series_tasks.simulate, seeds, tmp_path / "here")
    there = Sweep(workers=2).map(series_tasks.simulate, seeds, tmp_path / "there")
    assert there == here
    assert "tasks: 5 of 5 done" in capfd.readouterr().err
    # A second map finds everything stored and needs no cluster at all.
    again = Sweep(scheduler="tcp://127.0.0.1:1").map(
        series_tasks.simulate, seeds, tmp_path / "there"
    )
    assert again == here
    assert capfd.readouterr().err == ""


def test_local_workers_share_the_cores_and_listen_on_this_machine_alone(tmp_path):
    sweep = Sweep(workers=2, progress=False)
    found = sweep.map(series_tasks.threads, tasks(4), tmp_path / "threads")
    assert {one["threads"] for one in found} == {max(1, (os.cpu_count() or 1) // 2)}
    assert os.getpid() not in {one["pid"] for one in found}
    (listening,) = sweep.map(series_tasks.listening, tasks(1), tmp_path / "listening")
    assert listening["hosts"] == ["127.0.0.1"]


def test_a_failing_task_on_a_cluster_leaves_the_finished_ones(tmp_path):
    finished = tmp_path / "x-0.json"
    some = [*tasks(1), Task("bad", {"x": 0, "fail": "no signal", "wait": str(finished)})]
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal"):
        Sweep(workers=2, progress=False).map(series_tasks.square, some, tmp_path)
    assert squares(run_here(series_tasks.square, tasks(1), tmp_path)) == [0]
    assert calls(tmp_path, "x-0") == 1


def test_a_worker_that_dies_again_and_again_is_an_error(tmp_path):
    with pytest.raises(TaskError, match="task 'x-0' failed with KilledWorker"):
        Sweep(workers=1, progress=False).map(series_tasks.die, tasks(1), tmp_path)


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
            series_tasks.wait_for(address_file)
        yield json.loads(address_file.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_an_existing_scheduler_gives_the_same_results_and_stays(tmp_path, scheduler):
    seeds = [Task(f"seed-{seed}", {"seed": seed}) for seed in range(3)]
    here = run_here(series_tasks.simulate, seeds, tmp_path / "here")
    sweep = Sweep(scheduler=scheduler, progress=False)
    assert sweep.map(series_tasks.simulate, seeds, tmp_path / "there") == here
    with pytest.raises(TaskError, match="task 'bad' failed with ValueError: no signal"):
        sweep.map(series_tasks.square, [Task("bad", {"x": 0, "fail": "no signal"})], tmp_path)
    # The payload may change under the same name: the scheduler must not answer from memory.
    changed = [Task("seed-0", {"seed": 7})]
    (fresh,) = sweep.map(series_tasks.simulate, changed, tmp_path / "there")
    assert fresh == run_here(series_tasks.simulate, changed, tmp_path / "here")[0]


@pytest.mark.parametrize(
    ("threads", "advice"),
    [([], "has no workers yet"), ([1, 4], "has 4 threads; tasks that train"), ([1, 1], "")],
)
def test_workers_that_do_not_suit_are_spoken_of(capsys, threads, advice):
    class Client:
        def scheduler_info(self):
            return {"workers": {str(i): {"nthreads": n} for i, n in enumerate(threads)}}

    cluster._advise(Client(), "tcp://host:1")
    said = capsys.readouterr().err
    assert advice in said
    assert bool(said) == bool(advice)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "no address"])
def test_a_scheduler_that_is_not_there_is_a_clear_error(tmp_path, address, monkeypatch):
    monkeypatch.setattr("isaclib.experiments.series.cluster.CONNECT_TIMEOUT", "1s")
    with pytest.raises(OSError, match=f"scheduler must be .*, got '{address}'"):
        Sweep(scheduler=address).map(series_tasks.square, tasks(1), tmp_path)


# Stopping and resuming

SCRIPT = """
import sys
from pathlib import Path
import series_tasks
from rich.console import Console
from isaclib.experiments.series import cluster
from isaclib.experiments.series.display import display, duration
from isaclib.experiments.engine.interrupt import Interrupted, stop_signals
from isaclib.experiments.series.sweep import Sweep, Task

if __name__ == "__main__":
    workers, state = int(sys.argv[1]), Path(sys.argv[2])
    # The last two tasks wait for a file that nobody makes while this runs.
    tasks = [Task(f"x-{x}", {"x": x, "wait": str(state / "go") if x > 1 else ""}) for x in range(4)]
    try:
        with stop_signals():
            print(Sweep(workers, progress=False).map(series_tasks.square, tasks, state))
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
        series_tasks.wait_for(state / f"x-{x}.json")
    series_tasks.wait_for(state / "x-2" / "calls")
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

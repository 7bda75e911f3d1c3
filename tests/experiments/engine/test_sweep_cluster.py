import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sweep_tasks
from sweep_tasks import (
    Die,
    Listening,
    Simulate,
    Square,
    Sum,
    Threads,
    cache_in,
    calls,
    record_of,
    wait_for,
)

from isaclib.experiments.engine import cluster
from isaclib.experiments.engine.interrupt import Interrupted, stop_signals
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tasks import TaskError, key_of

SUPPORT = Path(sweep_tasks.__file__).parent
ROOT = SUPPORT.parents[1]


def squares(count, **fields):
    return [Square(x, **fields) for x in range(count)]


def values(records):
    return [record.outcome.points[0].values["y"].value for record in records.values()]


def simulated(records):
    points = [record.outcome.points[0].values["sum"] for record in records.values()]
    return points, [record.outcome.tensors["noise"].tolist() for record in records.values()]


def run_here(tasks, folder):
    return Sweep(progress=False).run(tasks, cache_in(folder))


def test_an_embedded_cluster_gives_the_same(tmp_path, capfd):
    seeds = [Simulate(seed) for seed in range(5)]
    here = run_here(seeds, tmp_path / "here")
    there = Sweep(workers=2).run(seeds, cache_in(tmp_path / "there"))
    assert simulated(there) == simulated(here)
    assert "Simulate: 5 of 5 done" in capfd.readouterr().err
    # A second run finds everything stored and needs no cluster at all.
    again = Sweep(scheduler="tcp://127.0.0.1:1").run(seeds, cache_in(tmp_path / "there"))
    assert simulated(again) == simulated(here)
    assert capfd.readouterr().err == ""


def test_tasks_wait_for_those_that_they_hold(tmp_path):
    terms = tuple(squares(3))
    total = Sum((Square(4), *terms))
    found = Sweep(workers=2, progress=False).run([total], cache_in(tmp_path))
    assert found[key_of(total)].outcome.points[0].values["y"] == 21.0
    assert [calls(tmp_path, term) for term in terms] == [1, 1, 1]


def test_local_workers_share_the_cores_and_listen_on_this_machine_alone(tmp_path):
    sweep = Sweep(workers=2, progress=False)
    records = sweep.run([Threads(n) for n in range(4)], cache_in(tmp_path / "threads"))
    found = [record.outcome.points[0].values for record in records.values()]
    assert {one["threads"] for one in found} == {max(1, (os.cpu_count() or 1) // 2)}
    assert os.getpid() not in {one["pid"] for one in found}
    (listening,) = sweep.run([Listening()], cache_in(tmp_path / "listening")).values()
    assert listening.outcome.notes == {"hosts": "127.0.0.1"}


def test_a_failing_task_on_a_cluster_leaves_the_finished_ones(tmp_path):
    finished = record_of(tmp_path, Square(0))
    bad = Square(1, fail="no signal", wait=str(finished))
    with pytest.raises(TaskError, match=f"task Square-{key_of(bad)} failed with ValueError: no s"):
        Sweep(workers=2, progress=False).run([*squares(1), bad], cache_in(tmp_path))
    assert values(run_here(squares(1), tmp_path)) == [0]
    assert calls(tmp_path, Square(0)) == 1


def test_a_worker_that_dies_again_and_again_is_an_error(tmp_path):
    with pytest.raises(TaskError, match=r"task Die-\w+ failed with KilledWorker"):
        Sweep(workers=1, progress=False).run([Die()], cache_in(tmp_path))


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


def test_an_existing_scheduler_gives_the_same_and_stays(tmp_path, scheduler):
    seeds = [Simulate(seed) for seed in range(3)]
    here = run_here(seeds, tmp_path / "here")
    sweep, there = Sweep(scheduler=scheduler, progress=False), cache_in(tmp_path / "there")
    assert simulated(sweep.run(seeds, there)) == simulated(here)
    with pytest.raises(TaskError, match="failed with ValueError: no signal"):
        sweep.run([Square(0, fail="no signal")], there)
    # A task that is forgotten is run again: the scheduler must not answer from memory.
    there.forget(seeds[0])
    assert simulated(sweep.run(seeds, there)) == simulated(here)
    assert record_of(tmp_path / "there", seeds[0]).exists()
    assert sweep.run([Sum((Square(2), Square(3)))], there)


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
    monkeypatch.setattr("isaclib.experiments.engine.cluster.CONNECT_TIMEOUT", "1s")
    with pytest.raises(OSError, match=f"scheduler must be .*, got '{address}'"):
        Sweep(scheduler=address).run(squares(1), cache_in(tmp_path))


# Stopping and resuming

SCRIPT = """
import sys
from pathlib import Path
import sweep_tasks
from rich.console import Console
from isaclib.experiments.engine import cluster, progress
from isaclib.experiments.engine.interrupt import Interrupted, stop_signals
from isaclib.experiments.engine.sweep import Sweep

if __name__ == "__main__":
    workers, state = int(sys.argv[1]), Path(sys.argv[2])
    # The last two tasks wait for a file that nobody makes while this runs.
    tasks = [sweep_tasks.Square(x, wait=str(state / "go") if x > 1 else "") for x in range(4)]
    try:
        with stop_signals():
            cache = sweep_tasks.cache_in(state)
            for record in Sweep(workers, progress=False).run(tasks, cache).values():
                print(record.outcome.points[0].values["y"].value)
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
    tasks = [Square(x, wait=str(state / "go") if x > 1 else "") for x in range(4)]
    for task in tasks[:2]:
        wait_for(record_of(state, task))
    wait_for(record_of(state, tasks[2]).with_name("calls"))
    # Ctrl-C reaches the whole group of processes, as a terminal sends it.
    (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
    assert process.wait(timeout=60) == status
    if signum != signal.SIGKILL:
        assert process.stderr.read() == ""
    deadline = time.monotonic() + 30
    while processes_of_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of_session(process.pid) == []
    assert [record_of(state, task).exists() for task in tasks] == [True, True, False, False]

    (state / "go").touch()
    again, _ = start(tmp_path, workers)
    output, errors = again.communicate(timeout=120)
    assert (again.returncode, errors) == (0, "")
    assert sorted(output.split()) == ["0.0", "1.0", "4.0", "9.0"]
    assert [calls(state, task) for task in tasks[:3]] == [1, 1, 2]


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


class Asking:
    """Sends its own process a signal as soon as nobody needs it any more."""

    def __init__(self, signum):
        self.signum = signum

    def __del__(self):
        signal.raise_signal(self.signum)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0, 10])
def test_a_signal_that_comes_while_an_object_is_freed_is_not_lost(capfd, signum, seconds):
    """Python discards exceptions in ``__del__``: one that Lightning's profiler has, for example."""
    hook, begun = sys.unraisablehook, time.monotonic()

    def work():
        Asking(signum)
        time.sleep(seconds)

    with pytest.raises(Interrupted) as caught, stop_signals():
        work()
    assert caught.value.signum == signum
    assert time.monotonic() - begun < 5
    assert sys.unraisablehook is hook
    assert capfd.readouterr() == ("", "")


def test_other_exceptions_while_an_object_is_freed_are_reported(monkeypatch):
    class Failing:
        def __del__(self):
            raise ValueError("while freed")

    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: reported.append(str(lost.exc_value)))
    with stop_signals():
        Failing()
    assert reported == ["while freed"]


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

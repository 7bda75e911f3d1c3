import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import fake_paper
import pytest
from sweep_tasks import Square, calls, record_of, wait_for

from isaclib import __version__
from isaclib.experiments import claims, registry
from isaclib.experiments.engine.results import load_result

SUPPORT = Path(fake_paper.__file__).parent
ROOT = SUPPORT.parents[1]


@pytest.fixture(autouse=True)
def fake_registry(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "listed", lambda: [fake_paper.FIGURES])
    monkeypatch.setattr(claims, "listed", lambda: [fake_paper.CLAIMS])
    monkeypatch.setenv("ISACLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ISACLIB_STATE", raising=False)
    monkeypatch.chdir(tmp_path)


PROGRAM = """
import sys
import fake_paper
from isaclib import cli
from isaclib.experiments import claims, registry

if __name__ == "__main__":
    registry.listed = lambda: [fake_paper.FIGURES]
    claims.listed = lambda: [fake_paper.CLAIMS]
    cli.main()
"""


def environment():
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SUPPORT}"}


def python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_module_is_the_command():
    done = python("-m", "isaclib", "--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"isaclib {__version__}")
    done = python("-m", "isaclib", "run", "nothing")
    assert done.returncode == 2
    assert done.stderr.startswith("isaclib: error: ")


def test_help_is_quick_because_it_imports_nothing_heavy():
    done = python("-X", "importtime", "-m", "isaclib", "--help")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert imported.isdisjoint({"torch", "numpy", "matplotlib", "pytorch_lightning", "distributed"})


def test_output_into_a_closed_pipe_is_no_error_worth_a_traceback(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        f"{sys.executable} program.py claims --json | true",
        shell=True,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("workers", "signum", "status"), [(0, signal.SIGINT, 130), (2, signal.SIGTERM, 143)]
)
def test_a_stopped_run_says_how_to_go_on_and_does(tmp_path, monkeypatch, workers, signum, status):
    go = tmp_path / "go"
    program = PROGRAM.replace(
        "    cli.main()",
        "    import fake_paper\n"
        f"    fake_paper.PRESETS['desk'] = fake_paper.Config(3, wait={str(go)!r})\n"
        "    cli.main()",
    )
    (tmp_path / "program.py").write_text(program)
    command = [sys.executable, "program.py", "run", "p9-fig1", "--workers", str(workers)]
    command += ["--device", "cpu"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "runs" / "cpu"
    wait_for(runs / record_of(runs, Square(2, str(go))).with_name("calls"))
    for x in (0, 1):
        wait_for(record_of(runs, Square(x)))
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "results" / "p9" / "p9-fig1.json").exists()

    go.touch()
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True, timeout=120
    )
    assert re.search("[23] of 4 tasks are finished already in", done.stderr)
    assert load_result("p9-fig1").rows["y"].values == [0.0, 1.0, 4.0]
    assert calls(runs, Square(0)) == 1


def test_a_signal_among_the_imports_is_answered(tmp_path):
    (tmp_path / "program.py").write_text(
        "import os, signal, sys\n"
        "from isaclib import cli\n"
        "from isaclib.experiments.engine import results\n"
        "results.results_directory = lambda folder: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "program.py", "list"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert "isaclib: error: interrupted" in done.stderr
    assert "Traceback" not in done.stderr

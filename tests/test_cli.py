import dataclasses
import json
import os
import re
from pathlib import Path

import fake_paper
import pytest
import torch
from sweep_tasks import Square, Train, calls, record_of
from typer.testing import CliRunner

from isaclib import _files
from isaclib.cli import app
from isaclib.experiments import claims, registry
from isaclib.experiments.engine.results import PRESETS, load_result, result_path, save_result


@pytest.fixture(autouse=True)
def fake_registry(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "listed", lambda: [fake_paper.FIGURES])
    monkeypatch.setattr(claims, "listed", lambda: [fake_paper.CLAIMS])
    monkeypatch.setenv("ISACLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ISACLIB_STATE", raising=False)
    monkeypatch.chdir(tmp_path)


def isaclib(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments, status=2):
    """Run a command that must fail with one line on stderr, and return that line."""
    outcome = isaclib(*arguments)
    assert outcome.exit_code == status, outcome.output
    assert outcome.stdout == ""
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("isaclib: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in outcome.stderr
    return lines[0].removeprefix("isaclib: error: ")


def words(text):
    """Undo the line breaks of a table's cells."""
    return " ".join(re.sub(r"[^\x00-\x7f]", " ", text).split())


# run


def test_a_run_stores_a_result_with_its_weights_and_prints_its_path(tmp_path):
    outcome = isaclib("run", "p9-fig1", "--preset", "smoke", "--seed", 3)
    assert outcome.exit_code == 0, outcome.output
    path = tmp_path / "results" / "p9" / "p9-fig1.json"
    assert outcome.stdout.split() == [str(path)]
    result = load_result("p9-fig1")
    assert (result.preset, result.provenance.seed) == ("smoke", 3)
    assert result.provenance.device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert result.tensors(system="counting")["weights"].tolist() == [3.0, 5.0]
    # Unfinished work lives beside the results, a folder a kind of device and in it one a task.
    (state,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert state.name == result.provenance.device
    assert sorted(place.name.partition("-")[0] for place in state.iterdir()) == [
        *("Square", "Square", "Train")
    ]


def test_several_figures_run_one_after_another(tmp_path):
    state = tmp_path / "elsewhere"
    outcome = isaclib("run", "p9-fig1", "p9-fig2", "p9-fig1", "--preset", "smoke", "--state", state)
    assert [Path(line).stem for line in outcome.stdout.split()] == ["p9-fig1", "p9-fig2"]
    assert not (tmp_path / "runs").exists()
    # Both figures have the same tasks.
    assert len(list(state.glob("*/*-*"))) == 3


def test_a_run_with_workers_gives_the_same_curves(tmp_path):
    assert isaclib("run", "p9-fig1", "--workers", 2).exit_code == 0
    isaclib("run", "p9-fig1", "--results", "other", "--state", "other-runs")
    here, there = load_result("p9-fig1", "other"), load_result("p9-fig1")
    assert repr(there.rows) == repr(here.rows)
    assert there.provenance.weights == here.provenance.weights


def count(folder, task):
    return sum(calls(device, task) for device in folder.glob("*"))


def test_finished_tasks_are_kept_unless_told_otherwise(tmp_path):
    isaclib("run", "p9-fig1")
    content = result_path("p9-fig1").read_bytes()
    outcome = isaclib("run", "p9-fig1")
    assert "4 of 4 tasks are finished already in" in outcome.stderr
    assert count(tmp_path / "runs", Square(0)) == 1
    (before, after) = (json.loads(c) for c in (content, result_path("p9-fig1").read_bytes()))
    assert before["rows"] == after["rows"]
    assert after["provenance"]["wall_time_s"] >= 0
    outcome = isaclib("run", "p9-fig1", "--no-resume")
    assert "finished already" not in outcome.stderr
    assert count(tmp_path / "runs", Square(0)) == 2


def test_no_resume_deletes_nothing_that_is_not_of_these_tasks(tmp_path):
    isaclib("run", "p9-fig1")
    (device,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    (device / "notes.txt").write_text("mine")
    isaclib("run", "p9-fig1", "--preset", "paper")
    isaclib("run", "p9-fig1", "--no-resume", "--overwrite")
    assert (device / "notes.txt").exists()
    assert record_of(device, Square(3)).exists()


def test_figures_of_one_command_share_what_is_computed_afresh(tmp_path):
    isaclib("run", "p9-fig1", "p9-fig2", "--preset", "smoke", "--no-resume")
    assert count(tmp_path / "runs", Square(0)) == 1


def test_a_fresh_clone_trains_nothing_whose_weights_are_stored(tmp_path):
    """Its own points it measures again; those of a figure that it builds on, it takes."""
    isaclib("run", "p9-fig1", "--preset", "smoke")
    commit = load_result("p9-fig1").provenance.commit
    for clone, figure in (("own", "p9-fig1"), ("other", "p9-fig2")):
        outcome = isaclib("run", figure, "--preset", "smoke", "--state", clone)
        assert outcome.exit_code == 0, outcome.output
        assert count(tmp_path / clone, Train(0.0, marks=(0, 2))) == 0
        assert count(tmp_path / clone, Square(1)) == (1 if clone == "own" else 0)
        assert "finished already" in outcome.stderr
        taken = 1 if clone == "own" else 3
        notes = load_result(figure).provenance.notes
        assert notes[f"{taken} tasks of p9-fig1"] == f"commit {commit}"
    isaclib("run", "p9-fig1", "--preset", "smoke", "--state", "new", "--no-resume")
    assert count(tmp_path / "new", Train(0.0, marks=(0, 2))) == 1


def test_weights_of_another_seed_are_not_taken(tmp_path):
    isaclib("run", "p9-fig1", "--preset", "smoke")
    isaclib("run", "p9-fig1", "--preset", "smoke", "--seed", 1, "--state", "clone")
    assert count(tmp_path / "clone", Train(1.0, marks=(0, 2))) == 1


def test_other_code_than_the_tasks_were_run_by_is_said_and_noted(tmp_path, monkeypatch):
    from isaclib.experiments.engine import provenance, runs

    for module in (runs, provenance):
        monkeypatch.setattr(module, "code_state", lambda: ("a" * 40, False))
    isaclib("run", "p9-fig1")
    for module in (runs, provenance):
        monkeypatch.setattr(module, "code_state", lambda: ("b" * 40, True))
    outcome = isaclib("run", "p9-fig1")
    assert "some at commit aaaaaaa" in outcome.stderr
    source = load_result("p9-fig1").provenance
    assert (source.commit, source.dirty) == ("b" * 40, True)
    assert source.notes["4 tasks at another commit"] == "a" * 40


def test_a_damaged_task_is_computed_again_and_the_result_is_the_same(tmp_path):
    isaclib("run", "p9-fig1")
    before = result_path("p9-fig1").with_suffix("").parent.glob("*.safetensors")
    before = {path.name: path.read_bytes() for path in before}
    for weights in tmp_path.glob("runs/*/Train-*/*.safetensors"):
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(bytes(content))
    outcome = isaclib("run", "p9-fig1", "--no-resume" if not before else "--resume")
    assert outcome.exit_code == 0
    assert "was changed or comes from another run" in outcome.stderr
    after = result_path("p9-fig1").parent.glob("*.safetensors")
    assert {path.name: path.read_bytes() for path in after} == before


def test_a_lower_preset_replaces_a_higher_one_only_when_asked(tmp_path):
    isaclib("run", "p9-fig1", "--preset", "paper")
    before = result_path("p9-fig1").read_bytes()
    message = refused("run", "p9-fig1")
    assert "preset must be at least 'paper'" in message
    assert "got 'desk'; use --overwrite" in message
    assert result_path("p9-fig1").read_bytes() == before
    assert isaclib("run", "p9-fig1", "--overwrite").exit_code == 0
    assert load_result("p9-fig1").preset == "desk"
    assert isaclib("run", "p9-fig1", "--preset", "paper").exit_code == 0


def test_a_broken_result_is_made_again(tmp_path):
    isaclib("run", "p9-fig1", "--preset", "paper")
    result_path("p9-fig1").write_text("{")
    assert isaclib("run", "p9-fig1").exit_code == 0
    assert load_result("p9-fig1").preset == "desk"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p1-fig99"], "figure must be one of 'p9-fig1', .* got 'p1-fig99'"),
        (["../p9-fig1"], "figure must be one of .* got '../p9-fig1'"),
        (["p9-fig1", "--preset", "best"], "preset must be one of 'smoke', 'desk', 'paper', got"),
        (["p9-fig2"], "preset must be one of 'smoke', got 'desk'"),
        (["p9-fig1", "--seed", "-1"], "seed must be an integer >= 0, got -1"),
        (["p9-fig1", "--device", "tpu"], "device must be one of 'auto', 'cpu', 'cuda', got 'tpu'"),
        (["p9-fig1", "--workers", "-2"], "workers must be an integer >= 0, got -2"),
        (["p9-fig1", "--workers", "2", "--scheduler", "tcp://h:1"], "workers must be 0 when a"),
        (["p9-fig1", "--results", "file"], "results must be a folder that can be written, got"),
        (["p9-fig1", "--results", "file/below"], "results must be a folder that can be written"),
        (["p9-fig1", "--state", "file"], "state must be a folder that can be written, got file"),
        (["p9-bad"], r"task Square-\w+ failed with ValueError: no luck$"),
        (["p9-wrong"], "quantities must be among z, got nan, y"),
        (["p9-fig1", "--seed", str(2**63)], r"seed must be an integer >= 0 and < 2\*\*63, got"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    assert re.search(message, refused("run", *arguments))
    assert not list(tmp_path.glob("results/*/*"))
    assert (tmp_path / "file").read_text() == ""


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no usable CUDA GPU, got 'cuda'" in refused("run", "p9-fig1", "--device", "cuda")


def test_all_figures_are_checked_before_the_first_one_runs(tmp_path):
    refused("run", "p9-fig1", "p9-nothing", "--preset", "smoke")
    assert not (tmp_path / "runs").exists()


def test_the_same_run_is_never_at_work_twice(tmp_path):
    isaclib("run", "p9-fig1")
    (lock,) = (tmp_path / "runs").glob(".p9-fig1-desk-*.lock")
    with _files.locked(lock) as free:
        assert free
        message = "state must be a folder where this figure is not running already"
        assert message in refused("run", "p9-fig1")


def test_a_disk_that_fills_up_during_the_run_keeps_the_old_result(tmp_path, monkeypatch):
    isaclib("run", "p9-fig1")
    before = {path: path.read_bytes() for path in tmp_path.glob("results/p9/*")}
    real = os.replace

    def full(source, target):
        if "results" in str(target):
            raise OSError(28, os.strerror(28))
        real(source, target)

    monkeypatch.setattr(_files.os, "replace", full)
    message = refused("run", "p9-fig1", "--preset", "paper")
    assert "No space left on device; nothing was written" in message
    assert {path: path.read_bytes() for path in tmp_path.glob("results/p9/*")} == before


def test_a_traceback_is_shown_only_when_asked_for():
    outcome = isaclib("--debug", "run", "p9-fig1", "--seed", "-1")
    assert outcome.exit_code == 2
    assert "Traceback" in outcome.stderr
    assert "isaclib: error: seed must be" in outcome.stderr


@pytest.mark.parametrize("arguments", [["run"], ["run", "p9-fig1", "--seed", "x"], ["fly"]])
def test_a_command_that_cannot_be_read_is_refused(arguments):
    outcome = isaclib(*arguments)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert outcome.stderr


# list, show, claims


def test_the_list_says_what_is_stored_of_each_figure(tmp_path):
    isaclib("run", "p9-fig1", "--preset", "paper")
    isaclib("run", "p9-fig2", "--preset", "smoke")
    result_path("p9-fig2").write_text("{")
    outcome = isaclib("list")
    assert outcome.exit_code == 0
    text = words(outcome.stdout)
    assert "Squares of numbers" in text
    assert "smoke desk paper" in text
    assert re.search(r"paper, \d{4}-\d\d-\d\d, commit \w+", text)
    assert "up to 1,000 samples a point" in text
    assert "broken: " in text
    assert text.count("nothing") == 2


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("b/c.svg", b"<?xml"), ("d.PDF", b"%PDF")]
)
def test_a_stored_result_is_drawn_to_a_file(tmp_path, name, start):
    isaclib("run", "p9-fig1")
    outcome = isaclib("show", "p9-fig1", "--output", name)
    assert outcome.stdout.strip() == name
    assert (tmp_path / name).read_bytes().startswith(start)


def test_the_drawing_is_named_after_the_figure(tmp_path):
    isaclib("run", "p9-fig1", "--results", "other")
    assert isaclib("show", "p9-fig1", "--results", "other").stdout.strip() == "p9-fig1.png"
    assert (tmp_path / "p9-fig1.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p9-fig1", "--output", "x.bmp"], "output must end in one of .png, .svg, .pdf, got"),
        (["p9-fig1", "--output", "file/x.png"], "cannot write file/x.png: Not a directory"),
        (["p9-fig2"], "p9-fig2.json: there is no such result; create it with `isaclib run"),
        (["p9-fig9"], "figure must be one of"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(tmp_path, arguments, message):
    isaclib("run", "p9-fig1")
    (tmp_path / "file").write_text("")
    assert message in refused("show", *arguments)
    assert not list(tmp_path.glob("*.png"))


def test_a_broken_result_is_not_shown():
    isaclib("run", "p9-fig1")
    path = result_path("p9-fig1")
    path.write_text(path.read_text().replace("4.0", "5.0"))
    assert "the file was edited after it was written" in refused("show", "p9-fig1")


def test_a_valid_result_of_another_shape_is_not_drawn_and_not_judged(monkeypatch):
    isaclib("run", "p9-fig1")
    isaclib("run", "p9-fig2", "--preset", "smoke")
    result = load_result("p9-fig1")
    table = dataclasses.replace(result.rows, coordinates={"other": [1, 2, 3]})
    save_result(dataclasses.replace(result, rows=table, trained=None), {})
    message = refused("show", "p9-fig1")
    assert "the stored result of p9-fig1 cannot be drawn: no column 'system'" in message
    assert "`isaclib run p9-fig1 --preset desk`" in message
    outcome = isaclib("claims", "--json")
    assert outcome.exit_code == 1
    errors = [entry["error"] for entry in json.loads(outcome.stdout)]
    assert "no column 'system'" in errors[0]
    assert errors[1:] == [None, None]


def test_claims_are_a_table_or_json():
    isaclib("run", "p9-fig1")
    isaclib("run", "p9-fig2", "--preset", "smoke")
    outcome = isaclib("claims")
    assert outcome.exit_code == 0
    text = words(outcome.stdout)
    assert "p9-grow reproduced, at reduced scale the largest square is 4 [sic] desk" in text
    entries = json.loads(isaclib("claims", "--json").stdout)
    assert [entry["status"] for entry in entries] == ["reproduced", "partly", "not tested"]
    assert entries[0]["figures"] == ["Fig. 1"]
    assert entries[0]["presets"] == ["desk"]
    assert [result["preset"] for result in entries[1]["results"]] == ["desk", "smoke"]
    assert Path(entries[0]["results"][0]["file"]) == result_path("p9-fig1")
    assert all(entry["error"] is None for entry in entries)


def test_claims_report_all_that_can_be_tested_when_a_result_is_missing():
    isaclib("run", "p9-fig1")
    outcome = isaclib("claims", "--json")
    assert outcome.exit_code == 1
    entries = json.loads(outcome.stdout)
    assert [entry["status"] for entry in entries] == ["reproduced", None, "not tested"]
    assert "there is no such result" in entries[1]["error"]
    assert "isaclib: error: " in outcome.stderr
    outcome = isaclib("claims")
    assert outcome.exit_code == 1
    assert "no result" in words(outcome.stdout)


def test_the_schema_and_a_codecheck_file_are_written(tmp_path):
    isaclib("run", "p9-fig1")
    isaclib("run", "p9-fig2", "--preset", "smoke")
    schema = json.loads(isaclib("claims", "--schema").stdout)
    assert schema["type"] == "array"
    outcome = isaclib("claims", "--codecheck", "codecheck.yml")
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, "codecheck.yml")
    assert "p9-fig1.json" in (tmp_path / "codecheck.yml").read_text()
    result_path("p9-fig2").unlink()
    outcome = isaclib("claims", "--json", "--codecheck", "codecheck.yml")
    assert outcome.exit_code == 1
    assert len(json.loads(outcome.stdout)) == 3
    assert "p9-fig2.json" not in (tmp_path / "codecheck.yml").read_text()
    assert "cannot write" in refused("claims", "--codecheck", "codecheck.yml/x.yml")


def test_two_figures_of_one_id_are_a_mistake(monkeypatch):
    monkeypatch.setattr(fake_paper, "FIGURES", fake_paper.FIGURES[:1] * 2)
    assert "unique ids, got 'p9-fig1' twice" in refused("list")


def test_the_real_registry_has_every_preset_of_every_figure(monkeypatch):
    monkeypatch.undo()
    for name, spec in registry.figures().items():
        assert name == spec.id
        assert name.startswith(f"{spec.paper}-")
        assert set(spec.presets) == set(PRESETS)
        for config in spec.presets.values():
            json.dumps(dataclasses.asdict(config), allow_nan=False)
    known = set(registry.figures())
    for claim in claims.claims():
        assert set(claim.needs) <= known
        assert claim.statement
        assert claim.criterion

import dataclasses
import json
import os
import re
from pathlib import Path

import fake_paper
import pytest
import torch
from typer.testing import CliRunner

from isaclib import _files
from isaclib.cli import app
from isaclib.experiments import claims, registry
from isaclib.experiments.engine.result_schema import PRESETS
from isaclib.experiments.engine.results import load_result, load_weights, result_path


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
    assert load_weights(path.with_suffix(".safetensors"))["w"].tolist() == [3.0, 3.0]
    # Unfinished work lives beside the results, in a folder of this very configuration.
    (state,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert state.name.startswith("p9-fig1-smoke-seed3-")


def test_several_figures_run_one_after_another(tmp_path):
    state = tmp_path / "elsewhere"
    outcome = isaclib("run", "p9-fig1", "p9-fig2", "p9-fig1", "--preset", "smoke", "--state", state)
    assert [Path(line).stem for line in outcome.stdout.split()] == ["p9-fig1", "p9-fig2"]
    assert not (tmp_path / "runs").exists()
    assert len([path for path in state.iterdir() if path.is_dir()]) == 2


def test_a_run_with_workers_gives_the_same_curves(tmp_path):
    assert isaclib("run", "p9-fig1", "--workers", 2).exit_code == 0
    isaclib("run", "p9-fig1", "--results", "other", "--state", "other-runs")
    assert load_result("p9-fig1").series == load_result("p9-fig1", "other").series


def test_finished_tasks_are_kept_unless_told_otherwise(tmp_path):
    def calls():
        (path,) = tmp_path.glob("runs/p9-fig1-desk-*/x-0/calls")
        return len(path.read_text().splitlines())

    isaclib("run", "p9-fig1")
    wall_time_s = load_result("p9-fig1").provenance.wall_time_s
    outcome = isaclib("run", "p9-fig1")
    assert "going on from what is in" in outcome.stderr
    assert calls() == 1
    assert load_result("p9-fig1").provenance.wall_time_s >= wall_time_s
    outcome = isaclib("run", "p9-fig1", "--no-resume")
    assert "going on" not in outcome.stderr
    assert calls() == 1


def test_no_resume_deletes_nothing_that_a_run_did_not_make(tmp_path):
    isaclib("run", "p9-fig1")
    (state,) = tmp_path.glob("runs/p9-fig1-desk-*")
    (state / "run.json").unlink()
    isaclib("run", "p9-fig1", "--no-resume")
    assert (state / "x-0" / "calls").exists()


def test_other_code_than_the_run_was_begun_with_is_said_and_noted(tmp_path, monkeypatch):
    from isaclib.experiments.engine import runs

    monkeypatch.setattr(runs, "code_state", lambda: ("a" * 40, False))
    isaclib("run", "p9-fig1")
    monkeypatch.setattr(runs, "code_state", lambda: ("b" * 40, True))
    outcome = isaclib("run", "p9-fig1")
    assert "begun at commit aaaaaaa, the code is at bbbbbbb now" in outcome.stderr
    source = load_result("p9-fig1").provenance
    assert (source.commit, source.dirty) == ("b" * 40, True)
    assert source.notes == {"begun at commit": "a" * 40}


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
        (["p9-bad"], "task 'x-0' failed with ValueError: no luck$"),
        (["p9-wrong"], "the run of p9-wrong must give a result with figure and preset"),
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


def test_two_runs_never_share_a_work_folder(tmp_path):
    isaclib("run", "p9-fig1")
    (state,) = tmp_path.glob("runs/p9-fig1-desk-*")
    with _files.locked(state.parent / f".{state.name}.lock") as free:
        assert free
        assert "state must be a folder that no other run works in" in refused("run", "p9-fig1")


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
    assert "No space left on device; the file that is there is unchanged" in message
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
    path.write_text(path.read_text().replace("9.0", "8.0").replace("4.0", "5.0"))
    assert "the file was edited after it was written" in refused("show", "p9-fig1")


def test_claims_are_a_table_or_json():
    isaclib("run", "p9-fig1")
    isaclib("run", "p9-fig2", "--preset", "smoke")
    outcome = isaclib("claims")
    assert outcome.exit_code == 0
    text = words(outcome.stdout)
    assert "p9-grow reproduced the largest square is 4 [sic] desk" in text
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

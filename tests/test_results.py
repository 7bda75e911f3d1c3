import contextlib
import copy
import errno
import json
import math
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isaclib import _files, results
from isaclib._provenance import code_state
from isaclib._result_types import decode, encode
from isaclib.results import (
    Provenance,
    Quantity,
    Result,
    ResultError,
    Series,
    load_result,
    load_weights,
    provenance,
    result_path,
    results_directory,
    save_result,
    save_weights,
)

FIGURE = "p1-fig2"
SOURCE = Provenance(
    version="0.1.0",
    commit="0" * 40,
    dirty=False,
    seed=0,
    device="cpu",
    torch="2.13.0",
    threads=2,
    wall_time_s=1.5,
    created="2026-01-31T12:00:00+00:00",
)


def a_result(**changes):
    p_d = Quantity("p_d", [0.1, math.nan], [0.05, math.nan], [0.2, math.nan], [100, 0])
    ser = Quantity("ser", [0.5, 0.25], unit="")
    series = Series("baseline", {"p_d": p_d, "ser": ser})
    config = {"sector_deg": (-20.0, 20.0), "antennas": 16}
    return replace(Result(FIGURE, "desk", config, [series], SOURCE), **changes)


def everything_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(path, change):
    """Change a stored document and give it the right hash again."""
    document = json.loads(path.read_text())
    del document["sha256"]
    document = change(document) or document
    document["sha256"] = results._content_hash(document)
    path.write_text(json.dumps(document))


# What is written is what is read


def test_a_result_survives_the_round_trip(tmp_path):
    path = save_result(a_result(), tmp_path)
    assert path == tmp_path / "p1" / "p1-fig2.json" == result_path(FIGURE, tmp_path)
    loaded = load_result(FIGURE, tmp_path)
    p_d = loaded["baseline"]["p_d"]
    assert p_d.values[0] == 0.1
    assert all(math.isnan(end[1]) for end in (p_d.values, p_d.low, p_d.high))
    assert p_d.count == [100, 0]
    assert loaded["baseline"]["ser"] == a_result()["baseline"]["ser"]
    assert loaded.config == {"sector_deg": [-20.0, 20.0], "antennas": 16}
    assert loaded.provenance == SOURCE
    assert len(loaded["baseline"]) == len(p_d) == 2


numbers = st.floats(allow_nan=True, allow_infinity=False)


@given(st.lists(numbers, min_size=1, max_size=5), st.text(min_size=1).filter(str.strip))
def test_any_numbers_and_any_name_survive_as_json(values, name):
    result = a_result(series=[Series(name, {"y": Quantity("y", values)})])
    results.check_document(encode(result))
    text = results._to_text(encode(result))
    loaded = decode(json.loads(text))[name]["y"].values
    assert [repr(item) for item in loaded] == [repr(item) for item in values]


def test_saving_the_same_result_twice_gives_the_same_file(tmp_path):
    first = save_result(a_result(), tmp_path).read_bytes()
    assert save_result(load_result(FIGURE, tmp_path), tmp_path).read_bytes() == first


def test_nan_is_null_in_the_file_and_lists_of_numbers_are_one_line(tmp_path):
    text = save_result(a_result(), tmp_path).read_text()
    assert '"values": [0.1, null]' in text
    assert "NaN" not in text


def test_the_layout_of_the_file_does_not_matter(tmp_path):
    path = save_result(a_result(), tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items()))))
    assert load_result(FIGURE, tmp_path)["baseline"]["ser"].values == [0.5, 0.25]


def test_looking_for_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(KeyError, match="no series 'learned'; it has 'baseline'"):
        a_result()["learned"]
    with pytest.raises(KeyError, match="no quantity 'rmse'; it has 'p_d', 'ser'"):
        a_result()["baseline"]["rmse"]


# Nothing invalid is written, and nothing invalid is read


def _set(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for step in path:
            document = document[step]
        document[last] = value

    return change


def _drop(*path):
    def change(document):
        *front, last = path
        for step in front:
            document = document[step]
        del document[last]

    return change


QUANTITY = ("series", 0, "quantities", 0)
INVALID = [
    (_set("schema", True), "schema"),
    (_set("figure", "../p1-fig2"), "figure must be a figure id"),
    (_set("figure", 2), "figure must be a figure id"),
    (_set("preset", "best"), "preset must be one of 'smoke', 'desk', 'paper', got 'best'"),
    (_set("config", [1]), "config must be an object"),
    (_set("config", {"snr_db": math.nan}), "config must hold JSON data"),
    (_set("series", []), "series must be a list that is not empty"),
    (_set("series", {}), "series must be a list"),
    (_set("series", 0, "name", " "), r"series\[0\]\.name must be a text that is not empty"),
    (_set("series", 0, 7), r"series\[0\] must be an object, got 7"),
    (_set("series", 0, "colour", "red"), r"series\[0\].*unknown: colour"),
    (_drop(*QUANTITY, "unit"), r"quantities\[0\].*missing: unit"),
    (_set(*QUANTITY, "unit", None), r"unit must be a text, got None"),
    (_set(*QUANTITY, "name", "ser"), r"quantities must be named differently"),
    (_set(*QUANTITY, "values", []), r"values must be a list of numbers that is not empty"),
    (_set(*QUANTITY, "values", "12"), r"values must be a list of numbers"),
    (_set(*QUANTITY, "values", 1, "x"), r"values\[1\] must be a finite number.*got 'x'"),
    (_set(*QUANTITY, "values", 1, math.inf), r"values\[1\] must be a finite number.*got inf"),
    (_set(*QUANTITY, "values", 1, True), r"values\[1\] must be a finite number.*got True"),
    (_set(*QUANTITY, "low", 0, 0.11), r"index 0 must be ordered as low <= value <= high"),
    (_set(*QUANTITY, "high", 0, 0.09), r"index 0 must be ordered as low <= value <= high"),
    (_set(*QUANTITY, "low", None), "low and .*high must be both given or both null"),
    (_set(*QUANTITY, "low", [0.0]), "low must be as long as values, which has 2"),
    (_set(*QUANTITY, "count", [1, -1]), r"count\[1\] must be an integer >= 0, got -1"),
    (_set(*QUANTITY, "count", [1, 2.0]), r"count\[1\] must be an integer >= 0, got 2\.0"),
    (_set(*QUANTITY, "count", 2), r"count must be null or a list"),
    (_set("series", 0, "quantities", 1, "values", [1.0]), "quantities must be equally long"),
    (_set("provenance", "commit", "HEAD"), r"provenance\.commit must be a git commit"),
    (_set("provenance", "dirty", 0), r"provenance\.dirty must be true or false"),
    (_set("provenance", "seed", -1), r"provenance\.seed must be an integer >= 0, got -1"),
    (_set("provenance", "threads", 0), r"provenance\.threads must be an integer >= 1"),
    (_set("provenance", "wall_time_s", -1.0), r"provenance\.wall_time_s must be"),
    (_set("provenance", "wall_time_s", None), r"provenance\.wall_time_s must be"),
    (_set("provenance", "created", "yesterday"), r"provenance\.created must be a UTC time"),
    (_set("provenance", "created", "2026-01-31T12:00:00"), r"provenance\.created must be a UTC"),
    (_set("provenance", "created", 5), r"provenance\.created must be a UTC time"),
    (_set("provenance", "weights", []), r"provenance\.weights must be an object"),
    (_set("provenance", "weights", {"../w": "0" * 64}), "a file name inside the paper's"),
    (_set("provenance", "weights", {"w": "0"}), r"weights\['w'\] must be a SHA-256"),
    (_set("provenance", "notes", {"a": 1}), r"notes\['a'\] must be a text, got 1"),
    (_set("provenance", "notes", None), r"notes must be an object of texts"),
    (lambda _: [1], "result must be an object|must hold a JSON object"),
]


@pytest.mark.parametrize(("change", "message"), INVALID)
def test_an_invalid_document_is_refused_with_its_field(change, message):
    document = copy.deepcopy(encode(a_result()))
    document = change(document) or document
    with pytest.raises(ValueError, match=message):
        results.check_document(document)


READABLE = [case for case in INVALID if case[0](encode(a_result())) is None]


@pytest.mark.parametrize(("change", "message"), READABLE)
def test_an_invalid_stored_file_is_refused_even_with_a_right_hash(tmp_path, change, message):
    path = save_result(a_result(), tmp_path)
    rewrite(path, change)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "isaclib run p1-fig2 --preset" in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        a_result(preset="huge"),
        a_result(series=[]),
        a_result(config={"antennas": torch.tensor(3)}),
        a_result(series=[Series("s", {"x": Quantity("y", [1.0])})]),
        a_result(series=[Series("s", {})]),
        a_result(series=[Series("s", {"y": Quantity("y", [math.inf])})]),
        a_result(figure="fig2"),
    ],
)
def test_an_invalid_result_is_not_saved_and_the_old_one_kept(tmp_path, bad):
    save_result(a_result(), tmp_path)
    before = everything_below(tmp_path)
    with pytest.raises(ValueError, match="must"):
        save_result(bad, tmp_path)
    assert everything_below(tmp_path) == before


def test_an_interval_may_cross_its_value_by_rounding_alone(tmp_path):
    rounding = Quantity("p", [0.1], [0.1 + 1e-17], [0.1 - 1e-17])
    save_result(a_result(series=[Series("s", {"p": rounding})]), tmp_path)
    assert len(load_result(FIGURE, tmp_path)["s"]) == 1


# Files that are not what was written


def break_by_truncating(path):
    path.write_bytes(path.read_bytes()[:-40])


def break_by_emptying(path):
    path.write_bytes(b"")


def break_by_editing(path):
    path.write_text(path.read_text().replace("0.25", "0.24"))


def break_by_dropping_the_hash(path):
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(json.dumps(document))


def break_by_another_schema(path):
    rewrite(path, _set("schema", 2))


def break_by_another_figure(path):
    rewrite(path, _set("figure", "p1-fig3"))


def break_by_binary(path):
    path.write_bytes(b"\xff\xfe\x00")


def break_by_nesting(path):
    path.write_bytes(b"[" * 200_000)


def break_by_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_by_truncating, "is not complete JSON"),
        (break_by_emptying, "is not complete JSON"),
        (break_by_binary, "is not complete JSON"),
        (break_by_nesting, "is not complete JSON"),
        (break_by_editing, "sha256 must be .* the file was edited"),
        (break_by_dropping_the_hash, "sha256 must be"),
        (break_by_another_schema, "schema must be 1, got 2"),
        (break_by_another_figure, "figure must be 'p1-fig2', got 'p1-fig3'"),
        (break_by_a_folder, "cannot be read"),
        (Path.unlink, "there is no such result; create it with"),
    ],
)
def test_a_spoilt_file_is_a_clear_error(tmp_path, spoil, message):
    path = save_result(a_result(), tmp_path)
    spoil(path)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "`isaclib run p1-fig2 --preset paper`" in str(caught.value)


@pytest.mark.parametrize("figure", ["fig2", "p1-fig2/../x", "", None])
def test_a_figure_that_is_no_figure_id_is_refused(tmp_path, figure):
    with pytest.raises(ValueError, match="figure must be a figure id"):
        load_result(figure, tmp_path)


# Failing to write


def fail_with(code):
    def failing(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_full_disk_keeps_the_old_result_and_leaves_nothing_behind(tmp_path, monkeypatch, call):
    path = save_result(a_result(), tmp_path)
    before = everything_below(tmp_path)
    monkeypatch.setattr(_files.os, call, fail_with(errno.ENOSPC))
    with pytest.raises(OSError, match=r"cannot write .*: No space left on device; .* unchanged"):
        save_result(a_result(preset="paper"), tmp_path)
    monkeypatch.undo()
    assert everything_below(tmp_path) == before
    assert load_result(FIGURE, tmp_path).preset == "desk"
    assert path.exists()


def test_a_folder_below_a_regular_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*Not a directory; nothing was written"):
        save_result(a_result(), tmp_path / "file" / "results")
    assert (tmp_path / "file").read_text() == ""


def test_an_interruption_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(_files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_result(a_result(), tmp_path)
    assert everything_below(tmp_path) == {}


def test_a_file_size_limit_of_the_system_is_a_clear_error(tmp_path):
    """The nearest thing to a full disk that the system itself can be asked for."""
    target = tmp_path / "weights.safetensors"
    digest = save_weights(target, {"w": torch.zeros(4)})
    script = textwrap.dedent(
        """
        import sys, torch
        from isaclib.results import save_weights
        try:
            save_weights(sys.argv[1], {"w": torch.zeros(100_000)})
        except OSError as error:
            print(error.strerror)
        """
    )

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", script, str(target)],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        cwd=Path(__file__).parents[1],
        check=True,
    )
    assert "File too large; the file that is there is unchanged" in done.stdout
    assert os.listdir(tmp_path) == ["weights.safetensors"]
    assert load_weights(target, digest)["w"].tolist() == [0.0] * 4


# Weights


def with_weights(folder, name="w.safetensors", value=1.0, preset="desk"):
    digest = save_weights(folder / name, {"layer.weight": torch.full((3, 2), value)})
    return a_result(preset=preset, provenance=replace(SOURCE, weights={name: digest}))


def test_weights_survive_whatever_their_layout(tmp_path):
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    tensors = {
        "a": base,
        "shared": base[0],
        "transposed": base.T,
        "half": base.half(),
        "complex": torch.complex(base, -base),
        "scalar": torch.tensor(7),
        "parameter": torch.nn.Parameter(base.clone()),
    }
    path = tmp_path / "deep" / "w.safetensors"
    digest = save_weights(path, tensors)
    assert digest == _files.sha256_of_file(path) == save_weights(path, tensors)
    loaded = load_weights(path, digest)
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(loaded[name], tensor.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("tensors", [{}, {"a": [1.0]}])
def test_weights_that_are_none_are_refused(tmp_path, tensors):
    with pytest.raises(ValueError, match="tensors"):
        save_weights(tmp_path / "w", tensors)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 4, b"\xff" * 64, b'\x02\x00\x00\x00\x00\x00\x00\x00{"']
)
def test_weights_that_are_no_safetensors_file_are_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ResultError, match=r"w\.safetensors: is not a whole safetensors file"):
        load_weights(path)


def test_truncated_weights_are_refused_with_and_without_their_hash(tmp_path):
    path = tmp_path / "w.safetensors"
    digest = save_weights(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ResultError, match="whole safetensors"):
        load_weights(path)
    with pytest.raises(ResultError, match="SHA-256"):
        load_weights(path, digest)
    with pytest.raises(ResultError, match="cannot be read"):
        load_weights(tmp_path / "other", digest)


def test_a_result_is_saved_only_with_its_weights_in_place(tmp_path):
    result = with_weights(tmp_path / "elsewhere")
    with pytest.raises(ResultError, match=r"p1/w\.safetensors: weights file cannot be read"):
        save_result(result, tmp_path)
    assert not (tmp_path / "p1").exists()
    with_weights(tmp_path / "p1", value=2.0)
    with pytest.raises(ResultError, match=r"w\.safetensors: weights file has SHA-256"):
        save_result(result, tmp_path)
    assert os.listdir(tmp_path / "p1") == ["w.safetensors"]


def test_staged_weights_are_published_with_the_curves(tmp_path):
    save_result(with_weights(tmp_path / "work"), tmp_path, staged=tmp_path / "work")
    save_result(with_weights(tmp_path / "work", value=2.0), tmp_path, staged=tmp_path / "work")
    loaded = load_result(FIGURE, tmp_path)
    (digest,) = loaded.provenance.weights.values()
    weights = load_weights(tmp_path / "p1" / "w.safetensors", digest)
    assert (weights["layer.weight"] == 2.0).all()


def test_when_publishing_fails_old_curves_and_old_weights_stay_together(tmp_path, monkeypatch):
    save_result(with_weights(tmp_path / "work"), tmp_path, staged=tmp_path / "work")
    before = everything_below(tmp_path / "p1")
    new = with_weights(tmp_path / "work", value=2.0)
    fsync, calls = os.fsync, []

    def full_at_the_second_file(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(_files.os, "fsync", full_at_the_second_file)
    with pytest.raises(OSError, match="No space left"):
        save_result(new, tmp_path, staged=tmp_path / "work")
    monkeypatch.undo()
    assert everything_below(tmp_path / "p1") == before
    load_result(FIGURE, tmp_path)


@pytest.mark.parametrize("spoil", [Path.unlink, break_by_truncating, break_by_emptying])
def test_a_result_whose_weights_changed_is_refused(tmp_path, spoil):
    save_result(with_weights(tmp_path / "p1"), tmp_path)
    spoil(tmp_path / "p1" / "w.safetensors")
    with pytest.raises(ResultError, match=r"w\.safetensors: weights file") as caught:
        load_result(FIGURE, tmp_path)
    assert "`isaclib run p1-fig2 --preset desk`" in str(caught.value)


# Where results are, and where they come from


def test_the_results_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("ISACLIB_RESULTS", raising=False)
    project = tmp_path / "project"
    (project / "results").mkdir(parents=True)
    (project / "pyproject.toml").write_text("")
    (project / "chapters").mkdir()
    monkeypatch.chdir(project / "chapters")
    assert results_directory() == project / "results"
    monkeypatch.chdir(tmp_path)
    assert results_directory() == tmp_path / "results"
    monkeypatch.setenv("ISACLIB_RESULTS", "/elsewhere")
    assert results_directory() == Path("/elsewhere")
    assert results_directory("here") == Path("here")


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_is_that_of_the_repository_that_tracks_the_package(tmp_path):
    package = tmp_path / "isaclib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert code_state(package) == ("unknown", False)
    git(tmp_path, "init", "-q")
    assert code_state(package) == ("unknown", False)
    git(tmp_path, "add", "isaclib")
    git(tmp_path, "commit", "-qm", "first")
    commit, dirty = code_state(package)
    assert len(commit) == 40
    assert not dirty
    (tmp_path / "README.md").write_text("not code")
    assert code_state(package) == (commit, False)
    (package / "new.py").write_text("")
    assert code_state(package) == (commit, True)


def test_without_git_the_commit_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert code_state() == ("unknown", False)


def test_a_collected_provenance_can_be_saved(tmp_path):
    source = provenance(
        seed=3, device="cpu", started=time.perf_counter() - 2, notes={"reading": "cumulative"}
    )
    assert 2 <= source.wall_time_s < 60
    assert source.torch == torch.__version__
    assert source.threads == torch.get_num_threads()
    save_result(a_result(provenance=source), tmp_path)
    assert load_result(FIGURE, tmp_path).provenance == source


def test_a_folder_is_checked_by_writing(tmp_path):
    _files.check_writable("results", tmp_path / "new")
    assert os.listdir(tmp_path / "new") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"results must be a folder that can be written, got .*file"):
        _files.check_writable("results", tmp_path / "file")


def test_a_lock_is_held_by_one_and_free_again(tmp_path):
    with _files.locked(tmp_path / "l") as first:
        assert first
        with _files.locked(tmp_path / "l") as second:
            assert not second
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(_files.locked(tmp_path / "l"))

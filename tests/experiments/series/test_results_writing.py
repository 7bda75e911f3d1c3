import contextlib
import errno
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
from stored_series import (
    FIGURE,
    SOURCE,
    a_result,
    break_by_emptying,
    break_by_truncating,
    everything_below,
)

from isaclib import _files
from isaclib.experiments.series.provenance import code_state
from isaclib.experiments.series.results import (
    ResultError,
    load_result,
    load_weights,
    provenance,
    results_directory,
    save_result,
    save_weights,
)


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
        from isaclib.experiments.series.results import save_weights
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
        cwd=Path(__file__).parents[3],
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

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import stored_results
import torch
from stored_results import (
    FIGURE,
    a_result,
    break_by_emptying,
    break_by_truncating,
    everything_below,
    trained,
)

from isaclib import _files
from isaclib.experiments.engine.provenance import code_state, provenance
from isaclib.experiments.engine.results import (
    ResultError,
    load_result,
    load_tensors,
    results_directory,
    save_result,
    tensor_bytes,
)

SUPPORT = Path(stored_results.__file__).parent
ROOT = SUPPORT.parents[1]


def fail_with(code):
    def failing(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_full_disk_keeps_the_old_result_and_leaves_nothing_behind(tmp_path, monkeypatch, call):
    path = save_result(a_result(), {}, tmp_path)
    before = everything_below(tmp_path)
    monkeypatch.setattr(_files.os, call, fail_with(errno.ENOSPC))
    with pytest.raises(OSError, match=r"cannot write .*: No space left on device; .* unchanged"):
        save_result(a_result(preset="paper"), {}, tmp_path)
    monkeypatch.undo()
    assert everything_below(tmp_path) == before
    assert load_result(FIGURE, tmp_path).preset == "desk"
    assert path.exists()


def test_a_folder_below_a_regular_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*Not a directory; nothing was written"):
        save_result(a_result(), {}, tmp_path / "file" / "results")
    assert (tmp_path / "file").read_text() == ""


def test_an_interruption_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(_files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_result(a_result(), {}, tmp_path)
    assert everything_below(tmp_path) == {}


# Tensors


def with_weights(folder, value=1.0, preset="desk"):
    weights = {f"{'a' * 16}/layer.weight": torch.full((3, 2), value)}
    return save_result(a_result(preset=preset, trained=trained()), weights, folder)


def weights_file(folder):
    (file,) = (folder / "p1").glob("*.safetensors")
    return file


def test_tensors_survive_whatever_their_layout(tmp_path):
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
    content = tensor_bytes(tensors)
    assert content == tensor_bytes(tensors)
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    loaded = load_tensors(path, _files.sha256_of_bytes(content))
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(loaded[name], tensor.detach(), rtol=0, atol=0)


def test_what_is_no_tensor_is_refused():
    with pytest.raises(ValueError, match=r"tensors\['a'\] must be a tensor, got list"):
        tensor_bytes({"a": [1.0]})


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 4, b"\xff" * 64, b'\x02\x00\x00\x00\x00\x00\x00\x00{"']
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(ResultError, match=r"w\.safetensors: is not a whole safetensors file"):
        load_tensors(path, _files.sha256_of_bytes(content))


def test_new_tensors_and_rows_are_published_by_one_rename(tmp_path, monkeypatch):
    with_weights(tmp_path)
    old = weights_file(tmp_path)
    before, seen = everything_below(tmp_path), []
    move = _files.move_into_place

    def watched(temporary, path):
        # At every moment before the last rename the stored result is the old one, and whole.
        found = load_result(FIGURE, tmp_path)
        seen.append((path.suffix, found.tensors(system="SL")["layer.weight"].max().item()))
        move(temporary, path)

    monkeypatch.setattr(_files, "move_into_place", watched)
    with_weights(tmp_path, value=2.0)
    assert seen == [(".safetensors", 1.0), (".json", 1.0)]
    assert (load_result(FIGURE, tmp_path).tensors(system="SL")["layer.weight"] == 2.0).all()
    assert not old.exists()
    assert len(everything_below(tmp_path)) == len(before) == 2


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_kill_while_publishing_leaves_a_whole_result(tmp_path, at):
    """The process dies before the rename of this number; the next one tidies up."""
    with_weights(tmp_path)
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path[:0] = [{str(SUPPORT)!r}]
        import torch
        from isaclib import _files
        from stored_results import a_result, trained
        from isaclib.experiments.engine.results import save_result
        replace, calls = os.replace, []
        def dying(*arguments):
            calls.append(arguments)
            if len(calls) == {at}:
                os._exit(9)
            replace(*arguments)
        _files.os.replace = dying
        weights = {{"a" * 16 + "/layer.weight": torch.full((3, 2), 2.0)}}
        save_result(a_result(trained=trained()), weights, {str(tmp_path)!r})
        """
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == (9 if at < 3 else 0)
    found = load_result(FIGURE, tmp_path).tensors(system="SL")["layer.weight"]
    assert found.unique().tolist() == [1.0 if at < 3 else 2.0]
    for left in (tmp_path / "p1").glob(".*.tmp"):
        os.utime(left, (time.time() - 7200,) * 2)
    with_weights(tmp_path, value=3.0)
    assert len(everything_below(tmp_path)) == 2
    weights_file(tmp_path)


def test_when_publishing_fails_old_rows_and_old_tensors_stay_together(tmp_path, monkeypatch):
    with_weights(tmp_path)
    before = everything_below(tmp_path)
    fsync, calls = os.fsync, []

    def full_at_the_second_file(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(_files.os, "fsync", full_at_the_second_file)
    with pytest.raises(OSError, match="No space left"):
        with_weights(tmp_path, value=2.0)
    monkeypatch.undo()
    assert everything_below(tmp_path) == before
    load_result(FIGURE, tmp_path)


def test_runs_that_publish_at_once_leave_one_whole_result(tmp_path):
    def publish(value):
        for _ in range(5):
            with_weights(tmp_path, value)

    threads = [threading.Thread(target=publish, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load_result(FIGURE, tmp_path)
    assert len(everything_below(tmp_path)) == 2


@pytest.mark.parametrize("spoil", [Path.unlink, break_by_truncating, break_by_emptying])
def test_a_result_whose_tensors_changed_is_refused(tmp_path, spoil):
    with_weights(tmp_path)
    file = weights_file(tmp_path)
    spoil(file)
    with pytest.raises(ResultError, match=f"{file.name}: weights file") as caught:
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
    state = code_state.__wrapped__
    package = tmp_path / "isaclib"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert state(package) == ("unknown", False)
    git(tmp_path, "init", "-q")
    assert state(package) == ("unknown", False)
    git(tmp_path, "add", "isaclib")
    git(tmp_path, "commit", "-qm", "first")
    commit, dirty = state(package)
    assert len(commit) == 40
    assert not dirty
    (tmp_path / "README.md").write_text("not code")
    assert state(package) == (commit, False)
    (package / "new.py").write_text("")
    assert state(package) == (commit, True)


def test_without_git_the_commit_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    code_state.cache_clear()
    assert code_state() == ("unknown", False)
    code_state.cache_clear()


def test_a_collected_provenance_can_be_saved(tmp_path):
    source = provenance(seed=3, device="cpu", wall_time_s=2.5, notes={"reading": "cumulative"})
    assert source.wall_time_s == 2.5
    assert source.torch == torch.__version__
    assert source.threads == torch.get_num_threads()
    save_result(a_result(provenance=source), {}, tmp_path)
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

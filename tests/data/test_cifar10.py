import contextlib
import multiprocessing
import os
import re
import signal
import sys
import tarfile
import time
from pathlib import Path

import pytest
import small_cifar
from small_cifar import RECORDS, contents, described, member, members, pack, served
from typer.testing import CliRunner

from isaclib import _files
from isaclib.cli import app
from isaclib.data import cifar10 as module
from isaclib.data.cifar10 import CIFAR10, Archive, adopt, download, present
from isaclib.data.images import FOLDER, DataError, read_cifar10

PACKED = pack(members())
SMALL = described(PACKED)
# Processes forked from a server that has imported everything start within milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["isaclib.data.cifar10", "isaclib.cli", "pooch", "rich.progress"])


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def assert_adopted(root):
    """All files are there and nothing else, apart from the lock."""
    found = {path.name: path.read_bytes() for path in (root / FOLDER).iterdir()}
    assert found == contents()
    assert {path.name for path in root.iterdir()} == {FOLDER, ".cifar10.lock"}


def assert_nothing(root):
    assert not [path for path in root.rglob("*") if path.name != ".cifar10.lock"]


# Downloads


def test_an_archive_is_downloaded_checked_and_unpacked(root):
    with served(PACKED) as url:
        data = download(root, url, SMALL)
    assert len(data.train) == 5 * RECORDS
    assert_adopted(root)


def test_without_a_mirror_the_archive_comes_from_its_own_address(root):
    with served(PACKED) as url:
        download(root, archive=described(PACKED, url))
    assert_adopted(root)


def test_the_official_archive_is_the_one_of_the_data_sets_page():
    assert (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            10_000,
        )
        == CIFAR10
    )


@pytest.mark.parametrize("sent", [0, 1, len(PACKED) // 2, len(PACKED) - 1])
def test_a_download_that_breaks_off_leaves_nothing(root, sent):
    with (
        served(PACKED, sent=sent) as url,
        pytest.raises(DataError, match="the download failed, nothing is kept"),
    ):
        download(root, url, SMALL)
    assert_nothing(root)


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_has_no_archive_is_named(root, status):
    with (
        served(b"<html>no</html>", status=status) as url,
        pytest.raises(DataError, match=rf"{url}: the download failed, .* {status}"),
    ):
        download(root, url, SMALL)
    assert_nothing(root)


def test_no_server_at_all_is_a_clear_error(root):
    with served(PACKED) as url:
        pass
    with pytest.raises(DataError, match=rf"{url}: the download failed, nothing is kept"):
        download(root, url, SMALL)
    with pytest.raises(DataError, match=r"gopher://host/x: the download failed"):
        download(root, "gopher://host/x", SMALL)
    assert_nothing(root)


def test_an_archive_with_another_checksum_is_never_opened(root, monkeypatch):
    def opened(*_, **__):
        raise AssertionError("an archive was opened before its checksum was known")

    other = pack([*members(), member(f"{FOLDER}/more.txt", b"more")])
    monkeypatch.setattr(tarfile, "open", opened)
    for content in (other, PACKED[:-1], b"not an archive"):
        with (
            served(content) as url,
            pytest.raises(DataError, match=f"must have the SHA-256 {SMALL.sha256}, nothing"),
        ):
            download(root, url, SMALL)
        assert_nothing(root)


def test_a_failed_download_leaves_the_set_that_is_there(root):
    small_cifar.write(root / FOLDER)
    with served(PACKED, sent=1000) as url, pytest.raises(DataError):
        download(root, url, SMALL)
    assert present(root, SMALL) is not None
    assert_adopted(root)


def test_a_broken_set_is_replaced(root):
    folder = small_cifar.write(root / FOLDER)
    (folder / "data_batch_1.bin").write_bytes(b"broken")
    (folder / "stray").write_text("of an older set")
    assert present(root, SMALL) is None
    with served(PACKED) as url:
        download(root, url, SMALL)
    assert_adopted(root)


def test_a_disk_that_fills_up_leaves_the_set_that_is_there(root, monkeypatch):
    folder = small_cifar.write(root / FOLDER)
    (folder / "data_batch_1.bin").write_bytes(b"broken")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(_files.os, "fsync", full)
    with served(PACKED) as url, pytest.raises(OSError, match="No space left on device"):
        download(root, url, SMALL)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (root / ".cifar10.part").exists()


def test_a_set_that_cannot_be_renamed_leaves_the_one_that_is_there(root, monkeypatch):
    folder = small_cifar.write(root / FOLDER)
    (folder / "stray").write_text("of an older set")
    real = os.replace

    def failing(source, target):
        if Path(source).parent.name == ".cifar10.part" and Path(source).name == FOLDER:
            raise OSError(5, os.strerror(5))
        real(source, target)

    monkeypatch.setattr(module.os, "replace", failing)
    with served(PACKED) as url, pytest.raises(OSError, match="Input/output error"):
        download(root, url, SMALL)
    assert (folder / "stray").exists()
    assert present(root, SMALL) is not None


def test_two_downloads_do_not_meet(root):
    root.mkdir()
    with _files.locked(root / ".cifar10.lock") as free:
        assert free
        with pytest.raises(DataError, match=f"that nobody else puts CIFAR-10 into, got {root}"):
            download(root, "http://unused.invalid", SMALL)


# Archives that are not what they should be


def packed(items):
    content = pack(items)
    return content, described(content)


OUTSIDE = [
    member("../escaped.txt", b"x"),
    member(f"{FOLDER}/../../escaped.txt", b"x"),
    member("/tmp/escaped.txt", b"x"),
    member("escaped.txt", b"x"),
    member(f"{FOLDER}\\..\\escaped.txt", b"x"),
    member(f"{FOLDER}/..\\..\\escaped.txt", b"x"),
    member(f"{FOLDER}/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member(f"{FOLDER}/data_batch_1.bin", type=tarfile.SYMTYPE, linkname="../../secret"),
    member(f"{FOLDER}/data_batch_1.bin", type=tarfile.LNKTYPE, linkname="../../secret"),
    member(f"{FOLDER}/pipe", type=tarfile.FIFOTYPE),
    member(f"{FOLDER}/disk", type=tarfile.BLKTYPE),
]


@pytest.mark.parametrize("item", OUTSIDE, ids=lambda item: f"{item[0].name} {item[0].type}")
@pytest.mark.parametrize("first", [True, False])
def test_an_archive_with_a_member_that_points_outside_is_refused(tmp_path, root, item, first):
    content, archive = packed([item, *members()] if first else [*members(), item])
    name = re.escape(repr(item[0].name))
    with (
        served(content) as url,
        pytest.raises(DataError, match=rf"every member must be a plain file .* got {name}"),
    ):
        download(root, url, archive)
    assert_nothing(root)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_archive_that_would_fill_the_memory_is_refused(root, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 100_000)
    content, archive = packed([*members(), member(f"{FOLDER}/zeros", b"\0" * 100_001)])
    with (
        served(content) as url,
        pytest.raises(DataError, match=r"at most 100,000 bytes, got 100,001 in .*zeros"),
    ):
        download(root, url, archive)
    assert_nothing(root)


@pytest.mark.parametrize("content", [PACKED[:20_000], PACKED[-20_000:], b"junk", b""])
def test_a_damaged_archive_with_the_right_checksum_is_refused(root, content):
    """The checksum may be wrong in the code: what is then opened must not do harm either."""
    with (
        served(content) as url,
        pytest.raises(DataError, match=r"archive.tar.gz: the archive is damaged"),
    ):
        download(root, url, described(content))
    assert_nothing(root)


def test_an_archive_of_something_else_is_refused(root):
    short = {name: content[:100] for name, content in contents().items()}
    short["batches.meta.txt"] = contents()["batches.meta.txt"]
    content, archive = packed(members(short))
    with served(content) as url, pytest.raises(DataError, match=r"data_batch_1.bin: must hold"):
        download(root, url, archive)
    assert_nothing(root)


def test_what_else_is_in_an_archive_is_left_out(root):
    content, archive = packed([*members(), member(f"{FOLDER}/sub/data_batch_1.bin", b"x")])
    with served(content) as url:
        download(root, url, archive)
    assert_adopted(root)


# Folders


@pytest.mark.parametrize("inner", [True, False])
def test_a_folder_is_adopted(tmp_path, root, inner):
    source = tmp_path / "copy"
    small_cifar.write(source / FOLDER if inner else source)
    adopt(source, root, SMALL)
    assert_adopted(root)


def test_an_archive_that_is_on_this_machine_is_adopted(tmp_path, root):
    (tmp_path / "own.tar.gz").write_bytes(PACKED)
    adopt(tmp_path / "own.tar.gz", root, SMALL)
    assert_adopted(root)
    (tmp_path / "own.tar.gz").write_bytes(PACKED[:-1])
    with pytest.raises(DataError, match=rf"own.tar.gz: SHA-256 must be {SMALL.sha256}, got"):
        adopt(tmp_path / "own.tar.gz", root, SMALL)
    assert_adopted(root)


def test_a_folder_that_is_in_its_place_already_is_only_checked(root):
    small_cifar.write(root / FOLDER)
    (root / FOLDER / "own.txt").write_text("stays")
    adopt(root, root, SMALL)
    assert (root / FOLDER / "own.txt").exists()
    (root / FOLDER / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"test_batch.bin: cannot be read"):
        adopt(root, root, SMALL)


def test_what_is_wrong_with_a_folder_is_said_of_that_folder(tmp_path, root):
    source = small_cifar.write(tmp_path / "copy")
    (source / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=rf"{source}/test_batch.bin: must hold"):
        adopt(source, root, SMALL)
    with pytest.raises(DataError, match=r"nowhere: must be a folder or an archive"):
        adopt(tmp_path / "nowhere", root, SMALL)
    assert not root.exists()


# The command


@pytest.fixture
def command(monkeypatch, root):
    """The command, for which CIFAR-10 is a small archive on this machine's server."""
    monkeypatch.setenv("ISACLIB_DATA", str(root))

    def run(*arguments, archive=SMALL):
        monkeypatch.setattr(module, "CIFAR10", archive)
        return CliRunner().invoke(app, ["data", "cifar10", *map(str, arguments)])

    return run


def refused(outcome, status=2):
    assert outcome.exit_code == status, outcome.output
    assert outcome.stdout == ""
    (line,) = [x for x in outcome.stderr.splitlines() if x.startswith("isaclib: error: ")]
    return line


def test_the_command_downloads_and_prints_where_the_images_are(root, command):
    with served(PACKED) as url:
        outcome = command(archive=described(PACKED, url))
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, str(root / FOLDER))
    assert "CIFAR-10 in an unidentified copy: 100 training and 20 test images" in outcome.stderr
    assert_adopted(root)
    # A set that is there is not downloaded again: nobody serves it any more.
    assert command(archive=described(PACKED, url)).exit_code == 0


def test_the_command_takes_a_mirror_a_folder_and_a_place(tmp_path, root, command):
    with served(PACKED) as url:
        assert command("--url", url).exit_code == 0
    other = tmp_path / "other"
    outcome = command("--from", root, "--data", other)
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, str(other / FOLDER))
    assert_adopted(other)


def test_the_command_refuses_in_one_line(tmp_path, root, command):
    with served(PACKED[:-1]) as url:
        assert "nothing is kept" in refused(command("--url", url))
    assert "must be a folder or an archive" in refused(command("--from", tmp_path / "nowhere"))
    line = refused(command("--from", tmp_path, "--url", "http://x"))
    assert "url must not be given together with --from, got 'http://x'" in line
    (tmp_path / "file").write_text("")
    assert "file" in refused(command("--from", tmp_path, "--data", tmp_path / "file"))
    assert_nothing(root)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_download_that_is_stopped_leaves_no_set_and_can_be_repeated(
    tmp_path, root, command, signum
):
    processes = []

    def stop():
        os.kill(processes[0].pid, signum)
        # The other half of the archive comes when there is nobody left to take it.
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(processes[0].pid, 0)
                time.sleep(0.01)

    complaint = tmp_path / "stderr"
    with served(PACKED, during=stop) as url:
        arguments = ["data", "cifar10", "--data", str(root), "--url", url]
        process = PROCESSES.Process(target=small_cifar.run, args=(arguments, complaint))
        processes.append(process)
        process.start()
        process.join(100)
    assert not (root / FOLDER).exists()
    if signum == signal.SIGKILL:
        assert process.exitcode == -signum
    else:
        assert process.exitcode == 128 + signum
        assert "nothing is kept of what was not finished" in complaint.read_text()
        assert_nothing(root)
    with served(PACKED) as url:
        assert command("--url", url).exit_code == 0
    assert_adopted(root)


def test_a_download_shows_its_progress_on_a_terminal(root, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with served(PACKED) as url:
        download(root, url, SMALL)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(r"CIFAR-10: 100%.* \d+\S*/\d+", shown.err)


def test_a_download_says_nothing_where_there_is_no_terminal(root, capfd):
    with served(PACKED) as url:
        download(root, url, SMALL)
    assert capfd.readouterr() == ("", "")


def test_the_set_is_the_one_that_the_reader_finds(root):
    with served(PACKED) as url:
        data = download(root, url, SMALL)
    assert read_cifar10(root / FOLDER, records=RECORDS).origin == data.origin

"""Files that are either whole or untouched: atomic writing, hashing, an early check."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LEFT = 3600.0
"""Seconds after which a temporary file belongs to nobody any more."""


def sha256_of_bytes(content: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 lower-case hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_aside(path: Path, content: bytes) -> Path:
    """Write content to a temporary file beside ``path``, force it to the disk, return its path.

    Beside it, so that a later :func:`os.replace` onto ``path`` stays on one file system and is
    atomic. Missing folders are created. Where something cannot be written, nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:  # a regular file in its place
            reason = os.strerror(errno.ENOTDIR)
            raise NotADirectoryError(errno.ENOTDIR, reason, str(path.parent)) from error
        # Not tempfile: its files are readable by their owner only, and a rename keeps that.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise
    return temporary


def move_into_place(temporary: Path, path: Path) -> None:
    """Rename a file from :func:`write_aside` to its final name, replacing what was there at once.

    Where that fails, the temporary file is removed, and ``path`` is as it was.
    """
    try:
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by new content, or leave it exactly as it was and say why."""
    move_into_place(write_aside(path, content), path)


def check_writable(name: str, directory: Path) -> None:
    """Create a folder if need be and check that files can be written in it, before a long run."""
    try:
        write_aside(directory / "probe", b"isaclib checks that it can write here\n").unlink()
    except OSError as error:
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else error.strerror
        raise OSError(
            error.errno, f"{name} must be a folder that can be written, got {directory}: {reason}"
        ) from error


@contextlib.contextmanager
def locked(path: Path, waiting: str | None = None) -> Iterator[bool]:
    """Hold a lock between processes while the block runs; the system drops it when its holder dies.

    Yields whether the lock is held: always, where ``waiting`` says what to print on stderr before
    waiting for one that is taken. The lock file stays.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if waiting is None:
            yield False
            return
        print(waiting, file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield True
    finally:
        lock.release()


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove temporary files that a process which was killed has left, an hour ago or more."""
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFT:
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Force a rename to the disk, where the system can do that for folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> OSError:
    """Turn a bare system error into one that says what failed and what it means for the file."""
    reason = error.strerror or str(error)
    kept = "the file that is there is unchanged" if os.path.exists(path) else "nothing was written"
    return OSError(error.errno, f"cannot write {path}: {reason}; {kept}")

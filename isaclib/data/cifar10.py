"""CIFAR-10 into the folder of data sets: downloaded or adopted, checked, and all or nothing.

Everything happens in a work folder beside the final one. Only a set that the reader accepts is
renamed to its final name, so whatever stops this leaves the folder as it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isaclib._files import locked, sha256_of_file, write_atomically
from isaclib.data.images import (
    FOLDER,
    NAMES_FILE,
    RECORDS,
    TEST_FILE,
    TRAIN_FILES,
    DataError,
    ImageData,
    read_cifar10,
)

FILES = (*TRAIN_FILES, TEST_FILE, NAMES_FILE)
"""What is taken of a folder or of an archive; anything else there is left alone."""

_LARGEST = 64 * 2**20
"""No file of the set is nearly as large [bytes]: a larger one is not unpacked into memory."""


@dataclass(frozen=True)
class Archive:
    """A data set's archive on the web: its digest before it is opened, the images in each file."""

    url: str
    sha256: str
    records: int = RECORDS


CIFAR10 = Archive(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
"""The official archive, 170,052,171 bytes."""


def present(root: Path, archive: Archive = CIFAR10) -> ImageData | None:
    """Return the set in the folder of data sets, None where there is none or a broken one."""
    try:
        return read_cifar10(root / FOLDER, records=archive.records)
    except DataError:
        return None


def download(root: Path, url: str | None = None, archive: Archive = CIFAR10) -> ImageData:
    """Download the archive, from a mirror if given, and put its set into the folder of data sets.

    Raises:
        DataError: The download failed, the archive has another digest, is damaged, has a member
            outside its folder, or what it holds is not the set.
        OSError: Something could not be written.
    """
    import pooch
    from requests import RequestException
    from tqdm import tqdm

    address = url or archive.url
    with _work_folder(root) as work:
        path = work / "archive.tar.gz"
        # On stderr, where that is a terminal. A bar of no length would be false, and not be used.
        with tqdm(desc="CIFAR-10", total=1, unit="B", unit_scale=True, disable=None) as bar:
            fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=60)
            try:
                fetch(address, str(path), None)
            except RequestException as error:
                raise DataError(
                    f"{address}: the download failed, nothing is kept: {error}"
                ) from error
        digest = sha256_of_file(path)
        if digest != archive.sha256:
            raise DataError(
                f"{address}: the archive must have the SHA-256 {archive.sha256}, nothing is kept, "
                f"got {digest}"
            )
        return _published(_members(path), root, work, archive)


def adopt(source: Path, root: Path, archive: Archive = CIFAR10) -> ImageData:
    """Copy a set from elsewhere on this machine into the folder of data sets.

    Args:
        source: Folder that holds the files, or that holds their folder; or the archive itself.
        root: Folder of data sets.
        archive: What the set must look like, and the digest that an archive must have.

    Raises:
        DataError: There is no such folder, or as :func:`download`.
        OSError: Something could not be written.
    """
    if source.is_file():
        digest = sha256_of_file(source)
        if digest != archive.sha256:
            raise DataError(f"{source}: SHA-256 must be {archive.sha256}, got {digest}")
        contents = _members(source)
    elif source.is_dir():
        folder = source / FOLDER if (source / FOLDER).is_dir() else source
        # Whatever is wrong with it is said of the place that the user named.
        data = read_cifar10(folder, records=archive.records)
        if folder.resolve() == (root / FOLDER).resolve():
            return data
        found = (folder / name for name in FILES)
        contents = ((path.name, path.read_bytes()) for path in found if path.is_file())
    else:
        raise DataError(f"{source}: must be a folder or an archive, got neither")
    with _work_folder(root) as work:
        return _published(contents, root, work, archive)


@contextlib.contextmanager
def _work_folder(root: Path) -> Iterator[Path]:
    """Make an empty folder in the folder of data sets, and remove it with all that is in it."""
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / ".cifar10.lock") as free:
        if not free:
            raise DataError(
                f"data must be a folder that nobody else puts CIFAR-10 into, got {root}"
            )
        work = root / ".cifar10.part"
        shutil.rmtree(work, ignore_errors=True)  # what a process that was killed left behind
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _published(
    contents: Iterator[tuple[str, bytes]], root: Path, work: Path, archive: Archive
) -> ImageData:
    """Write files to the work folder, check them, and give their folder its final name."""
    new, target = work / FOLDER, root / FOLDER
    new.mkdir()
    for name, content in contents:
        write_atomically(new / name, content)
    data = read_cifar10(new, records=archive.records)
    if target.exists():
        os.replace(target, work / "replaced")
    try:
        os.replace(new, target)
    except OSError:
        if (work / "replaced").exists():
            os.replace(work / "replaced", target)
        raise
    return data


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the set's files in an archive.

    Nothing is unpacked by the archive's own paths; one with a member that points elsewhere is
    refused all the same, as it is not what it claims to be.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = _checked_name(path, member)
                stream = archive.extractfile(member)
                if name in FILES and stream is not None:
                    yield name, stream.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path.name}: the archive is damaged: {error}") from error


def _checked_name(path: Path, member: tarfile.TarInfo) -> str:
    """Name of a member below the set's folder, empty for the folder itself."""
    place = PurePosixPath(member.name)
    inside = place.parts[:1] == (FOLDER,) and ".." not in place.parts and "\\" not in member.name
    if not inside or not (member.isfile() or member.isdir()):
        raise DataError(
            f"{path.name}: every member must be a plain file or folder below {FOLDER}/, got "
            f"{member.name!r}; the archive is refused"
        )
    if member.size > _LARGEST:
        raise DataError(
            f"{path.name}: every member must have at most {_LARGEST:,} bytes, got {member.size:,} "
            f"in {member.name!r}; the archive is refused"
        )
    return "/".join(place.parts[1:])

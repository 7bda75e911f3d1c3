"""Image sets: CIFAR-10 in its official binary layout, and a small synthetic one made from a seed.

Pixels stay bytes, ``[count, 3, 32, 32]`` with red, green and blue planes, until a step needs them
as numbers. CIFAR-10 is looked for in one folder, see :func:`data_directory`; the command
``isaclib data cifar10`` puts it there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from isaclib._files import sha256_of_bytes
from isaclib._validation import check_positive_int
from isaclib.data import synthetic as _synthetic
from isaclib.signal.noise import step_generator

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
"""Classes of CIFAR-10 by their labels."""

ANIMALS = (2, 3, 4, 5, 6, 7)
"""Labels of the six classes that are animals, P4 Sec. III."""

SHAPE = (3, 32, 32)
"""Colours, rows and columns of an image."""

FOLDER = "cifar-10-batches-bin"
"""Folder of the official binary layout."""

TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
NAMES_FILE = "batches.meta.txt"
RECORDS = 10_000
"""Images in each file of CIFAR-10."""

ENVIRONMENT = "ISACLIB_DATA"
"""Environment variable that sets the folder of data sets."""

_RECORD_BYTES = 1 + 3 * 32 * 32

# The files of the archive of www.cs.toronto.edu/~kriz/cifar.html; SHA-1, as that is what is
# published of the single files (in the sources of Apache MXNet).
_OFFICIAL_SHA1 = (
    "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "67eb016db431130d61cd03c7ad570b013799c88c",
)
# A copy that went through JPEG compression at quality 75 once, decoded by Pillow 13.
_JPEG_SHA256 = (
    "a6f48cd4d8745d5b80b6a0f7665654d54e1aacda199a3a966cb7958b11d38f22",
    "0fedfbc7e914d425128b1bd02ce525bb46d91e8501ef68fa7212b115ee833d29",
    "98224e1a8a07e8e89e999b20ca6cde6227368fe22adde323001e2bd951a6377b",
    "d15e189b4939a25320baf2370f8a90a276205c86ec9ba1a7078ee110750e4f60",
    "0c8c18d4d4520b54624388692c1c184a98d73ef1166ddcf5346e47a937e283b8",
    "2696e48ae3fe74d50ecaacc0b8092b89bf95cd3f6471d079f4cbd39a956c18c3",
)

Kind = Literal["official", "jpeg", "unidentified", "synthetic"]
DESCRIPTIONS: dict[Kind, str] = {
    "official": "CIFAR-10",
    "jpeg": "CIFAR-10, a copy that went through JPEG compression at quality 75",
    "unidentified": "CIFAR-10 in an unidentified copy",
    "synthetic": "synthetic textured shapes, not CIFAR-10",
}


class DataError(ValueError):
    """A data set is missing, incomplete or damaged."""


@dataclass(frozen=True)
class Origin:
    """Where images come from.

    Attributes:
        kind: Which copy of CIFAR-10, or that they are synthetic.
        sha256: SHA-256 of each file, by its name; empty for synthetic images.
    """

    kind: Kind
    sha256: dict[str, str] = field(default_factory=dict)

    def notes(self) -> dict[str, str]:
        """Description, and the SHA-256 of the files where there are any, for a result file."""
        digests = {f"SHA-256 of {name}": digest for name, digest in self.sha256.items()}
        return {"images": DESCRIPTIONS[self.kind], **digests}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels.

    Attributes:
        images: ``[count, 3, 32, 32]``, uint8. Pixels, 0 to 255.
        labels: ``[count]``, int64. Class of each image, 0 to 9.

    Raises:
        ValueError: If a shape or type is another, a label is out of range, or there are no images.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        shape, dtype = tuple(self.images.shape), self.images.dtype
        if shape[1:] != SHAPE or not shape[0] or dtype != torch.uint8:
            raise ValueError(
                f"images must be a [count, 3, 32, 32] tensor of uint8, got {shape}, {dtype}"
            )
        if tuple(self.labels.shape) != shape[:1] or self.labels.dtype != torch.int64:
            raise ValueError(
                f"labels must be a [{shape[0]}] tensor of int64, got {tuple(self.labels.shape)}, "
                f"{self.labels.dtype}"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(CLASSES):
            raise ValueError(f"labels must lie in 0 to 9, got {low if low < 0 else high}")

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> ImageSet:
        """The first images, as views.

        Raises:
            ValueError: If ``count`` is not positive or more than there are.
        """
        if check_positive_int("count", count) > len(self):
            raise ValueError(f"count must be at most {len(self)}, got {count}")
        return ImageSet(self.images[:count], self.labels[:count])


def is_animal(labels: torch.Tensor) -> torch.Tensor:
    """Whether classes ``[...]`` are animals, the semantic task of P4 Sec. III: ``[...]``, bool."""
    return (labels >= ANIMALS[0]) & (labels <= ANIMALS[-1])


@dataclass(frozen=True, eq=False)
class ImageData:
    """Training and test images.

    Attributes:
        train: Training images.
        test: Test images.
        classes: Names of the ten classes, by label.
        origin: Where the images come from.
    """

    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    origin: Origin


def data_directory(directory: Path | str | None = None) -> Path:
    """Folder that data sets are kept in, which need not exist.

    Where none is given, the one that the environment variable ``ISACLIB_DATA`` names, else the
    platform's cache folder for this library.
    """
    chosen = directory or os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("isaclib", appauthor=False)


def read_cifar10(folder: Path | str, *, records: int = RECORDS) -> ImageData:
    """Read CIFAR-10 from its official binary layout, and check it.

    Each file holds records of 1 label byte and 3,072 pixel bytes: the red, green and blue plane.

    Args:
        folder: Folder that holds the files, usually called ``cifar-10-batches-bin``.
        records: Images a file, 10,000 in CIFAR-10.

    Returns:
        Training and test images, with the SHA-256 of the files.

    Raises:
        DataError: If a file is missing, has another size, or holds a label above 9, if the
            classes are not equally frequent, or have other names.
    """
    folder = Path(folder)
    _check_names(folder / NAMES_FILE)
    blocks, sha256, sha1 = [], {}, []
    for name in (*TRAIN_FILES, TEST_FILE):
        content = _read(folder / name, check_positive_int("records", records))
        sha256[name] = sha256_of_bytes(content)
        # To recognise a known file by, not to trust one by it.
        sha1.append(hashlib.sha1(content, usedforsecurity=False).hexdigest())
        blocks.append(np.frombuffer(content, dtype=np.uint8).reshape(records, _RECORD_BYTES))
        (wrong,) = np.nonzero(blocks[-1][:, 0] >= len(CLASSES))
        if len(wrong):
            raise DataError(
                f"{folder / name}: labels must lie in 0 to 9, got {blocks[-1][wrong[0], 0]} at "
                f"image {wrong[0]:,}"
            )
    *training, test = blocks
    kind: Kind = "unidentified"
    if tuple(sha1) == _OFFICIAL_SHA1:
        kind = "official"
    elif tuple(sha256.values()) == _JPEG_SHA256:
        kind = "jpeg"
    origin = Origin(kind, sha256)
    return ImageData(_image_set(folder, training), _image_set(folder, [test]), CLASSES, origin)


def load_cifar10(directory: Path | str | None = None) -> ImageData:
    """CIFAR-10 from the folder of data sets, see :func:`data_directory`.

    Returns:
        50,000 training and 10,000 test images.

    Raises:
        DataError: If it is not there, incomplete or damaged.
    """
    root = data_directory(directory)
    folder = root / FOLDER
    if not folder.is_dir():
        raise DataError(
            f"data must be a folder that holds {FOLDER}, got {root}; get CIFAR-10 with `isaclib "
            f"data cifar10`, or set {ENVIRONMENT} to where it is"
        )
    return read_cifar10(folder)


def synthetic_images(train: int = 5000, test: int = 1000, *, seed: int = 0) -> ImageData:
    """Textured shapes in ten classes, for where CIFAR-10 is not: no photographs, and no CIFAR-10.

    A class is a shape and a texture. The six round ones (disc, ring, crescent; striped or spotted)
    have the labels of CIFAR-10's animals, the four angular ones the others. Place, size, turn and
    colours are random, so neither a pixel nor a mean colour gives the class away.

    Args:
        train: Number of training images, a multiple of ten, so that classes are equally frequent.
        test: Number of test images, likewise.
        seed: Seed of the images.

    Raises:
        ValueError: If a number is out of range.
    """
    for name, count in (("train", train), ("test", test)):
        if check_positive_int(name, count) % len(CLASSES):
            raise ValueError(f"{name} must be a multiple of {len(CLASSES)}, got {count}")
    return ImageData(
        _synthetic_set(train, step_generator(seed, "images/train", 0)),
        _synthetic_set(test, step_generator(seed, "images/test", 0)),
        _synthetic.CLASSES,
        Origin("synthetic"),
    )


def _synthetic_set(count: int, generator: torch.Generator) -> ImageSet:
    labels = torch.arange(count) % len(CLASSES)
    labels = labels[torch.randperm(count, generator=generator)]
    # A hundred at a time stay in the cache.
    images = [_synthetic.draw(some, generator) for some in labels.split(100)]
    return ImageSet(torch.cat(images), labels)


def _read(path: Path, records: int) -> bytes:
    """Content of a file of records; too long a file is not read."""
    expected = records * _RECORD_BYTES
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size == expected else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) != expected:
        raise DataError(
            f"{path}: must hold {expected:,} bytes, {records:,} images, got {size:,}: the file is "
            "truncated or not of CIFAR-10's binary version"
        )
    return content


def _check_names(path: Path) -> None:
    """Check the list of classes, where there is one."""
    try:
        names = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if names != list(CLASSES):
        raise DataError(f"{path}: must list {', '.join(CLASSES)}, got {', '.join(names)}")


def _image_set(
    folder: Path, blocks: Sequence[np.ndarray[tuple[int, int], np.dtype[np.uint8]]]
) -> ImageSet:
    labels = np.concatenate([block[:, 0] for block in blocks]).astype(np.int64)
    counts = np.bincount(labels, minlength=len(CLASSES))
    if len(set(counts.tolist())) != 1:
        frequency = ", ".join(f"{n:,} x {name}" for n, name in zip(counts, CLASSES, strict=True))
        files = "training files" if len(blocks) > 1 else "test file"
        raise DataError(
            f"{folder}: the {files} must hold every class equally often, got {frequency}"
        )
    images = np.concatenate([block[:, 1:] for block in blocks]).reshape(-1, *SHAPE)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels))

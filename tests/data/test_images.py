import hashlib
import platform

import numpy as np
import platformdirs
import pytest
import small_cifar
import torch
from small_cifar import FILES, RECORDS

from isaclib.data import images
from isaclib.data.images import (
    ANIMALS,
    CLASSES,
    FOLDER,
    DataError,
    ImageSet,
    data_directory,
    is_animal,
    load_cifar10,
    read_cifar10,
    synthetic_images,
)


@pytest.fixture
def small(monkeypatch):
    """Let CIFAR-10 be as small as the one that the tests write."""
    monkeypatch.setattr(images.read_cifar10, "__kwdefaults__", {"records": RECORDS})


# The reader


def test_the_reader_finds_what_was_written(tmp_path):
    folder = small_cifar.write(tmp_path / FOLDER)
    data = read_cifar10(folder, records=RECORDS)
    assert len(data.train) == 5 * RECORDS
    assert len(data.test) == RECORDS
    assert data.train.images.dtype == data.test.images.dtype == torch.uint8
    for seed, part in enumerate([*data.train.images.split(RECORDS), data.test.images]):
        written = small_cifar.records(seed)
        # Red is the first plane, and a plane goes row by row.
        for k, row, column in ((0, 0, 0), (0, 0, 1), (1, 5, 7), (2, 31, 31)):
            byte = 1 + 1024 * k + 32 * row + column
            assert part[:, k, row, column].tolist() == written[:, byte].tolist()
    labels = np.concatenate([small_cifar.records(seed)[:, 0] for seed in range(5)])
    assert data.train.labels.tolist() == labels.tolist()
    assert data.classes == CLASSES


def test_the_files_are_known_by_their_digests(tmp_path, monkeypatch):
    folder = small_cifar.write(tmp_path / FOLDER)
    origin = read_cifar10(folder, records=RECORDS).origin
    assert origin.kind == "unidentified"
    contents = small_cifar.contents()
    sha256 = [hashlib.sha256(contents[name]).hexdigest() for name in FILES]
    assert origin.sha256 == dict(zip(FILES, sha256, strict=True))
    assert origin.notes()["images"] == "CIFAR-10 in an unidentified copy"
    assert origin.notes()["SHA-256 of test_batch.bin"] == sha256[-1]
    monkeypatch.setattr(images, "_JPEG_SHA256", tuple(sha256))
    copy = read_cifar10(folder, records=RECORDS).origin
    assert copy.kind == "jpeg"
    assert "JPEG" in copy.notes()["images"]
    sha1 = tuple(hashlib.sha1(contents[name]).hexdigest() for name in FILES)
    monkeypatch.setattr(images, "_OFFICIAL_SHA1", sha1)
    assert read_cifar10(folder, records=RECORDS).origin.kind == "official"


def test_the_list_of_classes_may_be_missing_but_not_wrong(tmp_path):
    folder = small_cifar.write(tmp_path / FOLDER)
    (folder / "batches.meta.txt").unlink()
    assert read_cifar10(folder, records=RECORDS).classes == CLASSES
    (folder / "batches.meta.txt").write_text("apple\npear\n")
    with pytest.raises(DataError, match=r"batches.meta.txt: must list airplane.* got apple, pear"):
        read_cifar10(folder, records=RECORDS)
    (folder / "batches.meta.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"batches.meta.txt: cannot be read"):
        read_cifar10(folder, records=RECORDS)


def test_no_images_are_read_of_a_folder_with_a_file_missing(tmp_path):
    folder = small_cifar.write(tmp_path / FOLDER)
    (folder / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_4.bin: cannot be read: No such file"):
        read_cifar10(folder, records=RECORDS)


@pytest.mark.parametrize("change", [-1, 1, -3073, 3073])
def test_a_file_of_another_size_is_refused(tmp_path, change):
    folder = small_cifar.write(tmp_path / FOLDER)
    path = folder / "test_batch.bin"
    size = RECORDS * 3073
    path.write_bytes((path.read_bytes() + b"\0" * 4000)[: size + change])
    match = rf"test_batch.bin: must hold {size:,} bytes, 20 images, got {size + change:,}"
    with pytest.raises(DataError, match=match):
        read_cifar10(folder, records=RECORDS)


def test_a_label_out_of_range_is_refused(tmp_path):
    contents = small_cifar.contents()
    records = small_cifar.records(2)
    records[7, 0] = 10
    records[9, 0] = 255
    contents["data_batch_3.bin"] = records.tobytes()
    folder = small_cifar.write(tmp_path / FOLDER, contents)
    match = r"data_batch_3.bin: labels must lie in 0 to 9, got 10 at image 7"
    with pytest.raises(DataError, match=match):
        read_cifar10(folder, records=RECORDS)


@pytest.mark.parametrize(("name", "which"), [("data_batch_1.bin", "training"), (FILES[-1], "test")])
def test_classes_must_be_equally_frequent(tmp_path, name, which):
    contents = small_cifar.contents()
    records = np.frombuffer(contents[name], dtype=np.uint8).reshape(RECORDS, -1).copy()
    records[records[:, 0] == 3, 0] = 5
    contents[name] = records.tobytes()
    folder = small_cifar.write(tmp_path / FOLDER, contents)
    with pytest.raises(DataError, match=rf"the {which} files? must hold every class equally"):
        read_cifar10(folder, records=RECORDS)


@pytest.mark.parametrize("records", [0, -1, 2.5, True])
def test_a_file_must_have_records(tmp_path, records):
    with pytest.raises(ValueError, match="records must be an integer >= 1"):
        read_cifar10(tmp_path, records=records)


# Where the data are


def test_the_folder_is_the_one_given_then_the_environments_then_the_platforms(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ISACLIB_DATA", str(tmp_path / "set"))
    assert data_directory(tmp_path / "given") == tmp_path / "given"
    assert data_directory() == tmp_path / "set"
    monkeypatch.delenv("ISACLIB_DATA")
    assert data_directory() == platformdirs.user_cache_path("isaclib", appauthor=False)
    if platform.system() == "Linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        assert data_directory() == tmp_path / "cache" / "isaclib"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert data_directory("~/sets") == tmp_path / "sets"


def test_cifar10_is_found_in_the_folder_of_data_sets(tmp_path, monkeypatch, small):
    small_cifar.write(tmp_path / FOLDER)
    monkeypatch.setenv("ISACLIB_DATA", str(tmp_path))
    assert len(load_cifar10().train) == 5 * RECORDS
    assert load_cifar10().origin.kind == "unidentified"


def test_where_there_is_no_cifar10_that_is_an_error_that_says_how_to_get_it(tmp_path):
    match = (
        rf"holds cifar-10-batches-bin, got {tmp_path}; .* `isaclib data cifar10`, .*ISACLIB_DATA"
    )
    with pytest.raises(DataError, match=match):
        load_cifar10(tmp_path)


def test_synthetic_images_say_that_they_are():
    data = synthetic_images(10, 10)
    assert data.origin.kind == "synthetic"
    assert data.origin.notes() == {"images": "synthetic textured shapes, not CIFAR-10"}


# Synthetic images


@pytest.fixture(scope="module")
def synthetic():
    return synthetic_images(1000, 500)


def test_synthetic_images_have_the_form_of_cifar10(synthetic):
    assert tuple(synthetic.train.images.shape) == (1000, 3, 32, 32)
    assert synthetic.train.images.dtype == torch.uint8
    for part, each in ((synthetic.train, 100), (synthetic.test, 50)):
        assert torch.bincount(part.labels).tolist() == [each] * 10
    assert len(set(synthetic.classes)) == 10
    assert not set(synthetic.classes) & set(CLASSES)


def test_the_round_shapes_are_the_animals(synthetic):
    animals = {synthetic.classes[label].split()[1] for label in ANIMALS}
    assert animals == {"disc", "ring", "crescent"}
    others = {name.split()[1] for name in synthetic.classes} - animals
    assert others == {"square", "triangle"}
    assert [CLASSES[label] for label in ANIMALS] == [
        *("bird", "cat", "deer", "dog", "frog", "horse")
    ]


def test_synthetic_images_follow_from_the_seed(synthetic):
    again, other = synthetic_images(1000, 500), synthetic_images(1000, 500, seed=1)
    assert torch.equal(again.train.images, synthetic.train.images)
    assert torch.equal(again.test.labels, synthetic.test.labels)
    assert not torch.equal(other.train.images, synthetic.train.images)
    assert not torch.equal(synthetic.train.images[:500], synthetic.test.images)


def accuracy(data, features, classes):
    """Test accuracy of the linear classifier that fits one-hot targets best."""

    def inputs(part):
        found = features(part.images.double().numpy() / 255)
        return np.concatenate([found, np.ones((len(found), 1))], axis=1)

    wanted = np.eye(10)[classes(data.train.labels.numpy())]
    weights = np.linalg.lstsq(inputs(data.train), wanted, rcond=None)[0]
    decided = (inputs(data.test) @ weights).argmax(1)
    return np.mean(decided == classes(data.test.labels.numpy()))


def test_a_class_is_its_shape_and_texture_and_not_its_colours(synthetic):
    def colour(x):
        return x.mean((2, 3))

    def spectrum(x):
        # Its magnitude does not depend on the place, and the log not on the contrast.
        return np.log(np.abs(np.fft.rfft2(x))[:, :, :12, :12].mean(1)).reshape(len(x), -1)

    # With 500 test images a chance hit varies by 0.013 among ten classes, 0.022 between two.
    assert accuracy(synthetic, colour, lambda label: label) < 0.16
    assert accuracy(synthetic, spectrum, lambda label: label) > 0.25
    assert accuracy(synthetic, spectrum, lambda label: label % 2) > 0.7


@pytest.mark.parametrize("count", [0, 15, -10, 2.0])
@pytest.mark.parametrize("name", ["train", "test"])
def test_every_class_needs_equally_many_synthetic_images(name, count):
    with pytest.raises(ValueError, match=rf"{name} must be .* got {count}"):
        synthetic_images(**{"train": 10, "test": 10, name: count})


# Sets


def test_animals_are_the_labels_of_the_paper():
    assert is_animal(torch.arange(10)).nonzero().flatten().tolist() == list(ANIMALS)


def test_the_first_images_of_a_set(synthetic):
    few = synthetic.train.first(7)
    assert len(few) == 7
    assert torch.equal(few.images, synthetic.train.images[:7])
    assert torch.equal(few.labels, synthetic.train.labels[:7])
    for count in (0, -1, 1001):
        with pytest.raises(ValueError, match=rf"count must be .*{count}"):
            synthetic.train.first(count)


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (torch.zeros(2, 3, 32, 32), torch.zeros(2).long(), "images must be .* torch.float32"),
        (torch.zeros(0, 3, 32, 32).byte(), torch.zeros(0).long(), r"images must be .* \(0, 3"),
        (torch.zeros(2, 1, 32, 32).byte(), torch.zeros(2).long(), r"images must be .* \(2, 1"),
        (torch.zeros(2, 3, 32, 32).byte(), torch.zeros(3).long(), r"labels must be a \[2\]"),
        (torch.zeros(2, 3, 32, 32).byte(), torch.zeros(2), "labels must be .* torch.float32"),
        (torch.zeros(2, 3, 32, 32).byte(), torch.tensor([0, 10]), "must lie in 0 to 9, got 10"),
        (torch.zeros(2, 3, 32, 32).byte(), torch.tensor([-1, 3]), "must lie in 0 to 9, got -1"),
    ],
)
def test_sets_are_checked(images, labels, match):
    with pytest.raises(ValueError, match=match):
        ImageSet(images, labels)

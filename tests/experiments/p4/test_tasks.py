import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from p2_payloads import same, through_json
from p4_payloads import (
    DATA,
    POINT,
    REPETITION,
    SEED,
    TRAINING,
    a_system,
    measured,
    record,
    some_codes,
    stored_system,
    untrained,
)
from scipy.stats import binomtest

from isaclib.data.images import is_animal
from isaclib.experiments.p4 import tasks as p4_tasks
from isaclib.experiments.p4.config import TWO_TASKS, Point
from isaclib.experiments.p4.tasks import (
    METRICS,
    as_stored,
    measure_linear,
    performance_record,
    point_from,
    train_and_measure,
)
from isaclib.experiments.series.assembly import WEIGHTS
from isaclib.experiments.series.results import load_weights
from isaclib.receivers.linear_codes import principal_components
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import transmit
from isaclib.systems.semantic.model import scaled_pixels
from isaclib.systems.semantic.training import (
    SemanticTraining,
    TaskWeights,
    encoder_gradients,
    task_losses,
    train_semantic,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ALONE = replace(POINT, weights=TaskWeights(0, 1), afterwards=TaskWeights(1, 0))


def trained(folder, point=POINT, epochs=2, model=None, **options):
    """A system by the training module alone."""
    model = model or untrained(point)
    plan = replace(point.plan(TRAINING, epochs), **options)
    train_semantic(model, point.link(), DATA.train, plan, folder, seed=REPETITION)
    return model


def halved(model):
    """A copy with every parameter rounded by NumPy to half precision."""
    copy = untrained()
    rounded = {
        name: torch.from_numpy(value.numpy().astype(np.float16).astype(np.float32))
        for name, value in model.state_dict().items()
    }
    copy.load_state_dict(rounded)
    return copy


# Points as JSON data


@pytest.mark.parametrize(
    "point",
    [
        Point(),
        POINT,
        ALONE,
        replace(POINT, known=True, ways="reciprocal", reconstruction_scale=1.0, range_step_db=6.0),
    ],
)
def test_a_point_comes_back_from_json(point):
    assert point_from(through_json(asdict(point))) == point


# What is stored of a system


def test_stored_parameters_are_those_of_half_precision():
    model = untrained()
    with torch.no_grad():
        model.output.weight[0, 0] = 1 + 2**-12
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = as_stored(model).state_dict()
    for name, value in halved(model).state_dict().items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value)
        assert torch.equal(model.state_dict()[name], before[name])
    assert float(found["output.weight"][0, 0]) == 1


def test_the_stored_weights_give_the_stored_numbers(tmp_path):
    """Files of half the size, and not a digit is lost: systems are measured with what is stored."""
    found = train_and_measure(through_json(a_system()), tmp_path)
    weights = load_weights(tmp_path / WEIGHTS)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    model = stored_system(tmp_path)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    performance = measured(model)
    assert same(found["records"][-1], performance_record(performance))
    assert found["sensing"] == performance.sensing_confusion
    assert found["label"] == performance.label_confusion


def test_a_record_is_what_is_found_image_by_image(tmp_path):
    """Decisions and errors in NumPy, of the same images through the same channels."""
    found = train_and_measure(a_system(), tmp_path)
    model, errors = stored_system(tmp_path), []
    hits = {"sensing": [], "animal": [], "label": []}
    for step in range(2):
        part = slice(20 * step, 20 * step + 20)
        pixels, label = scaled_pixels(DATA.test.images[part]), DATA.test.labels[part]
        with torch.no_grad():
            code = model.encode(pixels)
            reception = transmit(
                model, POINT.link(), code, step_generator(SEED, "test/semantic", step)
            )
            image = model.reconstruct(reception.communication).double().numpy()
            scores = {
                task: model.decide(
                    task, reception.echo if task == "sensing" else reception.communication
                ).numpy()
                for task in hits
            }
        errors.extend(((image - pixels.double().numpy()) ** 2).mean((1, 2, 3)))
        answers = {"sensing": reception.target, "animal": is_animal(label), "label": label}
        for task, values in hits.items():
            values.extend(scores[task].argmax(-1) == answers[task].numpy())
    last = found["records"][-1]
    assert set(last) == set(METRICS)
    assert last["mse"]["value"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert last["psnr_db"]["value"] == pytest.approx(-10 * math.log10(np.mean(errors)), rel=1e-5)
    for task, values in hits.items():
        assert last[task]["count"] == 40
        assert last[task]["value"] == pytest.approx(np.mean(values), rel=1e-6)
        interval = binomtest(int(np.sum(values)), 40).proportion_ci(method="wilson")
        assert (last[task]["low"], last[task]["high"]) == pytest.approx(tuple(interval))
    sensing, label = np.array(found["sensing"]), np.array(found["label"])
    assert (sensing.shape, label.shape) == ((3, 3), (10, 10))
    assert np.trace(sensing) == sum(hits["sensing"])
    assert label.sum(1).tolist() == torch.bincount(DATA.test.labels, minlength=10).tolist()
    assert last["p_fa"]["value"] == pytest.approx(sensing[0, 1:].sum() / sensing[0].sum())
    assert last["p_d"]["value"] == pytest.approx(sensing[1:, 1:].sum() / sensing[1:].sum())


# Training


def test_a_system_is_measured_at_every_stop_of_one_training(tmp_path):
    found = train_and_measure(through_json(a_system(stops=[1, 2, 4])), tmp_path / "task")
    assert len(found["records"]) == 3
    for epochs, known in zip((1, 2, 4), found["records"], strict=True):
        model = trained(tmp_path / f"oracle-{epochs}", epochs=epochs)
        assert same(known, record(halved(model)))
    assert found["afterwards"] is None
    assert found["notes"] == DATA.origin.notes()
    assert not same(found["records"][0], found["records"][1])


@pytest.mark.parametrize(
    "changes",
    [
        {"point": replace(POINT, fading="awgn")},
        {"point": replace(POINT, reconstruction_scale=1.0)},
        {"point": replace(POINT, weights=TaskWeights(0.1, 0.3, 0.2, 0.4))},
        {"training": asdict(replace(TRAINING, learning_rate=0.01))},
        {"training": asdict(replace(TRAINING, batch=30))},
        {"repetition": 0},
        {"stops": [1, 3]},
    ],
)
def test_what_a_system_learns_depends_on(tmp_path, changes):
    train_and_measure(a_system(), tmp_path / "a")
    train_and_measure(a_system(**changes), tmp_path / "b")
    first, other = (load_weights(tmp_path / name / WEIGHTS)["output.weight"] for name in "ab")
    assert not torch.equal(first, other)


def test_the_seed_of_the_measurement_changes_nothing_that_is_learned(tmp_path):
    first = train_and_measure(a_system(), tmp_path / "a")
    other = train_and_measure(a_system(seed=SEED + 1), tmp_path / "b")
    weights = [load_weights(tmp_path / name / WEIGHTS) for name in "ab"]
    for name, value in weights[0].items():
        assert torch.equal(weights[1][name], value)
    assert not same(first["records"], other["records"])


def test_receivers_that_know_their_channel_are_given_it(tmp_path):
    point = replace(POINT, known=True)
    found = train_and_measure(through_json(a_system(point)), tmp_path)
    assert same(found["records"][-1], record(stored_system(tmp_path, point), point))


# Decoders afterwards


def test_decoders_are_trained_afterwards_for_the_stored_encoder(tmp_path):
    """What the codes of sensing alone carry for the image."""
    found = train_and_measure(through_json(a_system(ALONE)), tmp_path / "task")
    model = trained(tmp_path / "first", ALONE)
    assert same(found["records"][-1], record(halved(model), ALONE))
    trained(tmp_path / "second", ALONE, model=model, weights=TaskWeights(1, 0), encoder=False)
    assert same(found["afterwards"], record(halved(model), ALONE))
    # Sensing is as it was; its codes go to another decoder 1.
    assert same(found["afterwards"]["sensing"], found["records"][-1]["sensing"])
    assert found["afterwards"]["mse"]["value"] < found["records"][-1]["mse"]["value"]
    # What is stored is the system before it.
    assert same(record(stored_system(tmp_path / "task", ALONE), ALONE), found["records"][-1])


# Gradients


def test_gradients_are_compared_over_the_first_training_batches(tmp_path):
    found = train_and_measure(a_system(), tmp_path / "task")
    tasks = ("reconstruction", "sensing", "animal", "label")
    pairs = [(a, b) for i, a in enumerate(tasks) for b in tasks[i + 1 :]]
    assert set(found["gradients"][0]) == {
        *(f"{a}~{b}" for a, b in pairs),
        *(f"norm/{task}" for task in tasks),
    }
    for stop, known in zip((1, 2), found["gradients"], strict=True):
        model = trained(tmp_path / f"oracle-{stop}", epochs=stop)
        rows = []
        for step in range(2):
            part = slice(20 * step, 20 * step + 20)
            images = DATA.train.images[part], DATA.train.labels[part]
            generator = step_generator(SEED, "gradients/semantic", step)
            losses = task_losses(model, POINT.link(), images, tasks, generator)
            gradients = encoder_gradients(model, losses)
            rows.append({task: g.double().numpy() for task, g in gradients.items()})
        for task in tasks:
            norms = [np.linalg.norm(row[task]) for row in rows]
            assert known[f"norm/{task}"]["value"] == pytest.approx(np.mean(norms), rel=1e-4)
            assert known[f"norm/{task}"]["count"] == 2
        for a, b in pairs:
            cosines = [
                row[a] @ row[b] / np.linalg.norm(row[a]) / np.linalg.norm(row[b]) for row in rows
            ]
            assert known[f"{a}~{b}"]["value"] == pytest.approx(np.mean(cosines), abs=1e-4)


def test_one_task_alone_has_a_norm_and_nothing_to_compare_it_with(tmp_path):
    found = train_and_measure(a_system(ALONE), tmp_path)
    assert [set(g) for g in found["gradients"]] == [{"norm/sensing"}] * 2


# Interrupted runs


class Killed(Exception):
    pass


def killing(monkeypatch, at):
    """Let the process die when the training's mini-batch of this index is about to begin."""
    original = SemanticTraining.step_loss

    def step_loss(self, index):
        if (self.plan.encoder, index) == at:
            raise Killed
        return original(self, index)

    monkeypatch.setattr(SemanticTraining, "step_loss", step_loss)


@pytest.mark.parametrize(
    ("at", "first"),
    [
        # In the first epoch, in the second, and in both of the decoders' own training.
        ((True, 1), (True, 0)),
        ((True, 4), (True, 3)),
        ((False, 1), (False, 0)),
        ((False, 5), (False, 3)),
    ],
)
def test_a_system_that_was_killed_goes_on_to_the_same_record(tmp_path, monkeypatch, at, first):
    point = replace(ALONE, weights=TWO_TASKS, afterwards=TaskWeights(0, 0, 1))
    whole = train_and_measure(a_system(point), tmp_path / "whole")
    with monkeypatch.context() as patch:
        killing(patch, at)
        with pytest.raises(Killed):
            train_and_measure(a_system(point), tmp_path / "parts")
    done = []
    original = SemanticTraining.step_loss

    def counted(self, index):
        done.append((self.plan.encoder, index))
        return original(self, index)

    monkeypatch.setattr(SemanticTraining, "step_loss", counted)
    assert same(train_and_measure(a_system(point), tmp_path / "parts"), whole)
    # From the last checkpoint, not from the beginning; Lightning may write more than one an epoch.
    assert first <= done[0] <= at
    files = [tmp_path / name / WEIGHTS for name in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_system_that_was_killed_in_a_measurement_goes_on(tmp_path, monkeypatch, at):
    whole = train_and_measure(a_system(ALONE), tmp_path / "whole")
    original, calls = p4_tasks.measure_semantic, []

    def dying(*arguments, **options):
        calls.append(None)
        if len(calls) == at:
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(p4_tasks, "measure_semantic", dying)
        with pytest.raises(Killed):
            train_and_measure(a_system(ALONE), tmp_path / "parts")
    assert same(train_and_measure(a_system(ALONE), tmp_path / "parts"), whole)


# Principal components


def by_svd(size):
    """Mean, variances and directions of the first fifty training images."""
    flat = DATA.train.images[:50].flatten(1).double().numpy() / 255
    mean = flat.mean(0)
    values, rows = np.linalg.svd(flat - mean, full_matrices=False)[1:]
    return mean, values[:size] ** 2 / 50, rows[:size]


def shared(variances, power, snr):
    """Power of each component, by bisection of the level that it fills up to."""
    low, high = 0.0, 1e6
    for _ in range(200):
        level = (low + high) / 2
        found = np.maximum(level * np.sqrt(variances) - 1, 0) / snr
        low, high = (level, high) if found.sum() < power else (low, level)
    return found


def test_principal_components_meet_the_channels_of_the_learned_systems(tmp_path, monkeypatch):
    """Each image in NumPy: components, power, channel and the linear estimate."""
    taken = []

    def components(*arguments):
        taken.append(principal_components(*arguments))
        return taken[0]

    monkeypatch.setattr(p4_tasks, "principal_components", components)
    points = [[4, 3.0, "awgn"], [4, 3.0, "rayleigh"], [6, -9.0, "awgn"]]
    found = measure_linear(through_json(some_codes(points)), tmp_path)["records"]
    for (size, snr_db, fading), known in zip(points, found, strict=True):
        mean, variances, rows = by_svd(size)
        # A direction and its opposite are as good, but meet the noise differently.
        rows = rows * np.sign((rows * taken[0].directions[:, :size].numpy().T).sum(1))[:, None]
        snr = 10 ** (snr_db / 10)
        amplitudes = np.sqrt(shared(variances, size / 2, 2 * snr) / variances)
        channel = replace(POINT, communication_snr_db=snr_db, fading=fading).link().communication
        errors = []
        for step in range(2):
            images = DATA.test.images[20 * step : 20 * step + 20].flatten(1).double().numpy() / 255
            reals = (images - mean) @ rows.T * amplitudes
            drawn = channel.draw(20, size // 2, step_generator(SEED, "test/semantic", step))
            gain = math.sqrt(snr) * drawn.gain.numpy().astype(complex)[:, None]
            received = gain * (reals[:, ::2] + 1j * reals[:, 1::2]) + drawn.noise.numpy()
            turned = received * gain.conj() / np.abs(gain)
            y = np.stack([turned.real, turned.imag], -1).reshape(20, size)
            a = np.abs(gain) * amplitudes
            estimate = a * variances / (a**2 * variances + 0.5) * y
            errors.extend(((mean + estimate @ rows - images) ** 2).mean(1))
        assert known["mse"]["count"] == 40
        assert known["mse"]["value"] == pytest.approx(np.mean(errors), rel=1e-3)
        assert known["psnr_db"]["value"] == pytest.approx(-10 * math.log10(known["mse"]["value"]))


# Bad input


def test_images_for_fewer_batches_than_gradients_need_are_refused(tmp_path):
    training = asdict(replace(TRAINING, gradient_batches=4))
    with pytest.raises(ValueError, match="count must be at most 60, got 80"):
        train_and_measure(a_system(training=training), tmp_path)


def test_more_components_than_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="size must be below the number of images, 4"):
        measure_linear(some_codes([[4, 3.0, "awgn"]], linear_images=4), tmp_path)

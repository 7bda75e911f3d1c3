import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from p4_systems import (
    DATA,
    IMAGES,
    SEED,
    SYSTEM,
    a_training,
    at_the_end,
    measured,
    outcome,
    performance,
    trained,
    untrained,
    values,
)
from scipy.stats import binomtest

from isaclib.data.images import is_animal
from isaclib.experiments.engine.results import ResultError
from isaclib.experiments.p4.config import THREE_TASKS
from isaclib.experiments.p4.tasks import (
    CompareGradients,
    Confuse,
    FindComponents,
    MeasureLinear,
    RoundSystem,
    Trained,
)
from isaclib.learning.networks import load_parameters
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import transmit
from isaclib.systems.semantic.model import scaled_pixels
from isaclib.systems.semantic.training import (
    SemanticTraining,
    TaskWeights,
    encoder_gradients,
    task_losses,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ALONE = replace(SYSTEM, weights=TaskWeights(0, 1))
OTHER = replace(SYSTEM, weights=TaskWeights(1, 0))


def same(a, b):
    """Whether all is equal, undefined values included."""
    return repr(a) == repr(b)


def halved(model, system=SYSTEM):
    """A copy with every parameter rounded by NumPy to half precision."""
    copy = untrained(system)
    rounded = {
        name: torch.from_numpy(value.numpy().astype(np.float16).astype(np.float32))
        for name, value in model.state_dict().items()
    }
    copy.load_state_dict(rounded)
    return copy


def is_measured(found, model, system=SYSTEM):
    """Whether values are those of a system with rounded parameters."""
    oracle = vars(performance(halved(model, system), system))
    return same({name: oracle[name] for name in found}, found)


def confusion(task, folder):
    points = outcome(task, folder).points
    size = 1 + max(point.at["true"] for point in points)
    cells = [(point.at["true"], point.at["decided"]) for point in points]
    assert cells == [(true, decided) for true in range(size) for decided in range(size)]
    return np.reshape([point.values["images"] for point in points], (size, size))


# Systems


def test_a_system_is_measured_at_every_mark_of_one_training(tmp_path):
    training = a_training(marks=(1, 2, 4))
    for epochs in training.marks:
        found = measured(RoundSystem(Trained(training, epochs)), tmp_path)
        assert is_measured(found, trained(tmp_path / f"oracle-{epochs}", epochs=epochs))
    assert outcome(training, tmp_path).notes == DATA.origin.notes()


def test_what_is_measured_and_stored_are_parameters_of_half_precision(tmp_path):
    system = at_the_end(a_training())
    stored = outcome(system, tmp_path)
    exact = outcome(a_training(), tmp_path).tensors
    for name, value in stored.tensors.items():
        assert torch.equal(value, exact[name][-1].half())
    assert stored.notes == {"weights": "stored as float16, and measured like that"}
    model = untrained()
    load_parameters(model, stored.tensors)
    oracle = performance(model)
    assert same(vars(oracle)["mse"], measured(system, tmp_path)["mse"])
    assert (
        confusion(Confuse(system, SEED, "sensing"), tmp_path).tolist() == oracle.sensing_confusion
    )
    assert confusion(Confuse(system, SEED, "label"), tmp_path).tolist() == oracle.label_confusion


def test_decoders_are_measured_that_were_trained(tmp_path):
    two = ["mse", "psnr_db", "sensing", "p_d", "p_fa"]
    for weights, more in ((TaskWeights(), []), (THREE_TASKS, ["animal"])):
        system = at_the_end(a_training(replace(SYSTEM, weights=weights), marks=(1,)))
        assert list(measured(system, tmp_path)) == [*two, *more]
    assert list(measured(at_the_end(a_training()), tmp_path)) == [*two, "animal", "label"]


def test_a_measurement_is_what_is_found_image_by_image(tmp_path):
    """Decisions and errors in NumPy, of the same images through the same channels."""
    system = at_the_end(a_training())
    model, errors = untrained(), []
    load_parameters(model, outcome(system, tmp_path).tensors)
    hits = {"sensing": [], "animal": [], "label": []}
    for step in range(2):
        part = slice(20 * step, 20 * step + 20)
        pixels, label = scaled_pixels(DATA.test.images[part]), DATA.test.labels[part]
        with torch.no_grad():
            code = model.encode(pixels)
            generator = step_generator(SEED, "test/semantic", step)
            reception = transmit(model, SYSTEM.link(), code, generator)
            image = model.reconstruct(reception.communication).double().numpy()
            scores = {
                task: model.decide(
                    task, reception.echo if task == "sensing" else reception.communication
                ).numpy()
                for task in hits
            }
        errors.extend(((image - pixels.double().numpy()) ** 2).mean((1, 2, 3)))
        answers = {"sensing": reception.target, "animal": is_animal(label), "label": label}
        for task, right in hits.items():
            right.extend(scores[task].argmax(-1) == answers[task].numpy())
    found = measured(system, tmp_path)
    assert found["mse"].value == pytest.approx(np.mean(errors), rel=1e-5)
    assert found["psnr_db"].value == pytest.approx(-10 * math.log10(np.mean(errors)), rel=1e-5)
    for task, right in hits.items():
        estimate = found[task]
        assert estimate.count == 40
        assert estimate.value == pytest.approx(np.mean(right), rel=1e-6)
        interval = binomtest(int(np.sum(right)), 40).proportion_ci(method="wilson")
        assert (estimate.low, estimate.high) == pytest.approx(tuple(interval))
    sensing, label = (confusion(Confuse(system, SEED, t), tmp_path) for t in ("sensing", "label"))
    assert (sensing.shape, label.shape) == ((3, 3), (10, 10))
    assert np.trace(sensing) == sum(hits["sensing"])
    assert label.sum(1).tolist() == torch.bincount(DATA.test.labels, minlength=10).tolist()
    assert found["p_fa"].value == pytest.approx(sensing[0, 1:].sum() / sensing[0].sum())
    assert found["p_d"].value == pytest.approx(sensing[1:, 1:].sum() / sensing[1:].sum())


@pytest.mark.parametrize(
    "changes",
    [
        {"system": replace(SYSTEM, fading="awgn")},
        {"system": replace(SYSTEM, reconstruction_scale=1.0)},
        {"system": replace(SYSTEM, weights=TaskWeights(0.1, 0.3, 0.2, 0.4))},
        {"learning_rate": 0.01},
        {"batch": 30},
        {"seed": 0},
        {"marks": (1, 3)},
    ],
)
def test_what_a_system_learns_depends_on(tmp_path, changes):
    first, other = (
        outcome(at_the_end(task), tmp_path / name).tensors["output.weight"]
        for name, task in (("a", a_training()), ("b", a_training(**changes)))
    )
    assert not torch.equal(first, other)


def test_the_seed_of_the_measurement_is_none_of_the_training(tmp_path):
    system = at_the_end(a_training())
    assert not same(measured(system, tmp_path), measured(system, tmp_path, SEED + 1))
    assert len(list(tmp_path.glob("TrainSystem-*"))) == 1


def test_receivers_that_know_their_channel_are_given_it(tmp_path):
    system = replace(SYSTEM, known=True)
    found = measured(at_the_end(a_training(system)), tmp_path)
    assert is_measured(found, trained(tmp_path / "oracle", system), system)


def test_decoders_are_trained_afterwards_for_the_encoder_as_it_is(tmp_path):
    """What the codes of sensing alone carry for the image."""
    first = a_training(ALONE)
    after = a_training(OTHER, start=Trained(first, 2), encoder=False, marks=(2,))
    begun, found = (measured(at_the_end(task), tmp_path) for task in (first, after))
    model = trained(tmp_path / "first", ALONE)
    assert is_measured(begun, model, ALONE)
    trained(tmp_path / "second", OTHER, model=model, encoder=False)
    assert is_measured(found, model, OTHER)
    # Sensing is as it was; its codes go to another decoder 1.
    assert same(found["sensing"], begun["sensing"])
    assert found["mse"].value < begun["mse"].value


# Gradients


def compared(training, folder, epochs=2, batches=2):
    """Norms and cosines by their tasks."""
    points = outcome(CompareGradients(Trained(training, epochs), SEED, batches), folder).points
    return {tuple(point.at.values()): next(iter(point.values.values())) for point in points}


def test_gradients_are_compared_over_the_first_training_batches(tmp_path):
    tasks = ("reconstruction", "sensing", "animal", "label")
    pairs = [(a, b) for i, a in enumerate(tasks) for b in tasks[i + 1 :]]
    for epochs in (1, 2):
        known = compared(a_training(), tmp_path, epochs)
        assert list(known) == [*pairs, *((task,) for task in tasks)]
        model, rows = trained(tmp_path / f"oracle-{epochs}", epochs=epochs), []
        for step in range(2):
            part = slice(20 * step, 20 * step + 20)
            images = DATA.train.images[part], DATA.train.labels[part]
            generator = step_generator(SEED, "gradients/semantic", step)
            losses = task_losses(model, SYSTEM.link(), images, tasks, generator)
            gradients = encoder_gradients(model, losses)
            rows.append({task: g.double().numpy() for task, g in gradients.items()})
        for task in tasks:
            norms = [np.linalg.norm(row[task]) for row in rows]
            assert known[(task,)].value == pytest.approx(np.mean(norms), rel=1e-4)
            assert known[(task,)].count == 2
        for a, b in pairs:
            cosines = [
                row[a] @ row[b] / np.linalg.norm(row[a]) / np.linalg.norm(row[b]) for row in rows
            ]
            assert known[a, b].value == pytest.approx(np.mean(cosines), abs=1e-4)


def test_one_task_alone_has_a_norm_and_nothing_to_compare_it_with(tmp_path):
    assert list(compared(a_training(ALONE), tmp_path)) == [("sensing",)]


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
def test_a_system_that_was_killed_goes_on_to_the_same_parameters(tmp_path, monkeypatch, at, first):
    start = Trained(a_training(ALONE), 2)
    task = at_the_end(a_training(OTHER, start=start, encoder=False, marks=(1, 2)))
    whole = outcome(task, tmp_path / "whole").tensors
    with monkeypatch.context() as patch:
        killing(patch, at)
        with pytest.raises(Killed):
            outcome(task, tmp_path / "parts")
    done = []
    original = SemanticTraining.step_loss

    def counted(self, index):
        done.append((self.plan.encoder, index))
        return original(self, index)

    monkeypatch.setattr(SemanticTraining, "step_loss", counted)
    found = outcome(task, tmp_path / "parts").tensors
    assert all(torch.equal(found[name], value) for name, value in whole.items())
    # From the last checkpoint, not from the beginning; Lightning may write more than one an epoch.
    assert first <= done[0] <= at


def test_a_damaged_file_of_what_was_kept_is_named(tmp_path, monkeypatch):
    training = a_training()
    with monkeypatch.context() as patch:
        killing(patch, (True, 4))
        with pytest.raises(Killed):
            outcome(training, tmp_path)
    (kept,) = tmp_path.rglob("after-1.safetensors")
    kept.write_bytes(kept.read_bytes()[:-10])
    with pytest.raises(ResultError, match=r"after-1.safetensors: is not a whole"):
        outcome(training, tmp_path)


# Principal components


def linear(size, snr_db, fading, count=50):
    return MeasureLinear(FindComponents(IMAGES, count, 6), size, snr_db, fading, SEED)


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


def test_principal_components_meet_the_channels_of_the_learned_systems(tmp_path):
    """Each image in NumPy: components, power, channel and the linear estimate."""
    for size, snr_db, fading in ((4, 3.0, "awgn"), (4, 3.0, "rayleigh"), (6, -9.0, "awgn")):
        task = linear(size, snr_db, fading)
        found = outcome(task.components, tmp_path).tensors["directions"]
        mean, variances, rows = by_svd(size)
        # A direction and its opposite are as good, but meet the noise differently.
        rows = rows * np.sign((rows * found[:, :size].numpy().T).sum(1))[:, None]
        snr = 10 ** (snr_db / 10)
        amplitudes = np.sqrt(shared(variances, size / 2, 2 * snr) / variances)
        system = replace(SYSTEM, communication_snr_db=snr_db, fading=fading)
        channel, errors = system.link().communication, []
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
        known = values(task, tmp_path)
        assert known["mse"].count == 40
        assert known["mse"].value == pytest.approx(np.mean(errors), rel=1e-3)
        assert known["psnr_db"].value == pytest.approx(-10 * math.log10(known["mse"].value))


# Bad input


def test_images_for_fewer_batches_than_gradients_need_are_refused(tmp_path):
    with pytest.raises(ValueError, match="count must be at most 60, got 80"):
        compared(a_training(), tmp_path, batches=4)


def test_more_components_than_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="size must be below the number of images, 4"):
        outcome(linear(4, 3.0, "awgn", count=4), tmp_path)

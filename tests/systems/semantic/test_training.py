import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from isaclib.channels.codes import CodeChannel, EchoChannel
from isaclib.data.images import ImageSet, synthetic_images
from isaclib.learning.networks import seeded
from isaclib.learning.training import CHECKPOINT
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.link import Link, measure_semantic, transmit
from isaclib.systems.semantic.model import TASKS, Layers, Semantic, scaled_pixels
from isaclib.systems.semantic.training import (
    SemanticPlan,
    SemanticTraining,
    TaskWeights,
    encoder_gradients,
    image_order,
    task_losses,
    train_semantic,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Layers((4, 6, 8), 16, (8,), (8,))
DATA = synthetic_images(100, 50)
LINK = Link(CodeChannel(3.0, "rayleigh"), EchoChannel(3.0, "rayleigh", ranges=2))
ALL = TaskWeights(0.1, 0.2, 0.3, 0.4)
PLAN = SemanticPlan(epochs=3, batch=30, weights=ALL)
SEED = 4


def a_model(**options):
    return seeded(Semantic, 6, 2, seed=1, layers=SMALL, **options)


def a_training(plan=PLAN, model=None, seed=SEED):
    return SemanticTraining(model or a_model(), LINK, DATA.train, plan, seed=seed)


def some_losses(tasks=TASKS, model=None, step=0):
    images = DATA.train.images[:30], DATA.train.labels[:30]
    return task_losses(model or a_model(), LINK, images, tasks, step_generator(0, "losses", step))


def trained(folder, plan=PLAN, model=None):
    model = model or a_model()
    train_semantic(model, LINK, DATA.train, plan, folder, seed=SEED)
    return model.state_dict()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


# Losses


def test_the_reconstruction_loss_is_the_mean_squared_error_over_all_pixels():
    model, generator = a_model(), step_generator(0, "losses", 0)
    pixels = scaled_pixels(DATA.train.images[:30])
    reception = transmit(model, LINK, model.encode(pixels, generator), generator)
    image = model.reconstruct(reception.communication).detach().double().numpy()
    oracle = np.mean((image - DATA.train.images[:30].double().numpy() / 255) ** 2)
    assert float(some_losses()["reconstruction"].detach()) == pytest.approx(oracle, rel=1e-5)


def test_at_the_start_the_other_losses_are_those_of_guessing():
    found = some_losses()
    for task, classes in (("sensing", 3), ("animal", 2), ("label", 10)):
        assert float(found[task].detach()) == pytest.approx(math.log(classes), abs=0.35)


def test_the_loss_of_a_task_does_not_depend_on_the_others():
    together = some_losses()
    for task in TASKS:
        assert torch.equal(some_losses((task,))[task], together[task])


def test_the_training_loss_is_the_weighted_sum():
    plan = replace(PLAN, reconstruction_scale=16.0)
    module = a_training(plan)
    loss = float(module.step_loss(5).detach())
    chosen = module.batch(5)
    parts = task_losses(
        a_model(),
        LINK,
        (DATA.train.images[chosen], DATA.train.labels[chosen]),
        TASKS,
        step_generator(SEED, "train/semantic", 5),
    )
    scale = {"reconstruction": 16.0}
    expected = sum(
        weight * scale.get(task, 1.0) * float(parts[task].detach())
        for task, weight in asdict(ALL).items()
    )
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_the_encoder_is_the_weighted_sum_of_the_tasks():
    model = a_model()
    parts = encoder_gradients(model, some_losses(model=model))
    total = sum(weight * some_losses(model=model)[task] for task, weight in asdict(ALL).items())
    total.backward()
    parameters = [*model.features.parameters(), *model.output.parameters()]
    found = torch.cat([p.grad.flatten() for p in parameters])
    expected = sum(weight * parts[task] for task, weight in asdict(ALL).items())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert all(float(part.norm()) > 0 for part in parts.values())


# Order of the images


def test_an_epoch_uses_every_image_once():
    order = image_order(1000, seed=3, epoch=0)
    assert sorted(order.tolist()) == list(range(1000))
    assert torch.equal(image_order(1000, seed=3, epoch=0), order)
    assert not torch.equal(image_order(1000, seed=3, epoch=1), order)
    assert not torch.equal(image_order(1000, seed=4, epoch=0), order)


def test_batches_follow_from_the_step_alone():
    steps = [0, 1, 2, 3, 7, 3, 0, 5, 2]
    module = a_training()
    assert module.steps_per_epoch == 3
    for step in steps:
        epoch, index = divmod(step, 3)
        expected = image_order(100, seed=SEED, epoch=epoch)[30 * index : 30 * index + 30]
        assert torch.equal(module.batch(step), expected)
    used = torch.cat([module.batch(step) for step in range(3)])
    assert len(set(used.tolist())) == 90


def test_images_that_fill_no_batch_are_others_each_time():
    module = a_training()
    left = []
    for epoch in range(20):
        used = torch.cat([module.batch(3 * epoch + i) for i in range(3)])
        left.extend(set(range(100)) - set(used.tolist()))
    assert len(left) == 200
    assert len(set(left)) > 70


def test_the_samples_of_a_step_depend_on_seed_and_step_alone():
    module, other = a_training(), a_training(seed=SEED + 1)
    torch.manual_seed(0)
    first = float(module.step_loss(3).detach())
    module.step_loss(0)
    torch.manual_seed(1)
    assert float(module.step_loss(3).detach()) == first
    assert float(module.step_loss(4).detach()) != first
    assert float(other.step_loss(3).detach()) != first


# Training


def test_training_equals_a_bare_loop_bit_for_bit(tmp_path):
    model = a_model()
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    last = DATA.train.images.contiguous(memory_format=torch.channels_last)
    for epoch in range(3):
        order = image_order(100, seed=SEED, epoch=epoch)
        for index in range(3):
            chosen = order[30 * index : 30 * index + 30]
            generator = step_generator(SEED, "train/semantic", 3 * epoch + index)
            images = last[chosen], DATA.train.labels[chosen]
            found = task_losses(model, LINK, images, TASKS, generator)
            loss = torch.stack([w * 1.0 * found[t] for t, w in asdict(ALL).items()]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert_same(trained(tmp_path), model.state_dict())


def test_a_resumed_training_ends_in_the_same_weights(tmp_path):
    whole = trained(tmp_path / "whole")
    first = trained(tmp_path / "parts", replace(PLAN, epochs=1))
    assert not torch.equal(first["output.weight"], whole["output.weight"])
    assert_same(trained(tmp_path / "parts"), whole)


def test_a_training_that_fails_in_an_epoch_goes_on_from_the_one_before(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole")
    step = SemanticTraining.step_loss

    def failing(self, index):
        if index == 7:
            raise RuntimeError("power cut")
        return step(self, index)

    monkeypatch.setattr(SemanticTraining, "step_loss", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        trained(tmp_path / "parts")
    monkeypatch.undo()
    assert_same(trained(tmp_path / "parts"), whole)


def test_a_checkpoint_holds_no_images(tmp_path):
    trained(tmp_path)
    checkpoint = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    names = set(checkpoint["state_dict"])
    assert names == {f"model.{name}" for name in a_model().state_dict()}


@pytest.mark.parametrize("task", TASKS)
def test_one_task_alone_trains_its_decoder_and_the_encoder(tmp_path, task):
    weights = TaskWeights(**{name: float(name == task) for name in TASKS})
    model = a_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for other in set(TASKS) - {task}:
        # A decoder whose task has no weight is not even run.
        model.decoders[other].forward = None
    found = trained(tmp_path, replace(PLAN, epochs=1, weights=weights), model)
    for name, value in found.items():
        moves = name.startswith(("features", "output", f"decoders.{task}."))
        assert torch.equal(value, before[name]) != moves, name


def test_decoders_are_trained_for_the_codes_of_an_encoder_as_it_is(tmp_path):
    """What its codes carry for tasks that it was not trained for."""
    alone = TaskWeights(0, 1)
    model = a_model()
    trained(tmp_path / "first", replace(PLAN, epochs=1, weights=alone), model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plan = replace(PLAN, weights=TaskWeights(0.5, 0, 0.5), encoder=False)
    found = trained(tmp_path / "afterwards", plan, model)
    for name, value in found.items():
        moves = name.startswith(("decoders.reconstruction.", "decoders.animal."))
        assert torch.equal(value, before[name]) != moves, name


def test_decoders_alone_learn_as_a_bare_loop_over_constant_codes(tmp_path):
    """The codes of the frozen encoder found beforehand, without any gradient for it."""
    model = a_model()
    optimizer = torch.optim.Adam(model.decoders.parameters(), lr=1e-3, fused=True)
    last = DATA.train.images.contiguous(memory_format=torch.channels_last)
    encode = model.encode
    for step in range(3):
        chosen = image_order(100, seed=SEED, epoch=0)[30 * step : 30 * step + 30]
        generator = step_generator(SEED, "train/semantic", step)
        model.encode = lambda *arguments: encode(*arguments).detach()
        images = last[chosen], DATA.train.labels[chosen]
        found = task_losses(model, LINK, images, TASKS, generator)
        loss = torch.stack([w * 1.0 * found[t] for t, w in asdict(ALL).items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_same(trained(tmp_path, replace(PLAN, epochs=1, encoder=False)), model.state_dict())


def test_all_parameters_can_be_trained_again_afterwards(tmp_path):
    model = a_model()
    trained(tmp_path / "decoders", replace(PLAN, epochs=1, encoder=False), model)
    assert all(parameter.requires_grad for parameter in model.parameters())
    before = model.output.weight.clone()
    trained(tmp_path / "all", replace(PLAN, epochs=1), model)
    assert not torch.equal(model.output.weight, before)


def coloured(count, seed):
    """Images of one colour each, by class, with noise: every task of them is easy."""
    generator = step_generator(seed, "coloured", 0)
    colours = torch.rand(10, 3, generator=step_generator(0, "colours", 0))
    labels = torch.arange(count) % 10
    noise = 0.05 * torch.randn(count, 3, 32, 32, generator=generator)
    pixels = colours[labels].view(-1, 3, 1, 1) + noise
    return ImageSet(pixels.clamp(0, 1).mul(255).round().to(torch.uint8), labels)


def test_training_learns_every_task(tmp_path):
    link = Link(CodeChannel(15.0), EchoChannel(10.0))
    model = seeded(Semantic, 20, seed=0, layers=Layers((8, 12, 16), 32, (16,), (16,)))
    plan = SemanticPlan(6, 50, 3e-3, TaskWeights(0.25, 0.25, 0.25, 0.25), 16.0)
    train_semantic(model, link, coloured(1000, 0), plan, tmp_path, seed=0)
    test = coloured(500, 1)
    found = measure_semantic(model, link, test, seed=1)
    pixels = test.images.double() / 255
    assert found.mse.high < 0.4 * float((pixels - pixels.mean(0)).square().mean())
    assert found.sensing.low > 0.95
    assert found.animal.low > 0.9
    assert found.label.low > 0.7


# Bad input


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0.5, 0.6), "weights must sum to one, got .* which sum to 1.1"),
        ((0.5, 0.4), "weights must sum to one, got .* which sum to 0.9"),
        ((0, 0), "weights must sum to one, got .* which sum to 0"),
        ((1.5, -0.5), "weight of sensing must be a finite number >= 0, got -0.5"),
        ((math.nan, 1), "weight of reconstruction must be a finite number >= 0, got nan"),
    ],
)
def test_task_weights_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        TaskWeights(*arguments)


def test_the_tasks_of_the_paper_are_weights():
    assert TaskWeights().positive() == ("reconstruction", "sensing")
    assert TaskWeights(1, 0).positive() == ("reconstruction",)
    assert TaskWeights(0, 1).positive() == ("sensing",)
    third = 1 / 3
    assert TaskWeights(third, third, third).positive() == TASKS[:3]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
        ({"batch": 0}, "batch must be an integer >= 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"reconstruction_scale": -1}, "reconstruction_scale must be a finite number > 0, got -1"),
    ],
)
def test_plans_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        SemanticPlan(**options)


def test_a_batch_needs_its_images():
    assert a_training(replace(PLAN, batch=100)).steps_per_epoch == 1
    with pytest.raises(ValueError, match="batch must be at most the 100 training images, got 101"):
        a_training(replace(PLAN, batch=101))


def test_bad_runs_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got -1"):
        train_semantic(a_model(), LINK, DATA.train, PLAN, tmp_path / "run", seed=-1)
    with pytest.raises(ValueError, match="device must be one of 'cpu', 'cuda', got 'tpu'"):
        train_semantic(a_model(), LINK, DATA.train, PLAN, tmp_path / "run", seed=0, device="tpu")
    assert not (tmp_path / "run").exists()

import math

import pytest
import torch
from torch.nn import functional

from isaclib.data.images import synthetic_images
from isaclib.learning.networks import count_parameters, load_parameters, seeded
from isaclib.signal.noise import step_generator
from isaclib.systems.semantic.model import (
    TASKS,
    Layers,
    Semantic,
    dropout,
    image_features,
    scaled_pixels,
)

IMAGES = synthetic_images(30, 10).train.images
PIXELS = scaled_pixels(IMAGES)
SMALL = Layers((4, 6, 8), 16, (8,), (8,))


def generator(step=0):
    return step_generator(0, "semantic", step)


def a_model(size=6, ranges=2, **options):
    return seeded(Semantic, size, ranges, seed=1, **{"layers": SMALL, **options})


# The encoder


def test_bytes_become_numbers_between_zero_and_one():
    assert PIXELS.dtype == torch.float32
    assert float(scaled_pixels(torch.tensor([0, 51, 255], dtype=torch.uint8))[1]) == pytest.approx(
        0.2
    )
    assert scaled_pixels(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0, 1]
    assert torch.equal((PIXELS * 255).round().byte(), IMAGES)


def test_the_encoder_is_the_network_that_it_says():
    """Three convolutions, pooling after the ReLU, features colour by colour last."""
    model = a_model()
    first, second, third = (layer for layer in model.features if isinstance(layer, torch.nn.Conv2d))
    x = PIXELS.double()

    def convolved(x, layer, **options):
        weight, bias = layer.weight.double().contiguous(), layer.bias.double()
        return functional.relu(functional.conv2d(x, weight, bias, padding=1, **options))

    x = convolved(x, first, stride=2)
    x = functional.max_pool2d(convolved(x, second), 2)
    x = functional.max_pool2d(convolved(x, third), 2)
    assert x.shape == (30, 8, 4, 4)
    columns = torch.stack([x[:, :, i, j] for i in range(4) for j in range(4)], 1).flatten(1)
    outputs = functional.linear(columns, model.output.weight.double(), model.output.bias.double())
    symbols = torch.complex(outputs[:, 0::2], outputs[:, 1::2])
    power = symbols.abs().square().mean(1, keepdim=True)
    expected = (symbols / power.sqrt()).to(torch.complex64)
    torch.testing.assert_close(model.encode(PIXELS).detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [2, 20, 64])
def test_codes_have_half_as_many_symbols_and_unit_power(size):
    model = a_model(size)
    code = model.encode(PIXELS)
    assert (code.shape, code.dtype) == ((30, size // 2), torch.complex64)
    assert model.symbols == size // 2
    torch.testing.assert_close(code.abs().square().mean(1), torch.ones(30))


def test_each_image_has_its_code_whatever_is_beside_it():
    model = a_model()
    together = model.encode(PIXELS)
    for i in (0, 7, 29):
        torch.testing.assert_close(model.encode(PIXELS[i : i + 1])[0], together[i])


def test_the_memory_format_of_the_images_makes_no_difference():
    last = IMAGES.contiguous(memory_format=torch.channels_last)
    model = a_model()
    torch.testing.assert_close(model.encode(scaled_pixels(last)), model.encode(PIXELS))


def test_convolutions_are_in_the_fast_memory_format():
    for layer in image_features((4, 6, 8)):
        if isinstance(layer, torch.nn.Conv2d):
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)


# Dropout


def test_dropout_keeps_the_mean_and_the_share():
    features = torch.ones(400, 500)
    dropped = dropout(features, 0.3, generator())
    values = dropped.unique().tolist()
    assert values == [0, pytest.approx(1 / 0.7)]
    share = float((dropped == 0).double().mean())
    assert share == pytest.approx(0.3, abs=4.5 * math.sqrt(0.21 / features.numel()))


def test_dropout_follows_from_its_generator_alone():
    torch.manual_seed(0)
    first = dropout(torch.ones(50, 50), 0.5, generator())
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(dropout(torch.ones(50, 50), 0.5, generator()), first)
    assert not torch.equal(dropout(torch.ones(50, 50), 0.5, generator(1)), first)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_gradients_go_through_the_features_that_are_kept():
    features = torch.ones(20, 20, requires_grad=True)
    dropped = dropout(features, 0.25, generator())
    dropped.sum().backward()
    assert torch.equal(features.grad, dropped.detach())


def test_nothing_is_dropped_in_a_measurement():
    model = a_model()
    assert torch.equal(model.encode(PIXELS), model.encode(PIXELS))
    trained = model.encode(PIXELS, generator())
    assert not torch.equal(trained, model.encode(PIXELS))
    assert torch.equal(model.encode(PIXELS, generator()), trained)
    bare = a_model(layers=Layers((4, 6, 8), 16, (8,), (8,), dropout=0.0))
    assert torch.equal(bare.encode(PIXELS, generator()), bare.encode(PIXELS))


# The decoders


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("ranges", [1, 3])
def test_decoders_have_the_sizes_of_their_tasks(known, ranges):
    model = a_model(6, ranges, known=known)
    inputs = torch.zeros(5, 6 + known)
    assert model.reconstruct(inputs).shape == (5, 3, 32, 32)
    assert model.decide("sensing", inputs).shape == (5, ranges + 1)
    assert model.decide("animal", inputs).shape == (5, 2)
    assert model.decide("label", inputs).shape == (5, 10)


def test_the_reconstructed_image_has_its_colours_last_in_memory_and_first_in_shape():
    model = a_model()
    inputs = torch.randn(4, 6, generator=generator())
    flat = model.decoders["reconstruction"](inputs)
    image = model.reconstruct(inputs)
    for colour, row, column in ((0, 0, 0), (2, 5, 7), (1, 31, 30)):
        place = (row * 32 + column) * 3 + colour
        assert torch.equal(image[:, colour, row, column], flat[:, place])
    assert image.is_contiguous(memory_format=torch.channels_last)


def test_decoders_do_not_share_parameters():
    model = a_model()
    own = {task: set(map(id, model.decoders[task].parameters())) for task in TASKS}
    assert len(set.union(*own.values())) == sum(len(ids) for ids in own.values())


def test_default_sizes_have_the_parameters_of_their_layers():
    model = Semantic(20)
    encoder = (3 * 4 * 4 + 1) * 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 64 + (1024 + 1) * 20
    reconstruction = 21 * 256 + 257 * 3072
    sensing = 21 * 64 + 65 * 64 + 65 * 2
    tasks = 21 * 64 + 65 * 2 + 21 * 64 + 65 * 10
    assert count_parameters(model.features, model.output) == encoder
    assert count_parameters(model) == encoder + reconstruction + sensing + tasks


def test_initial_parameters_follow_from_the_seed():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (seeded(Semantic, 6, seed=s, layers=SMALL) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


# Bad input


@pytest.mark.parametrize("size", [0, 5, -4, 2.0, None])
def test_the_code_must_have_symbols(size):
    with pytest.raises(ValueError, match=rf"size must be an even integer >= 2, .* got {size}"):
        Semantic(size)


@pytest.mark.parametrize("ranges", [0, -1, 1.5])
def test_there_must_be_a_range(ranges):
    with pytest.raises(ValueError, match=rf"ranges must be an integer >= 1, got {ranges}"):
        Semantic(4, ranges)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"channels": (16, 32)}, r"channels must be three numbers, got \(16, 32\)"),
        ({"channels": (16, 0, 32)}, "channels must be an integer >= 1, got 0"),
        ({"hidden": 0}, "hidden must be an integer >= 1, got 0"),
        ({"sensing": (8, -1)}, "sensing must be an integer >= 1, got -1"),
        ({"task": (2.5,)}, "task must be an integer >= 1, got 2.5"),
        ({"dropout": 1}, r"dropout must be a number in \[0, 1\), got 1"),
        ({"dropout": -0.1}, r"dropout must be a number in \[0, 1\], got -0.1"),
    ],
)
def test_layers_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        Layers(**options)


@pytest.mark.parametrize("task", ["reconstruction", "cat"])
def test_only_tasks_with_classes_are_decided(task):
    with pytest.raises(ValueError, match=f"task must be one of 'sensing', .* got '{task}'"):
        a_model().decide(task, torch.zeros(1, 6))


def test_weights_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"sizes of the Semantic .*'output.weight'"):
        load_parameters(a_model(6), a_model(8).state_dict())


def test_seeds_are_checked():
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got -1"):
        seeded(Semantic, 4, seed=-1)

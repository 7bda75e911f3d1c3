import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2, ncx2
from torch import nn

from isaclib.channels.codes import CodeChannel, EchoChannel
from isaclib.data.images import ANIMALS, ImageSet, synthetic_images
from isaclib.learning.networks import seeded
from isaclib.signal.noise import db_to_linear, step_generator
from isaclib.systems.semantic.link import Link, measure_semantic, transmit
from isaclib.systems.semantic.model import Layers, Semantic, scaled_pixels

SMALL = Layers((4, 6, 8), 16, (8,), (8,))
IMAGES = synthetic_images(10, 230).test
LINKS = [
    Link(CodeChannel(3.0), EchoChannel(3.0, ranges=2)),
    Link(CodeChannel(3.0, "rayleigh"), EchoChannel(3.0, "rayleigh", ranges=2)),
]
EACH = pytest.mark.parametrize("link", LINKS, ids=["awgn", "rayleigh"])
KNOWN = pytest.mark.parametrize("known", [False, True])


def a_model(size=6, ranges=2, **options):
    return seeded(Semantic, size, ranges, seed=1, layers=SMALL, **options)


# Transmission


@EACH
@KNOWN
def test_both_receivers_get_what_their_channels_give(link, known):
    model = a_model(known=known)
    code = model.encode(scaled_pixels(IMAGES.images))
    reception = transmit(model, link, code, step_generator(0, "link", 0))
    assert reception.communication.shape == reception.echo.shape == (230, 6 + known)
    assert set(reception.target.tolist()) == {0, 1, 2}
    generator = step_generator(0, "link", 0)
    there = link.communication.draw(230, 3, generator)
    back = link.sensing.draw(230, 3, generator)
    if known:
        torch.testing.assert_close(reception.communication[:, -1], there.gain.abs())
        torch.testing.assert_close(reception.echo[:, -1], back.gain.abs())
    else:
        for channel, realization, found in (
            (link.communication, there, reception.communication),
            (link.sensing, back, reception.echo),
        ):
            power = (1 + db_to_linear(channel.snr_db)) / 2
            received = torch.view_as_real(channel(code, realization)).flatten(1)
            torch.testing.assert_close(found, received / math.sqrt(power))
    assert torch.equal(reception.target, back.label)


def test_the_two_channels_are_independent():
    link = Link(CodeChannel(-40.0), EchoChannel(-40.0))
    model = a_model(200, 1)
    code = model.encode(scaled_pixels(IMAGES.images)).detach()
    reception = transmit(model, link, code, step_generator(0, "link", 0))
    product = (reception.communication * reception.echo).double()
    assert abs(float(product.mean())) < 4.5 / math.sqrt(product.numel())


def test_gradients_of_both_receivers_reach_the_encoder():
    model = a_model()
    for part in ("communication", "echo"):
        model.zero_grad()
        code = model.encode(scaled_pixels(IMAGES.images))
        reception = transmit(model, LINKS[1], code, step_generator(0, "link", 0))
        getattr(reception, part)[:, 0].sum().backward()
        assert float(model.output.weight.grad.abs().sum()) > 0
        assert float(model.features[0].weight.grad.abs().sum()) > 0


# Measurement


@EACH
@KNOWN
def test_a_measurement_equals_one_by_numpy(link, known):
    model = a_model(known=known)
    found = measure_semantic(model, link, IMAGES, seed=5, block=100)
    error, target, sensed, animal, label = [], [], [], [], []
    for step, start in enumerate((0, 100, 200)):
        pixels = scaled_pixels(IMAGES.images[start : start + 100])
        with torch.no_grad():
            reception = transmit(
                model, link, model.encode(pixels), step_generator(5, "test/semantic", step)
            )
            image = model.reconstruct(reception.communication).double().numpy()
            error.append(((image - pixels.double().numpy()) ** 2).reshape(len(image), -1).mean(1))
            for task, inputs, decided in (
                ("sensing", reception.echo, sensed),
                ("animal", reception.communication, animal),
                ("label", reception.communication, label),
            ):
                decided.append(model.decide(task, inputs).numpy().argmax(1))
        target.append(reception.target.numpy())
    error, target, sensed, animal, label = map(
        np.concatenate, (error, target, sensed, animal, label)
    )
    classes = IMAGES.labels.numpy()
    assert found.mse.value == pytest.approx(error.mean(), rel=1e-5)
    assert found.mse.count == 230
    half = 1.959964 * error.std() / math.sqrt(230)
    assert found.mse.high - found.mse.value == pytest.approx(half, rel=1e-3)
    assert found.psnr_db.value == pytest.approx(-10 * math.log10(error.mean()), rel=1e-5)
    assert found.sensing.value == pytest.approx(np.mean(sensed == target))
    assert found.p_d.value == pytest.approx(np.mean(sensed[target > 0] > 0))
    assert found.p_fa.value == pytest.approx(np.mean(sensed[target == 0] > 0))
    assert found.p_d.count + found.p_fa.count == 230
    assert found.animal.value == pytest.approx(np.mean(animal == np.isin(classes, ANIMALS)))
    assert found.label.value == pytest.approx(np.mean(label == classes))
    for confusion, true, decided in (
        (found.sensing_confusion, target, sensed),
        (found.label_confusion, classes, label),
    ):
        size = len(confusion)
        oracle = [
            [int(np.sum((true == i) & (decided == j))) for j in range(size)] for i in range(size)
        ]
        assert confusion == oracle


class EnergyDetector(nn.Module):
    """Declares a target where the received energy is above a threshold, with no training."""

    def __init__(self, channel, threshold):
        super().__init__()
        self.scale, self.threshold = (1 + db_to_linear(channel.snr_db)) / 2, threshold

    def forward(self, inputs):
        energy = self.scale * inputs.square().sum(1)
        return torch.stack([torch.zeros_like(energy), energy - self.threshold], 1)


def test_sensing_with_an_energy_detector_has_the_probabilities_of_theory():
    """Twice the energy is chi-squared with 2S degrees of freedom, noncentral by 2 S SNR."""
    size, snr_db, threshold = 20, -2.0, 15.0
    many = ImageSet(IMAGES.images.repeat(80, 1, 1, 1), IMAGES.labels.repeat(80))
    channel = EchoChannel(snr_db)
    model = a_model(size, 1)
    model.decoders["sensing"] = EnergyDetector(channel, threshold)
    found = measure_semantic(model, Link(CodeChannel(3.0), channel), many, seed=0)
    p_fa = chi2.sf(2 * threshold, size)
    p_d = ncx2.sf(2 * threshold, size, size * db_to_linear(snr_db))
    for estimate, p in ((found.p_fa, p_fa), (found.p_d, p_d)):
        assert estimate.value == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / estimate.count))
    accuracy = (1 - p_fa + p_d) / 2
    assert found.sensing.value == pytest.approx(accuracy, abs=4.5 * 0.5 / math.sqrt(len(many)))


def test_two_systems_meet_the_same_channels():
    first, second = (
        measure_semantic(seeded(Semantic, 6, 2, seed=s, layers=SMALL), LINKS[0], IMAGES, seed=0)
        for s in (1, 2)
    )
    rows = [[sum(row) for row in found.sensing_confusion] for found in (first, second)]
    assert rows[0] == rows[1]
    assert first.mse != second.mse
    again = measure_semantic(a_model(), LINKS[0], IMAGES, seed=0)
    assert again == first
    assert measure_semantic(a_model(), LINKS[0], IMAGES, seed=1) != first


def test_a_measurement_leaves_the_system_as_it_was():
    model = a_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure_semantic(model, LINKS[0], IMAGES, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


# Bad input


def test_the_ranges_of_system_and_channel_must_agree():
    with pytest.raises(ValueError, match="link must have the model's 3 ranges, got 2"):
        measure_semantic(a_model(ranges=3), LINKS[0], IMAGES, seed=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"block": 0}, "block must be an integer >= 1, got 0"),
        ({"device": "tpu"}, "device must be one of 'cpu', 'cuda', got 'tpu'"),
    ],
)
def test_measurements_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        measure_semantic(a_model(), LINKS[0], IMAGES, **{"seed": 0, **options})

import pytest
import torch
from torch import nn

from isaclib.learning.networks import (
    as_real,
    count_parameters,
    feed_forward,
    load_parameters,
    unit_beam,
    unit_power,
)
from isaclib.learning.step_training import StepTraining
from isaclib.signal.noise import complex_normal, step_generator


def test_a_unit_beam_has_the_direction_of_its_real_parts():
    beams = complex_normal((6, 5), generator=step_generator(0, "beams", 0))
    found = unit_beam(3 * as_real(beams))
    expected = beams / torch.linalg.vector_norm(beams, dim=-1, keepdim=True)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(unit_beam(as_real(beams[0])), expected[0])


def test_constellations_have_unit_average_power():
    points = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    found = unit_power(points)
    assert float(found.abs().square().mean()) == pytest.approx(1)
    torch.testing.assert_close(found[0] / found[1], torch.tensor(3 + 4j) / 1j)


def test_parameters_are_counted_with_their_biases():
    networks = feed_forward(3, (5, 7), 2), nn.Linear(4, 1)
    assert count_parameters(*networks) == (3 * 5 + 5) + (5 * 7 + 7) + (7 * 2 + 2) + (4 + 1)


def test_weights_return_to_a_module_of_the_same_sizes():
    source, target = feed_forward(3, (5,), 2), feed_forward(3, (5,), 2)
    load_parameters(target, source.state_dict())
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name])


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (feed_forward(3, (6,), 2), r"sizes of the Sequential .* '0.weight' of shape \[5, 3\], got"),
        (feed_forward(3, (5, 5), 2), r"weights must hold \['0.bias', .*\], got \['0.bias', .*"),
    ],
)
def test_weights_of_other_sizes_are_refused_and_nothing_is_changed(other, match):
    module = feed_forward(3, (5,), 2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(ValueError, match=match):
        load_parameters(module, other.state_dict())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_training_needs_a_loss():
    module = StepTraining(nn.Linear(1, 1), stream="none", seed=0)
    with pytest.raises(NotImplementedError, match="StepTraining must define its loss"):
        module.step_loss(0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"seed": 0, "learning_rate": 0.0}, "learning_rate must be a finite number > 0, got 0.0"),
    ],
)
def test_trainings_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        StepTraining(nn.Linear(1, 1), stream="none", **arguments)

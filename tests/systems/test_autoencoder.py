import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning.networks import as_real, seeded
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.systems.autoencoder.model import SEQUENTIAL, SIGMA_FLOOR, TRAINED, Autoencoder
from isaclib.systems.autoencoder.training import (
    AutoencoderTraining,
    TrainingPlan,
    stage_loss,
)

K, ORDER = 8, 4
TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
POSITIONS = element_positions(K)
RADAR = RadarChannel(POSITIONS, TARGET, 0.0)
COMMUNICATION = CommunicationChannel(POSITIONS, RECEIVER, 20.0)
NETWORKS = ("encoder", "beamformer", "presence", "angle", "uncertainty", "receiver")
STAGES = pytest.mark.parametrize("stage", TRAINED)


def a_model(seed=0, antennas=K, order=ORDER):
    return seeded(Autoencoder, antennas, order, TARGET, RECEIVER, seed=seed)


def loss_of(model, objective, step=0, channels=(RADAR, COMMUNICATION)):
    return stage_loss(model, *channels, objective, step_generator(0, f"train/{objective[0]}", step))


def signal(name, *shape, variance=1.0):
    return complex_normal(shape, variance, generator=step_generator(0, name, 0))


# Table I


@pytest.mark.parametrize(("antennas", "order"), [(16, 4), (3, 8)])
def test_layers_are_those_of_table_1(antennas, order):
    k = antennas
    table = {
        "encoder": (order, (k, k, 2 * k), 2),
        # Table I prints K outputs, which cannot hold K complex numbers.
        "beamformer": (4, (k, k, 2 * k), 2 * k),
        "presence": (2 * k, (2 * k, 2 * k, k), 1),
        "angle": (2 * k, (2 * k, 2 * k, k), 1),
        "uncertainty": (2 * k, (2 * k, 2 * k, k), 1),
        "receiver": (2, (k, 2 * k, 2 * k), order),
    }
    model = a_model(antennas=antennas, order=order)
    assert {name for name, _ in model.named_children()} == set(table)
    for name, (inputs, hidden, outputs) in table.items():
        layers = list(model.get_submodule(name))
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        sizes = [(layer.in_features, layer.out_features) for layer in linear]
        assert sizes == list(zip((inputs, *hidden), (*hidden, outputs), strict=True)), name
        kinds = [nn.Linear, nn.ReLU] * 3 + [nn.Linear]
        assert [type(layer) for layer in layers] == kinds


def test_complex_signals_become_their_real_then_their_imaginary_parts():
    z = torch.tensor([[1 + 2j, 3 + 4j]])
    assert as_real(z).tolist() == [[1, 3, 2, 4]]


def test_the_beamformer_sees_the_four_ends_of_the_sectors_in_radians():
    expected = [math.radians(x) for x in (-20, 20, 30, 50)]
    assert a_model().sectors.tolist() == pytest.approx(expected)


# What the transmitter sends


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(2, 9))
def test_the_power_constraint_holds_for_any_parameters(seed, antennas, order):
    model = a_model(seed, antennas, order)
    symbols, beam = model.constellation().detach(), model.beam().detach()
    assert symbols.shape == (order,)
    assert beam.shape == (antennas,)
    assert symbols.dtype == beam.dtype == torch.complex64
    assert float(symbols.abs().square().mean()) == pytest.approx(1, abs=1e-5)
    assert float(beam.abs().square().sum()) == pytest.approx(1, abs=1e-5)


# What the receivers answer


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 100), st.floats(0.01, 1e6))
def test_outputs_stay_in_their_ranges(batch, seed, variance):
    model = a_model(seed)
    found = model.sense(signal("z", batch, K, variance=variance))
    for output in found:
        assert output.shape == (batch,)
        assert output.dtype == torch.float32
        assert bool(torch.isfinite(output).all())
    assert float(found.angle.detach().abs().max()) <= math.pi / 2 + 1e-6
    assert float(found.sigma.detach().min()) >= SIGMA_FLOOR
    received, csi = signal("r", batch, variance=variance), signal("k", batch)
    assert model.decode(received, csi).shape == (batch, ORDER)
    decided = model.decide(received, csi)
    assert decided.dtype == torch.int64
    assert set(decided.tolist()) <= set(range(ORDER))


def test_the_uncertainty_starts_where_it_can_learn():
    """A ReLU whose input is negative for every echo passes no gradient on."""
    for seed in range(20):
        sigma = a_model(seed).sense(signal("z", 200, K)).sigma
        assert float((sigma > SIGMA_FLOOR).float().mean()) > 0.9


def test_the_receiver_is_given_the_sample_in_phase_with_its_channel():
    model = a_model()
    received, csi = signal("r", 9), signal("k", 9)
    scores = model.decode(received, csi)
    turn = torch.polar(torch.ones(9), torch.linspace(0, 6, 9))
    torch.testing.assert_close(model.decode(received * turn, csi * turn), scores)
    torch.testing.assert_close(model.decode(received, 3 * csi), scores)
    assert not torch.allclose(model.decode(2 * received, csi), scores)


def test_a_channel_of_zero_gives_scores_all_the_same():
    scores = a_model().decode(signal("r", 3), torch.zeros(3) + 0j)
    assert bool(torch.isfinite(scores).all())


def test_decisions_are_the_highest_scores_and_the_statistic_the_presence_logit():
    model, echo = a_model(), signal("z", 50, K)
    received, csi = signal("r", 50), signal("k", 50)
    expected = model.decode(received, csi).argmax(-1)
    assert torch.equal(model.decide(received, csi), expected)
    torch.testing.assert_close(model.sense(echo).statistic, model.detect(as_real(echo)))


# Seeds


def test_the_seed_alone_decides_the_initial_parameters():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = a_model(3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    for name, value in a_model(3).state_dict().items():
        assert torch.equal(value, first[name])
    other = a_model(4).state_dict()
    assert not torch.equal(other["encoder.0.weight"], first["encoder.0.weight"])


# Losses of the stages


class DoubleRadar(RadarChannel):
    """The same realizations in double precision."""

    def draw(self, batch, generator, present=None):
        r = super().draw(batch, generator, present)
        return replace(r, theta=r.theta.double(), gain=r.gain.cdouble(), noise=r.noise.cdouble())


class DoubleCommunication(CommunicationChannel):
    """The same realizations in double precision."""

    def draw(self, batch, generator):
        r = super().draw(batch, generator)
        return replace(r, angle=r.angle.double(), gain=r.gain.cdouble(), noise=r.noise.cdouble())


@STAGES
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_through_the_channels_equal_finite_differences(stage, network):
    channels = (DoubleRadar(POSITIONS, TARGET, 0.0), DoubleCommunication(POSITIONS, RECEIVER, 5.0))
    model = a_model(1).double()
    objective = (stage, TrainingPlan(0.4, batch=30, angle_unit="rad"))
    parameters = list(model.get_submodule(network).parameters())
    gradients = torch.autograd.grad(
        loss_of(model, objective, channels=channels), parameters, allow_unused=True
    )
    if network not in TRAINED[stage]:
        # The angle estimate is in the loss of the second stage too, but frozen there.
        assert network == "angle" or not any(g is not None for g in gradients)
        return
    generator = step_generator(0, f"direction/{network}", 0)
    directions = [torch.randn(p.shape, generator=generator).double() for p in parameters]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))

    @torch.no_grad()
    def moved(step):
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.add_(step * direction)
        value = float(loss_of(model, objective, channels=channels))
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.sub_(step * direction)
        return value

    # Small enough not to step over a kink of a ReLU.
    step = 1e-7
    assert slope != 0
    assert slope == pytest.approx((moved(step) - moved(-step)) / (2 * step), rel=1e-4, abs=1e-7)


def terms(model, batch):
    """Every loss of the paper, sample by sample, for targets present with probability 1/2."""
    generator = step_generator(1, "terms", 0)
    messages = torch.randint(ORDER, (batch,), generator=generator)
    symbols = model.constellation()[messages]
    draw = RADAR.draw(batch, generator)
    sensed = model.sense(RADAR(model.beam(), symbols, draw))
    t, error = draw.present.float(), sensed.angle - draw.theta
    q = torch.sigmoid(sensed.statistic)
    detection = -(t * torch.log(q) + (1 - t) * torch.log(1 - q))
    regression = t * (torch.log(sensed.sigma) + error.square() / (2 * sensed.sigma.square()))
    received, csi = COMMUNICATION(model.beam(), symbols, COMMUNICATION.draw(batch, generator))
    scores = model.decode(received, csi).log_softmax(-1)
    radar = {
        "angle": t * error.square(),
        "uncertainty": regression,
        "presence": detection,
        "joint": detection + regression,
    }
    return radar, -scores.gather(1, messages[:, None])[:, 0]


@STAGES
@pytest.mark.parametrize("weight", [0.3, 1.0])
@torch.no_grad()
def test_losses_are_the_expectations_of_the_paper(stage, weight):
    model, batch = a_model(), 50_000
    radar, communication = terms(model, batch)
    samples = (weight * radar[stage] + (1 - weight) * communication).double()
    found = float(loss_of(model, (stage, TrainingPlan(weight, batch=batch, angle_unit="rad"))))
    # Two independent sample means of the same expectation.
    tolerance = 4.5 * float(samples.std()) * math.sqrt(2 / batch)
    assert found == pytest.approx(float(samples.mean()), abs=tolerance)
    assert tolerance < 0.2 * abs(found)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@torch.no_grad()
def test_the_unit_of_the_angle_scales_the_first_radar_loss_alone(weight):
    model = a_model()

    def both(stage):
        return [
            float(loss_of(model, (stage, TrainingPlan(weight, batch=100, angle_unit=unit))))
            for unit in ("deg", "rad")
        ]

    communication = loss_of(model, ("angle", TrainingPlan(0.0, batch=100)))
    # Drawn before the radar's part, the communication samples do not depend on the weight.
    share = (1 - weight) * float(communication)
    degrees, radians = both("angle")
    assert degrees - share == pytest.approx((180 / math.pi) ** 2 * (radians - share), rel=1e-4)
    for stage in ("uncertainty", "presence", "joint"):
        degrees, radians = both(stage)
        assert degrees == radians


@settings(max_examples=60)
@given(st.integers(2, 12), st.sampled_from(sorted(TRAINED)), st.integers(0, 50), st.floats(0, 1))
def test_any_batch_has_a_finite_loss(batch, stage, step, weight):
    """Also one in which every coin says that there is a target, or none does."""
    loss = loss_of(a_model(), (stage, TrainingPlan(weight, batch=batch)), step)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert math.isfinite(float(loss.detach()))


@torch.no_grad()
def test_the_samples_of_a_step_depend_on_seed_stage_and_step_alone():
    model, objective = a_model(), ("joint", TrainingPlan(0.5, batch=50))
    torch.manual_seed(0)
    first = float(loss_of(model, objective, 3))
    torch.manual_seed(1)
    assert float(loss_of(model, objective, 3)) == first
    assert float(loss_of(model, objective, 4)) != first
    other = stage_loss(model, RADAR, COMMUNICATION, objective, step_generator(1, "train/joint", 3))
    assert float(other) != first


# What a stage trains


def step_of(stage, weight=0.5):
    """Networks whose parameters one optimizer step of a stage changes."""
    model = a_model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    plan = TrainingPlan(weight, batch=100)
    module = AutoencoderTraining(model, RADAR, COMMUNICATION, plan, stage=stage, seed=0)
    optimizer = module.configure_optimizers()
    module.step_loss(0).backward()
    optimizer.step()
    frozen = set(NETWORKS) - set(TRAINED[stage])
    for name in frozen:
        assert all(p.grad is None for p in model.get_submodule(name).parameters())
    return {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])}


TRANSMISSION = {"encoder", "beamformer", "receiver"}


@pytest.mark.parametrize(
    ("stage", "radar"),
    [
        ("angle", {"angle"}),
        ("uncertainty", {"uncertainty"}),
        ("presence", {"presence"}),
        ("joint", {"angle", "uncertainty", "presence"}),
    ],
)
def test_each_stage_trains_the_networks_of_sec_iv_c_and_freezes_the_others(stage, radar):
    assert step_of(stage) == TRANSMISSION | radar
    assert step_of(stage, 1.0) == {"encoder", "beamformer"} | radar
    assert step_of(stage, 0.0) == TRANSMISSION


def test_the_stages_follow_the_paper():
    assert SEQUENTIAL == ("angle", "uncertainty", "presence")
    assert TrainingPlan(0.1).stages == SEQUENTIAL


# Bad input


@pytest.mark.parametrize("antennas", [0, -1, 2.5, None])
def test_an_array_must_have_antennas(antennas):
    with pytest.raises(ValueError, match=f"num_antennas must be an integer >= 1, got {antennas}"):
        Autoencoder(antennas, 4, TARGET, RECEIVER)


@pytest.mark.parametrize("order", [0, -2, 1.5])
def test_there_must_be_messages(order):
    with pytest.raises(ValueError, match=f"order must be an integer >= 1, got {order}"):
        Autoencoder(4, order, TARGET, RECEIVER)


def test_the_seed_must_be_a_count():
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got -1"):
        a_model(-1)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"stages": ("angel",)}, "stages must be one of 'angle', .*, got 'angel'"),
        ({"radar_weight": 1.5}, r"radar_weight must be a number in \[0, 1\], got 1.5"),
        ({"radar_weight": -0.1}, r"radar_weight must be a number in \[0, 1\], got -0.1"),
        ({"radar_weight": math.nan}, r"radar_weight must be a number in \[0, 1\], got nan"),
        ({"batch": 1}, "batch must be an integer of at least 2, got 1"),
        ({"batch": 10.0}, "batch must be an integer of at least 2, got 10.0"),
        ({"angle_unit": "grad"}, "angle_unit must be one of 'deg', 'rad', got 'grad'"),
    ],
)
def test_plans_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        TrainingPlan(**{"radar_weight": 0.5, **arguments})


@pytest.mark.parametrize("rate", [0, -0.01, math.nan, math.inf])
def test_the_learning_rate_must_be_positive(rate):
    plan = TrainingPlan(0.5, learning_rate=rate)
    with pytest.raises(ValueError, match=f"learning_rate must be a finite number > 0, got {rate}"):
        AutoencoderTraining(a_model(), RADAR, COMMUNICATION, plan, stage="angle", seed=0)

import contextlib
import functools
import math
from dataclasses import replace

import pytest
import torch
from double_channels import DoubleCommunication, DoubleRadar
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning.networks import as_real, count_parameters, load_parameters, seeded
from isaclib.learning.training import Schedule
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.systems.sector_networks import training as sector_autoencoder_training
from isaclib.systems.sector_networks.model import (
    SENSING,
    STAGES,
    TRAINED,
    SectorAutoencoder,
    SectorTransceiver,
    sector_bounds,
)
from isaclib.systems.sector_networks.training import (
    SectorAutoencoderTraining,
    SectorPlan,
    train_sector_autoencoder,
    two_step_loss,
)
from isaclib.systems.transceiver import Measurement, measure

pytestmark = pytest.mark.usefixtures("one_thread")

K, ORDER, WIDTH = 6, 4, 10
TARGET, RECEIVER = Sector(-40, -20), Sector(30, 50)
POSITIONS = element_positions(K, reference="center")
RADAR = RadarChannel(POSITIONS, TARGET, 0.0)
COMMUNICATION = CommunicationChannel(POSITIONS, RECEIVER, 20.0)
CHANNELS = (RADAR, COMMUNICATION)


def a_model(seed=0, antennas=K, order=ORDER, width=WIDTH):
    return seeded(SectorAutoencoder, antennas, order, width, seed=seed)


def loss_of(model, step, plan, index=0, channels=CHANNELS):
    generator = step_generator(0, f"train/{step}", index)
    return two_step_loss(model, *channels, (step, plan), generator)


def signal(name, *shape, variance=1.0):
    return complex_normal(shape, variance, generator=step_generator(0, name, 0))


# Table I


@pytest.mark.parametrize(("k", "order", "n"), [(16, 4, 21), (3, 8, 5)])
def test_layers_are_those_of_table_1(k, order, n):
    table = {
        "encoder": (order, k, k, 2 * k, 2),
        "beamformer": (4, n, n, n, 2 * k),
        "presence": (2 * k + 2, n, n, n, 1),
        "angle": (2 * k + 2, n, n, n, 1),
        "receiver": (4, k, 2 * k, 2 * k, order),
    }
    model = a_model(antennas=k, order=order, width=n)
    assert {name for name, _ in model.named_children()} == set(table)
    for name, sizes in table.items():
        layers = list(model.get_submodule(name))
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        assert (linear[0].in_features, *(layer.out_features for layer in linear)) == sizes
        assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU] * 3 + [nn.Linear]


@pytest.mark.parametrize(("width", "expected"), [(1024, 6_409_250), (21, 5_095)])
def test_the_numbers_of_parameters_are_those_of_the_paper(width, expected):
    """Of the sensing networks: "approximately 6.4 million" and "approximately 5,000"."""
    with torch.device("meta"):
        model = SectorAutoencoder(16, 4, width)
    assert count_parameters(*(model.get_submodule(name) for name in SENSING)) == expected


def test_the_networks_see_echo_sector_sample_and_channel_state():
    model, echo = a_model(), signal("z", 5, K)
    target, receiver = sector_bounds(TARGET), sector_bounds(RECEIVER)
    ends = torch.tensor([math.radians(x) for x in (-40, -20, 30, 50)])
    seen = torch.cat([echo.real, echo.imag, ends[:2].expand(5, 2)], dim=-1)
    torch.testing.assert_close(model.detect(echo, target), model.presence(seen)[:, 0])
    angle = math.pi / 2 * torch.tanh(model.angle(seen)[:, 0])
    torch.testing.assert_close(model.estimate_angle(echo, target), angle)
    outputs = model.beamformer(ends)
    torch.testing.assert_close(
        as_real(model.beams(target, receiver)), outputs / torch.linalg.vector_norm(outputs)
    )
    z, csi = signal("r", 7), signal("k", 7)
    inputs = torch.stack([z.real, csi.real, z.imag, csi.imag], dim=-1)
    torch.testing.assert_close(model.decode(z, csi), model.receiver(inputs))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(2, 9), st.integers(1, 12))
def test_the_power_constraint_holds_for_any_parameters(seed, antennas, order, batch):
    model = a_model(seed, antennas, order)
    symbols = model.constellation().detach()
    target = torch.rand(batch, 2, generator=step_generator(0, "ends", seed))
    beams = model.beams(target, sector_bounds(RECEIVER)).detach()
    assert symbols.dtype == beams.dtype == torch.complex64
    assert beams.shape == (batch, antennas)
    assert float(symbols.abs().square().mean()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(beams.abs().square().sum(-1), torch.ones(batch))


def test_the_seed_alone_decides_the_initial_parameters():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = a_model(3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert differing(a_model(3).state_dict(), first) == set()
    assert not torch.equal(a_model(4).state_dict()["angle.0.weight"], first["angle.0.weight"])


# As a transceiver


def test_each_sample_of_a_transceiver_meets_its_pair_of_sectors():
    model = a_model()
    system = SectorTransceiver(model, TARGET, RECEIVER)
    echo, target = signal("z", 9, K), sector_bounds(TARGET).expand(9, 2)
    sensed = system.sense(echo)
    torch.testing.assert_close(sensed.statistic, model.detect(echo, target))
    torch.testing.assert_close(sensed.angle, model.estimate_angle(echo, target))
    assert bool(torch.isnan(sensed.sigma).all())
    beams = model.beams(target, sector_bounds(RECEIVER))
    torch.testing.assert_close(system.beam(), beams[0])
    other = SectorTransceiver(model, Sector(-20, 20), RECEIVER)
    assert not torch.allclose(other.beam(), system.beam())
    received, csi = signal("r", 9), signal("k", 9)
    assert torch.equal(system.decide(received, csi), model.decode(received, csi).argmax(-1))


def test_it_can_be_measured():
    system = SectorTransceiver(a_model(), TARGET, RECEIVER)
    found = measure(system, *CHANNELS, Measurement(samples=1000, block=500, p_fa=0.05))
    assert 0 <= found.ser.value <= 1
    assert 0 < found.p_d.value < 1
    assert math.isnan(found.sigma.value)


# Losses, Eqs. (11) and (12)


def terms(model, step, indicator, batch):
    """Radar and communication losses of the paper, sample by sample, t drawn with each."""
    generator = step_generator(1, "terms", 0)
    sectors = SectorPlan(0.5).sectors.draw(batch, generator)
    messages = torch.randint(ORDER, (batch,), generator=generator)
    beams = model.beams(sectors.bounds, sector_bounds(RECEIVER))
    symbols = model.constellation()[messages]
    draw = RADAR.draw(batch, generator, sectors=sectors)
    echo = RADAR(beams, symbols, draw)
    t, q = draw.present.float(), torch.sigmoid(model.detect(echo, sectors.bounds))
    received, csi = COMMUNICATION(beams, symbols, COMMUNICATION.draw(batch, generator))
    scores = model.decode(received, csi).log_softmax(-1)
    communication = -scores.gather(1, messages[:, None])[:, 0]
    if step == "angle":
        error = torch.rad2deg(model.estimate_angle(echo, sectors.bounds) - draw.theta)
        return t * error.square(), communication
    detection = -(t * torch.log(q) + (1 - t) * torch.log(1 - q))
    return (t * detection if indicator == "present" else detection), communication


@pytest.mark.parametrize(
    ("step", "indicator"), [("detection", "all"), ("detection", "present"), ("angle", "all")]
)
@torch.no_grad()
def test_losses_are_the_expectations_of_the_paper(step, indicator):
    model, batch, weight = a_model(), 50_000, 0.3
    radar, communication = terms(model, step, indicator, batch)
    samples = (weight * radar + (1 - weight) * communication).double()
    plan = SectorPlan(weight, batch=batch, indicator=indicator)
    found = float(loss_of(model, step, plan))
    # Two independent sample means of the same expectation.
    tolerance = 4.5 * float(samples.std()) * math.sqrt(2 / batch)
    assert found == pytest.approx(float(samples.mean()), abs=tolerance)
    assert tolerance < 0.1 * abs(found)


@torch.no_grad()
def test_as_printed_a_detector_that_always_says_yes_is_perfect():
    """Interpretation 4 of the book: with the indicator no sample without a target counts."""
    model = a_model()
    model.presence[-1].bias.fill_(100.0)
    literal, plain = (
        float(loss_of(model, "detection", SectorPlan(1.0, batch=500, indicator=indicator)))
        for indicator in ("present", "all")
    )
    assert literal == pytest.approx(0, abs=1e-6)
    assert plain > 40


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@torch.no_grad()
def test_the_unit_of_the_angle_scales_the_angle_loss_alone(weight):
    model = a_model()

    def both(step):
        plans = (SectorPlan(weight, batch=100, angle_unit=unit) for unit in ("deg", "rad"))
        return [float(loss_of(model, step, plan)) for plan in plans]

    share = (1 - weight) * float(loss_of(model, "angle", SectorPlan(0.0, batch=100)))
    degrees, radians = both("angle")
    assert degrees - share == pytest.approx((180 / math.pi) ** 2 * (radians - share), rel=1e-3)
    degrees, radians = both("detection")
    assert degrees == radians


@settings(max_examples=40)
@given(
    st.integers(2, 9),
    st.sampled_from(STAGES),
    st.sampled_from(["all", "present"]),
    st.integers(0, 20),
    st.sampled_from([0.0, 1e-6, 0.5, 1.0]),
)
def test_any_batch_has_a_finite_loss(batch, step, indicator, index, weight):
    plan = SectorPlan(weight, batch=batch, indicator=indicator)
    loss = loss_of(a_model(), step, plan, index)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert math.isfinite(float(loss.detach()))


class DoubleNetworks(SectorAutoencoder):
    """Networks in double precision that take the sectors of single-precision samples."""

    def beams(self, target, receiver):
        return super().beams(target.double(), receiver.double())

    def detect(self, echo, target):
        return super().detect(echo, target.double())

    def estimate_angle(self, echo, target):
        return super().estimate_angle(echo, target.double())


@pytest.mark.parametrize("indicator", ["all", "present"])
@pytest.mark.parametrize("step", STAGES)
def test_gradients_through_the_channels_equal_finite_differences(step, indicator):
    channels = (DoubleRadar(POSITIONS, TARGET, 0.0), DoubleCommunication(POSITIONS, RECEIVER, 5.0))
    torch.manual_seed(1)
    model = DoubleNetworks(K, ORDER, WIDTH).double()
    plan = SectorPlan(0.4, batch=30, indicator=indicator, angle_unit="rad")
    parameters = list(model.trained_parameters(step))
    gradients = torch.autograd.grad(loss_of(model, step, plan, channels=channels), parameters)
    generator = step_generator(0, "direction", 0)
    directions = [torch.randn(p.shape, generator=generator).double() for p in parameters]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))

    @torch.no_grad()
    def moved(distance):
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.add_(distance * direction)
        value = float(loss_of(model, step, plan, channels=channels))
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.sub_(distance * direction)
        return value

    # Small enough not to step over a kink of a ReLU.
    assert slope == pytest.approx((moved(1e-7) - moved(-1e-7)) / 2e-7, rel=1e-4, abs=1e-7)


# Training


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def differing(first, second):
    """Networks whose parameters are not the same to the last bit."""
    return {k.split(".")[0] for k, v in first.items() if not torch.equal(v, second[k])}


def changed(step, weight):
    """Networks whose parameters one optimizer step changes."""
    model = a_model()
    before = copied(model)
    plan = SectorPlan(weight, batch=100)
    module = SectorAutoencoderTraining(model, *CHANNELS, plan, step=step, seed=0)
    optimizer = module.configure_optimizers()
    module.step_loss(0).backward()
    optimizer.step()
    return differing(before, model.state_dict())


@pytest.mark.parametrize(("step", "radar"), [("detection", "presence"), ("angle", "angle")])
def test_each_step_trains_the_networks_of_sec_iv_a_and_freezes_the_other(step, radar):
    assert set(TRAINED[step]) == {"encoder", "beamformer", "receiver", radar}
    assert changed(step, 0.5) == {"encoder", "beamformer", "receiver", radar}
    assert changed(step, 1.0) == {"encoder", "beamformer", radar}
    assert changed(step, 0.0) == {"encoder", "beamformer", "receiver"}


def train(folder, monkeypatch, kill_after=None):
    """Parameters at the end of each step of a short training, and at its own end."""
    short = functools.partial(Schedule, block=5)
    monkeypatch.setattr(sector_autoencoder_training, "Schedule", short)
    model, plan, states = a_model(), SectorPlan(0.3, steps=20, batch=40), {}

    def after_stage(step):
        states[step] = copied(model)
        if step == kill_after:
            raise InterruptedError

    train_sector_autoencoder(model, *CHANNELS, plan, folder, seed=1, after_stage=after_stage)
    assert all(parameter.requires_grad for parameter in model.parameters())
    return {**states, "end": copied(model)}


def test_after_each_step_the_networks_are_as_it_left_them(tmp_path, monkeypatch):
    states = train(tmp_path, monkeypatch)
    assert list(states) == [*STAGES, "end"]
    assert differing(a_model().state_dict(), states["detection"]) == set(TRAINED["detection"])
    assert differing(states["detection"], states["angle"]) == set(TRAINED["angle"])
    assert differing(states["angle"], states["end"]) == set()


@pytest.mark.parametrize("kill_after", [None, *STAGES])
def test_a_resumed_training_passes_through_the_same_weights(tmp_path, monkeypatch, kill_after):
    whole = train(tmp_path / "whole", monkeypatch)
    with pytest.raises(InterruptedError) if kill_after else contextlib.nullcontext():
        train(tmp_path / "parts", monkeypatch, kill_after)
    resumed = train(tmp_path / "parts", monkeypatch)
    for step, state in whole.items():
        assert differing(state, resumed[step]) == set()


def test_training_lowers_the_loss(tmp_path):
    model = a_model(width=24)
    plan = SectorPlan(0.3, steps=150, batch=200, learning_rate=5e-3)
    test = replace(plan, batch=5000)
    before = {step: float(loss_of(model, step, test).detach()) for step in STAGES}
    train_sector_autoencoder(model, *CHANNELS, plan, tmp_path, seed=0)
    for step in STAGES:
        assert float(loss_of(model, step, test).detach()) < 0.8 * before[step]


# Bad input


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 4, 8), "num_antennas must be an integer >= 1, got 0"),
        ((4, 0, 8), "order must be an integer >= 1, got 0"),
        ((4, 4, 2.5), "width must be an integer >= 1, got 2.5"),
    ],
)
def test_sizes_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        SectorAutoencoder(*arguments)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"radar_weight": 1.5}, r"radar_weight must be a number in \[0, 1\], got 1.5"),
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"batch": 1}, "batch must be an integer of at least 2, got 1"),
        ({"learning_rate": -1}, "learning_rate must be a finite number > 0, got -1"),
        ({"indicator": "t"}, "indicator must be one of 'all', 'present', got 't'"),
        ({"angle_unit": "grad"}, "angle_unit must be one of 'deg', 'rad', got 'grad'"),
    ],
)
def test_plans_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        SectorPlan(**{"radar_weight": 0.5, **options})


def test_steps_have_names():
    with pytest.raises(ValueError, match="step must be one of 'detection', 'angle', got 'both'"):
        SectorAutoencoderTraining(a_model(), *CHANNELS, SectorPlan(0.5), step="both", seed=0)


@pytest.mark.parametrize(("antennas", "width"), [(K, WIDTH + 1), (K + 1, WIDTH)])
def test_weights_of_another_width_or_array_are_refused(antennas, width):
    with pytest.raises(ValueError, match="weights must have the sizes of the SectorAutoencoder"):
        load_parameters(a_model(), a_model(antennas=antennas, width=width).state_dict())

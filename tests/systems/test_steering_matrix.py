import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from double_channels import DoubleRadar
from safetensors.torch import load, save

from isaclib.channels.narrowband import CommunicationChannel, RadarChannel
from isaclib.learning.networks import count_parameters, load_parameters
from isaclib.learning.training import Schedule
from isaclib.signal.arrays import Sector, element_positions
from isaclib.signal.beamforming import least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.sectors import RandomSectors
from isaclib.signal.spacings import impaired_positions
from isaclib.systems.steering_matrix import training as model_driven_training
from isaclib.systems.steering_matrix.model import (
    ModelDriven,
    ModelDrivenTransceiver,
    Perturbation,
    seeded_model_driven,
)
from isaclib.systems.steering_matrix.training import (
    ModelDrivenPlan,
    ModelDrivenTraining,
    sensing_loss,
    train_model_driven,
)
from isaclib.systems.transceiver import Baseline, Measurement, measure

pytestmark = pytest.mark.usefixtures("one_thread")

K, GRID = 8, 91
TARGET, RECEIVER = Sector(-40, -20), Sector(30, 50)
POSITIONS = element_positions(K, reference="center")
RADAR = RadarChannel(POSITIONS, TARGET, 0.0)
COMMUNICATION = CommunicationChannel(POSITIONS, RECEIVER, 10.0)
PLAN = ModelDrivenPlan(steps=24, batch=60)


def a_model(seed=0, **options):
    return seeded_model_driven(K, GRID, seed=seed, **options)


def loss_of(model, plan=PLAN, step=0, radar=RADAR):
    return sensing_loss(model, radar, plan, step_generator(0, "train", step))


# The matrix


@pytest.mark.parametrize(("antennas", "grid_size"), [(16, 500), (5, 31)])
def test_the_matrix_starts_as_p2_prints_it(antennas, grid_size):
    theta = np.linspace(-np.pi / 2, np.pi / 2, grid_size)[:, None]
    m = np.arange(antennas)
    oracle = np.exp(-1j * np.pi * (m - (antennas - 1) / 2) * np.sin(theta))
    found = ModelDriven(antennas, grid_size).matrix().detach()
    assert found.dtype == torch.complex64
    np.testing.assert_allclose(found.numpy(), oracle, atol=1e-6)


def test_the_numbers_of_parameters_are_those_of_the_paper():
    """Complex ones, "8000" and "approximately 2,500"."""
    assert count_parameters(ModelDriven(16, 500)) == 2 * 8000
    assert count_parameters(ModelDriven(16, 156)) == 2 * 2496


@pytest.mark.parametrize("variance", [0.1, 0.01])
@pytest.mark.parametrize("parts", ["both", "real"])
def test_the_perturbation_has_its_variance_on_its_parts(variance, parts):
    perturbation = Perturbation(variance, parts)
    model = seeded_model_driven(16, 500, seed=0, perturbation=perturbation)
    noise = (model.steering - ModelDriven(16, 500).steering).detach().double()
    tolerance = 4.5 * math.sqrt(2 / 8000)
    assert float(noise[..., 0].var()) == pytest.approx(variance, rel=tolerance)
    imaginary = variance if parts == "both" else 0.0
    assert float(noise[..., 1].var()) == pytest.approx(imaginary, rel=tolerance, abs=1e-12)
    assert abs(float(noise.mean())) < 4.5 * math.sqrt(variance / 8000)


def test_the_seed_alone_decides_the_initial_matrix():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = a_model(3).steering
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a_model(3).steering, first)
    assert not torch.equal(a_model(4).steering, first)


def test_weights_survive_their_file():
    model = a_model(1)
    found = ModelDriven(K, GRID)
    load_parameters(found, load(save(model.state_dict())))
    assert torch.equal(found.steering, model.steering)


# Transmitter and receiver


def test_with_true_steering_vectors_the_beams_are_those_of_the_baseline():
    model = ModelDriven(16, 500)
    positions = element_positions(16, reference="center")
    for sector in (TARGET, RECEIVER, Sector(-20, 20)):
        beam = model.beams(model.windows(sector))[0].detach()
        torch.testing.assert_close(beam, least_squares_beam(sector, positions), atol=1e-5, rtol=0)


def test_the_ends_of_the_trade_off_are_the_two_beams():
    model = a_model()
    for share, sector in ((1.0, TARGET), (0.0, RECEIVER)):
        beam = ModelDrivenTransceiver(model, TARGET, RECEIVER, share).beam().detach()
        alone = model.beams(model.windows(sector))[0].detach()
        torch.testing.assert_close(beam, alone)
        assert float(torch.linalg.vector_norm(beam)) == pytest.approx(1, abs=1e-6)


def test_with_true_steering_vectors_it_performs_like_the_baseline():
    """Same samples, same decisions; the statistic is searched on another grid."""
    model = ModelDriven(K, 361, reading="sector", level=float(K))
    system = ModelDrivenTransceiver(model, TARGET, RECEIVER, 0.5)
    reference = Baseline(qam(4), system.beam().detach(), POSITIONS, TARGET, grid_size=41)
    strong = replace(RADAR, snr_db=20.0)
    setting = Measurement(samples=4000, block=2000, p_fa=0.05)
    found, expected = (measure(x, strong, COMMUNICATION, setting) for x in (system, reference))
    assert found.ser == expected.ser
    assert found.p_d.value == pytest.approx(expected.p_d.value, abs=2e-3)
    assert found.threshold.value**2 == pytest.approx(expected.threshold.value, rel=1e-2)
    assert found.rmse.value == pytest.approx(expected.rmse.value, rel=0.25)
    assert math.isnan(found.sigma.value)


# The loss


def draws(plan, step=0):
    """The samples of a step, drawn again in the order in which the loss draws them."""
    generator = step_generator(0, "train", step)
    hits = int((torch.rand(plan.batch, generator=generator) < plan.p_present).sum())
    sectors = plan.sectors.draw(hits, generator)
    symbols = qam(4)[torch.randint(4, (hits,), generator=generator)]
    return sectors, symbols, RADAR.draw(hits, generator, present=True, sectors=sectors)


def literal_loss(steering, plan, reading="literal"):
    """The loss from the paper's equations over the whole grid, differentiated by PyTorch."""
    matrix = torch.view_as_complex(steering)
    grid = torch.linspace(-math.pi / 2, math.pi / 2, len(matrix), dtype=torch.float64)
    sectors, symbols, realization = draws(plan)
    inside = (grid >= sectors.min.double()[:, None]) & (grid <= sectors.max.double()[:, None])
    beams = inside.to(matrix.dtype) @ torch.linalg.solve(matrix.mH @ matrix, matrix.mH).mT
    beams = beams / torch.linalg.vector_norm(beams, dim=-1, keepdim=True)
    output = (RADAR(beams, symbols, realization) @ matrix.mH).abs() * inside
    if reading == "sector":
        output = output.masked_fill(~inside, -torch.inf)
    angle = torch.softmax(output, dim=-1) @ grid.float()
    return plan.p_present * torch.rad2deg(angle - realization.theta).square().mean()


@pytest.mark.parametrize("reading", ["literal", "sector"])
@pytest.mark.parametrize("p_present", [0.5, 1.0])
def test_loss_and_gradient_equal_the_literal_computation(reading, p_present):
    plan = ModelDrivenPlan(batch=2000, p_present=p_present)
    model = a_model(reading=reading)
    loss = loss_of(model, plan)
    loss.backward()
    steering = model.steering.detach().clone().requires_grad_()
    expected = literal_loss(steering, plan, reading)
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    error = torch.linalg.vector_norm(model.steering.grad - steering.grad)
    assert float(error) < 1e-4 * float(torch.linalg.vector_norm(steering.grad))


def test_the_gradient_through_both_ends_equals_finite_differences():
    model, plan = a_model(1).double(), ModelDrivenPlan(batch=20)
    radar = DoubleRadar(POSITIONS, TARGET, 0.0)
    loss_of(model, plan, radar=radar).backward()
    direction = torch.randn(
        model.steering.shape, generator=step_generator(0, "direction", 0), dtype=torch.float64
    )
    slope = float((model.steering.grad * direction).sum())
    values = []
    for step in (1e-6, -1e-6):
        moved = ModelDriven(K, GRID).double()
        moved.steering.data = model.steering.data + step * direction
        values.append(float(loss_of(moved, plan, radar=radar).detach()))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


def test_the_samples_of_a_step_depend_on_seed_and_step_alone():
    module = ModelDrivenTraining(a_model(), RADAR, PLAN, seed=2)
    other = ModelDrivenTraining(a_model(), RADAR, PLAN, seed=3)
    torch.manual_seed(0)
    first = float(module.step_loss(3).detach())
    torch.manual_seed(1)
    assert float(module.step_loss(3).detach()) == first
    assert float(module.step_loss(4).detach()) != first
    assert float(other.step_loss(3).detach()) != first


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_tiny_batch_has_a_target(batch):
    for step in range(10):
        loss = loss_of(a_model(), ModelDrivenPlan(batch=batch), step)
        assert math.isfinite(float(loss.detach()))


# Training


def train(folder, steps, plan=PLAN, monkeypatch=None):
    model = a_model()
    if monkeypatch is not None:
        short = functools.partial(Schedule, block=6)
        monkeypatch.setattr(model_driven_training, "Schedule", short)
    train_model_driven(model, RADAR, replace(plan, steps=steps), folder, seed=1)
    return model.steering.detach()


def test_a_resumed_training_ends_in_the_same_weights(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", 24, monkeypatch=monkeypatch)
    half = train(tmp_path / "parts", 12, monkeypatch=monkeypatch)
    assert not torch.equal(half, whole)
    assert torch.equal(train(tmp_path / "parts", 24, monkeypatch=monkeypatch), whole)


def test_training_learns_the_true_array(tmp_path):
    """An impaired array, as in P2 Sec. V-C: the error falls below that of the true ideal matrix."""
    generator = step_generator(0, "array", 1)
    positions = impaired_positions(K, 1 / 15, reference="center", generator=generator)
    radar = RadarChannel(positions, TARGET, 15.0)
    plan = ModelDrivenPlan(steps=400, batch=400, learning_rate=1e-2, sectors=RandomSectors())
    model = a_model(perturbation=Perturbation(0.01))
    test = ModelDrivenPlan(batch=20_000, p_present=1.0)

    def error(system):
        with torch.no_grad():
            return math.sqrt(float(sensing_loss(system, radar, test, step_generator(9, "test", 0))))

    before, ideal = error(model), error(ModelDriven(K, GRID))
    train_model_driven(model, radar, plan, tmp_path, seed=0)
    assert error(model) < 0.9 * min(before, ideal)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 50), "num_antennas must be an integer >= 1, got 0"),
        ((16, 15), "grid_size must be at least the number of antennas, 16, and 2, got 15"),
        ((1, 1), "grid_size must be at least the number of antennas, 1, and 2, got 1"),
        ((4, 10.5), "grid_size must be an integer >= 1, got 10.5"),
    ],
)
def test_sizes_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        ModelDriven(*arguments)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"reading": "printed"}, "reading must be one of 'literal', 'sector', got 'printed'"),
        ({"level": -1}, "level must be a finite number > 0, got -1"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ],
)
def test_options_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        seeded_model_driven(K, GRID, **{"seed": 0, **options})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [((-0.1,), "variance must be a finite number >= 0"), ((0.1, "imag"), "parts must be one of")],
)
def test_perturbations_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        Perturbation(*arguments)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"batch": 0}, "batch must be an integer >= 1, got 0"),
        ({"learning_rate": 0}, "learning_rate must be a finite number > 0, got 0"),
        ({"p_present": 0}, "p_present must be a finite number > 0, got 0"),
        ({"p_present": 1.1}, r"p_present must be a number in \[0, 1\], got 1.1"),
        ({"angle_unit": "grad"}, "angle_unit must be one of 'deg', 'rad', got 'grad'"),
        ({"order": 5}, "order must be an even power of two"),
    ],
)
def test_plans_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        ModelDrivenPlan(**options)


def test_a_grid_too_coarse_for_a_sector_is_refused():
    model = ModelDriven(K, 19)
    match = r"grid must put an angle inside the sector \[1, 9\] degrees, got 19 angles"
    with pytest.raises(ValueError, match=match):
        model.windows(Sector(1, 9))
    system = ModelDrivenTransceiver(model, TARGET, Sector(31, 39), 0.5)
    with pytest.raises(ValueError, match=r"inside the sector \[31, 39\]"):
        system.beam()


def test_a_matrix_that_has_become_singular_stops_the_training():
    model = a_model()
    with torch.no_grad():
        model.steering[:, 1] = model.steering[:, 0]
    with pytest.raises(ValueError, match=r"A\* A\^T is singular .* shape \(91, 8\)"):
        ModelDrivenTraining(model, RADAR, PLAN, seed=0).step_loss(0)


@pytest.mark.parametrize(("antennas", "grid_size"), [(K, 92), (K + 1, GRID)])
def test_weights_of_another_grid_or_array_are_refused(antennas, grid_size):
    weights = ModelDriven(antennas, grid_size).state_dict()
    match = (
        rf"sizes of the ModelDriven .*: 'steering' of shape \[{GRID}, {K}, 2\], "
        rf"got \[{grid_size}, {antennas}, 2\]"
    )
    with pytest.raises(ValueError, match=match):
        load_parameters(ModelDriven(K, GRID), weights)


def test_an_echo_of_another_array_is_refused():
    system = ModelDrivenTransceiver(a_model(), TARGET, RECEIVER, 0.5)
    with pytest.raises(ValueError, match=r"echo must have shape \[batch, 8\]"):
        system.sense(complex_normal((3, K + 1), generator=step_generator(0, "z", 0)))


def test_a_share_outside_the_trade_off_is_refused():
    with pytest.raises(ValueError, match=r"rho must lie in \[0, 1\], got 1.5"):
        ModelDrivenTransceiver(a_model(), TARGET, RECEIVER, 1.5).beam()

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from p2_tasks import (
    GRID,
    MATRIX,
    NETWORKS,
    POSITIONS,
    SCENARIO,
    SECTORS,
    SEED,
    SETTING,
    TEST,
    WIDTH,
    K,
    measured,
    networks,
    outcome,
    points,
    stored_matrix,
    stored_networks,
)

from isaclib.experiments.p2.figures import UNITS
from isaclib.experiments.p2.tasks import LeastSquares, Measure, values
from isaclib.learning.networks import seeded
from isaclib.learning.training import Schedule, train
from isaclib.metrics import Estimate
from isaclib.receivers.ratio_test import Threshold, maprt
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.beamforming import combine_beams, least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.sectors import RandomSectors
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.sector_networks.training import (
    SectorAutoencoderTraining,
    SectorPlan,
    train_sector_autoencoder,
)
from isaclib.systems.steering_matrix.model import (
    ModelDriven,
    ModelDrivenTransceiver,
    Perturbation,
    seeded_model_driven,
)
from isaclib.systems.steering_matrix.training import ModelDrivenPlan, train_model_driven
from isaclib.systems.transceiver import Baseline, Measurement, Performance, measure

pytestmark = pytest.mark.usefixtures("one_thread")

MEASUREMENT = Measurement(TEST.samples, SCENARIO.p_fa, SEED, TEST.block)
SHARES = (0.0, 0.3, 1.0)


def test_detections_are_stored_as_misdetections_and_angles_in_degrees():
    p_d, none = Estimate(0.75, 0.5, 0.875, 8), Estimate(math.nan, math.nan, math.nan, 0)
    angle, level = Estimate(math.pi / 2, math.pi / 4, math.pi, 6), Threshold(3.0, 2.0, 4.0, 0.1, 8)
    found = values(Performance(none, p_d, none, angle, none, none, level))
    assert set(found) == set(UNITS)
    assert found["p_md"] == Estimate(0.25, 0.125, 0.5, 8)
    assert found["rmse_deg"] == Estimate(90.0, 45.0, 180.0, 6)
    assert found["threshold"] == Estimate(3.0, 2.0, 4.0, 8)


# Baseline


def baseline(known=True, setting=SETTING):
    return LeastSquares(setting, known, 200)


@pytest.mark.parametrize("sector", SECTORS)
@pytest.mark.parametrize("known", [True, False])
def test_the_baseline_is_measured_as_the_transceiver_module_does(tmp_path, known, sector):
    """Each point from the equations of P2 Sec. III, on its own."""
    found = points(Measure(baseline(known), sector, TEST, SHARES), tmp_path)
    assumed = POSITIONS if known else SCENARIO.nominal_positions()
    radar = least_squares_beam(Sector(*sector), assumed, grid_size=200)
    communication = least_squares_beam(Sector(30, 50), assumed, grid_size=200)
    for own, rho in zip(found, SHARES, strict=True):
        beam = combine_beams(radar, communication, rho, 0.0)
        system = Baseline(qam(4), beam, assumed, Sector(*sector))
        assert own == ({"rho": rho}, measured(system, sector))


def test_without_errors_the_array_is_nominal_and_there_is_nothing_to_know(tmp_path):
    perfect = replace(SETTING, impairment=replace(SETTING.impairment, std_wavelengths=0.0))
    nominal = replace(SETTING, impairment=None)
    found = [
        points(Measure(baseline(known, setting), SECTORS[0], TEST, SHARES), tmp_path)
        for known, setting in ((True, nominal), (False, nominal), (True, perfect))
    ]
    assert found[0] == found[1] == found[2]


def test_the_communication_end_does_not_depend_on_the_target_s_sector(tmp_path):
    measures = [Measure(baseline(), sector, TEST, SHARES) for sector in SECTORS]
    seen, unseen = ([p.values for p in outcome(m, tmp_path).points] for m in measures)
    assert seen[0]["ser"] == unseen[0]["ser"]
    assert seen[2]["ser"].value > 5 * seen[0]["ser"].value
    assert seen[2]["p_md"].value < seen[0]["p_md"].value


# A steering matrix without any training


def true_matrix(positions, grid_size, **options):
    """The system that knows the array: a steering matrix of its true steering vectors."""
    model = ModelDriven(len(positions), grid_size, **options)
    a = steering_vector(model.grid, positions).to(torch.complex64)
    with torch.no_grad():
        model.steering.copy_(torch.view_as_real(a))
    return model


def inside(angles, sector_deg):
    return (angles >= math.radians(sector_deg[0])) & (angles <= math.radians(sector_deg[1]))


@pytest.mark.parametrize("rho", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("sector", SECTORS)
@torch.no_grad()
def test_with_true_steering_vectors_the_beam_is_eq_5_of_eq_4(sector, rho):
    model = true_matrix(POSITIONS, 500)
    theta = np.linspace(-np.pi / 2, np.pi / 2, 500)
    a = np.exp(-2j * np.pi * POSITIONS.numpy()[:, None] * np.sin(theta))
    parts = []
    for angles in (sector, (30.0, 50.0)):
        x = np.linalg.inv(a.conj() @ a.T) @ a.conj() @ (K * inside(theta, angles))
        parts.append(x / np.linalg.norm(x))
    v = math.sqrt(rho) * parts[0] + math.sqrt(1 - rho) * parts[1]
    beam = ModelDrivenTransceiver(model, Sector(*sector), Sector(30, 50), rho).beam()
    np.testing.assert_allclose(beam.numpy(), v / np.linalg.norm(v), atol=1e-5)


@pytest.mark.parametrize("sector", SECTORS)
@torch.no_grad()
def test_with_true_steering_vectors_the_squared_statistic_is_the_maprt(sector):
    """Eq. (14) and Eq. (7) on the same grid: every second of 1801 angles is 0.2 degrees."""
    model = true_matrix(POSITIONS, 1801)
    echo = complex_normal((300, K), 4.0, generator=step_generator(0, "echo", 0))
    # The grid angles in the sector with half a step of room, where rounding cannot decide.
    roomy = Sector(sector[0] - 0.05, sector[1] + 0.05)
    statistic, _ = model.sense(echo, model.windows(roomy))
    grid_size = int(10 * (sector[1] - sector[0])) + 1
    oracle, angle = maprt(echo, POSITIONS, Sector(*sector), grid_size=grid_size)
    torch.testing.assert_close(statistic.square(), oracle, rtol=1e-4, atol=1e-4)
    # A sharp softmax over the sector is the argmax of Eq. (8).
    sharp = true_matrix(POSITIONS, 1801, reading="sector", level=1e5)
    _, found = sharp.sense(echo, sharp.windows(roomy))
    close = (found - angle).abs() < math.radians(0.1)
    assert float(close.float().mean()) > 0.98


@pytest.mark.parametrize("sector", SECTORS)
@torch.no_grad()
def test_with_true_steering_vectors_it_misses_what_the_baseline_misses(sector):
    model = true_matrix(POSITIONS, 1801)
    room = (sector[0] - 0.05, sector[1] + 0.05)
    system = ModelDrivenTransceiver(model, Sector(*room), Sector(30, 50), 0.6)
    grid_size = int(10 * (sector[1] - sector[0])) + 1
    reference = Baseline(qam(4), system.beam(), POSITIONS, Sector(*sector), grid_size)
    channels = SCENARIO.towards(sector).channels(POSITIONS)
    found, expected = (values(measure(x, *channels, MEASUREMENT)) for x in (system, reference))
    for metric in ("ser", "p_md", "p_fa"):
        assert found[metric] == expected[metric]
    level = expected["threshold"].value
    assert found["threshold"].value ** 2 == pytest.approx(level, rel=1e-5)


# Training a steering matrix


@pytest.mark.parametrize("sector", SECTORS)
@pytest.mark.parametrize("reading", ["literal", "sector"])
@torch.no_grad()
def test_a_trained_matrix_is_measured_at_every_share(tmp_path, reading, sector):
    task = replace(MATRIX, training=replace(MATRIX.training, reading=reading))
    with torch.enable_grad():
        found = points(Measure(task, sector, TEST, SHARES), tmp_path)
    model = stored_matrix(task, tmp_path)
    for own, rho in zip(found, SHARES, strict=True):
        system = ModelDrivenTransceiver(model, Sector(*sector), Sector(30, 50), rho)
        assert own == ({"omega_r": rho}, measured(system, sector))


def test_the_matrix_is_trained_from_its_perturbed_start_on_the_true_array(tmp_path):
    noise = Perturbation(0.02, "real")
    training = replace(MATRIX.training, perturbation=noise, learning_rate=0.01)
    model = seeded_model_driven(K, GRID, seed=SEED, perturbation=noise)
    start = model.steering.detach().clone()
    radar, _ = SCENARIO.channels(POSITIONS)
    plan = ModelDrivenPlan(4, 40, 0.01, RandomSectors())
    train_model_driven(model, radar, plan, tmp_path / "oracle", seed=SEED)
    found = stored_matrix(replace(MATRIX, training=training), tmp_path).steering
    assert torch.equal(found, model.steering)
    # Adam's steps are about as long as the learning rate.
    assert 0.02 < float((found - start).detach().abs().max()) < 0.05


@pytest.mark.parametrize("changes", [{"seed": 1}, {"impairment": None}])
def test_what_is_trained_is_of_its_seed_and_array(tmp_path, changes):
    other = replace(SETTING, **changes)
    first, second = (
        stored_matrix(replace(MATRIX, setting=setting), tmp_path).steering
        for setting in (SETTING, other)
    )
    assert not torch.equal(first, second)
    tasks = (networks(setting=setting)["detection"] for setting in (SETTING, other))
    first, second = (outcome(task, tmp_path).tensors["beamformer.0.weight"] for task in tasks)
    assert not torch.equal(first, second)


def test_messages_of_the_scenario_s_order_are_sent(tmp_path):
    """A model-driven system with 16 messages has the symbol errors of 16-QAM."""
    setting = replace(SETTING, scenario=replace(SCENARIO, order=16))
    task = replace(MATRIX, setting=setting)
    (found,) = points(Measure(task, SECTORS[0], TEST, (0.0,)), tmp_path)
    sectors = (Sector(*SECTORS[0]), Sector(30, 50))
    with torch.no_grad():
        model = stored_matrix(task, tmp_path)
        system = ModelDrivenTransceiver(model, *sectors, 0.0, symbols=qam(16))
        assert found == ({"omega_r": 0.0}, measured(system, SECTORS[0]))


# Training networks


@pytest.mark.parametrize(
    "options", [{}, {"indicator": "present"}, {"angle_unit": "rad", "learning_rate": 0.01}]
)
def test_networks_are_trained_in_two_steps_as_in_one_go(tmp_path, options):
    plan = SectorPlan(0.3, steps=4, batch=40, **options)
    channels, start = SCENARIO.channels(POSITIONS), (K, 4, WIDTH)
    first, whole = (seeded(SectorAutoencoder, *start, seed=SEED) for _ in range(2))
    module = SectorAutoencoderTraining(first, *channels, plan, step="detection", seed=SEED)
    train(module, Schedule(4), tmp_path / "first")
    train_sector_autoencoder(whole, *channels, plan, tmp_path / "whole", seed=SEED)
    tasks = networks(replace(NETWORKS, **options))
    for task, oracle in zip(tasks.values(), (first, whole), strict=True):
        found = stored_networks(task, tmp_path).state_dict()
        assert all(torch.equal(found[name], v) for name, v in oracle.state_dict().items())
    assert list(tasks) == ["detection", "angle"]


@pytest.mark.parametrize("sector", SECTORS)
@torch.no_grad()
def test_networks_are_measured_after_each_training_step(tmp_path, sector):
    found = {}
    for step, task in networks().items():
        with torch.enable_grad():
            (found[step],) = points(Measure(task, sector, TEST), tmp_path)
        model = stored_networks(task, tmp_path)
        system = SectorTransceiver(model, Sector(*sector), Sector(30, 50))
        assert found[step] == ({}, measured(system, sector))
    assert found["detection"] != found["angle"]


def test_the_angle_step_leaves_the_detector_s_operating_point(tmp_path):
    """Noise alone does not depend on the beam, and the detector is frozen."""
    tasks = [Measure(task, SECTORS[0], TEST) for task in networks().values()]
    before, after = (outcome(task, tmp_path).points[0].values for task in tasks)
    assert before["threshold"] == after["threshold"]
    assert before["p_fa"] == after["p_fa"]
    assert before["p_md"] != after["p_md"]


# Bad input


def test_a_grid_too_coarse_for_a_test_sector_is_refused(tmp_path):
    task = replace(MATRIX, training=replace(MATRIX.training, grid_size=31))
    with pytest.raises(ValueError, match=r"grid must put an angle inside the sector \[1, 5\]"):
        outcome(Measure(task, (1.0, 5.0), TEST, (1.0,)), tmp_path)

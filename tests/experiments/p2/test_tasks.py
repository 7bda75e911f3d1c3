import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from p2_payloads import (
    GRID,
    IMPAIRMENT,
    MATRIX,
    NETWORKS,
    POSITIONS,
    REPETITION,
    SCENARIO,
    SECTORS,
    WIDTH,
    K,
    a_matrix,
    baselines,
    measured,
    same,
    some_networks,
    stored_matrix,
    stored_networks,
    through_json,
)

from isaclib.experiments.p2.runs import METRICS
from isaclib.experiments.p2.tasks import (
    measure_baseline,
    p2_record,
    train_matrix,
    train_networks,
)
from isaclib.learning.training import Schedule, train
from isaclib.receivers.ratio_test import maprt
from isaclib.signal.arrays import Sector, steering_vector
from isaclib.signal.beamforming import combine_beams, least_squares_beam
from isaclib.signal.modulation import qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.sectors import RandomSectors
from isaclib.systems.sector_networks.model import SectorTransceiver, seeded_sector_autoencoder
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
from isaclib.systems.transceiver import Baseline

pytestmark = pytest.mark.usefixtures("one_thread")


# Records


def test_a_record_turns_the_detection_probability_round():
    p_d = {"value": 0.75, "low": 0.5, "high": 0.875, "count": 8}
    rest = {
        name: {"value": float(i), "low": 0.0, "high": 9.0, "count": 3}
        for i, name in enumerate(("ser", "p_fa", "rmse_deg", "threshold", "sigma_deg"))
    }
    found = p2_record({"p_d": p_d, **rest})
    assert set(found) == set(METRICS)
    assert found["p_md"] == {"value": 0.25, "low": 0.125, "high": 0.5, "count": 8}
    for name in ("ser", "p_fa", "rmse_deg", "threshold"):
        assert found[name] == rest[name]


# Baseline


@pytest.mark.parametrize("known", [True, False])
def test_the_baseline_is_measured_as_the_transceiver_module_does(tmp_path, known):
    """Each point from the equations of P2 Sec. III, on its own, for each sector."""
    found = measure_baseline(through_json(baselines(known=known)), tmp_path)["sectors"]
    assumed = POSITIONS if known else SCENARIO.nominal_positions()
    for records, sector in zip(found, SECTORS, strict=True):
        radar = least_squares_beam(Sector(*sector), assumed, grid_size=200)
        communication = least_squares_beam(Sector(30, 50), assumed, grid_size=200)
        for record, rho in zip(records, (0.0, 0.6, 1.0), strict=True):
            beam = combine_beams(radar, communication, rho, 0.0)
            system = Baseline(qam(4), beam, assumed, Sector(*sector))
            assert same(record, measured(system, sector))


def test_without_errors_the_array_is_nominal_and_there_is_nothing_to_know(tmp_path):
    first = measure_baseline(baselines(impairment=None), tmp_path)
    assert same(measure_baseline(baselines(impairment=None, known=False), tmp_path), first)
    perfect = asdict(replace(IMPAIRMENT, std_wavelengths=0.0))
    assert same(measure_baseline(baselines(impairment=perfect), tmp_path), first)


def test_the_communication_end_does_not_depend_on_the_target_s_sector(tmp_path):
    seen, unseen = measure_baseline(baselines(), tmp_path)["sectors"]
    assert same(seen[0]["ser"], unseen[0]["ser"])
    assert seen[2]["ser"]["value"] > 5 * seen[0]["ser"]["value"]
    assert seen[2]["p_md"]["value"] < seen[0]["p_md"]["value"]


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
    found, expected = (measured(x, sector) for x in (system, reference))
    for metric in ("ser", "p_md", "p_fa"):
        assert found[metric] == expected[metric]
    level = expected["threshold"]["value"]
    assert found["threshold"]["value"] ** 2 == pytest.approx(level, rel=1e-5)


# Training a steering matrix


@pytest.mark.parametrize("reading", ["literal", "sector"])
@torch.no_grad()
def test_a_trained_matrix_is_measured_for_every_sector_and_share(tmp_path, reading):
    training = replace(MATRIX, reading=reading)
    with torch.enable_grad():
        found = train_matrix(through_json(a_matrix(training)), tmp_path)["sectors"]
    model = stored_matrix(tmp_path, training)
    for records, sector in zip(found, SECTORS, strict=True):
        for record, rho in zip(records, (0.0, 0.3, 1.0), strict=True):
            system = ModelDrivenTransceiver(model, Sector(*sector), Sector(30, 50), rho)
            assert same(record, measured(system, sector))


def test_the_matrix_is_trained_from_its_perturbed_start_on_the_true_array(tmp_path):
    training = replace(MATRIX, perturbation=Perturbation(0.02, "real"), learning_rate=0.01)
    train_matrix(through_json(a_matrix(training)), tmp_path / "task")
    model = seeded_model_driven(K, GRID, seed=REPETITION, perturbation=Perturbation(0.02, "real"))
    start = model.steering.detach().clone()
    radar, _ = SCENARIO.channels(POSITIONS)
    plan = ModelDrivenPlan(4, 40, 0.01, RandomSectors())
    train_model_driven(model, radar, plan, tmp_path / "oracle", seed=REPETITION)
    found = stored_matrix(tmp_path / "task").steering
    assert torch.equal(found, model.steering)
    # Adam's steps are about as long as the learning rate.
    assert 0.02 < float((found - start).detach().abs().max()) < 0.05


def test_a_matrix_is_trained_whatever_it_is_measured_for(tmp_path):
    train_matrix(a_matrix(), tmp_path / "a")
    few = a_matrix(target_sectors_deg=[[10.0, 30.0]], radar_weights=[1.0])
    (records,) = train_matrix(few, tmp_path / "b")["sectors"]
    assert len(records) == 1
    for changes in ({"repetition": 1}, {"impairment": None}):
        train_matrix(
            a_matrix(**changes, target_sectors_deg=[]), tmp_path / "c" / next(iter(changes))
        )
    first, again, repeated, nominal = (
        stored_matrix(tmp_path / name).steering
        for name in ("a", "b", "c/repetition", "c/impairment")
    )
    assert torch.equal(again, first)
    assert not torch.equal(repeated, first)
    assert not torch.equal(nominal, first)


def test_messages_of_the_scenario_s_order_are_sent(tmp_path):
    """A model-driven system with 16 messages has the symbol errors of 16-QAM."""
    scenario = replace(SCENARIO, order=16)
    payload = a_matrix(scenario=asdict(scenario), radar_weights=[0.0])
    ((record,), _) = train_matrix(payload, tmp_path)["sectors"]
    with torch.no_grad():
        system = ModelDrivenTransceiver(
            stored_matrix(tmp_path), Sector(*SECTORS[0]), Sector(30, 50), 0.0, symbols=qam(16)
        )
        assert same(record, measured(system, SECTORS[0]))


# Training networks


def start():
    return seeded_sector_autoencoder(K, 4, WIDTH, seed=REPETITION)


@torch.no_grad()
def network_records(model):
    return [
        [measured(SectorTransceiver(model, Sector(*sector), Sector(30, 50)), sector)]
        for sector in SECTORS
    ]


@pytest.mark.parametrize(
    "options", [{}, {"indicator": "present"}, {"angle_unit": "rad", "learning_rate": 0.01}]
)
def test_networks_are_measured_after_each_training_step(tmp_path, options):
    training = replace(NETWORKS, **options)
    found = train_networks(through_json(some_networks(training)), tmp_path / "task")
    assert list(found) == ["detection", "angle"]
    plan = SectorPlan(0.3, steps=4, batch=40, **options)
    model, channels = start(), SCENARIO.channels(POSITIONS)
    module = SectorAutoencoderTraining(model, *channels, plan, step="detection", seed=REPETITION)
    train(module, Schedule(4), tmp_path / "first")
    assert same(found["detection"], network_records(model))
    # Nothing that is measured in between changes what is learned.
    whole = start()
    train_sector_autoencoder(whole, *channels, plan, tmp_path / "whole", seed=REPETITION)
    stored = stored_networks(tmp_path / "task")
    for name, value in whole.state_dict().items():
        assert torch.equal(stored.state_dict()[name], value)
    assert same(found["angle"], network_records(stored))
    assert not same(found["angle"], found["detection"])


def test_the_angle_step_leaves_the_detector_s_operating_point(tmp_path):
    """Noise alone does not depend on the beam, and the detector is frozen."""
    found = train_networks(some_networks(), tmp_path)
    for before, after in zip(found["detection"], found["angle"], strict=True):
        assert same(before[0]["threshold"], after[0]["threshold"])
        assert same(before[0]["p_fa"], after[0]["p_fa"])
        assert not same(before[0]["p_md"], after[0]["p_md"])


@pytest.mark.parametrize(
    "changes", [{"repetition": 1}, {"impairment": None}, {"radar_weight": 1.0}]
)
def test_networks_are_of_their_repetition_array_and_weight(tmp_path, changes):
    few = {"target_sectors_deg": []}
    train_networks(some_networks(**few), tmp_path / "a")
    train_networks(some_networks(**few, **changes), tmp_path / "b")
    first, other = (stored_networks(tmp_path / name).state_dict() for name in "ab")
    assert not torch.equal(first["beamformer.0.weight"], other["beamformer.0.weight"])


# Bad input


def test_a_grid_too_coarse_for_a_test_sector_is_refused(tmp_path):
    training = replace(MATRIX, grid_size=31)
    narrow = a_matrix(training, target_sectors_deg=[[1.0, 5.0]])
    with pytest.raises(ValueError, match=r"grid must put an angle inside the sector \[1, 5\]"):
        train_matrix(narrow, tmp_path)

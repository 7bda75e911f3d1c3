import dataclasses
import json
import math

import matplotlib as mpl
import pytest
import torch
from figure_runs import request
from same_records import same

from isaclib.experiments.engine import runs
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tasks import graph
from isaclib.experiments.p1.claims import CLAIMS
from isaclib.experiments.p1.config import TRADEOFF_PRESETS
from isaclib.experiments.p1.figures import FIG2, FIG3, FIG4, FIGURES, JOINT, UNITS
from isaclib.experiments.p1.maprt import MAPRT
from isaclib.experiments.p1.tasks import TrainAutoencoder
from isaclib.signal.arrays import beampattern

mpl.use("Agg")

pytestmark = pytest.mark.usefixtures("one_thread")

SPECS = (*FIGURES, MAPRT)
CONFIG = TRADEOFF_PRESETS["smoke"]
WEIGHTS = [0.0, 0.09, 1.0]
ENDS = {"system": "autoencoder", "repetition": 0}


def measured(rows):
    """All quantities of rows, in a form that can be compared."""
    return repr(rows.quantities)


# What is stored


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_results_say_what_they_are(p1_stored, spec):
    result = p1_stored[spec.id]
    assert (result.figure, result.preset) == (spec.id, "smoke")
    config = spec.presets["smoke"]
    assert same(result.config, json.loads(json.dumps(dataclasses.asdict(config))))
    assert spec.config(result) == config


@pytest.mark.parametrize("figure", ["p1-fig2", "p1-fig4", "p1-fig5", "p1-penalty", "p1-sequential"])
def test_measured_points_are_possible(p1_stored, figure):
    rows = p1_stored[figure].rows
    assert set(rows.quantities) == set(UNITS) - {"energy"}
    for name, quantity in rows.quantities.items():
        for low, value, high in zip(quantity.low, quantity.values, quantity.high, strict=True):
            assert math.isnan(value) or low <= value <= high
            assert name not in ("ser", "p_d", "p_fa") or 0 <= value <= 1
    # Threshold and check are each measured on 2000 samples.
    spread = math.sqrt(2 * 0.01 * 0.99 / CONFIG.test.samples)
    assert all(abs(p_fa - CONFIG.scenario.p_fa) < 4.5 * spread for p_fa in rows["p_fa"].values)


def test_fig_2_holds_every_autoencoder_and_the_whole_sweep_of_the_baseline(p1_stored):
    result = p1_stored["p1-fig2"]
    assert list(result.rows.split("system")) == ["autoencoder", "baseline"]
    for unit in ("deg", "rad"):
        for receivers in ("learned", "classical"):
            rows = result.where(**ENDS, unit=unit, receivers=receivers)
            assert rows.at("omega_r") == WEIGHTS
            # The classical receiver claims no uncertainty.
            claimed = [not math.isnan(v) for v in rows["sigma_deg"].values]
            assert any(claimed) == (receivers == "learned")
    baseline = result.where(system="baseline")
    points = set(zip(baseline.at("rho"), baseline.at("phase"), strict=True))
    assert points == {(rho, phase) for rho in (0.0, 0.5, 1.0) for phase in (0.0, math.pi)}


def test_the_unit_of_the_angle_does_not_matter_where_its_loss_does_not_count(p1_stored):
    learned = p1_stored["p1-fig2"].where(receivers="learned")
    degrees, radians = (learned.where(unit=unit) for unit in ("deg", "rad"))
    assert degrees["ser"].values[0] == radians["ser"].values[0]
    assert degrees["rmse_deg"].values[1] != radians["rmse_deg"].values[1]


def test_fig_3_traces_the_beams_of_fig_2(p1_stored):
    fig2, fig3 = p1_stored["p1-fig2"], p1_stored["p1-fig3"]
    for omega_r in WEIGHTS:
        rows = fig3.where(system="autoencoder", omega_r=omega_r)
        model = CONFIG.scenario.autoencoder(0)
        model.load_state_dict(fig2.tensors(unit="deg", repetition=0, omega_r=omega_r))
        theta = torch.tensor(rows.at("angle_deg"), dtype=torch.float64).deg2rad()
        with torch.no_grad():
            energy = beampattern(model.beam(), theta, torch.arange(16).double() / 2)
        assert rows["energy"].values == pytest.approx(energy.tolist(), abs=1e-5)
    angles = rows.at("angle_deg")
    assert (len(angles), angles[0], angles[-1]) == (721, pytest.approx(-90), pytest.approx(90))
    assert max(fig3.rows["energy"].values) <= 16 + 1e-5


def test_the_baseline_of_fig_3_moves_its_energy_with_rho(p1_stored):
    rows = p1_stored["p1-fig3"].where(system="baseline")

    def energy(rho, low, high):
        beam = rows.where(rho=rho)
        pairs = zip(beam.at("angle_deg"), beam["energy"].values, strict=True)
        return sum(e for angle, e in pairs if low <= angle <= high)

    target, receiver = (
        [energy(rho, *sector) for rho in (0.0, 0.5, 1.0)] for sector in ((-20, 20), (30, 50))
    )
    assert target == sorted(target)
    assert receiver == sorted(receiver, reverse=True)


def test_fig_4_shows_the_uncertainties_of_fig_2(p1_stored):
    fig2, fig4 = p1_stored["p1-fig2"], p1_stored["p1-fig4"]
    assert set(fig4.rows.at("receivers")) == {"learned"}
    for unit in ("deg", "rad"):
        rows = fig4.where(unit=unit)
        own = fig2.where(unit=unit, receivers="learned").take([1, 2])
        assert rows.at("omega_r") == WEIGHTS[1:]
        assert rows.tasks == own.tasks
        assert measured(rows) == measured(own)
        # A root mean square is at least the mean.
        pairs = zip(rows["sigma_mean_deg"].values, rows["sigma_deg"].values, strict=True)
        assert all(mean <= rms for mean, rms in pairs)


def test_fig_5_holds_both_readings_and_both_kinds_of_baseline(p1_stored):
    result = p1_stored["p1-fig5"]
    assert list(result.rows.split("system")) == ["autoencoder", "known", "unknown"]
    for model, weights in (("cumulative", [0.0, 1.0]), ("per_element", [1.0])):
        rows = result.where(model=model)
        learned = rows.where(system="autoencoder", array=0, receivers="classical")
        assert learned.at("omega_r") == weights
        # Both kinds meet the same arrays, but point their beams and search differently.
        known, unknown = (rows.where(system=system) for system in ("known", "unknown"))
        assert known.at("array") == unknown.at("array") == [0, 0, 1, 1]
        assert known["rmse_deg"].values != unknown["rmse_deg"].values


def test_the_penalty_is_measured_for_every_reading_and_size_of_the_errors(p1_stored):
    result = p1_stored["p1-penalty"]
    assert len(result.where(system="nominal")) == 1
    readings = result.where(system="unknown", std_wavelengths=1 / 30).split("model")
    assert list(readings) == ["cumulative", "per_element", "per_element_centered"]
    for rows in readings.values():
        assert rows.at("array") == [0, 1]
        # Two arrays of one family are two arrays: the same beam does not do equally well on both.
        assert len(set(rows["ser"].values)) > 1 or len(set(rows["p_d"].values)) > 1


def test_every_schedule_is_there_and_the_sequential_one_is_that_of_fig_2(p1_stored):
    result, fig2 = p1_stored["p1-sequential"], p1_stored["p1-fig2"]
    schedules = result.where(receivers="learned").split("schedule")
    assert list(schedules) == ["sequential", "joint", "joint, equal steps"]
    assert all(rows.at("omega_r") == [0.09, 1.0] for rows in schedules.values())
    own = fig2.where(unit="deg", receivers="learned").take([1, 2])
    assert schedules["sequential"].tasks == own.tasks
    assert measured(schedules["sequential"]) == measured(own)
    assert schedules["joint"]["rmse_deg"].values != (
        schedules["joint, equal steps"]["rmse_deg"].values
    )
    classical = result.where(receivers="classical")
    assert list(classical.split("schedule")) == ["joint", "joint, equal steps"]


def test_the_brute_force_agrees_with_the_closed_form(p1_stored):
    brute, detection = p1_stored["p1-maprt"].rows.split("check").values()
    pairs = list(zip(brute["brute_force"].values, brute["closed_form"].values, strict=True))
    assert brute.at("echo") == [0, 1, 2, 3]
    # An optimizer may stop at a lower peak where there is only noise, but never beyond the highest.
    assert all(found <= closed * (1 + 1e-6) for found, closed in pairs)
    for found, closed in pairs[:2]:
        assert found == pytest.approx(closed, rel=1e-3)
    assert detection.at("rho") == [0, 0.5, 1]
    for name in ("p_d_known", "p_d_unknown"):
        low, *_, high = detection[name].values
        assert low < high


# Trainings that figures share


@pytest.mark.parametrize("preset", ["smoke", "desk", "paper"])
@pytest.mark.parametrize("spec", [FIG3, FIG4, JOINT], ids=lambda spec: spec.id)
def test_figures_that_show_its_autoencoders_have_the_tasks_of_fig_2(spec, preset):
    def tasks(spec):
        return graph(row.task for row in spec.rows(spec.presets[preset], 3))

    own, fig2 = tasks(spec), tasks(FIG2)
    trainings = {k: t for k, t in own.items() if isinstance(t, TrainAutoencoder)}
    sequential = {k for k, t in trainings.items() if t.plan.stages != ("joint",)}
    assert sequential
    assert sequential <= set(fig2)
    assert spec is JOINT or sequential == set(trainings)
    assert spec is not FIG4 or set(own) <= set(fig2)


def test_a_fresh_clone_trains_nothing_again(p1_stored, p1_folder, tmp_path):
    for figure, before in ((name, p1_stored[name]) for name in ("p1-sequential", "p1-fig3")):
        clone = request(p1_folder, figure, runs=tmp_path / figure)
        runs.run(clone, Sweep(progress=False))
        after = load_result(figure, p1_folder / "results")
        assert repr(after.rows) == repr(before.rows)
        sources = {
            clone.cache().read(task).source
            for task in clone.tasks().values()
            if isinstance(task, TrainAutoencoder)
        }
        assert sources <= {figure, "p1-fig2"}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_can_be_tested_on_what_the_runs_store(p1_stored, claim):
    verdict = claim.verdict(p1_stored)
    assert isinstance(verdict, Verdict)
    assert any(character.isdigit() for character in verdict.measured)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_drawings_say_what_they_show(p1_stored, spec, draw):
    drawn = draw(p1_stored[spec.id])
    assert len(drawn.axes) == 2
    assert all(axes.get_xlabel() and axes.has_data() for axes in drawn.axes)
    (source,) = [text.get_text() for text in drawn.texts if "preset" in text.get_text()]
    assert source.startswith(f"{spec.id}, preset: smoke")
    legends = [*drawn.legends, *(axes.get_legend() for axes in drawn.axes)]
    assert any(legend and legend.get_texts() for legend in legends)

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
from isaclib.experiments.p3.claims import CLAIMS
from isaclib.experiments.p3.config import SENSING_PRESETS, TRADEOFF_PRESETS
from isaclib.experiments.p3.figures import FIG3, FIG4, FIG5, FIGURES, UNITS
from isaclib.experiments.p3.tasks import Calibrate, Measure, TrainSpacings, sensing_values
from isaclib.experiments.registry import figures
from isaclib.systems.spacings.measurement import measure_sensing, measure_symbols
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.training import train_impairment
from isaclib.systems.transceiver import Measurement

mpl.use("Agg")

pytestmark = pytest.mark.usefixtures("one_thread")

P3 = ("p3-fig3", "p3-fig4", "p3-fig5", "p3-learning", "p3-constellation", "p3-limits")
ROWS = P3[:-1]
CONFIG = SENSING_PRESETS["smoke"]
TOTAL, LABELLED = CONFIG.training.steps, CONFIG.training.labelled
ORDERS = ("SL", "UL", "SL+UL", "UL+SL")


def measured(rows):
    """All quantities of rows, in a form that can be compared."""
    return repr(rows.quantities)


def measurement(test):
    return Measurement(p_fa=CONFIG.scenario.p_fa, seed=0, **dataclasses.asdict(test))


# What is stored


def test_the_registry_knows_the_figures():
    assert [name for name, spec in figures().items() if spec.paper == "p3"] == list(P3)


@pytest.mark.parametrize("figure", P3)
def test_results_say_what_they_are(p3_stored, figure):
    result = p3_stored[figure]
    assert (result.figure, result.preset) == (figure, "smoke")
    config = dataclasses.asdict(figures()[figure].presets["smoke"])
    assert same(result.config, json.loads(json.dumps(config)))


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_a_result_knows_its_configuration(p3_stored, spec):
    assert spec.config(p3_stored[spec.id]) == spec.presets["smoke"]
    with pytest.raises(ValueError, match=f"{spec.id} has another configuration now"):
        spec.config_of({"scenario": 1})


@pytest.mark.parametrize("figure", ROWS)
def test_measured_rows_are_possible(p3_stored, figure):
    rows = p3_stored[figure].rows
    assert set(rows.quantities) <= set(UNITS)
    for name, quantity in rows.quantities.items():
        for low, value, high in zip(quantity.low, quantity.values, quantity.high, strict=True):
            assert math.isnan(value) or low <= value <= high
            if name in ("ser", "p_md", "p_fa"):
                assert low >= 0
                assert high <= 1


def test_fig_3_holds_all_schedules_and_baselines(p3_stored):
    rows = p3_stored["p3-fig3"].rows
    assert list(rows.split("system")) == ["known", "unknown", "ideal", *ORDERS]
    for order in ORDERS:
        marks = rows.where(system=order).at("iteration")
        assert marks == sorted(set(marks))
        assert marks[-1] == TOTAL
    assert LABELLED in rows.where(system="SL").at("iteration")
    assert TOTAL - LABELLED in rows.where(system="UL+SL").at("iteration")


def test_schedules_of_two_stages_begin_as_their_first_one_alone(p3_stored):
    result = p3_stored["p3-fig3"]
    for order, change in (("SL+UL", LABELLED), ("UL+SL", TOTAL - LABELLED)):
        alone, both = result.where(system=order[:2]), result.where(system=order)
        shared = [mark for mark in both.at("iteration") if mark in alone.at("iteration")]
        for mark in shared:
            pair = [rows.where(iteration=mark) for rows in (alone, both)]
            # The same task, and not an equal one.
            assert (pair[0].tasks == pair[1].tasks) == (mark <= change)
            assert mark > change or measured(pair[0]) == measured(pair[1])


@pytest.mark.parametrize("order", ORDERS)
def test_schedules_are_those_of_the_training_in_one_go(p3_stored, tmp_path, order):
    scenario, training = CONFIG.scenario, CONFIG.training
    model = SpacingArray(scenario.num_antennas)
    scene = scenario.scene(scenario.spacings(0, 0))
    train_impairment(model, scene, training.stages(order), tmp_path, seed=0)
    stored = p3_stored["p3-fig3"].tensors(system=order, array=0)
    torch.testing.assert_close(stored["spacings"][-1], model.spacing.detach())


@pytest.mark.parametrize("name", ["known", "unknown", "ideal", "SL"])
def test_rows_are_measurements_of_the_stored_spacings(p3_stored, name):
    scenario, result = CONFIG.scenario, p3_stored["p3-fig3"]
    true = scenario.spacings(0, 0)
    learned = result.tensors(system="SL", array=0)["spacings"][-1]
    assumed = {"unknown": scenario.nominal(), "SL": learned}.get(name, true)
    receiver = "baseline" if name in ("known", "unknown") else "learned"
    scene = scenario.scene(true)
    found = measure_sensing(
        scenario.transceiver(assumed, receiver),
        scene.radar,
        scene.basis,
        measurement(CONFIG.test),
    )
    row = result.where(system=name).take([-1])
    stored = {quantity: column.estimate() for quantity, column in row.quantities.items()}
    index = torch.arange(scenario.num_antennas) - (scenario.num_antennas - 1) / 2
    error = (index * (assumed - true)).square().mean().sqrt()
    assert stored.pop("position_error").value == pytest.approx(float(error))
    assert repr(stored) == repr(sensing_values(found))


def test_fig_4_goes_from_no_labels_to_many(p3_stored):
    fig3, fig4 = p3_stored["p3-fig3"], p3_stored["p3-fig4"]
    assert list(fig4.rows.split("system")) == ["SL+UL", "SL", "known", "unknown"]
    curve = fig4.where(system="SL+UL", array=0)
    assert curve.at("ratio") == pytest.approx([0, LABELLED / TOTAL, 2 / TOTAL, 7 / TOTAL])
    for own, order in ((curve.take([0]), "UL"), (curve.take([1]), "SL+UL")):
        end = fig3.where(system=order).take([-1])
        assert own.tasks == end.tasks
        assert measured(own) == measured(end)
    assert measured(fig4.where(system="SL")) == measured(fig3.where(system="SL").take([-1]))


def test_fig_5_measures_all_beams_of_the_trained_arrays(p3_stored):
    result, config = p3_stored["p3-fig5"], TRADEOFF_PRESETS["smoke"]
    systems = ["known", "unknown", "SL", "SL short", "SL+UL"]
    assert list(result.rows.split("system")) == systems
    scenario = config.scenario
    true = scenario.spacings(0, 0)
    tensors = p3_stored["p3-fig3"].tensors(system="SL", array=0)
    short = tensors["spacings"][tensors["marks"].tolist().index(LABELLED)]
    channel = scenario.communication(true)
    for rows in result.rows.split("system").values():
        assert tuple(zip(rows.at("eta"), rows.at("phi"), strict=True)) == config.beams()
    for eta, phi in config.beams():
        system = scenario.transceiver(short, "learned", eta, phi)
        oracle = measure_symbols(system, channel, measurement(config.tradeoff))
        row = result.where(system="SL short", eta=eta, phi=phi)
        assert row["ser"].value == pytest.approx(oracle.value)
    ser = result.where(system="known")["ser"].values
    assert ser[0] == min(ser)
    assert ser[-1] == max(ser)


# Trainings that figures share


@pytest.mark.parametrize("preset", ["smoke", "desk", "paper"])
def test_figs_4_and_5_go_on_from_the_trainings_of_fig_3(preset):
    def trainings(spec):
        every = graph(row.task for row in spec.rows(spec.presets[preset], 0))
        return {k: v.marks for k, v in every.items() if isinstance(v, TrainSpacings)}

    fig3, fig4, fig5 = map(trainings, (FIG3, FIG4, FIG5))
    assert fig5.items() <= fig3.items()
    counts = {FIG4.presets[preset].training.iterations(r) for r in FIG4.presets[preset].ratios}
    shared = fig3.keys() & fig4.keys()
    arrays = FIG4.presets[preset].ratio_draws
    assert len(shared) == 3 * arrays
    assert all(fig3[key] == fig4[key] for key in shared)
    assert len(fig4) - len(shared) == len(counts) * arrays


def test_fig_4_trains_nothing_that_fig_3_has_trained(p3_stored, p3_folder):
    # The fixture has run them in this order, with one folder for work in progress.
    spec = request(p3_folder, "p3-fig4")
    records = {key: spec.cache().read(task) for key, task in spec.tasks().items()}
    assert all(record.elapsed_s is not None for record in records.values())
    fig3 = set(request(p3_folder, "p3-fig3").tasks())
    assert len(fig3 & set(records)) == 8


def test_a_fresh_clone_goes_on_from_what_is_stored(p3_stored, p3_folder, tmp_path):
    clone = request(p3_folder, "p3-fig4", runs=tmp_path)
    before = p3_stored["p3-fig4"]
    runs.run(clone, Sweep(progress=False))
    after = load_result("p3-fig4", p3_folder / "results")
    assert repr(after.rows) == repr(before.rows)
    taken = [clone.cache().read(task).source for task in clone.tasks().values()]
    assert taken.count("p3-fig3") == 8
    assert taken.count("") == 4
    assert after.provenance.notes["8 tasks of p3-fig3"].startswith("commit ")


def test_other_trainings_are_other_tasks(p3_folder):
    config = FIG4.presets["smoke"]
    training = dataclasses.replace(config.training, batch=21)
    changed = dataclasses.replace(config, training=training)
    own = graph(row.task for row in FIG4.rows(config, 0))
    other = graph(row.task for row in FIG4.rows(changed, 0))
    shared = [own[key] for key in own.keys() & other.keys()]
    assert {type(task) for task in shared} == {Measure}
    assert {task.assumed for task in shared} == {"true", "nominal"}


# Beyond the paper


def test_ways_to_learn_are_compared_at_equal_samples(p3_stored):
    result = p3_stored["p3-learning"]
    config = figures()["p3-learning"].config(result)
    ways = [way.name for way in config.variations]
    assert list(result.rows.split("system")) == [
        *("known", "unknown", "ideal", "SL", "maximum likelihood")
    ]
    assert list(result.rows.split("variation")) == ways
    for way in config.variations:
        rows = result.where(system="SL", variation=way.name, array=0)
        assert rows.at("samples") == [120, 240]
        assert rows.at("rate") == [way.training.rate] * 2
    assert result.where(system="maximum likelihood").at("samples") == [20, 100]
    trained = [result.tensors(system="SL", variation=name, array=0) for name in ways]
    assert len({tuple(own["spacings"][-1].tolist()) for own in trained}) == len(ways)
    # The training of Fig. 3.
    fig3 = p3_stored["p3-fig3"].trained
    assert result.trained.where(variation="supervised").tasks == fig3.where(system="SL").tasks


def test_a_training_that_diverged_has_no_rows_from_there_on(tmp_path, monkeypatch):
    def diverged(model, scene, stages, directory, *, marks, **others):
        history = torch.full((len(marks), len(model.values)), 0.5, dtype=torch.float64)
        history[1:] = math.nan
        return history

    monkeypatch.setattr("isaclib.experiments.p3.tasks.train_impairment", diverged)
    runs.run(request(tmp_path, "p3-learning"), Sweep(progress=False))
    result = load_result("p3-learning", tmp_path / "results")
    rows = result.where(system="SL", variation="supervised")
    assert rows.at("samples") == [120]
    stored = result.tensors(system="SL", variation="supervised", array=0)
    assert stored["marks"].tolist() == [6, 12]
    assert stored["spacings"].isfinite().all(1).tolist() == [True, False]
    figures()["p3-learning"].draw(result)
    mpl.pyplot.close("all")


def test_estimates_are_stored_by_their_samples(p3_stored):
    result = p3_stored["p3-learning"]
    for samples in (20, 100):
        at = {"system": "maximum likelihood", "array": 0, "samples": samples}
        assert result.tensors(**at)["spacings"].shape == (CONFIG.scenario.num_antennas,)
    assert Calibrate(CONFIG.scenario, 0, 0, 20) != Calibrate(CONFIG.scenario, 0, 0, 100)


def test_constellations_of_unit_modulus_know_one_detector(p3_stored):
    rows = p3_stored["p3-constellation"].rows.split("filter")
    reciprocal, matched = rows["reciprocal"], rows["matched"]
    assert reciprocal.at("order") == [4, 16]
    assert reciprocal["p_md"].values[0] == matched["p_md"].values[0]
    assert reciprocal["p_md"].values[1] > matched["p_md"].values[1]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_can_be_tested_on_what_the_runs_store(p3_stored, claim):
    verdict = claim.verdict(p3_stored)
    assert isinstance(verdict, Verdict)
    assert any(character.isdigit() for character in verdict.measured)


# Drawings


@pytest.mark.parametrize(("figure", "panels"), [*zip(P3, (4, 2, 2, 2, 1, 2), strict=True)])
def test_drawings_say_what_they_show(p3_stored, figure, panels, tmp_path):
    from matplotlib import pyplot as plt

    drawn = figures()[figure].draw(p3_stored[figure])
    drawn.savefig(tmp_path / "figure.svg")
    assert len(drawn.axes) == panels
    assert all(axes.get_ylabel() for axes in drawn.axes)
    (source,) = [text.get_text() for text in drawn.texts if "preset" in text.get_text()]
    assert source.startswith(f"{figure}, preset: smoke")
    plt.close(drawn)


def test_the_trade_off_draws_the_front_of_each_system(p3_stored):
    from matplotlib import pyplot as plt

    result = p3_stored["p3-fig5"]
    drawn = figures()["p3-fig5"].draw(result)
    rows = result.where(system="SL", array=0)
    for axes, metric in zip(drawn.axes, ("p_md", "position"), strict=True):
        lines = {c.get_label(): c.lines[0].get_data() for c in axes.containers}
        found = list(zip(*lines["SL, all iterations"], strict=True))
        points = list(zip(rows["ser"].values, rows[metric].values, strict=True))
        best = [
            p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)
        ]
        assert sorted(found) == sorted(set(best))
    plt.close(drawn)

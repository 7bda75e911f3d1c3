import dataclasses
import json
import math

import matplotlib as mpl
import pytest
import torch
from figure_runs import names, smoke_context
from p2_payloads import same

from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.engine.results import load_weights
from isaclib.experiments.p3.claims import CLAIMS
from isaclib.experiments.p3.presets import SENSING_PRESETS, TRADEOFF_PRESETS
from isaclib.experiments.p3.runs import SENSING, TRADEOFF
from isaclib.experiments.p3.tasks import sensing_record
from isaclib.experiments.registry import figures
from isaclib.systems.spacings.measurement import measure_sensing, measure_symbols
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.training import train_impairment
from isaclib.systems.transceiver import Measurement

mpl.use("Agg")

pytestmark = pytest.mark.usefixtures("one_thread")

P3 = ("p3-fig3", "p3-fig4", "p3-fig5", "p3-learning", "p3-constellation", "p3-limits")
CONFIG = SENSING_PRESETS["smoke"]
TOTAL, LABELLED = CONFIG.training.steps, CONFIG.training.labelled


def point(series, index, metrics=SENSING):
    """A point of a curve as the record that it was made of."""
    found = {}
    for metric in metrics:
        q = series[metric]
        ends = {"value": q.values[index], "low": q.low[index], "high": q.high[index]}
        found[metric] = {**ends, "count": q.count[index]}
    return found


def history(folder, figure="p3-fig3"):
    return load_weights(folder / "results" / "p3" / f"{figure}.safetensors")


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


@pytest.mark.parametrize("figure", [name for name in P3 if name != "p3-limits"])
def test_measured_points_are_possible(p3_stored, figure):
    for series in p3_stored[figure].series:
        for metric in {*SENSING, "ser"} & set(series.quantities):
            quantity = series[metric]
            for low, value, high in zip(quantity.low, quantity.values, quantity.high, strict=True):
                assert math.isnan(value) or low <= value <= high
                if metric in ("ser", "p_md", "p_fa"):
                    assert low >= 0
                    assert high <= 1


def test_fig_3_holds_all_schedules_and_baselines(p3_stored):
    result = p3_stored["p3-fig3"]
    schedules = ["SL/0", "UL/0", "SL+UL/0", "UL+SL/0"]
    assert sorted(names(result)) == sorted(["known/0", "unknown/0", "ideal/0", *schedules])
    for name in schedules:
        marks = result[name]["iteration"].values
        assert marks == sorted(set(marks))
        assert marks[-1] == TOTAL
    assert LABELLED in result["SL/0"]["iteration"].values
    assert TOTAL - LABELLED in result["UL+SL/0"]["iteration"].values


def test_schedules_of_two_stages_begin_as_their_first_one_alone(p3_stored, p3_folder):
    result, spacings = p3_stored["p3-fig3"], history(p3_folder)
    for order, change in (("SL+UL", LABELLED), ("UL+SL", TOTAL - LABELLED)):
        alone, both = result[f"{order[:2]}/0"], result[f"{order}/0"]
        for index, mark in enumerate(both["iteration"].values):
            if mark in alone["iteration"].values:
                other = alone["iteration"].values.index(mark)
                alike = torch.equal(spacings[both.name][index], spacings[alone.name][other])
                assert alike == (mark <= change)
                assert not alike or same(point(both, index), point(alone, other))


@pytest.mark.parametrize("order", ["SL", "UL", "SL+UL", "UL+SL"])
def test_schedules_are_those_of_the_training_in_one_go(p3_folder, p3_stored, tmp_path, order):
    scenario, training = CONFIG.scenario, CONFIG.training
    model = SpacingArray(scenario.num_antennas)
    scene = scenario.scene(scenario.spacings(0, 0))
    train_impairment(model, scene, training.stages(order), tmp_path, seed=0)
    torch.testing.assert_close(history(p3_folder)[f"{order}/0"][-1], model.spacing.detach())


@pytest.mark.parametrize("name", ["known", "unknown", "ideal", "SL"])
def test_points_are_measurements_of_the_stored_spacings(p3_stored, p3_folder, name):
    scenario = CONFIG.scenario
    true = scenario.spacings(0, 0)
    assumed = {"unknown": scenario.nominal(), "SL": history(p3_folder)["SL/0"][-1]}.get(name, true)
    receiver = "baseline" if name in ("known", "unknown") else "learned"
    scene = scenario.scene(true)
    found = measure_sensing(
        scenario.transceiver(assumed, receiver),
        scene.radar,
        scene.basis,
        measurement(CONFIG.test),
    )
    series = p3_stored["p3-fig3"][f"{name}/0"]
    stored = point(series, -1)
    index = torch.arange(scenario.num_antennas) - (scenario.num_antennas - 1) / 2
    error = (index * (assumed - true)).square().mean().sqrt()
    assert stored.pop("position_error")["value"] == pytest.approx(float(error))
    assert same(stored, sensing_record(found))


def test_fig_4_goes_from_no_labels_to_many(p3_stored):
    fig3, fig4 = p3_stored["p3-fig3"], p3_stored["p3-fig4"]
    assert sorted(names(fig4)) == ["SL+UL/0", "SL/0", "known/0", "unknown/0"]
    curve = fig4["SL+UL/0"]
    assert curve["ratio"].values == pytest.approx([0, LABELLED / TOTAL, 2 / TOTAL, 7 / TOTAL])
    assert same(point(curve, 0), point(fig3["UL/0"], -1))
    assert same(point(curve, 1), point(fig3["SL+UL/0"], -1))
    assert same(point(fig4["SL/0"], -1), point(fig3["SL/0"], -1))
    assert fig4.provenance.notes["trained by"].startswith("p3-fig3, commit ")


def test_fig_5_measures_all_beams_of_the_trained_arrays(p3_stored, p3_folder):
    result, config = p3_stored["p3-fig5"], TRADEOFF_PRESETS["smoke"]
    systems = ["known/0", "unknown/0", "SL/0", "SL short/0", "SL+UL/0"]
    assert names(result) == systems
    scenario, spacings = config.scenario, history(p3_folder)
    true = scenario.spacings(0, 0)
    marks = p3_stored["p3-fig3"]["SL/0"]["iteration"].values
    short = spacings["SL/0"][marks.index(LABELLED)]
    channel = scenario.communication(true)
    for name in systems:
        pairs = list(zip(result[name]["eta"].values, result[name]["phi"].values, strict=True))
        assert pairs == config.beams()
    for index, (eta, phi) in enumerate(config.beams()):
        system = scenario.transceiver(short, "learned", eta, phi)
        oracle = measure_symbols(system, channel, measurement(config.tradeoff))
        stored = point(result["SL short/0"], index, TRADEOFF)
        assert stored["ser"]["value"] == pytest.approx(oracle.value)
    ser = result["known/0"]["ser"].values
    assert ser[0] == min(ser)
    assert ser[-1] == max(ser)


def test_figs_4_and_5_refuse_other_trainings(p3_stored, p3_folder):
    for figure in ("p3-fig4", "p3-fig5"):
        config = figures()[figure].presets["smoke"]
        training = dataclasses.replace(config.training, batch=21)
        changed = dataclasses.replace(config, training=training)
        context = smoke_context(p3_folder, figure, config=changed)
        with pytest.raises(ValueError, match=r"of p3-fig3 with its own training, got"):
            figures()[figure].run(context)


def test_ways_to_learn_are_compared_at_equal_samples(p3_stored, p3_folder):
    result = p3_stored["p3-learning"]
    variations = [v["name"] for v in result.config["variations"]]
    references = ["known/0", "unknown/0", "ideal/0"]
    expected = [*references, *(f"{name}/0" for name in variations), "calibration/0"]
    assert sorted(names(result)) == sorted(expected)
    for name in variations:
        assert result[f"{name}/0"]["samples"].values == [120, 240]
    assert result["calibration/0"]["samples"].values == [20, 100]
    ends = {
        tuple(history(p3_folder, "p3-learning")[f"{name}/0"][-1].tolist()) for name in variations
    }
    assert len(ends) == len(variations)
    # The training of Fig. 3, on the same samples.
    torch.testing.assert_close(
        history(p3_folder, "p3-learning")["supervised/0"][-1], history(p3_folder)["SL/0"][-1]
    )


def test_constellations_of_unit_modulus_know_one_detector(p3_stored):
    reciprocal, matched = (p3_stored["p3-constellation"][n] for n in ("reciprocal", "matched"))
    assert reciprocal["order"].values == [4, 16]
    assert reciprocal["p_md"].values[0] == matched["p_md"].values[0]
    assert reciprocal["p_md"].values[1] > matched["p_md"].values[1]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_can_be_tested_on_what_the_runs_store(p3_stored, claim):
    verdict = claim.check({figure: p3_stored[figure] for figure in claim.needs})
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
    for axes, metric in zip(drawn.axes, ("p_md", "position"), strict=True):
        lines = {c.get_label(): c.lines[0].get_data() for c in axes.containers}
        found = list(zip(*lines["SL, all iterations"], strict=True))
        points = list(zip(result["SL/0"]["ser"].values, result["SL/0"][metric].values, strict=True))
        best = [
            p for p in points if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)
        ]
        assert sorted(found) == sorted(set(best))
    plt.close(drawn)

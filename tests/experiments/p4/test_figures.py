import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from figure_runs import request

from isaclib.data.images import synthetic_images
from isaclib.experiments.engine import runs
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.sweep import Sweep
from isaclib.experiments.engine.tasks import graph, key_of
from isaclib.experiments.p4.claims import CLAIMS
from isaclib.experiments.p4.config import FADINGS, LITERAL
from isaclib.experiments.p4.figures import FIG5, FIGURES, KEPT, UNITS, final_rows
from isaclib.experiments.p4.tasks import TrainSystem
from isaclib.experiments.registry import figures
from isaclib.learning.networks import load_parameters
from isaclib.systems.semantic.link import measure_semantic
from isaclib.systems.semantic.model import Semantic

pytestmark = pytest.mark.usefixtures("one_thread")

P4 = [spec.id for spec in FIGURES]
TWO = ["mse", "psnr_db", "sensing", "p_d", "p_fa"]
THREE = [*TWO, "animal"]
WEIGHTS = [0.0, 0.5, LITERAL, 1.0]


def smoke(figure):
    return figures()[figure].presets["smoke"]


def measured(rows):
    """All quantities of rows that they have, in a form that can be compared."""
    found = {name: q for name, q in rows.quantities.items() if not math.isnan(q.values[0])}
    return {name: repr(q) for name, q in found.items()}


# What is stored


def test_the_registry_knows_the_figures():
    assert [name for name, spec in figures().items() if spec.paper == "p4"] == P4


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.id)
def test_results_say_what_they_are(p4_stored, spec):
    result, config = p4_stored[spec.id], spec.presets["smoke"]
    assert (result.figure, result.preset) == (spec.id, "smoke")
    assert result.config == json.loads(json.dumps(dataclasses.asdict(config)))
    assert spec.config(result) == config
    notes = result.provenance.notes
    assert "synthetic" in notes["images"]
    assert notes["weights"] == "stored as float16, and measured like that"


@pytest.mark.parametrize("figure", P4)
def test_measured_rows_are_possible(p4_stored, figure):
    rows, test = p4_stored[figure].rows, smoke(figure).images.test
    assert set(rows.quantities) <= set(UNITS)
    for name, q in rows.quantities.items():
        for index, count in enumerate(q.count or ()):
            if count is None:
                continue
            low, value, high = q.low[index], q.values[index], q.high[index]
            assert low <= value <= high
            if name in ("norm", "cosine"):
                assert count == smoke(figure).training.gradient_batches
                assert -1 <= value <= 1 if name == "cosine" else value > 0
            else:
                assert count == test or name in ("p_d", "p_fa")
                assert name == "psnr_db" or 0 <= value <= 1
    sums = [d + f for d, f in zip(rows["p_d"].count, rows["p_fa"].count, strict=True) if d]
    assert set(sums) == {test}
    pairs = zip(rows["psnr_db"].values, rows["mse"].values, strict=True)
    known = [pair for pair in pairs if not math.isnan(pair[0])]
    assert [a for a, _ in known] == pytest.approx([-10 * math.log10(b) for _, b in known])


def check_curve(rows, x, places, metrics):
    """Every point early and at the end, which differ unless nothing was learned in between."""
    for fading in FADINGS:
        early, end = (rows.where(fading=fading, epochs=epochs) for epochs in (1, 2))
        assert early.at(x) == end.at(x) == list(places)
        assert list(measured(early)) == list(measured(end)) == metrics
        assert early["mse"].values != end["mse"].values


def test_fig_4_holds_every_weight_for_both_channels(p4_stored):
    result = p4_stored["p4-fig4"]
    assert list(result.rows.split("measured")) == [
        *("performance", "gradients", "afterwards", "confusion")
    ]
    rows = result.where(measured="performance")
    check_curve(rows.where(repetition=0), "sensing_weight", WEIGHTS, TWO)
    check_curve(rows.where(repetition=1), "sensing_weight", [0.5], TWO)
    assert result.where(measured="afterwards").at("sensing_weight") == [0.0, 1.0] * 2
    for fading in FADINGS:
        begun = final_rows(result, fading, repetition=0)
        after = result.where(measured="afterwards", fading=fading)
        # The missing decoder learns; the other one and the codes are what they were.
        for weight, same, other in ((0, "mse", "sensing"), (1, "sensing", "mse")):
            pair = [rows.where(sensing_weight=weight) for rows in (begun, after)]
            assert pair[0][same] == pair[1][same]
            assert pair[0][other] != pair[1][other]
            if other == "mse":
                assert pair[1][other].value < pair[0][other].value


def test_fig_5_holds_four_sweeps_with_the_default_system_of_fig_4_in_each(p4_stored):
    result, config = p4_stored["p4-fig5"], smoke("p4-fig5")
    assert list(result.rows.split("varied")) == list(config.sweeps())
    for parameter, places in config.sweeps().items():
        rows, default = result.where(varied=parameter), getattr(config.point, parameter)
        check_curve(rows, parameter, places, TWO)
        for fading in FADINGS:
            for epochs in (1, 2):
                own = rows.where(fading=fading, epochs=epochs, **{parameter: default})
                known = p4_stored["p4-fig4"].where(
                    fading=fading, sensing_weight=0.5, repetition=0, epochs=epochs
                )
                # The same task, and not an equal one.
                assert own.tasks == known.tasks
                assert measured(own) == measured(known)


def test_principal_components_in_fig_5_are_put_where_they_belong(p4_stored):
    rows = p4_stored["p4-fig5"].where(measured="principal components")
    assert list(measured(rows)) == ["mse", "psnr_db"]
    for own in rows.split("fading").values():
        places = list(zip(own.at("size"), own.at("communication_snr_db"), strict=True))
        assert places == [(4, 3.0), (20, -9.0), (20, 3.0)]
        # Stronger components first, a better channel, no fading: all of them help.
        small, weak, best = own["mse"].values
        assert best < min(small, weak)
    still, faded = (own["mse"].values[-1] for own in rows.split("fading").values())
    assert still < faded


def test_fig_6_holds_three_tasks_over_the_snr(p4_stored):
    rows = p4_stored["p4-fig6"].where(measured="performance")
    check_curve(rows.where(repetition=0), "snr_db", [-9.0, 3.0], THREE)
    check_curve(rows.where(repetition=1), "snr_db", [3.0], THREE)


@pytest.mark.parametrize(("figure", "x"), [("p4-fig4", "sensing_weight"), ("p4-fig6", "snr_db")])
def test_gradients_are_stored_of_the_tasks_that_are_trained(p4_stored, figure, x):
    rows = p4_stored[figure].where(measured="gradients")
    for fading in FADINGS:
        for place, own in rows.where(fading=fading).split(x).items():
            tasks = ["reconstruction", "sensing", *(["animal"] if x == "snr_db" else [])]
            tasks = {0.0: tasks[:1], 1.0: tasks[1:]}.get(place, tasks)
            pairs = [(a, b) for i, a in enumerate(tasks) for b in tasks[i + 1 :]]
            for epochs in (1, 2):
                at = own.where(epochs=epochs)
                found = list(zip(at.at("task"), at.at("other"), strict=True))
                assert found == [*pairs, *((task, None) for task in tasks)]


def test_confusion_matrices_have_the_accuracy_of_their_systems(p4_stored):
    choices = p4_stored["p4-choices"]
    for fading in FADINGS:
        systems = (
            ("p4-fig4", {}, {"repetition": 0, "sensing_weight": 0.5}, "sensing"),
            ("p4-fig5", {"ranges": 3}, {"varied": "ranges", "ranges": 3}, "sensing"),
            ("p4-choices", {}, {"choice": "ten classes"}, "label"),
        )
        for figure, place, at, metric in systems:
            rows = p4_stored[figure].where(measured="confusion", fading=fading, **place)
            matrix = np.reshape(rows["images"].values, (len(rows.split("true")), -1))
            point = final_rows(p4_stored[figure], fading, **at)
            assert matrix.sum() == 100
            assert np.trace(matrix) / 100 == pytest.approx(point[metric].value)
            if metric == "sensing":
                false = 1 - matrix[0, 0] / matrix[0].sum()
                assert false == pytest.approx(point["p_fa"].value)
        labels = torch.bincount(synthetic_images(200, 100).test.labels, minlength=10)
        rows = choices.where(measured="confusion", fading=fading)
        assert [sum(own["images"].values) for own in rows.split("true").values()] == labels.tolist()


def test_choices_hold_every_one_and_what_they_are_compared_with(p4_stored):
    result = p4_stored["p4-choices"]
    for choice in smoke("p4-choices").choices():
        metrics = {"two": TWO, "three": THREE}[choice.tasks]
        metrics = [*TWO, "label"] if choice.name == "ten classes" else metrics
        at = {"measured": "performance", "tasks": choice.tasks, "choice": choice.name}
        rows = result.where(**at)
        fadings = FADINGS[1:] if choice.name == "same way" else FADINGS
        assert list(rows.split("fading")) == list(fadings)
        for fading in fadings:
            own = rows.where(fading=fading)
            assert own.at("epochs") == [1, 2, 4][: 1 + choice.longer]
            assert list(measured(own)) == metrics
            if choice.name == "longer":
                # The same training goes on.
                default = result.where(**{**at, "choice": "default"}, fading=fading)
                assert own.tasks[:2] == default.tasks
                assert own["mse"].values[2] < own["mse"].values[1]
    other = {
        ("two", "default"): ("p4-fig4", {"sensing_weight": 0.5, "repetition": 0}),
        ("two", "plain loss"): ("p4-fig4", {"sensing_weight": LITERAL}),
        ("two", "ranges"): ("p4-fig5", {"varied": "ranges", "ranges": 3}),
        ("three", "default"): ("p4-fig6", {"snr_db": 3.0, "repetition": 0}),
    }
    for (tasks, name), (figure, place) in other.items():
        for fading in FADINGS:
            own = result.where(measured="performance", tasks=tasks, choice=name, fading=fading)
            known = p4_stored[figure].where(measured="performance", fading=fading, **place)
            assert own.tasks == known.tasks
            assert measured(own) == measured(known)


def test_every_choice_changes_something(p4_stored):
    rows = p4_stored["p4-choices"].where(measured="performance", fading="rayleigh", epochs=2)
    losses = {
        (tasks, name): one["mse"].value
        for tasks, some in rows.split("tasks").items()
        for name, one in some.split("choice").items()
        if name != "longer"  # at these epochs it is the default
    }
    assert len(set(losses.values())) == len(losses) == 11


# Stored weights


@pytest.mark.parametrize("figure", ["p4-fig4", "p4-fig5"])
def test_stored_weights_give_the_stored_points(p4_stored, figure):
    """float16 in the file, and every digit of the measurement."""
    result, config = p4_stored[figure], smoke(figure)
    kept = [{"fading": fading} for fading in FADINGS]
    if figure == "p4-fig5":
        kept = [{"fading": "awgn", parameter: value} for parameter, value in KEPT.items()]
    assert len(result.trained) == len(kept)
    for at in kept:
        system = dataclasses.replace(config.point, **at)
        model = Semantic(system.size, system.ranges, layers=system.layers)
        tensors = result.tensors(**at)
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
        load_parameters(model, tensors)
        test = config.images.load().test
        found = measure_semantic(model, system.link(), test, seed=0, block=config.images.block)
        place = {"repetition": 0, "sensing_weight": 0.5} if figure == "p4-fig4" else at
        (row,) = [final_rows(result, **{**place, "fading": at["fading"]})]
        for metric in TWO:
            assert repr(row[metric].estimate()) == repr(getattr(found, metric))


# Systems that figures share


@pytest.mark.parametrize("preset", ["smoke", "desk", "paper"])
def test_figures_train_no_system_of_another_but_the_longer_ones(preset):
    tasks = {
        spec.id: graph(row.task for row in spec.rows(spec.presets[preset], 0)) for spec in FIGURES
    }
    trainings = {
        figure: {key for key, task in own.items() if isinstance(task, TrainSystem)}
        for figure, own in tasks.items()
    }
    fig4, fig5, fig6, choices = (trainings[figure] for figure in P4)
    assert len(fig4 & fig5) == 2  # the default over both channels
    assert not fig6 & (fig4 | fig5)
    # Two defaults and the plain loss, more ranges, and the default of three tasks.
    assert (len(choices & fig4), len((choices & fig5) - fig4), len(choices & fig6)) == (4, 2, 2)


def test_a_fresh_clone_trains_no_system_again_whose_points_are_stored(
    p4_stored, p4_folder, tmp_path
):
    clone = request(p4_folder, "p4-fig5", runs=tmp_path)
    runs.run(clone, Sweep(progress=False))
    before, after = p4_stored["p4-fig5"], load_result("p4-fig5", p4_folder / "results")
    assert repr(after.rows) == repr(before.rows)
    assert after.provenance.weights == before.provenance.weights
    tasks = clone.tasks()
    records = {key: clone.cache().read(task) for key, task in tasks.items()}
    sources = [record.source for record in records.values() if record]
    # Two stops of the default over both channels, and its weights; two systems of its own.
    assert (sources.count("p4-fig4"), sources.count("p4-fig5")) == (6, 2)
    missing = [tasks[key] for key, record in records.items() if record is None]
    trainings = [task for task in missing if isinstance(task, TrainSystem)]
    default = FIG5.presets["smoke"].point
    assert {task.system for task in trainings} == {
        dataclasses.replace(default, fading=fading) for fading in FADINGS
    }
    assert len(trainings) == 2
    assert len(missing) == 2 + 2  # and the early stops were not rounded


def test_other_systems_are_other_tasks():
    config = FIG5.presets["smoke"]
    training = dataclasses.replace(config.training, batch=40)
    rows = [list(FIG5.rows(c, 0)) for c in (config, dataclasses.replace(config, training=training))]
    own, other = ({key_of(row.task): row for row in some} for some in rows)
    assert {own[key].at["measured"] for key in own.keys() & other.keys()} == {
        "principal components"
    }


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_can_be_tested_on_what_the_runs_store(p4_stored, claim):
    verdict = claim.verdict(p4_stored)
    assert isinstance(verdict, Verdict)
    assert any(character.isdigit() for character in verdict.measured)

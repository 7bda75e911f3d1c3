import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from figure_runs import names, smoke_context
from p2_payloads import same

from isaclib.data.images import synthetic_images
from isaclib.experiments.claims import evaluate
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.p4 import runs as p4_runs
from isaclib.experiments.p4 import tasks as p4_tasks
from isaclib.experiments.p4.assembly import EARLY, confusion_matrix, record_at
from isaclib.experiments.p4.config import FADINGS, TEN_CLASSES
from isaclib.experiments.p4.runs import LITERAL
from isaclib.experiments.p4.tasks import METRICS, performance_record
from isaclib.experiments.registry import figures
from isaclib.experiments.series.results import ResultError, load_weights
from isaclib.learning.networks import load_parameters
from isaclib.systems.semantic.link import measure_semantic
from isaclib.systems.semantic.model import Semantic

pytestmark = pytest.mark.usefixtures("one_thread")

P4 = [name for name, spec in figures().items() if spec.paper == "p4"]
TWO, THREE = ({"mse", "psnr_db", "sensing", "p_d", "p_fa"} | more for more in (set(), {"animal"}))
WEIGHTS = [0.0, 0.5, LITERAL, 1.0]


def smoke(figure):
    return figures()[figure].presets["smoke"]


def columns(series):
    """Everything that a curve holds, undefined values included, as text."""
    return json.dumps({name: dataclasses.asdict(q) for name, q in series.quantities.items()})


def measures(series):
    return set(series.quantities) & set(METRICS)


# What is stored


def test_results_say_what_they_are(p4_stored):
    assert list(p4_stored) == P4
    for figure, result in p4_stored.items():
        assert (result.figure, result.preset) == (figure, "smoke")
        assert same(result.config, json.loads(json.dumps(dataclasses.asdict(smoke(figure)))))
        assert (result.provenance.device, result.provenance.seed) == ("cpu", 0)
        assert (
            result.provenance.notes["images"] == synthetic_images(10, 10).origin.notes()["images"]
        )
        assert "synthetic" in result.provenance.notes["images"]


@pytest.mark.parametrize("figure", P4)
def test_measured_points_are_possible(p4_stored, figure):
    test = smoke(figure).images.test
    for series in p4_stored[figure].series:
        for metric in measures(series):
            quantity = series[metric]
            assert quantity.unit == METRICS[metric]
            for value, low, high, count in zip(
                quantity.values, quantity.low, quantity.high, quantity.count, strict=True
            ):
                assert low <= value <= high
                assert count == test or metric in ("p_d", "p_fa")
                assert metric == "psnr_db" or 0 <= value <= 1
        if {"sensing", "p_d", "p_fa"} <= measures(series):
            sums = np.add(series["p_d"].count, series["p_fa"].count)
            assert sums.tolist() == [test] * len(series)


@pytest.mark.parametrize("figure", P4)
def test_psnr_is_the_loss_in_decibels(p4_stored, figure):
    for series in p4_stored[figure].series:
        if "psnr_db" in series.quantities:
            oracle = [-10 * math.log10(v) for v in series["mse"].values]
            assert series["psnr_db"].values == pytest.approx(oracle)


def curve_of(result, name, parameter, values, metrics):
    """A curve and its early twin, which differ unless nothing was learned in between."""
    for end in ("", EARLY):
        series = result[name + end]
        assert series[parameter].values == list(values)
        assert measures(series) == metrics
    assert result[name]["mse"].values != result[name + EARLY]["mse"].values


def test_fig_4_holds_every_weight_for_both_channels(p4_stored):
    result = p4_stored["p4-fig4"]
    own = ["{}", "{}/early", "afterwards/{}", "repetitions/{}", "repetitions/{}/early"]
    own += ["confusion/{}", *(f"gradients/{{}}/weight={w:.3g}" for w in WEIGHTS)]
    assert sorted(names(result)) == sorted(n.format(f) for n in own for f in FADINGS)
    for fading in FADINGS:
        curve_of(result, fading, "sensing_weight", WEIGHTS, TWO)
        curve_of(result, f"repetitions/{fading}", "repetition", [0, 1], TWO)
        assert result[f"afterwards/{fading}"]["sensing_weight"].values == [0.0, 1.0]
    assert result["awgn"]["mse"].values != result["rayleigh"]["mse"].values


def test_at_the_ends_the_untrained_decoder_is_as_it_began_and_learns_afterwards(p4_stored):
    for fading in FADINGS:
        curve = p4_stored["p4-fig4"][fading]
        after = p4_stored["p4-fig4"][f"afterwards/{fading}"]
        begun, end = (record_at(s, "sensing_weight", 1.0) for s in (curve, after))
        assert end["mse"]["value"] < begun["mse"]["value"]
        # Decoder 2 and the codes stay what they were: so does the accuracy, and the reverse.
        assert end["sensing"] == begun["sensing"]
        begun, end = (record_at(s, "sensing_weight", 0.0) for s in (curve, after))
        assert end["mse"] == begun["mse"]


def test_the_first_repetition_is_the_point_of_the_curve_and_the_second_another(p4_stored):
    for figure, parameter, value in (("p4-fig4", "sensing_weight", 0.5), ("p4-fig6", "snr_db", 3)):
        for fading in FADINGS:
            for end in ("", EARLY):
                result = p4_stored[figure]
                point = record_at(result[fading + end], parameter, value)
                first, second = (
                    record_at(result[f"repetitions/{fading}{end}"], "repetition", n) for n in (0, 1)
                )
                assert first == point
                assert second["mse"] != point["mse"]


SWEEPS = {
    "communication_snr_db": (-9.0, 3.0),
    "sensing_snr_db": (-9.0, 3.0),
    "size": (4, 20),
    "ranges": (1, 3),
}


def test_fig_5_holds_four_sweeps_with_the_default_point_of_fig_4_in_each(p4_stored):
    result, fig4 = p4_stored["p4-fig5"], p4_stored["p4-fig4"]
    own = [f"{p}/{{}}{end}" for p in SWEEPS for end in ("", EARLY)]
    own += ["linear/communication_snr_db/{}", "linear/size/{}", "confusion/{}/ranges=3"]
    assert sorted(names(result)) == sorted(n.format(f) for n in own for f in FADINGS)
    default = dataclasses.asdict(smoke("p4-fig5").point)
    for parameter, values in SWEEPS.items():
        for fading in FADINGS:
            curve_of(result, f"{parameter}/{fading}", parameter, values, TWO)
            for end in ("", EARLY):
                found, known = (
                    record_at(series, name, value)
                    for series, name, value in (
                        (result[f"{parameter}/{fading}{end}"], parameter, default[parameter]),
                        (fig4[fading + end], "sensing_weight", 0.5),
                    )
                )
                assert {m: found[m] for m in TWO} == {m: known[m] for m in TWO}
                other = next(v for v in values if v != default[parameter])
                changed = record_at(result[f"{parameter}/{fading}{end}"], parameter, other)
                assert changed != found


def test_principal_components_in_fig_5_are_put_where_they_belong(p4_stored):
    result = p4_stored["p4-fig5"]
    for fading in FADINGS:
        by_snr, by_size = (result[f"linear/{p}/{fading}"] for p in ("communication_snr_db", "size"))
        assert by_snr["communication_snr_db"].values == [-9.0, 3.0]
        assert by_size["size"].values == [4, 20]
        for metric in ("mse", "psnr_db"):
            assert by_snr[metric].values[-1] == by_size[metric].values[-1]
        # Stronger components first, a better channel, no fading: all of them help.
        assert by_snr["mse"].values[0] > by_snr["mse"].values[1]
        assert by_size["mse"].values[0] > by_size["mse"].values[1]
    still, fading = (result[f"linear/size/{f}"]["mse"].values[-1] for f in FADINGS)
    assert still < fading


def test_fig_6_holds_three_tasks_over_the_snr(p4_stored):
    result = p4_stored["p4-fig6"]
    own = ["{}", "{}/early", "repetitions/{}", "repetitions/{}/early"]
    own += [f"gradients/{{}}/snr={snr:g}" for snr in (-9, 3)]
    assert sorted(names(result)) == sorted(n.format(f) for n in own for f in FADINGS)
    for fading in FADINGS:
        curve_of(result, fading, "snr_db", (-9.0, 3.0), THREE)


def test_gradients_are_stored_over_the_epochs(p4_stored):
    tasks = {
        "p4-fig4": {0.0: ["reconstruction"], 1.0: ["sensing"]},
        "p4-fig6": {snr: ["reconstruction", "sensing", "animal"] for snr in (-9.0, 3.0)},
    }
    for figure, known in tasks.items():
        for series in p4_stored[figure].series:
            if series.name.startswith("gradients/"):
                trained = known.get(
                    float(series.name.rpartition("=")[2]), ["reconstruction", "sensing"]
                )
                pairs = [f"{a}~{b}" for i, a in enumerate(trained) for b in trained[i + 1 :]]
                expected = {"epochs", *pairs, *(f"norm/{task}" for task in trained)}
                assert set(series.quantities) == expected
                assert series["epochs"].values == [1, 2]
                assert all(-1 <= v <= 1 for pair in pairs for v in series[pair].values)
                assert all(v > 0 for task in trained for v in series[f"norm/{task}"].values)


def test_confusion_matrices_have_the_accuracy_of_their_points(p4_stored):
    for fading in FADINGS:
        points = {
            f"confusion/{fading}": ("p4-fig4", fading, "sensing_weight", 0.5, "sensing"),
            f"confusion/{fading}/ranges=3": ("p4-fig5", f"ranges/{fading}", "ranges", 3, "sensing"),
        }
        for name, (figure, curve, parameter, value, metric) in points.items():
            matrix = np.array(confusion_matrix(p4_stored[figure][name]))
            record = record_at(p4_stored[figure][curve], parameter, value)
            assert matrix.sum() == 100
            assert np.trace(matrix) / 100 == pytest.approx(record[metric]["value"])
            assert 1 - matrix[0, 0] / matrix[0].sum() == pytest.approx(record["p_fa"]["value"])
        choices = p4_stored["p4-choices"]
        matrix = np.array(confusion_matrix(choices[f"confusion/{fading}"]))
        labels = torch.bincount(synthetic_images(200, 100).test.labels, minlength=10)
        assert matrix.sum(1).tolist() == labels.tolist()
        last = choices[f"ten classes/{fading}"]["label"].values[-1]
        assert np.trace(matrix) / 100 == pytest.approx(last)


# Stored weights


def test_the_files_of_weights_hold_the_systems_that_the_chapter_shows(p4_stored, p4_folder):
    expected = {
        "p4-fig4": set(FADINGS),
        "p4-fig5": {"communication_snr_db/awgn/-9", "size/awgn/4"},
    }
    for figure in P4:
        file = f"{figure}.safetensors"
        assert list(p4_stored[figure].provenance.weights) == [file] * (figure in expected)
        if figure in expected:
            bundle = load_weights(p4_folder / "results" / "p4" / file)
            found = {name for name in expected[figure] if any(n.startswith(name) for n in bundle)}
            assert found == expected[figure]
            parameters = len(Semantic(4, layers=smoke(figure).point.layers).state_dict())
            assert len(bundle) == parameters * len(found)
            assert {value.dtype for value in bundle.values()} == {torch.float16}


STORED = {
    ("p4-fig4", "awgn"): ("awgn", "sensing_weight", 0.5, {}),
    ("p4-fig4", "rayleigh"): ("rayleigh", "sensing_weight", 0.5, {"fading": "rayleigh"}),
    ("p4-fig5", "communication_snr_db/awgn/-9"): (
        "communication_snr_db/awgn",
        "communication_snr_db",
        -9.0,
        {"communication_snr_db": -9.0},
    ),
    ("p4-fig5", "size/awgn/4"): ("size/awgn", "size", 4, {"size": 4}),
}


@pytest.mark.parametrize(("figure", "name"), STORED)
def test_stored_weights_give_the_stored_points(p4_stored, p4_folder, figure, name):
    """float16 in the file, and every digit of the measurement."""
    curve, parameter, value, changes = STORED[figure, name]
    config, prefix = smoke(figure), f"{name}/"
    point = dataclasses.replace(config.point, **changes)
    bundle = load_weights(p4_folder / "results" / "p4" / f"{figure}.safetensors")
    weights = {k.removeprefix(prefix): v for k, v in bundle.items() if k.startswith(prefix)}
    model = Semantic(point.size, point.ranges, known=point.known, layers=point.layers)
    load_parameters(model, weights)
    test = config.images.load().test
    found = performance_record(
        measure_semantic(model, point.link(), test, seed=0, block=config.images.block)
    )
    known = record_at(p4_stored[figure][curve], parameter, value)
    assert same({metric: found[metric] for metric in TWO}, known)


# Resumption


class Refused(Exception):
    pass


def refuse(*_):
    raise Refused


@pytest.mark.parametrize("figure", P4)
def test_a_finished_run_is_read_and_not_done_again(p4_stored, p4_folder, monkeypatch, figure):
    monkeypatch.setattr("isaclib.experiments.p4.tasks.train_semantic", refuse)
    again = figures()[figure].run(smoke_context(p4_folder, figure))
    stored = p4_stored[figure]
    assert names(again) == names(stored)
    for series in again.series:
        assert columns(series) == columns(stored[series.name])
    assert again.provenance.weights == stored.provenance.weights


@pytest.mark.usefixtures("p4_stored")
def test_one_system_that_is_lost_is_trained_again_alone_to_the_same_record(
    p4_stored, p4_folder, tmp_path, monkeypatch
):
    shutil.copytree(p4_folder / "state" / "p4-fig6", tmp_path / "state" / "p4-fig6")
    lost = tmp_path / "state" / "p4-fig6" / "rayleigh_snr=-9"
    lost.with_name(f"{lost.name}.json").unlink()
    shutil.rmtree(lost)
    done = []
    original = p4_tasks.train_semantic

    def counted(model, link, *rest, **options):
        done.append(link)
        original(model, link, *rest, **options)

    monkeypatch.setattr(p4_tasks, "train_semantic", counted)
    again = figures()["p4-fig6"].run(smoke_context(tmp_path, "p4-fig6"))
    for series in again.series:
        assert columns(series) == columns(p4_stored["p4-fig6"][series.name])
    # Both stops of one system.
    assert [link.communication.snr_db for link in done] == [-9.0, -9.0]
    assert {link.communication.fading for link in done} == {"rayleigh"}


# Claims


def test_every_claim_of_the_paper_can_be_tested_on_the_stored_results(p4_stored, p4_folder):
    assert p4_stored
    found = [(c, v) for c, v in evaluate(p4_folder / "results") if c.paper == "p4"]
    assert len(found) == 6
    for _, verdict in found:
        assert isinstance(verdict, Verdict)
        assert verdict.presets == ("smoke",)


# What is missing, or of other runs


@pytest.mark.parametrize("figure", ["p4-fig5", "p4-choices"])
def test_figures_need_those_that_they_take_points_from(tmp_path, figure):
    with pytest.raises(ResultError, match="p4-fig4"):
        figures()[figure].run(smoke_context(tmp_path, figure))


@pytest.mark.usefixtures("p4_stored")
@pytest.mark.parametrize("figure", ["p4-fig5", "p4-choices"])
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"preset": "desk"}, "preset 'desk' and seed 0, got 'smoke' and 0"),
        ({"seed": 3}, "preset 'smoke' and seed 3, got 'smoke' and 0"),
    ],
)
def test_other_presets_and_seeds_are_refused(p4_folder, figure, changes, match):
    with pytest.raises(ValueError, match=f"{figure} needs .* p4-fig4 .*{match}") as error:
        figures()[figure].run(smoke_context(p4_folder, figure, **changes))
    assert "isaclib run p4-fig4" in str(error.value)


OTHER = {
    "point": lambda c: dataclasses.replace(c.point, size=10),
    "training": lambda c: dataclasses.replace(c.training, epochs=3),
    "images": lambda c: dataclasses.replace(c.images, train=150),
}


@pytest.mark.usefixtures("p4_stored")
@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("figure", ["p4-fig5", "p4-choices"])
def test_points_of_other_systems_are_refused(p4_folder, figure, name):
    """Results of the same preset, from before its parameters were changed."""
    config = dataclasses.replace(smoke(figure), **{name: OTHER[name](smoke(figure))})
    context = smoke_context(p4_folder, figure, config=config)
    with pytest.raises(ValueError, match=f"{figure} needs .* of p4-fig4 with its own {name}, got"):
        figures()[figure].run(context)


@pytest.mark.usefixtures("p4_stored")
def test_three_tasks_of_other_weights_are_refused(p4_folder, monkeypatch):
    monkeypatch.setattr(p4_runs, "THREE_TASKS", TEN_CLASSES)
    with pytest.raises(ValueError, match="of p4-fig6 with its own point, got"):
        figures()["p4-choices"].run(smoke_context(p4_folder, "p4-choices"))

"""P4 under the choices that the paper leaves open, and what they are compared with."""

import dataclasses

from figure_runs import names

from isaclib.experiments.p4 import runs as p4_runs
from isaclib.experiments.p4.assembly import EARLY, record_at
from isaclib.experiments.p4.config import FADINGS, TEN_CLASSES, THREE_TASKS
from isaclib.experiments.p4.runs import LITERAL
from isaclib.experiments.p4.tasks import METRICS
from isaclib.experiments.registry import figures

TWO = {"mse", "psnr_db", "sensing", "p_d", "p_fa"}
THREE = TWO | {"animal"}


def measures(series):
    return set(series.quantities) & set(METRICS)


CHOICES = {
    "known, two tasks": TWO,
    "known, three tasks": THREE,
    "plain loss, three tasks": THREE,
    "other layers": TWO,
    "other range step": TWO,
    "ten classes": TWO | {"label"},
    "longer, two tasks": TWO,
    "longer, three tasks": THREE,
}
BORROWED = {
    "two tasks": ("p4-fig4", "{}", "sensing_weight", 0.5, TWO),
    "plain loss, two tasks": ("p4-fig4", "{}", "sensing_weight", LITERAL, TWO),
    "range step": ("p4-fig5", "ranges/{}", "ranges", 3, TWO),
    "three tasks": ("p4-fig6", "{}", "snr_db", 3.0, THREE),
}


def test_choices_hold_every_one_and_the_points_to_compare_with(p4_stored):
    result = p4_stored["p4-choices"]
    own = [*CHOICES, *BORROWED, "gradients/ten classes", "confusion"]
    expected = [f"{name}/{fading}" for name in own for fading in FADINGS]
    assert sorted(names(result)) == sorted([*expected, "same way back/rayleigh"])
    for name, metrics in CHOICES.items():
        epochs = [1, 2, 4] if name.startswith("longer") else [1, 2]
        for fading in FADINGS:
            series = result[f"{name}/{fading}"]
            assert series["epochs"].values == epochs
            assert measures(series) == metrics
    assert measures(result["same way back/rayleigh"]) == TWO


def test_what_choices_are_compared_with_are_points_of_the_other_figures(p4_stored):
    result = p4_stored["p4-choices"]
    for name, (figure, curve, parameter, value, metrics) in BORROWED.items():
        for fading in FADINGS:
            for epochs, end in ((1, EARLY), (2, "")):
                found = record_at(result[f"{name}/{fading}"], "epochs", epochs)
                known = record_at(p4_stored[figure][curve.format(fading) + end], parameter, value)
                assert set(found) == metrics
                assert found == {metric: known[metric] for metric in metrics}


def test_a_longer_training_begins_as_the_default_one(p4_stored):
    """The same training goes on: its first stops are the points of Figs. 4 and 6."""
    result = p4_stored["p4-choices"]
    for tasks in ("two tasks", "three tasks"):
        for fading in FADINGS:
            longer, default = result[f"longer, {tasks}/{fading}"], result[f"{tasks}/{fading}"]
            for epochs in (1, 2):
                found, known = (record_at(s, "epochs", epochs) for s in (longer, default))
                assert found == known
            assert longer["mse"].values[2] < longer["mse"].values[1]


def test_every_choice_changes_something(p4_stored):
    result = p4_stored["p4-choices"]
    pairs = {
        "known, two tasks/awgn": "two tasks/awgn",
        "known, three tasks/awgn": "three tasks/awgn",
        "plain loss, three tasks/awgn": "three tasks/awgn",
        "plain loss, two tasks/awgn": "two tasks/awgn",
        "other layers/awgn": "two tasks/awgn",
        "same way back/rayleigh": "two tasks/rayleigh",
        "other range step/awgn": "range step/awgn",
    }
    for choice, default in pairs.items():
        assert result[choice]["mse"].values != result[default]["mse"].values, choice


def test_choices_differ_from_the_default_in_one_respect(p4_stored):
    config = figures()["p4-choices"].presets["smoke"]
    two, three = config.point, dataclasses.replace(config.point, weights=THREE_TASKS)
    changed = {}
    for name, system in p4_runs._choices(config, three).items():
        default = three if "three" in name else two
        fields = {f.name for f in dataclasses.fields(default)}
        changed[name] = {f for f in fields if getattr(system.point, f) != getattr(default, f)} | (
            {"longer"} if system.longer > 1 else set()
        )
    assert changed == {
        "known, two tasks": {"known"},
        "known, three tasks": {"known"},
        "plain loss, three tasks": {"reconstruction_scale"},
        "other layers": {"layers"},
        "same way back": {"ways"},
        # Compared with as many ranges, the default step apart.
        "other range step": {"ranges", "range_step_db"},
        "ten classes": {"weights"},
        "longer, two tasks": {"longer"},
        "longer, three tasks": {"longer"},
    }
    assert p4_runs._choices(config, three)["ten classes"].point.weights == TEN_CLASSES

import math
from dataclasses import replace

import pytest
import torch
from figure_runs import check_presets

from isaclib.channels.codes import CodeChannel, EchoChannel
from isaclib.data.images import synthetic_images
from isaclib.experiments.engine.results import PRESETS
from isaclib.experiments.p4 import config as p4_config
from isaclib.experiments.p4.config import (
    CHOICES_PRESETS,
    LITERAL,
    PIXEL_SCALE,
    SEMANTIC_PRESETS,
    SWEEPS_PRESETS,
    TEN_CLASSES,
    THREE_TASKS,
    WEIGHTS_PRESETS,
    Images,
    System,
)
from isaclib.experiments.p4.figures import KEPT
from isaclib.experiments.registry import figures
from isaclib.systems.semantic.link import Link
from isaclib.systems.semantic.training import TaskWeights

ALL = {
    "p4-fig4": WEIGHTS_PRESETS,
    "p4-fig5": SWEEPS_PRESETS,
    "p4-fig6": SEMANTIC_PRESETS,
    "p4-choices": CHOICES_PRESETS,
}
CASES = [(name, preset) for name in ALL for preset in PRESETS]


# Sec. III of the paper


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_the_default_point_is_that_of_the_paper(name, preset):
    point = ALL[name][preset].point
    assert (point.communication_snr_db, point.sensing_snr_db) == (3, 3)
    assert (point.size, point.ranges) == (20, 1)
    third = 1 / 3
    tasks = (third, third, third) if name == "p4-fig6" else (1 / 2, 1 / 2)
    assert point.weights == TaskWeights(*tasks)


def test_the_paper_sends_all_of_cifar_10():
    for presets in ALL.values():
        for preset in ("desk", "paper"):
            images = presets[preset].images
            assert (images.source, images.train, images.test) == ("cifar10", 50_000, 10_000)


def test_ten_classes_take_the_place_of_the_third_task():
    assert TEN_CLASSES.positive() == ("reconstruction", "sensing", "label")
    assert (TEN_CLASSES.reconstruction, TEN_CLASSES.sensing) == (1 / 3, 1 / 3)
    assert THREE_TASKS.positive() == ("reconstruction", "sensing", "animal")


def test_the_literal_weight_is_one_half_of_each_plain_loss():
    """w 16 MSE + (1 - w) CE with w = 1/17 has equal factors, and so has MSE / 2 + CE / 2."""
    weights = TaskWeights(1 - LITERAL, LITERAL)
    assert weights.reconstruction * PIXEL_SCALE == pytest.approx(weights.sensing, rel=1e-12)


# Presets


@pytest.mark.parametrize("presets", ALL.values(), ids=ALL)
def test_presets_are_three_that_json_can_hold_and_tests_that_fit_their_blocks(presets):
    check_presets(presets)


def test_every_figure_of_the_paper_is_registered():
    found = {name: spec.presets for name, spec in figures().items() if spec.paper == "p4"}
    assert list(found) == list(ALL)
    assert found == ALL


@pytest.mark.parametrize("preset", PRESETS)
def test_figures_of_a_preset_share_their_images_training_and_default_point(preset):
    """Without this, Fig. 5 and the choices could not take points from the others."""
    configs = [presets[preset] for presets in ALL.values()]
    for config in configs:
        assert config.images == configs[0].images
        assert config.training == configs[0].training
        assert replace(config.point, weights=TaskWeights()) == configs[0].point


@pytest.mark.parametrize("preset", PRESETS)
def test_every_point_that_is_taken_from_another_figure_is_run_there(preset):
    weights, sweeps = WEIGHTS_PRESETS[preset], SWEEPS_PRESETS[preset]
    semantic, choices = SEMANTIC_PRESETS[preset], CHOICES_PRESETS[preset]
    assert {0.0, 0.5, LITERAL, 1.0} <= set(weights.sensing_weights)
    assert choices.step_ranges in sweeps.ranges
    point = semantic.point
    assert point.communication_snr_db == point.sensing_snr_db
    assert point.communication_snr_db in semantic.snrs_db
    for values, default in (
        (sweeps.communication_snrs_db, point.communication_snr_db),
        (sweeps.sensing_snrs_db, point.sensing_snr_db),
        (sweeps.sizes, point.size),
        (sweeps.ranges, point.ranges),
    ):
        assert default in values


@pytest.mark.parametrize("preset", PRESETS)
def test_the_weights_that_are_kept_are_of_systems_that_fig_5_trains(preset):
    config = SWEEPS_PRESETS[preset]
    for parameter, value in KEPT.items():
        assert value in config.sweeps()[parameter]
        assert value != getattr(config.point, parameter)


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_values_are_swept_in_rising_order(name, preset):
    """The criteria take a sweep's first and last value for its ends."""
    for values in vars(ALL[name][preset]).values():
        if isinstance(values, tuple):
            assert list(values) == sorted(set(values))


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_systems_are_measured_before_the_end_too(name, preset):
    config = ALL[name][preset]
    assert 0 < config.training.early < config.training.epochs
    used = config.training.gradient_batches * config.training.batch
    assert used <= config.images.train


@pytest.mark.parametrize("preset", PRESETS)
def test_choices_are_not_the_default_itself(preset):
    config = CHOICES_PRESETS[preset]
    systems = [(choice.system, choice.longer) for choice in config.choices()]
    assert len(set(systems)) == len(systems)


def test_choices_differ_from_the_default_in_one_respect():
    config = CHOICES_PRESETS["smoke"]
    found = config.choices()
    default = {choice.tasks: choice.system for choice in found if choice.name == "default"}
    changed = {}
    for choice in found:
        other = {
            name
            for name, value in vars(choice.system).items()
            if value != getattr(default[choice.tasks], name)
        }
        changed[choice.tasks, choice.name] = other | ({"longer"} if choice.longer > 1 else set())
    assert changed == {
        ("two", "default"): set(),
        ("two", "longer"): {"longer"},
        ("two", "known"): {"known"},
        # The plain losses have equal factors at this weight of the scaled ones.
        ("two", "plain loss"): {"weights"},
        ("two", "layers"): {"layers"},
        ("two", "same way"): {"ways"},
        ("three", "default"): set(),
        ("three", "longer"): {"longer"},
        ("three", "known"): {"known"},
        ("three", "plain loss"): {"reconstruction_scale"},
        ("three", "ten classes"): {"weights"},
        ("two", "ranges"): {"ranges"},
        # Compared with as many ranges, the default step apart.
        ("two", "range step"): {"ranges", "range_step_db"},
    }
    assert default["three"].weights == THREE_TASKS
    (ten,) = (choice.system for choice in found if choice.name == "ten classes")
    assert ten.weights == TEN_CLASSES


@pytest.mark.parametrize("preset", PRESETS)
def test_principal_components_are_found_from_more_images_than_any_size(preset):
    config = SWEEPS_PRESETS[preset]
    assert max(config.sizes) < config.linear_images <= config.images.train


def test_seeds_are_repeated_as_often_as_the_issue_asks():
    for presets in (WEIGHTS_PRESETS, SEMANTIC_PRESETS):
        assert all(config.repetitions >= 2 for config in presets.values())


# A point's channels and training


@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
def test_a_point_says_both_channels(fading):
    point = System(
        communication_snr_db=-9.0,
        sensing_snr_db=6.0,
        ranges=4,
        range_step_db=2.0,
        fading=fading,
        ways="reciprocal",
    )
    echo = EchoChannel(6.0, fading, ranges=4, range_step_db=2.0, ways="reciprocal")
    assert point.link() == Link(CodeChannel(-9.0, fading), echo)
    steps = echo.amplitudes()[1:].square().log10() * 10
    assert steps.tolist() == pytest.approx([6, 4, 2, 0], abs=1e-4)


# Images


def test_synthetic_images_are_those_of_the_code():
    found, oracle = Images("synthetic", 30, 20, 10).load(), synthetic_images(30, 20)
    assert found.origin == oracle.origin
    for part in ("train", "test"):
        assert torch.equal(getattr(found, part).images, getattr(oracle, part).images)
        assert torch.equal(getattr(found, part).labels, getattr(oracle, part).labels)


def test_the_first_images_of_cifar_10_are_taken(monkeypatch):
    whole = synthetic_images(50, 40)
    monkeypatch.setattr(p4_config, "load_cifar10", lambda: whole)
    found = Images(train=30, test=10).load()
    assert (len(found.train), len(found.test)) == (30, 10)
    assert torch.equal(found.train.images, whole.train.images[:30])
    assert torch.equal(found.test.labels, whole.test.labels[:10])
    assert (found.classes, found.origin) == (whole.classes, whole.origin)


# Bad input


def test_more_images_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(p4_config, "load_cifar10", lambda: synthetic_images(50, 40))
    with pytest.raises(ValueError, match="count must be at most 50, got 60"):
        Images(train=60, test=10).load()
    with pytest.raises(ValueError, match="count must be at most 40, got 60"):
        Images(train=50, test=60).load()
    with pytest.raises(ValueError, match="train must be a multiple of 10, got 15"):
        Images("synthetic", 15, 10).load()


def test_cifar_10_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ISACLIB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="get CIFAR-10 with `isaclib data cifar10`"):
        Images().load()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"ranges": 0}, "ranges must be an integer >= 1, got 0"),
        ({"communication_snr_db": math.nan}, "snr_db must be a finite number, got nan"),
        ({"fading": "rice"}, "fading must be one of 'awgn', 'rayleigh', got 'rice'"),
        ({"ways": "one"}, "ways must be one of 'independent', 'reciprocal', got 'one'"),
    ],
)
def test_impossible_channels_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        replace(System(), **changes).link()

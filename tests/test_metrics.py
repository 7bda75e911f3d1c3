import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap

from isaclib.metrics import (
    Accuracy,
    AngleRMSE,
    DetectionProbability,
    Estimate,
    FalseAlarmProbability,
    Mean,
    RootMeanSquare,
    SymbolErrorRate,
    psnr_db,
    wilson,
)
from isaclib.signal.noise import step_generator

COUNT = 240
GENERATOR = step_generator(0, "metrics", 0)
THETA = torch.rand(COUNT, generator=GENERATOR) - 0.5
ANGLE = THETA + 0.1 * torch.randn(COUNT, generator=GENERATOR)
DECLARED = torch.rand(COUNT, generator=GENERATOR) < 0.7
PRESENT = torch.rand(COUNT, generator=GENERATOR) < 0.5
MESSAGES = torch.randint(4, (COUNT,), generator=GENERATOR)
DECIDED = torch.where(torch.rand(COUNT, generator=GENERATOR) < 0.9, MESSAGES, 0)
DATA = {
    SymbolErrorRate: (DECIDED, MESSAGES),
    Accuracy: (DECIDED, MESSAGES),
    DetectionProbability: (DECLARED, PRESENT),
    FalseAlarmProbability: (DECLARED, PRESENT),
    Mean: (ANGLE,),
    RootMeanSquare: (ANGLE,),
    AngleRMSE: (ANGLE, THETA, DECLARED, PRESENT),
}
METRICS = pytest.mark.parametrize("kind", DATA, ids=lambda kind: kind.__name__)
cuts = st.lists(st.integers(0, COUNT), max_size=6).map(sorted)


def measured(kind, *data):
    metric = kind()
    metric.update(*data)
    return metric


# What is measured, against NumPy


def test_definitions():
    a, t, d, p = (x.numpy().astype(float) for x in (ANGLE, THETA, DECLARED, PRESENT))
    both = (d * p).astype(bool)
    expected = {
        SymbolErrorRate: np.mean(DECIDED.numpy() != MESSAGES.numpy()),
        DetectionProbability: d[p == 1].mean(),
        FalseAlarmProbability: d[p == 0].mean(),
        Mean: a.mean(),
        RootMeanSquare: np.sqrt(np.mean(a**2)),
        AngleRMSE: np.sqrt(np.mean((a - t)[both] ** 2)),
    }
    for kind, value in expected.items():
        metric = measured(kind, *DATA[kind])
        assert float(metric.compute()) == pytest.approx(value, rel=1e-6), kind
        assert metric.estimate().value == float(metric.compute())


def test_only_present_and_detected_targets_count_for_the_angle():
    angle, theta = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.zeros(4)
    declared = torch.tensor([True, True, False, False])
    present = torch.tensor([True, False, True, False])
    found = measured(AngleRMSE, angle, theta, declared, present).estimate()
    assert (found.value, found.count) == (1.0, 1)


def test_counts_are_those_of_the_condition():
    counts = {kind: measured(kind, *data).estimate().count for kind, data in DATA.items()}
    assert counts[SymbolErrorRate] == COUNT
    assert counts[DetectionProbability] == int(PRESENT.sum())
    assert counts[DetectionProbability] + counts[FalseAlarmProbability] == COUNT
    assert counts[AngleRMSE] == int((PRESENT & DECLARED).sum())


# However the samples are cut


@METRICS
@given(places=cuts)
@settings(max_examples=40)
def test_chunks_make_no_difference(kind, places):
    chunked = kind()
    for begin, end in zip([0, *places], [*places, COUNT], strict=True):
        chunked.update(*(x[begin:end] for x in DATA[kind]))
    found, whole = chunked.estimate(), measured(kind, *DATA[kind]).estimate()
    assert found.count == whole.count
    for end in ("value", "low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(whole, end), rel=1e-12, abs=1e-12)
    if not isinstance(chunked, Mean | RootMeanSquare | AngleRMSE):
        assert found == whole


@METRICS
@given(places=cuts)
@settings(max_examples=10)
def test_the_order_of_the_chunks_makes_no_difference(kind, places):
    chunked = kind()
    pieces = list(zip([0, *places], [*places, COUNT], strict=True))
    for begin, end in reversed(pieces):
        chunked.update(*(x[begin:end] for x in DATA[kind]))
    whole = measured(kind, *DATA[kind])
    assert float(chunked.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)


@METRICS
def test_reset_forgets(kind):
    metric = measured(kind, *DATA[kind])
    metric.reset()
    assert metric.estimate().count == 0


@METRICS
def test_no_samples_give_nan_and_no_warning(kind, recwarn):
    metric = measured(kind, *(x[:0] for x in DATA[kind]))
    found = metric.estimate()
    assert math.isnan(found.value)
    assert found.count == 0
    assert math.isnan(float(metric.compute()))
    if kind in (Accuracy, SymbolErrorRate, DetectionProbability, FalseAlarmProbability):
        assert (found.low, found.high) == (0, 1)
    else:
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    assert not [w for w in recwarn if "isaclib" in w.filename]


def test_no_detected_target_gives_an_undefined_rmse():
    nothing = torch.zeros(COUNT, dtype=torch.bool)
    found = measured(AngleRMSE, ANGLE, THETA, nothing, PRESENT).estimate()
    assert math.isnan(found.value)
    assert found.count == 0


# Wilson's interval


@settings(max_examples=200)
@given(st.integers(1, 10**6), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_interval_is_that_of_scipy(count, share, confidence):
    successes = round(share * count)
    oracle = binomtest(successes, count).proportion_ci(confidence, method="wilson")
    found = wilson(successes, count, confidence=confidence)
    assert found.value == successes / count
    assert found.low == pytest.approx(oracle.low, rel=1e-9, abs=1e-12)
    assert found.high == pytest.approx(oracle.high, rel=1e-9, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_the_interval_covers_about_as_often_as_it_says(p):
    count = 2000
    outcomes = np.arange(count + 1)
    chance = binom.pmf(outcomes, count, p)
    likely = outcomes[chance > 1e-9]
    ends = {n: wilson(int(n), count) for n in likely}
    coverage = sum(chance[n] for n in likely if ends[n].low <= p <= ends[n].high)
    assert coverage == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("count", [1, 50, 10**6])
def test_certain_events_keep_one_end_at_the_bound(count):
    assert wilson(0, count).low == 0
    assert wilson(0, count).high > 0
    assert wilson(count, count).high == 1
    assert wilson(count, count).low < 1


# Intervals of means


def test_the_rmse_interval_is_that_of_a_bootstrap():
    errors = torch.randn(2000, generator=step_generator(0, "bootstrap", 0)).double() * 0.05
    yes = torch.ones(2000, dtype=torch.bool)
    found = measured(AngleRMSE, errors, torch.zeros(2000), yes, yes).estimate()
    oracle = bootstrap(
        (errors.numpy(),),
        lambda x, axis: np.sqrt(np.mean(x**2, axis=axis)),
        n_resamples=2000,
        batch=200,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = oracle.high - oracle.low
    # 2000 resamples give the ends to about 5 % of the width.
    assert found.low == pytest.approx(oracle.low, abs=0.1 * width)
    assert found.high == pytest.approx(oracle.high, abs=0.1 * width)


@pytest.mark.parametrize(("kind", "truth"), [(Mean, 0.5), (RootMeanSquare, math.sqrt(1 / 3))])
def test_intervals_of_means_cover_about_as_often_as_they_say(kind, truth):
    trials = 500
    samples = torch.rand(trials, 400, generator=step_generator(0, "cover", 0))
    found = [measured(kind, row).estimate(0.9) for row in samples]
    covered = sum(e.low <= truth <= e.high for e in found) / trials
    assert abs(covered - 0.9) < 4.5 * math.sqrt(0.9 * 0.1 / trials)


def test_equal_samples_have_an_interval_of_no_width():
    found = measured(Mean, torch.full((10,), 0.25)).estimate()
    assert (found.low, found.high) == (0.25, 0.25)


def test_an_rmse_cannot_be_negative():
    found = measured(RootMeanSquare, torch.tensor([0.0, 0.0, 0.0, 9.0])).estimate()
    assert found.low == 0


def test_undefined_samples_make_the_estimate_undefined():
    found = measured(RootMeanSquare, torch.tensor([1.0, math.nan])).estimate()
    assert math.isnan(found.value)
    assert math.isnan(found.low)


# Images


def test_accuracy_and_error_rate_are_complements():
    right, wrong = (
        measured(Accuracy, DECIDED, MESSAGES),
        measured(SymbolErrorRate, DECIDED, MESSAGES),
    )
    assert float(right.compute()) == float((DECIDED == MESSAGES).double().mean())
    assert right.estimate().low == pytest.approx(1 - wrong.estimate().high)


def test_the_psnr_is_that_of_the_error_and_its_interval_is_turned_round():
    found = psnr_db(Estimate(0.01, 0.005, 0.02, 7))
    assert found.value == pytest.approx(20)
    assert found.low == pytest.approx(20 - 10 * math.log10(2))
    assert found.high == pytest.approx(20 + 10 * math.log10(2))
    assert found.count == 7
    assert psnr_db(Estimate(0.01, 0.0, 0.02, 7)).high == math.inf
    assert math.isnan(psnr_db(Estimate(math.nan, math.nan, math.nan, 0)).value)


# Bad input


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 1.5, math.nan, math.inf])
@METRICS
def test_the_confidence_is_a_probability(kind, confidence):
    metric = measured(kind, *DATA[kind])
    match = rf"confidence must be a probability in \(0, 1\), got {confidence}"
    with pytest.raises(ValueError, match=match):
        metric.estimate(confidence)


@pytest.mark.parametrize(
    ("successes", "count", "match"),
    [
        (-1, 5, "successes must be an integer >= 0, got -1"),
        (1, -5, "count must be an integer >= 0, got -5"),
        (1.5, 5, "successes must be an integer >= 0, got 1.5"),
        (6, 5, "successes must not exceed count, 5, got 6"),
    ],
)
def test_counts_are_counts(successes, count, match):
    with pytest.raises(ValueError, match=match):
        wilson(successes, count)

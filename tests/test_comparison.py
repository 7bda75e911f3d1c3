import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, ttest_1samp, ttest_rel

from isaclib.comparison import Front, at_equal_ser, difference, over_repetitions, ratio
from isaclib.metrics import Estimate, wilson

INF = math.inf


def mean(values):
    """Mean of samples with the usual interval, by SciPy."""
    low, high = norm.interval(0.95, np.mean(values), np.std(values) / math.sqrt(len(values)))
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def about(value, half=0.0, count=1000):
    return Estimate(value, value - half, value + half, count)


ESTIMATES = st.builds(
    lambda value, below, above: Estimate(value, value - below, value + above, 100),
    st.floats(-10, 10),
    st.floats(0.01, 2),
    st.floats(0.01, 2),
)


# Differences and ratios


@pytest.mark.parametrize(
    ("pair", "interval"),
    [
        (((56, 70), (48, 80)), (0.0524, 0.3339)),
        (((9, 10), (3, 10)), (0.1705, 0.8090)),
        (((10, 10), (0, 20)), (0.6791, 1.0000)),
    ],
)
def test_newcombes_printed_examples(pair, interval):
    found = difference(*(wilson(*counts) for counts in pair))
    assert (found.low, found.high) == pytest.approx(interval, abs=5e-5)


def test_a_difference_of_means_has_the_usual_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 500), rng.normal(0, 1, 800)
    found = difference(mean(a), mean(b))
    error = math.sqrt(np.var(a) / 500 + np.var(b) / 800)
    expected = norm.interval(0.95, a.mean() - b.mean(), error)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.count == 500


@given(ESTIMATES, ESTIMATES)
def test_a_difference_turned_round_is_its_negative(one, other):
    there, back = difference(one, other), difference(other, one)
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low), abs=1e-12
    )
    assert there.low <= there.value <= there.high


@given(ESTIMATES, ESTIMATES, st.floats(-5, 5), st.floats(0.1, 10))
def test_a_difference_does_not_depend_on_the_origin_and_has_the_unit(one, other, by, times):
    def moved(e):
        return Estimate(*(times * (x + by) for x in (e.value, e.low, e.high)), e.count)

    found, expected = difference(moved(one), moved(other)), difference(one, other)
    assert (found.low / times, found.high / times) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


def test_a_ratio_is_a_difference_of_logarithms_and_has_no_unit():
    one, other = Estimate(2.0, 1.8, 2.3, 10), Estimate(1.0, 0.9, 1.2, 10)
    logs = [
        replace(e, **{k: math.log(getattr(e, k)) for k in ("value", "low", "high")})
        for e in (one, other)
    ]
    expected, found = difference(*logs), ratio(one, other)
    assert (found.value, found.low, found.high) == pytest.approx(
        (2.0, math.exp(expected.low), math.exp(expected.high))
    )
    degrees = [
        replace(e, **{k: 57.3 * getattr(e, k) for k in ("value", "low", "high")})
        for e in (one, other)
    ]
    assert ratio(*degrees).high == pytest.approx(found.high)


def test_a_ratio_with_an_end_at_zero_is_not_bounded():
    found = ratio(Estimate(1.0, 0.5, 1.5, 10), Estimate(1.0, 0.0, 2.0, 10))
    assert found.high == INF
    assert found.low > 0
    with pytest.raises(ValueError, match=r"positive quantity, got 0\.0"):
        ratio(about(0.0), about(1.0))


@pytest.mark.parametrize("p", [0.002, 0.05, 0.5])
def test_equal_probabilities_are_told_apart_as_rarely_as_promised(p):
    rng = np.random.default_rng(1)
    counts = rng.binomial([5000, 3000], p, (2000, 2))
    found = [difference(wilson(int(a), 5000), wilson(int(b), 3000)) for a, b in counts]
    wrong = np.mean([d.high < 0 or d.low > 0 for d in found])
    assert wrong == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))


def test_unequal_probabilities_are_told_apart():
    a, b = binomtest(300, 5000), binomtest(400, 5000)
    ends = [test.proportion_ci(method="wilson") for test in (a, b)]
    found = difference(
        *(Estimate(t.statistic, e.low, e.high, 5000) for t, e in zip((a, b), ends, strict=True))
    )
    assert found.high < 0
    assert (found.low, found.high) == pytest.approx(
        tuple(getattr(difference(wilson(300, 5000), wilson(400, 5000)), k) for k in ("low", "high"))
    )


# Repetitions


def test_the_spread_over_repetitions_is_students():
    a, b = [0.061, 0.070, 0.066], [0.064, 0.075, 0.068]
    found = over_repetitions([about(x - y) for x, y in zip(a, b, strict=True)])
    expected = ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.count == 3
    wide = over_repetitions([about(x) for x in a], confidence=0.99)
    assert wide.low == pytest.approx(ttest_1samp(a, 0).confidence_interval(0.99).low)


def test_test_samples_that_all_repetitions_share_do_not_average_out():
    alone = over_repetitions([about(0.1), about(0.2), about(0.3)])
    found = over_repetitions([about(0.1, 0.05), about(0.2, 0.05), about(0.3, 0.05)])
    assert found.high - 0.2 == pytest.approx(math.hypot(alone.high - 0.2, 0.05))


@pytest.mark.parametrize("between", [0.0, 0.004])
def test_repetitions_of_equal_systems_are_told_apart_no_more_often_than_promised(between):
    """Both systems miss one target in ten; arrays differ, and test samples are common to all."""
    rng = np.random.default_rng(2)
    wrong, trials, samples = 0, 1000, 4000
    for _ in range(trials):
        own = 0.1 + between * rng.standard_normal((3, 2))
        common = math.sqrt(0.09 / samples) * rng.standard_normal(2)
        pairs = [[wilson(round(float(v) * samples), samples) for v in row] for row in own + common]
        found = over_repetitions([difference(a, b) for a, b in pairs])
        wrong += found.high < 0 or found.low > 0
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_one_repetition_decides_nothing():
    assert over_repetitions([about(-0.3, 0.01)]) == Estimate(-0.3, -INF, INF, 1)


def test_a_tie_decides_nothing():
    found = over_repetitions([difference(about(0.2), about(0.2))] * 3)
    assert (found.low, found.high) == (0.0, 0.0)
    assert not found.high < 0


def test_a_collapsed_training_makes_the_mean_unknown_and_a_bad_one_uncertain():
    good = [difference(about(1.0, 0.01), about(1.5, 0.01))] * 2
    lost = difference(about(math.nan, math.nan), about(1.5, 0.01))
    assert (lost.low, lost.high) == (-INF, INF)
    found = over_repetitions([*good, lost])
    assert math.isnan(found.value)
    assert (found.low, found.high) == (-INF, INF)
    found = over_repetitions([*good, difference(about(12.0, 0.1), about(1.5, 0.01))])
    assert found.low < 0 < found.high


def test_a_geometric_mean_is_that_of_the_logarithms():
    ratios = [about(1.1), about(1.3), about(1.2)]
    found = over_repetitions(ratios, geometric=True)
    expected = ttest_1samp(np.log([1.1, 1.3, 1.2]), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(
        (math.exp(expected.low), math.exp(expected.high))
    )
    back = over_repetitions([about(1 / e.value) for e in ratios], geometric=True)
    assert back.high == pytest.approx(1 / found.low)


def test_there_must_be_a_repetition():
    with pytest.raises(ValueError, match="estimates must not be empty"):
        over_repetitions([])
    with pytest.raises(ValueError, match="confidence"):
        over_repetitions([about(1.0)] * 2, confidence=1.0)


# At equal SER


SERS, COSTS = (0.001, 0.003, 0.1), (0.3, 0.2, 0.1)


def front(half=0.0, ser_half=0.0):
    return Front.of([about(s, ser_half) for s in SERS], [about(c, half) for c in COSTS])


@pytest.mark.parametrize(
    ("ser", "cost"),
    [(0.001, 0.3), (0.002, 0.25), (0.003, 0.2), (0.0515, 0.15), (0.1, 0.1), (0.75, 0.1)],
)
def test_a_front_shares_time_between_its_points(ser, cost):
    for found in front().at(about(ser)):
        assert (found.value, found.low, found.high) == pytest.approx((cost,) * 3)


def test_a_front_does_not_reach_a_smaller_ser():
    found = front().at(about(0.0005, 0.0001))
    assert [e.value for e in found] == [INF] * 3
    ahead = at_equal_ser(about(0.0005, 0.0001), about(0.9, 0.1), front())
    assert (ahead.value, ahead.low, ahead.high) == (-INF,) * 3
    assert at_equal_ser(about(0.0005, 0.0001), about(0.9, 0.1), front(), ratio).high == 0


def test_nearly_equal_sers_are_equal():
    """0.00148 against 0.00152 with intervals of 0.0002: the cheap point is not out of reach."""
    reference = Front.of(
        [about(0.00152, 0.0002), about(0.05, 0.001)], [about(0.2, 0.002), about(0.1, 0.002)]
    )
    found = at_equal_ser(about(0.00148, 0.0002), about(0.2, 0.002), reference)
    assert found.value == pytest.approx(0.0)
    assert found.low == -INF
    assert 0.002 < found.high < 0.004
    assert at_equal_ser(about(0.0010, 0.0002), about(0.2), reference).value == -INF


def test_a_steep_front_is_known_as_well_as_the_ser():
    value, best, worst = front(half=0.001).at(about(0.002, 0.0004))
    assert [e.value for e in (value, best, worst)] == pytest.approx([0.25, 0.23, 0.27])
    found = at_equal_ser(about(0.002, 0.0004), about(0.25, 0.001), front(half=0.001))
    half = 0.02 + math.hypot(0.001, 0.001)
    assert (found.low, found.high) == pytest.approx((-half, half))
    assert front(ser_half=0.0003).at(about(0.002, 0.0004))[2].value == pytest.approx(0.275)


def test_a_collapsed_training_is_no_point_of_a_front():
    nan = about(math.nan, math.nan)
    collapsed = [(about(0.75, 0.001), about(0.99, 0.001)), (about(0.01), nan), (nan, about(0.01))]
    sers, costs = zip(*collapsed, strict=True)
    found = Front.of([*(about(s) for s in SERS), *sers], [*(about(c) for c in COSTS), *costs])
    assert found == front()
    with pytest.raises(ValueError, match="must have a point"):
        Front.of([nan], [about(0.1)])
    with pytest.raises(ValueError, match="as many points as first, 1, got 0"):
        Front.of([nan], [])


@pytest.mark.parametrize("point", [(0.01, math.nan), (math.nan, 0.1)])
@pytest.mark.parametrize("compare", [difference, ratio])
def test_a_collapsed_training_is_neither_ahead_nor_behind(point, compare):
    found = at_equal_ser(*(about(x) for x in point), front(), compare)
    assert math.isnan(found.value)
    assert [found.high < 0, found.low > 0] == [False, False]


@given(
    st.lists(st.tuples(st.floats(0.001, 0.7), st.floats(0.01, 1)), min_size=1, max_size=8),
    st.floats(0.0005, 0.75),
    st.randoms(),
)
def test_a_front_falls_whatever_the_order_and_the_unit(points, ser, random):
    def swept(times=1.0):
        sers, costs = zip(*points, strict=True)
        return Front.of([about(s, 0.001) for s in sers], [about(times * c) for c in costs])

    value, best, worst = front_at = swept().at(about(ser, 0.0001))
    assert best.value <= value.value <= worst.value
    assert swept().at(about(ser + 0.01, 0.0001))[0].value <= value.value
    scaled = [e.value for e in swept(10).at(about(ser, 0.0001))]
    assert scaled == pytest.approx([10 * e.value for e in front_at])
    random.shuffle(points)
    assert swept().at(about(ser, 0.0001)) == front_at


@pytest.mark.parametrize("ser", [0.0015, 0.003, 0.04])
def test_a_system_on_the_front_is_told_apart_no_more_often_than_promised(ser):
    rng = np.random.default_rng(3)
    trials, samples = 1000, 20_000
    truth, wrong = front().at(about(ser))[0].value, 0
    probabilities = [*SERS, *COSTS, ser, truth]
    for row in rng.binomial(samples, probabilities, (trials, len(probabilities))):
        *sweep, own_ser, own = (wilson(int(k), samples) for k in row)
        found = at_equal_ser(own_ser, own, Front.of(sweep[:3], sweep[3:]))
        wrong += found.high < 0 or found.low > 0
    assert wrong / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_a_system_ahead_of_the_front_is_told_apart():
    found = at_equal_ser(
        about(0.0515, 0.002), about(0.14, 0.003), front(half=0.003, ser_half=0.002)
    )
    assert found.high < 0

"""Each criterion of P2's claims passes on results that show the claim and fails on others."""

import math
from dataclasses import asdict, replace

import pytest
from stored_series import SOURCE

from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.p2 import checks
from isaclib.experiments.p2.claims import CLAIMS
from isaclib.experiments.p2.config import IdealConfig, ImpairedConfig
from isaclib.experiments.registry import figures
from isaclib.experiments.series.results import Quantity, Result, Series

OMEGA = [0.0, 0.01, 0.1, 0.4, 0.8, 1.0]
"""Five points that count, of which four are 80 %, and one that does not."""
SER = [0.001, 0.002, 0.004, 0.010, 0.050, 0.700]


def series(name, **columns):
    return Series(name, {key: Quantity(key, list(values)) for key, values in columns.items()})


def reference(name, p_md=0.5, rmse=1.0):
    """A sweep that is as good at every SER."""
    return series(name, ser=[0.0001, 0.01], p_md=[p_md] * 2, rmse_deg=[rmse] * 2)


def learner(name, p_md=0.5, rmse=1.0):
    """A learner with these values where omega_r > 0; where it is 0 it is hopeless."""
    p_md, rmse = ([v] * 5 if isinstance(v, float) else list(v) for v in (p_md, rmse))
    return series(name, omega_r=OMEGA, ser=SER, p_md=[1.0, *p_md], rmse_deg=[50.0, *rmse])


def result(figure, config, *curves):
    return Result(figure, "smoke", asdict(config), list(curves), SOURCE)


def over_draws(figure, *curves, matrices=1, baselines=1):
    config = ImpairedConfig(baseline_draws=baselines, matrix_draws=matrices)
    return result(figure, config, *curves)


FOUR_OF_FIVE = [9.0, 0.5, 0.5, 0.5, 0.5]
THREE_OF_FIVE = [9.0, 9.0, 0.5, 0.5, 0.5]


# Comparison at equal SER


def test_gaps_are_to_the_best_point_with_no_larger_ser():
    other = series("b", ser=[0.001, 0.004, 0.1], p_md=[0.75, 0.5, 0.25], rmse_deg=[4.0, 2.0, 8.0])
    curve = series(
        "a",
        omega_r=[0.0, 0.1, 0.2, 0.3],
        ser=[0.5, 0.004, 0.2, 0.0],
        p_md=[0.0, 0.25, 0.75, 0.5],
        rmse_deg=[0.0, 1.0, 3.0, 1.0],
    )
    # The last one has a smaller SER than any: it is compared with the smallest there is.
    assert checks.gaps(curve, other) == [(-0.25, 0.5), (0.5, 1.5), (-0.25, 0.25)]
    assert checks.gaps(curve, other, 0.2) == [(0.5, 1.5), (-0.25, 0.25)]


# p2-ideal


def ideal(matrix, networks, p_md=0.5):
    curves = (reference("baseline", p_md), matrix, networks)
    return {"p2-fig3": result("p2-fig3", IdealConfig(), *curves)}


MATRIX, NETWORKS = "model-driven/literal", "networks/all/deg"


@pytest.mark.parametrize(
    ("matrix", "networks", "status"),
    [
        (0.5, 0.5, "reproduced"),
        (0.4, 0.4, "reproduced"),
        (FOUR_OF_FIVE, FOUR_OF_FIVE, "reproduced"),
        (THREE_OF_FIVE, 0.5, "partly"),
        (0.5, THREE_OF_FIVE, "partly"),
        (THREE_OF_FIVE, THREE_OF_FIVE, "not reproduced"),
        (0.8, 0.8, "not reproduced"),
    ],
)
def test_ideal(matrix, networks, status):
    found = ideal(learner(MATRIX, matrix), learner(NETWORKS, networks))
    assert checks.check_ideal(found).status == status


@pytest.mark.parametrize(
    ("p_md", "rmse", "status"),
    [
        (0.05, 1.25, "reproduced"),
        (math.nextafter(0.05, 1), 1.0, "partly"),
        (0.0, math.nextafter(1.25, 2), "partly"),
        # Both metrics of the same point have to be close.
        ([0.5, 0.5, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 9.0], "partly"),
    ],
)
def test_close_means_at_most_the_limits_in_both_metrics(p_md, rmse, status):
    found = ideal(learner(MATRIX, p_md, rmse), learner(NETWORKS, 0.0), p_md=0.0)
    assert checks.check_ideal(found).status == status


def test_points_where_nothing_is_detected_are_not_close():
    undefined = [math.nan, math.nan, 1.0, 1.0, 1.0]
    found = ideal(learner(MATRIX, 0.5, undefined), learner(NETWORKS))
    assert checks.check_ideal(found).status == "partly"


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_medians_are_over_points_where_something_is_detected(order):
    rmse = [math.nan, 1.0, 3.0, 2.0, math.nan]
    learned = learner(MATRIX, 0.5, [rmse[index] for index in order])
    measured = checks.check_ideal(ideal(learned, learner(NETWORKS))).measured
    assert "learning in 20% of the points (medians: P_md +0.000, RMSE x2.00)" in measured


def test_nothing_detected_anywhere_is_a_verdict_too():
    found = ideal(learner(MATRIX, 1.0, [math.nan] * 5), learner(NETWORKS))
    assert "RMSE xnan" in checks.check_ideal(found).measured


def test_other_readings_do_not_decide():
    found = ideal(learner(MATRIX), learner(NETWORKS))
    bad = [learner(name, 1.0, 99.0) for name in ("model-driven/sector", "networks/present/deg")]
    stored = found["p2-fig3"]
    found = {"p2-fig3": replace(stored, series=[*bad, *stored.series])}
    assert checks.check_ideal(found).status == "reproduced"


def test_the_verdict_says_its_numbers():
    networks = learner(NETWORKS, [0.5, 0.5, 0.6, 0.7, 0.8], [1.0, 1.0, 2.0, 3.0, 4.0])
    measured = checks.check_ideal(ideal(learner(MATRIX, 0.4), networks)).measured
    assert "learning in 100% of the points (medians: P_md -0.100, RMSE x1.00)" in measured
    assert "networks in 40% (medians: P_md +0.100, RMSE x2.00)" in measured


# p2-impaired


def impaired(penalties=(1.5,), matrix=0.5, networks=0.5):
    """Arrays on which the unaware baseline loses so much; learners for the first of them."""
    draws = range(len(penalties))
    curves = [reference(f"baseline/known/{d}", rmse=2.0) for d in draws]
    curves += [reference(f"baseline/unknown/{d}", rmse=2.0 * p) for d, p in enumerate(penalties)]
    curves += [
        learner("model-driven/unlimited/0", matrix, 2.0),
        learner("networks/unlimited/0", networks, 2.0),
    ]
    return {"p2-fig4": over_draws("p2-fig4", *curves, baselines=len(penalties))}


@pytest.mark.parametrize(
    ("penalties", "matrix", "networks", "status"),
    [
        ((1.25,), 0.5, 0.5, "reproduced"),
        ((1.0, 1.25, 9.0), FOUR_OF_FIVE, FOUR_OF_FIVE, "reproduced"),
        ((math.nextafter(1.25, 0),), 0.5, 0.5, "partly"),
        ((1.0, 1.0, 9.0), 0.5, 0.5, "partly"),
        ((1.5,), THREE_OF_FIVE, 0.5, "partly"),
        ((1.5,), 0.5, THREE_OF_FIVE, "partly"),
        ((1.0,), 0.9, 0.9, "not reproduced"),
    ],
)
def test_impaired(penalties, matrix, networks, status):
    verdict = checks.check_impaired(impaired(penalties, matrix, networks))
    assert verdict.status == status


def test_the_penalty_is_that_of_the_best_point_of_each_sweep():
    stored = impaired((1.0,))["p2-fig4"]
    sweeps = {
        "baseline/known/0": [8.0, 2.0],
        "baseline/unknown/0": [3.0, 9.0],
    }
    changed = [
        series(name, ser=[0.0001, 0.01], p_md=[0.5, 0.5], rmse_deg=rmse)
        for name, rmse in sweeps.items()
    ]
    found = replace(stored, series=[*changed, *stored.series[2:]])
    verdict = checks.check_impaired({"p2-fig4": found})
    assert "RMSE x1.50 (median of 1 arrays, 1.50 to 1.50)" in verdict.measured


@pytest.mark.parametrize(("second", "status"), [(8.0, "reproduced"), (1.0, "partly")])
def test_every_learner_is_compared_on_its_own_array(second, status):
    """On an array that is harder for the baseline a larger error is as close."""
    curves = [
        *(reference(f"baseline/known/{d}", rmse=r) for d, r in enumerate((1.0, second))),
        *(reference(f"baseline/unknown/{d}", rmse=99.0) for d in (0, 1)),
        *(learner(f"model-driven/unlimited/{d}", rmse=r) for d, r in enumerate((1.0, 8.0))),
        learner("networks/unlimited/0"),
    ]
    stored = over_draws("p2-fig4", *curves, matrices=2, baselines=2)
    verdict = checks.check_impaired({"p2-fig4": stored})
    assert verdict.status == status


# p2-nn-edge


@pytest.mark.parametrize(
    ("p_md", "rmse", "status"),
    [
        (0.4, 0.9, "reproduced"),
        ([0.9, 0.4, 0.4, 0.4, 0.4], [0.9, 0.9, 0.9, 0.9, 2.0], "reproduced"),
        # As good is not ahead.
        (0.5, 0.9, "partly"),
        (0.4, 1.0, "partly"),
        ([0.9, 0.9, 0.4, 0.4, 0.4], 0.9, "partly"),
        (0.5, 1.0, "not reproduced"),
        (0.6, 2.0, "not reproduced"),
    ],
)
def test_nn_edge(p_md, rmse, status):
    curves = (
        learner("model-driven/unlimited/0"),
        learner("networks/unlimited/0", p_md, rmse),
    )
    found = {"p2-fig4": over_draws("p2-fig4", *curves)}
    assert checks.check_nn_edge(found).status == status


# p2-limited


@pytest.mark.parametrize(
    ("p_md", "rmse", "matrix", "status"),
    [
        (0.1, 2.0, 0.0, "reproduced"),
        # Medians: two of five points may do as well as without the limit.
        ([0.0, 0.0, 0.1, 0.1, 0.1], [1.0, 1.0, 2.0, 2.0, 2.0], 0.0, "reproduced"),
        ([0.0, 0.0, 0.0, 0.1, 0.1], 2.0, 0.0, "partly"),
        # Degraded means by more than what is called close.
        (0.05, 2.0, 0.0, "partly"),
        (0.1, 1.25, 0.0, "partly"),
        (0.1, 2.0, [0.9, 0.9, 0.0, 0.0, 0.0], "partly"),
        (0.0, 1.0, 0.0, "partly"),
        (0.05, 1.25, 0.9, "not reproduced"),
    ],
)
def test_limited(p_md, rmse, matrix, status):
    curves = (
        learner("networks/unlimited/0", 0.0),
        learner("networks/limited/0", p_md, rmse),
        learner("model-driven/unlimited/0", 0.0),
        learner("model-driven/limited/0", matrix),
    )
    found = {"p2-fig4": over_draws("p2-fig4", *curves)}
    assert checks.check_limited(found).status == status


def test_limited_looks_at_all_arrays_that_a_matrix_was_trained_for():
    def status(*worse):
        curves = [learner("networks/unlimited/0", 0.0), learner("networks/limited/0", 0.9, 9.0)]
        for draw, p_md in enumerate(worse):
            curves.append(learner(f"model-driven/unlimited/{draw}", 0.0))
            curves.append(learner(f"model-driven/limited/{draw}", p_md))
        stored = over_draws("p2-fig4", *curves, matrices=len(worse))
        return checks.check_limited({"p2-fig4": stored}).status

    assert status(0.0, 0.0, 0.0, 0.0, 0.9) == "reproduced"
    assert status(0.0, 0.0, 0.9) == "partly"


# p2-generalise


def generalise(*, unlimited=0.4, limited=0.4, networks=0.6, rmse=0.9):
    """Model-driven learning against a baseline with P_md = 0.5 and RMSE 1."""
    curves = [
        reference("baseline/unknown/0"),
        # What a baseline does that knows the spacings is not asked.
        reference("baseline/known/0", p_md=0.0, rmse=0.01),
        learner("model-driven/unlimited/0", unlimited, rmse),
        learner("model-driven/limited/0", limited, rmse),
        learner("networks/unlimited/0", networks, 2.0),
        learner("networks/limited/0", networks, 2.0),
    ]
    return {"p2-fig5": over_draws("p2-fig5", *curves)}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        # Eight of ten points, four at each complexity, and then seven of ten.
        (
            {"unlimited": [0.9, 0.4, 0.4, 0.4, 0.4], "limited": [0.9, 0.4, 0.4, 0.4, 0.4]},
            "reproduced",
        ),
        ({"limited": [0.9, 0.9, 0.9, 0.4, 0.4]}, "not reproduced"),
        ({"networks": 0.3}, "partly"),
        ({"unlimited": 0.55, "limited": 0.55}, "partly"),
        # As good is not ahead, and both metrics have to be ahead in the same point.
        ({"unlimited": 0.5, "limited": 0.5}, "partly"),
        ({"rmse": 1.0}, "partly"),
        (
            {
                "unlimited": [0.9, 0.4, 0.4, 0.4, 0.4],
                "limited": [0.9, 0.4, 0.4, 0.4, 0.4],
                "rmse": [0.5, 5.0, 0.5, 0.5, 0.5],
            },
            "not reproduced",
        ),
        ({"unlimited": 0.7, "limited": 0.7}, "not reproduced"),
    ],
)
def test_generalise(changes, status):
    found = generalise(**changes)
    assert checks.check_generalise(found).status == status


# The list of claims


def test_all_claims_of_the_paper_are_there():
    assert [claim.id for claim in CLAIMS] == [
        "p2-ideal",
        "p2-impaired",
        "p2-nn-edge",
        "p2-limited",
        "p2-generalise",
        "p2-parameters",
    ]
    for claim in CLAIMS:
        assert claim.paper == "p2"
        assert set(claim.needs) <= set(figures())


ALL_HOLD = {
    **ideal(learner(MATRIX), learner(NETWORKS)),
    "p2-fig4": over_draws(
        "p2-fig4",
        reference("baseline/known/0"),
        reference("baseline/unknown/0", rmse=2.0),
        learner("model-driven/unlimited/0"),
        learner("model-driven/limited/0"),
        learner("networks/unlimited/0", 0.4, 0.9),
        learner("networks/limited/0", 0.8, 2.0),
    ),
    **generalise(),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_looks_at_no_more_than_it_needs(claim):
    verdict = claim.check({figure: ALL_HOLD[figure] for figure in claim.needs})
    assert isinstance(verdict, Verdict)
    assert verdict.status == "reproduced"
    assert verdict.measured


@pytest.mark.parametrize("claim", CLAIMS[:-1], ids=lambda claim: claim.id)
def test_a_missing_curve_is_named(claim):
    (figure,) = claim.needs
    stored = replace(ALL_HOLD[figure], series=[series("other", ser=[0.1])])
    with pytest.raises(KeyError, match="has no series"):
        claim.check({figure: stored})

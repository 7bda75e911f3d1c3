"""Each criterion of P2's claims passes on results that show the claim and fails on others."""

import json
import math
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from stored_results import SOURCE

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point
from isaclib.experiments.p2 import claims
from isaclib.experiments.p2.claims import CLAIMS, KNOWN, MATRIX, NETWORKS, UNKNOWN
from isaclib.experiments.p2.config import IMPAIRED_PRESETS, ImpairedConfig
from isaclib.experiments.p2.figures import UNITS

OMEGA = [0.0, 0.01, 0.1, 0.4, 0.8, 1.0]
"""Five points that count, of which four are 80 %, and one that does not."""
SER = [0.001, 0.002, 0.004, 0.010, 0.050, 0.700]
FOUR_OF_FIVE = [9.0, 0.5, 0.5, 0.5, 0.5]
THREE_OF_FIVE = [9.0, 9.0, 0.5, 0.5, 0.5]

LITERAL, IDEAL = {**MATRIX, "reading": "literal"}, {"indicator": "all", "angle_unit": "deg"}


def curve(at, **columns):
    """Rows of a system: coordinates and points."""
    swept = "rho" if at["system"] == "baseline" else "omega_r"
    shares = columns.pop("shares", range(len(columns["ser"])))
    rows = zip(shares, zip(*columns.values(), strict=True), strict=True)
    return [({**at, swept: w}, Point(dict(zip(columns, v, strict=True)))) for w, v in rows]


def reference(at, p_md=0.5, rmse=1.0):
    """A sweep that is as good at every SER."""
    rmse = rmse if isinstance(rmse, list) else [rmse] * 2
    return curve(at, ser=[0.0001, 0.01], p_md=[p_md] * 2, rmse_deg=rmse)


def learner(at, p_md=0.5, rmse=1.0):
    """A learner with these values where omega_r > 0; where it is 0 it is hopeless."""
    p_md, rmse = ([v] * 5 if isinstance(v, float) else list(v) for v in (p_md, rmse))
    return curve(at, shares=OMEGA, ser=SER, p_md=[1.0, *p_md], rmse_deg=[50.0, *rmse])


def result(figure, *curves):
    rows = [(at, point, None) for each in curves for at, point in each]
    data = json.loads(json.dumps(asdict(ImpairedConfig())))
    return Result(figure, "smoke", data, tabulate(rows, UNITS), SOURCE)


def table(*curves):
    return result("p2-fig4", *curves).rows


def on(array, at, complexity=None, sector="seen"):
    """Coordinates of a system of Fig. 4."""
    own = {"complexity": complexity} if complexity else {}
    return {**at, **own, "array": array, "sector": sector}


# Comparison at equal SER


def test_gaps_are_to_the_best_point_with_no_larger_ser():
    columns = {"ser": [0.001, 0.004, 0.1], "p_md": [0.75, 0.5, 0.25], "rmse_deg": [4.0, 2.0, 8.0]}
    other = table(curve({"system": "baseline"}, **columns))
    own = table(
        curve(
            MATRIX,
            shares=[0.0, 0.1, 0.2, 0.3],
            ser=[0.5, 0.004, 0.2, 0.0],
            p_md=[0.0, 0.25, 0.75, 0.5],
            rmse_deg=[0.0, 1.0, 3.0, 1.0],
        )
    )
    # The last one has a smaller SER than any: it is compared with the smallest there is.
    assert claims.gaps(own, other) == ((-0.25, 0.5), (0.5, 1.5), (-0.25, 0.25))
    assert claims.gaps(own, other, 0.2) == ((0.5, 1.5), (-0.25, 0.25))


def test_only_arrays_that_both_have_are_compared():
    rows = table(
        *(learner({**MATRIX, "array": n}, p) for n, p in enumerate((0.5, 0.625, 9.0))),
        *(reference({**KNOWN, "array": n}, p) for n, p in enumerate((0.25, 0.5))),
    )
    found = claims.over_arrays(rows, MATRIX, KNOWN)
    assert [p for p, _ in found] == [0.25] * 5 + [0.125] * 5


# p2-ideal


def ideal(matrix, networks, p_md=0.5, more=()):
    own = learner(LITERAL, *matrix), learner({**NETWORKS, **IDEAL}, *networks)
    return claims.ideal(result("p2-fig3", reference({"system": "baseline"}, p_md), *own, *more))


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
    assert ideal([matrix], [networks]).status == status


@pytest.mark.parametrize(
    ("p_md", "rmse", "status"),
    [
        (0.05, 1.25, "reproduced"),
        (math.nextafter(0.05, 1), 1.0, "partly"),
        (0.0, math.nextafter(1.25, 2), "partly"),
        # Both metrics of the same point have to be close.
        ([0.5, 0.5, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 9.0], "partly"),
        # Where nothing is detected the angle is not close.
        (0.0, [math.nan, math.nan, 1.0, 1.0, 1.0], "partly"),
    ],
)
def test_close_means_at_most_the_limits_in_both_metrics(p_md, rmse, status):
    assert ideal([p_md, rmse], [0.0], p_md=0.0).status == status


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_medians_are_over_points_where_something_is_detected(order):
    rmse = [math.nan, 1.0, 3.0, 2.0, math.nan]
    measured = ideal([0.5, [rmse[index] for index in order]], []).measured
    assert "learning in 20% of the points (medians: P_md +0.000, RMSE x2.00)" in measured


def test_nothing_detected_anywhere_is_a_verdict_too():
    assert "RMSE xnan" in ideal([1.0, [math.nan] * 5], []).measured


def test_other_readings_do_not_decide():
    bad = ({**MATRIX, "reading": "sector"}, {**NETWORKS, **IDEAL, "indicator": "present"})
    first = {**NETWORKS, **IDEAL, "step": "detection"}
    more = [learner(at, 1.0, 99.0) for at in (*bad, first)]
    assert ideal([], [], more=more).status == "reproduced"


def test_the_verdict_says_its_numbers():
    networks = [0.5, 0.5, 0.6, 0.7, 0.8], [1.0, 1.0, 2.0, 3.0, 4.0]
    verdict = ideal([0.4], networks)
    assert "learning in 100% of the points (medians: P_md -0.100, RMSE x1.00)" in verdict.measured
    assert "networks in 40% (medians: P_md +0.100, RMSE x2.00)" in verdict.measured
    assert [n.value for n in verdict.numbers] == pytest.approx([-0.1, 1, 1, 0.1, 2, 0.4])


# p2-impaired


def impaired(penalties=(1.5,), matrix=0.5, networks=0.5, known=2.0):
    """Arrays on which the unaware baseline loses so much; learners for the first of them."""
    curves = []
    for n, penalty in enumerate(penalties):
        curves.append(reference(on(n, KNOWN), rmse=known))
        curves.append(reference(on(n, UNKNOWN), rmse=2.0 * penalty))
    for at, p_md in ((MATRIX, matrix), (NETWORKS, networks)):
        curves.append(learner(on(0, at, "unlimited"), p_md, 2.0))
    # What is not seen in training does not decide.
    unseen = [
        ({**at, "sector": "unseen"}, Point({**p.values, "p_md": 9.0}))
        for c in curves
        for at, p in c
    ]
    return claims.impaired(result("p2-fig4", *curves, unseen))


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
    assert impaired(penalties, matrix, networks).status == status


def test_the_penalty_is_that_of_the_best_point_of_each_sweep():
    measured = impaired((1.5,), known=[8.0, 2.0]).measured
    assert "RMSE x1.50 (median of 1 arrays, 1.50 to 1.50)" in measured


@pytest.mark.parametrize(("second", "status"), [(8.0, "reproduced"), (1.0, "partly")])
def test_every_learner_is_compared_on_its_own_array(second, status):
    """On an array that is harder for the baseline a larger error is as close."""
    curves = [
        *(reference(on(n, KNOWN), rmse=r) for n, r in enumerate((1.0, second))),
        *(reference(on(n, UNKNOWN), rmse=99.0) for n in (0, 1)),
        *(learner(on(n, MATRIX, "unlimited"), rmse=r) for n, r in enumerate((1.0, 8.0))),
        learner(on(0, NETWORKS, "unlimited")),
    ]
    assert claims.impaired(result("p2-fig4", *curves)).status == status


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
    networks = learner(on(0, NETWORKS, "unlimited"), p_md, rmse)
    stored = result("p2-fig4", learner(on(0, MATRIX, "unlimited")), networks)
    assert claims.nn_edge(stored).status == status


# p2-limited


def limited(p_md, rmse, *matrices):
    """Limited learners against unlimited ones with P_md = 0 and RMSE 1."""
    curves = [
        learner(on(0, NETWORKS, "unlimited"), 0.0),
        learner(on(0, NETWORKS, "limited"), p_md, rmse),
    ]
    for n, matrix in enumerate(matrices):
        curves.append(learner(on(n, MATRIX, "unlimited"), 0.0))
        curves.append(learner(on(n, MATRIX, "limited"), matrix))
    return claims.limited(result("p2-fig4", *curves)).status


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
    assert limited(p_md, rmse, matrix) == status


def test_limited_looks_at_all_arrays_that_a_matrix_was_trained_for():
    assert limited(0.9, 9.0, 0.0, 0.0, 0.0, 0.0, 0.9) == "reproduced"
    assert limited(0.9, 9.0, 0.0, 0.0, 0.9) == "partly"


# p2-generalise


def generalise(*, unlimited=0.4, limited=0.4, networks=0.6, rmse=0.9):
    """Model-driven learning against a baseline with P_md = 0.5 and RMSE 1."""
    curves = [
        reference(on(0, UNKNOWN, sector="unseen")),
        # What a baseline does that knows the spacings is not asked.
        reference(on(0, KNOWN, sector="unseen"), p_md=0.0, rmse=0.01),
    ]
    for complexity, matrix in (("unlimited", unlimited), ("limited", limited)):
        curves.append(learner(on(0, MATRIX, complexity, "unseen"), matrix, rmse))
        curves.append(learner(on(0, NETWORKS, complexity, "unseen"), networks, 2.0))
    return claims.generalise(result("p2-fig5", *curves))


BEHIND_ONCE = [0.9, 0.4, 0.4, 0.4, 0.4]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        # Eight of ten points, four at each complexity, and then seven of ten.
        ({"unlimited": BEHIND_ONCE, "limited": BEHIND_ONCE}, "reproduced"),
        ({"limited": [0.9, 0.9, 0.9, 0.4, 0.4]}, "not reproduced"),
        ({"networks": 0.3}, "partly"),
        ({"unlimited": 0.55, "limited": 0.55}, "partly"),
        # As good is not ahead, and both metrics have to be ahead in the same point.
        ({"unlimited": 0.5, "limited": 0.5}, "partly"),
        ({"rmse": 1.0}, "partly"),
        (
            {
                "unlimited": BEHIND_ONCE,
                "limited": BEHIND_ONCE,
                "rmse": [0.5, 5.0, 0.5, 0.5, 0.5],
            },
            "not reproduced",
        ),
        ({"unlimited": 0.7, "limited": 0.7}, "not reproduced"),
    ],
)
def test_generalise(changes, status):
    assert generalise(**changes).status == status


# p2-parameters, against Table I by hand


def by_hand(antennas, width, grid_size):
    """Weights and biases of Table I's sensing networks, entry by entry; entries of A."""

    def layers(*sizes):
        return sum(before * after + after for before, after in pairwise(sizes))

    beamformer = layers(4, width, width, width, 2 * antennas)
    sensing = layers(2 * antennas + 2, width, width, width, 1)
    return beamformer + 2 * sensing, antennas * grid_size


def test_parameters():
    verdict = claims.parameters()
    assert verdict.status == "reproduced"
    counts = [*by_hand(16, 1024, 500), *by_hand(16, 21, 156)]
    assert [number.value for number in verdict.numbers] == counts
    assert all(f"{count:,}" in verdict.measured for count in counts)
    assert verdict.presets == ("paper",)


@pytest.mark.parametrize(
    ("width", "grid_size", "status"),
    [(21, 156, "reproduced"), (23, 156, "partly"), (21, 170, "partly"), (23, 170, "partly")],
)
def test_other_sizes_are_not_those_of_the_paper(width, grid_size, status, monkeypatch):
    config = IMPAIRED_PRESETS["paper"]
    matrix, networks = config.limited
    limited = (replace(matrix, grid_size=grid_size), replace(networks, width=width))
    monkeypatch.setitem(claims.IMPAIRED_PRESETS, "paper", replace(config, limited=limited))
    assert claims.parameter_counts("limited") == by_hand(16, width, grid_size)
    assert claims.parameters().status == status


def test_almost_is_two_percent(monkeypatch):
    def status(*counts):
        found = {"unlimited": counts[:2], "limited": counts[2:]}
        monkeypatch.setattr(claims, "parameter_counts", found.__getitem__)
        return claims.parameters().status

    assert status(6_400_000, 8000, 5000, 2500) == "reproduced"
    assert status(6_528_000, 8160, 4900, 2450) == "reproduced"
    assert status(6_528_001, 8160, 4900, 2450) == "partly"
    assert status(6_528_001, 8161, 4899, 2449) == "not reproduced"


# The list of claims


def test_claims_are_all_six_and_say_how_they_are_tested():
    names = "ideal impaired nn-edge limited generalise parameters"
    assert [claim.id for claim in CLAIMS] == [f"p2-{name}" for name in names.split()]
    assert all(claim.criterion for claim in CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS[:-1], ids=lambda claim: claim.id)
def test_a_missing_curve_is_named(claim):
    (figure,) = claim.needs
    other = learner({"system": "other", "sector": "seen", "array": 0})
    with pytest.raises(KeyError, match=r"no row has|no column"):
        claim.verdict({figure: result(figure, other)})

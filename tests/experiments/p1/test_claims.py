"""Each criterion of P1's claims passes on results that show the claim and fails on others."""

import json
from dataclasses import asdict

import pytest
from stored_results import SOURCE

from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point
from isaclib.experiments.p1 import claims
from isaclib.experiments.p1.claims import CLAIMS
from isaclib.experiments.p1.config import TradeoffConfig
from isaclib.experiments.p1.figures import AUTOENCODER, UNITS
from isaclib.experiments.p1.maprt import MAPRT

DEGREES = {**AUTOENCODER, "unit": "deg", "repetition": 0}
WEIGHTS = [0.0, 0.01, 0.09, 0.7, 1.0]
SHOWN = {
    "ser": [0.002, 0.002, 0.004, 0.010, 0.700],
    "p_d": [0.01, 0.50, 0.78, 0.83, 0.85],
    "rmse_deg": [12.0, 2.2, 1.3, 1.1, 1.0],
}
WORSE = [12.0, 9.0, 5.0, 3.0, 2.0]
MEASURED = {**UNITS, **MAPRT.units}


def rows(at, **columns):
    """Rows with common coordinates; columns are measured quantities or other coordinates."""
    for values in zip(*columns.values(), strict=True):
        own = dict(zip(columns, values, strict=True))
        place = {name: own.pop(name) for name in columns if name not in MEASURED}
        yield {**at, **place}, Point(own), None


def result(figure, *parts, config=None):
    data = json.loads(json.dumps(asdict(config or TradeoffConfig())))
    table = tabulate([row for part in parts for row in part], MEASURED)
    return Result(figure, "smoke", data, table, SOURCE)


def tradeoff(**changes):
    """Fig. 2 with an autoencoder that shows what the paper says, but for some columns."""
    sweep = {"ser": [0.002, 0.004, 0.012], "p_d": [0.5, 0.75, 0.82], "rmse_deg": [2.1, 1.3, 1.1]}
    learned = rows(DEGREES, omega_r=WEIGHTS, **{**SHOWN, **changes})
    return result("p1-fig2", learned, rows({"system": "baseline"}, rho=[0.0, 0.5, 1.0], **sweep))


def beampatterns(to_target, to_receiver):
    """Fig. 3 with flat beams: energy in the two sectors for each radar weight."""
    angles = [-60.0, 0.0, 40.0]
    beams = (
        rows(
            {"system": "autoencoder", "omega_r": w},
            angle_deg=angles,
            energy=[0.0, to_target[w], to_receiver[w]],
        )
        for w in to_target
    )
    return result("p1-fig3", *beams)


TURNING = ({0.0: 0.1, 0.09: 2.0, 1.0: 3.0}, {0.0: 6.0, 0.09: 3.0, 1.0: 0.01})
STUCK = ({0.0: 0.1, 0.09: 0.2, 1.0: 0.3}, {0.0: 6.0, 0.09: 6.0, 1.0: 6.0})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        ({"rmse_deg": WORSE}, "partly"),
        ({"rmse_deg": WORSE, "p_d": [0.01, 0.1, 0.1, 0.2, 0.2]}, "not reproduced"),
    ],
)
def test_tradeoff(changes, status):
    assert claims.tradeoff(tradeoff(**changes)).status == status


@pytest.mark.parametrize(
    ("ser", "beams", "status"),
    [
        (SHOWN["ser"], TURNING, "reproduced"),
        ([0.002] * 5, TURNING, "partly"),
        ([0.002] * 5, STUCK, "not reproduced"),
    ],
)
def test_radar_end(ser, beams, status):
    assert claims.radar_end(tradeoff(ser=ser), beampatterns(*beams)).status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        ({"rmse_deg": [1.5, 1.4, 1.3, 1.1, 1.0]}, "partly"),
        ({"rmse_deg": [1.0] * 5, "p_d": [0.8] * 5}, "not reproduced"),
    ],
)
def test_comm_end(changes, status):
    assert claims.comm_end(tradeoff(**changes)).status == status


@pytest.mark.parametrize(
    ("p_d", "beams", "status"),
    [
        (SHOWN["p_d"], TURNING, "reproduced"),
        (SHOWN["p_d"], STUCK, "partly"),
        ([0.01, 0.1, 0.2, 0.8, 0.85], STUCK, "not reproduced"),
    ],
)
def test_sweet_spot(p_d, beams, status):
    assert claims.sweet_spot(tradeoff(p_d=p_d), beampatterns(*beams)).status == status


def uncertainty(rmse, sigma, mean):
    columns = {"rmse_deg": rmse, "sigma_deg": sigma, "sigma_mean_deg": mean}
    return result("p1-fig4", rows(DEGREES, omega_r=range(len(rmse)), **columns))


@pytest.mark.parametrize(
    ("sigma", "status"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], "reproduced"),
        ([1.0, 2.0, 3.0, 5.0, 4.0], "partly"),
        ([5.0, 4.0, 3.0, 2.0, 1.0], "not reproduced"),
    ],
)
def test_uncertainty_monotone(sigma, status):
    stored = uncertainty([1.0, 2.0, 3.0, 4.0, 5.0], sigma, sigma)
    assert claims.uncertainty_monotone(stored).status == status


@pytest.mark.parametrize(
    ("sigma", "mean", "status"),
    [
        ([0.9, 1.8], [0.8, 1.6], "reproduced"),
        ([1.2, 2.4], [0.8, 1.6], "partly"),
        ([1.2, 2.4], [0.2, 0.4], "not reproduced"),
    ],
)
def test_uncertainty_under(sigma, mean, status):
    assert claims.uncertainty_under(uncertainty([1.0, 2.0], sigma, mean)).status == status


@pytest.mark.parametrize(
    ("rmse", "unknown_rmse", "status"),
    [(1.1, 2.0, "reproduced"), (1.1, 1.2, "partly"), (3.0, 1.2, "not reproduced")],
)
def test_impairments(rmse, unknown_rmse, status):
    def own(array, value, **at):
        point = {"ser": [0.002], "p_d": [0.8], "rmse_deg": [value]}
        return rows({**at, "model": "cumulative", "array": array}, **point)

    baselines = [
        own(array, value, system=system)
        for system, value in (("known", 1.0), ("unknown", unknown_rmse))
        for array in range(2)
    ]
    stored = result("p1-fig5", own(0, rmse, **AUTOENCODER, omega_r=0.5), *baselines)
    assert claims.impairments(stored).status == status


@pytest.mark.parametrize(
    ("joint", "equal_steps", "status"),
    [(0.7, 0.7, "reproduced"), (0.7, 0.9, "partly"), (0.9, 0.9, "not reproduced")],
)
def test_sequential(joint, equal_steps, status):
    values = {"sequential": 0.8, "joint": joint, "joint, equal steps": equal_steps}
    parts = (
        rows(
            {**AUTOENCODER, "schedule": schedule, "repetition": 0},
            omega_r=[0.1, 0.5],
            p_d=[p_d] * 2,
            rmse_deg=[1 / p_d] * 2,
        )
        for schedule, p_d in values.items()
    )
    assert claims.sequential(result("p1-sequential", *parts)).status == status


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([1.0, 2.0, 2.5], "reproduced"),
        ([0.5, 1.0, 1.5], "partly"),
        ([1.1, 2.2, 1.5], "partly"),
        ([1.1, 1.0, 1.5], "not reproduced"),
    ],
)
def test_maprt(found, status):
    columns = {"closed_form": [1.0, 2.0, 3.0], "brute_force": found}
    brute = rows({"check": "brute force"}, echo=range(3), **columns)
    assert claims.maprt(result("p1-maprt", brute)).status == status


def test_a_missing_point_is_named():
    learned = claims.degrees(tradeoff())
    with pytest.raises(KeyError, match=r"no row has omega_r=0\.3 with .*; there are 0\.0, 0\.01"):
        claims.mean_at(learned, "P_d", "p_d", 0.3)


def test_all_claims_of_the_paper_are_there():
    ends = "tradeoff radar-end comm-end sweet-spot uncertainty-monotone uncertainty-under"
    names = [*ends.split(), "impairments", "sequential", "maprt"]
    assert [claim.id for claim in CLAIMS] == [f"p1-{name}" for name in names]

"""Each criterion of P1's claims passes on results that show the claim and fails on others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from isaclib.experiments.p1 import checks
from isaclib.experiments.p1.claims import CLAIMS
from isaclib.experiments.p1.config import ImpairedConfig, TradeoffConfig
from isaclib.experiments.series.results import Quantity, Result, Series, provenance

WEIGHTS = [0.0, 0.01, 0.09, 0.7, 1.0]
SHOWN = {
    "ser": [0.002, 0.002, 0.004, 0.010, 0.700],
    "p_d": [0.01, 0.50, 0.78, 0.83, 0.85],
    "rmse_deg": [12.0, 2.2, 1.3, 1.1, 1.0],
}


def series(name: str, **columns: list[float]) -> Series:
    return Series(name, {key: Quantity(key, values) for key, values in columns.items()})


def result(figure: str, *curves: Series, config: object = None) -> Result:
    stored = provenance(seed=0, device="cpu", started=time.perf_counter())
    settings = asdict(config) if dataclasses.is_dataclass(config) else {}  # type: ignore[call-overload]
    return Result(figure, "smoke", settings, list(curves), stored)


def tradeoff(**changes: list[float]) -> Result:
    """Fig. 2 with an autoencoder that shows what the paper says, but for some columns."""
    baseline = series(
        "baseline", ser=[0.002, 0.004, 0.012], p_d=[0.5, 0.75, 0.82], rmse_deg=[2.1, 1.3, 1.1]
    )
    learned = series("autoencoder/deg/0", omega_r=WEIGHTS, **{**SHOWN, **changes})
    return result("p1-fig2", learned, baseline)


def beampatterns(to_target: Mapping[float, float], to_receiver: Mapping[float, float]) -> Result:
    """Fig. 3 with flat beams: energy in the two sectors for each radar weight."""
    curves = [
        series(
            f"omega={w:g}", angle_deg=[-60.0, 0.0, 40.0], energy=[0.0, to_target[w], to_receiver[w]]
        )
        for w in to_target
    ]
    return result("p1-fig3", *curves, config=TradeoffConfig())


TURNING = ({0.0: 0.1, 0.09: 2.0, 1.0: 3.0}, {0.0: 6.0, 0.09: 3.0, 1.0: 0.01})
STUCK = ({0.0: 0.1, 0.09: 0.2, 1.0: 0.3}, {0.0: 6.0, 0.09: 6.0, 1.0: 6.0})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        ({"rmse_deg": [12.0, 9.0, 5.0, 3.0, 2.0]}, "partly"),
        (
            {"rmse_deg": [12.0, 9.0, 5.0, 3.0, 2.0], "p_d": [0.01, 0.1, 0.1, 0.2, 0.2]},
            "not reproduced",
        ),
    ],
)
def test_tradeoff(changes: dict[str, list[float]], status: str) -> None:
    assert checks.check_tradeoff({"p1-fig2": tradeoff(**changes)}).status == status


def test_best_at_compares_at_no_larger_ser() -> None:
    baseline = tradeoff()["baseline"]
    assert checks.best_at(baseline, "p_d", 0.005, larger_is_better=True) == 0.75
    assert checks.best_at(baseline, "rmse_deg", 0.005, larger_is_better=False) == 1.3
    # With a smaller SER than any of the baseline's, its smallest is the only fair comparison.
    assert checks.best_at(baseline, "p_d", 0.001, larger_is_better=True) == 0.5


@pytest.mark.parametrize(
    ("ser", "beams", "status"),
    [
        (SHOWN["ser"], TURNING, "reproduced"),
        ([0.002] * 5, TURNING, "partly"),
        ([0.002] * 5, STUCK, "not reproduced"),
    ],
)
def test_radar_end(
    ser: list[float], beams: tuple[dict[float, float], dict[float, float]], status: str
) -> None:
    results = {"p1-fig2": tradeoff(ser=ser), "p1-fig3": beampatterns(*beams)}
    assert checks.check_radar_end(results).status == status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "reproduced"),
        ({"rmse_deg": [1.5, 1.4, 1.3, 1.1, 1.0]}, "partly"),
        ({"rmse_deg": [1.0] * 5, "p_d": [0.8] * 5}, "not reproduced"),
    ],
)
def test_comm_end(changes: dict[str, list[float]], status: str) -> None:
    assert checks.check_comm_end({"p1-fig2": tradeoff(**changes)}).status == status


@pytest.mark.parametrize(
    ("p_d", "beams", "status"),
    [
        (SHOWN["p_d"], TURNING, "reproduced"),
        (SHOWN["p_d"], STUCK, "partly"),
        ([0.01, 0.1, 0.2, 0.8, 0.85], STUCK, "not reproduced"),
    ],
)
def test_sweet_spot(
    p_d: list[float], beams: tuple[dict[float, float], dict[float, float]], status: str
) -> None:
    results = {"p1-fig2": tradeoff(p_d=p_d), "p1-fig3": beampatterns(*beams)}
    assert checks.check_sweet_spot(results).status == status


def uncertainty(rmse: list[float], sigma: list[float], mean: list[float]) -> Result:
    curve = series(
        "autoencoder/deg/0",
        omega_r=[float(i + 1) for i in range(len(rmse))],
        rmse_deg=rmse,
        sigma_deg=sigma,
        sigma_mean_deg=mean,
    )
    return result("p1-fig4", curve)


@pytest.mark.parametrize(
    ("sigma", "status"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], "reproduced"),
        ([1.0, 2.0, 3.0, 5.0, 4.0], "partly"),
        ([5.0, 4.0, 3.0, 2.0, 1.0], "not reproduced"),
    ],
)
def test_uncertainty_monotone(sigma: list[float], status: str) -> None:
    stored = uncertainty([1.0, 2.0, 3.0, 4.0, 5.0], sigma, sigma)
    assert checks.check_uncertainty_monotone({"p1-fig4": stored}).status == status


@pytest.mark.parametrize(
    ("sigma", "mean", "status"),
    [
        ([0.9, 1.8], [0.8, 1.6], "reproduced"),
        ([1.2, 2.4], [0.8, 1.6], "partly"),
        ([1.2, 2.4], [0.2, 0.4], "not reproduced"),
    ],
)
def test_uncertainty_under(sigma: list[float], mean: list[float], status: str) -> None:
    stored = uncertainty([1.0, 2.0], sigma, mean)
    assert checks.check_uncertainty_under({"p1-fig4": stored}).status == status


@pytest.mark.parametrize(
    ("rmse", "unknown_rmse", "status"),
    [(1.1, 2.0, "reproduced"), (1.1, 1.2, "partly"), (3.0, 1.2, "not reproduced")],
)
def test_impairments(rmse: float, unknown_rmse: float, status: str) -> None:
    def baseline(knowledge: str, draw: int, value: float) -> Series:
        name = f"baseline/cumulative/{knowledge}/{draw}"
        return series(name, ser=[0.002], p_d=[0.8], rmse_deg=[value])

    learned = series(
        "autoencoder/cumulative/0", omega_r=[0.5], ser=[0.002], p_d=[0.8], rmse_deg=[rmse]
    )
    curves = [baseline("known", d, 1.0) for d in range(2)]
    curves += [baseline("unknown", d, unknown_rmse) for d in range(2)]
    stored = result("p1-fig5", learned, *curves, config=ImpairedConfig(baseline_draws=2))
    assert checks.check_impairments({"p1-fig5": stored}).status == status


@pytest.mark.parametrize(
    ("joint", "equal_steps", "status"),
    [(0.7, 0.7, "reproduced"), (0.7, 0.9, "partly"), (0.9, 0.9, "not reproduced")],
)
def test_sequential(joint: float, equal_steps: float, status: str) -> None:
    def curve(name: str, p_d: float) -> Series:
        return series(name, omega_r=[0.1, 0.5], p_d=[p_d] * 2, rmse_deg=[1 / p_d] * 2)

    stored = result(
        "p1-sequential",
        curve("sequential/0", 0.8),
        curve("joint/0", joint),
        curve("joint, equal steps/0", equal_steps),
    )
    assert checks.check_sequential({"p1-sequential": stored}).status == status


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([1.0, 2.0, 2.5], "reproduced"),
        ([0.5, 1.0, 1.5], "partly"),
        ([1.1, 2.2, 1.5], "partly"),
        ([1.1, 1.0, 1.5], "not reproduced"),
    ],
)
def test_maprt(found: list[float], status: str) -> None:
    stored = result(
        "p1-maprt", series("brute force", closed_form=[1.0, 2.0, 3.0], brute_force=found)
    )
    assert checks.check_maprt({"p1-maprt": stored}).status == status


def test_a_missing_point_is_named() -> None:
    stored = tradeoff()
    curve = stored["autoencoder/deg/0"]
    with pytest.raises(KeyError, match=r"autoencoder/deg/0 has no point omega_r = 0\.3"):
        checks.mean_at([curve], "p_d", "omega_r", 0.3)
    with pytest.raises(KeyError, match="has no series nothing/"):
        checks.learned(stored, "nothing/")


def test_all_claims_of_the_paper_are_there() -> None:
    assert [claim.id for claim in CLAIMS] == [
        "p1-tradeoff",
        "p1-radar-end",
        "p1-comm-end",
        "p1-sweet-spot",
        "p1-uncertainty-monotone",
        "p1-uncertainty-under",
        "p1-impairments",
        "p1-sequential",
        "p1-maprt",
    ]

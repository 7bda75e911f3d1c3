"""The criteria that test P2's claims on the stored results.

The thresholds were fixed before the sweeps were looked at, and stand in words in ``p2_claims``.
Systems are compared at equal SER: a point of one with the best point of the other's sweep whose
SER is not larger.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import torch

from isaclib.experiments.engine.claims import Number, Verdict
from isaclib.experiments.p2.config import IMPAIRED_PRESETS
from isaclib.experiments.series.criteria import (
    CLOSE_P_D,
    CLOSE_RMSE,
    MOST,
    best_at,
    median,
    status_of,
)
from isaclib.experiments.series.results import Result, Series
from isaclib.learning.networks import count_parameters
from isaclib.systems.sector_networks.model import SENSING, SectorAutoencoder
from isaclib.systems.steering_matrix.model import ModelDriven

ALMOST = 0.02
"""Largest relative difference of two parameter counts that are said to be about the same."""

RADAR_WEIGHT = 0.1
"""Least omega_r of the points that are also counted by themselves, without a say in the verdict.
Below it all systems spend nearly everything on the communication beam and have nearly the same SER,
so that equal SER compares points with very different omega_r."""

PARAMETERS = {"unlimited": (6_400_000, 8000), "limited": (5000, 2500)}
"""Parameter counts that P2 states: real ones of the networks, complex ones of the matrices."""

Gap = tuple[float, float]
"""P_md less the reference's, and RMSE over the reference's."""


def gaps(curve: Series, reference: Series, least_weight: float = 0.0) -> list[Gap]:
    """Distances of a learner's points from a reference at equal SER, for omega_r > 0."""
    found = []
    for index, weight in enumerate(curve["omega_r"].values):
        if weight == 0 or weight < least_weight:
            continue
        ser = curve["ser"].values[index]
        p_md, rmse = (
            best_at(reference, metric, ser, larger_is_better=False)
            for metric in ("p_md", "rmse_deg")
        )
        found.append((curve["p_md"].values[index] - p_md, curve["rmse_deg"].values[index] / rmse))
    return found


def _close(found: Sequence[Gap]) -> float:
    """Share of the points that are close to the reference in both metrics, or better."""
    return statistics.fmean(p <= CLOSE_P_D and r <= CLOSE_RMSE for p, r in found)


def _ahead(found: Sequence[Gap]) -> float:
    """Share of the points that are better than the reference in both metrics."""
    return statistics.fmean(p < 0 and r < 1 for p, r in found)


def _medians(found: Sequence[Gap]) -> Gap:
    """Median of either distance, over the points where it is defined."""
    p_md, rmse = ([v for v in column if not math.isnan(v)] for column in zip(*found, strict=True))
    return statistics.median(p_md), statistics.median(rmse) if rmse else math.nan


def _middle(found: Sequence[Gap]) -> str:
    """Medians in words."""
    p_md, rmse = _medians(found)
    return f"medians: P_md {p_md:+.3f}, RMSE x{rmse:.2f}"


def _numbers(who: str, reference: str, found: Sequence[Gap]) -> tuple[Number, Number]:
    """Medians of both distances, with their ranges."""
    p_md, rmse = zip(*found, strict=True)
    return (
        median(f"P_md, {who} less {reference}", p_md, "points"),
        median(f"RMSE, {who} over {reference}", rmse, "points"),
    )


def _draws(result: Result, kind: str) -> range:
    return range(result.config[f"{kind}_draws"])


def _gaps_over_draws(
    result: Result, kind: str, learner: str, reference: str, least_weight: float = 0.0
) -> list[Gap]:
    """Distances over all arrays that the learner was trained for; names have ``{}`` for these."""
    found: list[Gap] = []
    for draw in _draws(result, kind):
        curve, other = (result[name.format(draw)] for name in (learner, reference))
        found += gaps(curve, other, least_weight)
    return found


def check_ideal(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-ideal``."""
    result = results["p2-fig3"]
    matrix, networks = (
        gaps(result[name], result["baseline"])
        for name in ("model-driven/literal", "networks/all/deg")
    )
    return Verdict(
        status_of(_close(matrix) >= MOST, _close(networks) >= MOST),
        f"within {CLOSE_P_D} in P_md and {CLOSE_RMSE} in RMSE of the baseline: model-driven "
        f"learning in {_close(matrix):.0%} of the points ({_middle(matrix)}), networks in "
        f"{_close(networks):.0%} ({_middle(networks)})",
        numbers=(
            *_numbers("model-driven", "baseline", matrix),
            Number("share of model-driven learning's points that are close", _close(matrix)),
            *_numbers("networks", "baseline", networks),
            Number("share of the networks' points that are close", _close(networks)),
        ),
    )


def check_impaired(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-impaired``."""
    result = results["p2-fig4"]

    def best(knowledge: str, draw: int) -> float:
        series = result[f"baseline/{knowledge}/{draw}"]
        return best_at(series, "rmse_deg", 1, larger_is_better=False)

    penalties = [best("unknown", d) / best("known", d) for d in _draws(result, "baseline")]
    known = "baseline/known/{}"
    matrix = _gaps_over_draws(result, "matrix", "model-driven/unlimited/{}", known)
    networks = _gaps_over_draws(result, "network", "networks/unlimited/{}", known)
    penalty = statistics.median(penalties)
    return Verdict(
        status_of(penalty >= CLOSE_RMSE, _close(matrix) >= MOST, _close(networks) >= MOST),
        f"assuming half a wavelength costs the baseline RMSE x{penalty:.2f} (median of "
        f"{len(penalties)} arrays, {min(penalties):.2f} to {max(penalties):.2f}); close to the "
        f"baseline that knows the spacings: model-driven learning in {_close(matrix):.0%} of the "
        f"points ({_middle(matrix)}), networks in {_close(networks):.0%} ({_middle(networks)})",
        numbers=(
            median("RMSE of assuming lambda/2 over that of knowing", penalties, "arrays"),
            *_numbers("model-driven", "knowing baseline", matrix),
            Number("share of model-driven learning's points that are close", _close(matrix)),
            *_numbers("networks", "knowing baseline", networks),
            Number("share of the networks' points that are close", _close(networks)),
        ),
    )


def check_nn_edge(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-nn-edge``."""
    result = results["p2-fig4"]
    found = _gaps_over_draws(
        result, "network", "networks/unlimited/{}", "model-driven/unlimited/{}"
    )
    p_md, rmse = (statistics.fmean(gap[i] < i for gap in found) for i in (0, 1))
    return Verdict(
        status_of(p_md >= MOST, rmse >= MOST),
        f"networks ahead of model-driven learning in P_md in {p_md:.0%} of the points, in RMSE in "
        f"{rmse:.0%} ({_middle(found)})",
        numbers=(
            Number("share of the points ahead in P_md", p_md),
            Number("share of the points ahead in RMSE", rmse),
            *_numbers("networks", "model-driven", found),
        ),
    )


def check_limited(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-limited``."""
    result = results["p2-fig4"]
    matrix_pair = "model-driven/limited/{}", "model-driven/unlimited/{}"
    networks = _gaps_over_draws(result, "network", "networks/limited/{}", "networks/unlimited/{}")
    matrix = _gaps_over_draws(result, "matrix", *matrix_pair)
    sensing = _gaps_over_draws(result, "matrix", *matrix_pair, RADAR_WEIGHT)
    p_md, rmse = _medians(networks)
    return Verdict(
        status_of(p_md > CLOSE_P_D, rmse > CLOSE_RMSE, _close(matrix) >= MOST),
        f"limited against unlimited: networks' medians P_md {p_md:+.3f}, RMSE x{rmse:.2f}; "
        f"model-driven learning stays close in {_close(matrix):.0%} of the points "
        f"({_middle(matrix)}), in {_close(sensing):.0%} of those with omega_r >= {RADAR_WEIGHT}",
        numbers=(
            *_numbers("limited networks", "unlimited ones", networks),
            *_numbers("limited model-driven", "unlimited", matrix),
            Number("share of model-driven learning's points that stay close", _close(matrix)),
            Number(f"the same share for omega_r >= {RADAR_WEIGHT}", _close(sensing)),
        ),
    )


def check_generalise(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-generalise``."""
    result = results["p2-fig5"]

    def over_complexities(kind: str, reference: str, least_weight: float = 0.0) -> list[Gap]:
        return [
            gap
            for complexity in ("unlimited", "limited")
            for gap in _gaps_over_draws(
                result,
                kind,
                f"model-driven/{complexity}/{{}}",
                reference.replace("*", complexity),
                least_weight,
            )
        ]

    def words(kind: str, reference: str) -> str:
        found = over_complexities(kind, reference)
        sensing = over_complexities(kind, reference, RADAR_WEIGHT)
        return (
            f"in {_ahead(found):.0%} of the points ({_middle(found)}), in {_ahead(sensing):.0%} of "
            f"those with omega_r >= {RADAR_WEIGHT}"
        )

    baseline, networks = ("matrix", "baseline/unknown/{}"), ("network", "networks/*/{}")
    ahead = [_ahead(over_complexities(*pair)) for pair in (baseline, networks)]
    return Verdict(
        status_of(*(value >= MOST for value in ahead)),
        "model-driven learning ahead in both P_md and RMSE of the baseline that assumes half a "
        f"wavelength {words(*baseline)}; of the networks {words(*networks)}",
        numbers=tuple(
            number
            for who, pair in (("baseline", baseline), ("networks", networks))
            for number in (
                *_numbers("model-driven", who, over_complexities(*pair)),
                Number(f"share of the points ahead of the {who}", _ahead(over_complexities(*pair))),
                Number(
                    f"share ahead of the {who} for omega_r >= {RADAR_WEIGHT}",
                    _ahead(over_complexities(*pair, RADAR_WEIGHT)),
                ),
            )
        ),
    )


def parameter_counts(complexity: str) -> tuple[int, int]:
    """Trainable parameters of the sensing networks, and of the steering matrix."""
    config = IMPAIRED_PRESETS["paper"]
    matrix, networks = getattr(config, complexity)
    with torch.device("meta"):
        model = SectorAutoencoder(
            config.scenario.num_antennas, config.scenario.order, networks.width
        )
    real = count_parameters(*(model.get_submodule(name) for name in SENSING))
    return real, count_parameters(ModelDriven(config.scenario.num_antennas, matrix.grid_size)) // 2


def check_parameters(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p2-parameters``."""
    found = {name: parameter_counts(name) for name in PARAMETERS}
    passed = [
        abs(count - stated) <= ALMOST * stated
        for name, pair in found.items()
        for count, stated in zip(pair, PARAMETERS[name], strict=True)
    ]
    (wide, large), (narrow, small) = found["unlimited"], found["limited"]
    return Verdict(
        status_of(*passed),
        f"{wide:,} and {narrow:,} real parameters of the networks, {large:,} and {small:,} complex "
        "ones of the steering matrices",
        ("paper",),
        tuple(
            Number(f"{kind}, {name} complexity", count)
            for name, pair in found.items()
            for kind, count in zip(
                ("real parameters of the networks", "complex parameters of the matrix"),
                pair,
                strict=True,
            )
        ),
    )

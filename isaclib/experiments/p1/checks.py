"""The criteria that test P1's claims on the stored results.

The thresholds say what "close", "severe" or "slightly" is taken to mean. They were fixed before the
paper-scale runs were looked at, and stand in words in ``p1_claims``.
"""

import statistics
from collections.abc import Mapping, Sequence

from isaclib.experiments.engine.claims import Number, Status, Verdict
from isaclib.experiments.series.criteria import (
    CLOSE_P_D,
    CLOSE_RMSE,
    MOST,
    average,
    best_at,
    fraction,
    median,
    status_of,
)
from isaclib.experiments.series.results import Result, Series


def learned(result: Result, prefix: str) -> list[Series]:
    """Repetitions or draws of an autoencoder, measured with its own receivers."""
    found = [
        s for s in result.series if s.name.startswith(prefix) and not s.name.endswith("model-based")
    ]
    if not found:
        raise KeyError(f"{result.figure} has no series {prefix}...")
    return found


def mean_at(curves: Sequence[Series], metric: str, key: str, value: float) -> float:
    """Mean of a metric over repetitions, at one value of the swept parameter."""
    return statistics.fmean(_values_at(curves, metric, key, value))


def _values_at(curves: Sequence[Series], metric: str, key: str, value: float) -> list[float]:
    """The values that :func:`mean_at` is the mean of."""
    values = []
    for curve in curves:
        if value not in curve[key].values:
            raise KeyError(f"series {curve.name} has no point {key} = {value:g}")
        values.append(curve[metric].values[curve[key].values.index(value)])
    return values


def _trained(name: str, curves: Sequence[Series], metric: str, weight: float) -> Number:
    """A metric at one radar weight, over the trainings."""
    values = _values_at(curves, metric, "omega_r", weight)
    return average(f"{name} at omega_r = {weight:g}", values, "trainings")


def _gaps(curves: Sequence[Series], baseline: Series) -> tuple[list[float], list[float]]:
    """P_d less the baseline's, and RMSE over the baseline's, at equal SER and omega_r > 0."""
    differences, ratios = [], []
    for curve in curves:
        for index, weight in enumerate(curve["omega_r"].values):
            if weight == 0:
                continue
            ser = curve["ser"].values[index]
            p_d, rmse = curve["p_d"].values[index], curve["rmse_deg"].values[index]
            differences.append(p_d - best_at(baseline, "p_d", ser, larger_is_better=True))
            ratios.append(rmse / best_at(baseline, "rmse_deg", ser, larger_is_better=False))
    return differences, ratios


def check_tradeoff(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-tradeoff``."""
    result = results["p1-fig2"]
    differences, ratios = _gaps(learned(result, "autoencoder/deg/"), result["baseline"])
    near_p_d = fraction(differences, lambda d: d >= -CLOSE_P_D)
    near_rmse = fraction(ratios, lambda r: r <= CLOSE_RMSE)
    return Verdict(
        status_of(near_p_d >= MOST, near_rmse >= MOST),
        f"P_d within {CLOSE_P_D} of the baseline's or above it in {near_p_d:.0%} of the points "
        f"(difference {min(differences):+.3f} to {max(differences):+.3f}), RMSE within a factor "
        f"{CLOSE_RMSE} in {near_rmse:.0%} (ratio {min(ratios):.2f} to {max(ratios):.2f}, median "
        f"{statistics.median(ratios):.2f})",
        numbers=(
            median("P_d less the baseline's at equal SER", differences, "points"),
            Number("share of the points that are close in P_d", near_p_d),
            median("RMSE over the baseline's at equal SER", ratios, "points"),
            Number("share of the points that are close in RMSE", near_rmse),
        ),
    )


def _sector_energy(curve: Series, sector: Sequence[float]) -> float:
    """Mean energy of a beampattern over a sector."""
    pairs = zip(curve["angle_deg"].values, curve["energy"].values, strict=True)
    return statistics.fmean(e for angle, e in pairs if sector[0] <= angle <= sector[1])


def check_radar_end(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-radar-end``."""
    curves = learned(results["p1-fig2"], "autoencoder/deg/")
    weights = sorted(curves[0]["omega_r"].values)
    last, before = weights[-1], weights[-2]
    ser_last, ser_before = (mean_at(curves, "ser", "omega_r", w) for w in (last, before))
    pattern = results["p1-fig3"]
    sector = pattern.config["scenario"]["receiver_sector_deg"]
    energy_last, energy_first = (
        _sector_energy(pattern[f"omega={w:g}"], sector) for w in (last, weights[0])
    )
    return Verdict(
        status_of(ser_last >= 10 * ser_before, energy_last <= energy_first / 10),
        f"SER {ser_before:.4f} at omega_r = {before:g}, {ser_last:.4f} at {last:g}; mean energy "
        f"towards the receiver {energy_first:.2f} at omega_r = {weights[0]:g}, {energy_last:.3f} "
        f"at {last:g}",
        numbers=(
            *(_trained("SER", curves, "ser", w) for w in (before, last)),
            Number(f"energy towards the receiver at omega_r = {weights[0]:g}", energy_first),
            Number(f"energy towards the receiver at omega_r = {last:g}", energy_last),
        ),
    )


def check_comm_end(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-comm-end``."""
    curves = learned(results["p1-fig2"], "autoencoder/deg/")
    smallest = sorted(curves[0]["omega_r"].values)[:2]
    p_d = [mean_at(curves, "p_d", "omega_r", w) for w in (*smallest, 0.09)]
    rmse = [mean_at(curves, "rmse_deg", "omega_r", w) for w in (*smallest, 0.09)]
    falls = p_d[0] <= p_d[2] / 2 and p_d[1] < p_d[2]
    rises = rmse[0] >= 2 * rmse[2] and rmse[1] > rmse[2]
    places = [f"{w:g}" for w in (*smallest, 0.09)]
    return Verdict(
        status_of(falls, rises),
        f"at omega_r = {', '.join(places)}: P_d {', '.join(f'{v:.3f}' for v in p_d)}; RMSE "
        f"{', '.join(f'{v:.2f}' for v in rmse)} degrees",
        numbers=tuple(
            _trained(name, curves, metric, w)
            for name, metric in (("P_d", "p_d"), ("RMSE (degrees)", "rmse_deg"))
            for w in (*smallest, 0.09)
        ),
    )


def check_sweet_spot(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-sweet-spot``."""
    curves = learned(results["p1-fig2"], "autoencoder/deg/")
    best = max(mean_at(curves, "p_d", "omega_r", w) for w in curves[0]["omega_r"].values)
    least = min(mean_at(curves, "ser", "omega_r", w) for w in curves[0]["omega_r"].values)
    p_d, ser = (mean_at(curves, m, "omega_r", 0.09) for m in ("p_d", "ser"))
    pattern = results["p1-fig3"]
    scenario = pattern.config["scenario"]
    energy = [
        _sector_energy(pattern["omega=0.09"], scenario[f"{name}_sector_deg"])
        for name in ("target", "receiver")
    ]
    return Verdict(
        status_of(p_d >= 0.85 * best and ser <= 5 * least, min(energy) >= 1),
        f"P_d {p_d:.3f} (largest of all omega_r: {best:.3f}), SER {ser:.4f} (smallest: "
        f"{least:.4f}); mean energy towards target {energy[0]:.2f} and receiver {energy[1]:.2f} "
        f"(1 without a beam)",
        numbers=(
            _trained("P_d", curves, "p_d", 0.09),
            Number("largest mean P_d of all omega_r", best),
            _trained("SER", curves, "ser", 0.09),
            Number("smallest mean SER of all omega_r", least),
            Number("energy towards the target at omega_r = 0.09", energy[0]),
            Number("energy towards the receiver at omega_r = 0.09", energy[1]),
        ),
    )


def _ordered_alike(sigma: Sequence[float], rmse: Sequence[float]) -> list[bool]:
    """Whether both quantities put a pair of points in the same order, for all pairs."""
    return [
        (sigma[i] - sigma[j]) * (rmse[i] - rmse[j]) > 0 for i in range(len(sigma)) for j in range(i)
    ]


def check_uncertainty_monotone(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-uncertainty-monotone``."""
    curves = learned(results["p1-fig4"], "autoencoder/deg/")
    alike = [_ordered_alike(c["sigma_deg"].values, c["rmse_deg"].values) for c in curves]
    pairs = [pair for training in alike for pair in training]
    status: Status = "not reproduced"
    if all(pairs):
        status = "reproduced"
    elif sum(pairs) / len(pairs) >= MOST:
        status = "partly"
    return Verdict(
        status,
        "pairs of omega_r that sigma and RMSE put in the same order: "
        + ", ".join(f"{sum(training)} of {len(training)}" for training in alike)
        + f" in {len(curves)} trainings",
        numbers=(
            average(
                "share of the pairs of omega_r that sigma and RMSE put in the same order",
                [sum(training) / len(training) for training in alike],
                "trainings",
            ),
        ),
    )


def check_uncertainty_under(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-uncertainty-under``."""
    curves = learned(results["p1-fig4"], "autoencoder/deg/")

    def ratios(kind: str) -> list[float]:
        return [
            rmse / sigma
            for c in curves
            for rmse, sigma in zip(c["rmse_deg"].values, c[kind].values, strict=True)
        ]

    rms, mean = ratios("sigma_deg"), ratios("sigma_mean_deg")
    slightly = [fraction(r, lambda x: 1 < x <= 1.5) for r in (rms, mean)]
    return Verdict(
        status_of(*(share >= MOST for share in slightly)),
        f"RMSE over the root mean square of sigma: median {statistics.median(rms):.2f}, between 1 "
        f"and 1.5 in {slightly[0]:.0%} of the points; over its mean: median "
        f"{statistics.median(mean):.2f}, in {slightly[1]:.0%}",
        numbers=tuple(
            number
            for kind, found, inside in zip(
                ("the root mean square of sigma", "the mean of sigma"),
                (rms, mean),
                slightly,
                strict=True,
            )
            for number in (
                median(f"RMSE over {kind}", found, "points"),
                Number(f"share of the points between 1 and 1.5 times {kind}", inside),
            )
        ),
    )


def check_impairments(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-impairments``."""
    result = results["p1-fig5"]
    curves = learned(result, "autoencoder/cumulative/")
    adapted, differences, factors = [], [], []
    for draw, curve in enumerate(curves):
        known, unknown = (result[f"baseline/cumulative/{k}/{draw}"] for k in ("known", "unknown"))
        to_known, rmse_to_known = _gaps([curve], known)
        to_unknown, rmse_to_unknown = _gaps([curve], unknown)
        adapted += [
            d >= -CLOSE_P_D and r <= CLOSE_RMSE
            for d, r in zip(to_known, rmse_to_known, strict=True)
        ]
        differences += to_unknown
        factors += rmse_to_unknown
    penalties = [
        best_at(result[f"baseline/cumulative/unknown/{d}"], "rmse_deg", 1, larger_is_better=False)
        / best_at(result[f"baseline/cumulative/known/{d}"], "rmse_deg", 1, larger_is_better=False)
        for d in range(result.config["baseline_draws"])
    ]
    ahead = fraction(factors, lambda f: f < 1)
    return Verdict(
        status_of(
            statistics.fmean(adapted) >= MOST, ahead >= MOST, statistics.median(penalties) >= 1.5
        ),
        f"autoencoder within {CLOSE_P_D} in P_d and {CLOSE_RMSE} in RMSE of the baseline that "
        f"knows the spacings in {statistics.fmean(adapted):.0%} of the points, and below the "
        f"RMSE of the one that assumes half a wavelength in {ahead:.0%} (median ratio "
        f"{statistics.median(factors):.2f}; P_d difference, median "
        f"{statistics.median(differences):+.3f}); that one's own penalty over {len(penalties)} "
        f"draws: RMSE times {statistics.median(penalties):.2f} (median; "
        f"{min(penalties):.2f} to {max(penalties):.2f})",
        numbers=(
            Number(
                "share of the autoencoder's points close to the baseline that knows",
                statistics.fmean(adapted),
            ),
            median("RMSE over that of the baseline that assumes lambda/2", factors, "points"),
            median("P_d less that of the baseline that assumes lambda/2", differences, "points"),
            median("RMSE of assuming lambda/2 over that of knowing", penalties, "arrays"),
        ),
    )


def check_sequential(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-sequential``."""
    result = results["p1-sequential"]
    passed, texts, numbers = [], [], []
    for schedule in ("joint", "joint, equal steps"):
        better, against = 0, 0
        sequential, joint = learned(result, "sequential/"), learned(result, f"{schedule}/")
        ratios, differences = [], []
        for a, b in zip(sequential, joint, strict=True):
            for i in range(len(a)):
                difference = a["p_d"].values[i] - b["p_d"].values[i]
                ratio = a["rmse_deg"].values[i] / b["rmse_deg"].values[i]
                better += difference > 0 and ratio < 1
                against += difference < 0 and ratio > 1
                differences.append(difference)
                ratios.append(ratio)
        passed.append(better / len(ratios) >= MOST)
        texts.append(
            f"against {schedule}: better in both P_d and RMSE in {better} of {len(ratios)} pairs, "
            f"worse in both in {against} (median P_d difference "
            f"{statistics.median(differences):+.3f}, RMSE ratio {statistics.median(ratios):.2f})"
        )
        numbers += [
            Number(f"share of the pairs better than {schedule} in both", better / len(ratios)),
            median(f"P_d less that of {schedule}", differences, "pairs"),
            median(f"RMSE over that of {schedule}", ratios, "pairs"),
        ]
    return Verdict(status_of(*passed), "sequential " + "; ".join(texts), numbers=tuple(numbers))


def check_maprt(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p1-maprt``."""
    brute = results["p1-maprt"]["brute force"]
    pairs = list(zip(brute["closed_form"].values, brute["brute_force"].values, strict=True))
    excess = max((found - closed) / closed for closed, found in pairs)
    short = [(closed - found) / closed for closed, found in pairs]
    return Verdict(
        status_of(excess < 1e-3, statistics.median(short) < 1e-3),
        f"over {len(pairs)} echoes a brute-force maximization of Eq. (14) exceeds the closed form "
        f"by at most {max(excess, 0):.0e} (relative) and falls short of it by "
        f"{statistics.median(short):.0e} (median; largest {max(short):.0e})",
        numbers=(
            Number("largest relative excess of the brute force over the closed form", excess),
            median("relative shortfall of the brute force", short, "echoes"),
        ),
    )

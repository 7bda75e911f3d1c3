"""P1's claims: what the paper says, the criterion, and the check on stored results.

The thresholds say what "close", "severe" or "slightly" is taken to mean. They were fixed before the
paper-scale runs were looked at.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from isaclib.experiments.engine.claims import Claims, Number, Status, Verdict
from isaclib.experiments.engine.criteria import (
    CLOSE_P_D,
    CLOSE_RMSE,
    MOST,
    average,
    best_at,
    fraction,
    median,
    status_of,
)
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.p1.config import Scenario
from isaclib.experiments.p1.figures import AUTOENCODER, FIG3

SWEET_SPOT = 0.09
"""omega_r at which both functions are good in the paper."""

CLAIMS = Claims("p1")


def degrees(result: Result) -> Table:
    """Autoencoders of Fig. 2, all trainings in the figure's own unit."""
    return result.where(**AUTOENCODER, unit="deg")


def weights(rows: Table) -> list[Any]:
    """Radar weights, rising."""
    return sorted(rows.split("omega_r"))


def mean_at(rows: Table, metric: str, omega_r: float) -> float:
    """Mean of a metric over trainings at one radar weight."""
    return statistics.fmean(rows.where(omega_r=omega_r)[metric].values)


def trained(name: str, rows: Table, metric: str, omega_r: float) -> Number:
    """A metric at one radar weight, over the trainings."""
    values = rows.where(omega_r=omega_r)[metric].values
    return average(f"{name} at omega_r = {omega_r:g}", values, "trainings")


def gaps(rows: Table, baseline: Table) -> tuple[list[float], list[float]]:
    """P_d less the baseline's, and RMSE over the baseline's, at equal SER and omega_r > 0."""
    differences, ratios = [], []
    columns = (rows[name].values for name in ("omega_r", "ser", "p_d", "rmse_deg"))
    for omega_r, ser, p_d, rmse in zip(*columns, strict=True):
        if omega_r > 0:
            differences.append(p_d - best_at(baseline, "p_d", ser, larger_is_better=True))
            ratios.append(rmse / best_at(baseline, "rmse_deg", ser, larger_is_better=False))
    return differences, ratios


def energy(fig3: Result, omega_r: float, sector: str) -> float:
    """Mean energy that a learned beam sends towards a sector, ``target`` or ``receiver``."""
    scenario: Scenario = FIG3.config(fig3).scenario
    low, high = getattr(scenario, f"{sector}_sector_deg")
    rows = fig3.where(system="autoencoder", omega_r=omega_r)
    pairs = zip(rows["angle_deg"].values, rows["energy"].values, strict=True)
    return statistics.fmean(e for angle, e in pairs if low <= angle <= high)


@CLAIMS.claim(
    "p1-tradeoff",
    "Fig. 2",
    says="Without impairments the autoencoder's SER-P_d and SER-RMSE trade-off is close to the "
    "model-based baseline.",
    criterion=f"In at least {MOST:.0%} of the points (omega_r > 0, all trainings) P_d is at most "
    f"{CLOSE_P_D} below, and in at least {MOST:.0%} the RMSE is at most {CLOSE_RMSE} times, "
    "the best that the baseline's sweep reaches without a larger SER.",
    needs="p1-fig2",
)
def tradeoff(fig2: Result) -> Verdict:
    """Compare each point with the baseline at equal SER."""
    differences, ratios = gaps(degrees(fig2), fig2.where(system="baseline"))
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


@CLAIMS.claim(
    "p1-radar-end",
    *("Fig. 2", "Fig. 3"),
    says="As omega_r -> 1 the SER degrades sharply: the beam leaves the communication receiver.",
    criterion="From the last omega_r below 1 to 1 the mean SER grows at least tenfold, and the "
    "beam of omega_r = 1 sends at most a tenth of the energy towards the receiver that the one of "
    "omega_r = 0 does.",
    needs=("p1-fig2", "p1-fig3"),
)
def radar_end(fig2: Result, fig3: Result) -> Verdict:
    """Compare the two largest radar weights, and the beams of the extreme ones."""
    rows = degrees(fig2)
    first, *_, before, last = weights(rows)
    ser_before, ser_last = (mean_at(rows, "ser", w) for w in (before, last))
    energy_first, energy_last = (energy(fig3, w, "receiver") for w in (first, last))
    return Verdict(
        status_of(ser_last >= 10 * ser_before, energy_last <= energy_first / 10),
        f"SER {ser_before:.4f} at omega_r = {before:g}, {ser_last:.4f} at {last:g}; mean energy "
        f"towards the receiver {energy_first:.2f} at omega_r = {first:g}, {energy_last:.3f} "
        f"at {last:g}",
        numbers=(
            *(trained("SER", rows, "ser", w) for w in (before, last)),
            Number(f"energy towards the receiver at omega_r = {first:g}", energy_first),
            Number(f"energy towards the receiver at omega_r = {last:g}", energy_last),
        ),
    )


@CLAIMS.claim(
    "p1-comm-end",
    *("Fig. 2", "Fig. 3"),
    says="As omega_r -> 0 detection probability falls and angle RMSE rises severely.",
    criterion="From omega_r = 0.09 over the smallest positive one to 0, mean P_d falls and mean "
    "RMSE rises: in all, P_d at least to half and the RMSE at least to twice.",
    needs="p1-fig2",
)
def comm_end(fig2: Result) -> Verdict:
    """Compare the two smallest radar weights with the sweet spot."""
    rows = degrees(fig2)
    places = [*weights(rows)[:2], SWEET_SPOT]
    p_d, rmse = ([mean_at(rows, m, w) for w in places] for m in ("p_d", "rmse_deg"))
    falls = p_d[0] <= p_d[2] / 2 and p_d[1] < p_d[2]
    rises = rmse[0] >= 2 * rmse[2] and rmse[1] > rmse[2]
    return Verdict(
        status_of(falls, rises),
        f"at omega_r = {', '.join(f'{w:g}' for w in places)}: P_d "
        f"{', '.join(f'{v:.3f}' for v in p_d)}; RMSE "
        f"{', '.join(f'{v:.2f}' for v in rmse)} degrees",
        numbers=tuple(
            trained(name, rows, metric, w)
            for name, metric in (("P_d", "p_d"), ("RMSE (degrees)", "rmse_deg"))
            for w in places
        ),
    )


@CLAIMS.claim(
    "p1-sweet-spot",
    *("Fig. 2", "Fig. 3"),
    says="Near omega_r = 0.09 both are good, and the beampattern points at both sectors.",
    criterion="At omega_r = 0.09 the mean P_d is at least 85 % of the largest and the mean SER at "
    "most five times the smallest over all omega_r, and the mean energy towards both sectors is "
    "above that of a single antenna.",
    needs=("p1-fig2", "p1-fig3"),
)
def sweet_spot(fig2: Result, fig3: Result) -> Verdict:
    """Compare the sweet spot with the best of all radar weights."""
    rows = degrees(fig2)
    best = max(mean_at(rows, "p_d", w) for w in weights(rows))
    least = min(mean_at(rows, "ser", w) for w in weights(rows))
    p_d, ser = (mean_at(rows, m, SWEET_SPOT) for m in ("p_d", "ser"))
    target, receiver = (energy(fig3, SWEET_SPOT, sector) for sector in ("target", "receiver"))
    return Verdict(
        status_of(p_d >= 0.85 * best and ser <= 5 * least, min(target, receiver) >= 1),
        f"P_d {p_d:.3f} (largest of all omega_r: {best:.3f}), SER {ser:.4f} (smallest: "
        f"{least:.4f}); mean energy towards target {target:.2f} and receiver {receiver:.2f} "
        f"(1 without a beam)",
        numbers=(
            trained("P_d", rows, "p_d", SWEET_SPOT),
            Number("largest mean P_d of all omega_r", best),
            trained("SER", rows, "ser", SWEET_SPOT),
            Number("smallest mean SER of all omega_r", least),
            Number("energy towards the target at omega_r = 0.09", target),
            Number("energy towards the receiver at omega_r = 0.09", receiver),
        ),
    )


@CLAIMS.claim(
    "p1-uncertainty-monotone",
    "Fig. 4",
    says="The angle RMSE rises monotonically with the reported sigma across omega_r.",
    criterion="Reproduced if sigma (root mean square) and RMSE put all pairs of omega_r in the "
    f"same order in every training, partly if {MOST:.0%} of the pairs.",
    needs="p1-fig4",
)
def uncertainty_monotone(fig4: Result) -> Verdict:
    """Count the pairs of radar weights that both quantities put in the same order."""
    alike = []
    for rows in degrees(fig4).split("repetition").values():
        sigma, rmse = (rows[name].values for name in ("sigma_deg", "rmse_deg"))
        pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
        alike.append([(sigma[i] - sigma[j]) * (rmse[i] - rmse[j]) > 0 for i, j in pairs])
    every = [pair for training in alike for pair in training]
    status: Status = "partly" if sum(every) / len(every) >= MOST else "not reproduced"
    return Verdict(
        "reproduced" if all(every) else status,
        "pairs of omega_r that sigma and RMSE put in the same order: "
        + ", ".join(f"{sum(training)} of {len(training)}" for training in alike)
        + f" in {len(alike)} trainings",
        numbers=(
            average(
                "share of the pairs of omega_r that sigma and RMSE put in the same order",
                [sum(training) / len(training) for training in alike],
                "trainings",
            ),
        ),
    )


@CLAIMS.claim(
    "p1-uncertainty-under",
    "Fig. 4",
    says="sigma slightly underestimates the RMSE.",
    criterion=f"In at least {MOST:.0%} of the points the RMSE is 1 to 1.5 times sigma; both for "
    "the root mean square of sigma and for its mean, since the paper does not say which it plots.",
    needs="p1-fig4",
)
def uncertainty_under(fig4: Result) -> Verdict:
    """Compare the RMSE with both averages of sigma."""
    rows = degrees(fig4)
    kinds = {"the root mean square of sigma": "sigma_deg", "the mean of sigma": "sigma_mean_deg"}
    found, inside, numbers = [], [], []
    for kind, name in kinds.items():
        pairs = zip(rows["rmse_deg"].values, rows[name].values, strict=True)
        ratios = [rmse / sigma for rmse, sigma in pairs]
        found.append(statistics.median(ratios))
        inside.append(fraction(ratios, lambda x: 1 < x <= 1.5))
        numbers.append(median(f"RMSE over {kind}", ratios, "points"))
        numbers.append(Number(f"share of the points between 1 and 1.5 times {kind}", inside[-1]))
    return Verdict(
        status_of(*(share >= MOST for share in inside)),
        f"RMSE over the root mean square of sigma: median {found[0]:.2f}, between 1 and 1.5 in "
        f"{inside[0]:.0%} of the points; over its mean: median {found[1]:.2f}, in {inside[1]:.0%}",
        numbers=tuple(numbers),
    )


@CLAIMS.claim(
    "p1-impairments",
    "Fig. 5",
    says="With spacing errors of lambda/30 the autoencoder adapts, the lambda/2 baseline pays a "
    "significant penalty.",
    criterion=f"In at least {MOST:.0%} of the points the autoencoder is as close to the baseline "
    "that knows the spacings as p1-tradeoff asks, in as many its RMSE is below that of the "
    "baseline that assumes half a wavelength, and the latter's best RMSE is at least 1.5 times the "
    "former's (median over all draws). First reading of the errors.",
    needs="p1-fig5",
)
def impairments(fig5: Result) -> Verdict:
    """Compare the autoencoder with both baselines, array by array."""
    first = fig5.where(model="cumulative")
    known, unknown = (first.where(system=name).split("array") for name in ("known", "unknown"))
    adapted: list[bool] = []
    differences: list[float] = []
    factors: list[float] = []
    for array, rows in first.where(**AUTOENCODER).split("array").items():
        pairs = zip(*gaps(rows, known[array]), strict=True)
        adapted += [d >= -CLOSE_P_D and r <= CLOSE_RMSE for d, r in pairs]
        to_unknown, rmse_to_unknown = gaps(rows, unknown[array])
        differences += to_unknown
        factors += rmse_to_unknown

    def best(rows: Table) -> float:
        return best_at(rows, "rmse_deg", 1, larger_is_better=False)

    penalties = [best(unknown[array]) / best(known[array]) for array in known]
    close, ahead = statistics.fmean(adapted), fraction(factors, lambda f: f < 1)
    return Verdict(
        status_of(close >= MOST, ahead >= MOST, statistics.median(penalties) >= 1.5),
        f"autoencoder within {CLOSE_P_D} in P_d and {CLOSE_RMSE} in RMSE of the baseline that "
        f"knows the spacings in {close:.0%} of the points, and below the "
        f"RMSE of the one that assumes half a wavelength in {ahead:.0%} (median ratio "
        f"{statistics.median(factors):.2f}; P_d difference, median "
        f"{statistics.median(differences):+.3f}); that one's own penalty over {len(penalties)} "
        f"draws: RMSE times {statistics.median(penalties):.2f} (median; "
        f"{min(penalties):.2f} to {max(penalties):.2f})",
        numbers=(
            Number("share of the autoencoder's points close to the baseline that knows", close),
            median("RMSE over that of the baseline that assumes lambda/2", factors, "points"),
            median("P_d less that of the baseline that assumes lambda/2", differences, "points"),
            median("RMSE of assuming lambda/2 over that of knowing", penalties, "arrays"),
        ),
    )


@CLAIMS.claim(
    "p1-sequential",
    "Sec. IV-C",
    says="Training the radar receiver networks one after another beats training all six at once.",
    criterion=f"Sequential training has the larger P_d and the smaller RMSE in at least {MOST:.0%} "
    "of the pairs (omega_r, training): against joint training with as many samples a network, "
    "and against joint training with as many steps in all.",
    needs="p1-sequential",
)
def sequential(result: Result) -> Verdict:
    """Compare the schedules pair by pair."""
    passed, texts, numbers = [], [], []
    own = result.where(**AUTOENCODER, schedule="sequential")
    for schedule in ("joint", "joint, equal steps"):
        joint = result.where(**AUTOENCODER, schedule=schedule)

        def pairs(metric: str, joint: Table = joint) -> Sequence[tuple[float, float]]:
            return list(zip(own[metric].values, joint[metric].values, strict=True))

        differences = [a - b for a, b in pairs("p_d")]
        ratios = [a / b for a, b in pairs("rmse_deg")]
        both = list(zip(differences, ratios, strict=True))
        better, against = (
            sum(d > 0 and r < 1 for d, r in both),
            sum(d < 0 and r > 1 for d, r in both),
        )
        passed.append(better / len(both) >= MOST)
        texts.append(
            f"against {schedule}: better in both P_d and RMSE in {better} of {len(both)} pairs, "
            f"worse in both in {against} (median P_d difference "
            f"{statistics.median(differences):+.3f}, RMSE ratio {statistics.median(ratios):.2f})"
        )
        numbers += [
            Number(f"share of the pairs better than {schedule} in both", better / len(both)),
            median(f"P_d less that of {schedule}", differences, "pairs"),
            median(f"RMSE over that of {schedule}", ratios, "pairs"),
        ]
    return Verdict(status_of(*passed), "sequential " + "; ".join(texts), numbers=tuple(numbers))


@CLAIMS.claim(
    "p1-maprt",
    "App. A",
    says="The detector of Eq. (18) is the maximum a-posteriori ratio test when the transmitted "
    "signal is maximised over.",
    criterion="No brute-force maximization of Eq. (14) exceeds the closed form from Eq. (18) by "
    "more than a thousandth, and half of them reach it to a thousandth.",
    needs="p1-maprt",
)
def maprt(result: Result) -> Verdict:
    """Compare both maxima echo by echo."""
    brute = result.where(check="brute force")
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

"""P2's claims: what the paper says, the criterion, and the check on stored results.

The thresholds were fixed before the sweeps were looked at. Systems are compared at equal SER: a
point of one with the best point of the other's sweep whose SER is not larger.
"""

import math
import statistics
from collections.abc import Sequence

import torch

from isaclib.experiments.engine.claims import Claims, Number, Verdict
from isaclib.experiments.engine.criteria import (
    CLOSE_P_D,
    CLOSE_RMSE,
    MOST,
    best_at,
    median,
    status_of,
)
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.engine.tasks import At
from isaclib.experiments.p2.config import IMPAIRED_PRESETS
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

KNOWN: At = {"system": "baseline", "spacings": "known"}
UNKNOWN: At = {"system": "baseline", "spacings": "unknown"}
MATRIX: At = {"system": "model-driven"}
NETWORKS: At = {"system": "networks", "step": "angle"}
UNLIMITED: At = {"complexity": "unlimited"}
LIMITED: At = {"complexity": "limited"}
COMPLEXITIES = (UNLIMITED, LIMITED)

Gap = tuple[float, float]
"""P_md less the reference's, and RMSE over the reference's."""

CLOSE = f"at most {CLOSE_P_D} above in P_md and at most {CLOSE_RMSE} times in RMSE"

CLAIMS = Claims("p2")


class Gaps(tuple[Gap, ...]):
    """Distances of a learner's points from a reference."""

    @property
    def close(self) -> float:
        """Share of the points that are close to the reference in both metrics, or better."""
        return statistics.fmean(p <= CLOSE_P_D and r <= CLOSE_RMSE for p, r in self)

    @property
    def ahead(self) -> float:
        """Share of the points that are better than the reference in both metrics."""
        return statistics.fmean(p < 0 and r < 1 for p, r in self)

    def medians(self) -> Gap:
        """Median of either distance, over the points where it is defined."""
        p_md, rmse = ([v for v in c if not math.isnan(v)] for c in zip(*self, strict=True))
        return statistics.median(p_md), statistics.median(rmse) if rmse else math.nan

    def __str__(self) -> str:
        p_md, rmse = self.medians()
        return f"medians: P_md {p_md:+.3f}, RMSE x{rmse:.2f}"

    def numbers(self, who: str, reference: str) -> tuple[Number, Number]:
        """Medians of both distances, with their ranges."""
        p_md, rmse = zip(*self, strict=True)
        return (
            median(f"P_md, {who} less {reference}", p_md, "points"),
            median(f"RMSE, {who} over {reference}", rmse, "points"),
        )


def gaps(curve: Table, reference: Table, least_weight: float = 0.0) -> Gaps:
    """Distances of a learner's points from a reference at equal SER, for omega_r > 0."""
    found = []
    columns = (curve[name].values for name in ("omega_r", "ser", "p_md", "rmse_deg"))
    for weight, ser, *values in zip(*columns, strict=True):
        if weight > 0 and weight >= least_weight:
            metrics = ("p_md", "rmse_deg")
            p_md, rmse = (best_at(reference, m, ser, larger_is_better=False) for m in metrics)
            found.append((values[0] - p_md, values[1] / rmse))
    return Gaps(found)


def over_arrays(rows: Table, learner: At, reference: At, least_weight: float = 0.0) -> Gaps:
    """Distances over all arrays that both were trained for, or measured on."""
    curves, others = (rows.where(**at).split("array") for at in (learner, reference))
    pairs = [(curve, others[array]) for array, curve in curves.items() if array in others]
    return Gaps(gap for pair in pairs for gap in gaps(*pair, least_weight))


def both_learners(reference: str, matrix: Gaps, networks: Gaps) -> tuple[str, tuple[Number, ...]]:
    """How close both learners are to a reference, in words and in numbers."""
    words = (
        f"model-driven learning in {matrix.close:.0%} of the points ({matrix}), networks in "
        f"{networks.close:.0%} ({networks})"
    )
    return words, (
        *matrix.numbers("model-driven", reference),
        Number("share of model-driven learning's points that are close", matrix.close),
        *networks.numbers("networks", reference),
        Number("share of the networks' points that are close", networks.close),
    )


@CLAIMS.claim(
    "p2-ideal",
    "Fig. 3",
    says="Without impairments and with unlimited complexity there is no significant difference "
    "between both learners and the baseline.",
    criterion=f"In at least {MOST:.0%} of the points (omega_r > 0) each learner is {CLOSE} the "
    "best that the baseline reaches without a larger SER.",
    needs="p2-fig3",
)
def ideal(fig3: Result) -> Verdict:
    """Compare both learners, in the figure's own readings, with the baseline."""
    baseline, own = fig3.where(system="baseline"), {"indicator": "all", "angle_unit": "deg"}
    matrix, networks = (
        gaps(fig3.where(**learner), baseline)
        for learner in ({**MATRIX, "reading": "literal"}, {**NETWORKS, **own})
    )
    words, numbers = both_learners("baseline", matrix, networks)
    return Verdict(
        status_of(matrix.close >= MOST, networks.close >= MOST),
        f"within {CLOSE_P_D} in P_md and {CLOSE_RMSE} in RMSE of the baseline: {words}",
        numbers=numbers,
    )


@CLAIMS.claim(
    "p2-impaired",
    "Fig. 4",
    says="With impairments the baseline's angle estimate drops; both learners adapt.",
    criterion=f"Assuming half a wavelength costs the baseline an RMSE of at least {CLOSE_RMSE} "
    "times (median over all arrays), and both learners, their complexity unlimited, are in at "
    f"least {MOST:.0%} of their points {CLOSE} the baseline that knows the spacings.",
    needs="p2-fig4",
)
def impaired(fig4: Result) -> Verdict:
    """Compare the baseline that assumes, and the learners, with the one that knows."""
    seen = fig4.where(sector="seen")
    known, unknown = (
        [best_at(rows, "rmse_deg", 1, larger_is_better=False) for rows in each.values()]
        for each in (seen.where(**who).split("array") for who in (KNOWN, UNKNOWN))
    )
    penalties = [u / k for u, k in zip(unknown, known, strict=True)]
    matrix, networks = (over_arrays(seen, {**at, **UNLIMITED}, KNOWN) for at in (MATRIX, NETWORKS))
    penalty = statistics.median(penalties)
    words, numbers = both_learners("knowing baseline", matrix, networks)
    return Verdict(
        status_of(penalty >= CLOSE_RMSE, matrix.close >= MOST, networks.close >= MOST),
        f"assuming half a wavelength costs the baseline RMSE x{penalty:.2f} (median of "
        f"{len(penalties)} arrays, {min(penalties):.2f} to {max(penalties):.2f}); close to the "
        f"baseline that knows the spacings: {words}",
        numbers=(
            median("RMSE of assuming lambda/2 over that of knowing", penalties, "arrays"),
            *numbers,
        ),
    )


@CLAIMS.claim(
    "p2-nn-edge",
    "Fig. 4",
    says="With unlimited complexity the neural networks do slightly better than model-driven "
    "learning.",
    criterion="The networks are ahead of model-driven learning at equal SER in at least "
    f"{MOST:.0%} of their points in P_md, and in as many in RMSE.",
    needs="p2-fig4",
)
def nn_edge(fig4: Result) -> Verdict:
    """Compare the networks with the steering matrices."""
    pair = {**NETWORKS, **UNLIMITED}, {**MATRIX, **UNLIMITED}
    found = over_arrays(fig4.where(sector="seen"), *pair)
    p_md, rmse = (statistics.fmean(gap[i] < i for gap in found) for i in (0, 1))
    return Verdict(
        status_of(p_md >= MOST, rmse >= MOST),
        f"networks ahead of model-driven learning in P_md in {p_md:.0%} of the points, in RMSE in "
        f"{rmse:.0%} ({found})",
        numbers=(
            Number("share of the points ahead in P_md", p_md),
            Number("share of the points ahead in RMSE", rmse),
            *found.numbers("networks", "model-driven"),
        ),
    )


@CLAIMS.claim(
    "p2-limited",
    "Fig. 4",
    says="Limited to about 5,000 parameters, the neural networks degrade in detection and angle; "
    "model-driven learning does not.",
    criterion=f"Limited networks lose at equal SER (medians) more than {CLOSE_P_D} in P_md, and "
    f"more than a factor {CLOSE_RMSE} in RMSE, to unlimited ones; limited model-driven learning "
    f"is in at least {MOST:.0%} of its points {CLOSE} the unlimited one.",
    needs="p2-fig4",
)
def limited(fig4: Result) -> Verdict:
    """Compare each learner with itself."""
    seen = fig4.where(sector="seen")
    networks = over_arrays(seen, {**NETWORKS, **LIMITED}, {**NETWORKS, **UNLIMITED})
    matrices = {**MATRIX, **LIMITED}, {**MATRIX, **UNLIMITED}
    matrix, sensing = (over_arrays(seen, *matrices, least) for least in (0.0, RADAR_WEIGHT))
    p_md, rmse = networks.medians()
    return Verdict(
        status_of(p_md > CLOSE_P_D, rmse > CLOSE_RMSE, matrix.close >= MOST),
        f"limited against unlimited: networks' medians P_md {p_md:+.3f}, RMSE x{rmse:.2f}; "
        f"model-driven learning stays close in {matrix.close:.0%} of the points "
        f"({matrix}), in {sensing.close:.0%} of those with omega_r >= {RADAR_WEIGHT}",
        numbers=(
            *networks.numbers("limited networks", "unlimited ones"),
            *matrix.numbers("limited model-driven", "unlimited"),
            Number("share of model-driven learning's points that stay close", matrix.close),
            Number(f"the same share for omega_r >= {RADAR_WEIGHT}", sensing.close),
        ),
    )


@CLAIMS.claim(
    "p2-generalise",
    "Fig. 5",
    says="On the unseen sector [-20°, 20°] model-driven learning is best, ahead of the baseline "
    "and of the networks, in detection and angle.",
    criterion="At equal SER and both complexities model-driven learning is ahead in P_md and in "
    f"RMSE in at least {MOST:.0%} of its points of the baseline that assumes half a wavelength, "
    "and in as many of the networks.",
    needs="p2-fig5",
)
def generalise(fig5: Result) -> Verdict:
    """Compare the steering matrices with either competitor."""

    def ahead_of(references: Sequence[At], least_weight: float) -> Gaps:
        """Matrices of both complexities, each with its reference."""
        pairs = [({**MATRIX, **s}, r) for s, r in zip(COMPLEXITIES, references, strict=True)]
        return Gaps(gap for p in pairs for gap in over_arrays(fig5.rows, *p, least_weight))

    words, numbers, shares = [], [], []
    networks = [{**NETWORKS, **complexity} for complexity in COMPLEXITIES]
    for who, references in (("baseline", [UNKNOWN] * 2), ("networks", networks)):
        found, sensing = (ahead_of(references, least) for least in (0.0, RADAR_WEIGHT))
        shares.append(found.ahead)
        words.append(
            f"in {found.ahead:.0%} of the points ({found}), in {sensing.ahead:.0%} of those with "
            f"omega_r >= {RADAR_WEIGHT}"
        )
        numbers += [
            *found.numbers("model-driven", who),
            Number(f"share of the points ahead of the {who}", found.ahead),
            Number(f"share ahead of the {who} for omega_r >= {RADAR_WEIGHT}", sensing.ahead),
        ]
    return Verdict(
        status_of(*(share >= MOST for share in shares)),
        "model-driven learning ahead in both P_md and RMSE of the baseline that assumes half a "
        f"wavelength {words[0]}; of the networks {words[1]}",
        numbers=tuple(numbers),
    )


def parameter_counts(complexity: str) -> tuple[int, int]:
    """Trainable parameters of the sensing networks, and of the steering matrix."""
    config = IMPAIRED_PRESETS["paper"]
    scenario, (matrix, networks) = config.scenario, config.trainings()[complexity]
    with torch.device("meta"):
        model = SectorAutoencoder(scenario.num_antennas, scenario.order, networks.width)
    real = count_parameters(*(model.get_submodule(name) for name in SENSING))
    return real, count_parameters(ModelDriven(scenario.num_antennas, matrix.grid_size)) // 2


@CLAIMS.claim(
    "p2-parameters",
    *("Sec. V-B", "Sec. V-C"),
    says="The networks have 6.4 million (N = 1024) and about 5,000 (N = 21) real parameters, the "
    "matrices 8,000 (N_grid = 500) and about 2,500 (N_grid = 156) complex ones.",
    criterion=f"Each count of this implementation differs by at most {ALMOST:.0%}.",
)
def parameters() -> Verdict:
    """Count."""
    found = {name: parameter_counts(name) for name in PARAMETERS}
    passed = [
        abs(count - stated) <= ALMOST * stated
        for name, pair in found.items()
        for count, stated in zip(pair, PARAMETERS[name], strict=True)
    ]
    (wide, large), (narrow, small) = found["unlimited"], found["limited"]
    kinds = ("real parameters of the networks", "complex parameters of the matrix")
    return Verdict(
        status_of(*passed),
        f"{wide:,} and {narrow:,} real parameters of the networks, {large:,} and {small:,} complex "
        "ones of the steering matrices",
        ("paper",),
        tuple(
            Number(f"{kind}, {name} complexity", count)
            for name, pair in found.items()
            for kind, count in zip(kinds, pair, strict=True)
        ),
    )

"""The criteria that test P3's claims on the stored results.

The thresholds were fixed before the desk runs, and stand in words in ``p3_claims``. How far two
systems are apart in misdetection is told as a share of the *gap*: what not knowing the spacings
costs the baseline on the same array. It is a mean over all arrays, and its interval that of the
test samples behind it.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from isaclib.experiments.engine.claims import Number, Verdict
from isaclib.experiments.engine.criteria import (
    CLOSE_RMSE,
    MOST,
    average,
    best_at,
    fraction,
    point,
    status_of,
)
from isaclib.experiments.engine.drawing import named
from isaclib.experiments.engine.results import Result, Series
from isaclib.experiments.p3.config import PAPER_LABELLED, PAPER_STEPS
from isaclib.metrics import pareto_front

CLOSE = 0.1
"""Largest share of the gap that counts as close."""
CONSIDERABLE = 0.25
"""Smallest share of the gap that counts as considerably worse."""
EARLY = 20_000 / 85_000
"""Share of all iterations before which unsupervised learning is ahead in the paper."""
CUT_OFF = (0.005, 0.02)
"""Labelled shares between which a cut-off is said to be at about 1 %."""
WORSE_SER = 1.1
"""Smallest ratio of symbol error rates that counts as worse."""

Difference = tuple[float, float]
"""Mean over the arrays, and half of its interval, in shares of the gap."""

At = tuple[Series, int]
"""A point of a series."""


def _p_md(at: At) -> float:
    series, index = at
    return series["p_md"].values[index]


def _half(at: At) -> float:
    """Half of the interval of a point."""
    series, index = at
    low, high = series["p_md"].low, series["p_md"].high
    if low is None or high is None:
        raise ValueError(f"series {series.name!r} must have an interval of p_md, got none")
    return (high[index] - low[index]) / 2


def gap(result: Result, draw: int) -> float:
    """What not knowing the spacings of an array costs the baseline in misdetection."""
    unknown, known = (result[f"{name}/{draw}"]["p_md"].values for name in ("unknown", "known"))
    return min(unknown) - min(known)


def difference(gaps: Sequence[float], first: Sequence[At], second: Sequence[At]) -> Difference:
    """How much worse one system is than another, array by array."""
    pairs = list(zip(gaps, first, second, strict=True))
    mean = statistics.fmean((_p_md(a) - _p_md(b)) / g for g, a, b in pairs)
    squares = [(_half(a) ** 2 + _half(b) ** 2) / g**2 for g, a, b in pairs]
    return mean, math.sqrt(sum(squares)) / len(pairs)


def _words(found: Difference) -> str:
    return f"{found[0]:+.0%} ± {found[1]:.0%} of the gap"


def _share_of_gap(name: str, found: Difference) -> Number:
    """A difference with its interval."""
    mean, half = found
    words = "share of the gap, 95 % interval of the test samples"
    return Number(name, mean, mean - half, mean + half, words)


def _level_number(result: Result, name: str) -> Number:
    """Misdetection probability of a system's last points, over the arrays."""
    values = [_p_md(at) for at in _ends(result, name, _draws(result, name))]
    return average(f"P_md at the end, {name}", values, "arrays")


def _draws(result: Result, prefix: str) -> range:
    return range(len(named(result, f"{prefix}/")))


def _ends(result: Result, name: str, draws: Sequence[int]) -> list[At]:
    """Last points of a system's series."""
    return [(result[f"{name}/{draw}"], -1) for draw in draws]


def _end_difference(result: Result, first: str, second: str) -> Difference:
    """Difference of two systems' last points over the arrays that both were trained for."""
    draws = range(min(len(_draws(result, first)), len(_draws(result, second))))
    gaps = [gap(result, draw) for draw in draws]
    return difference(gaps, _ends(result, first, draws), _ends(result, second, draws))


def _level(result: Result, name: str) -> float:
    """Mean misdetection probability of a system's last points."""
    return statistics.fmean(_p_md(at) for at in _ends(result, name, _draws(result, name)))


def check_ul_first(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-ul-first``."""
    result = results["p3-fig3"]
    draws = _draws(result, "SL")
    gaps = [gap(result, draw) for draw in draws]
    iterations = result["SL/0"]["iteration"].values
    total = iterations[-1]
    both = [i for i in result["UL/0"]["iteration"].values if i in iterations]
    found = {
        iteration: difference(
            gaps,
            *(
                [
                    (series, series["iteration"].values.index(iteration))
                    for series in (result[f"{name}/{draw}"] for draw in draws)
                ]
                for name in ("UL", "SL")
            ),
        )
        for iteration in both
    }
    early = [d for iteration, d in found.items() if iteration <= EARLY * total]
    ahead = fraction([mean + half for mean, half in early], lambda end: end < 0)
    last = found[total]
    overtaken = [i for i, (mean, half) in found.items() if mean > half]
    crossing = f"{overtaken[0] / total:.0%} of the iterations" if overtaken else "nowhere"
    return Verdict(
        status_of(ahead >= 0.5, last[0] > last[1]),
        f"UL significantly ahead at {ahead:.0%} of the marks before {EARLY:.0%} of the iterations; "
        f"SL first significantly ahead at {crossing}; at the end UL is {_words(last)} above SL "
        f"(P_md {_level(result, 'UL'):.4f} and {_level(result, 'SL'):.4f})",
        numbers=(
            Number("share of the early marks at which UL is significantly ahead", ahead),
            _share_of_gap("UL less SL at the end", last),
            *(_level_number(result, name) for name in ("UL", "SL")),
        ),
    )


def check_order(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-order``."""
    result = results["p3-fig3"]
    found = _end_difference(result, "UL+SL", "SL+UL")
    return Verdict(
        status_of(found[0] > found[1]),
        f"at the end UL+SL is {_words(found)} above SL+UL (P_md {_level(result, 'UL+SL'):.4f} and "
        f"{_level(result, 'SL+UL'):.4f})",
        numbers=(
            _share_of_gap("UL+SL less SL+UL at the end", found),
            *(_level_number(result, name) for name in ("UL+SL", "SL+UL")),
        ),
    )


def check_thousand(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-1000``."""
    result = results["p3-fig3"]
    found = _end_difference(result, "SL+UL", "SL")
    return Verdict(
        status_of(found[0] <= CLOSE),
        f"at the end SL+UL is {_words(found)} above SL (P_md {_level(result, 'SL+UL'):.4f} and "
        f"{_level(result, 'SL'):.4f}; known {_level(result, 'known'):.4f}, unknown "
        f"{_level(result, 'unknown'):.4f})",
        numbers=(
            _share_of_gap("SL+UL less SL at the end", found),
            *(_level_number(result, name) for name in ("SL+UL", "SL", "known", "unknown")),
        ),
    )


def _ratios(result: Result) -> dict[float, Difference]:
    """Difference of semi-supervised from supervised learning at each labelled share."""
    draws = _draws(result, "SL+UL")
    gaps = [gap(result, draw) for draw in draws]
    whole = _ends(result, "SL", draws)
    return {
        ratio: difference(gaps, [(result[f"SL+UL/{d}"], index) for d in draws], whole)
        for index, ratio in enumerate(result["SL+UL/0"]["ratio"].values)
    }


def check_ratio(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-ratio``."""
    found = _ratios(results["p3-fig4"])
    chosen = min(found, key=lambda ratio: abs(ratio - PAPER_LABELLED / PAPER_STEPS))
    beyond = [d for ratio, d in found.items() if ratio > chosen]
    close = fraction([mean for mean, _ in beyond], lambda mean: mean <= CLOSE)
    return Verdict(
        status_of(found[chosen][0] <= CLOSE, close == 1),
        f"with {chosen:.2%} labels {_words(found[chosen])} above SL; close to it at {close:.0%} of "
        "the larger shares",
        numbers=(
            _share_of_gap(f"SL+UL with {chosen:.2%} labels less SL", found[chosen]),
            Number("share of the larger labelled shares that are close", close),
        ),
    )


def check_cut_off(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-cutoff``."""
    found = _ratios(results["p3-fig4"])
    fewest = found[min(ratio for ratio in found if ratio > 0)]
    far = [ratio for ratio, (mean, _) in found.items() if mean > CLOSE]
    near = [ratio for ratio in found if not far or ratio > max(far)]
    edge = min(near) if near else math.inf
    place = f"from {edge:.2%} on" if near else "nowhere"
    return Verdict(
        status_of(fewest[0] >= CONSIDERABLE, CUT_OFF[0] <= edge <= CUT_OFF[1]),
        f"with the fewest labels {_words(fewest)} above SL; close to it {place}",
        numbers=tuple(
            _share_of_gap(f"SL+UL with {ratio:.2%} labels less SL", apart)
            for ratio, apart in found.items()
            if ratio <= CUT_OFF[1]
        ),
    )


def _close_points(learner: Series, known: Series, unknown: Series) -> tuple[float, float]:
    """Shares of a front's points that are close to the baseline at equal SER: P_md, RMSE."""
    found = []
    for metric in ("p_md", "position"):
        passed = []
        for index in pareto_front(learner["ser"].values, learner[metric].values):
            ser = learner["ser"].values[index]
            best, worst = (
                best_at(s, metric, ser, larger_is_better=False) for s in (known, unknown)
            )
            low = (learner[metric].low or learner[metric].values)[index]
            allowed = best + CLOSE * (worst - best) if metric == "p_md" else CLOSE_RMSE * best
            passed.append(low <= allowed)
        found.append(statistics.fmean(passed))
    return found[0], found[1]


def check_known(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-known``."""
    result = results["p3-fig5"]
    pairs = [
        _close_points(*(result[f"{name}/{draw}"] for name in ("SL", "known", "unknown")))
        for draw in _draws(result, "SL")
    ]
    p_md, rmse = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    best = statistics.fmean(min(s["p_md"].values) for s in named(result, "SL/"))
    known = statistics.fmean(min(s["p_md"].values) for s in named(result, "known/"))
    return Verdict(
        status_of(p_md >= MOST, rmse >= MOST),
        f"close to the baseline that knows the spacings at equal SER: in P_md {p_md:.0%} of the "
        f"Pareto points, in position RMSE {rmse:.0%}; smallest P_md {best:.4f} (known {known:.4f})",
        numbers=(
            average("share of the Pareto points close in P_md", [p for p, _ in pairs], "arrays"),
            average("share of the Pareto points close in RMSE", [r for _, r in pairs], "arrays"),
            Number("smallest P_md, SL", best),
            Number("smallest P_md, known", known),
        ),
    )


def check_limited(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-limited``."""
    result = results["p3-fig5"]
    draws = _draws(result, "SL")
    gaps = [gap(result, draw) for draw in draws]

    def best(name: str) -> list[At]:
        curves = [result[f"{name}/{draw}"] for draw in draws]
        return [(s, s["p_md"].values.index(min(s["p_md"].values))) for s in curves]

    def ratios(name: str) -> list[float]:
        pairs = [(result[f"{name}/{draw}"], result[f"SL/{draw}"]) for draw in draws]
        return [min(a["ser"].values) / min(b["ser"].values) for a, b in pairs]

    def ser(name: str) -> float:
        return statistics.fmean(ratios(name))

    short, semi = (difference(gaps, best(name), best("SL")) for name in ("SL short", "SL+UL"))
    return Verdict(
        status_of(
            short[0] > CLOSE,
            ser("SL short") >= WORSE_SER,
            semi[0] <= CLOSE,
            ser("SL+UL") < WORSE_SER,
        ),
        f"against SL with all iterations: SL with few, smallest P_md {_words(short)} above, "
        f"smallest SER x{ser('SL short'):.2f}; continued without labels, {_words(semi)} and "
        f"x{ser('SL+UL'):.2f}",
        numbers=(
            _share_of_gap("smallest P_md, SL with few iterations less SL", short),
            average("smallest SER, SL with few over SL", ratios("SL short"), "arrays"),
            _share_of_gap("smallest P_md, SL+UL less SL", semi),
            average("smallest SER, SL+UL over SL", ratios("SL+UL"), "arrays"),
        ),
    )


def check_drop(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-lr-drop``."""
    result = results["p3-learning"]
    found = _end_difference(result, "no drop", "supervised")
    return Verdict(
        status_of(found[0] > found[1]),
        f"without the drop {_words(found)} above SL with it (P_md {_level(result, 'no drop'):.4f} "
        f"and {_level(result, 'supervised'):.4f})",
        numbers=(
            _share_of_gap("without the drop less with it, at the end", found),
            *(_level_number(result, name) for name in ("no drop", "supervised")),
        ),
    )


def _end_level(result: Result, variation: Mapping[str, Any]) -> float:
    """Mean misdetection probability after a training, infinite if one diverged before its end."""
    training, name = variation["training"], variation["name"]
    total = training["steps"] * training["batch"]
    reached = [curve["samples"].values[-1] for curve in named(result, f"{name}/")]
    if len(reached) < result.config["draws"] or min(reached) < total:
        return math.inf
    return _level(result, name)


def check_divergence(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-divergence``."""
    result = results["p3-learning"]
    rates = {
        float(v["name"].removeprefix("rate x")): v
        for v in result.config["variations"]
        if v["name"].startswith("rate x")
    }
    first = result.config["variations"][0]
    rates[float(first["training"]["rate"])] = first
    start = _level(result, "unknown")
    ends = {rate: _end_level(result, v) for rate, v in sorted(rates.items()) if rate > 1}
    numbers = ", ".join(
        f"{end:.4f} at x{rate:g}" if end < math.inf else f"none at x{rate:g}, which broke off"
        for rate, end in ends.items()
    )
    return Verdict(
        status_of(*(not end < start for end in ends.values())),
        f"P_md after learning rates above the paper's: {numbers}; before learning {start:.4f}",
        numbers=tuple(
            Number(f"P_md, {what}", level)
            for what, level in (
                ("before learning", start),
                *((f"at the end, learning rate x{rate:g}", end) for rate, end in ends.items()),
            )
            if level < math.inf
        ),
    )


def check_constellation(results: Mapping[str, Result]) -> Verdict:
    """Criterion of ``p3-constellation``."""
    result = results["p3-constellation"]
    reciprocal, matched = ((result[name], -1) for name in ("reciprocal", "matched"))
    apart = _p_md(reciprocal) - _p_md(matched)
    half = math.hypot(_half(reciprocal), _half(matched))
    order = int(result["matched"]["order"].values[-1])
    return Verdict(
        status_of(apart <= half),
        f"P_md with {order}-QAM {_p_md(reciprocal):.4f} after reciprocal filtering and "
        f"{_p_md(matched):.4f} of the MAPRT with the symbols' moduli ({apart:+.4f} ± {half:.4f}); "
        f"with QPSK {result['reciprocal']['p_md'].values[0]:.4f}",
        numbers=tuple(
            point(f"P_md with {order:g} symbols, filter {name}", result[name], "p_md", index)
            for index, order in enumerate(result["matched"]["order"].values)
            for name in ("reciprocal", "matched")
        ),
    )

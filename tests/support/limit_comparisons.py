"""What was measured beside what bounds it, for all stored results of P1, P2 and P3."""

import functools
import math
from statistics import NormalDist
from typing import NamedTuple

import torch
from stored_places import places

from isaclib.experiments.limits.runs import FRONT
from isaclib.experiments.p2.runs import UNSEEN
from isaclib.limits.beams import best_beam, errors_certificate, fewest_errors
from isaclib.signal.beamforming import least_squares_beam

FAMILY = 0.05
"""Probability that receivers at their bounds, all of them, would seem to beat any of them."""

STORED = NormalDist().inv_cdf(0.975)
"""Half-width of the stored intervals in standard deviations."""

FOUR_SYMBOLS = 0.996
"""What other symbols make of the SER of QPSK at best, see the test of this number."""

MISSES = ("p_md", "p_d", "p_d_known", "p_d_unknown")


class Comparison(NamedTuple):
    """A measured value that should not be below a bound.

    Attributes:
        what: Figure, series, point and metric.
        value: What was measured.
        bound: What it should not be below.
        half: Half-width of the interval of their difference for a confidence of 95 %.
    """

    what: str
    value: float
    bound: float
    half: float


def beaten(comparisons):
    """Bounds that are beaten beyond the interval of all comparisons together.

    By Bonferroni's inequality: each of n one-sided tests is at the level 0.05 / n, whatever their
    dependence, so the stored intervals are widened by the ratio of the normal quantiles.
    """
    wide = NormalDist().inv_cdf(1 - FAMILY / len(comparisons)) / STORED
    return [c for c in comparisons if c.value + wide * c.half < c.bound]


def upper(series, name, index):
    """Value and half-width of its interval towards larger values; misses for detections."""
    q = series[name]
    if name.startswith("p_d"):
        return 1 - q.values[index], q.values[index] - q.low[index]
    return q.values[index], q.high[index] - q.values[index]


def lower_half(series, name, index):
    return series[name].values[index] - series[name].low[index]


def detuned(misses, p_fa, samples):
    """Half-width of the misses from a threshold that is set on so many samples.

    A Swerling-1 target is missed with the probability 1 - P_fa^(1/(1+q)), whose slope over ln P_fa
    is P_d ln P_d / ln P_fa: concave in P_d, so the mean over targets is less. A search has a
    higher threshold, and with it a smaller slope.
    """
    detected = min(max(1 - misses, 1e-12), 1.0)
    slope = detected * math.log(detected) / math.log(p_fa)
    return STORED * slope * math.sqrt((1 - p_fa) / (p_fa * samples))


@functools.cache
def floors(place):
    """Misses and symbol errors that no receiver goes below with any beam, by certificates.

    Any beam would prove some bound; those after a few iterations prove tight ones. Where spacings
    are so large that elements change places the bound on misses can be empty.
    """
    criteria = place.criteria()

    def start(sector):
        beam = least_squares_beam(sector, criteria.positions, grid_size=500).to(torch.complex128)
        return (beam / torch.linalg.vector_norm(beam)).unsqueeze(0)

    radar, user = start(criteria.target_sector), start(criteria.receiver_sector)
    misses = best_beam(criteria, math.inf, radar, iterations=10).floor
    errors = errors_certificate(criteria, fewest_errors(criteria, user, iterations=10))
    return misses, FOUR_SYMBOLS * errors


def against_floors(result):
    """All points of a figure, against what no beam goes below on their arrays."""
    found = []
    for series in result.series:
        metrics = [m for m in ("ser", *MISSES) if m in series.quantities]
        for index, place in enumerate(places(result, series) if metrics else []):
            misses, errors = floors(place)
            for metric in metrics:
                what = f"{result.figure} {series.name}[{index}] {metric}"
                value, half = upper(series, metric, index)
                if metric == "ser":
                    found.append(Comparison(what, value, errors, half))
                else:
                    p_fa = result.config["scenario"]["p_fa"]
                    # The threshold is set on as many samples as detections are counted on.
                    off = detuned(misses, p_fa, series[metric].count[index])
                    found.append(Comparison(what, value, misses, math.hypot(half, off)))
    return found


def against_limits(result, p_fa=0.01):
    """All points of a figure of limits: against their own beam's limits, and against the front."""
    samples = result.config["test"]["samples"]
    fronts = {s.name: s for s in result.series if s.name.startswith(FRONT)}
    found = []
    for front in fronts.values():
        found += _consistent(result, front, detuned, p_fa, samples)
    for series in result.series:
        if series.name in fronts:
            continue
        front = fronts[front_of(series.name)]
        for index in range(len(series)):
            what = f"{result.figure} {series.name}[{index}]"
            if "p_md" in series.quantities:
                found += _own_beam(what, series, index, p_fa, samples)
            if "measured_ser" in series.quantities:
                found += _front(what, series, index, front)
    # RMSEs are not known where nothing was detected.
    return [c for c in found if not math.isnan(c.value)]


def front_of(name):
    """Name of the best beams for the array and target sector of a series."""
    draws = [part for part in name.split("/") if part.isdecimal()]
    return f"{FRONT}/{draws[0] if draws else 0}{UNSEEN if name.endswith(UNSEEN) else ''}"


def _own_beam(what, series, index, p_fa, samples):
    """A system against the best receiver for its beam.

    Both meet the same targets and noise, so their difference is closer than intervals of
    independent measurements say, which are taken here.
    """
    for metric, limit in (("p_md", "p_md"), ("rmse", "rmse_limit")):
        value, half = upper(series, f"measured_{metric}", index)
        halves = [half, lower_half(series, limit, index)]
        if metric == "p_md":
            halves += 2 * [detuned(value, p_fa, samples)]
        yield Comparison(f"{what} {limit}", value, series[limit].values[index], math.hypot(*halves))


def _front(what, series, index, front):
    """A system against all beams: its SER, and its misses given its SER."""
    ser, half = upper(series, "measured_ser", index)
    yield Comparison(f"{what} ser_floor", ser, FOUR_SYMBOLS * front["ser_floor"].values[0], half)
    # The floor of a point is for beams of at most its SER. That of the system may be a little
    # larger than measured: six standard deviations are more than any family here asks for.
    largest = (ser + 6 / STORED * half) / FOUR_SYMBOLS
    allowed = [i for i in range(len(front)) if front["ser"].values[i] >= largest]
    # The last floor is for any SER.
    floor = front["floor_known"].values[min(allowed, default=len(front) - 1)]
    value, half = upper(series, "measured_p_md", index)
    yield Comparison(f"{what} floor_known", value, floor, half)


def _consistent(result, front, detuned, p_fa, samples):
    """The best beams: the test between what it would do at a known place, and a search."""
    for index in range(len(front)):
        what = f"{result.figure} {front.name}[{index}]"
        value, half = upper(front, "p_md", index)
        off = detuned(value, p_fa, samples)
        known, search = (front[n].values[index] for n in ("floor_known", "p_md_search"))
        yield Comparison(f"{what} floor_known", value, known, math.hypot(half, off))
        half = math.hypot(lower_half(front, "p_md", index), off, off)
        yield Comparison(f"{what} p_md_search", search, value, half)

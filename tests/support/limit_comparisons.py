"""What was measured beside what bounds it, for all stored results of P1, P2 and P3."""

import functools
import math
from statistics import NormalDist
from typing import NamedTuple

import torch
from stored_places import places

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
        what: Figure, coordinates and metric.
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


def label(result, index, metric):
    """Figure, coordinates and metric of a row."""
    columns = result.rows.coordinates.items()
    at = ", ".join(f"{name}={c[index]}" for name, c in columns if c[index] is not None)
    return f"{result.figure} {at}: {metric}"


def upper(rows, name, index):
    """Value and half-width of its interval towards larger values; misses for detections."""
    q = rows[name]
    if name.startswith("p_d"):
        return 1 - q.values[index], q.values[index] - q.low[index]
    return q.values[index], q.high[index] - q.values[index]


def lower_half(rows, name, index):
    return rows[name].values[index] - rows[name].low[index]


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
    """All rows of a figure, against what no beam goes below on their arrays."""
    rows, found = result.rows, []
    metrics = [m for m in ("ser", *MISSES) if m in rows.quantities]
    for index, place in enumerate(places(result) if metrics else []):
        misses, errors = floors(place)
        for metric in metrics:
            value, half = upper(rows, metric, index)
            what = label(result, index, metric)
            if metric == "ser":
                found.append(Comparison(what, value, errors, half))
            elif not math.isnan(value):
                # The threshold is set on as many samples as detections are counted on.
                samples, p_fa = rows[metric].count[index], result.config["scenario"]["p_fa"]
                off = detuned(misses, p_fa, samples)
                found.append(Comparison(what, value, misses, math.hypot(half, off)))
    return [c for c in found if not math.isnan(c.value)]


def against_limits(result, p_fa=0.01):
    """All rows of a figure of limits: against their own beam's limits, and against the front."""
    samples, rows, found = result.config["test"]["samples"], result.rows, []
    for index, system in enumerate(rows.at("system")):
        if system == "front":
            found += _consistent(result, index, p_fa, samples)
            continue
        if not math.isnan(rows["p_md"].values[index]):
            found += _own_beam(result, index, p_fa, samples)
        if not math.isnan(rows["measured_ser"].values[index]):
            found += _front(result, index)
    # RMSEs are not known where nothing was detected.
    return [c for c in found if not math.isnan(c.value)]


def _own_beam(result, index, p_fa, samples):
    """A system against the best receiver for its beam.

    Both meet the same targets and noise, so their difference is closer than intervals of
    independent measurements say, which are taken here.
    """
    rows = result.rows
    for metric, limit in (("p_md", "p_md"), ("rmse", "rmse_limit")):
        value, half = upper(rows, f"measured_{metric}", index)
        halves = [half, lower_half(rows, limit, index)]
        if metric == "p_md":
            halves += 2 * [detuned(value, p_fa, samples)]
        what = label(result, index, limit)
        yield Comparison(what, value, rows[limit].values[index], math.hypot(*halves))


def _front(result, index):
    """A system against all beams: its SER, and its misses given its SER."""
    rows = result.rows
    place = {n: rows.at(n)[index] for n in ("array", "sector") if n in rows.coordinates}
    front = rows.where(system="front", **place)
    ser, half = upper(rows, "measured_ser", index)
    least = FOUR_SYMBOLS * front["ser_floor"].values[0]
    yield Comparison(label(result, index, "ser_floor"), ser, least, half)
    # The floor of a point is for beams of at most its SER. That of the system may be a little
    # larger than measured: six standard deviations are more than any family here asks for.
    largest = (ser + 6 / STORED * half) / FOUR_SYMBOLS
    allowed = [i for i in range(len(front)) if front["ser"].values[i] >= largest]
    # The last floor is for any SER.
    floor = front["floor_known"].values[min(allowed, default=len(front) - 1)]
    value, half = upper(rows, "measured_p_md", index)
    yield Comparison(label(result, index, "floor_known"), value, floor, half)


def _consistent(result, index, p_fa, samples):
    """The best beams: the test between what it would do at a known place, and a search."""
    rows = result.rows
    value, half = upper(rows, "p_md", index)
    off = detuned(value, p_fa, samples)
    known, search = (rows[name].values[index] for name in ("floor_known", "p_md_search"))
    yield Comparison(label(result, index, "floor_known"), value, known, math.hypot(half, off))
    half = math.hypot(lower_half(rows, "p_md", index), off, off)
    yield Comparison(label(result, index, "p_md_search"), search, value, half)

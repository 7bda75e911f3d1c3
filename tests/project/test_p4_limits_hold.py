"""No stored sensing accuracy of P4 is above what the best receiver can reach."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from scipy.stats import binom

from isaclib.experiments.p4.assembly import EARLY
from isaclib.experiments.p4.tasks import point_from
from isaclib.experiments.series.results import load_result
from isaclib.limits.codes import coherent_accuracy_limit, sensing_accuracy_limit

RESULTS = Path(__file__).resolve().parents[2] / "results"
FIGURES = ("p4-fig4", "p4-fig5", "p4-fig6", "p4-choices")
FAMILY_ERROR = 0.05
STORED = {figure: load_result(figure, RESULTS) for figure in FIGURES}


def points_of(result, series):
    """The system and its channels at each point of a stored curve, from the stored configuration.

    A curve that this does not know is an error: it has to be compared with a limit as well.
    """
    config, curve = result.config, series.name.removesuffix(EARLY)
    name, fading = curve.rsplit("/", 1) if "/" in curve else ("", curve)
    default = replace(point_from(config["point"]), fading=fading)
    if result.figure == "p4-fig5":
        kind = {"size": int, "ranges": int}.get(name, float)
        return [replace(default, **{name: kind(value)}) for value in series[name].values]
    if result.figure == "p4-fig6" and not name:
        return [replace(default, sensing_snr_db=value) for value in series["snr_db"].values]
    step = {"ranges": config.get("step_ranges")}
    # What a curve changes of the channel, the size and the receiver; weights and layers are free.
    changes = {
        "p4-fig4": {"": {}, "afterwards": {}, "repetitions": {}},
        "p4-fig6": {"repetitions": {}},
        "p4-choices": {
            "range step": step,
            "other range step": {**step, "range_step_db": config.get("other_step_db")},
            "same way back": {"ways": "reciprocal"},
            "known, two tasks": {"known": True},
            "known, three tasks": {"known": True},
            "two tasks": {},
            "three tasks": {},
            "ten classes": {},
            "plain loss, two tasks": {},
            "plain loss, three tasks": {},
            "other layers": {},
            "longer, two tasks": {},
            "longer, three tasks": {},
        },
    }
    return [replace(default, **changes[result.figure][name])] * len(series)


@cache
def limit_of(channel, size, known):
    """A receiver that is told the realization is held against one that knows the code, too."""
    if known:
        return coherent_accuracy_limit(channel, size)
    return sensing_accuracy_limit(channel, size, code_known=True)


def compared(results):
    """For every stored accuracy its place, and how probable so many hits or more are at the limit.

    Labels and channels are drawn for each image by itself, so that the hits of a system that is as
    good as the limit are binomial; those of a worse one are fewer.
    """
    found = {}
    for result in results.values():
        for series in result.series:
            if "sensing" not in series.quantities:
                continue
            sensing, points = series["sensing"], points_of(result, series)
            for i, point in enumerate(points):
                count = sensing.count[i]
                hits = sensing.values[i] * count
                assert hits == pytest.approx(round(hits), abs=1e-6)
                limit = limit_of(point.link().sensing, point.size, point.known)
                place = result.figure, series.name, i
                found[place] = float(binom.sf(round(hits) - 1, count, limit))
            assert len(points) == len(sensing.values)
    return found


def violations(results):
    """Places above the limit by more than their interval, as wide as the number of places asks."""
    found = compared(results)
    return [place for place, p in found.items() if p < FAMILY_ERROR / len(found)]


def with_accuracy(figure, name, index, accuracy):
    """The stored results with another accuracy at one place, as a share of its images."""
    result = STORED[figure]
    sensing = result[name]["sensing"]
    values = list(sensing.values)
    values[index] = round(accuracy * sensing.count[index]) / sensing.count[index]
    changed = {**result[name].quantities, "sensing": replace(sensing, values=values)}
    series = [replace(s, quantities=changed) if s.name == name else s for s in result.series]
    return {**STORED, figure: replace(result, series=series)}


def limit_at(figure, name, index):
    result = STORED[figure]
    point = points_of(result, result[name])[index]
    return limit_of(point.link().sensing, point.size, point.known)


PLACES = [
    ("p4-fig4", "rayleigh", 6),
    ("p4-fig4", "afterwards/awgn", 0),
    ("p4-fig5", "sensing_snr_db/awgn/early", 1),
    ("p4-fig5", "size/rayleigh", 0),
    ("p4-fig5", "ranges/awgn", 4),
    ("p4-fig6", "repetitions/rayleigh", 1),
    ("p4-fig6", "awgn/early", 0),
    ("p4-choices", "known, two tasks/rayleigh", 1),
    ("p4-choices", "same way back/rayleigh", 0),
    ("p4-choices", "other range step/awgn", 1),
]


def test_no_stored_accuracy_is_above_the_limit():
    assert violations(STORED) == []


def test_every_stored_accuracy_is_compared():
    stored = [
        len(series["sensing"].values)
        for result in STORED.values()
        for series in result.series
        if "sensing" in series.quantities
    ]
    assert len(compared(STORED)) == sum(stored) > 200


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_accuracy_above_the_limit_is_caught(place):
    limit, count = limit_at(*place), 10_000
    deviation = (limit * (1 - limit) / count) ** 0.5
    assert violations(with_accuracy(*place, limit + 5 * deviation)) == [place]
    # So much is to be expected of some of so many systems at the limit.
    assert violations(with_accuracy(*place, limit + 2 * deviation)) == []


def test_what_a_receiver_is_told_counts():
    """An accuracy between both limits is too high for a receiver that does not know the gain."""
    accuracy = 0.88
    for name in ("known, two tasks/rayleigh", "known, three tasks/rayleigh"):
        assert violations(with_accuracy("p4-choices", name, 1, accuracy)) == []
    place = "p4-choices", "two tasks/rayleigh", 1
    assert violations(with_accuracy(*place, accuracy)) == [place]


@pytest.mark.parametrize(
    ("figure", "change"),
    [
        ("p4-fig4", {"sensing_snr_db": 1.0}),
        ("p4-fig6", {"size": 10}),
        ("p4-choices", {"ranges": 2}),
    ],
)
def test_the_limits_are_those_of_the_stored_configuration(figure, change):
    result = STORED[figure]
    config = {**result.config, "point": {**result.config["point"], **change}}
    caught = violations({**STORED, figure: replace(result, config=config)})
    assert caught
    assert {place[0] for place in caught} == {figure}


def test_a_curve_without_a_known_channel_is_an_error():
    result = STORED["p4-choices"]
    unknown = replace(result["other layers/awgn"], name="other noise/awgn")
    with pytest.raises(KeyError, match="other noise"):
        points_of(result, unknown)

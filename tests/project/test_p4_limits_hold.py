"""No stored sensing accuracy of P4 is above what the best receiver can reach."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from scipy.stats import binom

from isaclib.experiments.engine.results import load_result
from isaclib.experiments.registry import figure as spec_of
from isaclib.limits.codes import coherent_accuracy_limit, sensing_accuracy_limit

RESULTS = Path(__file__).resolve().parents[2] / "results"
FIGURES = ("p4-fig4", "p4-fig5", "p4-fig6", "p4-choices")
FAMILY_ERROR = 0.05
STORED = {figure: load_result(figure, RESULTS) for figure in FIGURES}

FREE = {"measured", "fading", "epochs", "repetition", "sensing_weight", "varied", "tasks", "choice"}
"""Coordinates that say nothing of the sensing channel, the size and the receiver."""
CHOICES = {
    **dict.fromkeys(("default", "longer", "plain loss", "layers", "ten classes"), ()),
    "known": ("known",),
    "same way": ("ways",),
    "ranges": ("ranges",),
    "range step": ("ranges", "range_step_db"),
}
"""What each choice changes of them."""


def system_of(result, index):
    """The system and its channels in a stored row, from the stored configuration.

    A row that this does not know is an error: it has to be compared with a limit as well.
    """
    config, coordinates = spec_of(result.figure).config(result), result.rows.coordinates
    at = {name: column[index] for name, column in coordinates.items() if column[index] is not None}
    changes = {name: at[name] for name in at.keys() - FREE}
    if "snr_db" in changes:
        changes = {"sensing_snr_db": changes["snr_db"]}
    if "choice" in at:
        others = {
            "known": True,
            "ways": "reciprocal",
            "ranges": config.step_ranges,
            "range_step_db": config.other_step_db,
        }
        changes |= {name: others[name] for name in CHOICES[at["choice"]]}
    return replace(config.point, fading=at["fading"], **changes)


@cache
def limit_of(channel, size, known):
    """A receiver that is told the realization is held against one that knows the code, too."""
    if known:
        return coherent_accuracy_limit(channel, size)
    return sensing_accuracy_limit(channel, size, code_known=True)


def sensed(result):
    """Rows that have a sensing accuracy."""
    return [i for i, n in enumerate(result.rows["sensing"].count) if n is not None]


def compared(results):
    """For every stored accuracy its place, and how probable so many hits or more are at the limit.

    Labels and channels are drawn for each image by itself, so that the hits of a system that is as
    good as the limit are binomial; those of a worse one are fewer.
    """
    found = {}
    for result in results.values():
        sensing = result.rows["sensing"]
        for index in sensed(result):
            count = sensing.count[index]
            hits = sensing.values[index] * count
            assert hits == pytest.approx(round(hits), abs=1e-6)
            limit = limit_at(result, index)
            found[result.figure, index] = float(binom.sf(round(hits) - 1, count, limit))
    return found


def limit_at(result, index):
    system = system_of(result, index)
    return limit_of(system.link().sensing, system.size, system.known)


def violations(results):
    """Places above the limit by more than their interval, as wide as the number of places asks."""
    found = compared(results)
    return [place for place, p in found.items() if p < FAMILY_ERROR / len(found)]


def with_accuracy(figure, index, accuracy):
    """The stored results with another accuracy at one place, as a share of its images."""
    result = STORED[figure]
    sensing = result.rows["sensing"]
    values = list(sensing.values)
    values[index] = round(accuracy * sensing.count[index]) / sensing.count[index]
    other = replace(sensing, values=values, low=None, high=None)
    rows = replace(result.rows, quantities={**result.rows.quantities, "sensing": other})
    return {**STORED, figure: replace(result, rows=rows)}


def place_of(figure, **at):
    """The only row with these coordinates among those with an accuracy."""
    rows = STORED[figure].rows
    (index,) = (i for i in sensed(STORED[figure]) if all(rows.at(k)[i] == v for k, v in at.items()))
    return figure, index


def choice(tasks, name, fading, epochs):
    return place_of("p4-choices", tasks=tasks, choice=name, fading=fading, epochs=epochs)


PLACES = [
    place_of("p4-fig4", fading="rayleigh", sensing_weight=1, epochs=12),
    place_of("p4-fig4", measured="afterwards", fading="awgn", sensing_weight=0),
    place_of("p4-fig5", varied="sensing_snr_db", fading="awgn", sensing_snr_db=-5, epochs=6),
    place_of("p4-fig5", varied="size", fading="rayleigh", size=2, epochs=12),
    place_of("p4-fig5", varied="ranges", fading="awgn", ranges=6, epochs=12),
    place_of("p4-fig6", fading="rayleigh", repetition=1, epochs=12),
    place_of("p4-fig6", fading="awgn", snr_db=-9, epochs=6),
    choice("two", "known", "rayleigh", 12),
    choice("two", "same way", "rayleigh", 6),
    choice("two", "range step", "awgn", 12),
]


def test_no_stored_accuracy_is_above_the_limit():
    assert violations(STORED) == []


def test_every_stored_accuracy_is_compared():
    stored = [len(sensed(result)) for result in STORED.values()]
    assert len(compared(STORED)) == sum(stored) > 170


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_accuracy_above_the_limit_is_caught(place):
    figure, index = place
    limit, count = limit_at(STORED[figure], index), 10_000
    deviation = (limit * (1 - limit) / count) ** 0.5
    assert violations(with_accuracy(*place, limit + 5 * deviation)) == [place]
    # So much is to be expected of some of so many systems at the limit.
    assert violations(with_accuracy(*place, limit + 2 * deviation)) == []


def test_what_a_receiver_is_told_counts():
    """An accuracy between both limits is too high for a receiver that does not know the gain."""
    accuracy = 0.88
    for tasks in ("two", "three"):
        place = choice(tasks, "known", "rayleigh", 12)
        assert violations(with_accuracy(*place, accuracy)) == []
    place = choice("two", "default", "rayleigh", 12)
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


def test_a_row_without_a_known_channel_is_an_error():
    result = STORED["p4-choices"]
    _, index = choice("two", "layers", "awgn", 12)
    column = ["other noise"] * len(result.rows)
    rows = replace(result.rows, coordinates={**result.rows.coordinates, "choice": column})
    with pytest.raises(KeyError, match="other noise"):
        system_of(replace(result, rows=rows), index)

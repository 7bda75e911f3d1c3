"""What the criteria of all papers share, and what their verdicts on the stored results hold."""

import json
import math

import pytest

from isaclib.experiments.claims import report
from isaclib.experiments.series.criteria import average, median, point
from isaclib.experiments.series.results import Quantity, Series


def test_a_point_has_the_interval_of_its_test_samples():
    series = Series(
        "a", {"p_d": Quantity("p_d", [0.1, 0.3], [0.0, 0.2], [0.2, 0.4]), "x": Quantity("x", [1.0])}
    )
    found = point("P_d", series, "p_d", -1)
    assert (found.value, found.low, found.high) == (0.3, 0.2, 0.4)
    assert "95 %" in found.interval
    assert point("x", series, "x", 0).low is None


def test_a_mean_and_a_median_come_with_their_range():
    found = average("x", [1.0, 2.0, 6.0], "trainings")
    assert (found.value, found.low, found.high) == (3.0, 1.0, 6.0)
    assert found.interval == "mean and range of 3 trainings"
    found = median("x", [6.0, math.nan, 1.0, 2.0], "points")
    assert (found.value, found.low, found.high) == (2.0, 1.0, 6.0)
    assert found.interval == "median and range of 3 points"


def test_a_single_value_has_no_range_and_no_value_is_nan():
    assert average("x", [1.0], "trainings").low is None
    assert math.isnan(median("x", [math.nan], "points").value)


def test_every_verdict_on_the_stored_results_has_its_numbers():
    entries = report()
    json.dumps(entries, allow_nan=False)
    for entry in entries:
        assert entry["error"] is None
        assert entry["numbers"], entry["id"]
        names = [number["name"] for number in entry["numbers"]]
        assert len(names) == len(set(names)), entry["id"]
        for number in entry["numbers"]:
            if number["low"] is None:
                assert number["interval"] == ""
                continue
            inside = number["low"] <= number["value"] <= number["high"]
            ends = {number["low"], number["high"]}
            assert inside or any(math.isclose(number["value"], end) for end in ends), number
            assert number["interval"], number


@pytest.mark.parametrize("values", [[], ()])
def test_a_mean_of_nothing_is_an_error(values):
    with pytest.raises(ValueError, match="at least one data point"):
        average("x", values, "trainings")

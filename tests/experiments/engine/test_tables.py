"""Rows are selected by coordinates, and become columns from what tasks measured."""

import math

import pytest

from isaclib.experiments.engine.tables import Quantity, Table, tabulate
from isaclib.experiments.engine.tasks import Point
from isaclib.metrics import Estimate

UNITS = {"ser": "1", "p_d": "1", "rmse": "deg"}


def estimate(value, count=100):
    return Estimate(value, value - 0.1, value + 0.1, count)


ROWS = [
    ({"system": "baseline"}, Point({"p_d": estimate(0.5)}, {"rho": 0.0}), None),
    ({"system": "baseline"}, Point({"p_d": estimate(0.6)}, {"rho": 1.0}), None),
    ({"system": "learned", "array": 0}, Point({"p_d": estimate(0.7), "ser": 0.1}), "a" * 16),
    ({"system": "learned", "array": 1}, Point({"p_d": estimate(0.8), "ser": 0.2}), "b" * 16),
]
TABLE = tabulate(ROWS, UNITS)


def test_points_become_columns_with_what_each_row_has():
    assert TABLE.coordinates == {
        "system": ["baseline", "baseline", "learned", "learned"],
        "rho": [0.0, 1.0, None, None],
        "array": [None, None, 0, 1],
    }
    assert list(TABLE.quantities) == ["ser", "p_d"]
    assert TABLE["p_d"].values == [0.5, 0.6, 0.7, 0.8]
    assert TABLE["p_d"].count == [100] * 4
    assert [math.isnan(value) for value in TABLE["ser"].values] == [True, True, False, False]
    assert TABLE["ser"].low is None
    assert TABLE.tasks == [None, None, "a" * 16, "b" * 16]


def test_rows_are_selected_by_their_coordinates():
    found = TABLE.where(system="learned", array=1)
    assert len(found) == 1
    assert found["p_d"].value == 0.8
    assert found["p_d"].estimate() == estimate(0.8)
    assert TABLE.where(array=None)["rho"].values == [0.0, 1.0]


def test_rows_are_split_by_a_coordinate_in_order_of_appearance():
    found = TABLE.where(system="learned").split("array")
    assert {array: rows["p_d"].values for array, rows in found.items()} == {0: [0.7], 1: [0.8]}
    assert list(TABLE.split("system")) == ["baseline", "learned"]


def test_some_rows_keep_their_intervals_and_counts():
    whole = Quantity([0.1, 0.2, 0.3], [0.0, 0.1, 0.2], [0.2, 0.3, 0.4], [7, 8, 9], "1")
    plain = Quantity([1.0, 2.0, 3.0])
    taken = Table({"x": [1, 2, 3]}, {"p_d": whole, "ser": plain}, [None] * 3).take([2, 0])
    assert taken["p_d"] == Quantity([0.3, 0.1], [0.2, 0.0], [0.4, 0.2], [9, 7], "1")
    assert taken["ser"] == Quantity([3.0, 1.0])
    assert taken.at("x") == [3, 1]


def test_looking_for_what_is_not_there_says_what_is():
    with pytest.raises(KeyError, match="no column 'rmse'; there are 'system', 'rho', 'array', 's"):
        TABLE["rmse"]
    message = r"no row has array=2 with {'system': 'learned'}; there are 0, 1"
    with pytest.raises(KeyError, match=message):
        TABLE.where(system="learned", array=2)
    with pytest.raises(KeyError, match="one row must be selected for its value, got 4 rows"):
        TABLE["p_d"].value  # noqa: B018


def test_a_quantity_without_a_unit_is_a_mistake_of_the_figure():
    with pytest.raises(ValueError, match="quantities must be among ser, got p_d"):
        tabulate(ROWS, {"ser": "1"})


def test_two_rows_of_the_same_coordinates_are_a_mistake_of_the_figure():
    with pytest.raises(ValueError, match="rows must differ in their coordinates, got"):
        tabulate([*ROWS, ROWS[2]], UNITS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (({"x": [1]}, {}, []), "equally long and not empty"),
        (({"x": [1]}, {"y": Quantity([1.0, 2.0])}, [None]), "equally long"),
        (({"x": [1]}, {"x": Quantity([1.0])}, [None]), "must differ in name, got {'x'} twice"),
        (({}, {}, []), "not empty"),
    ],
)
def test_columns_that_are_no_table_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        Table(*columns)

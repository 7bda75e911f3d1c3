"""The table of distances: ways from hand-made points, and the stored results' own."""

from pathlib import Path

import pytest

from isaclib.experiments.engine.results import load_result
from isaclib.experiments.engine.tables import Quantity, Table
from isaclib.experiments.limits.distances import (
    Distances,
    Measured,
    distance_table,
    distances,
    front_at,
)

RESULTS = Path(__file__).parents[3] / "results"


def test_a_way_is_a_fraction_of_that_from_start_to_limit():
    systems = {"half": Measured(0.15, 1.5), "all": Measured(0.1, 1.0), "behind": Measured(0.4, 2.5)}
    found = Distances("", "", Measured(0.2, 2.0), Measured(0.1, 1.0), systems)
    assert found.way("half") == pytest.approx((0.5, 0.5))
    assert found.way("all") == pytest.approx((1.0, 1.0))
    assert found.way("behind") == pytest.approx((-2.0, -0.5))


def test_a_front_is_a_power_law_between_two_of_its_beams():
    columns = {"ser": Quantity([0.1, 0.001, 0.01]), "p_md": Quantity([0.01, 0.4, 0.1])}
    front = Table({"beam": [0, 1, 2]}, columns, [None] * 3)
    assert front_at(front, "p_md", 0.01) == pytest.approx(0.1)
    assert front_at(front, "p_md", 10**-2.5) == pytest.approx(0.2)


@pytest.fixture(scope="module")
def stored():
    return distances(lambda figure: load_result(figure, RESULTS))


def test_no_system_goes_further_than_the_limit_in_misses(stored):
    """Beyond what the interval of P3's 50,000 test samples allows, a tenth of the way."""
    assert len(stored) == 4
    for found in stored:
        assert found.limit.p_md < found.start.p_md
        for name, point in found.systems.items():
            assert found.way(name)[0] < 1.05, (found.name, name)
            if point.own_beam is not None:
                assert point.own_beam > 0.97 * found.limit.p_md


def test_the_table_has_a_row_for_each_system(stored):
    table = distance_table(lambda figure: load_result(figure, RESULTS))
    rows = table.splitlines()
    assert len(rows) == 2 + sum(3 + len(found.systems) for found in stored)
    assert all(row.count("|") == 7 for row in rows)
    shown = next(row for row in rows if row.startswith("| SL |"))
    assert f"{stored[3].systems['SL'].p_md:.4f}" in shown
    assert "behind" in next(row for row in rows if row.startswith("| networks, 21"))

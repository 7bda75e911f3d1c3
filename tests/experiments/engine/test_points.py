import math

import pytest
from scipy.stats import ttest_1samp

from isaclib.comparison import ratio
from isaclib.experiments.engine.points import Points, Tally, compare, over_repetitions
from isaclib.experiments.engine.tables import Quantity, Table
from isaclib.metrics import Estimate


def about(value, half=0.01):
    return Estimate(value, value - half, value + half, 100)


def sweep(weights, sers, costs, *, ser_half=0.0, name="omega_r", cost="p_md", half=0.001):
    def quantity(values, half):
        return Quantity(
            list(values),
            [v - half for v in values],
            [v + half for v in values],
            [1000] * len(values),
        )

    quantities = {"ser": quantity(sers, ser_half), cost: quantity(costs, half)}
    return Table({name: list(weights)}, quantities, [None] * len(weights))


@pytest.mark.parametrize(
    ("values", "counts", "holds"),
    [
        ([0.0] * 4 + [0.2], (4, 1, 0), True),
        ([0.0] * 3 + [0.2] * 2, (3, 2, 0), False),
        ([0.0] * 3 + [0.045] * 2, (3, 0, 2), None),
        ([0.045] * 5, (0, 0, 5), None),
        ([0.045] * 3 + [0.2] * 2, (0, 2, 3), False),
        ([math.nan, 0.0, 0.0, 0.0, 0.0], (4, 0, 1), True),
        ([math.nan, 0.0], (1, 0, 1), None),
        ([0.2] + [0.045] * 4, (0, 1, 4), None),
        ([], (0, 0, 0), None),
    ],
)
def test_a_tally_says_what_the_intervals_show(values, counts, holds):
    found = Tally.of([about(v) for v in values], 0.05)
    assert (found.below, found.above, found.unclear) == counts
    assert found.holds is holds


def test_points_are_compared_at_equal_ser_and_at_equal_weight():
    reference = sweep([0.0, 0.5, 1.0], [0.001, 0.003, 0.1], [0.9, 0.2, 0.1])
    system = sweep([0.0, 0.5, 0.7, 1.0], [0.001, 0.002, 0.003, 0.1], [0.9, 0.3, 0.2, 0.1])
    found = compare(system, reference, "p_md")
    assert [e.value for e in found.equal_ser] == pytest.approx([-0.25, 0.0, 0.0])
    assert [e.value for e in found.equal_weight] == pytest.approx([0.1, 0.0])
    ratios = compare(system, reference, "p_md", ratio)
    assert ratios.equal_weight[0].value == pytest.approx(1.5)


def test_nearly_equal_sers_leave_it_to_the_weight():
    weights, sers = [0.1, 0.2, 0.3], [0.00150, 0.00151, 0.00152]
    reference = sweep(weights, sers, [0.6, 0.4, 0.2], ser_half=0.0002)
    system = sweep(weights, [s - 0.00004 for s in sers], [0.6, 0.4, 0.2], ser_half=0.0002)
    found = compare(system, reference, "p_md")
    assert Tally.of(found.equal_ser, 0.05).holds is None
    assert found.holds(0.05) is True
    assert found.words(0.05) == (
        "at equal SER 1 of 3 points, not 0, unclear 2; at equal weight 3 of 3 points, not 0, "
        "unclear 0"
    )


def test_a_collapsed_training_neither_holds_nor_fails():
    reference = sweep([0.5, 1.0], [0.003, 0.1], [0.2, 0.1])
    system = sweep([0.5, 1.0], [0.003, 0.75], [math.nan, 0.99])
    found = compare(system, reference, "p_md")
    assert Tally.of(found.equal_ser, 0.05) == Tally(0, 1, 1)


def test_a_detection_probability_is_turned_round_and_weights_can_differ_in_name():
    reference = sweep([0.5, 1.0], [0.003, 0.1], [0.8, 0.9], name="rho", cost="p_d")
    system = sweep([0.5, 1.0], [0.003, 0.1], [0.7, 0.9], cost="p_d")
    found = compare(system, reference, "p_d", weights=("omega_r", "rho"), complement=True)
    assert [e.value for e in found.equal_ser] == pytest.approx([0.1, 0.0])
    assert found.equal_ser == found.equal_weight


def test_systems_whose_weights_mean_different_things_are_compared_at_equal_ser_alone():
    reference = sweep([0.5, 1.0], [0.003, 0.1], [0.2, 0.1], name="rho")
    system = sweep([0.0, 1.0], [0.003, 0.1], [0.3, 0.1])
    found = compare(system, reference, "p_md", weights=None)
    assert [e.value for e in found.equal_ser] == pytest.approx([0.1, 0.0])
    assert found.equal_weight == ()
    assert found.holds(0.05) is False
    assert "weight" not in found.words(0.05)


def test_points_are_averaged_over_trainings_weight_by_weight():
    trainings = [Points((about(x, 0), about(0.5, 0)), ()) for x in (0.1, 0.2, 0.3)]
    found = over_repetitions(trainings)
    spread = ttest_1samp([0.1, 0.2, 0.3], 0).confidence_interval()
    assert (found.equal_ser[0].low, found.equal_ser[0].high) == pytest.approx(tuple(spread))
    assert found.equal_ser[1].high == pytest.approx(0.5)
    assert found.equal_weight == ()
    assert over_repetitions(trainings, geometric=True).equal_ser[0].value < 0.2
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        over_repetitions([trainings[0], Points((about(0.1),), ())])


def test_numbers_are_medians_and_ranges_of_what_is_known():
    found = Points((about(0.1), about(math.nan), about(0.3)), ()).numbers("P_md")
    assert [(n.name, n.value, n.low, n.high) for n in found] == [
        ("P_md, at equal SER", pytest.approx(0.2), 0.1, 0.3)
    ]
    assert found[0].interval == "median and range of 2 points"

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isaclib import _validation as check

NOT_NUMBERS = [None, "1", [1.0], 1j, True]
NOT_FINITE = [math.nan, math.inf, -math.inf]

CASES = [
    (check.check_finite, (), "a finite number", [*NOT_NUMBERS, *NOT_FINITE]),
    (check.check_positive, (), "a finite number > 0", [*NOT_NUMBERS, *NOT_FINITE, 0, -0.1]),
    (check.check_nonnegative, (), "a finite number >= 0", [*NOT_NUMBERS, *NOT_FINITE, -1e-9]),
    (check.check_range, (-1, 2.5), "a number in [-1, 2.5]", [*NOT_NUMBERS, *NOT_FINITE, 2.6, -2]),
    (check.check_probability, (), "a probability in (0, 1)", [*NOT_NUMBERS, *NOT_FINITE, 0, 1, 2]),
    (check.check_positive_int, (), "an integer >= 1", [*NOT_NUMBERS, *NOT_FINITE, 0, -1, 2.0]),
    (check.check_nonnegative_int, (), "an integer >= 0", [*NOT_NUMBERS, *NOT_FINITE, -1, 0.5]),
    (check.check_one_of, (("a", "b"),), "one of 'a', 'b'", ["c", "", None, 1]),
    (
        check.check_interval_deg,
        (),
        "a pair (lower, upper) of degrees with -90 <= lower < upper <= 90",
        [(20, -20), (5, 5), (-91, 0), (0, 91), (0,), (0, 1, 2), 3, None, "ab", (math.nan, 1)],
    ),
]


@pytest.mark.parametrize(
    ("function", "arguments", "allowed", "value"),
    [(function, args, allowed, bad) for function, args, allowed, many in CASES for bad in many],
)
def test_the_error_names_the_argument_the_value_and_what_is_allowed(
    function, arguments, allowed, value
):
    message = f"thing must be {allowed}, got {value!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        function("thing", value, *arguments)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_pass_unchanged(value):
    assert check.check_finite("x", value) == value
    assert check.check_nonnegative("x", abs(value)) == abs(value)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_probabilities_pass_unchanged(value):
    assert check.check_probability("p", value) == value


def test_numbers_of_other_libraries_become_plain_ones():
    assert type(check.check_positive_int("n", np.int64(3))) is int
    assert type(check.check_positive("x", np.float32(0.5))) is float
    assert check.check_interval_deg("s", np.array([-20.0, 20.0])) == (-20.0, 20.0)
    assert check.check_one_of("d", "a", ("a", "b")) == "a"
    assert check.check_range("x", 1, 0, 1) == 1.0

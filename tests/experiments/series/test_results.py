import copy
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stored_series import (
    FIGURE,
    SOURCE,
    a_result,
    break_by_a_folder,
    break_by_another_figure,
    break_by_another_schema,
    break_by_binary,
    break_by_dropping_the_hash,
    break_by_editing,
    break_by_emptying,
    break_by_nesting,
    break_by_truncating,
    drop,
    everything_below,
    put,
    rewrite,
)

from isaclib.experiments.series import results
from isaclib.experiments.series.result_types import decode, encode
from isaclib.experiments.series.results import (
    Quantity,
    ResultError,
    Series,
    load_result,
    result_path,
    save_result,
)

# What is written is what is read


def test_a_result_survives_the_round_trip(tmp_path):
    path = save_result(a_result(), tmp_path)
    assert path == tmp_path / "p1" / "p1-fig2.json" == result_path(FIGURE, tmp_path)
    loaded = load_result(FIGURE, tmp_path)
    p_d = loaded["baseline"]["p_d"]
    assert p_d.values[0] == 0.1
    assert all(math.isnan(end[1]) for end in (p_d.values, p_d.low, p_d.high))
    assert p_d.count == [100, 0]
    assert loaded["baseline"]["ser"] == a_result()["baseline"]["ser"]
    assert loaded.config == {"sector_deg": [-20.0, 20.0], "antennas": 16}
    assert loaded.provenance == SOURCE
    assert len(loaded["baseline"]) == len(p_d) == 2


numbers = st.floats(allow_nan=True, allow_infinity=False)


@given(st.lists(numbers, min_size=1, max_size=5), st.text(min_size=1).filter(str.strip))
def test_any_numbers_and_any_name_survive_as_json(values, name):
    result = a_result(series=[Series(name, {"y": Quantity("y", values)})])
    results.check_document(encode(result))
    text = results._to_text(encode(result))
    loaded = decode(json.loads(text))[name]["y"].values
    assert [repr(item) for item in loaded] == [repr(item) for item in values]


def test_saving_the_same_result_twice_gives_the_same_file(tmp_path):
    first = save_result(a_result(), tmp_path).read_bytes()
    assert save_result(load_result(FIGURE, tmp_path), tmp_path).read_bytes() == first


def test_nan_is_null_in_the_file_and_lists_of_numbers_are_one_line(tmp_path):
    text = save_result(a_result(), tmp_path).read_text()
    assert '"values": [0.1, null]' in text
    assert "NaN" not in text


def test_the_layout_of_the_file_does_not_matter(tmp_path):
    path = save_result(a_result(), tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items()))))
    assert load_result(FIGURE, tmp_path)["baseline"]["ser"].values == [0.5, 0.25]


def test_looking_for_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(KeyError, match="no series 'learned'; it has 'baseline'"):
        a_result()["learned"]
    with pytest.raises(KeyError, match="no quantity 'rmse'; it has 'p_d', 'ser'"):
        a_result()["baseline"]["rmse"]


# Nothing invalid is written, and nothing invalid is read


QUANTITY = ("series", 0, "quantities", 0)
INVALID = [
    (put("schema", True), "schema"),
    (put("figure", "../p1-fig2"), "figure must be a figure id"),
    (put("figure", 2), "figure must be a figure id"),
    (put("preset", "best"), "preset must be one of 'smoke', 'desk', 'paper', got 'best'"),
    (put("config", [1]), "config must be an object"),
    (put("config", {"snr_db": math.nan}), "config must hold JSON data"),
    (put("series", []), "series must be a list that is not empty"),
    (put("series", {}), "series must be a list"),
    (put("series", 0, "name", " "), r"series\[0\]\.name must be a text that is not empty"),
    (put("series", 0, 7), r"series\[0\] must be an object, got 7"),
    (put("series", 0, "colour", "red"), r"series\[0\].*unknown: colour"),
    (drop(*QUANTITY, "unit"), r"quantities\[0\].*missing: unit"),
    (put(*QUANTITY, "unit", None), r"unit must be a text, got None"),
    (put(*QUANTITY, "name", "ser"), r"quantities must be named differently"),
    (put(*QUANTITY, "values", []), r"values must be a list of numbers that is not empty"),
    (put(*QUANTITY, "values", "12"), r"values must be a list of numbers"),
    (put(*QUANTITY, "values", 1, "x"), r"values\[1\] must be a finite number.*got 'x'"),
    (put(*QUANTITY, "values", 1, math.inf), r"values\[1\] must be a finite number.*got inf"),
    (put(*QUANTITY, "values", 1, True), r"values\[1\] must be a finite number.*got True"),
    (put(*QUANTITY, "low", 0, 0.11), r"index 0 must be ordered as low <= value <= high"),
    (put(*QUANTITY, "high", 0, 0.09), r"index 0 must be ordered as low <= value <= high"),
    (put(*QUANTITY, "low", None), "low and .*high must be both given or both null"),
    (put(*QUANTITY, "low", [0.0]), "low must be as long as values, which has 2"),
    (put(*QUANTITY, "count", [1, -1]), r"count\[1\] must be an integer >= 0, got -1"),
    (put(*QUANTITY, "count", [1, 2.0]), r"count\[1\] must be an integer >= 0, got 2\.0"),
    (put(*QUANTITY, "count", 2), r"count must be null or a list"),
    (put("series", 0, "quantities", 1, "values", [1.0]), "quantities must be equally long"),
    (put("provenance", "commit", "HEAD"), r"provenance\.commit must be a git commit"),
    (put("provenance", "dirty", 0), r"provenance\.dirty must be true or false"),
    (put("provenance", "seed", -1), r"provenance\.seed must be an integer >= 0, got -1"),
    (put("provenance", "threads", 0), r"provenance\.threads must be an integer >= 1"),
    (put("provenance", "wall_time_s", -1.0), r"provenance\.wall_time_s must be"),
    (put("provenance", "wall_time_s", None), r"provenance\.wall_time_s must be"),
    (put("provenance", "created", "yesterday"), r"provenance\.created must be a UTC time"),
    (put("provenance", "created", "2026-01-31T12:00:00"), r"provenance\.created must be a UTC"),
    (put("provenance", "created", 5), r"provenance\.created must be a UTC time"),
    (put("provenance", "weights", []), r"provenance\.weights must be an object"),
    (put("provenance", "weights", {"../w": "0" * 64}), "a file name inside the paper's"),
    (put("provenance", "weights", {"w": "0"}), r"weights\['w'\] must be a SHA-256"),
    (put("provenance", "notes", {"a": 1}), r"notes\['a'\] must be a text, got 1"),
    (put("provenance", "notes", None), r"notes must be an object of texts"),
    (lambda _: [1], "result must be an object|must hold a JSON object"),
]


@pytest.mark.parametrize(("change", "message"), INVALID)
def test_an_invalid_document_is_refused_with_its_field(change, message):
    document = copy.deepcopy(encode(a_result()))
    document = change(document) or document
    with pytest.raises(ValueError, match=message):
        results.check_document(document)


READABLE = [case for case in INVALID if case[0](encode(a_result())) is None]


@pytest.mark.parametrize(("change", "message"), READABLE)
def test_an_invalid_stored_file_is_refused_even_with_a_right_hash(tmp_path, change, message):
    path = save_result(a_result(), tmp_path)
    rewrite(path, change)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "isaclib run p1-fig2 --preset" in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        a_result(preset="huge"),
        a_result(series=[]),
        a_result(config={"antennas": torch.tensor(3)}),
        a_result(series=[Series("s", {"x": Quantity("y", [1.0])})]),
        a_result(series=[Series("s", {})]),
        a_result(series=[Series("s", {"y": Quantity("y", [math.inf])})]),
        a_result(figure="fig2"),
    ],
)
def test_an_invalid_result_is_not_saved_and_the_old_one_kept(tmp_path, bad):
    save_result(a_result(), tmp_path)
    before = everything_below(tmp_path)
    with pytest.raises(ValueError, match="must"):
        save_result(bad, tmp_path)
    assert everything_below(tmp_path) == before


def test_an_interval_may_cross_its_value_by_rounding_alone(tmp_path):
    rounding = Quantity("p", [0.1], [0.1 + 1e-17], [0.1 - 1e-17])
    save_result(a_result(series=[Series("s", {"p": rounding})]), tmp_path)
    assert len(load_result(FIGURE, tmp_path)["s"]) == 1


# Files that are not what was written


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_by_truncating, "is not complete JSON"),
        (break_by_emptying, "is not complete JSON"),
        (break_by_binary, "is not complete JSON"),
        (break_by_nesting, "is not complete JSON"),
        (break_by_editing, "sha256 must be .* the file was edited"),
        (break_by_dropping_the_hash, "sha256 must be"),
        (break_by_another_schema, "schema must be 1, got 2"),
        (break_by_another_figure, "figure must be 'p1-fig2', got 'p1-fig3'"),
        (break_by_a_folder, "cannot be read"),
        (Path.unlink, "there is no such result; create it with"),
    ],
)
def test_a_spoilt_file_is_a_clear_error(tmp_path, spoil, message):
    path = save_result(a_result(), tmp_path)
    spoil(path)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "`isaclib run p1-fig2 --preset paper`" in str(caught.value)


@pytest.mark.parametrize("figure", ["fig2", "p1-fig2/../x", "", None])
def test_a_figure_that_is_no_figure_id_is_refused(tmp_path, figure):
    with pytest.raises(ValueError, match="figure must be a figure id"):
        load_result(figure, tmp_path)


def test_some_points_of_a_curve_keep_their_intervals_and_counts():
    whole = Quantity("p_d", [0.1, 0.2, 0.3], [0.0, 0.1, 0.2], [0.2, 0.3, 0.4], [7, 8, 9], "1")
    plain = Quantity("ser", [1.0, 2.0, 3.0])
    taken = Series("a", {"p_d": whole, "ser": plain}).take([2, 0])
    assert taken["p_d"] == Quantity("p_d", [0.3, 0.1], [0.2, 0.0], [0.4, 0.2], [9, 7], "1")
    assert taken["ser"] == Quantity("ser", [3.0, 1.0])
    assert len(whole) == 3

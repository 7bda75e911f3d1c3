import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stored_results import (
    FIGURE,
    P_D,
    SER,
    SOURCE,
    a_result,
    a_table,
    break_by_a_folder,
    break_by_a_huge_number,
    break_by_another_figure,
    break_by_another_schema,
    break_by_binary,
    break_by_dropping_the_hash,
    break_by_editing,
    break_by_emptying,
    break_by_nesting,
    break_by_the_old_schema,
    break_by_truncating,
    drop,
    everything_below,
    put,
    rewrite,
    trained,
)
from sweep_tasks import Several, Square

from isaclib.experiments.engine import results
from isaclib.experiments.engine.results import (
    Result,
    ResultError,
    load_result,
    result_path,
    save_result,
)
from isaclib.experiments.engine.tables import Quantity, Table

# What is written is what is read


def test_a_result_survives_the_round_trip(tmp_path):
    path = save_result(a_result(), {}, tmp_path)
    assert path == tmp_path / "p1" / "p1-fig2.json" == result_path(FIGURE, tmp_path)
    loaded = load_result(FIGURE, tmp_path)
    p_d = loaded.rows["p_d"]
    assert p_d.values[0] == 0.1
    assert all(math.isnan(end[1]) for end in (p_d.values, p_d.low, p_d.high))
    assert p_d.count == [100, 0]
    assert loaded.rows["ser"] == a_result().rows["ser"]
    assert loaded.rows.coordinates == a_table().coordinates
    assert loaded.rows.tasks == a_table().tasks
    assert loaded.config == {"sector_deg": [-20.0, 20.0], "antennas": 16}
    assert loaded.provenance == SOURCE
    assert loaded.samples == 100


numbers = st.floats(allow_nan=True, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text()
scalars |= st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1).filter(str.strip)


@given(st.lists(numbers, min_size=1, max_size=5), names, scalars)
def test_any_numbers_and_coordinates_survive_as_json(values, name, place):
    count = len(values)
    table = Table({name: [place] * count}, {f"{name}'": Quantity(values)}, [None] * count)
    document = results._encode(a_result(rows=table))
    loaded = results._decode(json.loads(results._layout(document))).rows
    assert [repr(item) for item in loaded[f"{name}'"].values] == [repr(item) for item in values]
    assert [repr(item) for item in loaded.at(name)] == [repr(place)] * count


def test_saving_the_same_result_twice_gives_the_same_file(tmp_path):
    first = save_result(a_result(), {}, tmp_path).read_bytes()
    assert save_result(load_result(FIGURE, tmp_path), {}, tmp_path).read_bytes() == first


def test_nan_is_null_in_the_file_and_a_column_is_one_line(tmp_path):
    text = save_result(a_result(), {}, tmp_path).read_text()
    assert '"values": [0.1, null]' in text
    assert '"system": ["baseline", "known"]' in text
    assert "NaN" not in text


def test_the_layout_of_the_file_does_not_matter(tmp_path):
    path = save_result(a_result(), {}, tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items()))))
    assert load_result(FIGURE, tmp_path).rows["ser"].values == [0.5, 0.25]


# What was trained


def test_tensors_are_found_by_their_coordinates(tmp_path):
    weights = torch.arange(3.0)
    save_result(a_result(trained=trained()), {f"{'a' * 16}/w": weights}, tmp_path)
    loaded = load_result(FIGURE, tmp_path)
    assert loaded.tensors(system="SL")["w"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(KeyError, match="no row has system='UL'"):
        loaded.tensors(system="UL")
    with pytest.raises(KeyError, match="stores no trained tensors"):
        a_result().tensors(system="SL")


def test_a_result_says_what_its_tasks_gave(tmp_path):
    weights = torch.arange(3.0)
    save_result(a_result(trained=trained()), {f"{'a' * 16}/w": weights}, tmp_path)
    loaded = load_result(FIGURE, tmp_path)
    tasks = {"a" * 16: Square(1), "0" * 16: Square(2), "1" * 16: Square(3)}
    assert list(loaded.outcomes(tasks, measured=False)) == ["a" * 16]
    found = loaded.outcomes(tasks, measured=True)
    assert list(found) == ["a" * 16, "0" * 16]
    assert found["a" * 16].tensors["w"].tolist() == [0.0, 1.0, 2.0]
    (point,) = found["0" * 16].points
    assert point.values == {"p_d": P_D.estimate(0), "ser": 0.5}


def test_a_task_that_gave_several_points_has_them_at_its_own_coordinates():
    """In two rows of the figure, which differ in a coordinate that is none of the task's."""
    places = {"system": ["a", "a", "b", "b"], "x": [0, 1, 0, 1]}
    tasks = {"0" * 16: Several(2)}

    def points(values):
        rows = Table(places, {"y": Quantity(values)}, ["0" * 16] * 4)
        return a_result(rows=rows).outcomes(tasks, measured=True)

    found = points([0.0, 1.0, 0.0, 1.0])["0" * 16].points
    assert [(p.at, p.values) for p in found] == [({"x": 0}, {"y": 0.0}), ({"x": 1}, {"y": 1.0})]
    # What the coordinates do not tell apart is not taken for the same.
    assert points([0.0, 1.0, 2.0, 1.0]) == {}


def test_a_task_did_not_measure_what_only_other_rows_have():
    quantities = {"ser": SER, "images": Quantity([math.nan, 4.0])}
    result = a_result(rows=a_table(quantities=quantities))
    (point,) = result.outcomes({"0" * 16: Square(2)}, measured=True)["0" * 16].points
    assert point.values == {"ser": 0.5}


# Nothing invalid is written, and nothing invalid is read


P_D_IN = ("rows", "quantities", "p_d")
INVALID = [
    (put("figure", "../p1-fig2"), "figure must .*pattern.*got '../p1-fig2'"),
    (put("figure", 2), "figure must be a valid string, got 2"),
    (put("preset", "best"), "preset must be 'smoke', 'desk' or 'paper', got 'best'"),
    (put("config", [1]), "config must be an object"),
    (put("rows", []), "rows must be"),
    (put("folder", "/"), "folder must not be given"),
    (put("rows", "colour", "red"), r"rows\.colour must not be given"),
    (drop("rows", "tasks"), r"rows: columns must be equally long"),
    (drop("provenance"), r"provenance must be given"),
    (put("rows", "coordinates", "system", 0, [1]), r"system\[0\] must be a text, a finite number"),
    (put("rows", "coordinates", "system", ["a"]), r"columns must be equally long"),
    (put("rows", "coordinates", "ser", [1, 2]), "differ in name"),
    (put("rows", "tasks", 0, "x"), r"rows\.tasks\[0\] must"),
    (put("rows", "coordinates", {" ": [1, 2]}), r"rows\.coordinates"),
    (put(*P_D_IN, "unit", None), r"rows\.quantities\.p_d\.unit must be a valid string, got None"),
    (put(*P_D_IN, "values", []), "columns must be equally long|as long as values"),
    (put(*P_D_IN, "values", "12"), r"p_d\.values must be a valid array"),
    (put(*P_D_IN, "values", 1, "x"), r"p_d\.values\[1\] must be a finite number.*got 'x'"),
    (put(*P_D_IN, "values", 1, True), r"values\[1\] must be a finite number.*got True"),
    (put(*P_D_IN, "low", 0, 0.11), "must be ordered as low <= value <= high"),
    (put(*P_D_IN, "high", 0, 0.09), "must be ordered as low <= value <= high"),
    (put(*P_D_IN, "low", None), "low and high must be both given or both null"),
    (put(*P_D_IN, "low", [0.0]), "low must be as long as values, which has 2"),
    (put(*P_D_IN, "count", [1, -1]), r"count\[1\] must be an integer >= 0.*got -1"),
    (put(*P_D_IN, "count", [1, 2.5]), r"count\[1\] must be a valid integer.*got 2\.5"),
    (put(*P_D_IN, "count", 2), r"count must be a valid array"),
    (put("provenance", "commit", "HEAD"), r"provenance\.commit must .*got 'HEAD'"),
    (put("provenance", "dirty", 0), r"provenance\.dirty must be a valid boolean"),
    (put("provenance", "seed", -1), r"provenance\.seed must be greater than or equal to 0, got -1"),
    (put("provenance", "threads", 0), r"provenance\.threads must be greater than or equal to 1"),
    (put("provenance", "wall_time_s", -1.0), r"provenance\.wall_time_s must be"),
    (put("provenance", "wall_time_s", None), r"provenance\.wall_time_s must be"),
    (put("provenance", "created", "yesterday"), r"provenance\.created must be a UTC time"),
    (put("provenance", "created", "2026-01-31T12:00:00"), r"provenance\.created must be a UTC"),
    (put("provenance", "created", 5), r"provenance\.created must be"),
    (put("provenance", "weights", []), r"provenance\.weights must be"),
    (put("provenance", "weights", {"../w": "0" * 64}), "a file name inside the paper's"),
    (put("provenance", "weights", {"w": "0"}), r"provenance\.weights\.w must"),
    (put("provenance", "notes", {"a": 1}), r"notes\.a must be a valid string, got 1"),
    (put("provenance", "notes", None), r"notes must be"),
]


@pytest.mark.parametrize(("change", "message"), INVALID)
def test_an_invalid_document_is_refused_with_its_field(change, message):
    document = copy.deepcopy(json.loads(results._layout(results._encode(a_result()))))
    change(document)
    with pytest.raises(ValueError, match=message):
        results._decode(document)


@pytest.mark.parametrize(("change", "message"), INVALID)
def test_an_invalid_stored_file_is_refused_even_with_a_right_hash(tmp_path, change, message):
    path = save_result(a_result(), {}, tmp_path)
    rewrite(path, change)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "isaclib run p1-fig2 --preset" in str(caught.value)


def table_with(values):
    table = a_table()
    object.__setattr__(table.quantities["ser"], "values", values)
    return table


@pytest.mark.parametrize(
    "bad",
    [
        lambda: a_result(preset="huge"),
        lambda: a_result(config={"antennas": torch.tensor(3)}),
        lambda: a_result(config={"snr_db": math.nan}),
        lambda: a_result(rows=a_table(quantities={"y": Quantity([math.inf, 1.0])})),
        lambda: a_result(rows=a_table(quantities={"y": Quantity([1.0])})),
        lambda: a_result(rows=a_table(coordinates={"x": [torch.tensor(1), 2]})),
        lambda: a_result(figure="fig2"),
        lambda: a_result(provenance=replace(SOURCE, seed=-1)),
    ],
)
def test_an_invalid_result_is_not_saved_and_the_old_one_kept(tmp_path, bad):
    save_result(a_result(), {}, tmp_path)
    before = everything_below(tmp_path)
    with pytest.raises((ValueError, TypeError), match=r"must|JSON serializable"):
        save_result(bad(), {}, tmp_path)
    assert everything_below(tmp_path) == before


def test_an_interval_may_cross_its_value_by_rounding_alone(tmp_path):
    rounding = Quantity([0.1, 0.1], [0.1 + 1e-17] * 2, [0.1 - 1e-17] * 2)
    save_result(a_result(rows=a_table(quantities={"p": rounding})), {}, tmp_path)
    assert len(load_result(FIGURE, tmp_path).rows) == 2


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
        (break_by_another_schema, "schema must be 2, got 3"),
        (break_by_another_figure, "figure must be 'p1-fig2', got 'p1-fig3'"),
        (break_by_a_huge_number, "ser.values"),
        (break_by_a_folder, "cannot be read"),
        (Path.unlink, "there is no such result; create it with"),
    ],
)
def test_a_spoilt_file_is_a_clear_error(tmp_path, spoil, message):
    path = save_result(a_result(), {}, tmp_path)
    spoil(path)
    with pytest.raises(ResultError, match=message) as caught:
        load_result(FIGURE, tmp_path)
    assert str(path) in str(caught.value)
    assert "`isaclib run p1-fig2 --preset paper`" in str(caught.value)


def test_an_old_schema_is_refused_with_the_command_that_converts_it(tmp_path):
    break_by_the_old_schema(save_result(a_result(), {}, tmp_path))
    with pytest.raises(ResultError, match=r"got 1; .*`isaclib results convert p1-fig2`"):
        load_result(FIGURE, tmp_path)


@pytest.mark.parametrize("figure", ["fig2", "p1-fig2/../x", "", None, "p1-fig2\n"])
def test_a_figure_that_is_no_figure_id_is_refused(tmp_path, figure):
    with pytest.raises(ValueError, match="figure must be a figure id"):
        load_result(figure, tmp_path)


def test_a_result_that_is_replaced_between_two_looks_is_read_again(tmp_path, monkeypatch):
    def publish(value):
        tensors = {f"{'a' * 16}/w": torch.full((2,), value)}
        save_result(a_result(trained=trained()), tensors, tmp_path)

    publish(1.0)
    read, looks = results._read, []

    def slow(path: Path, figure: str) -> Result:
        found = read(path, figure)
        if not looks:
            looks.append(path)
            publish(2.0)
        return found

    monkeypatch.setattr(results, "_read", slow)
    assert load_result(FIGURE, tmp_path).tensors(system="SL")["w"].tolist() == [2.0, 2.0]

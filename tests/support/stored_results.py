"""A small valid result, and ways to spoil it, for the tests of stored results."""

import json
import math
from dataclasses import replace

from isaclib.experiments.engine import results
from isaclib.experiments.engine.provenance import Provenance
from isaclib.experiments.engine.results import Result
from isaclib.experiments.engine.tables import Quantity, Table

FIGURE = "p1-fig2"
SOURCE = Provenance(
    version="0.1.0",
    commit="0" * 40,
    dirty=False,
    seed=0,
    device="cpu",
    torch="2.13.0",
    threads=2,
    wall_time_s=1.5,
    created="2026-01-31T12:00:00+00:00",
)
P_D = Quantity([0.1, math.nan], [0.05, math.nan], [0.2, math.nan], [100, 0], "1")
SER = Quantity([0.5, 0.25])


def a_table(**changes):
    coordinates = {"system": ["baseline", "known"], "omega_r": [0.09, None], "array": [0, 1]}
    return replace(Table(coordinates, {"p_d": P_D, "ser": SER}, ["0" * 16, None]), **changes)


def a_result(**changes):
    config = {"sector_deg": (-20.0, 20.0), "antennas": 16}
    return replace(Result(FIGURE, "desk", config, a_table(), SOURCE), **changes)


def trained(key="a" * 16):
    return Table({"system": ["SL"], "array": [0]}, {}, [key])


def everything_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewrite(path, change):
    """Change a stored document and give it the right hash again."""
    document = json.loads(path.read_text())
    del document["sha256"]
    document = change(document) or document
    document["sha256"] = results.content_hash(document)
    path.write_text(json.dumps(document))


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for step in path:
            document = document[step]
        document[last] = value

    return change


def drop(*path):
    def change(document):
        *front, last = path
        for step in front:
            document = document[step]
        del document[last]

    return change


def break_by_truncating(path):
    path.write_bytes(path.read_bytes()[:-40])


def break_by_emptying(path):
    path.write_bytes(b"")


def break_by_editing(path):
    path.write_text(path.read_text().replace("0.25", "0.24"))


def break_by_dropping_the_hash(path):
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(json.dumps(document))


def break_by_another_schema(path):
    rewrite(path, put("schema", 3))


def break_by_the_old_schema(path):
    rewrite(path, put("schema", 1))


def break_by_another_figure(path):
    rewrite(path, put("figure", "p1-fig3"))


def break_by_binary(path):
    path.write_bytes(b"\xff\xfe\x00")


def break_by_nesting(path):
    path.write_bytes(b"[" * 200_000)


def break_by_a_huge_number(path):
    rewrite(path, put("rows", "quantities", "ser", "values", 0, 10**400))


def break_by_a_folder(path):
    path.unlink()
    path.mkdir()

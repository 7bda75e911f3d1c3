"""The headline numbers and verdicts of README and first page are those of the stored results."""

import re
from pathlib import Path

import pytest

from isaclib.experiments.claims import evaluate
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.limits.distances import distances

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = (ROOT / "index.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results"


def numbers(row: str) -> list[list[float]]:
    """Numbers of a row of the headline table, column by column."""
    (line,) = (line for line in README.splitlines() if line.startswith(f"| {row}"))
    columns = line.strip("|").split("|")[1:]
    return [[float(v) for v in re.findall(r"\d+\.\d+", column)] for column in columns]


def assert_rounded(shown: float, measured: float) -> None:
    """Check that a number is shown as it would be rounded, to two significant figures or more."""
    assert shown == pytest.approx(measured, rel=0.03, abs=5e-4)


LIMIT_ROWS = {
    "P1, autoencoder": (0, "autoencoder"),
    "P1, its beam": (0, "its beam, classical receiver"),
    "P2, model-driven learning where": (1, "model-driven, 500 angles"),
    "P2, model-driven learning elsewhere": (2, "model-driven, 500 angles"),
    "P3, supervised": (3, "SL"),
    "P3, maximum likelihood": (3, "maximum likelihood, 100 labelled echoes"),
}


@pytest.mark.parametrize("row", LIMIT_ROWS)
def test_limit_rows(row):
    index, name = LIMIT_ROWS[row]
    scene = distances(lambda figure: load_result(figure, RESULTS))[index]
    shown = [value for column in numbers(row) for value in column]
    points = (scene.start, scene.systems[name], scene.limit)
    for value, point in zip(shown, points, strict=True):
        assert_rounded(value, point.p_md)
    (line,) = (line for line in README.splitlines() if line.startswith(f"| {row}"))
    way = scene.way(name)[0]
    assert line.endswith(f"| {way:.0%} |".replace("%", " %") if way > 0 else "| behind |")


@pytest.mark.parametrize("paper", ["P1", "P2", "P3", "P4"])
def test_the_scoreboard_counts_the_verdicts(paper):
    verdicts = [verdict for claim, verdict in evaluate(RESULTS) if claim.paper == paper.lower()]
    statuses = [verdict.status for verdict in verdicts]
    counts = [statuses.count(kind) for kind in ("reproduced", "partly", "not reproduced")]
    assert sum(counts) == len(verdicts)
    reduced = any(verdict.scale == "reduced" for verdict in verdicts)
    for text, end in ((INDEX, " {cite"), (README, ":")):
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {paper}{end}"))
        assert [int(cell) for cell in re.findall(r"\| (\d+) (?=\|)", line)] == counts
        assert ("reduced" in line) == reduced


def test_the_first_finding_says_what_the_limits_say():
    scene = distances(lambda figure: load_result(figure, RESULTS))[0]
    shown = {int(percent) for percent in re.findall(r"(\d+) %", INDEX)}
    assert shown == {round(100 * scene.way(name)[0]) for name in scene.systems}

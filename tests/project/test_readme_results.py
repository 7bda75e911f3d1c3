"""The README's headline numbers and verdicts are those of the stored results."""

import re
import statistics
from pathlib import Path

import pytest

from isaclib.experiments.claims import evaluate
from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.engine.results import load_result
from isaclib.experiments.limits.distances import distances
from isaclib.experiments.p4.figures import final_rows

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results"
METRICS = ("ser", "p_d", "rmse_deg")


def numbers(row: str) -> list[list[float]]:
    """Numbers of a row of the headline table, column by column."""
    (line,) = (line for line in README.splitlines() if line.startswith(f"| {row}"))
    columns = line.strip("|").split("|")[1:]
    return [[float(v) for v in re.findall(r"\d+\.\d+", column)] for column in columns]


def assert_rounded(shown: float, measured: float) -> None:
    """Check that a number is shown as it would be rounded, to two significant figures or more."""
    assert shown == pytest.approx(measured, rel=0.03, abs=5e-4)


def test_baseline_row():
    baseline = load_result("p1-fig2", RESULTS).where(system="baseline", phase=0.0)
    for metric, shown in zip(METRICS, numbers("Least-squares beams"), strict=True):
        assert len(shown) == 3
        for rho, value in zip((0.0, 0.5, 1.0), shown, strict=True):
            assert_rounded(value, baseline.where(rho=rho)[metric].value)


@pytest.mark.parametrize(
    ("row", "receivers"), [("Autoencoder", "learned"), ("Its beams with classical", "classical")]
)
def test_autoencoder_rows(row, receivers):
    rows = load_result("p1-fig2", RESULTS).where(unit="deg", receivers=receivers)
    for metric, shown in zip(METRICS, numbers(row), strict=True):
        assert len(shown) == 3
        for weight, value in zip((0.01, 0.09, 0.4), shown, strict=True):
            trainings = rows.where(omega_r=weight)[metric].values
            assert len(trainings) == 3
            assert_rounded(value, statistics.fmean(trainings))


BASELINE, MATRIX = {"system": "baseline", "rho": 1.0}, {"system": "model-driven", "omega_r": 1.0}
NETWORKS = {"system": "networks", "step": "angle", "omega_r": 1.0}
P2_ROWS = {
    "Baseline that knows the spacings": ({**BASELINE, "spacings": "known"}, 20),
    "Baseline that assumes λ/2": ({**BASELINE, "spacings": "unknown"}, 20),
    "Model-driven learning, 500 grid angles": ({**MATRIX, "complexity": "unlimited"}, 3),
    "Model-driven learning, 156 grid angles": ({**MATRIX, "complexity": "limited"}, 3),
    "Networks, 128 neurons": ({**NETWORKS, "complexity": "unlimited"}, 1),
    "Networks, 21 neurons": ({**NETWORKS, "complexity": "limited"}, 1),
}


@pytest.mark.parametrize("row", P2_ROWS)
def test_p2_rows(row):
    at, arrays = P2_ROWS[row]
    shown = [value for column in numbers(row) for value in column]
    measured = []
    for figure, sector in (("p2-fig4", "seen"), ("p2-fig5", "unseen")):
        rows = load_result(figure, RESULTS).where(**at, sector=sector)
        assert rows.at("array") == list(range(arrays))
        measured += [statistics.fmean(rows[metric].values) for metric in ("p_md", "rmse_deg")]
    for value, truth in zip(shown, measured, strict=True):
        assert_rounded(value, truth)


P3_ROWS = {
    "Spacings known": ("p3-fig3", "known", 3),
    "Assumes λ/2": ("p3-fig3", "unknown", 3),
    "SL, ": ("p3-fig3", "SL", 3),
    "UL, ": ("p3-fig3", "UL", 3),
    "SSL, ": ("p3-fig3", "SL+UL", 3),
    "Maximum likelihood": ("p3-learning", "maximum likelihood", 3),
}


@pytest.mark.parametrize("row", P3_ROWS)
def test_p3_rows(row):
    figure, name, arrays = P3_ROWS[row]
    result = load_result(figure, RESULTS)
    rows = result.where(system=name)
    rows = rows.where(samples=100) if "samples" in rows.coordinates else rows
    curves = rows.split("array").values()
    assert len(curves) == arrays
    for (shown,), metric in zip(numbers(row), ("p_md", "position"), strict=True):
        assert_rounded(shown, statistics.fmean(c[metric].values[-1] for c in curves))


P4_ROWS = {
    "Two tasks, sensing weight 0 ": ("p4-fig4", "sensing_weight", 0.0),
    "Two tasks, sensing weight 1/2": ("p4-fig4", "sensing_weight", 0.5),
    "Two tasks, sensing weight 1 ": ("p4-fig4", "sensing_weight", 1.0),
    "Three tasks": ("p4-fig6", "snr_db", 3.0),
}


@pytest.mark.parametrize("row", P4_ROWS)
def test_p4_rows(row):
    figure, parameter, value = P4_ROWS[row]
    result = load_result(figure, RESULTS)
    metrics = ["mse", "sensing", *(["animal"] if figure == "p4-fig6" else [])]
    for fading, shown in zip(("awgn", "rayleigh"), numbers(row), strict=True):
        row = final_rows(result, fading, repetition=0, **{parameter: value})
        for number, metric in zip(shown, metrics, strict=True):
            assert_rounded(number, row[metric].value)


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


def test_every_claim_stands_there_with_its_verdict():
    stated = dict(
        re.findall(r"^\| `(p\d-[a-z0-9-]+)` \|[^|]*\| \*?\*?([a-z, ]+?)\*?\*? \|", README, re.M)
    )
    found = {}
    for claim, verdict in evaluate(RESULTS):
        assert isinstance(verdict, Verdict), verdict
        found[claim.id] = verdict.words
    assert stated == found

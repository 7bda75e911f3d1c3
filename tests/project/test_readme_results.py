"""The README's headline numbers and verdicts are those of the stored results."""

import re
import statistics
from pathlib import Path

import pytest

from isaclib.claims import Verdict, evaluate
from isaclib.results import load_result

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
    series = load_result("p1-fig2", RESULTS)["baseline"]
    points = list(zip(series["rho"].values, series["phase_rad"].values, strict=True))
    for metric, shown in zip(METRICS, numbers("Least-squares beams"), strict=True):
        assert len(shown) == 3
        for rho, value in zip((0.0, 0.5, 1.0), shown, strict=True):
            # The sweep holds no 0.5 exactly if its values are changed: index() then fails.
            assert_rounded(value, series[metric].values[points.index((rho, 0.0))])


@pytest.mark.parametrize(
    ("row", "suffix"), [("Autoencoder", ""), ("Its beams with classical", "/model-based")]
)
def test_autoencoder_rows(row, suffix):
    result = load_result("p1-fig2", RESULTS)
    curves = [result[f"autoencoder/deg/{repetition}{suffix}"] for repetition in range(3)]
    for metric, shown in zip(METRICS, numbers(row), strict=True):
        assert len(shown) == 3
        for weight, value in zip((0.01, 0.09, 0.4), shown, strict=True):
            at = curves[0]["omega_r"].values.index(weight)
            assert_rounded(value, statistics.fmean(c[metric].values[at] for c in curves))


def test_every_claim_stands_there_with_its_verdict():
    stated = dict(
        re.findall(r"^\| `(p\d-[a-z0-9-]+)` \|[^|]*\| \*?\*?([a-z ]+?)\*?\*? \|", README, re.M)
    )
    found = {}
    for claim, verdict in evaluate(RESULTS):
        assert isinstance(verdict, Verdict), verdict
        found[claim.id] = verdict.status
    assert stated == found

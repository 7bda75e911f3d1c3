"""The list of P4's claims, and what they do with results that lack something."""

import pytest
from p4_results import GOOD, curve, stored, verdict

from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.p4.claims import CLAIMS
from isaclib.experiments.registry import figures


def test_all_claims_of_the_paper_are_there():
    assert [claim.id for claim in CLAIMS] == [
        "p4-weights",
        "p4-snr",
        "p4-channel",
        "p4-size",
        "p4-ranges",
        "p4-semantic",
    ]
    for claim in CLAIMS:
        assert claim.paper == "p4"
        assert set(claim.needs) <= set(figures())


def test_the_words_of_the_criteria_have_the_thresholds_of_the_code():
    words = {claim.id: claim.criterion for claim in CLAIMS}
    for part in ("at most 0.6;", "at least 2 times", "at most 1.25 times", "at most 0.05 below"):
        assert part in words["p4-weights"]
    steady = "at least 80% of the steps the loss does not rise by more than 1% and the accuracy "
    for claim in ("p4-snr", "p4-semantic"):
        assert "at most 0.8 times" in words[claim]
        assert "at most 0.5 times" in words[claim]
        assert f"{steady}does not fall by more than 0.005" in words[claim]
    assert "rises by at least 0.1," in words["p4-semantic"]
    assert "at least 80% of the points" in words["p4-channel"]
    for part in ("to 20 the loss", "at most 0.8 times", "at most 0.5 times", "at most 0.05 ahead"):
        assert part in words["p4-size"]
    assert "by at least 0.05 over" in words["p4-ranges"]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_looks_at_no_more_than_it_needs(claim):
    found = claim.verdict({figure: GOOD[figure] for figure in claim.needs})
    assert isinstance(found, Verdict)
    assert found.status == "reproduced"
    assert found.measured


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_missing_curve_is_named(claim):
    rows = curve("awgn", "size", [2], {}, mse=[0.1])
    with pytest.raises(KeyError, match=r"no (row has|column)"):
        claim.verdict({figure: stored(figure, rows) for figure in claim.needs})


@pytest.mark.parametrize(
    ("claim", "x", "at"),
    [("weights", "sensing_weight", {"repetition": 0}), ("size", "size", {"varied": "size"})],
)
def test_a_missing_point_is_an_error(claim, x, at):
    rows = curve("awgn", x, [0.0, 1.0], at, mse=[0.1, 0.2], sensing=[0.5, 0.9])
    with pytest.raises(KeyError, match=rf"no row has {x}=(0.5|20) with .* there are 0.0, 1.0"):
        verdict(claim, {figure: stored(figure, rows) for figure in ("p4-fig4", "p4-fig5")})

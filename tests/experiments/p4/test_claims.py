"""The list of P4's claims, and what they do with results that lack something."""

from dataclasses import replace

import pytest
from p4_results import GOOD, series, stored

from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.p4 import checks
from isaclib.experiments.p4.claims import CLAIMS
from isaclib.experiments.p4.config import FADINGS
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
    verdict = claim.check({figure: GOOD[figure] for figure in claim.needs})
    assert isinstance(verdict, Verdict)
    assert verdict.status == "reproduced"
    assert verdict.measured


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_missing_curve_is_named(claim):
    empty = {
        figure: replace(GOOD[figure], series=[series("other", "size", [2], mse=[0.1])])
        for figure in claim.needs
    }
    with pytest.raises(KeyError, match="has no series"):
        claim.check(empty)


def test_a_missing_point_is_named():
    curves = [
        series(name, "sensing_weight", [0.0, 1.0], mse=[0.1, 0.2], sensing=[0.5, 0.9])
        for fading in FADINGS
        for name in (fading, f"afterwards/{fading}")
    ]
    with pytest.raises(ValueError, match=r"sensing_weight of 'awgn' must be one of .*, got 0.5"):
        checks.check_weights({"p4-fig4": stored("p4-fig4", *curves)})

import dataclasses
import json
import math
from pathlib import Path

import fake_paper
import pytest

from isaclib.experiments import claims as module
from isaclib.experiments.claims import claims, evaluate, report
from isaclib.experiments.engine.claims import Claim, Number, Verdict
from isaclib.experiments.engine.results import ResultError
from isaclib.experiments.engine.runs import Request, run
from isaclib.experiments.engine.sweep import Sweep


@pytest.fixture(autouse=True)
def fake_claims(monkeypatch):
    monkeypatch.setattr(module, "listed", lambda: [fake_paper.CLAIMS])


def store(figure, preset, folder: Path):
    spec = next(spec for spec in fake_paper.FIGURES if spec.id == figure)
    run(Request(spec, preset, 0, "cpu", folder, folder / "runs"), Sweep(progress=False))


def test_every_claim_gets_a_verdict_from_the_stored_results(tmp_path):
    store("p9-fig1", "paper", tmp_path)
    store("p9-fig2", "smoke", tmp_path)
    verdicts = {claim.id: verdict for claim, verdict in evaluate(tmp_path)}
    assert list(verdicts) == ["p9-grow", "p9-same", "p9-none"]
    assert verdicts["p9-grow"] == Verdict(
        "reproduced", "the largest square is 9 [sic]", presets=("paper",)
    )
    assert verdicts["p9-same"].presets == ("smoke",)
    assert verdicts["p9-none"] == Verdict("not tested", "-")


def test_a_missing_or_broken_result_leaves_the_other_claims_tested(tmp_path):
    store("p9-fig1", "desk", tmp_path)
    outcomes = [outcome for _, outcome in evaluate(tmp_path)]
    assert isinstance(outcomes[0], Verdict)
    assert isinstance(outcomes[1], ResultError)
    assert "p9-fig2.json: there is no such result" in str(outcomes[1])
    (tmp_path / "p9" / "p9-fig1.json").write_text("{")
    outcomes = [outcome for _, outcome in evaluate(tmp_path)]
    assert "p9-fig1.json: is not complete JSON" in str(outcomes[0])
    assert isinstance(outcomes[2], Verdict)


def test_a_result_that_lacks_what_a_claim_needs_is_an_error_of_that_claim(tmp_path, monkeypatch):
    store("p9-fig1", "desk", tmp_path)
    curious = dataclasses.replace(
        next(iter(fake_paper.CLAIMS)), check=fake_paper.looks_for_what_is_not_there
    )
    monkeypatch.setattr(fake_paper, "CLAIMS", [curious])
    ((_, outcome),) = evaluate(tmp_path)
    assert isinstance(outcome, ResultError)
    assert "claim p9-grow cannot be tested on p9-fig1" in str(outcome)
    assert "no row has system='cubes' with {}; there are 'squares'" in str(outcome)


def test_two_claims_of_one_id_are_a_mistake(monkeypatch):
    monkeypatch.setattr(fake_paper, "CLAIMS", [*fake_paper.CLAIMS] * 2)
    with pytest.raises(ValueError, match="unique ids, got 'p9-grow' twice"):
        claims()


def test_a_status_is_one_of_four():
    with pytest.raises(ValueError, match=r"status must be one of 'reproduced', .*, got 'maybe'"):
        Verdict("maybe", "")


def test_a_claim_is_plain_data():
    claim = claims()[0]
    assert isinstance(claim, Claim)
    assert claim.needs == ("p9-fig1",)


def test_a_report_says_what_each_verdict_rests_on(tmp_path, monkeypatch):
    numbers = (Number("x", 1.0, 0.5, 2.0, "mean and range of 3 arrays"), Number("y", math.nan))
    counted = dataclasses.replace(
        list(fake_paper.CLAIMS)[1],
        check=lambda *_: Verdict("partly", "some do", numbers=numbers),
    )
    monkeypatch.setattr(fake_paper, "CLAIMS", [counted])
    store("p9-fig1", "paper", tmp_path)
    store("p9-fig2", "smoke", tmp_path)
    (entry,) = report(tmp_path)
    assert json.loads(json.dumps(entry, allow_nan=False)) == {
        "id": "p9-same",
        "paper": "p9",
        "figures": ["Fig. 1", "Fig. 2"],
        "statement": "Both figures agree.",
        "criterion": "Equal.",
        "status": "partly",
        "measured": "some do",
        "numbers": [
            {
                "name": "x",
                "value": 1.0,
                "low": 0.5,
                "high": 2.0,
                "interval": "mean and range of 3 arrays",
            },
            {"name": "y", "value": None, "low": None, "high": None, "interval": ""},
        ],
        "presets": ["paper", "smoke"],
        "results": [
            {
                "figure": name,
                "file": str(tmp_path / "p9" / f"{name}.json"),
                "preset": preset,
            }
            for name, preset in (("p9-fig1", "paper"), ("p9-fig2", "smoke"))
        ],
        "error": None,
    }


def test_a_report_tells_which_result_is_missing(tmp_path):
    store("p9-fig1", "paper", tmp_path)
    grows, same, none = report(tmp_path)
    assert [entry["error"] for entry in (grows, none)] == [None, None]
    assert "p9-fig2.json: there is no such result" in same["error"]
    assert [same[key] for key in ("status", "measured", "presets")] == [None, None, []]
    assert [result["preset"] for result in same["results"]] == ["paper", None]


@pytest.mark.parametrize("ends", [{"low": 0.0}, {"high": 2.0}])
def test_an_interval_has_two_ends(ends):
    with pytest.raises(ValueError, match="low and high of 'x' must be given together"):
        Number("x", 1.0, **ends)

import dataclasses
import json
import math
from datetime import date
from pathlib import Path

import fake_paper
import jsonschema
import pytest

from isaclib.experiments import claims as module
from isaclib.experiments.claims import claims, evaluate, json_schema, report
from isaclib.experiments.engine.claims import Claim, Number, Reading, Replaced, Verdict
from isaclib.experiments.engine.criteria import status_of
from isaclib.experiments.engine.results import ResultError, load_result
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
        "scale": "reduced",
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
        "readings": [],
        "history": [],
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


def altered(monkeypatch, **changes):
    """Let the first claim of the fake paper be another one, alone but for that without results."""
    claim = dataclasses.replace(fake_paper.CLAIMS[0], **changes)
    monkeypatch.setattr(fake_paper, "CLAIMS", [claim, fake_paper.CLAIMS[2]])
    return claim


# Scale


@pytest.mark.parametrize(
    ("presets", "words"),
    [
        (("paper",), "partly"),
        ((), "partly"),
        (("desk",), "partly, at reduced scale"),
        (("paper", "smoke"), "partly, at reduced scale"),
    ],
)
def test_a_verdict_below_the_papers_scale_says_so(presets, words):
    assert Verdict("partly", "-", presets).words == words
    assert Verdict("not tested", "-", presets).words == "not tested"


def test_a_claim_is_not_tested_where_the_system_is_not_the_papers(tmp_path, monkeypatch):
    altered(monkeypatch, not_tested_at=("smoke", "desk"))
    store("p9-fig1", "desk", tmp_path)
    (_, verdict), _ = evaluate(tmp_path)
    assert verdict.status == verdict.words == "not tested"
    assert verdict.measured == (
        "at preset desk the system is not the paper's; there the largest square is 4 [sic]"
    )
    store("p9-fig1", "paper", tmp_path)
    (_, verdict), _ = evaluate(tmp_path)
    assert verdict.words == "reproduced"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((True, True), "reproduced"),
        ((True, False), "partly"),
        ((False, False), "not reproduced"),
        ((True, None), "partly"),
        ((False, None), "not reproduced"),
        ((None, None), "not tested"),
    ],
)
def test_a_part_that_is_not_tested_does_not_hold(parts, status):
    assert status_of(*parts) == status


# Readings


def squares_or(fig1, reading):
    """Judge squares under one reading, and nothing under others."""
    status = {"squares": "reproduced", "cubes": "not reproduced"}[reading]
    return Verdict(status, f"{reading} of {len(fig1.rows)} numbers", numbers=(Number("n", 1.0),))


READINGS = (Reading("cubes"), Reading("squares", "All numbers are squared."))


def test_a_claim_has_a_verdict_under_each_reading(tmp_path, monkeypatch):
    claim = altered(monkeypatch, readings=READINGS, check=squares_or, not_tested_at=("smoke",))
    store("p9-fig1", "desk", tmp_path)
    (_, verdict), _ = evaluate(tmp_path)
    assert verdict.status == "reproduced"
    assert verdict.divided
    assert [(r.name, v.words) for r, v in verdict.readings] == [
        ("cubes", "not reproduced, at reduced scale"),
        ("squares", "reproduced, at reduced scale"),
    ]
    entry = report(tmp_path)[0]
    assert entry["readings"][1] == {
        "reading": "squares",
        "sentence": "All numbers are squared.",
        "status": "reproduced",
        "scale": "reduced",
        "measured": "squares of 3 numbers",
        "numbers": [{"name": "n", "value": 1.0, "low": None, "high": None, "interval": ""}],
    }
    monkeypatch.undo()
    neither = dataclasses.replace(claim, readings=(READINGS[0], Reading("squares")))
    assert neither.verdict({"p9-fig1": load_result("p9-fig1", tmp_path)}).status == "not reproduced"


def test_readings_that_agree_do_not_divide_a_verdict():
    same = Verdict("partly", "-", ("desk",))
    both = tuple((reading, same) for reading in READINGS)
    assert not dataclasses.replace(same, readings=both).divided


def test_one_reading_at_most_is_favoured():
    both = (Reading("a", "This."), Reading("b", "That."))
    with pytest.raises(
        ValueError, match=r"p9-grow must have one that is favoured, got \['a', 'b'\]"
    ):
        dataclasses.replace(fake_paper.CLAIMS[0], readings=both)


# History


OLD = Replaced(date(2026, 11, 20), "Rising.", "partly", "reproduced", "“Squares grow.”")


def test_a_replaced_criterion_is_kept_with_both_verdicts(tmp_path, monkeypatch):
    newer = dataclasses.replace(OLD, date=date(2026, 11, 26), criterion="Not falling.")
    altered(monkeypatch, history=(OLD, newer))
    store("p9-fig1", "paper", tmp_path)
    first, second = report(tmp_path)[0]["history"]
    assert first == {
        "date": "2026-11-20",
        "criterion": "Rising.",
        "verdict": "partly",
        "new_verdict": "reproduced",
        "reason": "“Squares grow.”",
    }
    assert second["criterion"] == "Not falling."


# Bad input


def broken(message):
    def check(*_):
        raise message

    return check


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("no row has x=3"), "no row has x=3"),
        (ZeroDivisionError("division by zero"), "division by zero"),
        (AttributeError("no such thing"), "no such thing"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_whatever_a_result_lacks_is_said_of_its_claim_alone(tmp_path, monkeypatch, error, reason):
    altered(monkeypatch, check=broken(error))
    store("p9-fig1", "smoke", tmp_path)
    (_, outcome), (_, other) = evaluate(tmp_path)
    assert isinstance(other, Verdict)
    assert f"p9-grow cannot be tested on p9-fig1: {reason}; re-create with" in str(outcome)


def edited(path):
    path.write_text(path.read_text().replace("4.0", "5.0"))


def of_another_schema(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 3}))


def of_an_older_schema(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 1}))


def of_another_figure(path):
    path.write_text(path.with_name("p9-fig2.json").read_text())


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "there is no such result"),
        (edited, "the file was edited"),
        (of_another_schema, "schema must be 2, got 3"),
        (of_an_older_schema, "isaclib results convert p9-fig1"),
        (of_another_figure, "figure must be 'p9-fig1', got 'p9-fig2'"),
        (a_folder, "cannot be read"),
        (lambda path: path.write_bytes(b"\xff\x00"), "is not complete JSON"),
        (lambda path: path.write_text("[]"), "must hold a JSON object"),
    ],
)
def test_a_spoilt_result_is_said_of_its_claims_alone(tmp_path, spoil, reason):
    store("p9-fig1", "desk", tmp_path)
    store("p9-fig2", "smoke", tmp_path)
    spoil(tmp_path / "p9" / "p9-fig1.json")
    grows, same, none = report(tmp_path)
    assert reason in grows["error"]
    assert reason in same["error"]
    assert none["status"] == "not tested"
    jsonschema.validate([grows, same, none], json_schema())


# The schema


def test_the_shipped_schema_is_that_of_the_report():
    shipped = Path(module.__file__).with_name("claims.schema.json")
    assert json.loads(shipped.read_text(encoding="utf-8")) == json_schema()


def test_a_report_keeps_to_its_schema(tmp_path, monkeypatch):
    altered(monkeypatch, readings=READINGS, check=squares_or, history=(OLD,))
    store("p9-fig1", "desk", tmp_path)
    entries = report(tmp_path)
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(json.loads(json.dumps(entries)), json_schema())
    for field, value in {"status": "maybe", "scale": "big", "numbers": None, "more": 1}.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([entries[0] | {field: value}], json_schema())


@pytest.mark.parametrize("ends", [{"low": 0.0}, {"high": 2.0}])
def test_an_interval_has_two_ends(ends):
    with pytest.raises(ValueError, match="low and high of 'x' must be given together"):
        Number("x", 1.0, **ends)

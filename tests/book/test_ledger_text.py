import dataclasses
import re
from datetime import date

import fake_paper
import ledger
import pytest
from stored_results import a_result

from isaclib.experiments import claims
from isaclib.experiments.engine.claims import Number, Reading, Replaced, Verdict
from isaclib.experiments.engine.results import ResultError
from isaclib.experiments.engine.tables import tabulate
from isaclib.experiments.engine.tasks import Point

CLAIMS = {claim.id: claim for claim in fake_paper.CLAIMS}
HALF = Number("half", 0.5, 0.25, 0.75, "mean and range of 3 arrays")
OUTCOMES = [
    (CLAIMS["p9-grow"], Verdict("reproduced", "they grow", ("paper",), (HALF,))),
    (CLAIMS["p9-same"], Verdict("partly", "some, as omega_r -> 1", ("paper", "desk"))),
    (CLAIMS["p9-none"], Verdict("not tested", "-", ())),
]


def test_a_claim_that_cannot_be_tested_is_no_entry(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "listed", lambda: [fake_paper.CLAIMS])
    with pytest.raises(ResultError, match="there is no such result"):
        ledger.evaluated(tmp_path)
    monkeypatch.setattr(fake_paper, "CLAIMS", list(fake_paper.CLAIMS)[2:])
    assert ledger.evaluated(tmp_path) == [(CLAIMS["p9-none"], Verdict("not tested", "-"))]


def test_verdicts_are_counted_by_paper_and_status():
    counts = ledger.verdict_counts(OUTCOMES)
    assert counts == {"p9": {"reproduced": 1, "partly": 1, "not reproduced": 0, "not tested": 1}}


def test_the_table_of_counts_has_their_sums_and_no_empty_row():
    table = ledger.count_table([*OUTCOMES, OUTCOMES[0]]).splitlines()
    assert table[0] == "| | P9 | all |"
    assert "| ● reproduced | 2 | 2 |" in table
    assert "| ◐ partly, at reduced scale | 1 | 1 |" in table
    assert not any("not reproduced" in row for row in table)


def test_the_overview_links_each_claim_and_explains_what_is_not_reproduced():
    rows = ledger.overview(OUTCOMES).splitlines()[2:]
    assert len(rows) == len(OUTCOMES)
    for row, (claim, _) in zip(rows, OUTCOMES, strict=True):
        assert f'<a href="#claim-{claim.id}">{claim.id}</a>' in row
        assert claim.statement in row
        assert row.count("|") == 3
    links = [re.findall(r"\]\(#(why-[\w-]+)\)", row) for row in rows]
    assert links == [[], ["why-p9-same"], ["why-p9-none"]]
    assert "](#why-p9-grow)" in ledger.overview(OUTCOMES, {"p9-grow"})


def test_an_entry_holds_all_that_is_known():
    text = ledger.entries(OUTCOMES, "p9")
    blocks = text.split("</details>")[:-1]
    assert [re.search('id="claim-(.*?)"', block)[1] for block in blocks] == list(CLAIMS)
    first, second, third = blocks
    for part in (
        "Squares grow. (P9 Fig. 1)",
        "**Criterion.** Sorted.",
        "**Measured.** They grow.",
        "- half: 0.5, from 0.25 to 0.75 (mean and range of 3 arrays)",
        "**From** [p9-fig1](#p9-fig1), preset `paper`.",
    ):
        assert part in first
    assert "[p9-fig1](#p9-fig1), [p9-fig2](#p9-fig2), presets `paper`, `desk`." in second
    assert "**Measured.** Some, as ω_r → 1." in second
    assert "the code itself" in third
    assert ledger.entries(OUTCOMES, "p1") == ""


CUBES, SQUARES = Reading("cubes"), Reading("squares", "omega_r is squared.")


def read_as(*pairs):
    """The first claim with verdicts under readings, the last one its own."""
    verdict = dataclasses.replace(pairs[-1][1], readings=pairs)
    return [(CLAIMS["p9-grow"], verdict)]


def test_a_verdict_that_depends_on_the_reading_has_a_row_for_each():
    failed, held = Verdict("not reproduced", "they fall", ("desk",)), OUTCOMES[0][1]
    _, _, first, cubes, squares = ledger.overview(read_as((CUBES, failed), (SQUARES, held))).split(
        "\n"
    )
    assert first.endswith("| ●\u00a0reproduced |")
    assert cubes == "| *read as: cubes* | ○\u00a0not reproduced, at reduced scale |"
    assert "squares; the text favours this: “omega_r is squared.”* | ●" in squares
    assert len(ledger.overview(read_as((CUBES, held), (SQUARES, held))).splitlines()) == 3


def test_an_entry_holds_the_readings_and_the_criteria_of_before():
    failed, held = Verdict("not reproduced", "they fall", ("desk",)), OUTCOMES[0][1]
    text = ledger.entries(read_as((CUBES, failed), (SQUARES, held)), "p9")
    assert "**Readings.**\n\n- ○ not reproduced, at reduced scale, read as: cubes. they" in text
    text = ledger.entries(read_as((CUBES, failed), (Reading("squares"), held)), "p9")
    assert "**Readings**, of which the text favours none." in text
    old = Replaced(date(2026, 11, 26), "Rising.", "partly", "reproduced", "“They grow.”")
    claim = dataclasses.replace(CLAIMS["p9-grow"], history=(old,))
    assert (
        "**Until 2026-11-26** the criterion was: Rising. Verdict then: partly; with the one that "
        "took its place: reproduced. “They grow.”"
    ) in ledger.entries([(claim, held)], "p9")


@pytest.mark.parametrize(
    ("value", "text"), [(6_409_250, "6,409,250"), (0.123456, "0.123"), (-3e-5, "-3e-05")]
)
def test_a_number_is_short_but_a_count_is_whole(value, text):
    verdict = Verdict("partly", "x", ("desk",), (Number("it", value),))
    assert f"- it: {text}\n" in ledger.entries([(CLAIMS["p9-grow"], verdict)], "p9")


def test_another_reading_takes_the_place_of_the_first():
    ats = [{"system": s, "unit": u} for s in ("net", "matrix") for u in ("deg", "rad", "both")]
    rows = [(at, Point({"loss": float(n)}), None) for n, at in enumerate([*ats, {"system": "LS"}])]
    result = a_result(rows=tabulate(rows, {"loss": "1"}))
    found = ledger.reread(result, {"unit": {"rad": "deg"}}).rows
    assert found.where(unit="deg")["loss"].values == [1, 4]
    assert found.where(unit="both")["loss"].values == [2, 5]
    assert found.where(system="LS").at("unit") == [None]
    assert len(found) == 5
    assert len(result.rows) == 7
    with pytest.raises(KeyError, match=r"no row has unit=.mrad. with \{\}; there are .deg."):
        ledger.reread(result, {"unit": {"mrad": "deg"}})

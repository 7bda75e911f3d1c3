"""The claims of all papers as Markdown with a little HTML: an overview, and an entry a claim.

A link to a figure goes to the anchor of the figure's id, ``#p1-fig2``, which the page has to know.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence

from isaclib.experiments.claims import evaluate
from isaclib.experiments.engine.claims import (
    REDUCED,
    STATUSES,
    Claim,
    Number,
    Reading,
    Replaced,
    Status,
    Verdict,
)
from isaclib.experiments.engine.results import Result, ResultError
from isaclib.experiments.engine.tasks import Scalar

Entry = tuple[Claim, Verdict]

MARKS: dict[Status, str] = {
    "reproduced": "●",
    "partly": "◐",
    "not reproduced": "○",
    "not tested": "–",
}
"""A mark for each status, which needs no colour to be told from the others."""

LETTERS = {"omega_r": "ω_r", "lambda": "λ", "sigma": "σ", "->": "→"}
"""What claims spell out, as they are written for a terminal too."""


def evaluated(directory: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Test every claim on the stored results; ResultError if one cannot be."""
    found: list[Entry] = []
    for claim, outcome in evaluate(directory):
        if isinstance(outcome, ResultError):
            raise outcome
        found.append((claim, outcome))
    return found


def verdict_counts(outcomes: Sequence[Entry]) -> dict[str, dict[Status, int]]:
    """Number of verdicts of each status, zeros included, for each paper that has a claim."""
    counts: dict[str, dict[Status, int]] = {}
    for claim, verdict in outcomes:
        paper = counts.setdefault(claim.paper, dict.fromkeys(STATUSES, 0))
        paper[verdict.status] += 1
    return counts


def count_table(outcomes: Sequence[Entry]) -> str:
    """Verdicts by status and scale as a table, a row for those that occur, a column a paper."""
    papers = list(dict.fromkeys(claim.paper for claim, _ in outcomes))
    rows = [
        f"| | {' | '.join(paper.upper() for paper in papers)} | all |",
        f"|---|{'---|' * (len(papers) + 1)}",
    ]
    for status in STATUSES:
        for words in (status, status + REDUCED):
            found = [claim.paper for claim, verdict in outcomes if verdict.words == words]
            if found:
                cells = " | ".join(str(n) for n in (*map(found.count, papers), len(found)))
                rows.append(f"| {MARKS[status]} {words} | {cells} |")
    return "\n".join(rows)


def overview(outcomes: Sequence[Entry], explained: Collection[str] = ()) -> str:
    """All claims with their verdicts as a table, two columns wide for a phone.

    A claim whose verdict depends on the reading of the paper has a row a reading, too. Each id
    links to its entry, ``#claim-<id>``; each verdict other than ``"reproduced"``, and those of the
    ids in ``explained``, to their explanation, ``#why-<id>``.
    """
    rows = ["| claim | verdict |", "|---|---|"]
    for claim, verdict in outcomes:
        words = f"{MARKS[verdict.status]}\u00a0{verdict.words}"
        if verdict.status != "reproduced" or claim.id in explained:
            words = f"[{words}](#why-{claim.id})"
        link = f'<a href="#claim-{claim.id}">{claim.id}</a>'
        rows.append(f"| {link}: {_typeset(claim.statement)} | {words} |")
        rows += [
            f"| *{_reading(reading)}* | {MARKS[other.status]}\u00a0{other.words} |"
            for reading, other in (verdict.readings if verdict.divided else ())
        ]
    return "\n".join(rows)


def entries(outcomes: Sequence[Entry], paper: str) -> str:
    """All that is known of a paper's claims, an HTML ``<details>`` each, ``claim-<id>``."""
    return "\n\n".join(_entry(*outcome) for outcome in outcomes if outcome[0].paper == paper)


def reread(result: Result, readings: Mapping[str, Mapping[Scalar | None, Scalar]]) -> Result:
    """Put some rows of a result in the place of others, as another reading of the paper has it.

    ``readings`` say for a coordinate which of its values takes the place of which, such as
    ``{"unit": {"rad": "deg"}}``. What was there before is left out. KeyError if there is no such
    value.
    """
    rows = result.rows
    for name, values in readings.items():
        for value in values:
            rows.where(**{name: value})
        column = rows.at(name)
        rows = rows.take([i for i, own in enumerate(column) if own not in values.values()])
        column = [values.get(own, own) for own in rows.at(name)]
        rows = dataclasses.replace(rows, coordinates={**rows.coordinates, name: column})
    return dataclasses.replace(result, rows=rows)


def _entry(claim: Claim, verdict: Verdict) -> str:
    where = f"{claim.paper.upper()} {', '.join(claim.figures)}"
    head = f"<code>{claim.id}</code> {MARKS[verdict.status]} {verdict.words}"
    lines = [
        f'<details class="claim" id="claim-{claim.id}">',
        f"<summary>{head}</summary>",
        "",
        f"{_typeset(claim.statement)} ({where})",
        "",
        f"**Criterion.** {_typeset(claim.criterion)}",
        "",
        f"**Measured.** {_typeset(verdict.measured[0].upper() + verdict.measured[1:])}.",
        "",
        *(f"- {_typeset(_words(number))}" for number in verdict.numbers),
        "",
        *_readings(verdict),
        *(line for old in claim.history for line in (_change(old), "")),
        f"**From** {_sources(claim, verdict)}.",
        "",
        "</details>",
    ]
    return "\n".join(lines)


def _reading(reading: Reading) -> str:
    """A reading, and the sentence that favours it."""
    if not reading.sentence:
        return f"read as: {reading.name}"
    return f"read as: {reading.name}; the text favours this: “{reading.sentence}”"


def _readings(verdict: Verdict) -> list[str]:
    """Verdicts under all readings, where there are some."""
    if not verdict.readings:
        return []
    lines = [
        f"- {MARKS[v.status]} {v.words}, {_reading(r)}. {_typeset(v.measured)}."
        for r, v in verdict.readings
    ]
    favoured = any(reading.sentence for reading, _ in verdict.readings)
    head = "**Readings.**" if favoured else "**Readings**, of which the text favours none."
    return [head, "", *lines, ""]


def _change(old: Replaced) -> str:
    """A line on a criterion that another took the place of."""
    return (
        f"**Until {old.date}** the criterion was: {_typeset(old.criterion)} Verdict then: "
        f"{old.verdict}; with the one that took its place: {old.new_verdict}. "
        f"{_typeset(old.reason)}"
    )


def _typeset(text: str) -> str:
    """Put letters and arrows for their names."""
    for name, letter in LETTERS.items():
        text = text.replace(name, letter)
    return text


def _sources(claim: Claim, verdict: Verdict) -> str:
    """Links to the figures with the results, and their presets."""
    links = ", ".join(f"[{figure}](#{figure})" for figure in claim.needs)
    noun = "preset" if len(verdict.presets) == 1 else "presets"
    presets = ", ".join(f"`{preset}`" for preset in verdict.presets)
    return f"{links or 'the code itself'}, {noun} {presets}"


def _words(number: Number) -> str:
    """A number with its interval in words."""
    text = f"{number.name}: {_short(number.value)}"
    if number.low is None or number.high is None:
        return text
    return f"{text}, from {_short(number.low)} to {_short(number.high)} ({number.interval})"


def _short(value: float) -> str:
    """Three significant digits, and all digits of a count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

"""Claims with their verdicts as plain data for a machine, and the JSON schema of it.

The dataclasses are the schema: pydantic writes ``claims.schema.json`` of the package from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from isaclib.experiments.engine.claims import Claim, Number, Status, Verdict
from isaclib.experiments.engine.tables import FORBID

Scale = Literal["paper", "reduced"]


@dataclass(frozen=True)
class ReportedNumber:
    """A number that a verdict rests on; null where it is undefined or not bounded."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    name: str
    value: float | None
    low: float | None
    high: float | None
    interval: Annotated[str, Field(description="What value and interval are; may be empty.")]


@dataclass(frozen=True)
class ReportedReading:
    """The verdict under one reading of the paper."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    reading: str
    sentence: Annotated[str, Field(description="The paper's sentence that favours it, or empty.")]
    status: Status
    scale: Scale
    measured: str
    numbers: list[ReportedNumber]


@dataclass(frozen=True)
class ReportedChange:
    """A criterion that another took the place of, and what that made of the verdict."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    date: Annotated[str, Field(json_schema_extra={"format": "date"})]
    old_criterion: str
    old_verdict: str
    new_criterion: str
    new_verdict: str
    reason: str


@dataclass(frozen=True)
class ReportedResult:
    """A stored result that a claim needs."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    figure: str
    file: str
    preset: Annotated[str | None, Field(description="Null where it is missing or broken.")]


@dataclass(frozen=True)
class ReportedClaim:
    """A claim of a paper and what the stored results say about it."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    id: str
    paper: str
    figures: Annotated[list[str], Field(description="Where the paper makes the claim.")]
    statement: str
    criterion: str
    status: Annotated[Status | None, Field(description="Null where it could not be tested.")]
    scale: Annotated[
        Scale | None, Field(description="Whether all results are as large as the paper's.")
    ]
    measured: str | None
    numbers: list[ReportedNumber]
    presets: list[str]
    readings: Annotated[
        list[ReportedReading], Field(description="Verdicts where the paper can be read in ways.")
    ]
    history: list[ReportedChange]
    results: list[ReportedResult]
    error: Annotated[str | None, Field(description="Why the claim could not be tested.")]


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of what ``isaclib claims --json`` prints."""
    schema = TypeAdapter(list[ReportedClaim]).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `isaclib claims --json` prints",
        **schema,
    }


def entry(
    claim: Claim, outcome: Verdict | Exception, results: Sequence[ReportedResult]
) -> dict[str, Any]:
    """Return one claim as JSON data."""
    verdict = outcome if isinstance(outcome, Verdict) else None
    reported = ReportedClaim(
        id=claim.id,
        paper=claim.paper,
        figures=list(claim.figures),
        statement=claim.statement,
        criterion=claim.criterion,
        status=verdict.status if verdict else None,
        scale=_scale(verdict) if verdict else None,
        measured=verdict.measured if verdict else None,
        numbers=_numbers(verdict) if verdict else [],
        presets=list(verdict.presets) if verdict else [],
        readings=[
            ReportedReading(r.name, r.sentence, v.status, _scale(v), v.measured, _numbers(v))
            for r, v in (verdict.readings if verdict else ())
        ],
        history=[ReportedChange(**change) for change in changes(claim)],
        results=list(results),
        error=None if verdict else str(outcome),
    )
    return dataclasses.asdict(reported)


def changes(claim: Claim) -> list[Mapping[str, str]]:
    """Return each change of a claim's criterion with both criteria and both verdicts."""
    newer = [*(old.criterion for old in claim.history[1:]), claim.criterion]
    return [
        {
            "date": old.date,
            "old_criterion": old.criterion,
            "old_verdict": old.status,
            "new_criterion": new,
            "new_verdict": old.became,
            "reason": old.reason,
        }
        for old, new in zip(claim.history, newer, strict=False)
    ]


def _scale(verdict: Verdict) -> Scale:
    return "reduced" if verdict.reduced else "paper"


def _numbers(verdict: Verdict) -> list[ReportedNumber]:
    return [ReportedNumber(**_plain(number)) for number in verdict.numbers]


def _plain(number: Number) -> dict[str, Any]:
    """Return a number as JSON can hold it, which has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in dataclasses.asdict(number).items()
    }

"""The papers' claims, each tested on the stored results by a criterion that can fail.

What :func:`report` says is typed by dataclasses; pydantic writes the JSON and its schema from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from isaclib.experiments.engine.claims import (
    Claim,
    Number,
    Replaced,
    Scale,
    Status,
    Verdict,
)
from isaclib.experiments.engine.results import Result, ResultError, load_result, result_path

__all__ = ["claims", "evaluate", "json_schema", "listed", "markdown_table", "report"]


@dataclass(frozen=True)
class ReportedReading:
    """The verdict under one reading of the paper."""

    reading: str
    sentence: Annotated[str, Field(description="The paper's sentence that favours it, or empty.")]
    status: Status
    scale: Scale
    measured: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class ReportedResult:
    """A stored result that a claim needs."""

    figure: str
    file: str
    preset: Annotated[str | None, Field(description="Null where it is missing or broken.")]


@dataclass(frozen=True)
class ReportedClaim:
    """A claim of a paper and what the stored results say about it."""

    id: str
    paper: str
    figures: Annotated[tuple[str, ...], Field(description="Where the paper makes the claim.")]
    statement: str
    criterion: str
    history: Annotated[
        tuple[Replaced, ...], Field(description="Criteria before this one, the oldest first.")
    ]
    results: tuple[ReportedResult, ...]
    error: Annotated[str | None, Field(description="Why the claim could not be tested.")]
    status: Annotated[Status | None, Field(description="Null where it could not be tested.")] = None
    scale: Annotated[
        Scale | None, Field(description="Whether all results are as large as the paper's.")
    ] = None
    measured: str | None = None
    numbers: tuple[Number, ...] = ()
    presets: tuple[str, ...] = ()
    readings: Annotated[
        tuple[ReportedReading, ...], Field(description="Verdicts, where there are several.")
    ] = ()


REPORT = TypeAdapter(list[ReportedClaim])


class _Schema(GenerateJsonSchema):
    """A schema of all that there is, in JSON, which has no NaN and no infinity."""

    def float_schema(self, schema: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "number"}, {"type": "null"}]}

    def dataclass_schema(self, schema: Any) -> dict[str, Any]:
        return super().dataclass_schema(schema) | {"additionalProperties": False}

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True


def listed() -> Sequence[Sequence[Claim]]:
    """The list of claims of each paper."""
    from isaclib.experiments.p1 import claims as p1
    from isaclib.experiments.p2 import claims as p2
    from isaclib.experiments.p3 import claims as p3
    from isaclib.experiments.p4 import claims as p4

    return [p1.CLAIMS, p2.CLAIMS, p3.CLAIMS, p4.CLAIMS]


def claims() -> list[Claim]:
    """Every claim of every paper, in the papers' order; ValueError if two share an id."""
    found: dict[str, Claim] = {}
    for claim in (claim for some in listed() for claim in some):
        if claim.id in found:
            raise ValueError(f"claims must have unique ids, got {claim.id!r} twice")
        found[claim.id] = claim
    return list(found.values())


def evaluate(
    directory: str | os.PathLike[str] | None = None,
) -> list[tuple[Claim, Verdict | ResultError]]:
    """Test every claim on the stored results.

    An outcome is a verdict, or the error of a result that is missing, broken, or lacks what is
    looked for.
    """
    everything = claims()
    stored = _load(everything, directory)
    return [(claim, _verdict(claim, stored)) for claim in everything]


def report(directory: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Test every claim on the stored results, as JSON data of :func:`json_schema`."""
    everything = claims()
    stored = _load(everything, directory)

    def reported(claim: Claim) -> ReportedClaim:
        outcome = _verdict(claim, stored)
        results = tuple(
            ReportedResult(
                figure,
                str(result_path(figure, directory)),
                getattr(stored[figure], "preset", None),
            )
            for figure in claim.needs
        )
        said = claim.id, claim.paper, claim.figures, claim.statement, claim.criterion
        if not isinstance(outcome, Verdict):
            return ReportedClaim(*said, claim.history, results, error=str(outcome))
        return ReportedClaim(
            *(*said, claim.history, results),
            error=None,
            status=outcome.status,
            scale=outcome.scale,
            measured=outcome.measured,
            numbers=outcome.numbers,
            presets=outcome.presets,
            readings=tuple(
                ReportedReading(r.name, r.sentence, v.status, v.scale, v.measured, v.numbers)
                for r, v in outcome.readings
            ),
        )

    entries: list[dict[str, Any]] = json.loads(REPORT.dump_json(list(map(reported, everything))))
    return entries


def json_schema() -> dict[str, Any]:
    """The JSON schema of what ``isaclib claims --json`` prints."""
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "What `isaclib claims --json` prints",
        **REPORT.json_schema(schema_generator=_Schema, mode="serialization"),
    }


def markdown_table(paper: str, directory: str | os.PathLike[str] | None = None) -> str:
    """Write the claims of one paper with their verdicts as a Markdown table.

    Raises:
        ResultError: A claim cannot be tested.
        ValueError: No claim is of this paper.
    """
    rows = ["| claim | paper | verdict | measured |", "|---|---|---|---|"]
    for claim, verdict in evaluate(directory):
        if claim.paper != paper:
            continue
        if isinstance(verdict, ResultError):
            raise verdict
        where = ", ".join(claim.figures)
        cells = (
            f"`{claim.id}`: {claim.statement}",
            where,
            f"**{verdict.words}**",
            verdict.measured,
        )
        rows.append(f"| {' | '.join(cells)} |")
    if len(rows) == 2:
        known = ", ".join(dict.fromkeys(claim.paper for claim in claims()))
        raise ValueError(f"paper must be one of {known}, got {paper!r}")
    return "\n".join(rows)


def _load(
    everything: list[Claim], directory: str | os.PathLike[str] | None
) -> dict[str, Result | ResultError]:
    """Each result that a claim needs, or why it cannot be loaded."""
    stored: dict[str, Result | ResultError] = {}
    for figure in dict.fromkeys(figure for claim in everything for figure in claim.needs):
        try:
            stored[figure] = load_result(figure, directory)
        except ResultError as error:
            stored[figure] = error
    return stored


def _verdict(claim: Claim, stored: Mapping[str, Result | ResultError]) -> Verdict | ResultError:
    """Check one claim, or say why it cannot be checked."""
    results: dict[str, Result] = {}
    for figure in claim.needs:
        found = stored[figure]
        if isinstance(found, ResultError):
            return found
        results[figure] = found
    try:
        return claim.verdict(results)
    except Exception as error:  # a result can lack anything, and the other claims are to be listed
        # A KeyError's text is its argument's repr; the argument itself reads better.
        reason = (error.args[0] if error.args else "") or type(error).__name__
        return ResultError(
            f"claim {claim.id} cannot be tested on {', '.join(claim.needs)}: {reason}; "
            f"re-create with `isaclib run {' '.join(claim.needs)} --preset paper`"
        )

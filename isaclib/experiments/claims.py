"""The papers' claims, each tested on the stored results by a criterion that can fail."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from isaclib.experiments.engine.claims import Claim, Number, Verdict
from isaclib.experiments.engine.results import Result, ResultError, load_result, result_path

__all__ = ["claims", "evaluate", "listed", "markdown_table", "report"]


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
    """Test every claim on the stored results, as data that JSON can hold.

    A number that is undefined, the preset of a result that cannot be read, and the ``error`` of a
    claim that was tested are None.
    """
    everything = claims()
    stored = _load(everything, directory)
    return [_entry(claim, _verdict(claim, stored), stored, directory) for claim in everything]


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
            f"**{verdict.status}**",
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


def _entry(
    claim: Claim,
    outcome: Verdict | ResultError,
    stored: Mapping[str, Result | ResultError],
    directory: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """What :func:`report` says of one claim."""
    verdict = outcome if isinstance(outcome, Verdict) else None
    return {
        "id": claim.id,
        "paper": claim.paper,
        "figures": list(claim.figures),
        "statement": claim.statement,
        "criterion": claim.criterion,
        "status": verdict.status if verdict else None,
        "measured": verdict.measured if verdict else None,
        "numbers": [_plain(number) for number in verdict.numbers] if verdict else [],
        "presets": list(verdict.presets) if verdict else [],
        "results": [
            {
                "figure": figure,
                "file": str(result_path(figure, directory)),
                "preset": getattr(stored[figure], "preset", None),
            }
            for figure in claim.needs
        ],
        "error": None if verdict else str(outcome),
    }


def _plain(number: Number) -> dict[str, Any]:
    """A number as JSON can hold it, which has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in dataclasses.asdict(number).items()
    }


def _verdict(claim: Claim, stored: Mapping[str, Result | ResultError]) -> Verdict | ResultError:
    """Check one claim, or say why it cannot be checked."""
    results: dict[str, Result] = {}
    for figure in claim.needs:
        found = stored[figure]
        if isinstance(found, ResultError):
            return found
        results[figure] = found
    try:
        verdict = claim.verdict(results)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        # A KeyError's text is its argument's repr; the argument itself reads better.
        reason = error.args[0] if error.args else error
        return ResultError(
            f"claim {claim.id} cannot be tested on {', '.join(claim.needs)}: {reason}; "
            f"re-create with `isaclib run {' '.join(claim.needs)} --preset paper`"
        )
    if verdict.presets:
        return verdict
    presets = tuple(dict.fromkeys(result.preset for result in results.values()))
    return dataclasses.replace(verdict, presets=presets)

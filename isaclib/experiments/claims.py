"""The papers' claims, each tested on the stored results by a criterion that can fail."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from isaclib.experiments.engine.claims import Claim, Verdict
from isaclib.experiments.engine.report import ReportedResult, entry
from isaclib.experiments.engine.results import Result, ResultError, result_path
from isaclib.experiments.stored import load_result

__all__ = ["claims", "evaluate", "listed", "markdown_table", "report"]


def listed() -> Sequence[Sequence[Claim]]:
    """Return the list of claims of each paper."""
    from isaclib.experiments.p1 import claims as p1
    from isaclib.experiments.p2 import claims as p2
    from isaclib.experiments.p3 import claims as p3
    from isaclib.experiments.p4 import claims as p4

    return [p1.CLAIMS, p2.CLAIMS, p3.CLAIMS, p4.CLAIMS]


def claims() -> list[Claim]:
    """Return every claim of every paper, in the papers' order.

    Raises:
        ValueError: Two claims share an id, which is a mistake in a paper's list.
    """
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

    Args:
        directory: Results folder; see :func:`isaclib.experiments.series.results.results_directory`.

    Returns:
        Each claim with its verdict, or with the error of a result that it needs and that is
        missing, broken, or lacks what the check looks for.
    """
    everything = claims()
    stored = _load(everything, directory)
    return [(claim, _verdict(claim, stored)) for claim in everything]


def report(directory: str | os.PathLike[str] | None = None) -> list[dict[str, Any]]:
    """Test every claim on the stored results, as plain data for a machine.

    Args:
        directory: Results folder; see :func:`isaclib.experiments.series.results.results_directory`.

    Returns:
        A dictionary a claim, as the JSON schema says that ``isaclib claims --schema`` prints
        (:class:`isaclib.experiments.engine.report.ReportedClaim`).
    """
    everything = claims()
    stored = _load(everything, directory)
    return [
        entry(
            claim,
            _verdict(claim, stored),
            [
                ReportedResult(
                    figure,
                    str(result_path(figure, directory)),
                    getattr(stored[figure], "preset", None),
                )
                for figure in claim.needs
            ],
        )
        for claim in everything
    ]


def markdown_table(paper: str, directory: str | os.PathLike[str] | None = None) -> str:
    """Write the claims of one paper with their verdicts as a Markdown table.

    Args:
        paper: Paper id, such as ``"p1"``.
        directory: Results folder; see :func:`isaclib.experiments.series.results.results_directory`.

    Returns:
        The table, a row a claim.

    Raises:
        ResultError: If a claim cannot be tested.
        ValueError: If no claim is of this paper.
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
    """Load each result that a claim needs, once, or keep why it cannot be loaded."""
    stored: dict[str, Result | ResultError] = {}
    for figure in dict.fromkeys(figure for claim in everything for figure in claim.needs):
        try:
            stored[figure] = load_result(figure, directory)
        except ResultError as error:
            stored[figure] = error
    return stored


def _verdict(claim: Claim, stored: Mapping[str, Result | ResultError]) -> Verdict | ResultError:
    """Check one claim, or return why it cannot be checked."""
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

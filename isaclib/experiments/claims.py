"""The papers' claims, each tested on the stored results by a criterion that can fail."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from isaclib._validation import check_one_of
from isaclib.experiments.engine.results import Result, ResultError, load_result, result_path

__all__ = [
    "CLAIM_MODULES",
    "STATUSES",
    "Claim",
    "Number",
    "Status",
    "Verdict",
    "claims",
    "evaluate",
    "markdown_table",
    "report",
]

CLAIM_MODULES = (
    "isaclib.experiments.p1.claims",
    "isaclib.experiments.p2.claims",
    "isaclib.experiments.p3.claims",
    "isaclib.experiments.p4.claims",
)

Status = Literal["reproduced", "partly", "not reproduced", "not tested"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and how far it is known.

    Attributes:
        name: What it is, in plain text.
        value: The number.
        low: Lower end of its interval; None where there is none.
        high: Upper end of its interval.
        interval: What value and interval are, such as ``"mean and range of 3 trainings"``.

    Raises:
        ValueError: One end of the interval is given and the other is not.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    interval: str = ""

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(
                f"low and high of {self.name!r} must be given together, got {self.low} and "
                f"{self.high}"
            )


@dataclass(frozen=True)
class Verdict:
    """What the stored results say about a claim.

    Attributes:
        status: ``"reproduced"``, ``"partly"``, ``"not reproduced"`` or ``"not tested"``.
        measured: One sentence with the numbers behind the status.
        presets: Presets of the results that were used; :func:`evaluate` fills them in where a
            check leaves them empty.
        numbers: The numbers that decided, each with its interval.

    Raises:
        ValueError: The status is not one of the four.
    """

    status: Status
    measured: str
    presets: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        check_one_of("status", self.status, STATUSES)


@dataclass(frozen=True)
class Claim:
    """Something that a paper says and that its figures can show.

    Attributes:
        id: Claim id, such as ``"p1-tradeoff"``.
        paper: Paper id, such as ``"p1"``.
        figures: Where the paper shows it, such as ``("Fig. 2",)``.
        statement: What the paper says.
        criterion: What the check asks of the results, in words.
        needs: Ids of the results that the check reads, such as ``("p1-fig2",)``.
        check: Derives the verdict from those results.
    """

    id: str
    paper: str
    figures: tuple[str, ...]
    statement: str
    criterion: str
    needs: tuple[str, ...]
    check: Callable[[Mapping[str, Result]], Verdict]


def claims() -> list[Claim]:
    """Return every claim of every paper, in the papers' order.

    Raises:
        ValueError: Two claims share an id, which is a mistake in a paper's module.
    """
    found: dict[str, Claim] = {}
    for name in CLAIM_MODULES:
        for claim in importlib.import_module(name).CLAIMS:
            if claim.id in found:
                raise ValueError(f"{name}.CLAIMS must have unique ids, got {claim.id!r} twice")
            found[claim.id] = claim
    return list(found.values())


def evaluate(
    directory: str | os.PathLike[str] | None = None,
) -> list[tuple[Claim, Verdict | ResultError]]:
    """Test every claim on the stored results.

    Args:
        directory: Results folder; see :func:`isaclib.experiments.engine.results.results_directory`.

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
        directory: Results folder; see :func:`isaclib.experiments.engine.results.results_directory`.

    Returns:
        A dictionary a claim, which JSON can hold: ``id``, ``paper``, ``figures`` (of the paper),
        ``statement``, ``criterion``; ``status``, ``measured`` and ``presets`` of the verdict;
        ``numbers``, each with ``name``, ``value``, ``low``, ``high`` and ``interval``, null where
        undefined; ``results``, each with ``figure``, ``file`` and ``preset``, null where it is
        missing or broken; ``error``, null unless the claim could not be tested.
    """
    everything = claims()
    stored = _load(everything, directory)
    return [_entry(claim, _verdict(claim, stored), stored, directory) for claim in everything]


def markdown_table(paper: str, directory: str | os.PathLike[str] | None = None) -> str:
    """Write the claims of one paper with their verdicts as a Markdown table.

    Args:
        paper: Paper id, such as ``"p1"``.
        directory: Results folder; see :func:`isaclib.experiments.engine.results.results_directory`.

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
    """Load each result that a claim needs, once, or keep why it cannot be loaded."""
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
    """Return what :func:`report` says of one claim."""
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
    """Return a number as JSON can hold it, which has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in dataclasses.asdict(number).items()
    }


def _verdict(claim: Claim, stored: Mapping[str, Result | ResultError]) -> Verdict | ResultError:
    """Check one claim, or return why it cannot be checked."""
    results: dict[str, Result] = {}
    for figure in claim.needs:
        found = stored[figure]
        if isinstance(found, ResultError):
            return found
        results[figure] = found
    try:
        verdict = claim.check(results)
    except (KeyError, IndexError) as error:
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

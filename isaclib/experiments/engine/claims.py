"""What a claim and a verdict are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from isaclib._validation import check_one_of
from isaclib.experiments.engine.results import Result

__all__ = ["STATUSES", "Claim", "Number", "Status", "Verdict"]

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
        presets: Presets of the results that were used; :func:`~isaclib.experiments.claims.evaluate`
            fills them in where a check leaves them empty.
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

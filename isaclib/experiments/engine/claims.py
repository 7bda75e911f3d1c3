"""What a claim and a verdict are, and how a paper's claims are listed.

A claim is a function from stored results to a verdict, with the paper's statement and the criterion
in words beside it::

    CLAIMS = Claims("p3")

    @CLAIMS.claim(
        "p3-order", "Fig. 3", needs="p3-fig3",
        says="Supervised then unsupervised beats the other order at the same total.",
        criterion="At the end P_md of UL+SL lies above that of SL+UL by more than the interval.",
    )
    def order(fig3: Result) -> Verdict: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from isaclib._validation import check_one_of
from isaclib.experiments.engine.results import Result

Status = Literal["reproduced", "partly", "not reproduced", "not tested"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Number:
    """A number that a verdict rests on, and how far it is known, if it is.

    ``interval`` says what value and interval are, such as ``"mean and range of 3 trainings"``.
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
    """What the stored results say about a claim, in a status and a sentence with the numbers.

    :func:`isaclib.experiments.claims.evaluate` fills in ``presets``, those of the results.
    """

    status: Status
    measured: str
    presets: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        check_one_of("status", self.status, STATUSES)


Check = Callable[..., Verdict]


@dataclass(frozen=True)
class Claim:
    """Something that a paper says, ``figures`` of it, such as ``"Fig. 2"``, and results can show.

    ``check`` derives the verdict from the results that it ``needs``, given in this order;
    ``criterion`` says in words what it asks of them.
    """

    id: str
    paper: str
    figures: tuple[str, ...]
    statement: str
    criterion: str
    needs: tuple[str, ...]
    check: Check

    def verdict(self, results: Mapping[str, Result]) -> Verdict:
        """Verdict on stored results by their figures' ids."""
        return self.check(*(results[figure] for figure in self.needs))


class Claims(list[Claim]):
    """The claims of a paper, in the order in which their functions are defined."""

    def __init__(self, paper: str) -> None:
        super().__init__()
        self.paper = paper

    def claim(
        self,
        id: str,
        *where: str,
        says: str,
        criterion: str,
        needs: str | tuple[str, ...] = (),
    ) -> Callable[[Check], Check]:
        """Enter the decorated function as the check of a claim that the paper makes ``where``."""
        figures = (needs,) if isinstance(needs, str) else needs

        def enter(check: Check) -> Check:
            self.append(Claim(id, self.paper, where, says, criterion, figures, check))
            return check

        return enter

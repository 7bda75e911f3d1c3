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

Where the paper leaves something open, ``readings`` lists how it can be read, and the check is told
by its last argument, the reading's name, which one to judge. Where a criterion takes another's
place, ``history`` keeps the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, get_args

from isaclib._validation import check_one_of
from isaclib.experiments.engine.results import Result

REDUCED = ", at reduced scale"
"""What a verdict on a result below the ``paper`` preset adds to its status."""

Status = Literal["reproduced", "partly", "not reproduced", "not tested"]
STATUSES: tuple[Status, ...] = get_args(Status)
Scale = Literal["paper", "reduced"]


def words(status: Status, scale: Scale) -> str:
    """A status, and that it holds at reduced scale only, where it does."""
    return status + REDUCED * (scale == "reduced" and status != "not tested")


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
class Reading:
    """A way to read what a paper leaves open, and the paper's sentence that favours it, if any."""

    name: str
    sentence: str = ""


@dataclass(frozen=True)
class Replaced:
    """A criterion that another one took the place of, and what either made of the same results.

    Verdicts are given with their scale; the ``reason`` is the sentence of the paper that the new
    criterion serves better.
    """

    date: date
    criterion: str
    verdict: str
    new_verdict: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the stored results say about a claim, in a status and a sentence with the numbers.

    :meth:`Claim.verdict` fills in ``presets``, those of the results, where a check leaves them
    empty, and ``readings``, the verdict under each reading of the paper, this one among them.
    """

    status: Status
    measured: str
    presets: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    readings: tuple[tuple[Reading, Verdict], ...] = ()

    def __post_init__(self) -> None:
        check_one_of("status", self.status, STATUSES)

    @property
    def scale(self) -> Scale:
        """Whether all results that were used are as large as the paper's."""
        return "reduced" if any(preset != "paper" for preset in self.presets) else "paper"

    @property
    def words(self) -> str:
        """The status, and that it holds at reduced scale only, where it does."""
        return words(self.status, self.scale)

    @property
    def divided(self) -> bool:
        """Whether it depends on the reading of the paper."""
        return len({verdict.words for _, verdict in self.readings}) > 1


Check = Callable[..., Verdict]


@dataclass(frozen=True)
class Claim:
    """Something that a paper says, ``figures`` of it, such as ``"Fig. 2"``, and results can show.

    ``check`` derives the verdict from the results that it ``needs``, given in this order, and from
    the name of a reading where there are ``readings``; ``criterion`` says in words what it asks of
    them. The verdict is that of the reading that a sentence of the paper favours, or else of the
    first. At the presets ``not_tested_at`` the system is not the paper's. ``history`` lists the
    criteria that this one took the place of, the oldest first.
    """

    id: str
    paper: str
    figures: tuple[str, ...]
    statement: str
    criterion: str
    needs: tuple[str, ...]
    check: Check
    readings: tuple[Reading, ...] = ()
    not_tested_at: tuple[str, ...] = ()
    history: tuple[Replaced, ...] = ()

    def __post_init__(self) -> None:
        favoured = [reading.name for reading in self.readings if reading.sentence]
        if len(favoured) > 1:
            raise ValueError(
                f"readings of {self.id} must have one that is favoured, got {favoured}"
            )

    def verdict(self, results: Mapping[str, Result]) -> Verdict:
        """Verdict on stored results by their figures' ids."""
        found = [results[figure] for figure in self.needs]
        presets = tuple(dict.fromkeys(result.preset for result in found))
        if not self.readings:
            return self._at_scale(self.check(*found), presets)
        judged = [(r, self._at_scale(self.check(*found, r.name), presets)) for r in self.readings]
        _, chosen = max(judged, key=lambda pair: bool(pair[0].sentence))
        return replace(chosen, readings=tuple(judged))

    def _at_scale(self, verdict: Verdict, presets: tuple[str, ...]) -> Verdict:
        """Fill in the presets, and test nothing where the system is not the paper's."""
        verdict = replace(verdict, presets=verdict.presets or presets)
        if not set(verdict.presets) & set(self.not_tested_at):
            return verdict
        told = f"at preset {', '.join(verdict.presets)} the system is not the paper's; there"
        return replace(verdict, status="not tested", measured=f"{told} {verdict.measured}")


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
        readings: tuple[Reading, ...] = (),
        not_tested_at: tuple[str, ...] = (),
        history: tuple[Replaced, ...] = (),
    ) -> Callable[[Check], Check]:
        """Enter the decorated function as the check of a claim that the paper makes ``where``."""
        figures = (needs,) if isinstance(needs, str) else needs

        def enter(check: Check) -> Check:
            more = readings, not_tested_at, history
            self.append(Claim(id, self.paper, where, says, criterion, figures, check, *more))
            return check

        return enter

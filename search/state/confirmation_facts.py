"""What a ledger notes about the confirmations of a run, and about its answer."""

from dataclasses import dataclass

# The share of the budget that the first confirmation may take, unless `search.confirm` says it (docs/benchmark.md).
CONFIRM_SHARE = 0.5


@dataclass(frozen=True)
class Sizes:
    """How many fresh trainings an earlier version planned: ``finalists`` times ``each``, and ``plain``.

    They lie in ``blocks`` fresh seed blocks.
    """

    finalists: int
    each: int
    plain: int
    blocks: int

    @property
    def total(self) -> int:
        return self.finalists * self.each + self.plain


@dataclass(frozen=True)
class PairPlan:
    """One confirmation in pairs, as it was planned before its first training.

    ``candidates``: for each pair the number of the architecture that is compared with plain; empty if nothing was worth
    a confirmation. ``first_block`` is the fresh seed block of the first pair, the others follow. ``looks`` are numbers
    of pairs, ``planned`` is how many pairs the ledger holds. ``level`` is the part of the level that it may spend.
    ``budget`` is that of the run at that time. If the end of the time cut the search short, ``covered`` is the budget
    that the run would have had. ``until`` is the time limit of the run in seconds, whose end is one more look; None if
    there is no limit, or once that look was taken. ``ended`` is empty while it is under way, then one of ENDS.
    """

    candidates: tuple[int, ...]
    looks: tuple[int, ...]
    level: float
    budget: int
    first_block: int = 0
    planned: int = 0
    ended: str = ""
    covered: int | None = None
    until: float | None = None

    @property
    def covers(self) -> int:
        """The budget of which nothing more is to be confirmed than this and what follows its failure."""
        return self.budget if self.covered is None else self.covered

    @property
    def candidate(self) -> int:
        """The architecture that is confirmed. Raises IndexError if there is none."""
        return self.candidates[0]


# How a confirmation in pairs ends: a proof; all looks without one; a proof has become too unlikely; no candidate.
PROVEN = "proven"
UNPROVEN = "unproven"
FUTILE = "futile"
NOBODY = "nobody"
ENDS = (PROVEN, UNPROVEN, FUTILE, NOBODY)


@dataclass(frozen=True)
class AnswerFact:
    """What the posterior after ``trainings`` finished ones says about the largest gain of the whole space.

    ``p_not_worth`` is the probability that none of the ``considered`` placements within the limits gains more than
    ``worthwhile`` points. ``more`` trainings would probably decide the run, ``more_even`` as likely as not; None if
    that was not asked, or none would.
    ``forecast``: that was asked, and no reason but the gains and the noise speaks against a decision.
    """

    trainings: int
    worthwhile: float
    p_not_worth: float
    considered: int
    more: int | None = None
    forecast: bool = False
    more_even: int | None = None


# Why nothing more is planned: the budget or the space is used up, the time is over, or the run has its answer.
USED = "used"
EXHAUSTED = "exhausted"
TIME = "time"
ANSWERED = "answered"


@dataclass(frozen=True)
class Settled:
    """Nothing more is to be planned with this ``budget``, and why: USED, EXHAUSTED, TIME or ANSWERED.

    ``trainings`` is how many had finished then.
    """

    budget: int
    reason: str
    trainings: int = 0


@dataclass(frozen=True)
class ConfirmationFact:
    """One confirmation of an earlier version: its sizes, the numbers of its finalists, and the budget that it covers.

    ``of`` is the budget of the run at that time, which is larger if the search ended early; ``early`` says why.
    """

    sizes: Sizes
    finalists: tuple[int, ...]
    budget: int
    of: int | None = None
    early: str = ""

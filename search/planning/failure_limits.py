"""What follows from failed trainings in a session: another start, a start alone, or the end of the search."""

from collections import Counter
from collections.abc import Set

from search.state import failures
from search.state.records import Training
from spaces.errors import NOTHING_USABLE, UserError

# The search ends after this many failures in a row, ...
IN_A_ROW = 5
# after this many trainings of plain if all of them failed, ...
PLAIN_FAILURES = 2
# or if most of at least this many trainings failed.
MANY = 10


class Retries:
    """Which failed trainings start again, and which of these run with nothing beside them.

    ``on_gpus``: the trainings that share memory are those on one GPU. Then the slots of that GPU wait for each other,
    and none of the others does; else all of them share the memory of this machine.
    """

    def __init__(self) -> None:
        self.on_gpus = False
        self._failures: Counter[str] = Counter()
        self._alone: set[str] = set()

    def start_again(self, uid: str, reason: str) -> bool:
        """Counts a failure. True if the training starts again."""
        self._failures[uid] += 1
        kind = failures.kind(reason)
        if self._failures[uid] >= kind.attempts:
            return False
        if kind.alone:
            self._alone.add(uid)
        return True

    def is_alone(self, uid: str) -> bool:
        """Whether a training runs with nothing beside it."""
        return uid in self._alone

    def must_wait(self, uid: str, running: Set[str]) -> bool:
        """Whether a training must wait for the running ones: it must run alone, or one of them must."""
        if self.on_gpus:
            return False
        return bool(running) and (uid in self._alone or not running.isdisjoint(self._alone))


class CircuitBreaker:
    """Ends a search that wastes its budget. It counts this session only: the user may have mended an earlier cause."""

    def __init__(self) -> None:
        self._ended = 0
        self._in_a_row = 0
        self._plain = 0
        self._plain_failed = 0
        self._failed: list[Training] = []

    def add(self, training: Training) -> None:
        """Counts a training that ended or paused."""
        has_failed = training.state == "failed"
        self._ended += 1
        self._in_a_row = self._in_a_row + 1 if has_failed else 0
        if has_failed:
            self._failed.append(training)
        if training.architecture == 0:
            self._plain += 1
            self._plain_failed += has_failed

    def check(self) -> None:
        """Raises UserError (code NOTHING_USABLE) if too many trainings failed."""
        problem = self._problem()
        if not problem:
            return
        last = self._failed[-1]
        detail = last.detail.strip()
        reasons = ", ".join(sorted({training.reason for training in self._failed}))
        raise UserError(
            f"{problem} ({reasons}){f': {detail}' if detail else ''}",
            hint=f"{failures.kind(last.reason).remedy}; finished trainings are kept",
            code=NOTHING_USABLE,
        )

    def _problem(self) -> str:
        if self._plain >= PLAIN_FAILURES and self._plain == self._plain_failed:
            return "the plain network does not train, so there is nothing to compare with"
        if self._in_a_row >= IN_A_ROW:
            return f"{IN_A_ROW} trainings in a row failed"
        if self._ended >= MANY and len(self._failed) > self._ended / 2:
            return f"{len(self._failed)} of {self._ended} trainings failed"
        return ""

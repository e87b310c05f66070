"""The shared network as the loop sees it: one assignment before all others, whose result guides the search."""

import time
from collections.abc import Callable, Set
from dataclasses import replace
from typing import Any

from search.planning.failure_limits import Retries
from search.state import failures
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome, Progress
from search.state.shared_facts import SHARED_UID, SharedFigures, SharedNetworkFact
from senet_nas.recipe import Seed
from senet_nas.training.shared_plan import FIGURES, SHARED_NETWORK

# The shared network starts from the initial weights of the first seed block.
SEED = Seed(0)
# Its progress is noted at most once in this many seconds.
NOTED_EVERY = 2.0


class SharedAssignment:
    """What becomes of the shared network of a run, in the ledger. Does nothing in a run without one.

    ``placements`` are the keys of those that it evaluates, in order. ``learn`` takes the figures as soon as they are
    known, ``watch`` hears of each change.
    """

    def __init__(
        self,
        ledger: Ledger,
        placements: tuple[str, ...],
        retries: Retries,
        learn: Callable[[SharedFigures], None],
        watch: Callable[[SharedNetworkFact], None],
    ) -> None:
        self._ledger = ledger
        self._placements = placements
        self._retries = retries
        self._learn = learn
        self._watch = watch
        self._noted = 0.0

    @property
    def is_waiting(self) -> bool:
        return self._state == "waiting"

    @property
    def is_running(self) -> bool:
        return self._state == "running"

    def recover(self, adopt: Callable[[str], Outcome | None]) -> int:
        """Takes in what a worker left, or lets it wait for another one. Returns 1 if it was interrupted."""
        figures = self._ledger.facts.shared_figures
        if figures is not None:
            self._learn(figures)
        if not self.is_waiting and not self.is_running:
            return 0
        outcome = adopt(SHARED_UID)
        if outcome is not None:
            self.take(outcome)
        elif self.is_running:
            self._change(state="waiting")
            return 1
        return 0

    def start(self, patience: float, running: Set[str]) -> Assignment | None:
        """What a worker must do; None if it must wait for the trainings that are ``running``."""
        if self._retries.must_wait(SHARED_UID, running):
            return None
        attempts = self._fact.attempts + 1
        # One that was interrupted continues from its checkpoint; one that failed has none any more.
        epoch = 0 if self._fact.reason else self._fact.epoch
        self._change(state="running", attempts=attempts, started=time.time(), epoch=epoch, reason="", detail="")
        alone = self._retries.is_alone(SHARED_UID)
        return Assignment(
            SHARED_UID, -1, SHARED_NETWORK, SEED, None, keep_weights=False, patience=patience, alone=alone
        )

    def report(self, progress: Progress) -> None:
        """Notes how far it is, now and then."""
        if time.monotonic() - self._noted >= NOTED_EVERY:
            self._noted = time.monotonic()
            self._change(epoch=progress.epoch)

    def take(self, outcome: Outcome) -> None:
        """Takes in the outcome. A failed one may start again; if it fails for good, the search goes on without it."""
        reason = self._unusable(outcome)
        if not reason:
            self._finish(outcome)
        elif self._retries.start_again(SHARED_UID, reason):
            self._change(state="waiting", reason=reason, detail=outcome.detail)
        else:
            self._change(state="failed", reason=reason, detail=outcome.detail, ended=time.time())

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _state(self) -> str:
        fact = self._ledger.facts.shared_network
        return "" if fact is None else fact.state

    @property
    def _fact(self) -> SharedNetworkFact:
        fact = self._ledger.facts.shared_network
        assert fact is not None, "the run has no shared network"
        return fact

    def _unusable(self, outcome: Outcome) -> str:
        """Why an outcome cannot be taken, or an empty text."""
        if outcome.failure:
            return outcome.failure
        if len(outcome.curve) != self._fact.epochs + len(self._placements):
            return "incomplete"
        return failures.unusable(outcome.metrics)

    def _finish(self, outcome: Outcome) -> None:
        """Notes the figures of every placement together with the end, in one transaction."""
        epochs = self._fact.epochs
        evaluated = zip(self._placements, outcome.curve[epochs:], strict=True)
        figures = SharedFigures(FIGURES, {key: tuple(found.get(name) for name in FIGURES) for key, found in evaluated})
        ended = replace(
            self._fact,
            state="finished",
            epoch=len(outcome.curve),
            ended=time.time(),
            seconds=outcome.metrics.get("train_seconds"),
            curve=tuple(outcome.curve[:epochs]),
        )
        self._ledger.note(Facts(shared_network=ended, shared_figures=figures))
        self._watch(ended)
        self._learn(figures)

    def _change(self, **changes: Any) -> None:
        changed = replace(self._fact, **changes)
        self._ledger.note(Facts(shared_network=changed))
        self._watch(changed)

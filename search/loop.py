"""The search itself, and the order of its steps. Knows no Ray, no torch, no MLflow.

    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, outcome_of(assignment))

*Ask* Optuna, *plan* the training in the ledger, train it, *commit* the result, *tell* Optuna, *project* to whoever
listens: in this order, so that whatever stops in between can be taken up again from the ledger alone.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.planning.early_stopping import Halving
from search.planning.optuna_study import Proposer
from search.planning.planner import Planner
from search.planning.priced_space import PricedSpace
from search.results.objectives import losses
from search.results.result import Rules
from search.state import failures
from search.state.ledger import Ledger
from search.state.records import FIRST_PATIENCE, OPEN, Assignment, Entry, Outcome, Progress, Training
from spaces.architecture import Architecture
from spaces.errors import NOTHING_USABLE, UserError
from spaces.failpoints import failpoint

# So many failures in a row are not bad luck; nor is it when plain fails twice, or most of so many.
BREAKER, PLAIN_FAILURES, MANY = 5, 2, 10
# Nothing new for so long is a hang: 20 of the slowest epochs, and never less than ten minutes. Before anything was
# measured, and while a worker loads its libraries and its data, it is six hours.
EPOCHS_OF_PATIENCE, LEAST_PATIENCE = 20, 600.0


@dataclass(frozen=True)
class Budget:
    """``trainings`` that finish, and ``seconds`` after which none is started; None is no limit."""

    trainings: int
    seconds: float | None = None


class Listener(Protocol):
    """Whoever wants to know what happened: the terminal, MLflow. Called after the ledger has it."""

    def changed(self, training: Training, entry: Entry) -> None: ...


class _Ended:
    """Trainings that ended in this session, counted as they do: to look at all of them each time would cost more each time."""

    def __init__(self) -> None:
        self.all = self.in_a_row = self.plain = self.plain_failed = 0
        self.failed: list[Training] = []

    def add(self, training: Training) -> None:
        is_failed, is_plain = training.state == "failed", training.architecture == 0
        self.all += 1
        self.in_a_row = self.in_a_row + 1 if is_failed else 0
        self.plain += is_plain
        self.plain_failed += is_plain and is_failed
        if is_failed:
            self.failed.append(training)


class Loop:
    """One search over a ledger. Call :meth:`recover` once, then :meth:`next` whenever a slot is free."""

    def __init__(
        self, ledger: Ledger, candidates: PricedSpace, proposer: Proposer, *, budget: Budget, rules: Rules,
        listeners: Sequence[Listener] = (), clock: Callable[[], float] = time.monotonic, patience: float | None = None,
        halving: Halving | None = None,
    ) -> None:  # fmt: skip
        self._ledger, self._proposer, self._listeners = ledger, proposer, list(listeners)
        self._planner = Planner(ledger, candidates, proposer, budget=budget.trainings, rules=rules)
        self._seconds, self._clock = budget.seconds, clock
        self._began: float | None = None  # the clock starts with the first training, not with Ray
        self._spent_before = float(ledger.fact("seconds") or 0)
        self._patience, self._slowest = patience, 0.0
        self._halving, self._objectives = halving, rules.objectives
        self._curves: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
        self._failures: Counter[str] = Counter()
        self._alone: set[str] = set()
        self._ended = _Ended()
        self._stopping = False

    def recover(self, adopt: Callable[[str], Outcome | None] = lambda uid: None) -> int:
        """Takes up what the ledger holds after a stop of any kind. Returns how many trainings must be done again.

        ``adopt`` finds a result that a worker left on disk and that was not committed. What was interrupted without
        one waits again. Optuna hears what became of all others, in the order in which they were asked.
        """
        interrupted = 0
        failpoint("before_recover")
        for training in self._ledger.trainings:
            if training.proposal:
                self._proposer.restore(training.number, training.proposal)
            outcome = adopt(training.uid) if training.state in OPEN else None
            if outcome is not None:
                self.finish(training.uid, outcome)
            elif training.state == "running":
                interrupted += 1
                self._changed(self._ledger.wait(training.uid))
            elif training.state not in OPEN:
                if training.state == "failed" and not failures.kind(training.reason).for_good:
                    self._ledger.census.forgive(training.architecture)
                self._remember(training)
                self._measure(training)
                self._tell(training)
            failpoint("within_recover")
        failpoint("after_recover")
        return interrupted

    def next(self) -> Assignment | None:
        """What to train now. None when nothing can be started; if nothing is running then either, the search is over.

        Raises UserError (code 3) where every training fails.
        """
        if self._began is None:
            self._began = self._clock()
        if self._stopping:
            return None
        self._check_breaker()
        training = self._next_waiting()
        if training is None and self._time_share() < 1:
            training = self._planner.plan_next(search_is_over=self._search_is_over)
        if training is None or self._is_kept_waiting(training):
            return None
        self._changed(self._ledger.start(training.uid))
        entry = self._ledger.entries[training.architecture]
        return Assignment(
            uid=training.uid, number=training.number, architecture=entry.key, seed=training.seed,
            params=entry.price["params"], keep_weights=training.role == "confirm", patience=self.patience,
        )  # fmt: skip

    def report(self, uid: str, progress: Progress) -> bool:
        """A training has come so far. False where it is over, because others promise more at no more overhead."""
        training = self._ledger.get(uid)
        if self._goes_on(training, progress):
            self._ledger.progress(uid, progress.epoch)
            return True
        assert self._halving is not None
        reason = f"not among the best 1/{self._halving.reduction} at epoch {progress.epoch}"
        share = progress.epoch / self._halving.epochs
        self._ledger.stop(uid, reason=reason, curve=self._curves.pop(uid), share=share)
        self._conclude(uid)
        return False

    def finish(self, uid: str, outcome: Outcome) -> None:
        """A training is over, for good or ill; or it starts again, where its failure may be bad luck."""
        self._curves.pop(uid, None)
        reason = outcome.failure or failures.unusable(outcome.metrics)
        if reason and self._starts_again(uid, reason, outcome.detail):
            return
        if reason:
            self._ledger.fail(uid, reason=reason, detail=outcome.detail, curve=outcome.curve)
        else:
            self._ledger.finish(
                uid, metrics=outcome.metrics, curve=outcome.curve, correct=outcome.correct, weights=outcome.weights
            )
        self._conclude(uid)

    def lost(self, uid: str, detail: str, *, reason: str = failures.WORKER_DIED) -> None:
        """The worker ended under a training and left no result."""
        self.finish(uid, Outcome(failure=reason, detail=detail))

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping = True

    def close(self, adopt: Callable[[str], Outcome | None] = lambda uid: None) -> None:
        """What still runs is given up and waits for the next session, unless ``adopt`` finds the result that its worker left
        when it was ended; the time spent is remembered."""
        for _, training in sorted(self._ledger.census.running.items()):
            if (outcome := adopt(training.uid)) is not None:
                self.finish(training.uid, outcome)
            else:
                self._changed(self._ledger.wait(training.uid))
        self._ledger.note(seconds=self.spent)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which a training may be stopped early."""
        return self._halving.at if self._halving else ()

    @property
    def spent(self) -> float:
        """Seconds that the run has taken, over all its sessions."""
        return self._spent_before + (0.0 if self._began is None else self._clock() - self._began)

    @property
    def patience(self) -> float:
        """Seconds without an epoch after which a training counts as hung."""
        if self._patience is not None:
            return self._patience
        return max(LEAST_PATIENCE, EPOCHS_OF_PATIENCE * self._slowest) if self._slowest else FIRST_PATIENCE

    @property
    def is_running(self) -> bool:
        return bool(self._ledger.census.running)

    @property
    def is_complete(self) -> bool:
        """Nothing is left to do within the budget; where the time is over, what never began may be left waiting."""
        if self._time_share() >= 1:
            return not self.is_running and self._next_waiting() is None
        return self._planner.is_confirmed(search_is_over=self._search_is_over) and not self._ledger.census.is_open

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _next_waiting(self) -> Training | None:
        """Who has waited longest. When the time is over, only what was begun before and interrupted."""
        waiting = self._ledger.census.waiting
        if self._time_share() < 1:
            return waiting[min(waiting)] if waiting else None
        return next((t for _, t in sorted(waiting.items()) if t.attempts), None)

    @property
    def _search_is_over(self) -> bool:
        """The last quarter of the time is for the confirmation."""
        return self._time_share() >= 0.75

    def _conclude(self, uid: str) -> None:
        """What follows when the ledger knows how a training ended."""
        training = self._ledger.get(uid)
        self._measure(training)
        self._ended.add(training)
        self._ledger.note(seconds=self.spent)  # a kill must not give the time back
        failpoint("before_tell")
        self._tell(training)
        failpoint("after_tell")
        self._changed(training)
        failpoint("after_project")

    def _goes_on(self, training: Training, progress: Progress) -> bool:
        """Baselines and fresh trainings always do: they are what others are compared with."""
        if self._halving is None or progress.accuracy is None or not math.isfinite(progress.accuracy):
            return True
        self._curves[training.uid].append({"epoch": progress.epoch, "val_accuracy": progress.accuracy})
        self._enter(training, progress.epoch, progress.accuracy)
        return training.role != "search" or self._halving.keeps(training.uid, training.seed.block, progress.epoch)

    def _enter(self, training: Training, epoch: int, accuracy: float) -> None:
        assert self._halving is not None
        point = losses(self._objectives, accuracy, self._ledger.entries[training.architecture].price)
        self._halving.enter(training.uid, training.seed.block, epoch, point)

    def _remember(self, training: Training) -> None:
        """Who came to which rung before this session. What failed is no measure for others."""
        if self._halving is None or training.state == "failed":
            return
        for epoch in training.curve:
            if math.isfinite(accuracy := epoch.get("val_accuracy", math.nan)):
                self._enter(training, int(epoch["epoch"]), accuracy)

    def _measure(self, training: Training) -> None:
        """How long an epoch took, where the training says; where not, an even share of the whole."""
        share = training.metrics.get("train_seconds", 0.0) / max(1, len(training.curve))
        self._slowest = max(self._slowest, share, *(epoch.get("seconds", 0.0) for epoch in training.curve))

    def _starts_again(self, uid: str, reason: str, detail: str) -> bool:
        """Whether a failed training waits for another start, perhaps with the machine to itself."""
        self._failures[uid] += 1
        kind = failures.kind(reason)
        if self._failures[uid] >= kind.attempts:
            return False
        if kind.alone:
            self._alone.add(uid)
        self._changed(self._ledger.wait(uid, reason=reason, detail=detail))
        return True

    def _is_kept_waiting(self, training: Training) -> bool:
        """What ran out of memory runs alone: it waits for the others, and they for it."""
        running = {t.uid for t in self._ledger.census.running.values()}
        return bool(running and (training.uid in self._alone or running & self._alone))

    def _time_share(self) -> float:
        return self.spent / self._seconds if self._seconds else 0.0

    def _tell(self, training: Training) -> None:
        """Fresh trainings are for the proof alone, so the sampler does not hear of them."""
        if training.role == "confirm":
            return
        architecture = Architecture.parse(self._ledger.entries[training.architecture].key)
        accuracy = training.metrics["val_accuracy"] if training.state == "finished" else None
        self._proposer.tell(
            training.number, accuracy, architecture, stopped=training.state == "stopped", block=training.seed.block
        )

    def _changed(self, training: Training) -> None:
        for listener in [*self._listeners]:
            try:
                listener.changed(training, self._ledger.entries[training.architecture])
            except OSError:
                # The terminal went away (a closed pipe). Nobody hears, but the search goes on.
                self._listeners.remove(listener)

    def _check_breaker(self) -> None:
        """Ends a search that wastes its budget. Counts this session alone: the user may have mended the cause."""
        ended = self._ended
        if ended.plain >= PLAIN_FAILURES and ended.plain == ended.plain_failed:
            what = "the plain network does not train, so there is nothing to compare with"
        elif ended.in_a_row >= BREAKER:
            what = f"{BREAKER} trainings in a row failed"
        elif ended.all >= MANY and len(ended.failed) > ended.all / 2:
            what = f"{len(ended.failed)} of {ended.all} trainings failed"
        else:
            return
        failed = ended.failed
        reasons = ", ".join(sorted({t.reason for t in failed}))
        raise UserError(
            f"{what} ({reasons}): {failed[-1].detail.strip() or 'no detail'}",
            hint=f"{failures.kind(failed[-1].reason).remedy}; finished trainings are kept",
            code=NOTHING_USABLE,
        )

"""The search itself: the order of its steps. It knows neither Ray nor torch nor MLflow.

    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, outcome_of(assignment))

*Ask* Optuna, *plan* the training in the ledger, train it, *commit* the result, *tell* Optuna, *notify* the listeners.
In this order, the search can be resumed from the ledger alone, wherever it was stopped.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from search.planning.early_stopping import EarlyStopping, Stop, SuccessiveHalving
from search.planning.failure_limits import CircuitBreaker, Retries
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget, Planner
from search.planning.priced_space import PricedSpace
from search.planning.shared_assignment import SharedAssignment
from search.planning.time_budget import Patience, TimeBudget
from search.planning.training_lengths import ShortTrainings
from search.results.evidence import losses_of
from search.results.objectives import qualities, scores_of
from search.results.result import Rules
from search.state import failures, gpu_facts
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.left_outcomes import Adopt, left, nothing_left
from search.state.listening import Listener, Listeners
from search.state.records import ENDED, OPEN, Assignment, Outcome, Progress, Training
from search.state.shared_facts import SHARED_UID, SharedNetworkFact
from spaces.failpoints import failpoint

# While trainings go on, the time that the run has used is noted at most once in this many seconds.
NOTED_EVERY = 2.0


class Loop:
    """One search over a ledger. Call :meth:`recover` once, then :meth:`next` whenever a slot is free.

    ``placements`` are the keys that the shared network of the run evaluates, in order; ``watch_shared`` hears of it.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: PricedSpace,
        proposer: Proposer,
        *,
        budget: Budget,
        rules: Rules,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
        patience: float | None = None,
        early_stopping: SuccessiveHalving | None = None,
        short: ShortTrainings | None = None,
        placements: Sequence[str] = (),
        watch_shared: Callable[[SharedNetworkFact], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._proposer = proposer
        self._notify = Listeners(ledger, listeners).notify
        self._planner = Planner(ledger, space, proposer, budget=budget, rules=rules, short=short)
        spent_before = ledger.facts.seconds or 0.0
        self._time = TimeBudget(budget.seconds, spent_before=spent_before, clock=clock, search_share=1 - budget.confirm)
        self._patience = Patience(patience)
        self._early_stopping = EarlyStopping(early_stopping, rules.objectives)
        self._qualities = qualities(rules.objectives)
        self._retries = Retries()
        self._breaker = CircuitBreaker()
        self._shared = SharedAssignment(ledger, tuple(placements), self._retries, proposer.learn, watch_shared)
        self.is_stopping = False

    def recover(self, adopt: Adopt = nothing_left) -> int:
        """Resumes from the ledger. Returns how many interrupted trainings must start again.

        ``adopt`` finds the result of an interrupted training; without one, the training waits again. Optuna is told of
        all others, in the order in which they were asked for.
        """
        failpoint("before_recover")
        interrupted = self._shared.recover(adopt)
        for training in self._ledger.trainings:
            if training.proposal:
                self._proposer.restore(training.number, training.proposal)
            outcome = left(training, adopt) if training.state in OPEN else None
            if outcome is not None:
                self.finish(training.uid, outcome)
            elif training.state == "running":
                interrupted += 1
                self._notify(self._ledger.wait(training.uid))
            elif training.state not in OPEN:
                self._remember(training)
            failpoint("within_recover")
        failpoint("after_recover")
        return interrupted

    def next(self) -> Assignment | None:
        """What to train now; None if nothing can start. If nothing runs then either, the search is over.

        Raises UserError (code NOTHING_USABLE) if too many trainings fail.
        """
        self._time.begin()
        if self.is_stopping:
            return None
        self._breaker.check()
        if self._must_share:
            return self._shared.start(self.patience, self._running)
        training = self._next_waiting()
        if training is None and not self._time.is_over:
            training = self._planner.plan_next(search_is_over=self._time.search_is_over)
        if training is None or self._retries.must_wait(training.uid, self._running):
            return None
        if self.is_stopping:  # since planning, which measures latencies, and so may take a while
            return None
        self._notify(self._ledger.start(training.uid))
        return self._assignment(training)

    def report(self, uid: str, progress: Progress) -> bool:
        """Takes in an epoch of a training. False if the training is stopped early."""
        self._note_time(every=NOTED_EVERY)
        if uid == SHARED_UID:
            self._shared.report(progress)
            return True
        training = self._ledger.get(uid)
        stop = self._early_stopping.decide(training, progress, self._price(training))
        if stop is None:
            self._ledger.progress(uid, progress.epoch)
            return True
        self._stop_early(uid, stop)
        return False

    def finish(self, uid: str, outcome: Outcome) -> None:
        """Takes in the outcome of a training. A failed one may start again; one that has paused may be continued."""
        if uid == SHARED_UID:
            self._shared.take(outcome)
            self._note_time()
            return
        if outcome.paused and not outcome.failure:
            self._pause(uid, outcome)
            return
        self._early_stopping.forget(uid)
        reason = outcome.failure or failures.unusable(outcome.metrics, self._qualities)
        if reason and self._retries.start_again(uid, reason):
            self._notify(self._ledger.wait(uid, reason=reason, detail=outcome.detail))
            return
        if reason:
            self._ledger.fail(uid, reason=reason, detail=outcome.detail, curve=outcome.curve)
        else:
            found = gpu_facts.with_number(self._ledger, outcome)
            self._ledger.finish(
                uid, metrics=found, curve=outcome.curve, correct=outcome.correct, weights=outcome.weights
            )
        self._conclude(uid)

    def lost(self, uid: str, detail: str, *, reason: str = failures.WORKER_DIED) -> None:
        """Takes in that a worker ended without leaving a result for its training."""
        self.finish(uid, Outcome(failure=reason, detail=detail))

    def train_on_gpus(self) -> None:
        """A training that ran out of memory waits on its GPU for those beside it; the other GPUs go on."""
        self._retries.on_gpus = True

    def stop(self) -> None:
        """Starts no further training."""
        self.is_stopping = True
        self._planner.stop()

    def conclude(self) -> None:
        """Notes the answer of a run that is complete; what the end of its time has interrupted gets its look."""
        self._planner.conclude(time_is_over=self._time.is_over)

    def close(self, adopt: Adopt = nothing_left) -> None:
        """Ends the session: running trainings wait for the next one, unless ``adopt`` finds their result."""
        self._shared.recover(adopt)
        for _, training in sorted(self._ledger.counts.running.items()):
            outcome = left(training, adopt)
            if outcome is not None:
                self.finish(training.uid, outcome)
            else:
                self._notify(self._ledger.wait(training.uid))
        self._note_time()

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a training may be stopped early."""
        return self._early_stopping.rungs

    @property
    def spent(self) -> float:
        """Seconds that the run has used, over all its sessions."""
        return self._time.spent

    @property
    def patience(self) -> float:
        """Seconds without an epoch after which a training counts as hung."""
        return self._patience.seconds

    @property
    def is_running(self) -> bool:
        return bool(self._running)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do. If the time is over, trainings that never began may be left waiting."""
        if self._time.is_over:
            return not self.is_running and self._next_waiting() is None
        is_settled = self._planner.is_settled(search_is_over=self._time.search_is_over)
        return is_settled and not self._ledger.counts.is_open and not self._shared.is_running

    def needs_checkpoint(self, uid: str) -> bool:
        """Whether a training that its worker has left may be continued from its checkpoint."""
        return self._ledger.get(uid).state not in ENDED

    # -- inside -----------------------------------------------------------------------------------------------

    @property
    def _running(self) -> set[str]:
        shared = {SHARED_UID} if self._shared.is_running else set()
        return {training.uid for training in self._ledger.counts.running.values()} | shared

    @property
    def _must_share(self) -> bool:
        """Whether the shared network is next: before all trainings, while there is time and something to search."""
        has_time = not self._time.search_is_over
        return self._shared.is_waiting and has_time and not self._planner.is_settled(search_is_over=False)

    def _next_waiting(self) -> Training | None:
        """The training that has waited longest. If the time is over, only one that had begun and was interrupted."""
        waiting = self._ledger.counts.waiting
        if not self._time.is_over:
            return waiting[min(waiting)] if waiting else None
        return next((training for _, training in sorted(waiting.items()) if training.attempts), None)

    def _assignment(self, training: Training) -> Assignment:
        entry = self._ledger.entries[training.architecture]
        return Assignment(
            uid=training.uid,
            number=training.number,
            architecture=entry.key,
            seed=training.seed,
            params=entry.price.get("params"),
            keep_weights=training.role == "confirm" or training.architecture == 0,
            patience=self.patience,
            until=training.until,
            alone=self._retries.is_alone(training.uid),
        )

    def _pause(self, uid: str, outcome: Outcome) -> None:
        """Takes in that a training has paused. At a rung of early stopping it may end there instead."""
        training = self._ledger.get(uid)
        progress = Progress(outcome.paused, outcome.curve[-1])
        stop = self._early_stopping.decide(training, progress, self._price(training), curve=outcome.curve)
        if stop is not None:
            self._stop_early(uid, stop)
            return
        self._ledger.pause(uid, curve=outcome.curve)
        self._conclude(uid)

    def _stop_early(self, uid: str, stop: Stop) -> None:
        self._ledger.stop(uid, reason=stop.reason, curve=stop.curve, share=stop.share)
        self._conclude(uid)

    def _remember(self, training: Training) -> None:
        """Takes in a training that ended or paused in an earlier session."""
        if training.state == "failed" and not failures.kind(training.reason).for_good:
            self._ledger.counts.forgive(training.architecture)
        self._early_stopping.remember(training, self._price(training))
        self._patience.measure(training)
        self._tell(training)

    def _conclude(self, uid: str) -> None:
        """What follows once the ledger knows how a training ended, or that it paused."""
        training = self._ledger.get(uid)
        self._patience.measure(training)
        self._breaker.add(training)
        self._note_time()
        failpoint("before_tell")
        self._tell(training)
        failpoint("after_tell")
        self._notify(training)
        failpoint("after_project")

    def _note_time(self, every: float = 0.0) -> None:
        """Notes the time that the run has used, so that a kill does not give it back; once in ``every`` seconds."""
        if self.spent - (self._ledger.facts.seconds or 0.0) >= every:
            self._ledger.note(Facts(seconds=self.spent))

    def _tell(self, training: Training) -> None:
        """Tells Optuna how a training ended. Fresh trainings belong to the proof alone, so the sampler gets none."""
        if training.role == "confirm":
            return
        if training.state == "paused":
            self._proposer.pause(training.number, losses_of(training))
            return
        scores = scores_of(training.metrics, self._qualities) if training.state == "finished" else None
        self._proposer.tell(
            training.number,
            scores,
            self._ledger.entries[training.architecture].architecture,
            stopped=training.state == "stopped",
            block=self._planner.level(training.seed),
            losses=losses_of(training),
        )

    def _price(self, training: Training) -> Mapping[str, float]:
        return self._ledger.entries[training.architecture].price

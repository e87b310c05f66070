"""What is trained next: baselines, then the search, then the confirmations. The ledger alone decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.planning.budget_split import BudgetSplit
from search.planning.confirmation_plan import ConfirmationPlan
from search.planning.optuna_study import Proposer
from search.planning.priced_space import PricedSpace
from search.planning.search_plan import SearchPlan
from search.planning.seed_blocks import SeedBlocks
from search.planning.training_lengths import ShortTrainings
from search.planning.training_rows import TrainingRows
from search.planning.whole_space import WholeSpace
from search.results.answer import STOP
from search.results.result import Rules
from search.state import confirmation_facts
from search.state.confirmation_facts import ANSWERED, CONFIRM_SHARE, EXHAUSTED, TIME, USED, Settled
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Training
from senet_nas.recipe import Seed

# After so many more trainings, and later an eighth more, the run asks again whether any placement can be worth it.
ASK_AGAIN = 8


@dataclass(frozen=True)
class Budget:
    """The number of ``trainings`` that do not fail, and the ``seconds`` after which none begins; None is no limit.

    ``confirm`` is the share of them for the first confirmation. With ``stops_when_answered`` a run ends with its first
    answer; otherwise it uses all.
    """

    trainings: int
    seconds: float | None = None
    confirm: float = CONFIRM_SHARE
    stops_when_answered: bool = True


class _Stopped(Exception):
    """The search was stopped before a candidate was measured: the next session chooses one."""


class Planner:
    """Plans trainings in the ledger, one or a few at a time.

    A training that was stopped early or has paused counts as the share that was done. With ``short`` trainings may
    pause.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: PricedSpace,
        proposer: Proposer,
        *,
        budget: Budget,
        rules: Rules,
        short: ShortTrainings | None = None,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._is_stopping = False
        self._folds = space.folds
        self._budget = budget
        self._rules = rules
        self._split = BudgetSplit(ledger, budget.trainings, budget.confirm)
        rows = TrainingRows(ledger, space)
        self._blocks = SeedBlocks(ledger, space, self._split, rows)
        self._search = SearchPlan(ledger, space, proposer, rows, rules.objectives, short)
        measure = self._measure if space.measure else None
        self._confirmation = ConfirmationPlan(ledger, self._split, rows, rules, budget.seconds, proposer.grid, measure)
        self._whole_space = WholeSpace(space, rules, proposer.grid)
        ledger.note_space(space.space)

    def plan_next(self, *, search_is_over: bool) -> Training | None:
        """The next training, new in the ledger; None while others must first end, or if all is planned.

        ``search_is_over``: the time that is left belongs to the confirmation.
        """
        if self.is_settled(search_is_over=search_is_over):
            return None
        try:
            return self._planned(search_is_over=search_is_over)
        except _Stopped:
            return None

    def stop(self) -> None:
        """Measures no further candidate."""
        self._is_stopping = True

    def is_settled(self, *, search_is_over: bool) -> bool:
        """Whether nothing more will be planned with this budget."""
        settled = self._ledger.facts.settled
        if settled is None:
            return self._is_settled_by_earlier_version(search_is_over=search_is_over)
        if settled.reason == TIME:
            return search_is_over and self._split.is_frozen and not self._confirmation.is_under_way
        if settled.reason == ANSWERED and not (self._budget.stops_when_answered and self._is_still_answered):
            return False
        return settled.budget >= self._split.budget

    def conclude(self, *, time_is_over: bool) -> None:
        """Notes the answer of a run that has ended, if it is not noted yet.

        If its time is over, what a confirmation has so far gets its look.
        """
        if not time_is_over:
            if self._is_outdated:
                self._ask_whole_space(forecast=True)
            return
        self._confirmation.look_at_end_of_time()
        is_of_earlier_version = bool(self._split.rounds) and not self._split.plans
        if is_of_earlier_version or self.is_settled(search_is_over=True):
            self._ask_whole_space(forecast=True)
        else:
            self._settle(TIME)

    def level(self, seed: Seed) -> int:
        """The number of the trainings with which one is compared: those of its block, and of its fold."""
        return seed.level(self._folds)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _planned(self, *, search_is_over: bool) -> Training | None:
        if not self._confirmation.is_under_way:
            return self._plan_search(search_is_over=search_is_over)
        if self._ledger.counts.is_open:
            return None
        planned = self._confirmation.advance()
        if planned is None and self._confirmation.is_under_way:
            self._settle(USED)  # the budget was lowered since the candidate was frozen
            return None
        return planned or self._plan_search(search_is_over=search_is_over)

    def _measure(self, number: int, names: Sequence[str]) -> None:
        """Times a candidate. Raises _Stopped after :meth:`stop`: there may be many, and a signal is in a hurry."""
        if self._is_stopping:
            raise _Stopped
        assert self._space.measure is not None
        self._space.measure(number, names)

    def _plan_search(self, *, search_is_over: bool) -> Training | None:
        """The next training of the search, or the first one of a confirmation; None as :meth:`plan_next`.

        What a failed confirmation left belongs to the next candidate, or if none is worth it, to the search.
        """
        if self._must_ask:
            self._ask_whole_space()
        if self._is_answered and self._ledger.counts.is_open:
            return None
        if self._is_answered and self._is_answered_by_all:
            self._settle(ANSWERED)
            return None
        planned = self._freeze_next() if self._has_left_something else None
        has_budget = self._split.searched < self._split.search_target
        if planned is None and has_budget and not search_is_over:
            planned = self._blocks.plan_baselines() or self._plan_proposal()
        if planned is not None or self._ledger.counts.is_open:
            return planned
        if not self._split.is_frozen:
            return self._freeze_first(has_budget, search_is_over) or self._plan_search(search_is_over=search_is_over)
        self._settle(_reason(has_budget, search_is_over))
        return None

    def _plan_proposal(self) -> Training | None:
        """What the sampler proposes: for the proof, or once a candidate was frozen, for the front."""
        wants_proof = not self._split.is_frozen and self._split.pairs > 0
        return self._search.plan(self._blocks.current, self._split.search_target, wants_proof=wants_proof)

    def _freeze_first(self, has_budget: bool, search_is_over: bool) -> Training | None:
        """Freezes the first candidate of this budget; the search has ended, early if it ``has_budget``."""
        if not has_budget:
            return self._confirmation.freeze(self._split.pairs)
        pairs = self._split.pairs_of_early_end
        covered = self._split.used() + 2 * pairs if search_is_over else None
        return self._confirmation.freeze(pairs, covered)

    def _freeze_next(self) -> Training | None:
        """Freezes the next candidate after a failure."""
        return self._confirmation.freeze(self._split.pairs_after_failure, self._split.plans[-1].covered)

    @property
    def _is_answered(self) -> bool:
        if not self._budget.stops_when_answered:
            return False
        if self._is_proven:
            return True
        answer = self._ledger.facts.answer
        settled = self._ledger.facts.settled
        # Who extends an answered run wants more than that answer.
        before = settled.trainings if settled and settled.budget < self._split.budget else 0
        return answer is not None and answer.p_not_worth >= STOP and answer.trainings > before

    @property
    def _is_answered_by_all(self) -> bool:
        """Whether an answer holds, too, with the trainings that ran when it was found and have ended since."""
        answer = self._ledger.facts.answer
        if answer is None or answer.trainings != self._finished:
            self._ask_whole_space()
        return self._is_answered

    @property
    def _is_proven(self) -> bool:
        """Whether the confirmation with this budget has ended with a proof."""
        plans = self._split.plans
        return bool(plans) and plans[-1].ended == confirmation_facts.PROVEN and self._split.is_frozen

    @property
    def _is_still_answered(self) -> bool:
        """Whether the answer with which the run stopped holds; another gain may count as worthwhile by now."""
        answer = self._ledger.facts.answer
        is_no = answer is not None and answer.p_not_worth >= STOP and not self._is_outdated
        return is_no or self._is_proven

    @property
    def _is_outdated(self) -> bool:
        """Whether the noted answer is about another gain than the one that is worthwhile now."""
        answer = self._ledger.facts.answer
        return answer is not None and answer.worthwhile != self._rules.worthwhile

    @property
    def _has_left_something(self) -> bool:
        """Whether a confirmation with this budget has failed, and nobody has looked for the next candidate yet."""
        return self._split.is_frozen and self._split.plans[-1].ended in (
            confirmation_facts.FUTILE,
            confirmation_facts.UNPROVEN,
        )

    @property
    def _must_ask(self) -> bool:
        """Whether an eighth more trainings have finished since the largest gain of the space was last asked for.

        Or another gain is worthwhile now.
        """
        if self._is_outdated:
            return True
        answer = self._ledger.facts.answer
        before = answer.trainings if answer else 0
        return self._finished - before >= max(ASK_AGAIN, before // ASK_AGAIN)

    @property
    def _finished(self) -> int:
        return sum(self._ledger.counts.finished.values())

    def _ask_whole_space(self, *, forecast: bool = False) -> None:
        answer = self._whole_space.ask(
            self._ledger, level=self._confirmation.next_level, share=self._budget.confirm, forecast=forecast
        )
        if answer is not None:
            self._ledger.note(Facts(answer=answer))

    def _settle(self, reason: str) -> None:
        self._ask_whole_space(forecast=reason not in (ANSWERED, EXHAUSTED))
        self._ledger.note(Facts(settled=Settled(self._split.budget, reason, self._finished)))

    def _is_settled_by_earlier_version(self, *, search_is_over: bool) -> bool:
        """Whether an earlier version, which planned a confirmation as a whole, planned the last one of this budget."""
        if not self._split.rounds or self._split.plans:
            return False
        last = self._split.rounds[-1]
        if last.early == TIME and search_is_over:
            return True
        covered = last.of if last.early == EXHAUSTED and last.of is not None else last.budget
        return covered >= self._split.budget


def _reason(has_budget: bool, search_is_over: bool) -> str:
    """Why nothing more is planned."""
    if not has_budget:
        return USED
    return TIME if search_is_over else EXHAUSTED

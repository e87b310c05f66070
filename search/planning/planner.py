"""What is trained next: baselines, then the search, then the confirmation. The ledger alone decides."""

from search.planning.budget_split import BudgetSplit
from search.planning.confirmation_plan import ConfirmationPlan, EarlyEnd
from search.planning.optuna_study import Proposer
from search.planning.priced_space import PricedSpace
from search.planning.search_plan import SearchPlan
from search.planning.seed_blocks import SeedBlocks
from search.planning.training_rows import TrainingRows
from search.results.result import Rules
from search.state.ledger import Ledger
from search.state.records import Training


class Planner:
    """Plans trainings in the ledger, one or a few at a time.

    ``budget`` counts all trainings that do not fail; a training that was stopped early counts as the share that was
    done.
    """

    def __init__(self, ledger: Ledger, space: PricedSpace, proposer: Proposer, *, budget: int, rules: Rules) -> None:
        self._ledger = ledger
        self._split = BudgetSplit(ledger, budget)
        rows = TrainingRows(ledger, space)
        self._blocks = SeedBlocks(ledger, space, self._split, rows)
        self._search = SearchPlan(ledger, space, proposer, rows, rules.objectives)
        self._confirmation = ConfirmationPlan(ledger, self._split, rows, rules, proposer.grid)
        ledger.note_space(space.space)

    def plan_next(self, *, search_is_over: bool) -> Training | None:
        """The next training, new in the ledger; None while the search must first end, or if all is planned.

        ``search_is_over``: the time that is left belongs to the confirmation.
        """
        if self.is_confirmed(search_is_over=search_is_over):
            return None
        has_budget = self._split.searched < self._split.search_target
        if has_budget and not search_is_over:
            planned = self._blocks.plan_baselines() or self._search.plan(self._blocks.current)
            if planned is not None:
                return planned
        if self._ledger.counts.is_open:
            return None
        return self._confirmation.freeze(_early_end(has_budget, search_is_over))

    def is_confirmed(self, *, search_is_over: bool) -> bool:
        """Whether the finalists of this budget are frozen, so that nothing more will be planned."""
        return self._confirmation.is_planned(search_is_over=search_is_over)


def _early_end(has_budget: bool, search_is_over: bool) -> EarlyEnd:
    if not has_budget:
        return ""
    return "time" if search_is_over else "exhausted"

"""The confirmation: freezes the finalists and plans their fresh trainings beside plain, all in one transaction."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from search.model.hyperparameters import HyperparameterGrid
from search.planning.budget_split import BudgetSplit
from search.planning.training_rows import Row, TrainingRows
from search.results import compute
from search.results.result import Rules
from search.state.facts import ConfirmationFact, Facts, Sizes
from search.state.ledger import Ledger
from search.state.records import Training

# What ended a search before its budget was used: the time of the run, or an exhausted space. Empty: nothing.
EarlyEnd = Literal["", "time", "exhausted"]


class ConfirmationPlan:
    """Plans the confirmations of a run in the ledger. ``grid`` replaces the model's hyperparameter grid."""

    def __init__(
        self,
        ledger: Ledger,
        split: BudgetSplit,
        rows: TrainingRows,
        rules: Rules,
        grid: HyperparameterGrid | None = None,
    ) -> None:
        self._ledger = ledger
        self._split = split
        self._rows = rows
        self._rules = rules
        self._grid = grid

    def is_planned(self, *, search_is_over: bool) -> bool:
        """Whether the finalists of this budget are frozen, so that nothing more will be planned.

        A search that ended before its budget was used continues when it is given more of what ended it.
        """
        if not self._split.rounds:
            return False
        last = self._split.rounds[-1]
        if last.early == "time" and search_is_over:
            return True
        covered = last.of if last.early == "exhausted" and last.of is not None else last.budget
        return covered >= self._split.budget

    def freeze(self, early: EarlyEnd) -> Training | None:
        """Ends the search. The first fresh training, new in the ledger with all others; None without finalists."""
        split = self._split
        sizes = split.sizes_of_early_end if early else split.sizes
        finalists: list[int] = []
        if sizes.total:
            finalists = compute.finalists(self._ledger, self._rules, sizes.finalists, grid=self._grid)
        budget = min(split.budget, split.used() + sizes.total) if early else split.budget
        noted = ConfirmationFact(sizes, tuple(finalists), budget, of=split.budget, early=early)
        planned = self._ledger.plan(
            self._fresh_rows(finalists, sizes),
            role="confirm",
            origin=f"confirmation {len(split.rounds) + 1}",
            facts=Facts(confirmations=(*split.rounds, noted)),
        )
        return planned[0] if planned else None

    def _fresh_rows(self, finalists: Sequence[int], sizes: Sizes) -> list[Row]:
        """Each finalist beside plain in each fresh block, interleaved so that an early end leaves comparisons."""
        if not finalists:
            return []
        first_block = 1 + max(self._ledger.counts.last_block.values())
        numbers = [0] * sizes.plain + [number for number in finalists for _ in range(sizes.each)]
        planned: Counter[int] = Counter()
        rows: list[Row] = []
        for number in numbers:
            architecture = self._ledger.entries[number].architecture
            block = first_block + planned[number] % sizes.blocks
            rows += self._rows.of([architecture], block, rows)
            planned[number] += 1
        return sorted(rows, key=lambda row: (row[1].replicate, row[1].block))

"""Which placement is confirmed: the likeliest proof. A limit on its latency does not rest on a doubtful prediction."""

from collections.abc import Callable

from search.model.hyperparameters import HyperparameterGrid
from search.planning.priced_space import Measure
from search.results import limits
from search.results.evidence import Evidence
from search.results.limits import Within
from search.results.proof_chances import FUTILE, Chance, likeliest
from search.results.result import Rules
from search.state.ledger import Ledger

# Placements that are timed for one choice. Those that are left are chosen only if no measurement is needed.
MOST = 32


class FinalistChoice:
    """Chooses what to confirm. Without ``measure`` predictions count as they are.

    ``grid`` replaces the model's hyperparameter grid.
    """

    def __init__(
        self, ledger: Ledger, rules: Rules, measure: Measure | None, grid: HyperparameterGrid | None = None
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._measure = measure
        self._grid = grid

    def best(self, pairs_of: Callable[[int], int], level: float) -> Chance | None:
        """The placement that a confirmation most likely proves; None if none is worth it.

        One whose prediction does not decide a limit is timed when it would be chosen. Then the choice is made again.
        """
        if self._measure is None:
            return self._likeliest(pairs_of, level, limits.keeps)
        for _ in range(MOST):
            chosen = self._likeliest(pairs_of, level, limits.may_keep)
            if chosen is None:
                return None
            names = limits.unsure(Evidence.of(self._ledger), self._rules.objectives, chosen.number)
            if not names:
                return chosen
            self._measure(chosen.number, names)
        return self._likeliest(pairs_of, level, limits.surely_keeps)

    def _likeliest(self, pairs_of: Callable[[int], int], level: float, within: Within) -> Chance | None:
        chosen = likeliest(self._ledger, self._rules, pairs_of, level, grid=self._grid, within=within)
        return None if chosen is None or chosen.chance < FUTILE else chosen

"""How the budget of a run is divided between the search and its confirmations. All of it is read off the ledger."""

import math
from collections.abc import Sequence

from search.results import confirmation
from search.state.facts import ConfirmationFact, Sizes
from search.state.ledger import Ledger
from search.state.records import SHARE, Role

SEARCH_ROLES: tuple[Role, ...] = ("baseline", "search")
ROLES: tuple[Role, ...] = (*SEARCH_ROLES, "confirm")


def trainings_used(ledger: Ledger, *roles: Role) -> int:
    """The number of trainings that count against the budget, of all roles unless some are given.

    A failed training does not count. A training that was stopped early counts as the share of it that was done; the
    sum of these shares is rounded up.
    """
    counts = ledger.counts
    roles = roles or ROLES
    shares = [training.metrics[SHARE] for role in roles for training in counts.stopped[role].values()]
    whole = sum(counts.counted[role] for role in roles) - len(shares)
    return whole + math.ceil(round(sum(shares), 6))


class BudgetSplit:
    """Shares of ``budget``, the number of trainings that the run may use, for the search and for its confirmations."""

    def __init__(self, ledger: Ledger, budget: int) -> None:
        self._ledger = ledger
        self.budget = budget

    @property
    def rounds(self) -> Sequence[ConfirmationFact]:
        """The confirmations that were planned so far; a run that was extended may have several."""
        return self._ledger.facts.confirmations or ()

    @property
    def confirmed(self) -> int:
        """The budget at the last confirmation that had finalists; 0 if there was none."""
        return next((fact.budget for fact in reversed(self.rounds) if fact.finalists), 0)

    @property
    def sizes(self) -> Sizes:
        """The sizes of the next confirmation: a quarter of what was added since the last. Small extensions add up."""
        return confirmation.sizes(self.budget - self.confirmed)

    @property
    def sizes_of_early_end(self) -> Sizes:
        """The sizes of a confirmation after a search that ends now: a third of what the search used is added for it."""
        return confirmation.sizes(max(0, self.used() - self.confirmed) * 4 // 3)

    @property
    def searched(self) -> int:
        """Trainings that the search has used."""
        return self.used(*SEARCH_ROLES)

    @property
    def search_target(self) -> int:
        """Trainings that the search may use in all: what no confirmation needs."""
        return self.budget - self.used("confirm") - self.sizes.total

    def used(self, *roles: Role) -> int:
        """See :func:`trainings_used`."""
        return trainings_used(self._ledger, *roles)

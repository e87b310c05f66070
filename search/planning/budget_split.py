"""How the budget of a run is divided between the search and its confirmations. All of it is read off the ledger."""

import math
from collections.abc import Sequence

from search.results.paired_test import pairs_in
from search.state.confirmation_facts import CONFIRM_SHARE, ConfirmationFact, PairPlan
from search.state.ledger import Ledger
from search.state.records import SHARE, Role

SEARCH_ROLES: tuple[Role, ...] = ("baseline", "search")
ROLES: tuple[Role, ...] = (*SEARCH_ROLES, "confirm")


def trainings_used(ledger: Ledger, *roles: Role) -> int:
    """The number of trainings that count against the budget, of all roles unless some are given.

    A failed training does not count. One that was stopped early or has paused counts as the share of it that was done,
    one that will pause as the share that is planned, and a shared network, which belongs to the search, as what it
    costs; the sum of these shares is rounded up.
    """
    roles = roles or ROLES
    shares = shares_used(ledger, *roles)
    whole = sum(ledger.counts.counted[role] for role in roles) - len(shares)
    shared = ledger.facts.shared_network
    if "search" in roles and shared is not None and shared.state != "failed":
        shares.append(shared.trainings)
    return whole + math.ceil(round(sum(shares), 6))


def shares_used(ledger: Ledger, *roles: Role) -> list[float]:
    """The shares of the trainings that count as a part of one, in the roles of :func:`trainings_used`."""
    partial = ledger.counts.partial
    return [training.metrics[SHARE] for role in roles or ROLES for training in partial[role].values()]


def before_confirmation(budget: int, share: float) -> int:
    """The trainings of a run before its first confirmation, for which it keeps a ``share`` of its budget."""
    return budget - 2 * pairs_in(int(share * budget))


class BudgetSplit:
    """Shares of ``budget``, the number of trainings that the run may use, for the search and for its confirmations."""

    def __init__(self, ledger: Ledger, budget: int, share: float = CONFIRM_SHARE) -> None:
        self._ledger = ledger
        self._share = share
        self.budget = budget

    @property
    def rounds(self) -> Sequence[ConfirmationFact]:
        """The confirmations that earlier versions planned."""
        return self._ledger.facts.confirmations or ()

    @property
    def plans(self) -> Sequence[PairPlan]:
        """The confirmations in pairs that were planned so far."""
        return self._ledger.facts.pair_plans or ()

    @property
    def is_frozen(self) -> bool:
        """Whether a candidate was frozen with this budget: then the search is over, or has what is left.

        A search that the time cut short and that got more time goes on until the next one.
        """
        used = self.used()
        return any(plan.budget >= self.budget and plan.covers >= min(used, self.budget) for plan in self.plans)

    @property
    def confirmed(self) -> int:
        """The budget at the last confirmation that had a candidate; 0 if there was none."""
        budgets = [fact.budget for fact in self.rounds if fact.finalists]
        return max([*budgets, *(plan.covers for plan in self.plans if plan.candidates)], default=0)

    @property
    def pairs(self) -> int:
        """How many pairs the first confirmation with this budget has: a share of what was added since the last.

        Small extensions add up. Of fewer than FEWEST_PAIRS nothing can be proven, so then all goes into the search.
        """
        return pairs_in(min(self._wanted, self.left))

    @property
    def pairs_of_early_end(self) -> int:
        """The same after a search that ends now: in proportion to what the search has used."""
        used = max(0, self.used() - self.confirmed)
        return pairs_in(min(int(used * self._share / (1 - self._share)), self.left))

    @property
    def pairs_after_failure(self) -> int:
        """How many pairs the next candidate may have, once the last confirmation has failed."""
        return max(0, min(self.budget, self.plans[-1].covers) - self.used()) // 2

    @property
    def left(self) -> int:
        """Trainings that are not planned yet."""
        return max(0, self.budget - self.used())

    @property
    def searched(self) -> int:
        """Trainings that the search has used."""
        return self.used(*SEARCH_ROLES)

    @property
    def search_target(self) -> int:
        """Trainings that the search may use in all: what no confirmation needs."""
        kept = 0 if self.is_frozen else 2 * pairs_in(self._wanted)
        return self.budget - self.used("confirm") - kept

    @property
    def _wanted(self) -> int:
        """Trainings that the first confirmation with this budget asks for."""
        return int(self._share * (self.budget - self.confirmed))

    def used(self, *roles: Role) -> int:
        """See :func:`trainings_used`."""
        return trainings_used(self._ledger, *roles)

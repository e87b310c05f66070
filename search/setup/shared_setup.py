"""The shared network of a run, planned before the first training: how long it trains, which placements it evaluates."""

import math

from search.config import Experiment
from search.setup.experiment_setup import Prepared, at_its_line
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.shared_facts import SharedNetworkFact
from senet_nas.training.shared_plan import SharedCost, SharedPlan, evaluated
from spaces.errors import UserError

# It costs at most this share of the trainings of the budget.
SHARE = 1 / 6


def is_wanted(experiment: Experiment) -> bool:
    """``auto`` is off: no search over a real table has shown yet that a shared network pays (docs/architecture.md)."""
    return experiment.search.shared == "on"


def planned(prepared: Prepared, ledger: Ledger) -> SharedNetworkFact | None:
    """What the ledger notes of the shared network when a run begins; None if there is none, or if it is noted already.

    Raises UserError if the budget is too small for one.
    """
    if not is_wanted(prepared.experiment) or ledger.facts.shared_network is not None:
        return None
    return fact_of(prepared)


def check(prepared: Prepared) -> None:
    """Raises ConfigError if the config asks for a shared network, and the budget is too small for one."""
    if is_wanted(prepared.experiment):
        with at_its_line(prepared.experiment):
            fact_of(prepared)


def fact_of(prepared: Prepared) -> SharedNetworkFact:
    """The plan as a fact. Raises UserError if the budget is too small for one."""
    trainings = prepared.experiment.budget.trainings
    cost = _cost(prepared)
    sizes = cost.sizes_within(SHARE * trainings, prepared.space.size)
    if sizes is None:
        least = cost.least(prepared.space.size)
        raise UserError(
            f"a shared network may cost a sixth of {trainings} trainings, but its least is {least:.1f} trainings",
            hint=f"use budget.trainings {math.ceil(1.1 * least / SHARE)} or more, or remove search.shared",
            key="search.shared",
        )
    return SharedNetworkFact(sizes.epochs, sizes.architectures, round(cost.of(sizes), 3), images=sizes.images)


def plan_of(prepared: Prepared, facts: Facts) -> SharedPlan | None:
    """What a worker needs to train the shared network of a run; None without one."""
    fact = facts.shared_network
    if fact is None:
        return None
    members = evaluated(prepared.space, fact.placements, prepared.experiment.search.seed)
    return SharedPlan(tuple(member.key for member in members), fact.epochs, fact.images)


def _cost(prepared: Prepared) -> SharedCost:
    data = prepared.images
    return SharedCost(prepared.experiment.train, data.train, data.validation)

"""How likely a confirmation is to prove that an architecture gains: which candidate to freeze, and when to give up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.model.hyperparameters import HyperparameterGrid
from search.results import limits, paired_test
from search.results.confirmations import confirmations
from search.results.evidence import Evidence
from search.results.limits import Within
from search.results.objectives import leading_cost
from search.results.result import Rules
from search.state.confirmation_facts import PairPlan
from search.state.ledger import Ledger

Array = NDArray[np.float64]
# A confirmation whose chance of a proof is below this is not begun, or ends.
FUTILE = 0.05


@dataclass(frozen=True)
class Chance:
    """The architecture of a number, and the probability that a confirmation proves it."""

    number: int
    chance: float


def likeliest(
    ledger: Ledger,
    rules: Rules,
    pairs_of: Callable[[int], int],
    level: float,
    *,
    grid: HyperparameterGrid | None = None,
    within: Within = limits.keeps,
) -> Chance | None:
    """The trained architecture within all limits, not proven yet, that a confirmation most likely proves.

    ``pairs_of`` says how many pairs an architecture could be confirmed with, ``within`` which ones keep the limits.
    None if no architecture can be, or if results do not depend on the seed: a test has no noise then to compare a gain
    with. None if nothing has finished: the time for the search may be over before its first training.
    """
    evidence = Evidence.of(ledger, rules.quality)
    if evidence.seeds_alike or not evidence.finished:
        return None
    posterior = evidence.posterior(rules.curves, grid=grid)
    before = confirmations(evidence.facts, ledger.trainings, rules.min_gain, rules.quality).comparisons
    proven = {number for number, comparison in before.items() if comparison.proven}
    found = []
    for number in posterior.architectures:
        price = evidence.price(number)
        is_candidate = number and number not in proven and within(evidence, rules.objectives, number)
        pairs = pairs_of(number) if is_candidate else 0
        if pairs < paired_test.FEWEST_PAIRS:
            continue
        limit = paired_test.final_limit(paired_test.looks_at(pairs), level)
        chances = paired_test.chance(posterior.of(number), posterior.sigmas, pairs, limit, rules.min_gain)
        found.append((float(chances.mean()), -price[leading_cost(rules.objectives, price).overhead], -number))
    if not found:
        return None
    chance, _, negative = max(found)
    return Chance(-negative, chance)


def remaining_chance(
    ledger: Ledger, rules: Rules, plan: PairPlan, seen: Sequence[float | None], grid: HyperparameterGrid | None = None
) -> float:
    """The probability that the last look of a confirmation is a proof, given the gains ``seen`` of its first pairs.

    None is the gain of a pair that lost a training. By the posterior of all trainings. It decides when to give up,
    never what is proven.
    """
    whole = [gain for gain in seen if gain is not None]
    evidence = Evidence.of(ledger, rules.quality)
    if evidence.seeds_alike:
        return 0.0
    posterior = evidence.posterior(rules.curves, grid=grid)
    limit = paired_test.final_limit(plan.looks, plan.level)
    gains = posterior.of(plan.candidate)
    pairs = len(plan.candidates) - (len(seen) - len(whole))
    if pairs < 2:
        return 0.0
    return float(paired_test.chance(gains, posterior.sigmas, pairs, limit, rules.min_gain, whole).mean())

"""Whether a placement keeps the limits on costs, where the latency of most placements is a prediction.

Counted costs and measured latencies decide their limits. A prediction does so only where its model is trusted and its
95 % interval does not reach the limit.
"""

from collections.abc import Callable, Iterator, Sequence

from search.results.evidence import Evidence
from search.results.objectives import Objective, excess
from search.state.latency_facts import LatencyFact
from senet_nas.costs.latency_model import is_trusted, margin

# Whether the architecture of a number counts as one within the limits.
Within = Callable[[Evidence, Sequence[Objective], int], bool]


def keeps(evidence: Evidence, objectives: Sequence[Objective], number: int) -> bool:
    """Whether an architecture keeps all limits by what is known now, and no runtime refuses it."""
    return not evidence.is_refused(number) and excess(objectives, evidence.price(number)) <= 0


def surely_keeps(evidence: Evidence, objectives: Sequence[Objective], number: int) -> bool:
    """Whether it keeps all limits, and a measurement of its latency is not needed to say so."""
    return keeps(evidence, objectives, number) and not unsure(evidence, objectives, number)


def may_keep(evidence: Evidence, objectives: Sequence[Objective], number: int) -> bool:
    """Whether it keeps all limits, or may do so because a predicted latency is too large by less than its error."""
    if evidence.is_refused(number):
        return False
    price = evidence.price(number)
    for objective, fact in _limited_predictions(evidence, objectives, number):
        price[objective.column] -= margin(fact.model.error)
    return excess(objectives, price) <= 0


def unsure(evidence: Evidence, objectives: Sequence[Objective], number: int) -> list[str]:
    """The latencies with a limit that must be measured before anybody knows whether an architecture keeps it."""
    price = evidence.price(number)
    found = []
    for objective, fact in _limited_predictions(evidence, objectives, number):
        assert objective.limit is not None
        is_near = abs(price[objective.column] - objective.limit) <= margin(fact.model.error)
        if is_near or not is_trusted(fact.model.error):
            found.append(objective.metric)
    return found


def _limited_predictions(
    evidence: Evidence, objectives: Sequence[Objective], number: int
) -> Iterator[tuple[Objective, LatencyFact]]:
    """The limits on latencies that were only predicted for an architecture; without those that a runtime refused."""
    name = evidence.entries[number].name
    timed = evidence.facts.timed
    for objective in objectives:
        fact = timed.get(objective.metric)
        if objective.limit is not None and fact is not None and number and not fact.has(name):
            yield objective, fact

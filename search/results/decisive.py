"""The placements on which a result rests. Their latency is measured before the result is told."""

from collections.abc import Sequence

from search.results import limits
from search.results.compute import compute
from search.results.objectives import Objective
from search.results.result import Front, Rules
from search.state.ledger import Ledger
from senet_nas.costs.measures import find


def decisive(ledger: Ledger, rules: Rules) -> list[str]:
    """The ids of these placements without plain, the most important first.

    They are what is recommended or named beside it, what was confirmed, and the front; then what would be among these
    if a predicted latency near its limit were smaller.
    """
    front = compute("", ledger, rules)
    names = [*_named(front), *_confirmed(front), *_members(front)]
    if any(map(_limits_latency, rules.objectives)):
        hopeful = compute("", ledger, rules, within=limits.may_keep)
        names += [*_named(hopeful), *_members(hopeful)]
    return [name for name in dict.fromkeys(names) if name != front.plain.id]


def _named(front: Front) -> Sequence[str]:
    return [front.recommended] if front.likely is None else [front.recommended, front.likely]


def _confirmed(front: Front) -> Sequence[str]:
    return [point.id for point in front.points if point.role == "finalist"]


def _members(front: Front) -> Sequence[str]:
    return [point.id for point in front.members]


def _limits_latency(objective: Objective) -> bool:
    measure = find(objective.metric)
    return measure is not None and not measure.is_counted and objective.limit is not None

"""The front against one overhead: what nothing else beats in gain and in that overhead, whatever a run searched for."""

from collections.abc import Iterable

from search.results import pareto
from search.results.point import Point
from search.results.result import Front


def axis_front(front: Front, column: str) -> tuple[Point, ...]:
    """The members of the front against the overhead in ``column``, from the cheapest on.

    Where a run has one quality and that overhead as its only cost, these are the members of its own front. Else the
    first of several points with the same gain and overhead stands for all.
    """
    if front.costs == (column,) and len(front.rules.qualities) == 1:
        return front.members
    places: dict[tuple[float, float], Point] = {}
    for point in front.points:
        if point.allowed or point.is_plain:
            places.setdefault((point.costs[column], -point.gain), point)
    competing = sorted(places)
    return tuple(places[competing[i]] for i in pareto.front(competing))


def staircase(members: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The (cost, gain) pairs at which the largest gain within a cost limit rises, from the cheapest on."""
    steps: list[tuple[float, float]] = []
    for cost, gain in sorted(members):
        if not steps or gain > steps[-1][1]:
            steps.append((cost, gain))
    return tuple(steps)

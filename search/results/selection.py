"""Which architecture to take home: by id or by a rule, within limits that may be new to the search."""

import re
from collections.abc import Callable, Mapping, Sequence

from search.results.point import Point
from search.results.result import Front
from spaces.errors import NOTHING_USABLE, UserError, unknown

# Chooses among points that are within the limits; plain is always one of them.
Rule = Callable[[Front, Sequence[Point]], Point]


def choose(front: Front, pick: str = "best", limits: Mapping[str, float] | None = None) -> Point:
    """An architecture by its id (``a7``) or by a rule of RULES, with overheads of at most ``limits`` percent.

    ``limits`` maps columns of a point (``params_overhead``) to percent. Raises UserError.
    """
    if re.fullmatch(r"a\d+", pick):
        return front[pick]
    if pick not in RULES:
        raise unknown("rule", pick, RULES)
    allowed = [point for point in front.points if point.is_plain or _within(point, limits or {})]
    return RULES[pick](front, allowed)


def _within(point: Point, limits: Mapping[str, float]) -> bool:
    for column in limits:
        if column not in point.costs:
            raise UserError(
                f"{column.replace('_', ' ')} was not measured in this run",
                hint="make it an objective of the search, or limit another cost",
            )
    return all(point.costs[column] <= limit for column, limit in limits.items())


def best(front: Front, allowed: Sequence[Point]) -> Point:
    """The recommendation; if it exceeds a limit, the proven architecture with the largest fresh gain, or plain."""
    if front.recommended in {point.id for point in allowed}:
        return front[front.recommended]
    return max(_proven(allowed), key=lambda point: point.fresh_gain or 0.0, default=front.plain)


def cheapest_proven(front: Front, allowed: Sequence[Point]) -> Point:
    """The proven architecture with the least overhead. Raises UserError if nothing is proven."""
    proven = _proven(allowed)
    if not proven:
        raise UserError(
            "no architecture within the limits is proven better than plain",
            hint="`--pick best` takes plain then; `--pick aN` takes what you choose",
            code=NOTHING_USABLE,
        )
    return min(proven, key=lambda point: _cost(front, point))


def accurate(front: Front, allowed: Sequence[Point]) -> Point:
    """The member of the front with the best estimated quality, whatever its verdict."""
    return max(_members(front, allowed), key=lambda point: _score(front, point))


def knee(front: Front, allowed: Sequence[Point]) -> Point:
    """The member of the front that is farthest above the line from its cheapest to its best member.

    Both axes scaled to 0..1 (Das, Structural Optimization 18, 1999; Branke et al., PPSN 2004).
    """
    members = sorted(_members(front, allowed), key=lambda point: _cost(front, point))
    first = members[0]
    last = accurate(front, allowed)
    width = max(_cost(front, last) - _cost(front, first), 1e-12)
    height = max(_score(front, last) - _score(front, first), 1e-12)

    def above(point: Point) -> float:
        along = (_cost(front, point) - _cost(front, first)) / width
        return (_score(front, point) - _score(front, first)) / height - along

    return max(members, key=above)


def _proven(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.verdict == "proven" and point.allowed]


def _members(front: Front, allowed: Sequence[Point]) -> list[Point]:
    """Members of the front within the limits; plain if there are none."""
    return [point for point in allowed if point.on_front] or [front.plain]


def _score(front: Front, point: Point) -> float:
    return front.quality.score_of(point.value)


def _cost(front: Front, point: Point) -> float:
    return point.costs[front.costs[0]]


# Add a rule here.
RULES: Mapping[str, Rule] = {"best": best, "knee": knee, "cheapest-proven": cheapest_proven, "accurate": accurate}

"""Dominance and non-dominated sorting. Every value is to be minimised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Vector = Sequence[float]


def dominates(a: Vector, b: Vector) -> bool:
    """``a`` is nowhere worse than ``b`` and somewhere better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front(points: Sequence[Vector] | Array) -> list[int]:
    """Indices of the points (points, objectives) that no other dominates, in the order given. Equal points all stay."""
    if len(points) == 0:
        return []
    values = np.asarray(points, dtype=np.float64)
    two = values.shape[1] == 2 and not np.isnan(values).any()
    members = _sorted_front(values) if two else _culled_front(values)
    return sorted(members.tolist())


def ranks(points: Sequence[Vector]) -> list[int]:
    """Non-dominated sorting: 0 for the front, 1 for the front of the rest, and so on (Deb et al. 2002)."""
    values = np.asarray(points, dtype=np.float64)
    rank = np.zeros(len(values), dtype=np.int64)
    left = np.arange(len(values))
    level = 0
    while len(left):
        members = front(values[left])
        rank[left[members]] = level
        left = np.delete(left, members)
        level += 1
    return rank.tolist()


def _sorted_front(values: Array) -> Integers:
    """Two objectives: in order of the first, a member is below all before it in the second (Kung et al. 1975)."""
    order = np.lexsort((values[:, 1], values[:, 0]))
    first, second = values[order].T
    lowest = np.minimum.accumulate(second)
    # Points with the same first value compete with the lowest of them, and with all that come before these.
    start = np.searchsorted(first, first, "left")
    before = np.where(start > 0, lowest[start - 1], np.inf)
    found: Integers = order[(second == second[start]) & (second < before)]
    return found


def _culled_front(values: Array) -> Integers:
    """Any number of objectives: nothing dominates the lexicographically first point; what it dominates drops out."""
    left = np.lexsort(values.T[::-1])
    members = []
    while len(left):
        members.append(left[0])
        own = values[left[0]]
        others = values[left[1:]]
        dominated = (own <= others).all(axis=1) & (own < others).any(axis=1)
        left = left[1:][~dominated]
    return np.array(members)

"""Dominance, ranks, hypervolume. Every value is to be minimised."""

from collections.abc import Sequence

Point = Sequence[float]


def dominates(a: Point, b: Point) -> bool:
    """``a`` is nowhere worse than ``b`` and somewhere better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other dominates, in the order given."""
    return [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]


def ranks(points: Sequence[Point]) -> list[int]:
    """Non-dominated sorting: 0 for the front, 1 for the front of the rest, and so on (Deb et al. 2002)."""
    rank, left, level = [0] * len(points), list(range(len(points))), 0
    while left:
        members = [left[i] for i in front([points[j] for j in left])]
        for i in members:
            rank[i] = level
        left = [i for i in left if i not in members]
        level += 1
    return rank


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Volume that the points dominate, up to ``reference``. Exact, by slicing along the last axis."""
    inside = [tuple(p) for p in points if all(x < r for x, r in zip(p, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(p[0] for p in inside)
    levels = sorted({p[-1] for p in inside})
    volume = 0.0
    for low, high in zip(levels, [*levels[1:], reference[-1]], strict=True):
        volume += (high - low) * hypervolume([p[:-1] for p in inside if p[-1] <= low], reference[:-1])
    return volume

"""Early stopping: asynchronous successive halving over several objectives. Pure; off unless `search.halving` is set.

At a rung (an epoch, among the trainings of one block) a training goes on where fewer than one in ``reduction`` of those
that came so far rank before it (Li et al. 2020). How they rank is a function that is passed in; here non-dominated sorting
of accuracy at that epoch and exact overheads (Schmucker et al. 2021).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from search.results import pareto
from search.results.pareto import Point

Rank = Callable[[Sequence[Point]], Sequence[int]]


class Rung:
    """What is known of the trainings that came to one epoch. Does not know by which rule they rank."""

    def __init__(self, reduction: int, rank: Rank) -> None:
        self._reduction, self._rank = reduction, rank
        self._points: dict[str, Point] = {}

    def enter(self, uid: str, point: Point) -> None:
        """A training is here; one that comes again, after it was interrupted, counts once."""
        self._points[uid] = point

    def keeps(self, uid: str) -> bool:
        """Whether a training that is here goes on. What nothing dominates does, whatever its rank is."""
        points = list(self._points.values())
        own = self._points[uid]
        if not any(pareto.dominates(other, own) for other in points):
            return True
        ranks = dict(zip(self._points, self._rank(points), strict=True))
        before = sum(rank < ranks[uid] for rank in ranks.values())
        return before * self._reduction < len(points)


class Halving:
    """The rungs of a search whose trainings have ``epochs``; of ``reduction`` at a rung, one goes on."""

    def __init__(self, epochs: int, reduction: int, *, rank: Rank = pareto.ranks) -> None:
        self.epochs, self.reduction = epochs, reduction
        self.at = rungs(epochs, reduction)
        # Only trainings of a block share their initial weights, and with these most of their luck.
        self._rungs: defaultdict[tuple[int, int], Rung] = defaultdict(lambda: Rung(reduction, rank))

    def enter(self, uid: str, block: int, epoch: int, point: Point) -> None:
        """Notes how a training stands after an epoch; ``point`` is to be minimised. Epochs without a rung are nothing."""
        if epoch in self.at:
            self._rungs[block, epoch].enter(uid, point)

    def keeps(self, uid: str, block: int, epoch: int) -> bool:
        """Whether a training that entered goes on after an epoch."""
        return epoch not in self.at or self._rungs[block, epoch].keeps(uid)


def rungs(epochs: int, reduction: int) -> tuple[int, ...]:
    """The epochs ``epochs / reduction^k``, k = 1, 2, ..., rounded down, at least 1: (1, 3, 9) of 27 by thirds."""
    at = []
    while (epochs := epochs // reduction) >= 1:
        at.append(epochs)
    return tuple(reversed(at))

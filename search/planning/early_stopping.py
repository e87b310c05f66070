"""Early stopping by asynchronous successive halving over several objectives. Off unless `search.halving` is set.

At a rung (an epoch, among the trainings of one seed block), a training continues if fewer than one in ``reduction`` of
the trainings that reached the rung rank before it (Li et al. 2020). They rank by non-dominated sorting of their
accuracy at that epoch and of their exact overheads (Schmucker et al. 2021), or by another function that is passed in.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.results import pareto
from search.results.objectives import Objective, Scores, losses, qualities, scores_of
from search.results.pareto import Vector
from search.state.records import Progress, Training

Rank = Callable[[Sequence[Vector]], Sequence[int]]
Curve = list[Mapping[str, float]]


class Rung:
    """The trainings that reached one epoch. It does not know the rule by which they rank."""

    def __init__(self, reduction: int, rank: Rank) -> None:
        self._reduction = reduction
        self._rank = rank
        self._points: dict[str, Vector] = {}

    def enter(self, uid: str, point: Vector) -> None:
        """Notes that a training reached the rung; one that reaches it again after an interruption counts once."""
        self._points[uid] = point

    def keeps(self, uid: str) -> bool:
        """Whether a training that reached the rung continues. One that no other dominates always does."""
        points = list(self._points.values())
        own = self._points[uid]
        if not any(pareto.dominates(other, own) for other in points):
            return True
        ranks = dict(zip(self._points, self._rank(points), strict=True))
        before = sum(rank < ranks[uid] for rank in ranks.values())
        return before * self._reduction < len(points)


class SuccessiveHalving:
    """The rungs of a search whose trainings have ``epochs``. At each rung, the best 1/``reduction`` continue."""

    def __init__(self, epochs: int, reduction: int, *, rank: Rank = pareto.ranks) -> None:
        self.epochs = epochs
        self.reduction = reduction
        self.at = rungs(epochs, reduction)
        # Trainings of a block share their initial weights, and with these most of their seed noise.
        self._rungs: defaultdict[tuple[int, int], Rung] = defaultdict(lambda: Rung(reduction, rank))

    def enter(self, uid: str, block: int, epoch: int, point: Vector) -> None:
        """Notes the ``point``, to be minimised, of a training after an epoch. Epochs between rungs are ignored."""
        if epoch in self.at:
            self._rungs[block, epoch].enter(uid, point)

    def keeps(self, uid: str, block: int, epoch: int) -> bool:
        """Whether a training that entered continues after an epoch."""
        return epoch not in self.at or self._rungs[block, epoch].keeps(uid)


def rungs(epochs: int, reduction: int) -> tuple[int, ...]:
    """The epochs ``epochs / reduction^k``, k = 1, 2, ..., rounded down, at least 1: (1, 3, 9) for 27 and 3."""
    at = []
    while (epochs := epochs // reduction) >= 1:
        at.append(epochs)
    return tuple(reversed(at))


@dataclass(frozen=True)
class Stop:
    """A training that is stopped early: why, its curve so far, and the share of its epochs that were done (0 to 1)."""

    reason: str
    curve: Curve
    share: float


class EarlyStopping:
    """Decides, epoch by epoch, which trainings of a search continue. Without a rule, all of them do."""

    def __init__(self, rule: SuccessiveHalving | None, objectives: Sequence[Objective]) -> None:
        self._rule = rule
        self._objectives = objectives
        self._qualities = qualities(objectives)
        self._curves: defaultdict[str, Curve] = defaultdict(list)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs after which a training may be stopped."""
        return self._rule.at if self._rule else ()

    def decide(
        self,
        training: Training,
        progress: Progress,
        price: Mapping[str, float],
        *,
        curve: Sequence[Mapping[str, float]] | None = None,
    ) -> Stop | None:
        """How a training is stopped after an epoch; None if it continues, or pauses with this ``curve``.

        Baselines and fresh trainings always continue: others are compared with them.
        """
        scores = self._scores(progress.metrics)
        if self._rule is None or scores is None:
            return None
        seen = {metric.column: progress.metrics[metric.column] for metric in self._qualities}
        self._curves[training.uid].append({"epoch": progress.epoch, **seen})
        self._enter(self._rule, training, progress.epoch, scores, price)
        if training.role != "search" or self._rule.keeps(training.uid, training.seed.block, progress.epoch):
            return None
        found = Stop(
            reason=f"not among the best 1/{self._rule.reduction} at epoch {progress.epoch}",
            curve=_whole(training, curve or self._curves[training.uid]),
            share=progress.epoch / self._rule.epochs,
        )
        self.forget(training.uid)
        return found

    def remember(self, training: Training, price: Mapping[str, float]) -> None:
        """Enters a training of an earlier session at its rungs. A failed one is no comparison for others."""
        if self._rule is None or training.state == "failed":
            return
        for epoch in training.curve:
            scores = self._scores(epoch)
            if scores is not None:
                self._enter(self._rule, training, int(epoch["epoch"]), scores, price)

    def forget(self, uid: str) -> None:
        """Drops the curve of a training that ended or starts again."""
        self._curves.pop(uid, None)

    def _enter(
        self, rule: SuccessiveHalving, training: Training, epoch: int, scores: Scores, price: Mapping[str, float]
    ) -> None:
        rule.enter(training.uid, training.seed.block, epoch, losses(self._objectives, scores, price))

    def _scores(self, metrics: Mapping[str, float]) -> Scores | None:
        """The scores of an epoch; None if it did not measure all qualities."""
        found = scores_of(metrics, self._qualities)
        is_whole = len(found) == len(self._qualities) and all(map(math.isfinite, found.values()))
        return found if is_whole else None


def _whole(training: Training, curve: Sequence[Mapping[str, float]]) -> Curve:
    """The curve with the epochs before the last pause, which are not reported again."""
    return [*(epoch for epoch in training.curve if epoch["epoch"] < curve[0]["epoch"]), *curve]

"""Were the trainings long enough? Read off the slope at which plain's curves end, not off how far they came."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.results.evidence import Evidence
from search.state.records import Training
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

# The last part of a training, as a share of its epochs, and how many gains that would count it may bring.
LAST_PART = 0.2
ALLOWED = 5
# Standard errors by which the slope must exceed that.
SURE = 2.0


@dataclass(frozen=True)
class SteepEnd:
    """Plain still rose by ``rise`` (in the unit of a gain) in the last ``last`` of its ``epochs``."""

    rise: float
    last: int
    epochs: int
    limit: float

    def words(self, metric: Metric) -> str:
        """A caution with its remedy."""
        when = "its last epoch" if self.last == 1 else f"its last {self.last} epochs"
        return (
            f"The trainings were too short: of {plural(self.epochs, 'epoch')}, plain still gained "
            f"{metric.size(self.rise)}{metric.named} in {when}. Placements that learn fast look better than they are. "
            f"Set train.epochs to {2 * self.epochs} or more and start a new run (--new)."
        )


def steep_end(evidence: Evidence, worthwhile: float) -> SteepEnd | None:
    """How steeply the curves of plain end, if that is more than ALLOWED gains that would count; None if they are flat.

    It is None, too, with fewer than two trainings that have curves, and for one epoch, which has no slope.
    """
    return steep_end_of(evidence.by_architecture.get(0, ()), evidence.metric, ALLOWED * worthwhile)


def steep_end_of(trainings: Sequence[Training], metric: Metric, limit: float) -> SteepEnd | None:
    """The same for these trainings; ``limit`` is the rise that they may have."""
    curves = [t.curve for t in trainings if len(t.curve) > 1 and all(metric.column in row for row in t.curve)]
    if len(curves) < 2:
        return None
    epochs = min(len(curve) for curve in curves)
    last = max(1, round(LAST_PART * epochs))
    rises = [metric.score(curve[-1]) - metric.score(curve[-1 - last]) for curve in curves]
    mean = statistics.fmean(rises)
    error = statistics.stdev(rises) / len(rises) ** 0.5
    return SteepEnd(mean, last, epochs, limit) if mean - SURE * error > limit else None

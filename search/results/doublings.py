"""What more epochs brought plain, from a pilot: each length ended its own schedule, so no flat end hides anything."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from search.results.recipe_noise import Repeated
from senet_nas.training.quality_metrics import Metric


@dataclass(frozen=True)
class Doubling:
    """Plain gained ``gain`` (in the unit of a gain, with its standard error) from ``before`` to ``epochs`` epochs.

    These are about twice as many, but of 3 epochs, for example, the next shorter length is 1.
    """

    before: int
    epochs: int
    gain: float
    error: float

    def words(self, metric: Metric) -> str:
        """``from 8 to 16 epochs plain gained 2.10 points (standard error 0.20)``."""
        gained = f"{metric.difference(self.gain)} {metric.gain_unit}".rstrip()
        return f"from {self.before} to {self.epochs} epochs plain gained {gained} (standard error {self.error:.2g})"

    def of_twice(self, epochs: int) -> tuple[float, float]:
        """What plain gains from ``epochs`` to twice as many, with its standard error.

        Each exact doubling brings half as much as the one before: the score falls short of a limit by B / epochs.
        """
        share = self.before * self.epochs / (2 * epochs * (self.epochs - self.before))
        return share * self.gain, share * self.error


def doublings(samples: Sequence[Repeated], metric: Metric) -> tuple[Doubling, ...]:
    """The gain between each two neighbouring lengths, the shortest first."""
    ordered = sorted(samples, key=lambda sample: sample.epochs)
    return tuple(_doubling(a, b, metric) for a, b in itertools.pairwise(ordered))


def _doubling(shorter: Repeated, longer: Repeated, metric: Metric) -> Doubling:
    before, after = ([metric.score_of(value) for value in one.values] for one in (shorter, longer))
    error = (_variance(before) + _variance(after)) ** 0.5
    return Doubling(shorter.epochs, longer.epochs, statistics.fmean(after) - statistics.fmean(before), error)


def _variance(values: Sequence[float]) -> float:
    """Of their mean; 0 for a single one."""
    return statistics.variance(values) / len(values) if len(values) > 1 else 0.0

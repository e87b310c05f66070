"""Intervals of scores on a real table, of which searches are not the only sample.

Searches over one table share its trainings. Resampled alone, they say what other searches over the same trainings would
give. Other trainings, blocks and architectures might give something else. So searches, blocks and architectures are
resampled together, each with weights of its own (the pigeonhole bootstrap: Owen 2007). The noise of single trainings
then counts with the architectures and again with the blocks: intervals are wide rather than narrow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.bench.score import FEWEST_FOR_INTERVAL, NO_INTERVAL
from senet_nas.student import quantile

Array = NDArray[np.float64]
# Of each search's gains (searches, architectures) and the weights of architectures: (searches,).
Score = Callable[[Array, Array], Array]
DRAWS = 2000


@dataclass(frozen=True)
class Followed:
    """What one search found, for each architecture but plain.

    ``shares`` (architectures,) of overhead budgets at which its front names each; ``means`` (architectures,) of the
    posterior, points; ``gains`` (architectures, blocks) over plain, points, nan in blocks that the search could draw.
    """

    shares: Array
    means: Array
    gains: Array


class TableScores:
    """Scores of searches over one table, once for each resampled sample.

    Samples are the same for as many searches of the same table, so that two samplers can be compared draw by draw.
    """

    def __init__(self, found: Sequence[Followed]) -> None:
        self._shares = np.stack([one.shares for one in found])
        self._means = np.stack([one.means for one in found])
        gains = np.stack([one.gains for one in found])
        self._scoring = np.isfinite(gains).any(axis=1)
        self._gains = np.nan_to_num(gains)

    def interval(self, score: float, resampled: Array, level: float = 0.9) -> tuple[float, float]:
        """Student's interval of a score, or of a difference of two, with the freedom that so few blocks leave.

        Nan for one search, and where no sample has a score.
        """
        if len(self._shares) < FEWEST_FOR_INTERVAL or not np.isfinite(resampled).any():
            return NO_INTERVAL
        reach = quantile(level, max(self._gains.shape[2] - 1, 1)) * float(np.nanstd(resampled))
        return score - reach, score + reach

    def points(self) -> Array:
        """The true gain from following the front, points: (draws,). Nan in a sample without a followed placement.

        The mean gain of followed placements, multiplied by the share of budgets at which one is followed. The plain sum
        would count 0 for a placement that a sample lacks, where a search would have followed another one.
        """
        earned = self._resampled(lambda gains, weights: (self._shares * gains) @ weights)
        followed = self._resampled(lambda _, weights: self._shares @ weights)
        share = float(self._shares.sum(axis=1).mean())
        found: Array = np.divide(share * earned, followed, out=np.full(DRAWS, np.nan), where=followed > 0)
        return found

    def correlation(self) -> Array:
        """That of posterior means with gains in the blocks that score: (draws,). Nan where one does not differ."""
        return self._resampled(lambda gains, weights: correlations(self._means, gains, weights))

    def _resampled(self, score: Score) -> Array:
        rng = np.random.default_rng(0)
        samples = zip(*(_samples(rng, count) for count in self._gains.shape), strict=True)
        return np.array([self._scored(score, *sample) for sample in samples])

    def _scored(self, score: Score, searches: Array, architectures: Array, blocks: Array) -> float:
        scoring = self._scoring @ blocks
        values = score(self._gains @ blocks / np.where(scoring > 0, scoring, 1.0)[:, None], architectures)
        # Without a block that scores, a search has no score.
        weights = searches * (scoring > 0) * np.isfinite(values)
        return float(weights @ np.nan_to_num(values) / weights.sum()) if weights.any() else np.nan


def correlations(ones: Array, others: Array, weights: Array) -> Array:
    """Row by row the weighted correlation of two arrays (rows, columns); nan where a row does not differ."""
    share = weights / weights.sum()
    ones, others = (values - (values @ share)[:, None] for values in (ones, others))
    spread = np.sqrt((ones**2 @ share) * (others**2 @ share))
    together = (ones * others) @ share
    found: Array = np.divide(together, spread, out=np.full(len(spread), np.nan), where=spread > 1e-12)
    return found


def _samples(rng: np.random.Generator, count: int) -> Array:
    """The weight of each of ``count`` in samples of one fewer, 1 in the mean: (draws, count).

    One fewer, because the variance of a mean of few is then estimated without bias (Rao and Wu 1988).
    """
    smaller = max(count - 1, 1)
    drawn = rng.multinomial(smaller, np.full(count, 1 / count), DRAWS)
    return drawn.astype(np.float64) * (count / smaller)

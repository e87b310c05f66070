"""How much of the possible gain a search has found, and how many trainings would find more."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from search.model.posterior import Posterior
from senet_nas.training.quality_metrics import ACCURACY, Metric

Array = NDArray[np.float64]
# The share of the possible gain that a search should find. Beyond it, more trainings hardly pay.
ENOUGH = 0.9


@dataclass(frozen=True)
class Progress:
    """How much of the possible gain a search has found, as a share: the ``score`` S and its interval.

    S = x / (x + p) with x = N (tau / sigma)^2, for N trainings and p effective degrees of freedom (``freedom``), times
    the part of the gain that lies in the architectures that were tried (docs/architecture.md). ``tau`` and ``sigma``
    are in the unit of a gain. ``trainings`` is the N at which S reaches ENOUGH; inf if placements do not differ.
    """

    score: float
    low: float
    high: float
    tau: float
    sigma: float
    freedom: float
    trainings: float

    def words(self, metric: Metric = ACCURACY) -> str:
        """What was found of what there is to gain."""
        enough = f"about {self.trainings:,.0f} trainings" if self.trainings < 1e5 else "no number of trainings"
        return (
            f"We estimate that this search has found {100 * self.score:.0f} % ({100 * self.low:.0f} to "
            f"{100 * self.high:.0f} %) of the reachable gain; {enough} would reach {100 * ENOUGH:.0f} %. "
            f"{self.spread(metric)}"
        )

    def spread(self, metric: Metric = ACCURACY) -> str:
        """What there is to find, beside the noise."""
        return (
            f"Placements differ by {metric.size(self.tau)}{metric.named}, trainings of one placement by "
            f"{metric.number(self.sigma)}."
        )


def progress_of(posterior: Posterior, trainings: int, level: float, size: int) -> Progress:
    """The S to expect after ``trainings`` in a space of ``size`` architectures, and how many trainings reach ENOUGH.

    Draws are weighted by their tau, because the gain that can be found is proportional to it: S is the gain that is
    expected to be found over the gain that is expected to exist.
    """
    weights = posterior.taus
    p = posterior.freedom(size)
    if weights.sum() == 0:
        return Progress(0.0, 0.0, 0.0, 0.0, posterior.sigma, p, np.inf)

    def scores(count: float, tried: float) -> Array:
        return _known(posterior, count, p) * _within_reach(posterior.shares, tried, size - 1)

    found = scores(trainings, len(posterior.architectures) - 1)
    order = np.argsort(found)
    low, high = np.interp([(1 - level) / 2, (1 + level) / 2], np.cumsum(weights[order]) / weights.sum(), found[order])
    counts = np.geomspace(1, 1e6, 241)
    mean = float(np.average(found, weights=weights))
    # S never falls as trainings are added, so bisection finds the first count that is enough.
    first = bisect_left(counts, True, key=lambda n: bool(np.average(scores(n, n), weights=weights) >= ENOUGH))
    enough = float(counts[first]) if first < len(counts) else math.inf
    return Progress(mean, float(low), float(high), posterior.tau, posterior.sigma, p, enough)


def _known(posterior: Posterior, trainings: float, freedom: float) -> Array:
    """Draws of the share of the variance of common effects that so many ``trainings`` show; curves count, too."""
    if posterior.trust is not None:
        return posterior.trust.reliability(trainings / freedom)
    signal = (posterior.taus / posterior.sigmas) ** 2
    known: Array = trainings * signal / (trainings * signal + freedom)
    return known


def _within_reach(shares: Array, tried: float, others: int) -> Array:
    """The part of the possible gain that lies in ``tried`` of ``others`` architectures, for each draw of ``shares``.

    Common effects explain all but ``shares`` of the variance of gains, and they are learned for all architectures. A
    term of an architecture's own can be found only by training it.
    """
    tried = max(tried, 1)
    if tried >= others:
        return np.ones_like(shares)
    common = np.sqrt(1 - shares)
    reach: Array = common + (1 - common) * _largest_of(tried) / _largest_of(others)
    return reach


def _largest_of(count: float) -> float:
    """The expected largest of ``count`` standard normals (Blom 1958)."""
    return -NormalDist().inv_cdf(0.625 / (count + 0.25))

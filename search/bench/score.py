"""How good a reported front is, and how honest: both against a truth that the search did not see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from search.bench.problems import Problem
from search.results.front_value import shares_followed
from search.results.point import Point
from search.results.result import Front
from senet_nas.costs.measures import USUAL
from spaces import Architecture

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
# A single search says nothing of how others differ.
FEWEST_FOR_INTERVAL = 2
NO_INTERVAL = (math.nan, math.nan)


@dataclass(frozen=True)
class Offer:
    """One member of a reported front: its overhead, the gain that the report claims, the true gain. Points, percent."""

    cost: float
    claimed: float
    true: float


def points(offers: Sequence[Offer], most: float) -> float:
    """The true gain from following a front at an overhead budget drawn uniformly from 0 to ``most`` percent.

    At each budget the member with the largest claim that fits is taken, or plain (gain 0) where no claim is positive.
    Wrong members cost, additional ones earn nothing.
    """
    return float(np.array([offer.true for offer in offers]) @ shares(offers, most))


def shares(offers: Sequence[Offer], most: float) -> Array:
    """The share of those budgets at which each member is taken: (offers,)."""
    if not offers:
        return np.zeros(0)
    claims, costs = (np.array([getattr(offer, name) for offer in offers]) for name in ("claimed", "cost"))
    return shares_followed(claims, costs, most)


def oracle(problem: Problem) -> tuple[list[Offer], float]:
    """The true front as offers that claim what they hold, and the largest overhead of the space."""
    members = [a for a in problem.space if not a.is_plain]
    offers = [Offer(problem.price(a)[USUAL.overhead], problem.truth(a), problem.truth(a)) for a in members]
    return offers, max(offer.cost for offer in offers)


@dataclass(frozen=True)
class Honesty:
    """Counts over the architectures of one report, without plain.

    ``provable`` are finalists whose true gain is at least the smallest that the report says it can prove;
    ``provable_proven`` are those of them that it proved.
    """

    intervals: int
    covered: int
    likely: int
    likely_wrong: int
    proven: int
    proven_wrong: int
    provable: int
    provable_proven: int


def honesty(front: Front, problem: Problem) -> Honesty:
    """Coverage of the intervals of the front's members, and how many verdicts were false.

    Where the truth is itself in doubt (a mean of few trainings), an interval is widened by as much before it is judged.
    *Likely* and *proven* say that the gain exceeds ``min_gain``; they are false where the true gain does not.
    """
    true = {p.id: problem.truth(Architecture.parse(p.architecture)) for p in front.points}
    members = [p for p in front.members if not p.is_plain]
    by_verdict = {
        verdict: [true[p.id] for p in front.points if p.verdict == verdict] for verdict in ("likely", "proven")
    }
    provable = [p for p in front.points if p.role == "finalist" and true[p.id] >= front.provable]
    limit = front.rules.min_gain
    return Honesty(
        len(members),
        sum(_covers(p, true[p.id], front.rules.level, problem) for p in members),
        len(by_verdict["likely"]),
        sum(gain <= limit for gain in by_verdict["likely"]),
        len(by_verdict["proven"]),
        sum(gain <= limit for gain in by_verdict["proven"]),
        len(provable),
        sum(p.verdict == "proven" for p in provable),
    )


def _covers(point: Point, true: float, level: float, problem: Problem) -> bool:
    reach = NormalDist().inv_cdf((1 + level) / 2) * problem.doubt(Architecture.parse(point.architecture))
    low, high = (math.hypot(point.gain - bound, reach) for bound in (point.gain_low, point.gain_high))
    return point.gain - low <= true <= point.gain + high


@dataclass(frozen=True)
class Tally:
    """What several searches achieved, and what the oracle would have: in points, one entry for each search.

    ``best`` is None where the oracle is not known; then scores are points instead of shares.
    """

    achieved: Sequence[float]
    best: Sequence[float] | None

    @property
    def score(self) -> float:
        """S of all of them: what they achieved together over what there was to achieve. (The mean of their own shares
        would be ruled by problems with next to nothing to achieve.)"""
        return float(self._scores(np.arange(len(self.achieved))[None])[0])

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Bootstrap interval of the score over searches (percentile; Efron 1979); nan where there is none.

        One search says nothing of others, and a score is no number in a sample of searches with nothing to achieve.
        """
        if len(self.achieved) < FEWEST_FOR_INTERVAL:
            return NO_INTERVAL
        return _central(self._scores(_resampled(len(self.achieved))), level)

    def versus(self, other: "Tally", level: float = 0.9) -> tuple[float, float, float]:
        """The difference of two scores over the same problems, and its interval, search by search; nan without one."""
        difference = self.score - other.score
        if len(self.achieved) < FEWEST_FOR_INTERVAL:
            return (difference, *NO_INTERVAL)
        drawn = _resampled(len(self.achieved))
        return (difference, *_central(self._scores(drawn) - other._scores(drawn), level))

    def _scores(self, drawn: Integers) -> Array:
        achieved: Array = np.asarray(self.achieved)[drawn].mean(axis=1)
        best: Array = np.ones(len(achieved)) if self.best is None else np.asarray(self.best)[drawn].mean(axis=1)
        found: Array = np.divide(achieved, best, out=np.full(len(achieved), np.nan), where=best > 0)
        return found


def _resampled(count: int, draws: int = 2000, seed: int = 0) -> Integers:
    return np.random.default_rng(seed).integers(0, count, (draws, count))


def _central(values: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""How good a reported front is, and how honest: both against a truth that the search did not see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.bench.worlds import World
from search.front import Front
from spaces import Architecture


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
    steps = sorted(offers, key=lambda offer: offer.cost)
    area, best, claim, reached = 0.0, 0.0, 0.0, 0.0
    for offer in steps:
        if offer.cost > most:
            break
        area += best * (offer.cost - reached)
        reached = offer.cost
        if offer.claimed > claim:
            best, claim = offer.true, offer.claimed
    return (area + best * (most - reached)) / most


def oracle(world: World) -> tuple[list[Offer], float]:
    """The true front as offers that claim what they hold, and the largest overhead of the space."""
    members = [a for a in world.space if not a.is_plain]
    offers = [Offer(world.price(a)["params_overhead"], world.truth(a), world.truth(a)) for a in members]
    return offers, max(offer.cost for offer in offers)


@dataclass(frozen=True)
class Honesty:
    """Counts over the non-plain architectures of one report."""

    intervals: int
    covered: int
    likely: int
    likely_wrong: int
    proven: int
    proven_wrong: int


def honesty(front: Front, world: World) -> Honesty:
    """Coverage of the intervals of the front's members, and how many verdicts were false.

    *Likely* and *proven* say that the gain exceeds ``min_gain``; they are false where the true gain does not.
    """
    true = {p.id: world.truth(Architecture.parse(p.architecture)) for p in front.points}
    members = [p for p in front.members if not p.is_plain]
    by_verdict = {
        verdict: [true[p.id] for p in front.points if p.verdict == verdict] for verdict in ("likely", "proven")
    }
    limit = front.rules.min_gain
    return Honesty(
        len(members), sum(p.gain_low <= true[p.id] <= p.gain_high for p in members),
        len(by_verdict["likely"]), sum(gain <= limit for gain in by_verdict["likely"]),
        len(by_verdict["proven"]), sum(gain <= limit for gain in by_verdict["proven"]),
    )  # fmt: skip


def share(achieved: float, best: float) -> float:
    """S: what was achieved as a share of what the oracle achieves; nan where there is nothing to achieve."""
    return achieved / best if best > 1e-9 else math.nan


def interval(values: Sequence[float], level: float = 0.9, *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval of a mean over searches (percentile; Efron 1979)."""
    sample = np.asarray([value for value in values if not math.isnan(value)])
    if len(sample) == 0:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    means = sample[rng.integers(0, len(sample), (draws, len(sample)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

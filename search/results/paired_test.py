"""Proof: a candidate is frozen, trained again in pairs with fresh seeds, and tested on these pairs alone.

Each pair is one training of the candidate and one of plain in a fresh seed block, so whatever the two share cancels.
The test is a one-sided paired t-test of ``gain > min_gain`` with its own variance, at several looks whose numbers of
pairs are planned before the first of them; :mod:`search.results.group_sequential` divides the level among the looks.

**The level of a run.** The account holds LEVEL at first. A candidate gets CANDIDATE_SHARE of what is left. A proof
returns it, a failure does not. *The chance of one false proof or more in a run is at most LEVEL, however often the run
is extended and however candidates are chosen.* For candidates are chosen on trainings that are independent of the
pairs that test them, so a candidate that does not gain ``min_gain`` is proven with a probability of at most its part
of the level, whatever happened before. Until the first false proof, what such candidates got is never returned, so
their parts add up to at most LEVEL; by the union bound the chance of a first false proof is at most LEVEL.

A t-test keeps its level for differences that are about normal, and stays below it where tails are heavy on both sides.
It does not where rare collapses befall the candidate alone: few pairs without one make the mean gain look larger than
it is over all trainings, and no test of a mean can know that.

Limits that are exact for a known variance let t-tests pass slightly too often when there is more than one look, so a
confirmation of n pairs spends n / (n + T_CORRECTION) of its level (`benchmarks/confirmation_level.py` counts it).
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.results import group_sequential
from search.state.confirmation_facts import CONFIRM_SHARE

Array = NDArray[np.float64]
LEVEL = 0.05
CANDIDATE_SHARE = 2 / 3
# With 4 to 64 pairs, t-tests at several looks pass 1 + c / n times as often as the limits say, with c at most 0.9.
T_CORRECTION = 0.9
POWER = 0.8
# A confirmation has at least this many pairs, and each of its looks.
FEWEST_PAIRS = 3
LOOKS = 4


@dataclass(frozen=True)
class Look:
    """The test at one look: how many ``pairs`` it saw, the mean gain in points, its standard error, the one-sided
    p-value, and the ``limit`` that the p-value must not exceed."""

    pairs: int
    gain: float
    error: float
    p_value: float
    limit: float

    @property
    def has_noise(self) -> bool:
        """Whether pairs differ. Otherwise the noise is unknown, and then nothing is proven."""
        return self.error >= 1e-9

    @property
    def is_proof(self) -> bool:
        return self.p_value <= self.limit


def pairs_in(trainings: int) -> int:
    """How many pairs so many trainings make; 0 if they are fewer than FEWEST_PAIRS, which prove nothing."""
    pairs = trainings // 2
    return pairs if pairs >= FEWEST_PAIRS else 0


def smallest_budget(share: float = CONFIRM_SHARE) -> int:
    """The smallest budget that has FEWEST_PAIRS, if the confirmation may take a ``share`` of it."""
    return next(budget for budget in itertools.count(1) if pairs_in(int(share * budget)))


def looks_at(pairs: int, least: int = 1) -> tuple[int, ...]:
    """The numbers of pairs at which a confirmation of so many pairs looks: at each quarter of them.

    Looks are at least ``least`` pairs apart: what runs side by side should not wait for a look.
    """
    quarters = [math.ceil(pairs * k / LOOKS) for k in range(1, LOOKS)]
    chosen: list[int] = []
    for count in quarters:
        before = chosen[-1] if chosen else 0
        if count >= FEWEST_PAIRS and count - before >= least and pairs - count >= least:
            chosen.append(count)
    return (*chosen, pairs)


def level_left(earlier: int, ended: Iterable[tuple[float, bool]]) -> float:
    """What is left of the level of a run, for the next candidate to take its share of.

    ``earlier`` is the number of rounds that earlier versions confirmed, each of which spent a third of what was left;
    ``ended`` has the part of the level and whether it was proven for each candidate since.
    """
    left = LEVEL * (2 / 3) ** earlier
    return left - sum(level for level, is_proven in ended if not is_proven)


def looks(
    differences: Sequence[float | None], counts: Sequence[int], level: float, min_gain: float
) -> tuple[Look, ...]:
    """The looks that were taken, up to the first proof.

    ``differences`` are the gains of the pairs that have ended, in the order in which they were planned; None for a pair
    that lost a training. ``counts`` are the planned looks: those that have not all of their pairs yet are not taken.
    """
    found: list[Look] = []
    sizes: list[int] = []
    spending: list[float] = []
    for count in counts:
        if count > len(differences):
            break
        seen = [value for value in differences[:count] if value is not None]
        if len(seen) < 2 or (sizes and len(seen) <= sizes[-1]):
            continue  # what this look may spend is spent at the next
        sizes.append(len(seen))
        possible = counts[-1] - (count - len(seen))
        spending.append(group_sequential.spent(_spendable(level, possible, counts), count / counts[-1]))
        limit = group_sequential.boundaries(tuple(sizes), tuple(spending))[-1]
        found.append(_look(np.array(seen), min_gain, limit))
        if found[-1].is_proof:
            break
    return tuple(found)


def limits(counts: Sequence[int], level: float) -> tuple[float, ...]:
    """The limit of the p-value at each of the planned looks, if no pair is lost."""
    spendable = _spendable(level, counts[-1], counts)
    spending = tuple(group_sequential.spent(spendable, count / counts[-1]) for count in counts)
    return group_sequential.boundaries(tuple(counts), spending)


def final_limit(counts: Sequence[int], level: float) -> float:
    """The limit of the p-value at the last of the planned looks."""
    return limits(counts, level)[-1]


def _spendable(level: float, pairs: int, counts: Sequence[int]) -> float:
    """How much of the level is spent on ``pairs`` pairs: all of it at a single look, where a t-test is exact."""
    return level if len(counts) == 1 else level * pairs / (pairs + T_CORRECTION)


def _look(seen: Array, min_gain: float, limit: float) -> Look:
    """Without any spread the noise is unknown, and then nothing is proven."""
    from scipy import stats

    gain = float(seen.mean())
    error = float(seen.std(ddof=1)) / math.sqrt(len(seen))
    look = Look(len(seen), gain, error, 1.0, limit)
    if not look.has_noise:
        return look
    return replace(look, p_value=float(stats.t.sf((gain - min_gain) / error, len(seen) - 1)))


# -- what a confirmation can prove ------------------------------------------------------------------------------------


def chance(gains: Array, sigmas: Array, pairs: int, limit: float, min_gain: float, seen: Sequence[float] = ()) -> Array:
    """The probability that the last look proves a true gain, for ``gains`` of any shape, in points.

    ``sigmas`` is the noise of one training, in points, of a shape that goes with ``gains``. ``seen`` are the gains of
    the pairs that are already there. What the mean gain will be ahead of what the t-test asks for counts as normal,
    with its mean and variance given ``seen``; the noise that the test estimates is a part of it, so few pairs with a
    small spread are not taken for more than they are. Without ``seen`` this is the usual approximation of the
    noncentral t-distribution (Johnson and Welch, Biometrika 31, 1940). It differs from simulations by less than 0.01
    before the first of 6 pairs or more, and by 0.06 (root mean square) or less at the looks.
    """
    from scipy import stats

    noise = 2 * np.maximum(sigmas, 1e-9) ** 2
    rest = pairs - len(seen)
    freedom = pairs - 1
    asked = stats.t.isf(limit, freedom) / math.sqrt(pairs)
    mean = (sum(seen) + rest * gains) / pairs
    apart = gains - mean
    # The sum of squared deviations from the mean over all pairs: a quadratic form of those that are still to come.
    squares = sum(value**2 for value in seen) + rest * gains**2 - pairs * mean**2 + noise * rest * (1 - 1 / pairs)
    squares = np.maximum(squares, 1e-18)
    variance = 2 * noise**2 * (rest - 2 * rest / pairs + (rest / pairs) ** 2) + 4 * noise * rest * apart**2
    spread = np.sqrt(squares / freedom) * (1 - variance / (8 * squares**2))
    ahead = mean - min_gain - asked * spread
    if rest == 0:
        return np.asarray(ahead >= 0, dtype=np.float64)
    together = noise * rest * apart / pairs / np.sqrt(freedom * squares)
    deviation = np.sqrt(noise * rest / pairs**2 + asked**2 * variance / (4 * freedom * squares) - 2 * asked * together)
    found: Array = stats.norm.cdf(ahead / deviation)
    return found


def smallest_provable(sigma: float, counts: Sequence[int], level: float, min_gain: float) -> float:
    """The gain in points that a confirmation with these looks proves with a probability of POWER.

    ``sigma`` is the noise of one training, in points. :func:`chance` is POWER there. inf for fewer than two pairs.
    """
    from scipy import stats

    pairs = counts[-1] if counts else 0
    if pairs < 2:
        return math.inf
    freedom = pairs - 1
    asked = float(stats.t.isf(final_limit(counts, level), freedom))
    ahead = float(stats.norm.ppf(POWER)) * math.sqrt(1 + asked**2 / (2 * freedom))
    return min_gain + (asked * (1 - 1 / (4 * freedom)) + ahead) * sigma * math.sqrt(2 / pairs)

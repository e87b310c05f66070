"""Rounds: how earlier versions confirmed. Their runs keep what they proved, and a round under way ends as planned.

Finalists were frozen and trained again beside plain with fresh seeds. A gain is *proven* if a one-sided t-test of
``gain > min_gain`` on the fresh trainings is significant after Holm's correction over the finalists (Holm 1979); the
test removes the level of each block. All sizes were fixed before the first fresh training.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from search.model.observations import Observation
from search.state.confirmation_facts import Sizes

LEVEL = 0.05
POWER = 0.8

Name = TypeVar("Name")


@dataclass(frozen=True)
class Comparison:
    """The comparison of one finalist with plain. ``gain`` in points; ``p_value`` one-sided, before Holm."""

    architecture: int
    gain: float
    p_value: float
    proven: bool
    n_finalist: int
    n_plain: int


def compare(
    rounds: Sequence[Sequence[Observation]], min_gain: float, *, unstable: Set[int] = frozenset()
) -> dict[int, Comparison]:
    """One test for every finalist of every round against the plain of its round.

    A run that was extended has several rounds; each spends a part of the level (:func:`level_of_round`), so that the
    whole run keeps to it however often it is extended, and what was proven stays proven. ``unstable`` finalists, of
    which a fresh training failed, are never proven: those that survived are not a fair sample.
    """
    found: dict[int, Comparison] = {}
    for number, fresh in enumerate(rounds):
        tested = _compare(fresh, min_gain)
        p_values = {c.architecture: 1.0 if c.architecture in unstable else c.p_value for c in tested}
        proven = holm(p_values, level_of_round(number))
        for c in tested:
            was_proven = c.architecture in found and found[c.architecture].proven
            if not was_proven:
                found[c.architecture] = replace(c, p_value=p_values[c.architecture], proven=c.architecture in proven)
    return found


def level_of_round(number: int) -> float:
    """A third of the level for the first round, a third of the rest for the next, and so on."""
    return LEVEL * (1 / 3) * (2 / 3) ** number


def _compare(fresh: Sequence[Observation], min_gain: float) -> list[Comparison]:
    finalists = sorted({o.architecture for o in fresh} - {0})
    count = {a: sum(o.architecture == a for o in fresh) for a in (0, *finalists)}
    if not finalists or not count[0]:
        return []
    gains, errors, freedom = _least_squares(fresh, finalists)
    return [
        Comparison(a, gain, _p_value(gain - min_gain, error, freedom), False, count[a], count[0])
        for a, gain, error in zip(finalists, gains, errors, strict=True)
    ]


def holm(p_values: Mapping[Name, float], level: float = LEVEL) -> set[Name]:
    """The hypotheses that Holm's step-down procedure rejects at a family-wise level."""
    rejected: set[Name] = set()
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > level / (len(p_values) - rank):
            break
        rejected.add(name)
    return rejected


def smallest_provable(sigma: float, plan: Sizes, min_gain: float, number: int = 0) -> float:
    """The gain in points that round ``number`` proves with a probability of POWER; inf if the round is too small.

    It is above ``min_gain`` by what the test needs at Holm's first step plus the POWER quantile of the estimate.
    ``sigma`` is the noise of one training, in points.
    """
    from scipy import stats

    freedom = plan.total - plan.blocks - plan.finalists
    if not plan.each or freedom < 1:
        return math.inf
    quantiles = stats.t.isf(level_of_round(number) / plan.finalists, freedom) + stats.t.ppf(POWER, freedom)
    return min_gain + float(quantiles) * sigma * math.sqrt(1 / plan.plain + 1 / plan.each)


def _least_squares(fresh: Sequence[Observation], finalists: Sequence[int]) -> tuple[list[float], list[float], int]:
    """Gains, their standard errors and the degrees of freedom, with a level for each block."""
    blocks = sorted({o.block for o in fresh})
    x = np.array(
        [[*(o.block == block for block in blocks), *(o.architecture == a for a in finalists)] for o in fresh],
        dtype=float,
    )
    y = np.array([o.accuracy for o in fresh])
    coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    freedom = len(y) - int(rank)
    residual = y - x @ coefficients
    variance = float(residual @ residual) / freedom if freedom > 0 else 0.0
    spread = np.diag(np.linalg.pinv(x.T @ x)) * variance
    return coefficients[len(blocks) :].tolist(), np.sqrt(spread[len(blocks) :]).tolist(), freedom


def _p_value(excess: float, error: float, freedom: int) -> float:
    """Without any spread among replicates the noise is unknown, and then nothing is proven."""
    from scipy import stats

    if freedom < 1 or error < 1e-9:
        return 1.0
    return float(stats.t.sf(excess / error, freedom))

"""Acquisition functions, which choose the next training: the knowledge gradient, and Thompson sampling.

The value of a report is what following it earns: at an overhead budget drawn uniformly, the member with the largest
estimated gain that fits, or plain. This value is non-linear but cheap to compute: a running maximum over overheads.
While a confirmation is ahead, the value is the largest estimated gain instead, since that is what can be proven.

The knowledge gradient of a training is the expected rise of that value (Frazier, Powell and Dayanik, INFORMS J.
Computing 21, 2009). One noisy training often changes nothing, so batches of equal trainings are evaluated too, by
their rise per training (Frazier and Powell, Decision Analysis 7, 2010). All expectations are taken over joint draws of
the posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.model.posterior import Posterior
from search.results.front_value import expected_gain

Array = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

# Posterior draws with which all architectures are screened, and with which the chosen ones are evaluated.
SCREENED = 64
DRAWS = 256
# Architectures that are evaluated: likely front members, likely next trainings, and random ones.
RIVALS = 64
CANDIDATES = 64
STRANGERS = 16
# Numbers of equal trainings that are evaluated as one batch.
REPLICATES = (1, 4, 16, 64)
# Draws are conditioned on at most this many running trainings: those that are most likely on the front.
PENDING = 64
# Gauss-Hermite nodes and weights of a standard normal, for the expectation over the result of a training.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Short:
    """About a training that pauses. All costs are in whole trainings.

    ``cost`` is that of one; ``seen`` (architectures,) says whose early losses are known or awaited, so that another
    short training would show next to nothing; ``paid`` (architectures,) is the cost of a paused training of each, which
    a whole one continues.
    """

    cost: float
    seen: Booleans
    paid: Array


@dataclass(frozen=True)
class AcquisitionInputs:
    """What is known when a training is chosen.

    ``costs``: (architectures, overheads), percent over plain, plain first. ``allowed``: (architectures,), whether each
    may be trained. ``pending``: architecture and block of each running training. ``block``: that of the next training.
    ``wants_proof``: whether the value is the largest gain, not what following the front earns. ``short``: about a
    training that pauses; None if the next one must be whole.
    """

    posterior: Posterior
    costs: Array
    allowed: Booleans
    pending: Sequence[tuple[int, int]]
    block: int
    wants_proof: bool = False
    short: Short | None = None


class Choice(NamedTuple):
    """The index of an architecture, and whether its training pauses."""

    architecture: int
    is_short: bool = False


def on_front(draws: Array | Singles, costs: Array) -> Array:
    """The share of ``draws`` (draws, architectures) in which each architecture is on the front: (architectures,).

    A member gains more than plain and than every cheaper architecture, and at least as much as those of equal cost.
    """
    counts = np.zeros(len(costs))
    for cost in costs.T:
        order = np.argsort(cost, kind="stable")
        gains = draws[:, order]
        reach = cost[order]
        running = np.maximum.accumulate(np.maximum(gains, 0.0), axis=1)
        first = np.searchsorted(reach, reach, "left")
        end = np.searchsorted(reach, reach, "right")
        below = np.where(first > 0, running[:, first - 1], 0.0)
        counts[order] += ((gains > below) & (gains >= running[:, end - 1])).sum(axis=0)
    share: Array = counts / (len(draws) * costs.shape[1])
    return share


def thompson(inputs: AcquisitionInputs, rng: np.random.Generator) -> Choice:
    """A front member of one posterior draw; the larger its variance, the likelier it is chosen."""
    draws = inputs.posterior.everywhere(SCREENED)
    front = on_front(draws[rng.integers(len(draws))][None], inputs.costs) > 0
    eligible = np.flatnonzero(front & inputs.allowed)
    if len(eligible) == 0:
        eligible = np.flatnonzero(inputs.allowed)
    spread = draws[:, eligible].var(axis=0) + 1e-12
    return Choice(int(rng.choice(eligible, p=spread / spread.sum())))


def knowledge_gradient(inputs: AcquisitionInputs, rng: np.random.Generator) -> Choice:
    """The architecture, and the length of its training, with the largest expected rise of the report's value per cost.

    The cost of a whole training is 1.
    """
    chances = on_front(inputs.posterior.everywhere(SCREENED), inputs.costs)
    rivals = np.union1d(np.argsort(-chances, kind="stable")[:RIVALS], [0])
    inputs = _thinned(inputs, chances)
    candidates = _screened(inputs.allowed, chances, rng)
    gains = _gains(inputs, rivals, candidates, rng)
    best = gains.max(axis=0)
    ties = best >= best.max() * (1 - 1e-9)
    at = np.flatnonzero(ties)[chances[candidates[ties]].argmax()]
    return Choice(int(candidates[at]), bool(gains[:, at].argmax()))


def _thinned(inputs: AcquisitionInputs, chances: Array) -> AcquisitionInputs:
    """The same with at most PENDING running trainings.

    If more are running, their architectures are not chosen again as long as another one is allowed.
    """
    if len(inputs.pending) <= PENDING:
        return inputs
    fresh = inputs.allowed.copy()
    fresh[[architecture for architecture, _ in inputs.pending]] = False
    pending = sorted(inputs.pending, key=lambda running: -chances[running[0]])[:PENDING]
    return replace(inputs, allowed=fresh if fresh.any() else inputs.allowed, pending=pending)


def _screened(allowed: Booleans, chances: Array, rng: np.random.Generator) -> Integers:
    """Indices of the likeliest front members, and of some random others, which inform about shared effects."""
    eligible = np.flatnonzero(allowed)
    likely = eligible[np.argsort(-chances[eligible], kind="stable")[:CANDIDATES]]
    others = rng.choice(eligible, min(STRANGERS, len(eligible)), replace=False)
    return np.union1d(likely, others)


def _gains(inputs: AcquisitionInputs, rivals: Integers, candidates: Integers, rng: np.random.Generator) -> Array:
    """Expected rise of the value per cost of whole and of short trainings: (1 or 2, candidates).

    Of whole ones with the best number of replicates.
    """
    members = np.union1d(rivals, [*candidates, *(architecture for architecture, _ in inputs.pending)])
    draws, level = _conditioned(inputs, members, rng)
    at_rivals = np.searchsorted(members, rivals)
    at_candidates = np.searchsorted(members, candidates)
    means = draws.mean(axis=0)
    shown = draws[:, at_candidates] + level[:, None]
    shown -= shown.mean(axis=0)
    covariance = (draws[:, at_rivals] - means[at_rivals]).T @ shown / len(draws)  # (rivals, candidates)
    variance = (shown**2).mean(axis=0)
    noise, cost = _options(inputs, candidates)
    reach = covariance.T[None] / np.sqrt(variance + noise)[:, :, None]  # (options, candidates, rivals)
    rises = _rise(means[at_rivals], reach, inputs.costs[rivals], wants_proof=inputs.wants_proof)
    # More knowledge never lowers the value: a rise below zero is a rounding error.
    per_cost = np.maximum(rises / cost, 0.0)
    whole: Array = per_cost[: len(REPLICATES)].max(axis=0)[None]
    if inputs.short is None:
        return whole
    of_short = np.where(inputs.short.seen[candidates], 0.0, per_cost[-1])
    return np.vstack([whole, of_short])


def _options(inputs: AcquisitionInputs, candidates: Integers) -> tuple[Array, Array]:
    """The variance of the noise of each option, and its cost: (options, 1 or candidates).

    Options are numbers of whole trainings, and a short one if it may be.
    """
    counts = np.array(REPLICATES, dtype=float)[:, None]
    noise, cost = inputs.posterior.noise / counts, counts
    short = inputs.short
    if short is None:
        return noise, cost
    cost = np.vstack([counts - short.paid[candidates], np.full(len(candidates), short.cost)])
    return np.vstack([noise, [[inputs.posterior.short_noise]]]), cost


def _rise(means: Array, reach: Array, costs: Array, *, wants_proof: bool) -> Array:
    """Expected rise of the value: (...,), if ``means`` (rivals,) move by ``reach`` (..., rivals) times a normal."""
    value = _largest_gain if wants_proof else expected_gain
    rise = np.zeros(reach.shape[:-1])
    for cost in costs.T:
        order = np.argsort(cost, kind="stable")
        centre = means[order].astype(np.float32)
        far = reach[..., order].astype(np.float32)
        moved = centre + far[..., None, :] * _NODES.astype(np.float32)[:, None]  # (..., nodes, rivals)
        rise += value(moved, cost[order]) @ _WEIGHTS - value(means, cost)
    return rise


def _largest_gain(claims: Array | Singles, costs: Array) -> Array:
    """The largest gain, at least plain's: (...,) for ``claims`` (..., architectures), whatever the costs."""
    largest: Array = np.maximum(claims.max(axis=-1), 0.0)
    return largest


def _conditioned(inputs: AcquisitionInputs, members: Integers, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws of the members' gains (draws, members) and of the level of the block (draws,), after the running trainings.

    These are assumed to end as expected. By Matheron's rule (Wilson et al., ICML 2020), each draw moves by the distance
    of its own noisy observation from the mean.
    """
    posterior = inputs.posterior
    draws = posterior.everywhere(DRAWS, members).astype(np.float64)
    noise = posterior.sigmas[:DRAWS]
    blocks = sorted({inputs.block, *(block for _, block in inputs.pending)})
    both = np.column_stack([draws, *(_level(posterior, block, rng) for block in blocks)])
    for architecture, block in inputs.pending:
        at = int(np.searchsorted(members, architecture))
        level = len(members) + blocks.index(block)
        seen = both[:, at] + both[:, level] + noise * rng.standard_normal(len(both))
        miss = seen - seen.mean()
        both -= np.outer(miss, miss @ (both - both.mean(axis=0)) / (miss @ miss))
    return both[:, : len(members)], both[:, len(members) + blocks.index(inputs.block)]


def _level(posterior: Posterior, block: int, rng: np.random.Generator) -> Array:
    """Draws of the level of a block: (draws,). A block without trainings is expected within about a point of plain."""
    if block in posterior.blocks:
        return posterior.levels[:DRAWS, posterior.blocks.index(block)]
    unseen: Array = posterior.plain_score + rng.standard_normal(DRAWS)
    return unseen

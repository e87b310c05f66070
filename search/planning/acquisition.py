"""What to train next so that the front that will be reported earns most: a knowledge gradient, and Thompson sampling.

The value of a report is what following it earns: at an overhead budget drawn uniformly, the member with the largest estimated
gain that fits, or plain. It is linear in nothing, but cheap: a running maximum over overheads. The knowledge gradient (Frazier,
Powell and Dayanik, INFORMS J. Computing 21, 2009) of a training is by how much it is expected to raise that value; since
one noisy training often changes nothing, several of the same are looked ahead to as well, and the gain of each is counted
(Frazier and Powell, Decision Analysis 7, 2010). Everything is read off joint draws of the posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.model.posterior import Posterior

Array = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

# Draws of everything that might be on the front, and of what is looked at more closely.
SCREENED, DRAWS = 64, 256
RIVALS, CANDIDATES, STRANGERS = 64, 64, 16
REPLICATES = (1, 4, 16, 64)
# Draws cannot be conditioned on more running trainings than some of them have in common: on those that may decide most.
PENDING = 64
# Nodes and weights of a standard normal, for the expectation over what a training may show.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Scene:
    """What is known when something is chosen. ``costs`` (architectures, overheads), plain first; ``allowed``: may be
    trained; ``pending``: (architecture, block) of what runs now; ``block``: where the next training belongs."""

    posterior: Posterior
    costs: Array
    allowed: Booleans
    pending: Sequence[tuple[int, int]]
    block: int


def value(means: Array | Singles, costs: Array) -> Array:
    """What following reports earns, in points: ``means`` (..., architectures) against ``costs`` (architectures,).

    The mean over budgets from 0 to the largest cost of the largest mean that fits, or of plain (0).
    """
    order = np.argsort(costs, kind="stable")
    reach = costs[order]
    # Most often they are sorted: large arrays are not copied for nothing.
    running = means if (order[1:] > order[:-1]).all() else means[..., order]
    running = np.maximum.accumulate(np.maximum(running, 0.0), axis=-1)
    widths = np.diff(np.append(reach, reach[-1]))
    # Costs below zero exist (a measured latency): the budget starts at the cheapest then.
    total = max(float(reach[-1] - min(reach[0], 0.0)), 1e-12)
    earned: Array = running @ (widths / total).astype(running.dtype)
    return earned


def on_front(draws: Array | Singles, costs: Array) -> Array:
    """How often each architecture is a member of the front: (architectures,), for draws (draws, architectures).

    A member gains more than plain and than all that costs less, and as much as any that costs the same.
    """
    counts = np.zeros(len(costs))
    for cost in costs.T:
        order = np.argsort(cost, kind="stable")
        gains, reach = draws[:, order], cost[order]
        running = np.maximum.accumulate(np.maximum(gains, 0.0), axis=1)
        first, end = np.searchsorted(reach, reach, "left"), np.searchsorted(reach, reach, "right")
        below = np.where(first > 0, running[:, first - 1], 0.0)
        counts[order] += ((gains > below) & (gains >= running[:, end - 1])).sum(axis=0)
    share: Array = counts / (len(draws) * costs.shape[1])
    return share


def thompson(scene: Scene, rng: np.random.Generator) -> int:
    """A member of the front of one draw, the more likely the less is known of it."""
    draws = scene.posterior.everywhere(SCREENED)
    front = on_front(draws[rng.integers(len(draws))][None], scene.costs) > 0
    eligible = np.flatnonzero(front & scene.allowed)
    if len(eligible) == 0:
        eligible = np.flatnonzero(scene.allowed)
    spread = draws[:, eligible].var(axis=0) + 1e-12
    return int(rng.choice(eligible, p=spread / spread.sum()))


def knowledge_gradient(scene: Scene, rng: np.random.Generator) -> int:
    """The architecture whose next trainings are expected to raise the value of the report most, each."""
    chances = on_front(scene.posterior.everywhere(SCREENED), scene.costs)
    rivals = np.union1d(np.argsort(-chances, kind="stable")[:RIVALS], [0])
    scene = _thinned(scene, chances)
    candidates = _screened(scene.allowed, chances, rng)
    gains = _gains(scene, rivals, candidates, rng)
    ties = gains >= gains.max() * (1 - 1e-9)
    return int(candidates[np.flatnonzero(ties)[chances[candidates[ties]].argmax()]])


def _thinned(scene: Scene, chances: Array) -> Scene:
    """With so much running that only a part of it can be thought of: what runs is not chosen again, where anything else is."""
    if len(scene.pending) <= PENDING:
        return scene
    fresh = scene.allowed.copy()
    fresh[[architecture for architecture, _ in scene.pending]] = False
    pending = sorted(scene.pending, key=lambda running: -chances[running[0]])[:PENDING]
    return replace(scene, allowed=fresh if fresh.any() else scene.allowed, pending=pending)


def _screened(allowed: Booleans, chances: Array, rng: np.random.Generator) -> Integers:
    """The likeliest members of the front, and some others: they may tell of effects that all share."""
    eligible = np.flatnonzero(allowed)
    likely = eligible[np.argsort(-chances[eligible], kind="stable")[:CANDIDATES]]
    others = rng.choice(eligible, min(STRANGERS, len(eligible)), replace=False)
    return np.union1d(likely, others)


def _gains(scene: Scene, rivals: Integers, candidates: Integers, rng: np.random.Generator) -> Array:
    """Expected rise of the value for each candidate and training, the best number of replicates being chosen."""
    members = np.union1d(rivals, [*candidates, *(architecture for architecture, _ in scene.pending)])
    draws, level = _conditioned(scene, members, rng)
    at_rivals, at_candidates = np.searchsorted(members, rivals), np.searchsorted(members, candidates)
    means = draws.mean(axis=0)
    shown = draws[:, at_candidates] + level[:, None]
    shown -= shown.mean(axis=0)
    covariance = (draws[:, at_rivals] - means[at_rivals]).T @ shown / len(draws)  # (rivals, candidates)
    variance, noise = (shown**2).mean(axis=0), float((scene.posterior.sigmas**2).mean())
    counts = np.array(REPLICATES)[:, None]
    reach = covariance.T[None] / np.sqrt(variance + noise / counts)[:, :, None]  # (replicates, candidates, rivals)
    rises = _rise(means[at_rivals], reach, scene.costs[rivals])
    # A rise below zero is rounding: knowing more never lowers the value.
    best: Array = np.maximum((rises / counts).max(axis=0), 0.0)
    return best


def _rise(means: Array, reach: Array, costs: Array) -> Array:
    """Expected rise of the value when means (rivals,) move by ``reach`` (..., rivals) times a standard normal: (...,)."""
    rise = np.zeros(reach.shape[:-1])
    for cost in costs.T:
        order = np.argsort(cost, kind="stable")
        centre, far = means[order].astype(np.float32), reach[..., order].astype(np.float32)
        moved = centre + far[..., None, :] * _NODES.astype(np.float32)[:, None]  # (..., nodes, rivals)
        rise += value(moved, cost[order]) @ _WEIGHTS - value(means, cost)
    return rise


def _conditioned(scene: Scene, members: Integers, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws of the members' gains and of the level of the block, as they will be when what runs has ended as expected.

    Matheron's rule (Wilson et al., ICML 2020): a draw is moved by how far its own noisy observation misses the mean.
    """
    posterior = scene.posterior
    draws = posterior.everywhere(DRAWS, members).astype(np.float64)
    noise = posterior.sigmas[:DRAWS]
    blocks = sorted({scene.block, *(block for _, block in scene.pending)})
    both = np.column_stack([draws, *(_level(posterior, block, rng) for block in blocks)])
    for architecture, block in scene.pending:
        at, level = int(np.searchsorted(members, architecture)), len(members) + blocks.index(block)
        seen = both[:, at] + both[:, level] + noise * rng.standard_normal(len(both))
        miss = seen - seen.mean()
        both -= np.outer(miss, miss @ (both - both.mean(axis=0)) / (miss @ miss))
    return both[:, : len(members)], both[:, len(members) + blocks.index(scene.block)]


def _level(posterior: Posterior, block: int, rng: np.random.Generator) -> Array:
    """Draws of the level of a block; of one that nobody has seen, somewhere around the others."""
    if block in posterior.blocks:
        return posterior.levels[:DRAWS, posterior.blocks.index(block)]
    unseen: Array = posterior.plain_accuracy + rng.standard_normal(DRAWS)
    return unseen

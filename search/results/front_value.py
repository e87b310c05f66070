"""What following a front earns: the one definition for the search, the curve over trainings and the benchmark.

At an overhead budget drawn uniformly, a user of the front takes the architecture with the largest claimed gain that
fits, or plain (gain 0) if no claim that fits is positive. The expected gain is the area below that staircase over the
range of budgets: the hypervolume over plain, divided by the range.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Singles = NDArray[np.float32]


def expected_gain(claims: Array | Singles, costs: Array) -> Array:
    """What following earns if every claim is true, in points: (...,) for ``claims`` (..., architectures).

    ``costs`` (architectures,) are overheads in percent. Budgets reach from 0, or from a cost below it, to the largest.
    """
    order = np.argsort(costs, kind="stable")
    reach = costs[order]
    # Most often they are sorted: large arrays are not copied for nothing.
    is_sorted = bool((order[1:] > order[:-1]).all())
    running = claims if is_sorted else claims[..., order]
    running = np.maximum.accumulate(np.maximum(running, 0.0), axis=-1)
    earned: Array = running @ _budget_shares(reach, float(reach[-1])).astype(running.dtype)
    return earned


def shares_followed(claims: Array, costs: Array, most: float | None = None) -> Array:
    """The share of budgets at which each architecture is taken: (architectures,); what is left is plain's.

    ``claims`` and ``costs`` are (architectures,). Budgets end at ``most`` percent, at the largest cost if it is None.
    """
    order = np.argsort(costs, kind="stable")
    claimed = np.maximum(claims[order], 0.0)
    before = np.append(0.0, np.maximum.accumulate(claimed)[:-1])
    leader = np.maximum.accumulate(np.where(claimed > before, np.arange(len(order)), -1))
    reach = costs[order]
    widths = _budget_shares(reach, float(reach[-1]) if most is None else most)
    taken = leader >= 0
    return np.bincount(order[leader[taken]], widths[taken], len(order)).astype(np.float64)


def _budget_shares(reach: Array, most: float) -> Array:
    """The share of budgets up to ``most`` between each of the sorted costs and the next."""
    within = np.minimum(reach, most)
    widths = np.diff(np.append(within, most))
    # Costs below zero exist (a measured latency): the budget starts at the cheapest then.
    shares: Array = widths / max(most - min(float(reach[0]), 0.0), 1e-12)
    return shares

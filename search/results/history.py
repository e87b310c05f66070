"""How the result of a run grew: what its front was worth after so many trainings, and whether more would help.

The worth of a front is its hypervolume over plain, divided by the range of overheads: at an overhead budget drawn uniformly,
the member with the largest estimated gain that fits is taken, or plain. It is that of the posterior, with an interval: the
hypervolume of observed maxima only grows, by luck too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.model import posterior as surrogate
from search.model.posterior import Posterior
from search.results import compute as front
from search.results import insights, pareto
from search.results.objectives import excess, losses
from search.results.result import Rules
from search.state.ledger import Ledger

Array = NDArray[np.float64]
# As many points as a curve needs, and as many draws as an interval does.
POINTS, DRAWS = 24, 1000


@dataclass(frozen=True)
class Step:
    """After ``trainings`` finished, at second ``at``: the hypervolume in points, its interval, the S expected, and how many
    architectures were on the front, plain included."""

    trainings: int
    at: float
    hypervolume: float
    low: float
    high: float
    score: float
    members: int = 1


def steps(ledger: Ledger, rules: Rules) -> list[Step]:
    """At most POINTS steps, evenly spaced, the last one with all that finished. None before plain has finished."""
    done = sorted((t for t in ledger.trainings if t.state == "finished"), key=lambda t: (t.ended or 0.0, t.number))
    first = next((n for n, t in enumerate(done, start=1) if t.architecture == 0), len(done) + 1)
    counts = sorted({int(n) for n in np.linspace(first, len(done), POINTS)}) if first <= len(done) else []
    column = next(o.column for o in rules.objectives if not o.is_accuracy)
    features, resolution = front.features(ledger), front.resolution(ledger)
    size_of_space = insights.space_size(ledger)
    found = []
    for n in counts:
        seen = front.observations(done[:n])
        posterior = surrogate.fit(seen, features, resolution=resolution, draws=DRAWS)
        costs = [_cost(ledger, number, column) for number in posterior.architectures]
        worth = hypervolume(posterior, costs)
        low, high = np.quantile(worth, [(1 - rules.level) / 2, (1 + rules.level) / 2])
        score = insights.progress(posterior, n, rules.level, size_of_space).score
        at, size = done[n - 1].ended or 0.0, _members(ledger, posterior, rules)
        found.append(Step(n, at, float(worth.mean()), float(low), float(high), score, size))
    return found


def _members(ledger: Ledger, posterior: Posterior, rules: Rules) -> int:
    """How many architectures nothing dominates, among what the limits allow; plain is always allowed."""
    gains = posterior.gains.mean(axis=0)
    prices = [_price(ledger, number) for number in posterior.architectures]
    values = [
        losses(rules.objectives, posterior.plain_accuracy + float(gain), price)
        for number, gain, price in zip(posterior.architectures, gains, prices, strict=True)
        if number == 0 or excess(rules.objectives, price) <= 0
    ]
    return len(pareto.front(values))


def hypervolume(posterior: Posterior, costs: Sequence[float]) -> Array:
    """Draws of what following the front of posterior means earns, in points; ``costs`` in the order of architectures."""
    order = np.argsort(costs, kind="stable")
    reach, means = np.asarray(costs)[order], posterior.gains.mean(axis=0)[order]
    followed = np.maximum.accumulate(np.where(means > 0, means, 0.0))
    taken = [-1 if best <= 0 else int(order[int(np.argmax(means == best))]) for best in followed]
    widths = np.diff(np.append(reach, reach[-1]))
    total = max(float(reach[-1] - reach[0]), 1e-12)
    worth: Array = np.zeros(len(posterior.gains))
    for architecture, width in zip(taken, widths, strict=True):
        if architecture >= 0:
            worth += posterior.gains[:, architecture] * width / total
    return worth


def _cost(ledger: Ledger, number: int, column: str) -> float:
    """The overhead of an entry in percent."""
    return float(_price(ledger, number).get(column, 0.0))


def _price(ledger: Ledger, number: int) -> dict[str, float]:
    """What an entry costs; latency as measured at the end, where it was."""
    entry = ledger.entries[number]
    return {**entry.price, **(ledger.fact("latency") or {}).get(entry.name, {})}

"""How the result of a run grew: what its front was worth after each number of trainings, and whether more would help.

The worth of a front is what following it earns (:mod:`search.results.front_value`), by the posterior and with an
interval: a hypervolume of observed maxima only grows, by luck too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.model.fitting import fit
from search.model.observations import Observations
from search.model.posterior import Posterior
from search.results import pareto
from search.results.evidence import Evidence, observations_of
from search.results.front_value import shares_followed
from search.results.objectives import excess, losses
from search.results.result import Rules
from search.results.search_progress import progress_of
from search.state.facts import HistoryStep
from search.state.ledger import Ledger
from search.state.records import Training

Array = NDArray[np.float64]
# A curve needs no more points, an interval no more draws.
POINTS = 24
DRAWS = 1000


def steps(ledger: Ledger, rules: Rules) -> list[HistoryStep]:
    """At most POINTS evenly spaced steps; the last one has all finished trainings. Empty before plain has finished."""
    evidence = Evidence.of(ledger)
    done = sorted(evidence.finished, key=lambda t: (t.ended or 0.0, t.number))
    counts = _counts(done)
    if not counts:
        return []
    seen = Observations.of(observations_of(done, curves=rules.curves))
    costs = _Costs(evidence, rules)
    return [_step(evidence, costs, seen.first(n), done[n - 1].ended or 0.0, rules) for n in counts]


def hypervolume(posterior: Posterior, costs: Sequence[float] | Array) -> Array:
    """Draws (draws,) of what following the front of posterior means earns, in points; ``costs`` by architecture."""
    means = posterior.gains.mean(axis=0)
    earned: Array = posterior.gains @ shares_followed(means, np.asarray(costs, dtype=np.float64))
    return earned


def _counts(done: Sequence[Training]) -> list[int]:
    """After which numbers of finished trainings there is a step; the first is with the first one of plain."""
    first = next((n for n, training in enumerate(done, start=1) if training.architecture == 0), None)
    return [] if first is None else sorted({int(n) for n in np.linspace(first, len(done), POINTS)})


class _Costs:
    """What the trained architectures cost, as arrays over all numbers of the run."""

    def __init__(self, evidence: Evidence, rules: Rules) -> None:
        n = len(evidence.entries)
        column = next(o.column for o in rules.objectives if not o.is_accuracy)
        self._objectives = rules.objectives
        self.overhead = np.zeros(n)
        self._allowed = np.zeros(n, dtype=bool)
        self._losses = np.zeros((n, len(rules.objectives)))
        for number in {0, *evidence.by_architecture}:
            price = evidence.price(number)
            self.overhead[number] = price.get(column, 0.0)
            self._allowed[number] = number == 0 or excess(rules.objectives, price) <= 0
            self._losses[number] = losses(rules.objectives, 0.0, price)

    def members(self, posterior: Posterior, means: Array) -> int:
        """How many architectures nothing dominates, within the limits; plain is always allowed."""
        numbers = np.array(posterior.architectures)
        values = self._losses[numbers]
        for i, objective in enumerate(self._objectives):
            if objective.is_accuracy:
                values[:, i] = objective.loss(1.0) * (posterior.plain_accuracy + means)
        return len(pareto.front(values[self._allowed[numbers]]))


def _step(evidence: Evidence, costs: _Costs, seen: Observations, at: float, rules: Rules) -> HistoryStep:
    posterior = fit(seen, evidence.features, resolution=evidence.resolution, draws=DRAWS)
    worth = hypervolume(posterior, costs.overhead[list(posterior.architectures)])
    low, high = np.quantile(worth, [(1 - rules.level) / 2, (1 + rules.level) / 2])
    n = len(seen.accuracy)
    progress = progress_of(posterior, n, rules.level, evidence.space_size)
    members = costs.members(posterior, posterior.gains.mean(axis=0))
    return HistoryStep(n, at, float(worth.mean()), float(low), float(high), progress.score, members)

"""How the result of a run grew: what its front was worth after each number of trainings, and whether more would help.

The worth of a front is what following it earns (:mod:`search.results.front_value`), by the posterior and with an
interval: a hypervolume of observed maxima only grows, by luck too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search.model.observations import Observations
from search.model.posterior import Posterior
from search.results import pareto
from search.results.evidence import Evidence, observations_of
from search.results.front_value import shares_followed
from search.results.objectives import excess, losses, qualities
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
    evidence = Evidence.of(ledger, rules.quality)
    done = sorted(evidence.finished, key=lambda t: (t.ended or 0.0, t.number))
    counts = _counts(done)
    if not counts:
        return []
    costs = _Costs(evidence, rules)
    return [_step(evidence, costs, done[:n], rules) for n in counts]


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
        column = next(o.column for o in rules.objectives if not o.is_quality)
        self._objectives = rules.objectives
        self.overhead = np.zeros(n)
        self._allowed = np.zeros(n, dtype=bool)
        self._losses = np.zeros((n, len(rules.objectives)))
        unknown = {metric.name: 0.0 for metric in qualities(rules.objectives)}
        for number in {0, *evidence.by_architecture}:
            price = evidence.price(number)
            self.overhead[number] = price.get(column, 0.0)
            self._allowed[number] = number == 0 or excess(rules.objectives, price) <= 0
            self._losses[number] = losses(rules.objectives, unknown, price)

    def members(self, posteriors: Mapping[str, Posterior]) -> int:
        """How many architectures nothing dominates, within the limits; plain is always allowed.

        ``posteriors`` are those of the qualities by name.
        """
        numbers = np.array(next(iter(posteriors.values())).architectures)
        values = self._losses[numbers]
        for i, objective in enumerate(self._objectives):
            if objective.is_quality:
                posterior = posteriors[objective.metric]
                values[:, i] = objective.loss(1.0) * (posterior.plain_score + posterior.gains.mean(axis=0))
        return len(pareto.front(values[self._allowed[numbers]]))


def _step(evidence: Evidence, costs: _Costs, done: Sequence[Training], rules: Rules) -> HistoryStep:
    """The step after these trainings have finished."""
    first, *others = qualities(rules.objectives)
    seen = Observations.of(observations_of(done, first, curves=rules.curves, folds=evidence.folds))
    posterior = evidence.posterior_of(seen, draws=DRAWS)
    posteriors = {first.name: posterior}
    for metric in others:
        further = replace(evidence, metric=metric)
        posteriors[metric.name] = further.posterior_of(observations_of(done, metric, folds=evidence.folds), draws=DRAWS)
    worth = hypervolume(posterior, costs.overhead[list(posterior.architectures)])
    low, high = np.quantile(worth, [(1 - rules.level) / 2, (1 + rules.level) / 2])
    n = len(done)
    at = done[-1].ended or 0.0
    progress = progress_of(posterior, n, rules.level, evidence.space_size)
    members = costs.members(posteriors)
    return HistoryStep(n, at, float(worth.mean()), float(low), float(high), progress.score, members)

"""The result of a run: how the front, the verdicts and the recommendation come about.

Everything is computed from the ledger, so the same run always gives the same result. The front is judged on the
posterior of :mod:`search.model.posterior`, never on observed maxima; only :mod:`search.results.confirmations` can find
that a gain is *proven*.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid
from search.model.posterior import Posterior
from search.results import insights, pareto
from search.results.answer import answer_of
from search.results.confirmations import confirmations
from search.results.earlier_rounds import Comparison
from search.results.evidence import Evidence
from search.results.objectives import excess, losses
from search.results.result import Front, Point, Rules
from search.state.facts import encode
from search.state.ledger import Ledger
from search.state.records import Training
from senet_nas.costs.measures import cost_columns
from spaces.errors import NOTHING_USABLE, UserError

Array = NDArray[np.float64]
# What every training logs at its last epoch, beside its accuracy.
_LOGGED = ("val_log_loss", "train_loss", "grad_norm", "gate_mean", "gate_saturation", "train_seconds")


def compute(run: str, ledger: Ledger, rules: Rules, *, grid: HyperparameterGrid | None = None) -> Front:
    """The result of what the ledger holds now. ``grid`` replaces the default hyperparameter grid of the model.

    Raises UserError (NOTHING_USABLE) before plain has a finished training.
    """
    evidence = Evidence.of(ledger)
    if 0 not in evidence.by_architecture:
        raise UserError(
            "the plain network has no finished training yet, so there is nothing to compare with", code=NOTHING_USABLE
        )
    seen = evidence.observations(curves=rules.curves)
    posterior = fit(seen, evidence.features, resolution=evidence.resolution, grid=grid)
    confirmed = confirmations(evidence.facts, ledger.trainings, rules.min_gain)
    judged = _judge(posterior, confirmed.comparisons, rules)
    points = _points(evidence, judged, confirmed.comparisons, rules)
    recommended, likely = _choose(points, judged, rules)
    return Front(
        run=run,
        rules=rules,
        points=tuple(points),
        sigma=posterior.sigma,
        confirmed=bool(confirmed.comparisons),
        under_way=confirmed.under_way,
        confirmations=tuple(one.words for one in confirmed.in_pairs),
        provable=confirmed.smallest_provable(posterior.sigma, rules.min_gain),
        recommended=recommended,
        likely=likely,
        counts=_counts(ledger.trainings),
        test=encode(evidence.facts.test) if evidence.facts.test else None,
        insights=insights.gather(evidence, posterior, rules.level),
        settled=evidence.facts.settled,
        seeds_alike=evidence.seeds_alike,
        answer=answer_of(recommended != points[0].id, evidence.facts.answer, rules.worthwhile),
    )


# -- points -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """What the posterior says of every trained architecture, as arrays in the order of ``posterior.architectures``."""

    posterior: Posterior
    index: Mapping[int, int]
    accuracy: Array
    gain: Array
    low: Array
    high: Array
    p_gain: Array
    verdicts: Sequence[str]

    def draws(self, point: Point) -> Array:
        """Draws of the gain of an architecture, in points."""
        return self.posterior.gains[:, self.index[point.number]]


def _judge(posterior: Posterior, comparisons: Mapping[int, Comparison], rules: Rules) -> _Judged:
    numbers = posterior.architectures
    gain, low, high = posterior.intervals(rules.level)
    p_gain = posterior.probabilities(rules.min_gain)
    p_loss = 1 - posterior.probabilities(-rules.min_gain)
    chances = zip(numbers, p_gain.tolist(), p_loss.tolist(), strict=True)
    return _Judged(
        posterior=posterior,
        index={number: i for i, number in enumerate(numbers)},
        accuracy=np.minimum(100.0, posterior.plain_accuracy + gain),
        gain=gain,
        low=low,
        high=high,
        p_gain=p_gain,
        verdicts=[_verdict(n, chance, loss, comparisons.get(n), rules.level) for n, chance, loss in chances],
    )


def _verdict(number: int, p_gain: float, p_loss: float, fresh: Comparison | None, level: float) -> str:
    if number == 0:
        return "plain"
    if fresh is not None and fresh.proven:
        return "proven"
    if p_gain >= level:
        return "likely"
    if p_loss >= level:
        return "likely worse"
    return "open"


def _points(evidence: Evidence, judged: _Judged, comparisons: Mapping[int, Comparison], rules: Rules) -> list[Point]:
    """A point for every trained architecture, plain first."""
    numbers = judged.posterior.architectures
    prices = [evidence.price(number) for number in numbers]
    allowed = [excess(rules.objectives, price) <= 0 for price in prices]
    members = _members(judged, prices, allowed, rules)
    alike = _alike(judged, members, prices, rules)
    columns = cost_columns()
    points = []
    for i, number in enumerate(numbers):
        entry = evidence.entries[number]
        done = evidence.by_architecture.get(number, ())
        fresh = comparisons.get(number)
        same = alike.get(i)
        points.append(
            Point(
                number=entry.number,
                architecture=entry.key,
                label=entry.label,
                role=_role(number, done),
                on_front=i in members,
                val_accuracy=float(judged.accuracy[i]),
                gain=float(judged.gain[i]),
                gain_low=float(judged.low[i]),
                gain_high=float(judged.high[i]),
                p_gain=float(judged.p_gain[i]),
                n_seeds=len(done),
                costs={column: prices[i][column] for column in columns if column in prices[i]},
                verdict=judged.verdicts[i],
                seeds={str(t.seed): t.metrics["val_accuracy"] for t in done},
                allowed=allowed[i],
                p_value=fresh.p_value if fresh else None,
                fresh_gain=fresh.gain if fresh else None,
                logged=_logged(done),
                alike=None if same is None else evidence.entries[numbers[same]].name,
            )
        )
    return points


def _role(number: int, done: Sequence[Training]) -> str:
    if number == 0:
        return "plain"
    roles = {t.role for t in done}
    if "confirm" in roles:
        return "finalist"
    return "baseline" if "baseline" in roles else "candidate"


def _logged(done: Sequence[Training]) -> dict[str, float]:
    """The mean over seeds of each metric of _LOGGED that was logged."""
    means = {}
    for name in _LOGGED:
        values = [t.metrics[name] for t in done if name in t.metrics]
        if values:
            means[name] = sum(values) / len(values)
    return means


def _members(
    judged: _Judged, prices: Sequence[Mapping[str, float]], allowed: Sequence[bool], rules: Rules
) -> list[int]:
    """The indices of the front: estimated accuracy against overheads, within the limits. Plain is always allowed."""
    competing = [i for i, within in enumerate(allowed) if within or i == 0]
    values = [losses(rules.objectives, float(judged.accuracy[i]), prices[i]) for i in competing]
    return [competing[i] for i in pareto.front(values)]


def _alike(
    judged: _Judged, members: Sequence[int], prices: Sequence[Mapping[str, float]], rules: Rules
) -> dict[int, int]:
    """For members of the front, by index: the cheapest one that they do not likely beat by ``min_gain``."""
    cost = _cost_column(rules)
    order = sorted(members, key=lambda i: prices[i][cost])
    gains = judged.posterior.gains[:, order].T.copy()
    found = {}
    for place in range(1, len(order)):
        beaten = (gains[place] - gains[:place] > rules.min_gain).mean(axis=1) >= rules.level
        if not beaten.all():
            found[order[place]] = order[int(beaten.argmin())]
    return found


# -- the recommendation -----------------------------------------------------------------------------------------------


def _choose(points: Sequence[Point], judged: _Judged, rules: Rules) -> tuple[str, str | None]:
    """The ids of the recommendation, and of the likely one to name beside plain if nothing is proven."""
    allowed = [p for p in points if p.allowed and not p.is_plain]
    proven = [p for p in allowed if p.verdict == "proven"]
    if proven:
        return _cheapest_of_the_best(proven, judged, rules).id, None
    likely = max((p for p in allowed if p.verdict == "likely"), key=lambda p: p.p_gain, default=None)
    return points[0].id, None if likely is None else likely.id


def _cheapest_of_the_best(proven: Sequence[Point], judged: _Judged, rules: Rules) -> Point:
    """The cheapest whose chance of being worse than the best by more than the tolerance is below 1 - level."""
    cost = _cost_column(rules)
    ordered = sorted(proven, key=lambda p: p.costs[cost])
    best = max(ordered, key=lambda p: p.gain)
    for point in ordered:
        behind = judged.draws(best) - judged.draws(point) > rules.tolerance
        if behind.mean() < 1 - rules.level:
            return point
    return best


def _cost_column(rules: Rules) -> str:
    """The column of the first cost among the objectives."""
    return next(o.column for o in rules.objectives if not o.is_accuracy)


def _counts(trainings: Sequence[Training]) -> dict[str, int]:
    """How many trainings are in each state, in the order in which states first occur."""
    return dict(Counter(training.state for training in trainings))

"""The result of a run: how the front, the verdicts and the recommendation come about.

Everything is computed from the ledger, so the same run always gives the same result. The front is judged on the
posterior of :mod:`search.model.posterior`, never on observed maxima; only :mod:`search.results.confirmations` can find
that a gain is *proven*.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.model.hyperparameters import HyperparameterGrid
from search.model.one_thread import one_thread
from search.model.posterior import Posterior
from search.results import insights, limits, pareto
from search.results.answer import answer_of
from search.results.confirmations import confirmations
from search.results.earlier_rounds import Comparison
from search.results.evidence import Evidence
from search.results.limits import Within
from search.results.objectives import losses
from search.results.point import Estimate, Point
from search.results.result import Front, Rules
from search.state.facts import encode
from search.state.ledger import Ledger
from search.state.records import Training
from search.state.so_far import SoFar
from senet_nas.costs.measures import cost_columns
from senet_nas.training.quality_metrics import Metric
from spaces.errors import NOTHING_USABLE, UserError

Array = NDArray[np.float64]
# What every training logs at its last epoch, beside what it is judged by.
_LOGGED = ("val_log_loss", "train_loss", "grad_norm", "gate_mean", "gate_saturation", "train_seconds")


@one_thread
def compute(
    run: str, ledger: Ledger, rules: Rules, *, grid: HyperparameterGrid | None = None, within: Within = limits.keeps
) -> Front:
    """The result of what the ledger holds now. ``grid`` replaces the default hyperparameter grid of the model.

    ``within`` says which placements keep the limits. Raises UserError (NOTHING_USABLE) before plain has a finished
    training.
    """
    evidence = Evidence.of(ledger, rules.quality)
    so_far = SoFar.of(ledger)
    if 0 not in evidence.by_architecture:
        raise UserError(
            "the plain network has no finished training yet, so there is nothing to compare with",
            hint=f"`senet-search status {run}` shows how far it is",
            code=NOTHING_USABLE,
        )
    posterior = evidence.posterior(rules.curves, grid=grid)
    confirmed = confirmations(evidence.facts, ledger.trainings, rules.min_gain, rules.quality)
    judged = _judge(posterior, confirmed.comparisons, rules, _further(evidence, rules, grid))
    points = _points(evidence, judged, confirmed.comparisons, rules, within)
    recommended, likely = _choose(points, judged, rules)
    return Front(
        run=run,
        rules=rules,
        points=tuple(points),
        sigma=posterior.sigma,
        confirmed=bool(confirmed.comparisons),
        under_way=confirmed.under_way,
        confirmations=confirmed.words,
        provable=confirmed.smallest_provable(posterior.sigma, rules.min_gain),
        recommended=recommended,
        likely=likely,
        counts=_counts(ledger.trainings),
        worth=so_far.worth,
        used=so_far.used,
        test=encode(evidence.facts.test) if evidence.facts.test else None,
        insights=insights.gather(evidence, posterior, rules.level, rules.worthwhile, rules.min_gain),
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
    score: Array
    gain: Array
    low: Array
    high: Array
    p_gain: Array
    verdicts: Sequence[str]
    further: Mapping[Metric, "_Estimates"]

    def scores(self, i: int) -> dict[str, float]:
        """The estimated score of an architecture in each further quality, by its name."""
        return {metric.name: float(found.score[i]) for metric, found in self.further.items()}

    def draws(self, point: Point) -> Array:
        """Draws of the gain of an architecture."""
        return self.posterior.gains[:, self.index[point.number]]


@dataclass(frozen=True)
class _Estimates:
    """What the trainings say of one quality of every trained architecture, as arrays in the same order."""

    score: Array
    gain: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, posterior: Posterior, metric: Metric, level: float) -> "_Estimates":
        gain, low, high = posterior.intervals(level)
        score = np.array([metric.possible(score) for score in (posterior.plain_score + gain).tolist()])
        return cls(score, gain, low, high)

    def of_point(self, i: int, metric: Metric) -> Estimate:
        value = metric.value(float(self.score[i]))
        return Estimate(value, float(self.gain[i]), float(self.low[i]), float(self.high[i]))


def _further(evidence: Evidence, rules: Rules, grid: HyperparameterGrid | None) -> dict[Metric, _Estimates]:
    """The estimates of all qualities but the first, each from its own posterior."""
    found = {}
    for metric in rules.qualities[1:]:
        posterior = replace(evidence, metric=metric).posterior(rules.curves, grid=grid)
        found[metric] = _Estimates.of(posterior, metric, rules.level)
    return found


def _judge(
    posterior: Posterior,
    comparisons: Mapping[int, Comparison],
    rules: Rules,
    further: Mapping[Metric, _Estimates],
) -> _Judged:
    numbers = posterior.architectures
    own = _Estimates.of(posterior, rules.quality, rules.level)
    p_gain = posterior.probabilities(rules.min_gain)
    p_loss = 1 - posterior.probabilities(-rules.min_gain)
    chances = zip(numbers, p_gain.tolist(), p_loss.tolist(), strict=True)
    return _Judged(
        posterior=posterior,
        index={number: i for i, number in enumerate(numbers)},
        score=own.score,
        gain=own.gain,
        low=own.low,
        high=own.high,
        p_gain=p_gain,
        verdicts=[_verdict(n, chance, loss, comparisons.get(n), rules.level) for n, chance, loss in chances],
        further=further,
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


def _points(
    evidence: Evidence, judged: _Judged, comparisons: Mapping[int, Comparison], rules: Rules, within: Within
) -> list[Point]:
    """A point for every trained architecture, plain first."""
    numbers = judged.posterior.architectures
    prices = [evidence.price(number) for number in numbers]
    allowed = [within(evidence, rules.objectives, number) for number in numbers]
    members = _members(judged, prices, allowed, rules)
    alike = _alike(judged, members, prices, rules)
    columns = cost_columns(prices[0])
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
                value=rules.quality.value(float(judged.score[i])),
                gain=float(judged.gain[i]),
                gain_low=float(judged.low[i]),
                gain_high=float(judged.high[i]),
                p_gain=float(judged.p_gain[i]),
                n_seeds=len(done),
                costs={column: prices[i][column] for column in columns if column in prices[i]},
                verdict=judged.verdicts[i],
                seeds={str(t.seed): t.metrics[rules.quality.column] for t in done},
                allowed=allowed[i],
                p_value=fresh.p_value if fresh else None,
                fresh_gain=fresh.gain if fresh else None,
                logged=_logged(done, rules),
                alike=None if same is None else evidence.entries[numbers[same]].name,
                column=rules.quality.column,
                further={metric.column: found.of_point(i, metric) for metric, found in judged.further.items()},
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


def _logged(done: Sequence[Training], rules: Rules) -> dict[str, float]:
    """The mean over seeds of each metric of _LOGGED that was logged, and of each that the config asks to record."""
    means = {}
    for name in dict.fromkeys([*_LOGGED, *(metric.column for metric in rules.recorded)]):
        values = [t.metrics[name] for t in done if name in t.metrics]
        if values:
            means[name] = sum(values) / len(values)
    return means


def _members(
    judged: _Judged, prices: Sequence[Mapping[str, float]], allowed: Sequence[bool], rules: Rules
) -> list[int]:
    """The indices of the front: estimated qualities against overheads, within the limits. Plain is always allowed."""
    competing = [i for i, within in enumerate(allowed) if within or i == 0]
    first = rules.quality.name
    values = [
        losses(rules.objectives, {first: float(judged.score[i]), **judged.scores(i)}, prices[i]) for i in competing
    ]
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
    return next(o.column for o in rules.objectives if not o.is_quality)


def _counts(trainings: Sequence[Training]) -> dict[str, int]:
    """How many trainings are in each state, in the order in which states first occur."""
    return dict(Counter(training.state for training in trainings))

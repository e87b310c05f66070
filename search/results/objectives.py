"""Objectives: a metric with a goal and a limit. Scores and losses turn signs where less is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from senet_nas.costs import latency_names
from senet_nas.costs.measures import MEASURES, USUAL, Measure, counted, find, is_measure, overhead_column
from senet_nas.training import quality_metrics
from senet_nas.training.quality_metrics import METRICS, RECALL_FORM, RECALL_MEANING, Goal, Metric, metric_of
from spaces.options import STRICT, option

# The scores of a network by the name of the metric: more is better.
Scores = Mapping[str, float]


def _metrics() -> str:
    """The metrics that a config may name, in words."""
    qualities = ", ".join(f"{metric.name} ({metric.description})" for metric in METRICS.values())
    costs = ", ".join(f"{measure.name} ({measure.description})" for measure in MEASURES.values())
    return (
        f"a quality on the validation images: {qualities}, {RECALL_FORM} ({RECALL_MEANING}), or a number that a "
        f"function of yours returns; or an overhead over plain: {costs}, or a further latency: "
        f"{latency_names.GRAMMAR}, for example {latency_names.EXAMPLE}"
    )


@dataclass(frozen=True)
class Objective:
    """One side of the trade-off: a quality on the validation images, or the overhead of a cost in percent over plain.

    ``unit`` and ``format`` are for a metric of the user's own.
    """

    __pydantic_config__ = STRICT
    metric: str = option("", _metrics(), min_length=1)
    goal: Goal | None = option(None, "maximize or minimize; default: what the metric needs; your own metric needs it")
    limit: float | None = option(None, "largest overhead over plain, in percent, that an architecture may have", ge=0)
    unit: str | None = option(None, "unit of a metric of your own; `%` if it is a percentage", max_length=16)
    format: str | None = option(
        None, "format of a metric of your own; default: .2f", pattern=r"^\.\d[fgeE]$", examples=[".3f"]
    )

    @property
    def is_quality(self) -> bool:
        return not is_measure(self.metric)

    @property
    def quality(self) -> Metric:
        """The row of the metric, if it is no cost."""
        return metric_of(self.metric, self.goal, self.unit, self.format)

    @property
    def column(self) -> str:
        """The key of its value: the name of a quality, or the column of the overhead of a cost."""
        return self.metric if self.is_quality else overhead_column(self.metric)

    @property
    def direction(self) -> Goal:
        """Which scores and overheads are better: more of a quality, less of a cost unless the goal says otherwise."""
        return "maximize" if self.is_quality else self.goal or "minimize"

    def loss(self, value: float) -> float:
        """A score or an overhead as a number of which less is better."""
        return -value if self.direction == "maximize" else value

    def to_dict(self) -> dict[str, Any]:
        """Its settings; unit and format only where they are set."""
        further = {"unit": self.unit, "format": self.format}
        own = {name: value for name, value in further.items() if value is not None}
        return {"metric": self.metric, "goal": self.goal, "limit": self.limit, **own}


DEFAULT = (Objective(metric=quality_metrics.ACCURACY.name), Objective(metric=USUAL.name))


def qualities(objectives: Sequence[Objective]) -> tuple[Metric, ...]:
    """The metrics of the objectives that are qualities; the first one decides what is proven."""
    return tuple(objective.quality for objective in objectives if objective.is_quality)


def scores_of(metrics: Mapping[str, float], of: Sequence[Metric]) -> Scores:
    """The scores of what a training measured; without metrics that it did not measure, as in an early epoch."""
    return {metric.name: metric.score(metrics) for metric in of if metric.column in metrics}


def objective_values(objectives: Sequence[Objective], scores: Scores, price: Mapping[str, float]) -> tuple[float, ...]:
    """The value of each objective: scores of qualities, overheads in percent over plain. Raises KeyError."""
    known = {**price, **scores}
    return tuple(known[objective.column] for objective in objectives)


def losses(objectives: Sequence[Objective], scores: Scores, price: Mapping[str, float]) -> tuple[float, ...]:
    """A number for each objective; smaller is better for all of them. Raises KeyError."""
    found = objective_values(objectives, scores, price)
    return tuple(objective.loss(value) for objective, value in zip(objectives, found, strict=True))


def excess(objectives: Sequence[Objective], price: Mapping[str, float]) -> float:
    """By how many percentage points the most exceeded limit is exceeded; 0 or less if all limits are kept."""
    over = [price[o.column] - o.limit for o in objectives if o.limit is not None]
    return max(over, default=0.0)


def leading_cost(objectives: Sequence[Objective], known: Mapping[str, float]) -> Measure:
    """The cost that texts name: parameters; of a table that lacks them, the first cost that is an objective."""
    costs = [found for objective in objectives if (found := find(objective.metric)) is not None]
    return USUAL if USUAL.overhead in known or not costs else costs[0]


def counted_columns(objectives: Sequence[Objective]) -> list[str]:
    """The columns of the costs that are objectives and known exactly before anything runs."""
    named = {objective.metric for objective in objectives}
    return [measure.column for measure in counted() if measure.name in named]

"""Objectives: a metric with a goal and a limit. A loss is the one place where a sign is flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from senet_nas.costs.measures import MEASURES, USUAL, Measure, counted, overhead_column
from spaces.options import STRICT, option

ACCURACY = "accuracy"
Goal = Literal["maximize", "minimize"]


def _metrics() -> str:
    """The metrics that a config may name, in words."""
    costs = ", ".join(f"{measure.name} ({measure.description})" for measure in MEASURES.values())
    return f"{ACCURACY} (of validation, in percent), or an overhead over plain: {costs}"


@dataclass(frozen=True)
class Objective:
    """One side of the trade-off: validation accuracy in percent, or the overhead of a cost in percent over plain."""

    __pydantic_config__ = STRICT
    metric: str = option("", _metrics(), min_length=1)
    goal: Goal | None = option(None, "maximize for accuracy, minimize for costs; default: what the metric needs")
    limit: float | None = option(None, "largest overhead over plain, in percent, that an architecture may have", ge=0)

    @property
    def is_accuracy(self) -> bool:
        return self.metric == ACCURACY

    @property
    def direction(self) -> Goal:
        """The goal; without one, to maximize accuracy and to minimize costs."""
        if self.goal is not None:
            return self.goal
        return "maximize" if self.is_accuracy else "minimize"

    @property
    def column(self) -> str:
        """The column that holds its value: ``accuracy``, or the overhead of a cost."""
        return ACCURACY if self.is_accuracy else overhead_column(self.metric)

    def loss(self, value: float) -> float:
        """The value, with its sign flipped if it is to be maximized: smaller is better."""
        return -value if self.direction == "maximize" else value


DEFAULT = (Objective(metric=ACCURACY), Objective(metric=USUAL.name))


def objective_values(objectives: Sequence[Objective], accuracy: float, price: Mapping[str, float]) -> tuple[float, ...]:
    """The value of each objective: accuracy in percent, overheads in percent over plain. Raises KeyError."""
    known = {**price, ACCURACY: accuracy}
    return tuple(known[objective.column] for objective in objectives)


def losses(objectives: Sequence[Objective], accuracy: float, price: Mapping[str, float]) -> tuple[float, ...]:
    """A number for each objective; smaller is better for all of them. Raises KeyError."""
    found = objective_values(objectives, accuracy, price)
    return tuple(objective.loss(value) for objective, value in zip(objectives, found, strict=True))


def excess(objectives: Sequence[Objective], price: Mapping[str, float]) -> float:
    """By how many percentage points the most exceeded limit is exceeded; 0 or less if all limits are kept."""
    over = [price[o.column] - o.limit for o in objectives if o.limit is not None]
    return max(over, default=0.0)


def leading_cost(objectives: Sequence[Objective], known: Mapping[str, float]) -> Measure:
    """The cost that texts name: parameters; of a table that lacks them, the first cost that is an objective."""
    costs = [MEASURES[objective.metric] for objective in objectives if not objective.is_accuracy]
    return USUAL if USUAL.overhead in known or not costs else costs[0]


def counted_columns(objectives: Sequence[Objective]) -> list[str]:
    """The columns of the costs that are objectives and known exactly before anything runs."""
    named = {objective.metric for objective in objectives}
    return [measure.column for measure in counted() if measure.name in named]

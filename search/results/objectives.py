"""Objective = metric + goal + limit. The one place where a sign is flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from senet_nas.costs.measures import MEASURES, USUAL, overhead_column
from spaces.options import STRICT, option

ACCURACY = "accuracy"
Goal = Literal["maximize", "minimize"]


def _metrics() -> str:
    costs = ", ".join(f"{measure.name} ({measure.description})" for measure in MEASURES.values())
    return f"{ACCURACY} (of validation, in percent), or an overhead over plain: {costs}"


@dataclass(frozen=True)
class Objective:
    """What is traded: validation accuracy in percent, or an overhead in percent over the plain backbone."""

    __pydantic_config__ = STRICT
    metric: str = option("", _metrics(), min_length=1)
    goal: Goal | None = option(None, "maximize for accuracy, minimize for costs; the default is right")
    limit: float | None = option(None, "largest overhead over plain, in percent, that an architecture may have", ge=0)

    @property
    def is_accuracy(self) -> bool:
        return self.metric == ACCURACY

    @property
    def direction(self) -> Goal:
        return self.goal or ("maximize" if self.is_accuracy else "minimize")

    @property
    def column(self) -> str:
        """The name under which a :class:`~search.results.compute.Point` and a price hold it."""
        return ACCURACY if self.is_accuracy else overhead_column(self.metric)

    def loss(self, value: float) -> float:
        """The value as something to minimise."""
        return -value if self.direction == "maximize" else value


DEFAULT = (Objective(metric=ACCURACY), Objective(metric=USUAL.name))


def objective_values(objectives: Sequence[Objective], accuracy: float, price: Mapping[str, float]) -> tuple[float, ...]:
    """The value of each objective as it is: accuracy in percent, overheads in percent over plain."""
    known = {**price, ACCURACY: accuracy}
    return tuple(known[objective.column] for objective in objectives)


def losses(objectives: Sequence[Objective], accuracy: float, price: Mapping[str, float]) -> tuple[float, ...]:
    """One number for each objective, all to be minimised."""
    found = objective_values(objectives, accuracy, price)
    return tuple(objective.loss(value) for objective, value in zip(objectives, found, strict=True))


def excess(objectives: Sequence[Objective], price: Mapping[str, float]) -> float:
    """By how many percent points the worst limit is exceeded; 0 or less where all are kept."""
    over = [price[o.column] - o.limit for o in objectives if o.limit is not None]
    return max(over, default=0.0)

"""Objective = metric + goal + limit. The one place where a sign is flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from spaces.options import STRICT, option

ACCURACY = "accuracy"
Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Objective:
    """What is traded: validation accuracy in percent, or an overhead in percent over the plain backbone."""

    __pydantic_config__ = STRICT
    metric: str = option("", "accuracy, params, macs or latency", min_length=1)
    goal: Goal | None = option(None, "maximize accuracy, minimize everything else; needs no mention")
    limit: float | None = option(None, "largest overhead in percent that an architecture may have", ge=0)

    @property
    def is_accuracy(self) -> bool:
        return self.metric == ACCURACY

    @property
    def direction(self) -> Goal:
        return self.goal or ("maximize" if self.is_accuracy else "minimize")

    @property
    def column(self) -> str:
        """The name under which a :class:`~search.results.compute.Point` and a price hold it."""
        return ACCURACY if self.is_accuracy else f"{self.metric}_overhead"

    def loss(self, value: float) -> float:
        """The value as something to minimise."""
        return -value if self.direction == "maximize" else value


DEFAULT = (Objective(metric=ACCURACY), Objective(metric="params"))


def losses(objectives: Sequence[Objective], accuracy: float, price: Mapping[str, float]) -> tuple[float, ...]:
    """One number for each objective, all to be minimised."""
    known = {**price, ACCURACY: accuracy}
    return tuple(objective.loss(known[objective.column]) for objective in objectives)


def excess(objectives: Sequence[Objective], price: Mapping[str, float]) -> float:
    """By how many percent points the worst limit is exceeded; 0 or less where all are kept."""
    over = [price[o.column] - o.limit for o in objectives if o.limit is not None]
    return max(over, default=0.0)

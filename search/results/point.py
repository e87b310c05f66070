"""One architecture of a result: what is estimated of it, what it costs, and the columns in which files hold that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from search.state.records import architecture_name
from senet_nas.costs.measures import MEASURES, Measure, cost_columns, counted, known, timed
from senet_nas.training.quality_metrics import ACCURACY, VALIDATION, Metric

_NAMED = ("id", "architecture", "words", "role", "on_front")
_JUDGED = ("gain", "gain_low", "gain_high", "p_gain", "n_seeds")


def head(column: str) -> tuple[str, ...]:
    """The first columns of a table of points; ``column`` holds the quality that decides."""
    return (*_NAMED, column, *_JUDGED)


def columns(qualities: Sequence[Metric], known: Sequence[Measure] = ()) -> tuple[str, ...]:
    """The columns of front.csv: all costs of the table, and further ones that a run knows.

    The interval of a measured cost is in front.json alone.
    """
    measures = {**MEASURES, **{measure.name: measure for measure in known}}
    first, *others = qualities
    return (
        *head(first.column),
        *(column for metric in others for column in Estimate.columns(metric.column)),
        *(column for measure in measures.values() for column in (measure.column, measure.overhead)),
        "verdict",
    )


@dataclass(frozen=True)
class Estimate:
    """The value of one more quality, its gain over plain and the interval of that."""

    value: float
    gain: float
    low: float
    high: float

    @staticmethod
    def columns(column: str) -> tuple[str, str, str, str]:
        """The columns that hold it, by that of the quality."""
        gain = f"gain_{column.removeprefix(VALIDATION)}"
        return column, gain, f"{gain}_low", f"{gain}_high"


@dataclass(frozen=True)
class Point:
    """One architecture. ``value`` is that of the quality that decides, ``gain`` that over plain, overhead in percent.

    ``column`` names the quality: with ``val_accuracy``, ``point.val_accuracy`` is the value. Gains are positive where
    the placement is better. ``further`` has the other qualities by their columns.
    ``costs`` maps the columns of :data:`~senet_nas.costs.measures.MEASURES` to values, without those that the run does
    not know. Only a measured cost has an interval. Each cost is an attribute, too: ``point.params``.
    """

    number: int
    architecture: str
    label: str
    role: str
    on_front: bool
    value: float
    gain: float
    gain_low: float
    gain_high: float
    p_gain: float
    n_seeds: int
    costs: Mapping[str, float]
    verdict: str
    seeds: Mapping[str, float] = field(default_factory=dict)
    allowed: bool = True
    p_value: float | None = None
    fresh_gain: float | None = None
    logged: Mapping[str, float] = field(default_factory=dict)
    # For a member of the front: the cheapest member that it does not likely beat, if that costs less.
    alike: str | None = None
    column: str = ACCURACY.column
    further: Mapping[str, Estimate] = field(default_factory=dict)

    if not TYPE_CHECKING:  # for users: our own code reads `costs`, so that mypy finds a name that does not exist

        def __getattr__(self, name: str) -> float | None:
            """A quality or a cost by its column; None for a cost that the run does not know. Raises AttributeError."""
            if name.startswith(VALIDATION) and name in (self.column, *self.further):
                return self.value if name == self.column else self.further[name].value
            if name not in cost_columns(self.costs):
                raise AttributeError(f"a point has no attribute `{name}`")
            return self.costs.get(name)

    @property
    def id(self) -> str:
        """How people name it: ``a0``, ``a1``, ..."""
        return architecture_name(self.number)

    @property
    def is_plain(self) -> bool:
        return self.role == "plain"

    def to_dict(self) -> dict[str, Any]:
        """Every column by name, in the order that front.json has always had; None for costs that are not known."""
        own = {"id": self.id, self.column: self.value, **asdict(self)}
        own["words"] = own.pop("label")
        for name in ("number", "value", "column", "further"):
            del own[name]
        costs = own.pop("costs")
        alike = own.pop("alike")
        first = {name: own.pop(name) for name in head(self.column)}
        for column, found in self.further.items():
            first |= zip(Estimate.columns(column), astuple(found), strict=True)
        exact = {column: costs.get(column) for measure in counted() for column in measure.columns}
        measures = {measure.name: measure for measure in (*timed(), *known(costs)) if not measure.is_counted}
        measured = {column: costs.get(column) for measure in measures.values() for column in measure.columns}
        return {**first, **exact, **own, **measured, "alike": alike}

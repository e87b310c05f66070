"""The one table of costs, which objectives trade against accuracy. All that reads or shows a cost follows its rows.

Imports no torch, so that a config is checked and help is printed without it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from senet_nas.costs import latency_names
from senet_nas.network import operators
from spaces import SE

if TYPE_CHECKING:
    from torch import nn


OVERHEAD = "_overhead"


@dataclass(frozen=True)
class WalkedNetwork:
    """A network whose forward pass was followed once, and its multiply-adds for one sample."""

    network: "nn.Module"
    macs: int


@dataclass(frozen=True)
class Count:
    """How an exact cost is counted. Costs add up: the plain network's, and that of every SE unit.

    ``network`` counts a whole network; ``se`` takes channels, the sides of the map (H, W) and the SE record of a unit.
    """

    network: Callable[[WalkedNetwork], int]
    se: Callable[[int, Sequence[int], SE], int]


@dataclass(frozen=True)
class Measure:
    """A cost of an architecture. Its overhead is in percent of the plain network's cost.

    ``title`` names it in headings and on axes, ``short`` in narrow tables; ``format`` is a format specification of its
    value. ``column`` holds the value in tables and files. ``count`` is None for a cost that is predicted before the
    search and measured after it.
    """

    name: str
    unit: str
    title: str
    short: str
    description: str
    limit_help: str
    column: str
    format: str
    count: Count | None = None

    @property
    def overhead(self) -> str:
        """The column of the overhead in percent."""
        return overhead_column(self.name)

    @property
    def interval(self) -> tuple[str, str]:
        """The columns of the overhead's interval, which only a measured cost has."""
        return f"{self.name}_low", f"{self.name}_high"

    @property
    def is_counted(self) -> bool:
        """Whether the cost is known exactly before anything runs."""
        return self.count is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of a point that belong to this cost."""
        return (self.column, self.overhead, *(() if self.is_counted else self.interval))

    def shown(self, value: float) -> str:
        return format(value, self.format)


def _network_params(seen: WalkedNetwork) -> int:
    return sum(parameter.numel() for parameter in seen.network.parameters())


def _se_params(channels: int, sides: Sequence[int], se: SE) -> int:
    return operators.params(channels, len(sides), se)


# Add a cost here.
_ROWS = (
    Measure(
        name="params",
        unit="parameters",
        title="parameters",
        short="params",
        description="weights and biases that training changes",
        limit_help="For a rule of --pick: take at most PERCENT more parameters than plain has, e.g. 1%.",
        column="params",
        format=",.0f",
        count=Count(network=_network_params, se=_se_params),
    ),
    Measure(
        name="macs",
        unit="multiply-adds",
        title="MACs",
        short="MACs",
        description="multiply-adds of convolutions and linear layers for one sample",
        limit_help="For a rule of --pick: take at most PERCENT more multiply-adds than plain needs.",
        column="macs",
        format=",.0f",
        count=Count(network=lambda seen: seen.macs, se=operators.macs),
    ),
    Measure(
        name="latency",
        unit="ms",
        title="latency",
        short="latency",
        description="time of a forward pass on the device of section `latency`",
        limit_help="For a rule of --pick: take at most PERCENT more time than plain; needs latency as an objective.",
        column="latency_ms",
        format=".3g",
    ),
)
MEASURES: dict[str, Measure] = {row.name: row for row in _ROWS}
# The cost that a search trades against accuracy, and that texts name, unless a config says otherwise.
USUAL = MEASURES["params"]
LATENCY = MEASURES["latency"]


def overhead_column(name: str) -> str:
    """The column that holds the overhead of a measure, in percent over plain."""
    return f"{name}{OVERHEAD}"


def find(name: str) -> Measure | None:
    """The measure of a name: a row of the table, or a further latency; None for another name."""
    if name in MEASURES:
        return MEASURES[name]
    return further_latency(name) if latency_names.is_further(name) else None


def is_measure(name: str) -> bool:
    """Whether a name is that of a cost."""
    return find(name) is not None


def further_latency(name: str) -> Measure:
    """The measure of a latency whose name says how it is timed, such as ``latency_openvino_int8``."""
    title, short = latency_names.words(name)
    return replace(LATENCY, name=name, title=title, short=short, column=f"{name}_ms")


def known(columns: Iterable[str]) -> list[Measure]:
    """The measures whose overheads are among the columns: rows of the table in its order, then further latencies."""
    given = dict.fromkeys(columns)
    rows = [measure for measure in MEASURES.values() if measure.overhead in given]
    names = (column.removesuffix(OVERHEAD) for column in given if column.endswith(OVERHEAD))
    return [*rows, *(further_latency(name) for name in names if latency_names.is_further(name))]


def cost_columns(columns: Iterable[str] = ()) -> list[str]:
    """The columns of the table of costs: value, overhead, and the interval of what is measured.

    With the columns of a price also those of the further latencies that it holds.
    """
    measures = {**MEASURES, **{measure.name: measure for measure in known(columns)}}
    return [column for measure in measures.values() for column in measure.columns]


def counted() -> list[Measure]:
    """The measures that are known exactly before anything runs."""
    return [measure for measure in MEASURES.values() if measure.is_counted]


def counts() -> dict[str, Count]:
    """How each counted cost is counted, by the column of its value."""
    return {measure.column: measure.count for measure in MEASURES.values() if measure.count is not None}


def timed() -> list[Measure]:
    """The measures that are predicted before the search and measured after it."""
    return [measure for measure in MEASURES.values() if not measure.is_counted]


def of_overhead(column: str) -> Measure:
    """The measure whose overhead a column holds. Raises ValueError."""
    (found,) = known([column])
    return found


def overheads(costs: Mapping[str, float], plain: Mapping[str, float]) -> dict[str, float]:
    """The overhead in percent over plain of each counted cost that ``costs`` holds, by its column."""
    return {
        measure.overhead: 100 * (costs[measure.column] / plain[measure.column] - 1)
        for measure in counted()
        if measure.column in costs
    }

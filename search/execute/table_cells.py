"""What the cells of a row of results mean: the architecture, the seed, the epoch, and numbers."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from senet_nas.costs.measures import counted
from senet_nas.network.operators import GATES, check_pair
from senet_nas.network.squeezes import SQUEEZES
from senet_nas.recipe import Seed
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.architecture import Architecture
from spaces.errors import UserError, unknown
from spaces.spec import Position

_KEYS = ("architecture", "seed", "epoch")
_SEED = re.compile(r"[0-9]+(\.[0-9]*)?")
_WHOLE = re.compile(r"[0-9]+(\.0*)?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:([.,' \u00a0\u202f\u2019])[0-9]{3})(?:\1[0-9]{3})*")


class CellError(Exception):
    """What is wrong with one cell."""

    def __init__(self, column: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Result:
    """One row: an epoch of a training. ``key`` is the text of the architecture as the table writes it.

    ``costs`` holds the texts of its costs by column.
    """

    key: str
    seed: Seed
    epoch: int
    metrics: Mapping[str, float]
    costs: Mapping[str, str]


def needed(judged: Sequence[Metric]) -> tuple[str, ...]:
    """Columns without which a row says nothing; results are ``judged`` by these metrics."""
    return ("architecture", "seed", *(metric.column for metric in judged))


def result(row: Mapping[str, str], judged: Sequence[Metric] = (ACCURACY,)) -> Result:
    """What a row says. Raises CellError for its first fault."""
    by_column = {metric.column: metric for metric in judged}
    metrics = {
        name: _number(name, text, by_column.get(name)) for name, text in row.items() if name not in _KEYS and text
    }
    for column in by_column:
        if column not in metrics:
            raise CellError(column, "is empty", "leave out trainings without a result")
    costs = {measure.column: row[measure.column] for measure in counted() if measure.column in metrics}
    return Result(row["architecture"], _seed(row["seed"]), _epoch(row.get("epoch", "")), metrics, costs)


def architecture(key: str) -> Architecture:
    """The architecture of a key. Raises CellError if it is none, or names an operator that does not exist."""
    try:
        found = Architecture.parse(key)
        for se in filter(None, found.blocks):
            for what, name, allowed in (
                ("squeeze", se.squeeze, SQUEEZES),
                ("gate", se.gate, GATES),
                ("position", se.position, get_args(Position)),
            ):
                if name not in allowed:
                    raise unknown(what, name, allowed)
            check_pair(se)
    except UserError as error:
        raise CellError("architecture", error.message, error.hint) from error
    return found


def is_like_thousands(cost: str) -> bool:
    """Whether a number with a point may be a whole one whose thousands the point separates: ``1.234``."""
    return "." in cost and _THOUSANDS.fullmatch(cost) is not None


# -- inside -----------------------------------------------------------------------------------------------------------


def _number(column: str, text: str, judged: Metric | None) -> float:
    """The number in a cell; ``judged`` is the metric that the column holds, if results are judged by it."""
    try:
        value = float(text)
    except ValueError:
        raise CellError(column, f"`{text}` is not a number", _as_number(column, text, judged)) from None
    costs = [measure.column for measure in counted()]
    if (judged or column in costs) and not math.isfinite(value):
        raise CellError(column, f"`{text}` is not a finite number", "leave out trainings without a result")
    if judged and judged.is_percent and not 0 <= value <= 100:
        hint = f"write the {judged.title} in percent"
        raise CellError(column, f"`{text}` is no percentage from 0 to 100", hint)
    if column in costs and value <= 0:
        raise CellError(column, f"`{text}` is not more than 0", "write the number of the whole network")
    return value


def _as_number(column: str, text: str, judged: Metric | None) -> str:
    """How to write what was meant as a number. Costs are counts, so their commas separate thousands."""
    bare = text.removesuffix("%").strip()
    if judged is None and _THOUSANDS.fullmatch(bare):
        whole = "".join(character for character in bare if character.isdigit())
        if column in (measure.column for measure in counted()) or not _DECIMAL_COMMA.fullmatch(bare):
            return f"write {whole}"
        return f"write {whole}, or {bare.replace(',', '.')} if the comma is a decimal one"
    if _DECIMAL_COMMA.fullmatch(bare):
        return f"write a decimal point: {bare.replace(',', '.')}"
    try:
        float(bare)
    except ValueError:
        return "write a number such as 93.5, or remove the column"
    return f"write {bare}"


def _seed(text: str) -> Seed:
    if not _SEED.fullmatch(text):
        shown = f"`{text}` is not a seed" if text else "is empty"
        raise CellError("seed", shown, "write block.replicate, such as 0.1: two whole numbers with a point")
    return Seed.parse(text)


def _epoch(text: str) -> int:
    if not text:
        return 1
    if not _WHOLE.fullmatch(text):
        raise CellError("epoch", f"`{text}` is not a whole number", "write 1 for the first epoch")
    return int(text.partition(".")[0])

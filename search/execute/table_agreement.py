"""Faults of a table of results that no row shows alone: shares among percent, two costs of one architecture, ..."""

from collections.abc import Mapping, Sequence

from search.execute.table_cells import CellError, Result, is_like_thousands
from senet_nas.costs.measures import counted
from senet_nas.training.quality_metrics import ACCURACY, Metric

# Rows by their line in the file.
Rows = Mapping[int, Result]


class RowsDisagree(Exception):
    """A fault of the row in this line, seen by comparing it with the others."""

    def __init__(self, line: int, cell: CellError) -> None:
        super().__init__(cell.message)
        self.line = line
        self.cell = cell


def check_rows(rows: Rows, judged: Sequence[Metric] = (ACCURACY,)) -> None:
    """Raises RowsDisagree for the first row whose percentage is a share of 1, or whose cost is another than before.

    Results are ``judged`` by these metrics. Also for the first cost whose point may separate thousands.
    """
    _check_points(rows)
    _check_costs(rows)
    for metric in judged:
        if metric.is_percent:
            _check_percent(rows, metric)


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_points(rows: Rows) -> None:
    """Raises RowsDisagree for a cost ``1.234``, unless another cost of its column shows that points are decimal."""
    for column in (measure.column for measure in counted()):
        pointed = {line: row.costs[column] for line, row in rows.items() if "." in row.costs.get(column, "")}
        if pointed and all(is_like_thousands(text) for text in pointed.values()):
            line, text = next(iter(pointed.items()))
            whole = text.replace(".", "")
            raise RowsDisagree(
                line,
                CellError(
                    column,
                    f"`{text}` is {whole} if the point separates thousands, and {float(text):g} if it is a decimal one",
                    f"write {whole}, without points in this column; or {text}0 if it is decimal",
                ),
            )


def _check_costs(rows: Rows) -> None:
    first: dict[tuple[str, str], int] = {}
    for line, row in rows.items():
        for column in (measure.column for measure in counted() if measure.column in row.metrics):
            known = first.setdefault((row.key, column), line)
            before = rows[known].metrics[column]
            if row.metrics[column] != before:
                raise RowsDisagree(
                    line,
                    CellError(
                        column,
                        f"{row.metrics[column]:.15g} for `{row.key}`, which has {before:.15g} in line {known}",
                        "an architecture has one cost: write the same number in both lines",
                    ),
                )


def _check_percent(rows: Rows, metric: Metric) -> None:
    column = metric.column
    found = {line: row.metrics[column] for line, row in rows.items()}
    largest = max(found.values(), default=0.0)
    if largest == 0:
        return
    if largest <= 1:
        line = next(line for line, value in found.items() if value > 0)
        what = f"{found[line]:g} looks like a share: no {metric.title} of the table exceeds 1"
        hint = f"write percent: {100 * found[line]:.6g}"
        raise RowsDisagree(line, CellError(column, what, hint))
    last = _last_lines(rows)
    for line in last:
        if 0 < found[line] <= 1 and _fits(100 * found[line], [found[each] for each in last if found[each] > 1]):
            what = f"{found[line]:g} looks like a share among percent"
            hint = f"write percent: {100 * found[line]:.6g}; or leave the training out if it failed"
            raise RowsDisagree(line, CellError(column, what, hint))


def _last_lines(rows: Rows) -> Sequence[int]:
    """The line of the last epoch of each training. Earlier epochs may be bad."""
    last: dict[tuple[str, str], int] = {}
    for line, row in rows.items():
        known = last.setdefault((row.key, str(row.seed)), line)
        if row.epoch > rows[known].epoch:
            last[row.key, str(row.seed)] = line
    return sorted(last.values())


def _fits(percent: float, others: Sequence[float]) -> bool:
    """Whether a percentage is like the others: a network that never learns, with 1 % of 100 classes, is no share."""
    return bool(others) and min(others) / 2 <= percent <= (max(others) + 100) / 2

"""What a page is made of, before it is HTML: tables of text, and sections with a title, a note and a table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Item = TypeVar("Item")
# Text is aligned to the left, numbers and their intervals to the right; a bar draws an interval.
Kind = Literal["text", "number", "bar"]
# What a phone makes of a column: a cell of its row, a line of its own below them, or nothing.
Phone = Literal["cell", "line", "nothing"]


@dataclass(frozen=True)
class IntervalBar:
    """A cell that draws an interval around 0, in pixels of a drawing that is 160 wide with 0 in its middle."""

    low: float
    value: float
    high: float


Cell = str | IntervalBar


@dataclass(frozen=True)
class Column:
    """The head of a column, what its cells hold, and what becomes of them on a phone."""

    title: str
    kind: Kind = "text"
    phone: Phone = "cell"


@dataclass(frozen=True)
class Row:
    """The cells of a row, one for each column; the first one names it. Rows of the front are bold."""

    cells: tuple[Cell, ...]
    is_front: bool = False


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by each of its columns."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def phone_classes(self) -> str:
        """The classes by which page.css knows what becomes of the columns on a phone: line-2 out-3."""
        words = {"line": "line", "nothing": "out"}
        return " ".join(f"{words[c.phone]}-{i}" for i, c in enumerate(self.columns, start=1) if c.phone in words)

    @property
    def phone_cells(self) -> int:
        """How many cells stand side by side on a phone."""
        return sum(column.phone == "cell" for column in self.columns)

    @property
    def left_out(self) -> str:
        """The titles of the columns that a phone does not show."""
        return "; ".join(column.title for column in self.columns if column.phone == "nothing")

    def lines(self) -> Iterator[tuple[bool, Cell, list[tuple[Kind, Cell]]]]:
        """For each row whether it is on the front, its first cell, and the kinds and values of the others."""
        kinds = [column.kind for column in self.columns[1:]]
        for row in self.rows:
            yield row.is_front, row.cells[0], list(zip(kinds, row.cells[1:], strict=True))


@dataclass(frozen=True)
class Section:
    """A part of the page: a title, one plain sentence, a table, and statistics and conditions as footnotes."""

    title: str
    note: str
    table: Table
    footnotes: tuple[str, ...] = ()


# A table with more rows than this shows the first and the last ones: a page of 10,000 rows would have 5 MB.
MOST_ROWS = 1000


def table(caption: str, columns: Sequence[Column], items: Sequence[Item], row: Callable[[Item], Row]) -> Table:
    """A table with a row for each item, of at most MOST_ROWS rows; its caption says how many it leaves out."""
    shown = list(items)
    if len(items) > MOST_ROWS:
        half = MOST_ROWS // 2
        shown = [*items[:half], *items[-half:]]
        caption = f"{caption}; the first and the last {half:,} of {len(items):,}"
    return Table(caption, tuple(columns), tuple(row(item) for item in shown))

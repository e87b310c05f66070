"""Images listed in a table of paths and labels: a .csv, .tsv or .parquet file, with a column of sets if it has one."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from senet_nas.data import parquet_table
from senet_nas.data.columns import Columns, Kinds, columns
from senet_nas.data.data_path import given_file
from senet_nas.data.folder_walk import ENDINGS as PICTURES
from senet_nas.data.pictures import Entry, Listing, Stored
from senet_nas.data.rows import PARTS, Row, composed, listing, ordered, refuse
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural

# What separates the cells of a text: the one that its first line holds most often.
SEPARATORS = ",;\t|"
# A row of a table: where it stands, for a person, and its cells by the name of their column, or what is wrong with it.
Cells = tuple[str, Mapping[str, Any] | str]
# Gives the names of the columns of a file, what it tells of them, and its rows.
Reader = Callable[[Path], tuple[Sequence[str], Kinds, Iterable[Cells]]]


class _BadRow(ValueError):
    """A row that gives no image with a label; the message says why."""


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images of a table, sorted by class and path, so the order of its rows changes nothing.

    Paths are relative to the table. Raises UserError; the error names bad rows.
    """
    path = given_file(spec, base, "a table of paths and labels", "write `data: labels.csv`")
    read = READERS.get(path.suffix.lower())
    if read is None:
        hint = f"save it as one of {', '.join(ENDINGS)}"
        raise UserError(f"{path} does not end like a table", hint=hint, key="data.path")
    found, classes = rows(path, spec, read)
    order = [*classes] or ordered({row.label for row in found})
    rank = {name: i for i, name in enumerate(order)}
    found.sort(key=lambda row: (rank[row.label], row.entry.parts if isinstance(row.entry, Path) else ()))
    return listing(found, spec, where=str(path), classes=order)


def rows(path: Path, spec: DataSpec, read: Reader) -> tuple[list[Row], Sequence[str]]:
    """The rows of a file, in its order, and the names of its classes if it has them. Raises UserError for bad rows."""
    names, kinds, cells = read(path)
    chosen = columns(names, spec, str(path), kinds)
    classes = kinds.classes.get(chosen.label, ())
    found: list[Row] = []
    bad: list[tuple[str, str]] = []
    for place, row in cells:
        try:
            found.append(_row(row, chosen, classes, path, place))
        except _BadRow as error:
            bad.append((place, str(error)))
    refuse(bad, len(found) + len(bad), str(path), hint="correct or remove these rows")
    return found, classes


# -- inside -----------------------------------------------------------------------------------------------------------


def _row(cells: Mapping[str, Any] | str, chosen: Columns, classes: Sequence[str], path: Path, place: str) -> Row:
    """The image of a row. Raises _BadRow."""
    if isinstance(cells, str):
        raise _BadRow(cells)
    part = "train" if chosen.split is None else _part(cells[chosen.split])
    entry = _entry(cells[chosen.image], path, place)
    return Row(entry, _label(cells[chosen.label], classes), part, chosen.key_of(cells))


def _part(value: Any) -> str:
    word = str(value or "").strip()
    if word.lower() not in PARTS:
        raise _BadRow(f"its set is `{word}`, not train, val or test" if word else "it has no set")
    return PARTS[word.lower()]


def _label(value: Any, classes: Sequence[str]) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)) or not str(value).strip():
        raise _BadRow("it has no label")
    if not isinstance(value, str | int | float):
        kind = "record" if isinstance(value, parquet_table.Encoded) else type(value).__name__
        raise _BadRow(f"its label is a {kind}, not a whole number or text")
    if not classes:
        whole = isinstance(value, float) and value.is_integer()
        return composed(str(int(value) if whole else value))
    if not isinstance(value, int) or not 0 <= value < len(classes):
        raise _BadRow(f"its label is {value}, not one of 0 to {len(classes) - 1}")
    return classes[value]


def _entry(value: Any, table: Path, place: str) -> Entry:
    """The file of a path, or the content of an image that the table itself holds."""
    if isinstance(value, parquet_table.Encoded):
        if value.is_filled:
            return Stored(f"{table}, {place}", lambda: BytesIO(value.read()))
        value = value.path
    if value is not None and not isinstance(value, str):
        raise _BadRow(f"its image is {type(value).__name__}, not a path")
    if not value or not value.strip():
        raise _BadRow("it has no image")
    path = table.parent / Path(value.strip()).expanduser()
    if not path.is_file():
        raise _BadRow(f"no file {path}")
    return path


def _text_rows(path: Path) -> tuple[list[str], Kinds, list[Cells]]:
    """The columns, of which nothing is told, and the rows of a text with one row in each line. Raises UserError."""
    try:
        text = path.read_text("utf-8-sig")
        first = text.split("\n", 1)[0]
        separator = max(SEPARATORS, key=first.count)
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
        found = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", hint="save it as UTF-8", key="data.path") from error
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: {error}", hint="write it with a CSV writer", key="data.path"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", key="data.path") from error
    names = [name.strip() for name in found[0][1]] if found else []
    _check_names(names, path)
    return names, Kinds(), [(f"line {line}", _named(names, cells)) for line, cells in found[1:]]


def _check_names(names: Sequence[str], path: Path) -> None:
    """Raises UserError if the first line names no columns, or one of them twice."""
    if any(name.lower().endswith(tuple(PICTURES)) for name in names):
        hint = "write a first line such as path,label"
        raise UserError(
            f"the first line of {path} holds an image, not the names of columns", hint=hint, key="data.path"
        )
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UserError(f"{path} has two columns called `{twice}`", hint="rename one", key="data.path")


def _named(names: Sequence[str], cells: Sequence[str]) -> Mapping[str, Any] | str:
    if len(cells) != len(names):
        return f"{plural(len(cells), 'cell')} for {plural(len(names), 'column')}"
    return dict(zip(names, cells, strict=True))


# How a table is read, by its ending.
READERS: Mapping[str, Reader] = {
    ".csv": _text_rows,
    ".tsv": _text_rows,
    ".parquet": parquet_table.read,
}
ENDINGS = tuple(READERS)

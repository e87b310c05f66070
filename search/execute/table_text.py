"""The rows of a CSV file as people save it: with a byte order mark, in UTF-16, with semicolons or tabs."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from spaces.errors import UserError, nearest, nearest_file

_SEPARATORS = ",;\t"
ENDINGS = (".csv", ".csv.gz")
# The longer mark first: that of UTF-32 begins like that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What people call a column, by our name for it.
_OTHER_NAMES = {
    "val_accuracy": ("acc", "accuracy", "val_acc", "valid_acc", "validation_accuracy", "top1", "top-1", "acc1"),
    "val_log_loss": ("log_loss", "logloss", "nll"),
    "val_balanced_accuracy": ("balanced_accuracy", "bacc", "mean_class_accuracy"),
    "val_macro_f1": ("macro_f1", "f1", "f1_macro"),
    "val_auroc": ("auroc", "auc", "roc_auc"),
    "val_top5": ("top5", "top-5", "acc5"),
    "architecture": ("arch", "model", "network", "key"),
    "seed": ("run", "replicate", "trial"),
}


def rows(path: Path, needed: tuple[str, ...], key: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV or CSV.gz file; a row holds the text of each column. Empty rows are left out.

    The separator is the one of comma, semicolon and tab with which the head has most of the ``needed`` columns. Raises
    UserError with this config ``key`` if it cannot be read, or if it holds no row.
    """
    text = _text(path, key)
    if not text.strip():
        raise UserError(f"{path} is empty", hint=f"its first line names the columns: {', '.join(needed)}, ...", key=key)
    lines = text.splitlines()
    separator = _separator(lines[0], needed)
    names = _cells(lines[0], separator)
    _check_head(lines[0], names, needed, path, key)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    is_empty = True
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                is_empty = False
                yield reader.line_num, _row(cells, names, separator, f"{path}:{reader.line_num}", key)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num} is not a row of CSV: {error}", key=key) from error
    if is_empty:
        raise UserError(
            f"{path} holds no results: its first line names the columns, and nothing follows",
            hint="add a row for each epoch of each training",
            key=key,
        )


def _text(path: Path, key: str) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        guess = nearest_file(path, ENDINGS) if isinstance(error, FileNotFoundError) else None
        hint = f"did you mean `{guess}`?" if guess else ""
        raise UserError(f"cannot read the table {path}: {why}", hint=hint, key=key) from error
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        hint = "save it as CSV in UTF-8"
        raise UserError(f"{path} is not text in {encoding}: byte {error.start}", hint=hint, key=key) from error
    if "\0" in text:
        raise UserError(f"{path} is not a CSV file: it holds zero bytes", hint="save it as CSV in UTF-8", key=key)
    return text


def _cells(line: str, separator: str) -> list[str]:
    found = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [cell.strip() for cell in found]


def _separator(head: str, needed: tuple[str, ...]) -> str:
    """The separator with which the head has most of the needed columns."""
    return max(_SEPARATORS, key=lambda separator: len(set(needed) & set(_cells(head, separator))))


def _check_head(head: str, names: list[str], needed: tuple[str, ...], path: Path, key: str) -> None:
    """Raises UserError if the head lacks a needed column, or has one twice."""
    lacking = [name for name in needed if name not in names]
    if lacking == list(needed):
        raise UserError(
            f"{path}: its first line must name the columns {', '.join(needed)}; it is `{head.strip()[:80]}`",
            hint=f"a table is a CSV file ({' or '.join(ENDINGS)}): separate columns with commas, semicolons or tabs",
            key=key,
        )
    if lacking:
        others = [name for name in names if name and name not in needed]
        alike = [(name, guess) for name in lacking if (guess := _alike(name, others))]
        raise UserError(
            f"{path}:1: the column{'s' if len(lacking) > 1 else ''} {' and '.join(lacking)} "
            f"{'are' if len(lacking) > 1 else 'is'} missing; there are {', '.join(names)}",
            hint="; ".join(f"rename `{guess}` to `{name}` if that is it" for name, guess in alike),
            key=key,
        )
    twice = [name for number, name in enumerate(names) if name and name in names[:number]]
    if twice:
        raise UserError(f"{path}:1: two columns are called `{twice[0]}`", hint="remove or rename one", key=key)


def _alike(name: str, others: list[str]) -> str | None:
    """The column that somebody probably calls otherwise than ``name``."""
    usual = _OTHER_NAMES.get(name, ())
    for other in others:
        if other.lower().replace(" ", "_") in (name, *usual):
            return other
    return nearest(name, others)


def _row(cells: list[str], names: list[str], separator: str, where: str, key: str) -> dict[str, str]:
    """The text of each named column; empty if the row is shorter. Raises UserError for a value without a column."""
    if any(cell.strip() for cell in cells[len(names) :]):
        hint = "remove what is too much"
        if separator == ",":
            hint = "if decimal commas split numbers, write decimal points, or separate columns with semicolons"
        raise UserError(f"{where}: {len(cells)} values for {len(names)} columns", hint=hint, key=key)
    filled = [cell.strip() for cell in cells] + [""] * (len(names) - len(cells))
    return {name: cell for name, cell in zip(names, filled, strict=False) if name}

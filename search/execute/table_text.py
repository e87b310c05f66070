"""The rows of a CSV file as people save it: with a byte order mark, in UTF-16, with semicolons or tabs."""

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from spaces.errors import UserError

_SEPARATORS = ",;\t"
# The longer mark first: that of UTF-32 begins like that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def rows(path: Path, needed: tuple[str, ...], key: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV or CSV.gz file.

    The separator is the one of comma, semicolon and tab with which the head has the ``needed`` columns. Raises
    UserError with this config ``key`` if it cannot be read.
    """
    text = _text(path, key)
    head, _, _ = text.partition("\n")
    separator = _separator(head, needed, path, key)
    try:
        yield from enumerate(csv.DictReader(text.splitlines(), delimiter=separator), start=2)
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file: {error}", key=key) from error


def _text(path: Path, key: str) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the table {path}: {why}", key=key) from error
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        hint = "save it as CSV in UTF-8"
        raise UserError(f"{path} is not text in {encoding}: byte {error.start}", hint=hint, key=key) from error
    if "\0" in text:
        raise UserError(f"{path} is not a CSV file: it holds zero bytes", hint="save it as CSV in UTF-8", key=key)
    return text


def _separator(head: str, needed: tuple[str, ...], path: Path, key: str) -> str:
    """The separator with which the head has all needed columns."""
    for separator in _SEPARATORS:
        names = next(csv.reader([head.rstrip("\r")], delimiter=separator), [])
        if set(needed) <= set(names):
            return separator
    raise UserError(
        f"{path}: its first line must name the columns {', '.join(needed)}; it is `{head.strip()[:80]}`",
        hint="separate columns with commas, semicolons or tabs",
        key=key,
    )

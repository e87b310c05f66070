"""Rows of a parquet or arrow file: paths and labels, or images in the file itself, as Hugging Face writes them.

All that this room asks of pyarrow stands here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senet_nas.data.columns import Kinds
from spaces.errors import UserError

# The metadata in which Hugging Face keeps what the columns mean.
FEATURES = b"huggingface"
# The columns of a file, what it tells of them, and its rows.
Found = tuple[list[str], Kinds, Iterator[tuple[str, Mapping[str, Any]]]]


@dataclass(frozen=True)
class Encoded:
    """A cell that may hold the content of an image file. The content is not read before it is asked for."""

    column: Any
    row: int

    @property
    def path(self) -> str | None:
        """The path in the cell; None without one."""
        held = self._field("path") if self._is_struct else self.column[self.row]
        cell = None if held is None else held.as_py()
        return cell if isinstance(cell, str) else None

    @property
    def is_filled(self) -> bool:
        """Whether the cell holds a content."""
        held = self._field("bytes") if self._is_struct else self.column[self.row]
        return held is not None and bool(held.is_valid)

    def read(self) -> bytes:
        held = self._field("bytes") if self._is_struct else self.column[self.row]
        return bytes(held.as_py())

    @property
    def _is_struct(self) -> bool:
        return bool(self.column.type.num_fields)

    def _field(self, name: str) -> Any:
        cell = self.column[self.row]
        return cell[name] if cell.is_valid and name in {field.name for field in self.column.type} else None


def read(path: Path) -> Found:
    """The rows of a parquet file. Raises UserError."""

    def table() -> Any:
        from pyarrow import parquet

        return parquet.read_table(path, memory_map=True)

    return _read(path, table)


def read_arrow(path: Path) -> Found:
    """The rows of an arrow file, as Hugging Face saves them; images stay on disk. Raises UserError."""

    def table() -> Any:
        import pyarrow

        with pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))) as stream:
            return stream.read_all()

    return _read(path, table)


def unpacked_zstandard(path: Path) -> Any:
    """The content of a file that Zstandard compressed, as a stream that is closed by ``with``. Raises UserError."""
    try:
        import pyarrow
    except ImportError as error:
        hint = "install pyarrow, or compress it with gzip"
        raise UserError(f"{path} needs pyarrow to be read ({error})", hint=hint, key="data.path") from error
    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


# -- inside -----------------------------------------------------------------------------------------------------------


def _read(path: Path, table: Callable[[], Any]) -> Found:
    try:
        from pyarrow import ArrowException, types
    except ImportError as error:
        hint = "install pyarrow, or save the table as .csv"
        raise UserError(f"{path} needs pyarrow to be read ({error})", hint=hint, key="data.path") from error
    try:
        found = table()
    except (ArrowException, OSError) as error:
        hint = "write it again, or save it as .csv"
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}", hint=hint, key="data.path") from error
    large = [field.name for field in found.schema if types.is_struct(field.type) or _is_binary(types, field.type)]
    return found.column_names, _kinds(found.schema.metadata or {}, found.column_names), _rows(found, large)


def _rows(found: Any, large: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    small = found.drop_columns([*large])
    cells = small.to_pylist() if small.num_columns else [{}] * found.num_rows
    columns = {name: found.column(name) for name in large}
    for i, row in enumerate(cells):
        yield f"row {i + 1}", {**row, **{name: Encoded(column, i) for name, column in columns.items()}}


def _is_binary(types: Any, kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _kinds(metadata: Mapping[bytes, bytes], names: Sequence[str]) -> Kinds:
    """What the metadata of Hugging Face tells of the columns; nothing without them."""
    features = json.loads(metadata.get(FEATURES, b"{}")).get("info", {}).get("features", {})
    kinds = {name: feature for name, feature in features.items() if name in names and isinstance(feature, dict)}
    images = [name for name, feature in kinds.items() if feature.get("_type") == "Image"]
    classes = {name: feature["names"] for name, feature in kinds.items() if feature.get("_type") == "ClassLabel"}
    return Kinds(images, classes)

"""The rows of a parquet file: paths and labels, or images that the file itself holds, as Hugging Face writes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spaces.errors import UserError

# The metadata in which Hugging Face keeps what the columns mean.
FEATURES = b"huggingface"


def read(path: Path) -> tuple[list[str], Sequence[str], Iterator[tuple[str, Mapping[str, Any]]]]:
    """The columns, the names of the classes if the file has them, and the rows. Raises UserError."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        hint = "install pyarrow, or save the table as .csv"
        raise UserError(f"{path} needs pyarrow to be read ({error})", hint=hint, key="data.path") from error
    try:
        found = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        hint = "write it again, or save it as .csv"
        raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}", hint=hint, key="data.path") from error
    rows = ((f"row {i}", row) for i, row in enumerate(found.to_pylist(), start=1))
    return found.column_names, _classes(found.schema.metadata or {}), rows


def _classes(metadata: Mapping[bytes, bytes]) -> Sequence[str]:
    """The names of the classes in the metadata of Hugging Face; empty without them, or with several sets of names."""
    features = json.loads(metadata.get(FEATURES, b"{}")).get("info", {}).get("features", {})
    found = [feature["names"] for feature in features.values() if feature.get("_type") == "ClassLabel"]
    return found[0] if len(found) == 1 else ()

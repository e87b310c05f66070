"""Results that are written one by one, so that an interrupted benchmark goes on where it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def whole(text: str) -> Iterator[dict[str, Any]]:
    """Whole lines alone: the last one may have been cut by a kill."""
    return (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n"))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file; none if there is no file."""
    if path.exists():
        yield from whole(path.read_text())


def append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")

"""Files that are there whole or not at all, whatever stops the machine while they are written."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spaces.failpoints import failpoint


def write(path: Path, content: bytes | str) -> None:
    """Writes beside the path, brings it to the disk, then renames: the rename is the moment of truth.

    Failpoints: ``before_NAME``, ``within_NAME`` (written, not renamed), ``after_NAME``, NAME being the file's name.
    """
    failpoint(f"before_{path.name}")
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    failpoint(f"within_{path.name}")
    temporary.replace(path)
    sync(path.parent)
    failpoint(f"after_{path.name}")


def sync(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal(body: Mapping[str, Any]) -> str:
    """JSON text that carries its own SHA-256."""
    return json.dumps({"sha256": _digest(body), **body})


def unseal(text: str | bytes) -> dict[str, Any] | None:
    """What :func:`seal` wrote; None where it is damaged or something else."""
    try:
        body: dict[str, Any] = json.loads(text)
        checksum = body.pop("sha256")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return body if checksum == _digest(body) else None


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

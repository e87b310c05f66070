"""Files that are there whole or not at all, whatever stops the machine while they are written."""

import os
from pathlib import Path

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

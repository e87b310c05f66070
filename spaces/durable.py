"""Files that exist whole or not at all, even if the machine stops while they are written."""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spaces.failpoints import failpoint

# Checksums of files that people read: nothing else would notice a changed digit.
SUMS = "sha256.json"
# Errors of a disk that takes no more: it is full, over a quota, or read-only now.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Errors of a place that this user may only read: a read-only medium, or a folder of somebody else.
ONLY_READ = (errno.EROFS, errno.EACCES, errno.EPERM)


def write(path: Path, content: bytes | str) -> None:
    """Writes the file whole: beside the path, synced to the disk, then renamed.

    Raises OSError with the path if the disk refuses the file; nothing half-written is left. Failpoints of a file NAME
    are ``before_NAME``, ``within_NAME`` (written, not renamed) and ``after_NAME``.
    """
    failpoint(f"before_{path.name}")
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        failpoint(f"within_{path.name}")
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    failpoint(f"after_{path.name}")


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes each file whole, then their checksums, which :func:`damaged` reads."""
    for name, content in files.items():
        write(folder / name, content)
    write(folder / SUMS, seal({name: sha256_of(content) for name, content in files.items()}))


def damaged(folder: Path) -> list[str]:
    """The files of :func:`write_all` that are missing or were changed."""
    sums = unseal((folder / SUMS).read_bytes()) if (folder / SUMS).exists() else None
    if sums is None:
        return [SUMS]
    return [name for name, sum_ in sums.items() if not (folder / name).exists() or sha256(folder / name) != sum_]


def sync(path: Path) -> None:
    """Syncs the content of a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(body: Mapping[str, Any]) -> str:
    """JSON text that carries its own SHA-256."""
    return json.dumps({"sha256": digest(body), **body})


def unseal(text: str | bytes) -> dict[str, Any] | None:
    """The body that :func:`seal` wrote; None if the text is damaged or something else."""
    try:
        body: dict[str, Any] = json.loads(text)
        checksum = body.pop("sha256")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return body if checksum == digest(body) else None


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the content of a mapping, independent of the order of its names."""
    return sha256_of(json.dumps(body, sort_keys=True).encode())

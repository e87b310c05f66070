"""Temporary folders that live as long as a process: others can tell which are in use, and remove those that are not.

Each folder holds a file that its users keep locked. The system releases the lock when a process ends, even when it is
killed, so a folder whose lock is free is a leftover.
"""

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TextIO

LOCK = "lock"


def create(prefix: str, where: Path | str) -> tuple[Path, TextIO]:
    """A new folder in ``where``, and its lock, which holds until it is closed or this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    file = (folder / f"{LOCK}.new").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    (folder / f"{LOCK}.new").rename(folder / LOCK)  # so that nobody sees the lock unlocked
    return folder, file


def remove_unused(folder: Path, lock: TextIO) -> None:
    """Removes a folder unless a process uses it. ``lock`` is its open lock file."""
    with suppress(BlockingIOError):  # somebody uses it
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def sweep(prefix: str, where: Path | str, *, but: Path | None = None) -> None:
    """Removes the folders with this prefix that no process uses, except ``but``."""
    for path in Path(where).glob(f"{prefix}*/{LOCK}"):
        if path.parent == but:
            continue
        with suppress(OSError), path.open("r+") as lock:  # of another user, or gone
            remove_unused(path.parent, lock)

"""Waits until its driver is gone, however it went, and ends what it left: Ray's agents look for a dead server for a while.

    python reaper.py SCRATCH      reads a pipe that the driver holds open

A script of the standard library alone, so that it starts at once. Ends every process that has the driver's scratch folder
in its environment or open (Linux), then removes that folder.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Names the scratch folder to every process that the driver starts after the reaper.
VARIABLE = "SENET_SCRATCH"
# What does not die of so many SIGKILLs hangs in the kernel; nobody can help it.
ROUNDS, PAUSE = 100, 0.05


def left(scratch: str) -> Iterator[int]:
    """The processes that know the scratch folder, but for this one and its parent: a driver that ended its part in peace
    holds the lock of the folder open and lives on; one that was killed is nobody's parent any more."""
    mark = f"{VARIABLE}={scratch}".encode()
    spared = {os.getpid(), os.getppid()}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            knows = mark in (process / "environ").read_bytes().split(b"\0") or _has_open(process, scratch)
            if knows and int(process.name) not in spared:
                yield int(process.name)


def _has_open(process: Path, scratch: str) -> bool:
    """Whether it has a file there open, as Ray's agents have their logs: to rename itself it overwrote its environment."""
    return any(str(file.readlink()).startswith(f"{scratch}/") for file in (process / "fd").iterdir())


def main(scratch: str) -> None:
    sys.stdin.buffer.read()  # ends when the driver does
    for _ in range(ROUNDS):
        pids = list(left(scratch))
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])

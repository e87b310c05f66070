"""Ends the processes that a driver leaves behind, as soon as the driver has ended in any way.

    python reaper.py SCRATCH      reads a pipe that the driver holds open

Ray's agents would look for their dead server for a while. A script of the standard library only, so that it starts at
once. It ends every process that has the driver's scratch folder in its environment or open (Linux), then removes that
folder.
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
# How often SIGKILL is sent, and seconds between. A process that survives all of them hangs in the kernel.
ROUNDS = 100
PAUSE = 0.05


def left(scratch: str) -> Iterator[int]:
    """The processes that know the scratch folder, except this one and its parent.

    A driver that leaves Ray in peace lives on as our parent and holds the lock of the folder open; a killed one is no
    parent any more.
    """
    mark = f"{VARIABLE}={scratch}".encode()
    spared = {os.getpid(), os.getppid()}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            knows = mark in (process / "environ").read_bytes().split(b"\0") or _has_open(process, scratch)
            if knows and int(process.name) not in spared:
                yield int(process.name)


def _has_open(process: Path, scratch: str) -> bool:
    """Whether a process has a file there open. Ray's agents have; their environment says nothing, it is overwritten."""
    return any(str(file.readlink()).startswith(f"{scratch}/") for file in (process / "fd").iterdir())


def main(scratch: str) -> None:
    sys.stdin.buffer.read()  # returns when the driver ends
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

"""Turns on a GPU that several slots share: many trainings at once, or one alone."""

import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

# Seconds between two looks whether those beside a training that must be alone have ended, and the longest wait: a slot
# that is idle may still hold its turn.
LOOK_SECONDS = 0.5
LONGEST_WAIT = 3600.0


class GpuTurn:
    """The turn of one slot at a time on a GPU of this machine. A process that ends gives its turn back.

    ``name`` is that of the GPU on this machine; ``folder`` is where all slots of the machine find its two files.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        path = (folder or Path(tempfile.gettempdir())) / f"senet-gpu-{os.getuid()}-{name.replace('/', '-')}"
        self._queue = path.with_name(f"{path.name}.queue")
        self._use = path.with_name(f"{path.name}.use")
        self._held: TextIO | None = None

    def take(self, *, alone: bool, longest: float = LONGEST_WAIT) -> None:
        """Waits for a turn: ``alone`` until all others have given theirs back, else until nobody waits to be alone.

        Whoever waits to be alone keeps the queue, so that no other overtakes. After ``longest`` seconds it begins in
        spite of the others.
        """
        self.give_back()
        with self._queue.open("a") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            self._held = self._use.open("a")
            if not alone:
                fcntl.flock(self._held, fcntl.LOCK_SH)
                return
            until = time.monotonic() + longest
            while not _locked(self._held) and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)

    def give_back(self) -> None:
        """Ends the turn; does nothing without one."""
        if self._held is not None:
            self._held.close()
            self._held = None


def _locked(file: TextIO) -> bool:
    """Takes the lock of a file for this process alone; False if others hold it."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False

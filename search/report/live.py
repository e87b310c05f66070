"""What a run has found so far, while it goes on: its report, ``status.json``, and its front for the terminal.

A thread of its own reads the ledger's file, as another process would: the search never waits for it, and it takes at
most a twentieth of a core.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from search.report.refresh import refresh
from search.report.status import status_here
from search.results.result import Front
from search.setup.opened_run import open_folder
from search.state.records import OPEN, Entry, Training
from search.state.run_folder import RunFolder
from spaces import durable
from spaces.errors import UserError

# The least seconds between two updates, and the least pause after an update as a multiple of its own time.
LEAST_PAUSE = 10.0
PAUSE_SHARE = 20.0


class Live:
    """A listener of the loop. From its thread it calls ``tell`` with each new front, ``say`` with the first problem."""

    def __init__(
        self,
        place: RunFolder,
        *,
        tell: Callable[[Front], None],
        say: Callable[[str], None],
        least: float = LEAST_PAUSE,
    ) -> None:
        self._place = place
        self._tell = tell
        self._say = say
        self._least = least
        self._has_news = threading.Event()
        self._is_over = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)
        self._has_said = False

    def start(self) -> None:
        self._thread.start()

    def changed(self, training: Training, entry: Entry) -> None:
        if training.state not in OPEN:
            self._has_news.set()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """While this is open, nothing is updated: whoever measures time has the machine for itself."""
        with self._turn:
            yield

    def close(self, *, wait: bool = True) -> None:
        """Ends the thread; with ``wait``, after it has finished the files that it is writing."""
        self._is_over.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def update(self) -> None:
        """Writes the status; and the report, if a training has ended since the last update and plain has finished."""
        durable.write(self._place.status, durable.seal(status_here(self._place).to_dict()))
        if self._has_news.is_set():
            self._has_news.clear()
            self._update_report()

    def _update_report(self) -> None:
        with open_folder(self._place) as run:
            if run.has_plain:
                self._tell(refresh(run))

    def _work(self) -> None:
        pause = self._least
        while not self._is_over.wait(pause):
            began = time.monotonic()
            try:
                with self._turn:
                    self.update()
            except Exception as error:  # a full disk or a damaged ledger: the search will meet it and report it
                self._has_news.set()  # the next update tries again
                self._note(error)
            pause = max(self._least, PAUSE_SHARE * (time.monotonic() - began))

    def _note(self, error: Exception) -> None:
        if self._has_said:
            return
        self._has_said = True
        what = str(error) if isinstance(error, OSError | UserError) else f"{type(error).__name__}: {error}"
        self._say(f"the report is not current: {what}; the search continues")

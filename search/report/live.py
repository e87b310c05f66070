"""What a run has found so far, for whoever looks while it goes on: the report written anew, ``status.json``, the front.

From a thread of its own and through the file of the ledger, as any other process would read it: the search never waits for
it, and it takes a twentieth of a core at most.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing

from search.report import refresh as report
from search.report import status
from search.results.result import Front, Rules
from search.state.ledger import Ledger
from search.state.records import OPEN, Entry, Training
from search.state.run_folder import RunFolder
from spaces import durable
from spaces.errors import UserError

# Seconds between two looks, and how many times as long as a look took is waited at least.
LEAST, SHARE = 10.0, 20.0


class Live:
    """A listener of the loop. ``tell`` hears of the front each time it was computed, ``say`` of the first thing that went
    wrong, both from the thread."""

    def __init__(
        self, place: RunFolder, rules: Rules, *, tell: Callable[[Front], None], say: Callable[[str], None],
        least: float = LEAST,
    ) -> None:  # fmt: skip
        self._place, self._rules, self._tell, self._say, self._least = place, rules, tell, say, least
        self._news, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)
        self._has_said = False

    def start(self) -> None:
        self._thread.start()

    def changed(self, training: Training, entry: Entry) -> None:
        if training.state not in OPEN:
            self._news.set()

    def close(self, *, wait: bool = True) -> None:
        """Ends the thread; what it writes just now is written to its end unless nobody waits."""
        self._over.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        pause = self._least
        while not self._over.wait(pause):
            began = time.monotonic()
            try:
                self.look()
            except Exception as error:  # a full disk, a damaged ledger: the search meets them itself
                self._news.set()  # the next look may do better
                self._note(error)
            pause = max(self._least, SHARE * (time.monotonic() - began))

    def look(self) -> None:
        """Writes the status, and the report if something has ended since the last look and plain has."""
        durable.write(self._place.status, durable.seal(status.here(self._place).to_dict()))
        if self._news.is_set():
            self._news.clear()
            with closing(Ledger(self._place.ledger, read_only=True)) as ledger:
                if any(t.architecture == 0 and t.state == "finished" for t in ledger.trainings):
                    self._tell(report.rewritten(self._place, ledger, self._rules))

    def _note(self, error: Exception) -> None:
        if not self._has_said:
            self._has_said = True
            what = str(error) if isinstance(error, OSError | UserError) else f"{type(error).__name__}: {error}"
            self._say(f"the report is not current: {what}; the search goes on")

"""Watches the GPUs of this machine while it trains: system metrics for MLflow; and says that GPUs are of two kinds."""

import threading
import time
from collections.abc import Callable

from search.execute.gpu_meter import Look, system_metrics
from search.state.ledger import Ledger
from search.state.records import Entry, Training
from search.track.tracker import Tracker
from senet_nas import nvidia

LOOK_SECONDS = 10.0


class GpuWatch:
    """A listener of the loop with a thread of its own. Without a GPU that the driver tells of, the thread ends."""

    def __init__(
        self,
        tracker: Tracker,
        ledger: Ledger,
        say: Callable[[str], None],
        *,
        look: Look = nvidia.visible,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self._tracker = tracker
        self._ledger = ledger
        self._say = say
        self._look = look
        self._seconds = seconds
        self._kinds = len(ledger.facts.gpus or ())
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look, if the trainings of this machine run on GPUs."""
        slots = self._ledger.facts.slots
        if slots is not None and slots.gpus and slots.ray == "local":
            self._thread = threading.Thread(target=self._watch, name="gpus", daemon=True)
            self._thread.start()

    def changed(self, training: Training, entry: Entry) -> None:
        """Says once that trainings run on another kind of GPU than those before."""
        kinds = self._ledger.facts.gpus or ()
        if len(kinds) > max(1, self._kinds):
            self._say(
                f"caution   trainings run on different GPUs ({', '.join(kinds)}): rounding and number formats differ, "
                "so their accuracies may, too; the report says which training ran where"
            )
        self._kinds = len(kinds)

    def close(self) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while found := self._look():
            self._tracker.system(system_metrics(found), time.time())
            if self._is_over.wait(self._seconds):
                return

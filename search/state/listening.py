"""Who hears of each change of a training, after the ledger has it."""

from collections.abc import Sequence
from typing import Protocol

from search.state.ledger import Ledger
from search.state.records import Entry, Training


class Listener(Protocol):
    """Hears of each change of a training, after the ledger has it: the terminal, MLflow, the live report."""

    def changed(self, training: Training, entry: Entry) -> None: ...


class Listeners:
    """Those who listen to a run. One whose terminal is gone is left out from then on."""

    def __init__(self, ledger: Ledger, listeners: Sequence[Listener]) -> None:
        self._ledger = ledger
        self._listeners = list(listeners)

    def notify(self, training: Training) -> None:
        """Tells all of them of a change."""
        for listener in [*self._listeners]:
            try:
                listener.changed(training, self._ledger.entries[training.architecture])
            except OSError:
                # The terminal is gone (a closed pipe); the search continues without it.
                self._listeners.remove(listener)

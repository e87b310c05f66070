"""Those who hear what happens in a run: the watcher (a terminal, or nobody), and MLflow."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from search.results.result import Front
from search.setup.experiment_setup import Prepared
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Entry, Training
from search.state.shared_facts import SharedNetworkFact
from search.state.so_far import SoFar
from search.track.tracker import Tracker


class Watcher(Protocol):
    """Shows a run to a person. Every method may do nothing."""

    def begin(self, name: str, where: Path) -> None:
        """The run of this name begins, in this folder."""

    def say(self, text: str) -> None:
        """Something that a person should know."""

    def plan(self, prepared: Prepared, done: SoFar) -> None:
        """What the run is going to do, and what earlier sessions have ``done``."""

    def changed(self, training: Training, entry: Entry) -> None:
        """A training began, ended, or waits again."""

    def found(self, found: Front) -> None:
        """The front as it stands now. Called from a thread."""

    def end(self) -> None:
        """Nothing more will be trained."""


class Silent:
    """A watcher that shows nothing."""

    def begin(self, name: str, where: Path) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, prepared: Prepared, done: SoFar) -> None: ...
    def changed(self, training: Training, entry: Entry) -> None: ...
    def found(self, found: Front) -> None: ...
    def end(self) -> None: ...


class MlflowListener:
    """Passes each change of a training to MLflow, and notes the experiment in the ledger once it is known."""

    def __init__(self, tracker: Tracker, ledger: Ledger) -> None:
        self._tracker = tracker
        self._ledger = ledger
        self._is_noted = False

    def changed(self, training: Training, entry: Entry) -> None:
        self._tracker.training(training, entry)
        if not self._is_noted and self._tracker.experiment_id:
            self._ledger.note(Facts(mlflow_experiment=self._tracker.experiment_id))
            self._is_noted = True


class SharedListener:
    """Passes what becomes of the shared network to MLflow, and says it. Progress within a state is left out."""

    def __init__(self, tracker: Tracker, say: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._say = say
        self._state = ""

    def __call__(self, fact: SharedNetworkFact) -> None:
        if fact.state == self._state:
            return
        self._state = fact.state
        self._tracker.shared_network(fact)
        if words := _shared_words(fact):
            self._say(words)


def _shared_words(fact: SharedNetworkFact) -> str:
    if fact.state == "running" and fact.epoch:
        return f"continuing the {fact.progress}"
    if fact.state == "running":
        cost = f"{fact.trainings:.1f} trainings of the budget"
        return f"training one network that {fact.placements:,} placements share ({fact.epochs} epochs, {cost})"
    if fact.state == "finished":
        return "the shared network is trained: what placements show in it guides the search from now on"
    if fact.state == "failed":
        return f"the shared network failed ({fact.reason}), so the search goes on without it: {fact.detail.strip()}"
    return f"the shared network starts again: {fact.reason}" if fact.reason else ""

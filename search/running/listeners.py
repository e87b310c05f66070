"""Those who hear what happens in a run: the watcher (a terminal, or nobody), and MLflow."""

from pathlib import Path
from typing import Protocol

from search.results.result import Front
from search.setup.experiment_setup import Prepared
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Entry, Training
from search.track.tracker import Tracker


class Watcher(Protocol):
    """Shows a run to a person. Every method may do nothing."""

    def begin(self, name: str, where: Path) -> None:
        """The run of this name begins, in this folder."""

    def say(self, text: str) -> None:
        """Something that a person should know."""

    def plan(self, prepared: Prepared, done: int) -> None:
        """What the run is going to do; ``done`` trainings are finished already."""

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
    def plan(self, prepared: Prepared, done: int) -> None: ...
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

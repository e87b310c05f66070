"""Sends one run to MLflow: a parent for the run, a child for each training. Tags find them again, so none is doubled.

Every call waits for the store and raises what its client raises; :mod:`search.track.tracker` decides who waits.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.results.result import Front
from search.state import records
from search.state.facts import HistoryStep
from search.state.records import Entry, Training
from search.state.result_files import WEIGHTS
from search.state.shared_facts import SharedNetworkFact
from search.track import projection
from search.track.client import child_of, connect, describe, experiment_id, identity, known, sync_command
from search.track.gain_series import worth
from search.track.projection import ENDED, STATUS, Child
from search.track.shared_child import SharedChild
from search.track.store import alone, artifact_root
from search.track.views import JUDGED_BY, PARENT, PAUSED_AFTER, UID, note, view, view_key
from spaces.spec import Site

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TABLE = "front_table.json"
# The longest name of a run, and the longest value of a parameter, that every store takes.
_NAME = 250
_VALUE = 500


class Sender:
    """Sends one run. Call :meth:`open` first. For the arguments see :class:`search.track.tracker.Tracker`."""

    def __init__(
        self,
        uri: str,
        *,
        experiment: str,
        run: str,
        runs: Path,
        describe: Mapping[str, Any],
        uid: str,
        sites: Sequence[Site],
        began: float | None,
    ) -> None:
        self._uri = uri
        self._experiment = experiment
        self._run = run
        self._runs = runs
        self._describe = describe
        self._qualities: Sequence[str] = describe.get("qualities", ())
        self._identity = identity(run, uid)
        self._sites = sites
        self._began = began
        self._made: list[Child] = []
        # By uid of the training: its child, and the status of those that have ended.
        self._children: dict[str, str] = {}
        self._ended: dict[str, str] = {}
        self._count: Counter[str] = Counter()
        self._shared = SharedChild()
        # By uid: how many epochs of its curve were sent when it paused.
        self._epochs: dict[str, int] = {}
        # By run: the numbers that MLflow shows already.
        self._shown: dict[str, Mapping[str, float]] = {}
        self._client: MlflowClient | None = None
        self._parent = ""
        self.experiment_id = ""

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def end(self, status: str, at: float | None = None) -> None:
        """Ends the run with FINISHED, KILLED or FAILED, now or at a second since the epoch."""
        if at is None:
            self._api.set_terminated(self._parent, status)
        else:
            self._api.set_terminated(self._parent, status, end_time=_ms(at))

    @property
    def _api(self) -> MlflowClient:
        assert self._client is not None, "open the store first"
        return self._client

    def open(self) -> None:
        """Connects, and finds again or makes the experiment, the run and its children."""
        client = connect(self._uri, self._runs)
        root = artifact_root(self._uri, self._runs)
        with alone(self._uri, self._runs):
            again = f"`{sync_command(self._run, self._runs)}`"
            self.experiment_id = experiment_id(client, self._experiment, root, self._uri, again)
            parent, made = known(client, self.experiment_id, self._identity)
            if parent is None:
                parent = client.create_run(
                    self.experiment_id, start_time=_ms(self._began), run_name=self._run, tags=self._tags("search")
                )
            self._parent = str(parent.info.run_id)
            if not parent.data.params:  # new, or a kill came in between
                describe(client, self._parent, self._describe)
            self._made = [child_of(run) for run in made]
            self._children = {child.uid: child.run_id for child in self._made}
            self._ended = {child.uid: child.status for child in self._made if child.status in ENDED}
            self._count = Counter(self._ended.values())
            self._epochs = {child.uid: child.epochs for child in self._made}
            self._shown = {run.info.run_id: run.data.metrics for run in [parent, *made]}
            self._client = client
            client.update_run(self._parent, status="RUNNING")
            self._show(view(self._parent))
            # Else the page guesses what kind of experiment it is, and asks.
            client.set_experiment_tag(self.experiment_id, "mlflow.experimentKind", "custom_model_development")
            self._describe_experiment()

    def _show(self, state: Mapping[str, Any]) -> None:
        """Sets what the run's prepared view opens with."""
        self._api.set_experiment_tag(
            self.experiment_id, f"mlflow.sharedViewState.{view_key(self._run)}", json.dumps(state)
        )

    def _describe_experiment(self) -> None:
        """What its searches found, for the head of its page."""
        found = self._api.search_runs([self.experiment_id], "tags.`senet.kind` = 'search'", max_results=10)
        named = [(run.data.tags["senet.run"], run.data.tags.get("senet.verdict", "no result yet")) for run in found]
        metrics = [run.data.tags.get(JUDGED_BY, "") for run in found]
        text = note(dict(named), [metric for metric in metrics if metric])
        self._api.set_experiment_tag(self.experiment_id, "mlflow.note.content", text)

    def _tags(self, kind: str) -> dict[str, str]:
        ours = {"senet.kind": kind, "senet.run": self._run, **self._identity}
        return ours | {"mlflow.source.name": "senet-search", "mlflow.user": "senet-search"}

    def mend(self, trainings: Sequence[Training], entries: Sequence[Entry]) -> int:
        """Sends what differs from the ledger. Continues a child that can still be written; replaces any other."""
        wrong = projection.differences(trainings, self._made)
        for child in projection.spoilt(trainings, self._made):
            self._api.delete_run(child.run_id)
            self._children.pop(child.uid, None)
            self._epochs.pop(child.uid, None)
            self._count[self._ended.pop(child.uid, "")] -= 1
        # In the order in which they ended, as they were sent at first.
        for training in sorted(trainings, key=lambda t: (t.ended or math.inf, t.number)):
            self.training(training, entries[training.architecture])
        return sum(training.uid in wrong for training in trainings)

    def training(self, training: Training, entry: Entry) -> None:
        """What became of a training. One that has ended and was sent before is not sent again."""
        if training.uid in self._ended or not projection.is_told(training):
            return  # sent already, or nothing to send yet
        child = self._children.get(training.uid) or self._create_child(training, entry)
        status = STATUS[training.state]
        at = _ms(training.ended)
        is_last = training.state in records.ENDED
        tags = {"senet.state": training.state, "senet.reason": training.reason if is_last else ""}
        curve = projection.curve(training, after=self._epochs.get(training.uid, 0), qualities=self._qualities)
        if training.state == "paused":
            tags[PAUSED_AFTER] = str(training.epoch)
            self._log(child, tags, {}, curve=curve)
            self._api.update_run(child, status=status)
            self._epochs[training.uid] = training.epoch
        elif is_last:
            self._log(child, tags, projection.figures(training, entry, self._qualities), curve=curve, at=at)
            self._api.set_terminated(child, status, end_time=at)
            self._ended[training.uid] = status
            self._count[status] += 1
            self._progress(at)
        else:
            self._log(child, tags, {})
            self._api.update_run(child, status=status)

    def shared_network(self, fact: SharedNetworkFact) -> None:
        """The shared network, as a child of its own kind. One that has ended and was sent before is not sent again."""
        if fact.attempts and not self._shared.has_ended:
            tags = self._tags("shared network") | {PARENT: self._parent}
            self._shared.send(self._api, self.experiment_id, tags, fact)

    def _create_child(self, training: Training, entry: Entry) -> str:
        from mlflow.entities import Param

        tags = self._tags("training") | {
            UID: training.uid,
            PARENT: self._parent,
            "senet.role": training.role,
            "senet.architecture": entry.key,
        }
        name = f"{entry.name} {entry.label} ({training.name})"[:_NAME]
        created = self._api.create_run(self.experiment_id, start_time=_ms(training.started), run_name=name, tags=tags)
        params = projection.params(training, entry, self._sites)
        self._api.log_batch(created.info.run_id, params=[Param(k, v[:_VALUE]) for k, v in params.items()])
        self._children[training.uid] = str(created.info.run_id)
        return self._children[training.uid]

    def _progress(self, at: int | None) -> None:
        numbers = {"trainings": self._count["FINISHED"], "failed": self._count["FAILED"]}
        self._log(self._parent, {}, numbers, step=len(self._ended), at=at)

    def system(self, numbers: Mapping[str, float], at: float) -> None:
        """What the machine did at a second since the epoch, in system metrics of the run."""
        self._log(self._parent, {}, numbers, step=int(at), at=_ms(at))

    def found(self, front: Front) -> None:
        """What a run has found so far: the description of the run, and series of its numbers."""
        tags, numbers = projection.under_way(front)
        self._log(self._parent, tags, numbers, step=len(self._ended))

    def front(self, front: Front, trainings: Sequence[Training], history: Sequence[HistoryStep]) -> None:
        """The result: what it says of each training, of the run and of its history, and the prepared view."""
        there = [training for training in trainings if training.uid in self._children]
        for training, tags, numbers in projection.judged(front, there):
            self._log_changed(self._children[training.uid], tags, numbers)
        tags, numbers = projection.summary(front)
        if any(step.members is not None for step in history):
            del numbers["front_size"]  # a series has it, step by step
        self._log_changed(self._parent, tags, numbers, step=len(self._ended))
        for step in history:  # each with its own time, so that sending twice is the same as sending once
            self._log(self._parent, {}, worth(step), step=step.trainings, at=_ms(step.at))
        self._send_table(front)
        with alone(self._uri, self._runs):
            self._show(view(self._parent, projection.charted_cost(front), front.quality))
            self._describe_experiment()

    def _send_table(self, front: Front) -> None:
        """Replaces the front's table in MLflow. Its ``log_table`` would add rows to those of the last time."""
        self._api.log_dict(self._parent, projection.table(front), _TABLE)
        self._api.set_tag(self._parent, "mlflow.loggedArtifacts", json.dumps([{"path": _TABLE, "type": "table"}]))

    def files(self, folder: Path) -> None:
        """Report, picture and tables of the run, as artifacts of its parent."""
        for name in ("report.html", "front.png", "front.csv", "front.json"):
            if (folder / name).exists():
                self._api.log_artifact(self._parent, str(folder / name))

    def weights(self, folder: Path, carriers: Sequence[Training]) -> None:
        """Uploads weights of the front's members to the runs of their trainings. It replaces no file that is there."""
        for training in carriers:
            path = folder / "trainings" / training.uid / WEIGHTS
            child = self._children.get(training.uid)
            if child is None or not path.exists():
                continue
            if WEIGHTS not in {artifact.path for artifact in self._api.list_artifacts(child)}:
                self._api.log_artifact(child, str(path))
                self._api.set_tag(child, "senet.weights_sha256", training.weights)

    def _log_changed(self, run: str, tags: Mapping[str, str], numbers: Mapping[str, float], *, step: int = 0) -> None:
        """Only numbers that MLflow does not show already: these have no time of their own in the ledger."""
        shown = self._shown.get(run, {})
        self._log(run, tags, {name: value for name, value in numbers.items() if shown.get(name) != value}, step=step)

    def _log(
        self,
        run: str,
        tags: Mapping[str, str],
        numbers: Mapping[str, float],
        *,
        step: int = 0,
        at: int | None = None,
        curve: Sequence[tuple[int, str, float]] = (),
    ) -> None:
        """Only finite numbers. ``at`` is in ms; the ledger's own time makes sending twice the same as sending once."""
        from mlflow.entities import Metric, RunTag

        at = int(time.time() * 1000) if at is None else at
        rows = [(name, value, step) for name, value in numbers.items()]
        rows += [(f"curve/{name}", value, epoch) for epoch, name, value in curve]
        metrics = [Metric(name, float(value), at, step) for name, value, step in rows if math.isfinite(value)]
        self._api.log_batch(run, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items() if v])


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)

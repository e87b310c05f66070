"""MLflow tracks: a projection of the ledger that can be sent again at any time. The one door to mlflow.

Only the driver writes, from a thread of its own, so that a slow or dead server never delays a training. A training is
found again by its uid, so that nothing is written twice. What could not be sent is said once, at the end.
"""

from __future__ import annotations

import json
import math
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.config_error import redacted
from search.results.result import Front
from search.state.facts import HistoryStep
from search.state.records import OPEN, Entry, Training
from search.track import projection
from search.track.client import (
    RUN_UID,
    alone,
    artifact_root,
    child_of,
    connect,
    describe,
    experiment_id,
    identity,
    is_embedded,
    known,
    read,
    told,
    unreachable,
)
from search.track.projection import ENDED, STATUS, Child
from search.track.views import PARENT, UID, note, view, view_key
from spaces.errors import ENVIRONMENT, UserError
from spaces.spec import Site

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TABLE, _WEIGHTS = "front_table.json", "model.safetensors"

__all__ = ["RUN_UID", "Tracker", "connect", "is_embedded", "read", "store", "told", "unreachable"]


def store(uri: str | None, runs: Path) -> str:
    """Where to track: the config's URI, else MLFLOW_TRACKING_URI, else a SQLite file beside the runs."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


class Tracker:
    """Projects one run. Every method returns at once; :meth:`close` waits until all is sent, but not for ever.

    ``uid`` tells the run from others of its name, also from one whose folder was deleted. With the backbone's ``sites``
    each child has a param for each stage, by which MLflow can group and plot. ``began`` is when the run did, where that
    is not now. ``say`` hears of the first thing that goes wrong, at once and from the thread.
    """

    def __init__(
        self, uri: str, *, experiment: str, run: str, runs: Path, describe: Mapping[str, Any], uid: str = "",
        sites: Sequence[Site] = (), began: float | None = None, say: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._say, self._heard = say, 0
        self._uri, self._experiment, self._run, self._runs, self._describe = uri, experiment, run, runs, describe
        self._identity, self._sites, self._began = identity(run, uid), sites, began
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._problems: list[str] = []
        self._made: list[Child] = []
        self._children: dict[str, str] = {}
        self._ended: dict[str, str] = {}
        self._count: Counter[str] = Counter()
        self._shown: dict[str, Mapping[str, float]] = {}
        self._client: MlflowClient | None = None
        self.experiment_id = self._parent = ""

    def start(self) -> None:
        self._queue.put(self._open)
        self._thread.start()

    def training(self, training: Training, entry: Entry) -> None:
        """What became of a training. What was sent before is not sent again, so all of a ledger may be passed."""
        self._queue.put(lambda: self._send_training(training, entry))

    def close(
        self, front: Front | None, folder: Path, trainings: Sequence[Training], *, status: str, timeout: float = 60.0,
        history: Sequence[HistoryStep] = (),
    ) -> list[str]:  # fmt: skip
        """Sends the result, ends the run with FINISHED, KILLED or FAILED, and returns what went wrong and was not said."""
        if not self._thread.is_alive():
            return self._problems[self._heard :]
        if front is not None:
            self._queue.put(lambda: self._send_front(front, trainings, history))
            self._queue.put(lambda: self._send_files(folder))
            self._queue.put(lambda: self._send_weights(folder, projection.carriers(front, trainings)))
        self._queue.put(lambda: self._api.set_terminated(self._parent, status))
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._problems.append(f"{self._queue.qsize()} messages were not sent within {timeout:.0f} s")
        return self._problems[self._heard :]

    def rebuild(
        self, front: Front | None, folder: Path, trainings: Sequence[Training], entries: Sequence[Entry], *, status: str,
        history: Sequence[HistoryStep] = (),
    ) -> int:  # fmt: skip
        """Sends at once, in this thread, what the store lacks or has wrong, and returns how many trainings that were.

        Instead of :meth:`start`. Raises UserError (code 4) with the reason at the first message that does not arrive.
        """
        try:
            self._open()
            count = self._mend(trainings, entries)
            if front is not None:
                self._send_front(front, trainings, history)
                self._send_files(folder)
                self._send_weights(folder, projection.carriers(front, trainings))
            ended = max((t.ended for t in trainings if t.ended), default=None)
            self._api.set_terminated(self._parent, status, end_time=_ms(ended))
        except Exception as error:  # each store throws what its own client throws
            raise UserError(
                f"cannot send to MLflow at {redacted(self._uri)}: {told(error)}",
                hint="the ledger keeps everything: type it again when the store is there (a damaged file can be moved away)", code=ENVIRONMENT,
            ) from error  # fmt: skip
        return count

    # -- the thread -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except Exception as error:
                # Tracking must never end a search; the user hears of it once.
                self._note(told(error))
            if self._client is None:
                return  # the store could not be opened: there is nobody to tell anything

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)
        if not self._heard:
            self._heard = 1
            self._say(f"MLflow: {problem}; the search goes on, `senet-search sync {self._run}` sends what is missing")

    @property
    def _api(self) -> MlflowClient:
        assert self._client is not None, "the thread opens the store first"
        return self._client

    def _open(self) -> None:
        client = connect(self._uri, self._runs)
        root = artifact_root(self._uri, self._runs)
        with alone(self._uri, self._runs):
            self.experiment_id = experiment_id(client, self._experiment, root)
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
        self._api.set_experiment_tag(self.experiment_id, "mlflow.note.content", note(dict(named)))

    def _tags(self, kind: str) -> dict[str, str]:
        ours = {"senet.kind": kind, "senet.run": self._run, **self._identity}
        return ours | {"mlflow.source.name": "senet-search", "mlflow.user": "senet-search"}

    def _mend(self, trainings: Sequence[Training], entries: Sequence[Entry]) -> int:
        """Sends what differs from the ledger. A child that can still be written goes on, any other is made anew."""
        wrong = projection.differences(trainings, self._made)
        for child in projection.spoilt(trainings, self._made):
            self._api.delete_run(child.run_id)
            self._children.pop(child.uid, None)
            self._count[self._ended.pop(child.uid, "")] -= 1
        # In the order in which they ended, as they were sent at first.
        for training in sorted(trainings, key=lambda t: (t.ended or math.inf, t.number)):
            self._send_training(training, entries[training.architecture])
        return sum(training.uid in wrong for training in trainings)

    def _send_training(self, training: Training, entry: Entry) -> None:
        if training.uid in self._ended or not projection.is_told(training):
            return  # told already, or nothing to tell yet
        child = self._children.get(training.uid) or self._create_child(training, entry)
        status, at = STATUS[training.state], _ms(training.ended)
        tags = {"senet.state": training.state, "senet.reason": "" if training.state in OPEN else training.reason}
        if training.state not in OPEN:
            self._log(child, tags, projection.figures(training, entry), curve=projection.curve(training), at=at)
            self._api.set_terminated(child, status, end_time=at)
            self._ended[training.uid] = status
            self._count[status] += 1
            self._progress(at)
        else:
            self._log(child, tags, {})
            self._api.update_run(child, status=status)

    def _create_child(self, training: Training, entry: Entry) -> str:
        from mlflow.entities import Param

        tags = self._tags("training") | {
            UID: training.uid, PARENT: self._parent, "senet.role": training.role, "senet.architecture": entry.key,
        }  # fmt: skip
        name = f"{entry.name} {entry.label} ({training.name})"[:250]
        created = self._api.create_run(self.experiment_id, start_time=_ms(training.started), run_name=name, tags=tags)
        params = projection.params(training, entry, self._sites)
        self._api.log_batch(created.info.run_id, params=[Param(k, v[:500]) for k, v in params.items()])
        self._children[training.uid] = str(created.info.run_id)
        return self._children[training.uid]

    def _progress(self, at: int | None) -> None:
        numbers = {"trainings": self._count["FINISHED"], "failed": self._count["FAILED"]}
        self._log(self._parent, {}, numbers, step=len(self._ended), at=at)

    def _send_front(self, front: Front, trainings: Sequence[Training], history: Sequence[HistoryStep]) -> None:
        there = [training for training in trainings if training.uid in self._children]
        for training, tags, numbers in projection.judged(front, there):
            self._log_changed(self._children[training.uid], tags, numbers)
        tags, numbers = projection.summary(front)
        if any(step.members is not None for step in history):
            del numbers["front_size"]  # a series has it, step by step
        self._log_changed(self._parent, tags, numbers, step=len(self._ended))
        for step in history:  # each with its own time, so that sending twice is the same as sending once
            self._log(self._parent, {}, projection.worth(step), step=step.trainings, at=_ms(step.at))
        self._send_table(front)
        with alone(self._uri, self._runs):
            self._show(view(self._parent, projection.charted_cost(front)))
            self._describe_experiment()

    def _send_table(self, front: Front) -> None:
        """The front as a table of MLflow. Its own ``log_table`` adds rows to those of the last time; these replace them."""
        self._api.log_dict(self._parent, projection.table(front), _TABLE)
        self._api.set_tag(self._parent, "mlflow.loggedArtifacts", json.dumps([{"path": _TABLE, "type": "table"}]))

    def _send_files(self, folder: Path) -> None:
        for name in ("report.html", "front.png", "front.csv", "front.json"):
            if (folder / name).exists():
                self._api.log_artifact(self._parent, str(folder / name))

    def _send_weights(self, folder: Path, carriers: Sequence[Training]) -> None:
        """Weights of the front's members, into the runs of their trainings; what is there stays."""
        for training in carriers:
            path, child = folder / "trainings" / training.uid / _WEIGHTS, self._children.get(training.uid)
            if child is None or not path.exists():
                continue
            if _WEIGHTS not in {artifact.path for artifact in self._api.list_artifacts(child)}:
                self._api.log_artifact(child, str(path))
                self._api.set_tag(child, "senet.weights_sha256", training.weights)

    def _log_changed(self, run: str, tags: Mapping[str, str], numbers: Mapping[str, float], *, step: int = 0) -> None:
        """Only numbers that MLflow does not show already: these have no time of their own in the ledger."""
        shown = self._shown.get(run, {})
        self._log(run, tags, {name: value for name, value in numbers.items() if shown.get(name) != value}, step=step)

    def _log(
        self, run: str, tags: Mapping[str, str], numbers: Mapping[str, float], *, step: int = 0, at: int | None = None,
        curve: Sequence[tuple[int, str, float]] = (),
    ) -> None:  # fmt: skip
        """Only finite numbers. ``at`` is in ms; the ledger's own time makes sending twice the same as sending once."""
        from mlflow.entities import Metric, RunTag

        at = int(time.time() * 1000) if at is None else at
        rows = [(name, value, step) for name, value in numbers.items()]
        rows += [(f"curve/{name}", value, epoch) for epoch, name, value in curve]
        metrics = [Metric(name, float(value), at, step) for name, value, step in rows if math.isfinite(value)]
        self._api.log_batch(run, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items() if v])


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)

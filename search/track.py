"""MLflow tracks: a projection of the ledger that can be sent again at any time. The one door to mlflow.

Only the driver writes, from a thread of its own, so that a slow or dead server never delays a training. A training is
found again by its uid, so that nothing is written twice. What could not be sent is said once, at the end.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.problems import redacted
from search.front import Front, Point
from search.ledger import Entry, Training
from search.mlflow_ui import NOTE, PARENT, QUIET, REPRESENTATIVE, UID, VIEW, view
from search.report import markdown

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CURVES = ("train_loss", "val_accuracy", "val_log_loss", "lr")
_FIGURES = (
    "val_accuracy", "val_log_loss", "train_loss", "grad_norm", "gate_mean", "gate_saturation", "train_seconds",
)  # fmt: skip
_COSTS = ("params", "params_overhead", "macs", "macs_overhead")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "waiting": "KILLED", "running": "RUNNING"}


def store(uri: str | None, runs: Path) -> str:
    """Where to track: the config's URI, else MLFLOW_TRACKING_URI, else a SQLite file beside the runs."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


def is_embedded(uri: str) -> bool:
    return uri.startswith("sqlite:")


class Tracker:
    """Projects one run. Every method returns at once; :meth:`close` waits until all is sent, but not for ever."""

    def __init__(self, uri: str, *, experiment: str, run: str, runs: Path, describe: Mapping[str, Any]) -> None:
        self._uri, self._experiment, self._run, self._runs, self._describe = uri, experiment, run, runs, describe
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._problems: list[str] = []
        self._children: dict[str, str] = {}
        self._finished: set[str] = set()
        self._client: MlflowClient | None = None
        self.experiment_id = self._parent = ""

    def start(self) -> None:
        self._queue.put(self._open)
        self._thread.start()

    def training(self, training: Training, entry: Entry) -> None:
        """What became of a training."""
        self._queue.put(lambda: self._send_training(training, entry))

    def close(
        self, front: Front | None, folder: Path, trainings: Sequence[Training], *, status: str, timeout: float = 60.0
    ) -> list[str]:
        """Sends the result, ends the run with FINISHED, KILLED or FAILED, and says what could not be sent."""
        if not self._thread.is_alive():
            return self._problems
        if front is not None:
            self._queue.put(lambda: self._send_front(front, trainings))
        self._queue.put(lambda: self._send_files(front, folder))
        self._queue.put(lambda: self._api.set_terminated(self._parent, status))
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._problems.append(f"{self._queue.qsize()} messages were not sent within {timeout:.0f} s")
        return self._problems

    # -- the thread -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except Exception as error:
                # Tracking must never end a search; the user hears of it once, at the end.
                text = redacted(f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}")
                if text not in self._problems:
                    self._problems.append(text)
            if self._client is None:
                return  # the store could not be opened: there is nobody to tell anything

    @property
    def _api(self) -> MlflowClient:
        assert self._client is not None, "the thread opens the store first"
        return self._client

    def _open(self) -> None:
        client = connect(self._uri, self._runs)
        found = client.get_experiment_by_name(self._experiment)
        root = (self._runs.resolve() / "mlartifacts").as_uri() if is_embedded(self._uri) else None
        self.experiment_id = found.experiment_id if found else client.create_experiment(self._experiment, root)
        self._parent, self._children, self._finished = _known(client, self.experiment_id, self._run)
        if not self._parent:
            self._parent = client.create_run(
                self.experiment_id, run_name=self._run, tags=self._tags("search")
            ).info.run_id
            self._describe_parent(client)
        client.update_run(self._parent, status="RUNNING")
        client.set_experiment_tag(self.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view(self._parent)))
        client.set_experiment_tag(self.experiment_id, "mlflow.note.content", NOTE)
        self._client = client

    def _tags(self, kind: str) -> dict[str, str]:
        return {
            "senet.kind": kind,
            "senet.run": self._run,
            "mlflow.source.name": "senet-search",
            "mlflow.user": "senet-search",
        }

    def _describe_parent(self, client: MlflowClient) -> None:
        from mlflow.entities import Param

        facts = dict(self._describe)
        client.log_text(self._parent, facts.pop("config"), "config.yaml")
        client.log_batch(self._parent, params=[Param(name, str(value)[:500]) for name, value in facts.items()])

    def _send_training(self, training: Training, entry: Entry) -> None:
        if training.uid in self._finished:
            return
        child = self._children.get(training.uid) or self._create_child(training, entry)
        status = _STATUS[training.state]
        tags = {"senet.state": training.state, "senet.reason": training.reason}
        if status in ("FINISHED", "FAILED"):
            self._log(child, tags, _numbers(training, entry), _curve(training))
            self._api.set_terminated(child, status, end_time=_ms(training.ended))
            self._finished.add(training.uid)
            self._progress()
        else:
            self._log(child, tags, {}, [])
            self._api.update_run(child, status=status)

    def _create_child(self, training: Training, entry: Entry) -> str:
        from mlflow.entities import Param

        tags = self._tags("training") | {
            UID: training.uid, PARENT: self._parent, "senet.role": training.role, "senet.architecture": entry.key,
        }  # fmt: skip
        name = f"{training.name} {entry.name} {entry.words}"[:250]
        created = self._api.create_run(self.experiment_id, start_time=_ms(training.started), run_name=name, tags=tags)
        params = {
            "architecture": entry.name,
            "placement": entry.words,
            "seed": str(training.seed),
            "role": training.role,
        }
        self._api.log_batch(created.info.run_id, params=[Param(k, v[:500]) for k, v in params.items()])
        self._children[training.uid] = str(created.info.run_id)
        return self._children[training.uid]

    def _progress(self) -> None:
        self._log(self._parent, {}, {"trainings": float(len(self._finished))}, [], step=len(self._finished))

    def _send_front(self, front: Front, trainings: Sequence[Training]) -> None:
        for point in front.points:
            figures = {
                "gain": point.gain, "gain_low": point.gain_low, "gain_high": point.gain_high, "p_gain": point.p_gain,
                "n_seeds": point.n_seeds, "estimated_accuracy": point.val_accuracy, "on_front": float(point.on_front),
            }  # fmt: skip
            mine = [t for t in trainings if f"a{t.architecture}" == point.id and t.uid in self._children]
            for i, training in enumerate(mine):
                tags = {"senet.verdict": point.verdict, REPRESENTATIVE: "1" if i == 0 else "0"}
                self._log(self._children[training.uid], tags, figures, [])
        best: Point = front[front.recommended]
        tags = {
            "senet.recommended": best.architecture, "senet.recommended_id": best.id, "senet.verdict": front.verdict,
            "mlflow.note.content": markdown(front),
        }  # fmt: skip
        numbers = {"front_size": float(len(front.members)), "sigma": front.sigma, "recommended_gain": best.gain}
        self._log(self._parent, tags, numbers, [], step=len(self._finished))

    def _send_files(self, front: Front | None, folder: Path) -> None:
        names = ("report.html", "front.png", "front.csv", "front.json") if front is not None else ()
        for path in (folder / name for name in names):
            if path.exists():
                self._api.log_artifact(self._parent, str(path))

    def _log(
        self, run: str, tags: Mapping[str, str], numbers: Mapping[str, float], curve: Sequence[tuple[int, str, float]],
        *, step: int = 0,
    ) -> None:  # fmt: skip
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in numbers.items() if math.isfinite(value)]
        metrics += [Metric(f"curve/{name}", value, now, epoch) for epoch, name, value in curve if math.isfinite(value)]
        self._api.log_batch(run, metrics=metrics[:1000], tags=[RunTag(k, v) for k, v in tags.items() if v])


def connect(uri: str, runs: Path) -> MlflowClient:
    """A client of the store. Two processes that make the same schema at once spoil it, so that is done under a lock."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with _schema_lock(runs) if is_embedded(uri) else _nothing():
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


# -- inside -----------------------------------------------------------------------------------------------------------


def _known(client: MlflowClient, experiment: str, run: str) -> tuple[str, dict[str, str], set[str]]:
    """Parent and children that an earlier session made: run ids by uid, and who among them has ended."""
    parents = client.search_runs(
        [experiment], f"tags.`senet.run` = '{run}' AND tags.`senet.kind` = 'search'", max_results=1
    )
    if not parents:
        return "", {}, set()
    children: dict[str, str] = {}
    ended: set[str] = set()
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`{PARENT}` = '{parents[0].info.run_id}'", max_results=1000, page_token=token
        )
        for child in page:
            uid = child.data.tags.get(UID, "")
            children[uid] = child.info.run_id
            if child.info.status in ("FINISHED", "FAILED"):
                ended.add(uid)
        token = page.token
        if not token:
            return str(parents[0].info.run_id), children, ended


def _numbers(training: Training, entry: Entry) -> dict[str, float]:
    figures = {name: training.metrics[name] for name in _FIGURES if name in training.metrics}
    return figures | {name: entry.price[name] for name in _COSTS if name in entry.price}


def _curve(training: Training) -> list[tuple[int, str, float]]:
    return [(int(e["epoch"]), name, e[name]) for e in training.curve for name in _CURVES if name in e]


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


@contextmanager
def _schema_lock(runs: Path) -> Iterator[None]:
    with (runs / ".mlflow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield

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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.problems import redacted
from search.front import Front
from search.ledger import Entry, Training
from search.mlflow_ui import NOTE, PARENT, QUIET, REPRESENTATIVE, UID, view, view_key
from search.report import markdown
from spaces.architecture import Architecture
from spaces.placements import words
from spaces.space import Site

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_UID = "senet.run_uid"
_CURVES = ("train_loss", "val_accuracy", "val_log_loss", "lr")
_FIGURES = ("val_accuracy", "val_log_loss", "train_loss", "grad_norm", "gate_mean", "gate_saturation", "train_seconds")
_COSTS = ("params", "params_overhead", "macs", "macs_overhead")
_JUDGED = ("gain", "gain_low", "gain_high", "p_gain", "n_seeds", "on_front")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "waiting": "KILLED", "running": "RUNNING"}
_ENDED = ("FINISHED", "FAILED")


def store(uri: str | None, runs: Path) -> str:
    """Where to track: the config's URI, else MLFLOW_TRACKING_URI, else a SQLite file beside the runs."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


def is_embedded(uri: str) -> bool:
    return uri.startswith("sqlite:")


class Tracker:
    """Projects one run. Every method returns at once; :meth:`close` waits until all is sent, but not for ever.

    ``uid`` tells the run from others of its name, also from one whose folder was deleted. With the backbone's ``sites``
    each child has a param for each stage, by which MLflow can group and plot.
    """

    def __init__(
        self, uri: str, *, experiment: str, run: str, runs: Path, describe: Mapping[str, Any], uid: str = "",
        sites: Sequence[Site] = (),
    ) -> None:  # fmt: skip
        self._uri, self._experiment, self._run, self._runs, self._describe = uri, experiment, run, runs, describe
        self._identity, self._sites = {RUN_UID: uid} if uid else {"senet.run": run}, sites
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._problems: list[str] = []
        self._children: dict[str, str] = {}
        self._ended: dict[str, str] = {}
        self._client: MlflowClient | None = None
        self.experiment_id = self._parent = ""

    def start(self) -> None:
        self._queue.put(self._open)
        self._thread.start()

    def training(self, training: Training, entry: Entry) -> None:
        """What became of a training. What was sent before is not sent again, so all of a ledger may be passed."""
        self._queue.put(lambda: self._send_training(training, entry))

    def close(
        self, front: Front | None, folder: Path, trainings: Sequence[Training], *, status: str, timeout: float = 60.0
    ) -> list[str]:
        """Sends the result, ends the run with FINISHED, KILLED or FAILED, and says what could not be sent."""
        if not self._thread.is_alive():
            return list(self._problems)
        if front is not None:
            self._queue.put(lambda: self._send_front(front, trainings))
            self._queue.put(lambda: self._send_files(folder))
        self._queue.put(lambda: self._api.set_terminated(self._parent, status))
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._problems.append(f"{self._queue.qsize()} messages were not sent within {timeout:.0f} s")
        return list(self._problems)

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
        root = (self._runs.resolve() / "mlartifacts").as_uri() if is_embedded(self._uri) else None
        with _alone(self._uri, self._runs):
            self.experiment_id = _experiment(client, self._experiment, root)
            self._parent, made = _known(client, self.experiment_id, self._identity)
            if not self._parent:
                created = client.create_run(self.experiment_id, run_name=self._run, tags=self._tags("search"))
                self._parent = created.info.run_id
                self._describe_parent(client)
            self._children = {run.data.tags[UID]: run.info.run_id for run in made}
            self._ended = {run.data.tags[UID]: run.info.status for run in made if run.info.status in _ENDED}
            self._client = client
            client.update_run(self._parent, status="RUNNING")
            shown = f"mlflow.sharedViewState.{view_key(self._run)}"
            client.set_experiment_tag(self.experiment_id, shown, json.dumps(view(self._parent)))
            client.set_experiment_tag(self.experiment_id, "mlflow.note.content", NOTE)

    def _tags(self, kind: str) -> dict[str, str]:
        ours = {"senet.kind": kind, "senet.run": self._run, **self._identity}
        return ours | {"mlflow.source.name": "senet-search", "mlflow.user": "senet-search"}

    def _describe_parent(self, client: MlflowClient) -> None:
        from mlflow.entities import Param

        facts = dict(self._describe)
        client.log_text(self._parent, facts.pop("config"), "config.yaml")
        client.log_batch(self._parent, params=[Param(name, str(value)[:500]) for name, value in facts.items()])

    def _send_training(self, training: Training, entry: Entry) -> None:
        if training.uid in self._ended or (training.state == "waiting" and not training.attempts):
            return  # told already, or nothing to tell yet
        child = self._children.get(training.uid) or self._create_child(training, entry)
        status, at = _STATUS[training.state], _ms(training.ended)
        tags = {"senet.state": training.state, "senet.reason": training.reason}
        if status in _ENDED:
            self._log(child, tags, _numbers(training, entry), curve=_curve(training), at=at)
            self._api.set_terminated(child, status, end_time=at)
            self._ended[training.uid] = status
            self._progress(at)
        else:
            self._log(child, tags, {})
            self._api.update_run(child, status=status)

    def _create_child(self, training: Training, entry: Entry) -> str:
        from mlflow.entities import Param

        tags = self._tags("training") | {
            UID: training.uid, PARENT: self._parent, "senet.role": training.role, "senet.architecture": entry.key,
        }  # fmt: skip
        name = f"{training.name} {entry.name} {entry.words}"[:250]
        created = self._api.create_run(self.experiment_id, start_time=_ms(training.started), run_name=name, tags=tags)
        params = {"architecture": entry.name, "placement": entry.words, **_stages(entry.key, self._sites)}
        params |= {"seed": str(training.seed), "role": training.role}
        self._api.log_batch(created.info.run_id, params=[Param(k, v[:500]) for k, v in params.items()])
        self._children[training.uid] = str(created.info.run_id)
        return self._children[training.uid]

    def _progress(self, at: int | None) -> None:
        count = Counter(self._ended.values())
        numbers = {"trainings": count["FINISHED"], "failed": count["FAILED"]}
        self._log(self._parent, {}, numbers, step=len(self._ended), at=at)

    def _send_front(self, front: Front, trainings: Sequence[Training]) -> None:
        for point in front.points:
            # Rounded to fit the columns of MLflow's table; front.json has every digit.
            figures = {name: round(float(getattr(point, name)), 4) for name in _JUDGED}
            figures["estimated_accuracy"] = round(point.val_accuracy, 4)
            mine = [t for t in trainings if f"a{t.architecture}" == point.id and t.uid in self._children]
            shown = next((t for t in mine if t.state == "finished"), None)
            for training in mine:
                tags = {"senet.verdict": point.verdict, REPRESENTATIVE: "1" if training is shown else "0"}
                self._log(self._children[training.uid], tags, figures)
        best = front[front.recommended]
        tags = {
            "senet.recommended": best.architecture, "senet.recommended_id": best.id, "senet.verdict": front.verdict,
            "mlflow.note.content": markdown(front),
        }  # fmt: skip
        numbers = {"front_size": float(len(front.members)), "sigma": front.sigma, "recommended_gain": best.gain}
        self._log(self._parent, tags, numbers, step=len(self._ended))

    def _send_files(self, folder: Path) -> None:
        for name in ("report.html", "front.png", "front.csv", "front.json"):
            if (folder / name).exists():
                self._api.log_artifact(self._parent, str(folder / name))

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


def connect(uri: str, runs: Path) -> MlflowClient:
    """A client of the store, whose schema is made where it is new."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with _alone(uri, runs):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


# -- inside -----------------------------------------------------------------------------------------------------------


def _experiment(client: MlflowClient, name: str, root: str | None) -> str:
    """The id of the experiment, made if it is new."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, root))
        except MlflowException:
            # Another run may have made it just now; if none has, the error was a real one.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _known(client: MlflowClient, experiment: str, identity: Mapping[str, str]) -> tuple[str, list[Run]]:
    """The parent's run id and the children, as far as an earlier session made them."""
    wanted = {"senet.kind": "search", **identity}
    query = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
    parents = client.search_runs([experiment], query, max_results=1)
    if not parents:
        return "", []
    parent = str(parents[0].info.run_id)
    query = f"tags.`{PARENT}` = '{parent}' AND tags.`senet.kind` = 'training'"
    page = client.search_runs([experiment], query, max_results=1000)
    children = list(page)
    while page.token:
        page = client.search_runs([experiment], query, max_results=1000, page_token=page.token)
        children += page
    return parent, children


def _stages(key: str, sites: Sequence[Site]) -> dict[str, str]:
    """What each stage has, in words: ``{"stage1": "-", "stage2": "avg r=8 pre_addition"}``."""
    found = {}
    for stage in sorted({site.stage for site in sites}):
        whole = Architecture.parse(key)
        own = [(site, se) for site, se in zip(sites, whole.blocks, strict=True) if site.stage == stage]
        part = Architecture(whole.backbone, tuple(se for _, se in own))
        said = "-" if part.is_plain else words(part, [site for site, _ in own])
        found[f"stage{stage}"] = said.removeprefix(f"stage {stage}: ")
    return found


def _numbers(training: Training, entry: Entry) -> dict[str, float]:
    figures = {name: training.metrics[name] for name in _FIGURES if name in training.metrics}
    return figures | {name: entry.price[name] for name in _COSTS if name in entry.price}


def _curve(training: Training) -> list[tuple[int, str, float]]:
    return [(int(e["epoch"]), name, e[name]) for e in training.curve for name in _CURVES if name in e]


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


@contextmanager
def _alone(uri: str, runs: Path) -> Iterator[None]:
    """Two that make the same schema, experiment or tag of a SQLite store at once spoil it for one of them."""
    if not is_embedded(uri):
        yield
        return
    with (runs / ".mlflow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

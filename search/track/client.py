"""What is asked of MLflow's client: to open a store, and to find again what was written there."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.config_error import redacted
from search.track.projection import Child
from search.track.views import PARENT, QUIET, UID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_UID = "senet.run_uid"


def store_address(uri: str | None, runs: Path) -> str:
    """Where to track: the config's URI, else MLFLOW_TRACKING_URI, else a SQLite file beside the runs."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


def is_embedded(uri: str) -> bool:
    return uri.startswith("sqlite:")


def unreachable(uri: str, runs: Path) -> str:
    """Why a server does not answer, in a line; empty where it does, and for a store that is made when it is needed."""
    if not uri.startswith("http"):
        return ""
    try:
        connect(uri, runs)
    except Exception as error:  # each store throws what its own client throws
        return error_line(error)
    return ""


def read_children(uri: str, runs: Path, *, experiment: str, run: str, uid: str = "") -> list[Child]:
    """The trainings of a run as MLflow has them; none where the store, the experiment or the run is not there."""
    if is_embedded(uri) and not Path(uri.removeprefix("sqlite:///").partition("?")[0]).exists():
        return []  # to look must not make it
    client = connect(uri, runs)
    found = client.get_experiment_by_name(experiment)
    return [] if found is None else [child_of(c) for c in known(client, found.experiment_id, identity(run, uid))[1]]


def connect(uri: str, runs: Path) -> MlflowClient:
    """A client of the store, whose schema is made where it is new."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # its errors are told by us, in a line
    with alone(uri, runs):
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def error_line(error: Exception) -> str:
    """The first line of what a store's client threw, or the cause that it names at its end; without secrets."""
    line = (str(error).splitlines() or [""])[0]
    cause = line.partition("(Caused by ")[2]
    return redacted(f"{type(error).__name__}: {(cause or line)[:200]}")


def artifact_root(uri: str, runs: Path) -> str | None:
    """Where our own store keeps files (MLflow would put them below the working directory); None for a server."""
    return (runs.resolve() / "mlartifacts").as_uri() if is_embedded(uri) else None


def experiment_id(client: MlflowClient, name: str, root: str | None) -> str:
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


def identity(run: str, uid: str) -> dict[str, str]:
    """The tag by which a run is found again."""
    return {RUN_UID: uid} if uid else {"senet.run": run}


def known(client: MlflowClient, experiment: str, identity: Mapping[str, str]) -> tuple[Run | None, list[Run]]:
    """The parent and the children, as far as an earlier session made them."""
    wanted = {"senet.kind": "search", **identity}
    query = " AND ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
    parents = client.search_runs([experiment], query, max_results=1)
    if not parents:
        return None, []
    query = f"tags.`{PARENT}` = '{parents[0].info.run_id}' AND tags.`senet.kind` = 'training'"
    page = client.search_runs([experiment], query, max_results=1000)
    children = list(page)
    while page.token:
        page = client.search_runs([experiment], query, max_results=1000, page_token=page.token)
        children += page
    return parents[0], children


def child_of(run: Run) -> Child:
    known = run.data
    return Child(
        run_id=str(run.info.run_id),
        uid=known.tags[UID],
        status=str(run.info.status),
        val_accuracy=known.metrics.get("val_accuracy"),
        described="architecture" in known.params,
    )


def describe(client: MlflowClient, run: str, about: Mapping[str, Any]) -> None:
    """Writes down what a search is: its config and environment as files, its images as an input, its git state as tags.

    The parameters come last: a run that has them has all of it.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    facts = dict(about)
    client.log_text(run, facts.pop("config"), "config.yaml")
    client.log_dict(run, facts.pop("environment", {}), "environment.json")
    for name, value in facts.pop("tags", {}).items():
        client.set_tag(run, name, value)
    if data := facts.pop("input", {}):
        found = Dataset(data["name"], data["digest"], "senet-search", data["source"], None, data["profile"])
        client.log_inputs(run, [DatasetInput(found, [InputTag("mlflow.data.context", "training")])])
    client.log_batch(run, params=[Param(name, str(value)[:500]) for name, value in facts.items()])


@contextmanager
def alone(uri: str, runs: Path) -> Iterator[None]:
    """Two that make the same schema, experiment or tag of a SQLite store at once spoil it for one of them."""
    if not is_embedded(uri):
        yield
        return
    with (runs / ".mlflow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

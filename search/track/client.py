"""Calls to MLflow's client: open a store, find what was written there."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.config_error import redacted
from search.state import run_folder
from search.track.moved_store import follow_move
from search.track.projection import Child
from search.track.store import alone, database, opened_uri, opens_as_typed, reach_loopback_directly
from search.track.views import PARENT, PAUSED_AFTER, QUIET, UID
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

RUN_UID = "senet.run_uid"
AGAIN = "the same command again"


def read_children(uri: str, runs: Path, *, experiment: str, run: str, uid: str = "") -> list[Child]:
    """The trainings of a run as MLflow has them; none where the store, the experiment or the run is not there.

    Raises UserError (code ENVIRONMENT) if the experiment was deleted.
    """
    file = database(uri, runs)
    if file is not None and not file.exists():
        return []  # to look must not make it
    client = connect(uri, runs)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    check_there(found, uri, f"`{sync_command(run, runs)}`")
    return [child_of(run) for run in known(client, found.experiment_id, identity(run, uid))[1]]


def load() -> type[MlflowClient]:
    """The class of MLflow's client, which prints nothing. The import takes seconds, or more if others compute."""
    reach_loopback_directly()
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # we print its errors, in a line
    found: type[MlflowClient] = MlflowClient
    return found


def connect(uri: str, runs: Path) -> MlflowClient:
    """A client of the store. Its schema is made if it is new; if its folder was moved, it follows."""
    open_client = load()
    file = database(uri, runs)
    is_new = file is not None and not file.exists()
    with alone(uri, runs):
        follow_move(uri, runs)
        client = open_client(tracking_uri=opened_uri(uri, runs))
        client.search_experiments(max_results=1)
        if is_new:  # also what MLflow has just put into it lies beside the runs
            follow_move(uri, runs)
    return client


def error_line(error: Exception) -> str:
    """The first line of what a store's client threw, or the cause that it names at its end; without secrets."""
    if isinstance(error, UserError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    line = (str(error).splitlines() or [""])[0]
    cause = line.partition("(Caused by ")[2]
    return redacted(f"{type(error).__name__}: {(cause or line)[:200]}")


def sync_command(run: str, runs: Path) -> str:
    """The command that sends a run again."""
    return f"senet-search sync {run}{run_folder.option(runs)}"


def experiment_id(client: MlflowClient, name: str, root: str | None, uri: str, again: str = AGAIN) -> str:
    """The id of the experiment, made if it is new. Raises UserError (code ENVIRONMENT) if it was deleted."""
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
    check_there(found, uri, again)
    return str(found.experiment_id)


def check_there(found: Experiment, uri: str, again: str = AGAIN) -> None:
    """Raises UserError if the experiment was deleted: MLflow keeps its name, and takes nothing more for it.

    ``again`` is what to type when it is there again.
    """
    if found.lifecycle_stage != "deleted":
        return
    restore = ""
    if opens_as_typed(uri):
        where = f"MLFLOW_TRACKING_URI={shlex.quote(redacted(uri))}"
        restore = f"restore it with `{where} mlflow experiments restore -x {found.experiment_id}`, or "
    raise UserError(
        f"the MLflow experiment `{found.name}` was deleted",
        hint=f"{restore}type `senet-search run CONFIG --set tracking.experiment=ANOTHER_NAME`; then {again}",
        code=ENVIRONMENT,
    )


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
        epochs=int(known.tags.get(PAUSED_AFTER, 0)),
    )


def describe(client: MlflowClient, run: str, about: Mapping[str, Any]) -> None:
    """Writes down what a search is: its config and environment as files, its images as an input, its git state as tags.

    The parameters come last: a run that has them has all of it.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    facts = dict(about)
    client.log_text(run, facts.pop("config"), "config.yaml")
    client.log_dict(run, facts.pop("environment", {}), "environment.json")
    facts.pop("qualities", None)  # for trainings: names of their metrics
    for name, value in facts.pop("tags", {}).items():
        client.set_tag(run, name, value)
    if data := facts.pop("input", {}):
        found = Dataset(data["name"], data["digest"], "senet-search", data["source"], None, data["profile"])
        client.log_inputs(run, [DatasetInput(found, [InputTag("mlflow.data.context", "training")])])
    client.log_batch(run, params=[Param(name, str(value)[:500]) for name, value in facts.items()])

"""One training in full as one run of MLflow, sent when it is over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.track.client import connect, experiment_id
from search.track.metric_names import mlflow_name
from search.track.store import alone, artifact_root
from search.track.views import UID

KIND = "full training"


@dataclass(frozen=True)
class Single:
    """One full training as MLflow gets it.

    ``curve`` has the metrics of each epoch. ``files`` go into the artifacts under their names.
    """

    uid: str
    name: str
    params: Mapping[str, str]
    curve: Sequence[Mapping[str, float]]
    metrics: Mapping[str, float]
    files: Sequence[Path]


def send(single: Single, uri: str, runs: Path, *, experiment: str) -> str:
    """Sends what the store does not have yet; returns the id of its run. Raises what the store's client raises."""
    from mlflow.entities import Metric, Param

    client = connect(uri, runs)
    root = artifact_root(uri, runs)
    with alone(uri, runs):
        where = experiment_id(client, experiment, root, uri)
        query = f"tags.`{UID}` = '{single.uid}' AND attributes.status = 'FINISHED'"
        if there := client.search_runs([where], query, max_results=1):
            return str(there[0].info.run_id)
        tags = {
            "senet.kind": KIND,
            UID: single.uid,
            "mlflow.source.name": "senet-search",
            "mlflow.user": "senet-search",
        }
        run = str(client.create_run(where, run_name=single.name[:250], tags=tags).info.run_id)
    rows = [
        (f"curve/{mlflow_name(name)}", value, int(epoch["epoch"]))
        for epoch in single.curve
        for name, value in epoch.items()
        if name != "epoch"
    ]
    rows += [(mlflow_name(name), value, 0) for name, value in single.metrics.items()]
    metrics = [Metric(name, float(value), 0, step) for name, value, step in rows if math.isfinite(value)]
    client.log_batch(run, params=[Param(name, value[:500]) for name, value in single.params.items()])
    for begin in range(0, len(metrics), 1000):  # more are refused in one message
        client.log_batch(run, metrics=metrics[begin : begin + 1000])
    for path in single.files:
        client.log_artifact(run, str(path)) if path.is_file() else client.log_artifacts(run, str(path), path.name)
    client.set_terminated(run, "FINISHED")
    return run

"""The shared network of a run as MLflow sees it: a child of the run, beside those of the trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from search.state.shared_facts import SharedNetworkFact
from search.track import projection
from search.track.views import PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "shared network"


class SharedChild:
    """The child of the shared network, made or found again at the first message."""

    def __init__(self) -> None:
        self._run = ""
        self.has_ended = False

    def send(self, client: MlflowClient, experiment: str, tags: Mapping[str, str], fact: SharedNetworkFact) -> None:
        """What became of it. ``tags`` identify it: its kind and its parent among them."""
        if not self._run:
            self._find_or_make(client, experiment, tags, fact)
        if self.has_ended:
            return
        client.set_tag(self._run, "senet.state", fact.state)
        status = projection.STATUS[fact.state]
        if fact.ended is None:
            client.update_run(self._run, status=status)
            return
        if fact.reason:
            client.set_tag(self._run, "senet.reason", fact.reason)
        self._log(client, fact, int(fact.ended * 1000))
        client.set_terminated(self._run, status, end_time=int(fact.ended * 1000))
        self.has_ended = True

    def _find_or_make(
        self, client: MlflowClient, experiment: str, tags: Mapping[str, str], fact: SharedNetworkFact
    ) -> None:
        from mlflow.entities import Param

        query = " AND ".join(f"tags.`{name}` = '{tags[name]}'" for name in ("senet.kind", PARENT))
        for found in client.search_runs([experiment], query, max_results=1):
            self._run = str(found.info.run_id)
            self.has_ended = found.info.status in projection.ENDED
            return
        start = int((fact.started or time.time()) * 1000)
        made = client.create_run(experiment, start_time=start, run_name=NAME, tags=dict(tags))
        self._run = str(made.info.run_id)
        params = {"epochs": fact.epochs, "placements": fact.placements, "cost_in_trainings": fact.trainings}
        client.log_batch(self._run, params=[Param(name, str(value)) for name, value in params.items()])

    def _log(self, client: MlflowClient, fact: SharedNetworkFact, at: int) -> None:
        """The curve of its training, and its seconds; the moment of its end makes sending twice the same as once."""
        from mlflow.entities import Metric

        rows = projection.curve_rows(fact.curve)
        metrics = [Metric(f"curve/{name}", float(value), at, epoch) for epoch, name, value in rows]
        if fact.seconds is not None:
            metrics.append(Metric("train_seconds", fact.seconds, at, 0))
        for first in range(0, len(metrics), 1000):  # no store takes more at once
            client.log_batch(self._run, metrics=metrics[first : first + 1000])

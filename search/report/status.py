"""``senet-search status``: how far a run is, read from its ledger by any process of the same machine, and from
``status.json`` on another one that shares the folder: SQLite's log cannot be read across machines."""

import socket
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.report.wording import clock
from search.results import compute as front
from search.setup.experiment_setup import kept, rules
from search.state import run_folder as folder
from search.state.ledger import Ledger
from search.state.records import Training
from search.state.run_folder import RunFolder
from spaces import durable
from spaces.errors import UserError


@dataclass(frozen=True)
class Status:
    """One run. ``state`` is running, finished, or stopped (the same command goes on with it).

    ``host`` is the machine that told so at second ``told_at``, where it is another one.
    """

    run: str
    state: str
    trainings: dict[str, int]
    budget: int
    seconds: float
    left_seconds: float | None
    running: list[str]
    verdict: str
    host: str = ""
    told_at: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        ago = f"  as {self.host} told {clock(time.time() - self.told_at)} ago" if self.host else ""
        return [f"{self.sentence()}{ago}", *(f"  training {name}" for name in self.running), f"  {self.verdict}"]

    def sentence(self) -> str:
        done = self.trainings.get("finished", 0)
        left = f", about {clock(self.left_seconds)} left" if self.left_seconds is not None else ""
        more = "".join(f", {self.trainings[s]} {s}" for s in ("failed", "stopped") if self.trainings.get(s))
        return f"{self.run}: {self.state}, {done} of {self.budget} trainings{more}, {clock(self.seconds)}{left}"


def read(run: str, runs: Path) -> Status:
    """The status of one run. Raises UserError where there is no such run."""
    place = folder.find(run, runs)
    return (_told(place) if place.host not in ("", socket.gethostname()) else None) or here(place)


def _told(place: RunFolder) -> Status | None:
    """What a driver on another machine wrote last; None where it wrote nothing whole."""
    body = durable.unseal(place.status.read_bytes()) if place.status.exists() else None
    return None if body is None else Status(**{**body, "host": place.host, "told_at": place.status.stat().st_mtime})


def here(place: RunFolder) -> Status:
    """The status of a run of this machine."""
    is_live = place.is_held  # before the ledger is read: what a driver did since is then in it
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment = kept(place, ledger)
        is_complete, budget = ledger.fact("complete") is not None, experiment.budget.trainings
        counts = dict(Counter(str(t.state) for t in ledger.trainings))
        seconds = _seconds(ledger, is_live)
        finished = counts.get("finished", 0)
        left = seconds / finished * (budget - finished) if is_live and finished else None
        running = [
            f"{t.name} {ledger.entries[t.architecture].label}{_epoch(t, experiment)}"
            for t in ledger.trainings if t.state == "running" and is_live
        ]  # fmt: skip
        return Status(
            run=place.name, state="running" if is_live else "finished" if is_complete else "stopped", trainings=counts,
            budget=budget, seconds=seconds, left_seconds=left, running=running, verdict=_verdict(ledger, experiment),
        )  # fmt: skip


def _epoch(training: Training, experiment: Experiment) -> str:
    """How far a training is; of somebody else's, nobody knows how many epochs it has."""
    if experiment.evaluate == "train":
        return f", epoch {training.epoch} of {experiment.train.epochs}"
    return f", epoch {training.epoch}" if training.epoch else ""


def _verdict(ledger: Ledger, experiment: Any) -> str:
    try:
        return front.compute("", ledger, rules(experiment)).verdict
    except UserError as error:
        return error.message


def _seconds(ledger: Ledger, is_live: bool) -> float:
    """Time spent in all sessions; in the one that goes on now, until now and not until the last training ended."""
    began = ledger.fact("session_began")
    if is_live and began:
        return float(ledger.fact("seconds_before") or 0) + time.time() - float(began)
    return float(ledger.fact("seconds") or 0)

"""``senet-search status``: how far a run is, read from its ledger by any process."""

import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search import folder, front
from search.config import Experiment
from search.ledger import Ledger, Training
from search.prepare import kept, rules
from spaces.errors import UserError


@dataclass(frozen=True)
class Status:
    """One run. ``state`` is running, finished, or stopped (the same command goes on with it)."""

    run: str
    state: str
    trainings: dict[str, int]
    budget: int
    seconds: float
    left_seconds: float | None
    running: list[str]
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        done = self.trainings.get("finished", 0)
        left = f", about {_clock(self.left_seconds)} left" if self.left_seconds is not None else ""
        more = "".join(f", {self.trainings[s]} {s}" for s in ("failed", "stopped") if self.trainings.get(s))
        head = f"{self.run}: {self.state}, {done} of {self.budget} trainings{more}, {_clock(self.seconds)}{left}"
        return [head, *(f"  training {name}" for name in self.running), f"  {self.verdict}"]


def read(run: str, runs: Path) -> Status:
    """The status of one run. Raises UserError where there is no such run."""
    place = folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment = kept(place, ledger)
        is_live, is_complete = place.is_held, ledger.fact("complete") is not None
        budget = experiment.budget.trainings
        counts = dict(Counter(str(t.state) for t in ledger.trainings))
        seconds = _seconds(ledger, is_live)
        finished = counts.get("finished", 0)
        left = seconds / finished * (budget - finished) if is_live and finished else None
        running = [
            f"{t.name} {ledger.entries[t.architecture].words}{_epoch(t, experiment)}"
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
    """Time spent in earlier sessions, and in the one that goes on now."""
    began = ledger.fact("session_began")
    return float(ledger.fact("seconds") or 0) + (time.time() - began if is_live and began else 0.0)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"

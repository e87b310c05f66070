"""``senet-search status``: how far a run is.

Any process of the machine that runs it reads its ledger. A machine that only shares the folder reads ``status.json``:
SQLite's write-ahead log cannot be read from another machine.
"""

import math
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.report.wording import clock
from search.setup.opened_run import OpenedRun, open_folder
from search.state import run_folder, so_far
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Training
from search.state.run_folder import RunFolder
from search.state.so_far import SoFar
from senet_nas import nvidia
from spaces import durable
from spaces.errors import UserError

# States that a status mentions beside the finished trainings.
OTHERS = ("failed", "stopped", "paused")
# Fields that the JSON of a status leaves out where they are empty.
SOMETIMES = ("shared_trainings", "curves", "gpus", "command", "worth")


@dataclass(frozen=True)
class Status:
    """How far one run is. ``state`` is running, finished, or stopped (the command that started it continues it).

    ``seconds`` counts all sessions; ``left_seconds`` is None unless the run is under way. ``host`` is the other machine
    that wrote the status at second ``told_at`` of the epoch; it is empty for a run of this machine.
    ``shared_trainings`` is what a shared network takes of the budget; trainings that were stopped or have paused are
    ``worth`` so many whole ones, by state. ``curves`` says what loss curves tell. ``gpus``: what the GPUs of the
    machine do now, in words, while a run on GPUs is under way. ``command`` continues a stopped run.
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
    shared_trainings: float = 0.0
    curves: str = ""
    gpus: tuple[str, ...] = ()
    command: str = ""
    worth: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; what only some runs have is left out of the others."""
        found = asdict(self)
        return {name: value for name, value in found.items() if value or name not in SOMETIMES}

    def lines(self) -> list[str]:
        return [
            f"{self.sentence()}{self._age()}",
            *(f"  training {name}" for name in self.running),
            f"  {self.verdict}",
            *([f"  {self.curves}"] if self.curves else []),
            *(f"  {words}" for words in self.gpus),
            *([f"  Next: {self.command}"] if self.command else []),
        ]

    def sentence(self) -> str:
        """One line: run: running, 16 of 64 trainings, 1 failed, 3m05s, about 9m12s left."""
        parts = [f"{self.state}", f"{self.trainings.get('finished', 0)} of {self.budget} trainings"]
        parts += [f"a shared network in place of {self.shared_trainings:.1f} of them"] if self.shared_trainings else []
        parts += [self._others(state) for state in OTHERS if self.trainings.get(state)]
        parts.append(clock(self.seconds))
        if self.left_seconds is not None:
            parts.append(f"about {clock(self.left_seconds)} left")
        return f"{self.run}: {', '.join(parts)}"

    def _others(self, state: str) -> str:
        """The trainings of a state, and how many whole ones they are worth: 35 paused (worth 8.8 trainings)."""
        count = f"{self.trainings[state]} {state}"
        return f"{count} {so_far.worth(self.worth[state])}" if state in self.worth else count

    def _age(self) -> str:
        return f"  (written by {self.host} {clock(time.time() - self.told_at)} ago)" if self.host else ""


def read_status(run: str, runs: Path) -> Status:
    """The status of a run, wherever it runs. Raises UserError for an unknown run."""
    place = run_folder.find(run, runs)
    is_remote = place.host not in ("", socket.gethostname())
    written = _written(place) if is_remote else None
    return written or status_here(place)


def status_here(place: RunFolder, *, is_live: bool | None = None) -> Status:
    """The status of a run of this machine, from its ledger; ``is_live`` as for :func:`status_of`."""
    if is_live is None:
        is_live = place.is_held  # asked before the ledger is read, which then holds whatever the driver did since
    with open_folder(place) as run:
        return status_of(run, is_live=is_live)


def status_of(run: OpenedRun, *, is_live: bool | None = None) -> Status:
    """The status of an opened run. ``is_live``: whether a driver held the run before it was opened; None: ask now."""
    if is_live is None:
        is_live = run.folder.is_held
    seconds = _seconds(run.facts, is_live)
    counts = dict(Counter(str(training.state) for training in run.ledger.trainings))
    budget = run.experiment.budget.trainings
    done = SoFar.of(run.ledger, run.experiment.train.epochs)
    shared = done.shared_trainings
    state = _state(run, is_live)
    return Status(
        run=run.name,
        state=state,
        trainings=counts,
        budget=budget,
        seconds=seconds,
        left_seconds=_left(done.done, budget - math.ceil(shared), seconds) if is_live else None,
        running=[*_shared(run.facts), *_running(run.ledger, run.experiment)] if is_live else [],
        verdict=_verdict(run),
        shared_trainings=shared,
        curves=_curves(run),
        gpus=_gpus(run.facts) if is_live else (),
        command=run_folder.command(run.folder, run.experiment.name) if state == "stopped" else "",
        worth=done.worth,
    )


def _written(place: RunFolder) -> Status | None:
    """The status that the driver on another machine wrote last; None where the file is missing or damaged."""
    body = durable.unseal(place.status.read_bytes()) if place.status.exists() else None
    if body is None:
        return None
    return Status(**{**body, "host": place.host, "told_at": place.status.stat().st_mtime})


def _state(run: OpenedRun, is_live: bool) -> str:
    if is_live:
        return "running"
    return "finished" if run.is_complete else "stopped"


def _left(done: float, budget: int, seconds: float) -> float | None:
    """Seconds that the rest of the budget takes at the average pace so far."""
    return seconds / done * (budget - done) if done else None


def _shared(facts: Facts) -> list[str]:
    """How far the shared network is, while it trains."""
    fact = facts.shared_network
    return [fact.progress] if fact is not None and fact.state == "running" else []


def _running(ledger: Ledger, experiment: Experiment) -> list[str]:
    """The trainings under way: name, placement and epoch."""
    return [
        f"{training.name} {ledger.entries[training.architecture].label}{_epoch(training, experiment)}"
        for training in ledger.trainings
        if training.state == "running"
    ]


def _epoch(training: Training, experiment: Experiment) -> str:
    """How far a training is; the number of epochs of a user's own evaluation is unknown."""
    if experiment.evaluate == "train":
        return f", epoch {training.epoch} of {experiment.train.epochs}"
    return f", epoch {training.epoch}" if training.epoch else ""


def _verdict(run: OpenedRun) -> str:
    """The answer so far, after what must be known before it."""
    try:
        return " ".join([*run.front.cautions, run.front.verdict])
    except UserError as error:
        return error.message


def _curves(run: OpenedRun) -> str:
    """What loss curves tell; empty before plain has finished, and if the model takes none."""
    if not run.has_plain or run.front.insights is None or run.front.insights.curves is None:
        return ""
    return run.front.insights.curves.words(run.front.quality)


def _gpus(facts: Facts) -> tuple[str, ...]:
    """What the GPUs of this machine do, if the run trains on them."""
    if facts.device != "cuda":
        return ()
    return tuple(gpu.words for gpu in nvidia.visible())


def _seconds(facts: Facts, is_live: bool) -> float:
    """Seconds in all sessions; of a session under way, those until now."""
    if is_live and facts.session_began:
        return (facts.seconds_before or 0.0) + time.time() - facts.session_began
    return facts.seconds or 0.0

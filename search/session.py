"""One run from a config to a verdict: prepare, take up what is there, drive, conclude.

What ``senet-search run`` does and what ``from search import latency, run`` gives.
"""

import os
import sys
import time
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from search import config
from search.config import Experiment
from search.execute import environment as surroundings
from search.execute import remote_store as storage
from search.execute import signals, worker
from search.execute.evaluator import Evaluator
from search.execute.ray import cluster
from search.execute.ray import runtime as schedule
from search.execute.ray.resources import Cluster, Slots
from search.execute.remote_store import Store
from search.execute.signals import Interrupted, Signals
from search.loop import Budget, Loop
from search.planning.budget_split import trainings_used
from search.planning.optuna_study import Proposer
from search.report.live import Live
from search.report.status import status_here
from search.report.write import write_report
from search.results import compute as front
from search.results import history
from search.results.result import Front
from search.setup import latency_setup as latency
from search.setup.experiment_setup import Prepared, early_stopping, kept, prepare, rules
from search.state import result_files
from search.state import run_folder as folder
from search.state.ledger import Ledger
from search.state.records import Entry, Outcome, Training
from search.state.run_folder import RUNS, RunFolder
from search.track import projection
from search.track import tracker as track
from search.track.tracker import Tracker
from spaces import durable
from spaces.architecture import Architecture
from spaces.errors import ENVIRONMENT, NOTHING_USABLE, UserError


class Watcher(Protocol):
    """Who sees a run: the terminal. Every method may do nothing."""

    def begin(self, name: str, where: Path) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, prepared: Prepared, done: int) -> None: ...
    def changed(self, training: Training, entry: Entry) -> None: ...
    def found(self, found: Front) -> None: ...
    def end(self) -> None: ...


class Silent:
    """Sees everything, says nothing."""

    def begin(self, name: str, where: Path) -> None: ...
    def say(self, text: str) -> None: ...
    def plan(self, prepared: Prepared, done: int) -> None: ...
    def changed(self, training: Training, entry: Entry) -> None: ...
    def found(self, found: Front) -> None: ...
    def end(self) -> None: ...


def run(
    experiment: Experiment, *, runs: Path | str = RUNS, new: bool = False, trainings: str | None = None,
    watcher: Watcher | None = None,
) -> Front:  # fmt: skip
    """Runs a search, or goes on with it, and returns its front.

    The same experiment again resumes an unfinished run and returns the result of a finished one. ``trainings`` sets
    the budget anew, or extends it: ``"+20"``. Raises UserError; Interrupted after a signal.
    """
    watcher = watcher or Silent()
    place = _place(experiment, Path(runs), new)
    watcher.begin(place.name, place.path)
    with signals.taken() as taken, folder.writable(place.path):
        # What cannot be prepared leaves no folder behind.
        prepared = None if place.exists else _prepared(experiment, watcher)
        place.create()
        return _run(experiment, place, prepared, trainings, watcher, taken)


def result(run: str, runs: Path | str = RUNS) -> Front:
    """The front of a run as its ledger stands now, finished or not. Raises UserError."""
    place = folder.find(run, Path(runs))
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return front.compute(place.name, ledger, rules(kept(place, ledger)))


# -- inside -----------------------------------------------------------------------------------------------------------


def _run(
    experiment: Experiment, place: RunFolder, prepared: Prepared | None, trainings: str | None, watcher: Watcher,
    taken: Signals,
) -> Front:  # fmt: skip
    with place.lock(), closing(Ledger(place.ledger)) as ledger:
        _check_known(place, ledger)
        experiment = _agreed(experiment, place, ledger, trainings, watcher)
        if ledger.fact("complete") == _budget(experiment):
            watcher.say(
                "this run is finished: here is its result (go on with --trainings +N, or start anew with --new)"
            )
            outcome = front.compute(place.name, ledger, rules(experiment))
            if durable.damaged(place.path):
                write_report(outcome, ledger.trainings, ledger.entries, ledger.facts(), place.path)
            return outcome
        prepared = replace(prepared, experiment=experiment) if prepared else _prepared(experiment, watcher)
        return _Session(prepared, place, ledger, watcher, taken).run()


def _prepared(experiment: Experiment, watcher: Watcher) -> Prepared:
    watcher.say("loading the data and the network")
    return prepare(experiment)


class _Session:
    """The part of a run that trains: from the first free slot to the report."""

    def __init__(self, prepared: Prepared, place: RunFolder, ledger: Ledger, watcher: Watcher, taken: Signals) -> None:
        _check_same_data(prepared, ledger)
        prepared = latency.predicted(prepared, ledger, watcher.say)
        self._prepared, self._place, self._ledger, self._watcher = prepared, place, ledger, watcher
        self._signals = taken
        experiment = prepared.experiment
        uri = experiment.resources.storage
        self._store = Store(uri, f"{place.name}-{_uid(ledger)[:12]}") if uri and not prepared.slots.is_local else None
        runs = place.path.parent
        uri = track.store(experiment.tracking.uri, runs)
        noted = _facts(prepared)
        ledger.note(tracking=config.redacted(uri), session_began=time.time(), session_ended=None,
                    seconds_before=float(ledger.fact("seconds") or 0), **noted)  # fmt: skip
        self._tracker = Tracker(
            uri,
            experiment=experiment.tracking.experiment or experiment.name,
            run=place.name,
            runs=runs,
            describe=projection.describe(experiment, noted),
            uid=_uid(ledger),
            sites=prepared.space.sites,
            say=watcher.say,
        )
        proposer = Proposer(
            prepared.space, experiment.objectives, prepared.price,
            sampler=experiment.search.sampler, seed=experiment.search.seed, budget=experiment.budget.trainings,
        )  # fmt: skip
        budget = Budget(experiment.budget.trainings, config.seconds(experiment.budget.time))
        self._live = Live(place, rules(experiment), tell=watcher.found, say=watcher.say)
        checks = prepared.evaluate.listeners(watcher.say)
        self._loop = Loop(
            ledger, prepared.priced_space, proposer, budget=budget, rules=rules(experiment),
            listeners=[watcher, _Projection(self._tracker, ledger), self._live, *checks], patience=config.seconds(experiment.resources.patience),
            early_stopping=early_stopping(experiment),
        )  # fmt: skip

    def run(self) -> Front:
        self._tracker.start()
        for training in self._ledger.trainings:  # what a killed session committed but could not send
            self._tracker.training(training, self._ledger.entries[training.architecture])
        status = "FAILED"
        at_once = False
        try:
            again = self._loop.recover(self._adopt)
            worker.clear(self._place.trainings, [t.uid for t in self._ledger.trainings if t.ended])
            done = sum(t.state == "finished" for t in self._ledger.trainings)
            if done or again:
                self._watcher.say(f"going on: {done} finished trainings kept, {again} interrupted ones start again")
            self._watcher.plan(self._prepared, done)
            self._live.start()
            self._drive()
            status = "KILLED" if self._signals.first else "FINISHED"
        except Interrupted:
            at_once, status = True, "KILLED"
            raise
        finally:
            self._watcher.end()
            self._live.close(wait=not at_once)
            self._loop.close(*([] if at_once else [self._left]))
            self._ledger.note(session_ended=status)
            outcome = None if at_once else self._conclude(status)
        if self._signals.first:
            raise Interrupted(self._signals.first)
        if outcome is None:
            raise UserError(
                "no training of the plain network finished, so there is nothing to compare with",
                hint=f"see {self._place.report.parent / 'trainings'}",
                code=NOTHING_USABLE,
            )
        return outcome

    def _drive(self) -> None:
        if self._loop.is_complete:
            return
        slots, evaluate = self._prepared.slots, self._prepared.evaluate
        evaluate = self._with_threads(evaluate)  # before Ray's processes take a share of the machine
        self._watcher.say(f"starting {slots.count} workers" if slots.is_local else f"joining Ray at {slots.ray}")
        joined = None if slots.is_local else self._joined()
        with schedule.running(slots, self._signals, joined) as scratch:
            if joined is None:
                evaluate = evaluate.shared(scratch)
            else:
                slots, evaluate = self._on_cluster(slots, evaluate)
            schedule.drive(self._loop, evaluate, self._place.trainings, slots, scratch, self._signals, joined)

    def _joined(self) -> Cluster:
        """What this run asks of a cluster."""
        mark = self._place.path / "session", uuid.uuid4().hex  # which no other folder of this name has
        durable.write(*mark)
        uri = self._prepared.experiment.resources.storage
        needs = cluster.Needs(
            surroundings.versions(),
            tuple(self._prepared.evaluate.needed_paths(self._prepared.experiment.base.resolve())),
            mark,
            uri,
        )
        return Cluster(needs, self._watcher.say, self._abandon, self._store)

    def _on_cluster(self, slots: Slots, evaluate: Evaluator) -> tuple[Slots, Evaluator]:
        """With the GPUs that its nodes have, whatever this machine has; noted, as they are known only now."""
        slots = schedule.settled(slots, self._prepared.experiment.resources.device)
        device = "cuda" if slots.gpus else "cpu"
        evaluate = evaluate.on_cluster(device, _uid(self._ledger))
        self._ledger.note(slots=vars(slots), device=device)
        gpu = f" and {slots.gpus:g} GPU" if slots.gpus else ""
        self._watcher.say(f"each training takes {slots.cpus} CPU core{'s' * (slots.cpus > 1)}{gpu} of the cluster")
        return slots, evaluate

    def _abandon(self, error: UserError) -> None:
        """The cluster is gone, and the main thread waits for it for ever: what can be said is written, from another thread,
        and this process ends."""
        try:
            self._watcher.end()
            self._loop.close()
            self._ledger.note(session_ended="FAILED")
            self._conclude("FAILED")
        except Exception as problem:  # the process must end all the same
            print(f"the report could not be written: {problem}", file=sys.stderr)
        finally:
            print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr, flush=True)
            os._exit(error.code)

    def _left(self, uid: str) -> Outcome | None:
        """A result that a worker left here while it was ended; one that cannot be read is looked at when all goes on."""
        try:
            return result_files.adopt(self._place.trainings, uid)
        except (OSError, ValueError):
            return None

    def _adopt(self, uid: str) -> Outcome | None:
        """A result that a worker left here, or in the store. Raises UserError (code 4) where that does not answer."""
        outcome = result_files.adopt(self._place.trainings, uid)
        if outcome is None and self._store is not None:
            try:
                self._store.fetch(uid, result_files.KEPT, self._place.trainings / uid)
            except (OSError, ValueError) as error:
                raise storage.unreadable(self._store, error) from error
            outcome = result_files.adopt(self._place.trainings, uid)
        return outcome

    def _with_threads(self, evaluate: Evaluator) -> Evaluator:
        """With as many threads as train fastest, unless the config says how many; a resumed run keeps its number."""
        resources, slots = self._prepared.experiment.resources, self._prepared.slots
        if resources.cpus_per_slot != "auto" or slots.cpus == 1 or slots.gpus:
            return evaluate
        noted = self._ledger.fact("threads")
        if noted is None:
            plain = Architecture.plain(self._prepared.space.backbone, len(self._prepared.space.sites))
            noted = evaluate.fastest_threads(plain.key)
            if noted is None:
                return evaluate
            self._ledger.note(threads=noted)
        self._watcher.say(f"each training uses {noted} of its {slots.cpus} CPU cores, which is fastest")
        return evaluate.with_threads(int(noted))

    def _conclude(self, status: str) -> Front | None:
        """What can be said is written, however the run ended. None where plain has no result."""
        ledger, experiment = self._ledger, self._prepared.experiment
        outcome = None
        if any(t.architecture == 0 and t.state == "finished" for t in ledger.trainings):
            if self._loop.is_complete:
                # Also what the end of the time cut short is tested now: it will not go on.
                ledger.note(confirmations_ended=len(ledger.fact("confirmations") or ()))
                _look_at_test_set(self._prepared, self._place, ledger)
                outcome = front.compute(self._place.name, ledger, rules(experiment))
                latency.measured(self._prepared, ledger, outcome, self._watcher.say)
            ledger.note(history=[vars(step) for step in history.steps(ledger, rules(experiment))])
            outcome = front.compute(self._place.name, ledger, rules(experiment))
            more = {} if self._loop.is_complete else {"progress": self._stopped()}
            write_report(outcome, ledger.trainings, ledger.entries, {**ledger.facts(), **more}, self._place.path)
        for problem in self._tracker.close(
            outcome, self._place.path, ledger.trainings, status=status, history=ledger.fact("history") or ()
        ):
            self._watcher.say(f"MLflow: {problem}")
        ledger.note(mlflow_experiment=self._tracker.experiment_id)
        if outcome is not None and self._loop.is_complete:
            ledger.note(complete=_budget(experiment))  # last: until then the same command does all of this again
        ended = replace(status_here(self._place), state="finished" if self._loop.is_complete else "stopped")
        durable.write(self._place.status, durable.seal(replace(ended, left_seconds=None).to_dict()))
        return outcome

    def _stopped(self) -> str:
        """What the report of a search says that was stopped."""
        done = sum(t.state == "finished" for t in self._ledger.trainings)
        return (
            f"stopped after {done} of {self._prepared.experiment.budget.trainings} trainings; the same command goes on"
        )


class _Projection:
    """Passes what changed to MLflow, and notes where it is found there as soon as that is known."""

    def __init__(self, tracker: Tracker, ledger: Ledger) -> None:
        self._tracker, self._ledger, self._noted = tracker, ledger, False

    def changed(self, training: Training, entry: Entry) -> None:
        self._tracker.training(training, entry)
        if not self._noted and self._tracker.experiment_id:
            self._ledger.note(mlflow_experiment=self._tracker.experiment_id)
            self._noted = True


def _place(experiment: Experiment, runs: Path, new: bool) -> RunFolder:
    place = RunFolder((runs / experiment.name).resolve())
    return folder.fresh(experiment.name, runs) if new and place.path.exists() else place


def _check_known(place: RunFolder, ledger: Ledger) -> None:
    """Refuses to go on where results lie on disk that the ledger has forgotten: they would be trained again."""
    if unknown := result_files.uids(place.trainings) - {training.uid for training in ledger.trainings}:
        raise UserError(
            f"the ledger {place.ledger} lost its last entries: it does not know {len(unknown)} results in {place.trainings}",
            hint=f"restore it (with its -wal file) from a copy, or move away {', '.join(sorted(unknown)[:3])}",
            code=ENVIRONMENT,
        )


def _agreed(
    experiment: Experiment, place: RunFolder, ledger: Ledger, trainings: str | None, watcher: Watcher
) -> Experiment:
    """The experiment with its budget; refused where it is not the one that the run was begun with."""
    noted = ledger.fact("config")
    if noted is not None and not place.holds(noted):
        watcher.say(f"{place.config.name} was missing or damaged: restored from the ledger")
        durable.write(place.config, noted)
    if place.config.exists():
        old = config.load(place.config)
        changed = [change for change in config.differences(old, experiment) if change[0] in config.FIXED]
        if changed:
            lines = "\n".join(f"  {key}: was {was!r}, is {now!r}" for key, was, now in changed)
            raise UserError(
                f"run `{place.name}` was begun with another config:\n{lines}",
                hint="start another run with --new, or change these keys back",
            )
        if trainings is None and old.budget.trainings > experiment.budget.trainings:
            trainings = str(old.budget.trainings)  # an extension stays when the plain command is typed again
    if trainings is not None:
        used = trainings_used(ledger)
        experiment = config.with_trainings(experiment, trainings, before=used or None)
        if experiment.budget.trainings < used:
            raise UserError(
                f"run `{place.name}` has {used} trainings already; its budget cannot be {experiment.budget.trainings}",
                hint=f"use --trainings {used} or more, or --trainings +N",
            )
    text = config.to_yaml(experiment)
    ledger.note(config=text, base=str(experiment.base.resolve()))
    durable.write(place.config, text)
    return experiment


def _budget(experiment: Experiment) -> list[Any]:
    """What a run was completed with; with another budget there may be more to do."""
    return [experiment.budget.trainings, experiment.budget.time]


def _check_same_data(prepared: Prepared, ledger: Ledger) -> None:
    before, now = (ledger.fact("data") or {}).get("fingerprint"), prepared.data.get("fingerprint")
    if before not in (None, now):
        raise UserError(
            f"the images are not those that this run was begun with (fingerprint {before}, now {now})",
            hint="put them back, or start another run with --new",
            key="data",
        )


def _uid(ledger: Ledger) -> str:
    """What no other run has, whatever its name: made once."""
    if ledger.fact("uid") is None:
        ledger.note(uid=uuid.uuid4().hex)
    return str(ledger.fact("uid"))


def _look_at_test_set(prepared: Prepared, place: RunFolder, ledger: Ledger) -> None:
    """Once, at the end: test accuracy of the recommended network and of plain, all fresh seeds. Recorded as done; where an
    extension recommends another network, that one is looked at, too."""
    if not prepared.evaluate.trains_networks:
        return
    outcome = front.compute(place.name, ledger, rules(prepared.experiment))
    known = (ledger.fact("test") or {}).get("results", {})
    looked: dict[str, list[dict[str, Any]]] = {}
    for point in [name for name in dict.fromkeys(["a0", outcome.recommended]) if name not in known]:
        for training in ledger.trainings:
            if f"a{training.architecture}" != point or training.state != "finished":
                continue
            if (weights := result_files.weights(place.trainings, training)).exists():
                found = prepared.evaluate.test_accuracy(ledger.entries[training.architecture].key, weights)
                looked.setdefault(point, []).append({"seed": str(training.seed), **found})
    if looked:
        ledger.note(test={"read": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "results": {**known, **looked}})


def _facts(prepared: Prepared) -> dict[str, Any]:
    """What a reader of the report needs to do it again."""
    return {
        "data": dict(prepared.data), "space": {"size": prepared.space.size, "nominal": prepared.space.nominal_size},
        "device": prepared.device, "slots": vars(prepared.slots), "config": config.to_yaml(prepared.experiment),
        "versions": surroundings.versions(), "machine": surroundings.machine(),
        "git": surroundings.git_state(prepared.experiment.base),
    }  # fmt: skip

"""One run from a config to a verdict: prepare, resume, train, conclude.

It is what ``senet-search run`` does, and what ``from search import run, result`` gives.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from search import config
from search.config import Experiment, to_yaml
from search.execute import signals, worker
from search.execute.ray import preconditions
from search.execute.signals import Interrupted, Signals
from search.model.one_thread import one_thread
from search.report.next_steps import going_on, page_steps
from search.report.write import write_report
from search.results import compute
from search.results.result import Front
from search.running import torch_threads
from search.running.assembly import SessionParts, assemble
from search.running.conclusion import Conclusion
from search.running.left_results import LeftResults
from search.running.listeners import Silent, Watcher
from search.running.one_at_a_time import one_at_a_time
from search.running.resume_checks import (
    agreed_experiment,
    budget_of,
    changed_files,
    check_results_known,
    keep_experiment,
)
from search.running.resumed_words import resumed_words
from search.running.training_phase import TrainingPhase
from search.setup import fit_positions, pause_setup, shared_setup
from search.setup.experiment_setup import Prepared, at_its_line, prepare
from search.setup.opened_run import OpenedRun, importable, open_run, rules
from search.setup.tracking_address import check_tracking
from search.state import run_folder
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RUNS, RunFolder
from search.state.schema import check_length
from search.state.shared_facts import SHARED_UID
from search.state.so_far import SoFar
from spaces import durable
from spaces.errors import NOTHING_USABLE, UserError


@one_at_a_time()
@one_thread
def run(
    experiment: Experiment,
    *,
    runs: Path | str = RUNS,
    new: bool = False,
    trainings: str | None = None,
    watcher: Watcher | None = None,
) -> Front:
    """Runs a search, or resumes it, and returns its front.

    The same experiment again resumes an unfinished run (or extension) and returns the result of a finished one. ``new``
    begins another run instead. ``trainings`` sets the budget, or extends it: ``"+20"``. Raises UserError; Interrupted.
    """
    _check_arguments(experiment, trainings)
    watcher = watcher or Silent()
    place = _place(experiment, Path(runs), new)
    check_length(place.ledger)
    watcher.begin(place.name, place.path)
    with signals.taken() as taken, run_folder.writable(place.path):
        # What cannot be prepared leaves no folder behind.
        prepared = None if place.exists else _prepared_new(experiment, watcher)
        if prepared is not None:
            _check_budget(prepared, trainings)
        experiment = prepared.experiment if prepared is not None else _with_positions(experiment, place)
        place.create()
        with place.lock(), closing(Ledger(place.ledger)) as ledger:
            return _run(experiment, place, ledger, prepared, trainings, watcher, taken)


def result(run: str, runs: Path | str = RUNS) -> Front:
    """The front of a run as its ledger stands now, finished or not. Raises UserError."""
    with open_run(run, Path(runs)) as opened:
        return opened.front


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_arguments(experiment: object, trainings: object) -> None:
    """Raises UserError for what is easily passed by mistake."""
    if not isinstance(experiment, Experiment):
        given = f"{type(experiment).__name__} {experiment!r:.80}"
        how = 'Experiment.load("config.yaml")'
        if isinstance(experiment, str | Path):
            how = f"Experiment.load({str(experiment)!r})"
        if isinstance(experiment, Mapping):
            how = "Experiment.from_dict(...)"
        raise UserError(f"run() takes an Experiment, not the {given}", hint=f"write run({how})")
    if not isinstance(trainings, str | None):
        raise UserError(
            f"trainings is a text such as '80' or '+20', not the {type(trainings).__name__} {trainings!r:.80}",
            hint=f"write trainings='{trainings}'" if isinstance(trainings, int) else "",
        )


def _place(experiment: Experiment, runs: Path, new: bool) -> RunFolder:
    place = RunFolder((runs / experiment.name).resolve())
    return run_folder.fresh(experiment.name, runs) if new and place.path.exists() else place


def _with_positions(experiment: Experiment, place: RunFolder) -> Experiment:
    """The experiment with the positions with which its run began, or will begin. Raises UserError."""
    if place.config.exists():
        return fit_positions.as_begun(experiment, config.load(place.config))
    with at_its_line(experiment):
        return fit_positions.fitted(importable(experiment))


def _prepared_new(experiment: Experiment, watcher: Watcher) -> Prepared:
    """Of a run that begins: its config is held to what earlier versions let pass, too. Raises UserError."""
    experiment.check_new()
    return _prepared(experiment, watcher)


def _prepared(experiment: Experiment, watcher: Watcher) -> Prepared:
    preconditions.check_no_other(experiment.resources.ray)
    watcher.say("loading the data and the network")
    return prepare(experiment)


def _check_budget(prepared: Prepared, trainings: str | None) -> None:
    """Raises ConfigError if the budget of a run that begins is too small for what its config asks for."""
    if trainings is not None:
        prepared = replace(prepared, experiment=config.with_trainings(prepared.experiment, trainings))
    shared_setup.check(prepared)
    pause_setup.check(prepared)


def _run(
    experiment: Experiment,
    place: RunFolder,
    ledger: Ledger,
    prepared: Prepared | None,
    trainings: str | None,
    watcher: Watcher,
    taken: Signals,
) -> Front:
    check_results_known(place, ledger)
    is_new = ledger.facts.config is None
    experiment = agreed_experiment(experiment, place, ledger, trainings, watcher.say)
    for problem in experiment.leftovers:  # of an earlier version's run, or it would have been refused
        watcher.say(f"{problem.key} changes nothing: {problem.message}; a new run would be refused")
    asked = OpenedRun(place, ledger, experiment)
    if ledger.facts.complete == budget_of(experiment) and asked.is_complete:
        watcher.say(f"this run is finished: here is its result ({going_on(asked)}, or start another run with --new)")
        if changed := changed_files(experiment, ledger):
            watcher.say(changed)
        _keep_changes(experiment, place, ledger)
        return _finished(experiment, place, ledger)
    prepared = replace(prepared, experiment=experiment) if prepared else _prepared(experiment, watcher)
    with torch_threads.kept():
        return _Session(assemble(prepared, place, ledger, watcher, trainings), watcher, taken, is_new).run()


def _keep_changes(experiment: Experiment, place: RunFolder, ledger: Ledger) -> None:
    """Keeps what was changed in the config of a finished run. Raises UserError for what a run would refuse."""
    if not place.holds(to_yaml(experiment)):
        check_tracking(experiment.tracking.uri)
        keep_experiment(experiment, place, ledger)


def _finished(experiment: Experiment, place: RunFolder, ledger: Ledger) -> Front:
    """The front of a finished run; its report is written again if it is damaged."""
    front = compute.compute(place.name, ledger, rules(experiment))
    if durable.damaged(place.path):
        steps = page_steps(front, OpenedRun(place, ledger, experiment), is_complete=True)
        write_report(front, ledger.trainings, ledger.entries, ledger.facts, place.path, steps=steps)
    return front


class _Session:
    """The part of a run that trains: from the first free slot to the report.

    A run that exists (``is_new`` is False) stays as it was until training begins: an extension may still be refused.
    """

    def __init__(self, parts: SessionParts, watcher: Watcher, taken: Signals, is_new: bool) -> None:
        self._parts = parts
        self._has_begun = False
        self._is_new = is_new
        self._watcher = watcher
        self._signals = taken
        self._left = LeftResults(parts.place.trainings, parts.store)
        self._training = TrainingPhase(parts, taken, watcher.say, self._abandon)
        self._conclusion = Conclusion(parts, watcher.say)
        if is_new:
            self._note_begin()

    def run(self) -> Front:
        """The front. Raises UserError without one, and what the environment raises; Interrupted after a signal."""
        status = "FAILED"
        at_once = False
        front = None
        try:
            self._recover()
            self._training.run(self._begin)
            status = "KILLED" if self._signals.first else "FINISHED"
        except Interrupted:
            at_once = True
            status = "KILLED"
            raise
        finally:
            self._watcher.end()
            if self._has_begun:
                self._close(status, at_once=at_once)
                front = None if at_once else self._conclusion.write(status)
        if self._signals.first:
            raise Interrupted(self._signals.first)
        if front is None:
            raise UserError(
                "no training of the plain network finished, so there is nothing to compare with",
                hint=f"see {self._parts.place.trainings}",
                code=NOTHING_USABLE,
            )
        return front

    def _begin(self) -> None:
        """Nothing can refuse the session any more: it becomes part of the run, and listeners begin to work."""
        if not self._has_begun:
            extension = self._parts.begun.extension
            keep_experiment(self._parts.prepared.experiment, self._parts.place, self._parts.ledger, extension)
            self._note_begin()
        self._start_tracking()
        self._parts.live.start()
        self._parts.gpus.start()

    def _note_begin(self) -> None:
        self._parts.ledger.note(self._parts.begun)
        self._has_begun = True

    def _start_tracking(self) -> None:
        """Opens MLflow's store, and sends what an earlier session committed but could not send."""
        ledger = self._parts.ledger
        self._parts.tracker.start()
        if ledger.facts.shared_network is not None:
            self._parts.tracker.shared_network(ledger.facts.shared_network)
        for training in ledger.trainings:
            self._parts.tracker.training(training, ledger.entries[training.architecture])

    def _recover(self) -> None:
        """Resumes the loop from the ledger and from what workers left."""
        trainings = self._parts.ledger.trainings
        self._parts.loop.recover(self._left.adopt)
        shared = self._parts.ledger.facts.shared_network
        ended = [t.uid for t in trainings if t.ended] + ([SHARED_UID] if shared and shared.ended else [])
        worker.clear(self._parts.place.trainings, ended)
        done = self._so_far()
        if words := resumed_words(done, self._parts.ledger, self._left.has_checkpoint):
            self._watcher.say(words)
        self._watcher.plan(self._parts.prepared, done)
        if not self._is_new and self._parts.loop.is_complete:
            run = OpenedRun(self._parts.place, self._parts.ledger, self._parts.prepared.experiment)
            self._watcher.say(f"nothing is left to train: {going_on(run)}")

    def _so_far(self) -> SoFar:
        """What earlier sessions have done, and the shared network as the ledger knows it, or will."""
        ledger = self._parts.ledger
        found = SoFar.of(ledger, self._parts.prepared.experiment.train.epochs)
        return replace(found, shared=ledger.facts.updated(self._parts.begun).shared_network)

    def _close(self, status: str, *, at_once: bool) -> None:
        """Ends the session in the ledger. ``at_once``: without waiting for the live report or looking for results."""
        self._parts.live.close(wait=not at_once)
        self._parts.gpus.close()
        if at_once:
            self._parts.loop.close()
        else:
            self._parts.loop.close(self._left.adopt_here)
        self._parts.ledger.note(Facts(session_ended=status))

    def _abandon(self, error: UserError) -> None:
        """Ends the process from a thread, because the cluster is gone and the main thread waits for it forever.

        What can be said is written first.
        """
        try:
            self._watcher.end()
            self._parts.loop.close()
            self._parts.ledger.note(Facts(session_ended="FAILED"))
            self._conclusion.write("FAILED")
        except Exception as problem:  # the process must end all the same
            print(f"the report could not be written: {problem}", file=sys.stderr)
        finally:
            print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr, flush=True)
            # Only this ends a process whose main thread is blocked in a call of Ray: sys.exit would end this thread.
            os._exit(error.code)

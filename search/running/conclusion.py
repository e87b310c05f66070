"""The end of a session: test set, timing, history, report and MLflow, from what the ledger holds."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from search.report.next_steps import page_steps
from search.report.status import status_here
from search.report.write import write_report
from search.results import compute, history
from search.results.result import Front
from search.running import changed_images, int8_drops
from search.running.assembly import SessionParts
from search.running.left_results import LeftResults
from search.running.resume_checks import budget_of
from search.setup import latency_measurement
from search.setup.opened_run import OpenedRun, rules
from search.state import result_files
from search.state.facts import Facts, HeldOutFact
from search.state.records import Training, architecture_name
from search.state.so_far import SoFar, amount
from spaces import durable


class Conclusion:
    """Writes what can be said about a run, however its session ended. ``say`` hears what MLflow did not get."""

    def __init__(self, parts: SessionParts, say: Callable[[str], None]) -> None:
        self._parts = parts
        self._say = say

    def write(self, status: str) -> Front | None:
        """The front; None without a finished training of plain. ``status``: FINISHED, KILLED or FAILED."""
        parts = self._parts
        front = self._front() if self._has_plain() else None
        problems = parts.tracker.close(
            front,
            parts.place.path,
            parts.ledger.trainings,
            status=status,
            history=parts.ledger.facts.history or (),
        )
        for problem in problems:
            self._say(f"MLflow: {problem}")
        # An experiment that is not known now may be the one of an earlier session.
        number = parts.tracker.experiment_id or None
        parts.ledger.note(Facts(mlflow_experiment=number, tracking_trouble=parts.tracker.trouble))
        if front is not None and parts.loop.is_complete:
            # Noted last: until then, the same command does all of this again.
            parts.ledger.note(Facts(complete=budget_of(parts.prepared.experiment)))
            paused = [training.uid for training in parts.ledger.counts.paused.values()]
            if words := LeftResults(parts.place.trainings, parts.store).kept_words(paused):
                self._say(words)
        self._write_status()
        return front

    def _has_plain(self) -> bool:
        return any(t.architecture == 0 and t.state == "finished" for t in self._parts.ledger.trainings)

    def _front(self) -> Front:
        """The front with everything that belongs to it, in the ledger and as a report."""
        parts = self._parts
        ledger = parts.ledger
        if parts.loop.is_complete:
            # A confirmation that the end of the time cut short is tested now.
            parts.loop.conclude()
            ledger.note(Facts(confirmations_ended=len(ledger.facts.confirmations or ())))
            # Before the test set is read: a figure may break a limit and so change what is recommended.
            latency_measurement.measured(parts.prepared, ledger, self._say)
            self._read_test_set()
            int8_drops.measured(parts.prepared, ledger, self._computed(), parts.place, self._say)
            changed_images.note_changes(parts.prepared, ledger, self._computed(), parts.place)
        steps = history.steps(ledger, rules(parts.prepared.experiment))
        ledger.note(Facts(history=tuple(steps)))
        front = self._computed()
        progress = "" if parts.loop.is_complete else self._progress()
        opened = OpenedRun(parts.place, ledger, parts.prepared.experiment)
        suggested = page_steps(front, opened, is_complete=not progress)
        path = parts.place.path
        write_report(front, ledger.trainings, ledger.entries, ledger.facts, path, progress=progress, steps=suggested)
        return front

    def _computed(self) -> Front:
        parts = self._parts
        return compute.compute(parts.place.name, parts.ledger, rules(parts.prepared.experiment))

    def _progress(self) -> str:
        """What the report of a stopped search says about its progress."""
        used = amount(SoFar.of(self._parts.ledger).used)
        budget = self._parts.prepared.experiment.budget.trainings
        return f"stopped after {used} of {budget} trainings; the same command goes on"

    def _read_test_set(self) -> None:
        """Notes the test accuracy of plain and of the recommended network, of all seeds that kept their weights.

        The test set is read once for each network: again only if an extension recommends another one.
        """
        parts = self._parts
        if not parts.prepared.evaluate.trains_networks:
            return
        noted = parts.ledger.facts.test
        known = noted.results if noted else {}
        reported = dict.fromkeys(["a0", self._computed().recommended])
        found = {name: tuple(self._tested(name)) for name in reported if name not in known}
        found = {name: rows for name, rows in found.items() if rows}
        if found:
            read = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            parts.ledger.note(Facts(test=HeldOutFact(read, {**known, **found})))

    def _tested(self, name: str) -> list[dict[str, Any]]:
        """A row for each finished training of the confirmation that kept its weights."""
        rows = []
        for training in self._parts.ledger.trainings:
            is_fresh = training.role == "confirm" and training.state == "finished"
            if is_fresh and architecture_name(training.architecture) == name:
                rows += self._test_row(training)
        return rows

    def _test_row(self, training: Training) -> list[dict[str, Any]]:
        parts = self._parts
        weights = result_files.weights(parts.place.trainings, training)
        if not weights.exists():
            return []
        key = parts.ledger.entries[training.architecture].key
        return [{"seed": str(training.seed), **parts.prepared.evaluate.test_accuracy(key, weights)}]

    def _write_status(self) -> None:
        """Notes what ``status`` shows from now on. Another machine reads it, where the command has another path."""
        place = self._parts.place
        ended = replace(status_here(place, is_live=False), command="")
        durable.write(place.status, durable.seal(ended.to_dict()))

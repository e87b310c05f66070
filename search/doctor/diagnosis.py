"""``senet-search doctor``: checks every invariant of a run folder and says what breaks it. Only reads."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.doctor.case import Case, Check
from search.doctor.invariants import CHECKS, COPY
from search.setup.opened_run import kept
from search.state import run_folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces.errors import ENVIRONMENT, UserError


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the invariant that it breaks, what is wrong, and what to do."""

    invariant: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Result:
    """What a check found. ``skipped`` says why it was not made, or is empty; ``notes`` are not wrong."""

    name: str
    words: str
    skipped: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def state(self) -> str:
        """``wrong``, ``skipped``, ``caution`` or ``ok``."""
        if self.findings:
            return "wrong"
        if self.skipped:
            return "skipped"
        return "caution" if self.notes else "ok"

    def lines(self) -> list[str]:
        why = f" ({self.skipped})" if self.skipped else ""
        lines = [f"{self.state:<8}  {self.name:<3}  {self.words}{why}"]
        for finding in (*self.findings, *self.notes):
            lines += [f"{'':<15}{finding.problem}", f"{'':<15}  do: {finding.remedy}"]
        return lines


@dataclass(frozen=True)
class Diagnosis:
    """What every check of a run found."""

    run: str
    results: list[Result]

    @property
    def findings(self) -> list[Finding]:
        return [finding for result in self.results for finding in result.findings]

    def to_dict(self) -> dict[str, Any]:
        notes = [note for result in self.results for note in result.notes]
        return {
            "ok": not self.findings,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": [asdict(note) for note in notes],
            "checks": [
                {"invariant": result.name, "words": result.words, "state": result.state, "why": result.skipped}
                for result in self.results
            ],
        }

    def lines(self) -> list[str]:
        return [line for result in self.results for line in result.lines()]

    def check(self) -> None:
        """Raises UserError (ENVIRONMENT) if anything is wrong."""
        if count := len(self.findings):
            what = f"{count} things are" if count > 1 else "1 thing is"
            raise UserError(f"{what} wrong with run `{self.run}`", code=ENVIRONMENT)


def diagnose(run: str, runs: Path) -> Diagnosis:
    """The diagnosis of a run by its name or path. Raises UserError if there is no such run."""
    place = run_folder.find(run, runs)
    return Diagnosis(place.name, results(place))


def examine(place: RunFolder) -> list[Finding]:
    """Everything that is wrong with a run; empty if all is well."""
    return Diagnosis(place.name, results(place)).findings


def results(place: RunFolder) -> list[Result]:
    """Each check with what it found. If the ledger or the config cannot be read, only that."""
    name = "I0"
    words = "the ledger and the config can be read"
    held = place.is_held  # asked before the ledger is read, which then holds whatever the driver did since
    try:
        with closing(_ledger(place.ledger)) as ledger:
            case = Case(place, ledger, ledger.facts, _experiment(place, ledger), held)
            return [Result(name, words), *(_made(check, case) for check in CHECKS)]
    except UserError as error:
        problem = error.message.removeprefix("error: ").splitlines()[0]
        return [Result(name, words, findings=(Finding(name, problem, error.hint or "restore it from a copy"),))]


# -- inside -----------------------------------------------------------------------------------------------------------


def _made(check: Check, case: Case) -> Result:
    skipped = check.skip(case)
    if skipped:
        return Result(check.name, check.words, skipped)
    findings = tuple(Finding(check.name, problem, remedy) for problem, remedy in check.find(case))
    notes = tuple(Finding(check.name, problem, remedy) for problem, remedy in check.note(case))
    return Result(check.name, check.words, "", findings, notes)


def _ledger(path: Path) -> Ledger:
    """The ledger, opened. Raises UserError if it is damaged as a database, or holds what we do not write."""
    ledger = Ledger(path, read_only=True)
    objects = [t.metrics for t in ledger.trainings] + [entry.price for entry in ledger.entries]
    is_sound = all(isinstance(value, Mapping) for value in objects)
    if not is_sound or not all(isinstance(t.curve, list) for t in ledger.trainings):
        fault = "metrics, curves or prices have another form than ours"
        raise UserError(f"the ledger {path} is damaged: {fault}", hint=COPY, code=ENVIRONMENT)
    return ledger


def _experiment(place: RunFolder, ledger: Ledger) -> Experiment | None:
    """The run's config; None if it never had one. Raises UserError if it is gone, damaged or changed."""
    if ledger.facts.config is None and not place.config.exists():
        return None
    return kept(place, ledger)

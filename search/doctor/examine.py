"""Is all well in the folder of a run? Checks every invariant and says what breaks it. Only reads."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from search.config import Experiment
from search.doctor.invariants import CHECKS, COPY, Case, Check
from search.setup.opened_run import kept
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


def examine(place: RunFolder) -> list[Finding]:
    """Everything that is wrong with a run; empty where all is well."""
    return [finding for result in results(place) for finding in result.findings]


def results(place: RunFolder) -> list[Result]:
    """Each check with what it found. Where ledger or config cannot be read, that is all there is to say."""
    name, words = "I0", "the ledger and the config can be read"
    held = place.is_held  # before the ledger is read: what a driver did since is then in it
    try:
        with closing(_ledger(place.ledger)) as ledger:
            case = Case(place, ledger, ledger.facts, _experiment(place, ledger), held)
            return [Result(name, words), *(_made(check, case) for check in CHECKS)]
    except UserError as error:
        problem = error.message.removeprefix("error: ").splitlines()[0]
        return [Result(name, words, findings=(Finding(name, problem, error.hint or "restore it from a copy"),))]


# -- inside -----------------------------------------------------------------------------------------------------------


def _made(check: Check, case: Case) -> Result:
    if skipped := check.skip(case):
        return Result(check.name, check.words, skipped)
    found, notes = (tuple(Finding(check.name, *one) for one in look(case)) for look in (check.find, check.note))
    return Result(check.name, check.words, "", found, notes)


def _ledger(path: Path) -> Ledger:
    """The ledger, read. Raises UserError where it is damaged as a database, or holds what we do not write."""
    ledger = Ledger(path, read_only=True)
    objects = [t.metrics for t in ledger.trainings] + [entry.price for entry in ledger.entries]
    is_sound = all(isinstance(value, Mapping) for value in objects)
    if not is_sound or not all(isinstance(t.curve, list) for t in ledger.trainings):
        fault = "metrics, curves or prices are none"
        raise UserError(f"the ledger {path} is damaged: {fault}", hint=COPY, code=ENVIRONMENT)
    return ledger


def _experiment(place: RunFolder, ledger: Ledger) -> Experiment | None:
    """The run's config; None where it never had one. Raises UserError where it is gone, damaged or changed."""
    if ledger.facts.config is None and not place.config.exists():
        return None
    return kept(place, ledger)

"""``senet-search report``: the files of a result, written again from the ledger as it is now."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from search.report.status import status_here
from search.report.write import write_report
from search.results import history
from search.results.compute import compute
from search.results.result import Front, Rules
from search.setup.experiment_setup import kept, rules
from search.state import run_folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder


def refresh_run(run: str, runs: Path) -> tuple[Front, Path]:
    """Writes the report of a run, finished or not; returns its front and its folder.

    Raises UserError for an unknown run, and where plain has no finished training.
    """
    place = run_folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return refresh(place, ledger, rules(kept(place, ledger))), place.path


def refresh(place: RunFolder, ledger: Ledger, rules: Rules) -> Front:
    """Writes the report from an open ledger; returns the front. Raises UserError if plain has no finished training."""
    front = compute(place.name, ledger, rules)
    facts = ledger.facts
    progress = ""
    if facts.complete is None:
        facts = replace(facts, history=tuple(history.steps(ledger, rules)))
        progress = status_here(place).sentence()
    write_report(front, ledger.trainings, ledger.entries, facts, place.path, progress=progress)
    return front

"""``senet-search report``: the files of a result, written again from the ledger as it is now."""

from dataclasses import replace
from pathlib import Path

from search.report.status import status_of
from search.report.write import write_report
from search.results import history
from search.results.result import Front
from search.setup.opened_run import OpenedRun, open_run


def refresh_run(run: str, runs: Path) -> tuple[Front, Path]:
    """Writes the report of a run, finished or not; returns its front and its folder.

    Raises UserError for an unknown run, and where plain has no finished training.
    """
    with open_run(run, runs) as opened:
        return refresh(opened), opened.folder.path


def refresh(run: OpenedRun) -> Front:
    """Writes the report of an opened run; returns its front. Raises UserError if plain has no finished training."""
    facts = run.facts
    progress = ""
    if facts.complete is None:
        facts = replace(facts, history=tuple(history.steps(run.ledger, run.rules)))
        progress = status_of(run).sentence()
    write_report(run.front, run.ledger.trainings, run.ledger.entries, facts, run.folder.path, progress=progress)
    return run.front

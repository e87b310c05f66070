"""``senet-search report``: the files of a result, written again from the ledger as it is now."""

from dataclasses import replace
from pathlib import Path

from search.report.next_steps import page_steps
from search.report.status import status_of
from search.report.write import write_report
from search.results import history
from search.results.result import Front
from search.setup.opened_run import OpenedRun, open_run
from search.state.run_folder import RunFolder
from spaces import durable


def refresh_run(run: str, runs: Path) -> tuple[Front, Path, str]:
    """Writes the report of a run, finished or not; returns its front, its folder, and why nothing was written.

    The reason is empty unless the run may only be read. Raises UserError for an unknown run, and where plain has no
    finished training.
    """
    with open_run(run, runs) as opened:
        folder = opened.folder.path
        try:
            return refresh(opened), folder, ""
        except OSError as error:
            if error.errno not in durable.ONLY_READ:
                raise
            return opened.front, folder, _unwritten(folder, error)


def _unwritten(folder: Path, error: OSError) -> str:
    """Why nothing was written, and what that means for files that are there."""
    older = "; those that are there may be older" if RunFolder(folder).report.exists() else ""
    return f"report, picture and tables were not written to {folder} ({error.strerror}){older}"


def refresh(run: OpenedRun) -> Front:
    """Writes the report of an opened run; returns its front. Raises UserError if plain has no finished training."""
    facts = run.facts
    progress = ""
    is_complete = run.is_complete
    if not is_complete:
        facts = replace(facts, history=tuple(history.steps(run.ledger, run.rules)))
        progress = status_of(run).sentence()
    steps = page_steps(run.front, run, is_complete=is_complete, is_running=run.folder.is_held and not is_complete)
    trainings, entries = run.ledger.trainings, run.ledger.entries
    write_report(run.front, trainings, entries, facts, run.folder.path, progress=progress, steps=steps)
    return run.front

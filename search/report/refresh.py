"""``senet-search report``: the result of a run, written anew from its ledger."""

from contextlib import closing
from pathlib import Path

from search.report import status
from search.report import write as report
from search.results import compute as front
from search.results import history
from search.results.result import Front, Rules
from search.setup.experiment_setup import kept, rules
from search.state import run_folder as folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder


def write(run: str, runs: Path) -> tuple[Front, Path]:
    """Writes report, picture and tables of a run, finished or not; returns its front and its folder. Raises UserError."""
    place = folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        return rewritten(place, ledger, rules(kept(place, ledger))), place.path


def rewritten(place: RunFolder, ledger: Ledger, rules: Rules) -> Front:
    """Writes them from what the ledger holds now. Raises UserError where plain has no finished training."""
    found, facts = front.compute(place.name, ledger, rules), ledger.facts()
    if facts.get("complete") is None:
        steps = [vars(step) for step in history.steps(ledger, rules)]
        facts = {**facts, "history": steps, "progress": status.here(place).sentence()}
    report.write(found, ledger.trainings, ledger.entries, facts, place.path)
    return found

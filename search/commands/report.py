"""``senet-search report``: the result of a run, written anew from its ledger."""

from contextlib import closing
from pathlib import Path

from search import folder, front, history, report
from search.commands import status
from search.folder import RunFolder
from search.front import Front, Rules
from search.invariants import is_complete
from search.ledger import Ledger
from search.prepare import kept, rules


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


def following(found: Front, place: RunFolder) -> list[str]:
    """What to type after a look at a result. Without a confirmation no weights were kept, so there is nothing to export."""
    at = folder.option(place.path.parent)
    look = f"senet-search ui {place.name}{at}"
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment = kept(place, ledger)
        complete = is_complete(experiment, ledger.facts())
    if place.is_held:
        return [look, f"senet-search status {place.name}{at}"]
    if not complete:
        return [look, f"{folder.command(place, experiment.name)} (goes on where it was stopped)"]
    if not found.confirmed:
        return [look, folder.command(place, experiment.name, "--trainings +24")]
    return [look, f"senet-search export {place.name}{at} --to DIR"]

"""``senet-search report``: the result of a run, written anew from its ledger."""

from contextlib import closing
from pathlib import Path

from search import folder, front, report
from search.front import Front
from search.ledger import Ledger
from search.prepare import kept, rules


def write(run: str, runs: Path) -> tuple[Front, Path]:
    """Writes report, picture and tables of a run, finished or not; returns its front and its folder. Raises UserError."""
    place = folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        found = front.compute(place.name, ledger, rules(kept(place, ledger)))
        report.write(found, ledger.trainings, ledger.entries, ledger.facts(), place.path)
    return found, place.path

"""What to type after a look at a result."""

from contextlib import closing

from search.results.result import Front
from search.setup.experiment_setup import kept
from search.setup.opened_run import is_complete
from search.state import run_folder as folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder


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

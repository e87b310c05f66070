"""The commands that a person is likely to type after seeing a result."""

from search.results.answer import UNDECIDED
from search.results.result import Front
from search.setup.opened_run import open_folder
from search.state import run_folder
from search.state.run_folder import RunFolder

# The extension to suggest to a run that confirmed nothing, if no larger one is known to decide it.
EXTENSION = 24


def next_commands(front: Front, place: RunFolder) -> list[str]:
    """The commands to suggest, the best first."""
    runs = run_folder.option(place.path.parent)
    with open_folder(place) as run:
        experiment = run.experiment
        complete = run.is_complete
        # MLflow's page is suggested only if it shows this run.
        look = [] if run.facts.tracking_trouble else [f"senet-search ui {place.name}{runs}"]
    if place.is_held:
        return [*look, f"senet-search status {place.name}{runs}"]
    if not complete:
        return [*look, f"{run_folder.command(place, experiment.name)} (continues where it stopped)"]
    more = front.answer.more if front.confirmed else max(front.answer.more or 0, EXTENSION)
    if more and front.answer.kind == UNDECIDED:
        return [*look, run_folder.command(place, experiment.name, f"--trainings +{more}")]
    return [*look, take_home(front, runs)]


def take_home(front: Front, runs: str = "") -> str:
    """The command for the recommended network: it is plain or was confirmed, so it kept weights.

    ``runs`` is the option that names the folder of the runs, with a space before it.
    """
    return f"senet-search export {front.run}{runs} --to DIR"

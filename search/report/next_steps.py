"""The commands that a person is likely to type after seeing a result."""

from search.results.result import Front
from search.setup.opened_run import open_folder
from search.state import run_folder
from search.state.run_folder import RunFolder


def next_commands(front: Front, place: RunFolder) -> list[str]:
    """The commands to suggest, the best first. Export needs a confirmation: only finalists keep their weights."""
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
    if not front.confirmed:
        return [*look, run_folder.command(place, experiment.name, "--trainings +24")]
    return [*look, f"senet-search export {place.name}{runs} --to DIR"]

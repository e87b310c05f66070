"""A run that is there: its folder, its ledger, its experiment, and whether it is complete."""

from search.config import Experiment
from search.state.facts import Facts


def is_complete(experiment: Experiment | None, facts: Facts) -> bool:
    """Whether the run was completed with the budget that it has now; without a config, whether it ever was."""
    if facts.complete is None or experiment is None:
        return facts.complete is not None
    return facts.complete.covers(experiment.budget.trainings, experiment.budget.time)

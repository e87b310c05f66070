"""A run that is there: its folder, its ledger, its experiment, and whether it is complete."""

from collections.abc import Mapping
from typing import Any

from search.config import Experiment


def is_complete(experiment: Experiment | None, facts: Mapping[str, Any]) -> bool:
    """Whether the run was noted as complete with the budget that it has now."""
    done = facts.get("complete")
    if experiment is None:
        return done is not None
    return done in (experiment.budget.trainings, [experiment.budget.trainings, experiment.budget.time])

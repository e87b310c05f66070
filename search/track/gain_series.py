"""The series of a search in MLflow that say how its front grew, training by training."""

from search.state.facts import HistoryStep

# The share of the gain that can be reached which the front is expected to have found: S.
FOUND = "reachable_gain_found"
# The series of the parent that its history has, by the fields of a step.
HISTORY = {
    "members": "front_size",
    "hypervolume": "hypervolume",
    "low": "hypervolume_low",
    "high": "hypervolume_high",
    "score": FOUND,
}


def worth(step: HistoryStep) -> dict[str, float]:
    """The series of the parent that say how the front grew: its size, hypervolume of the posterior with its interval,
    expected S."""
    values = {name: getattr(step, key) for key, name in HISTORY.items()}
    return {name: value for name, value in values.items() if value is not None}

"""What workers left for trainings that had not ended when a session began or ends."""

from collections.abc import Callable

from search.state.records import Outcome, Training

# Finds the result that a worker left for a training and that was not committed; None if there is none.
Adopt = Callable[[str], Outcome | None]


def nothing_left(uid: str) -> Outcome | None:
    """The :data:`Adopt` of a search without workers: they left no result."""
    return None


def left(training: Training, adopt: Adopt) -> Outcome | None:
    """What the last attempt of a training left; None if nothing, or only what it had left when it paused before."""
    outcome = adopt(training.uid)
    return outcome if outcome is not None and training.expects(outcome) else None

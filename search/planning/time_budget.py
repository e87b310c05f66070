"""The time of a run: how much of it is used, and how long a training may be silent before it counts as hung."""

from collections.abc import Callable

from search.state.records import FIRST_PATIENCE, Training

# A training without an epoch counts as hung after the time of this many of the slowest epochs, at least ten minutes.
EPOCHS_OF_PATIENCE = 20
LEAST_PATIENCE = 600.0


class TimeBudget:
    """Seconds that a run has used over all its sessions, of ``seconds`` in all; None is no limit.

    After ``search_share`` of the time only confirmations are trained. The clock starts with the first training, not
    with Ray.
    """

    def __init__(
        self, seconds: float | None, *, spent_before: float, clock: Callable[[], float], search_share: float
    ) -> None:
        self._seconds = seconds
        self._search_share = search_share
        self._spent_before = spent_before
        self._clock = clock
        self._began: float | None = None

    def begin(self) -> None:
        """Starts the clock, once."""
        if self._began is None:
            self._began = self._clock()

    @property
    def spent(self) -> float:
        session = 0.0 if self._began is None else self._clock() - self._began
        return self._spent_before + session

    @property
    def is_over(self) -> bool:
        """Whether no further training may begin."""
        return self._share >= 1

    @property
    def search_is_over(self) -> bool:
        """Whether the rest of the time belongs to the confirmation."""
        return self._share >= self._search_share

    @property
    def _share(self) -> float:
        return self.spent / self._seconds if self._seconds else 0.0


class Patience:
    """How long a training may be silent. ``seconds`` fixes it; otherwise it follows from the slowest epoch."""

    def __init__(self, seconds: float | None) -> None:
        self._fixed = seconds
        self._slowest = 0.0

    @property
    def seconds(self) -> float:
        """Seconds without an epoch after which a training counts as hung."""
        if self._fixed is not None:
            return self._fixed
        if self._slowest == 0.0:
            return FIRST_PATIENCE
        return max(LEAST_PATIENCE, EPOCHS_OF_PATIENCE * self._slowest)

    def measure(self, training: Training) -> None:
        """Takes in how long the epochs of a training took; without their times, an even share of the whole."""
        share = training.metrics.get("train_seconds", 0.0) / max(1, len(training.curve))
        epochs = [epoch.get("seconds", 0.0) for epoch in training.curve]
        self._slowest = max(self._slowest, share, *epochs)

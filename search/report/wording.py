"""Figures of a report as text: signed numbers, percentages and durations."""

import math
from collections.abc import Iterable

from search.state.records import Training


def signed(value: float) -> str:
    """A difference with its sign: +0.20; a dash for a value that is not finite."""
    return f"{value:+z.2f}" if math.isfinite(value) else "-"


def percent(value: float) -> str:
    """An overhead in percent: +1.05 %; a dash for the network that is compared with itself."""
    return f"{signed(value)} %" if value else "-"


def tick(value: float) -> str:
    """A number on the axis of differences: +0.2, -0.2, and 0."""
    return f"{value:+g}" if value else "0"


def clock(seconds: float) -> str:
    """A duration: 40s, 3m05s, 2h10m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def state_text(training: Training) -> str:
    """The state of a training with its reason: finished, failed: diverged, paused after epoch 2."""
    if not training.reason:
        return training.state
    return f"{training.state}{' ' if training.state == 'paused' else ': '}{training.reason}"


def joined(values: Iterable[float]) -> str:
    """Accuracies side by side: 97.10, 97.35."""
    return ", ".join(f"{value:.2f}" for value in values)


def shortened(text: str, letters: int) -> str:
    """A text of at most so many letters; a longer one ends in three dots."""
    return text if len(text) <= letters else text[: letters - 3] + "..."

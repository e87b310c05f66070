"""How figures are written for people, one way everywhere: intervals, and counts with their noun."""


def interval(low: float, high: float, form: str = "+.2f") -> str:
    """``[-0.01, +0.25]``."""
    return f"[{low:{form}}, {high:{form}}]"


def with_interval(value: float, low: float, high: float, unit: str = "", form: str = "+.2f") -> str:
    """``+0.12 [-0.01, +0.25]``, with a unit ``+0.12 points [-0.01, +0.25]``."""
    shown = f"{value:{form}} {unit}".rstrip()
    return f"{shown} {interval(low, high, form)}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: ``1 epoch``, ``3 epochs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rough(seconds: float) -> str:
    """A duration with one unit: ``4.2 s``, ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

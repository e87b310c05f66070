"""How a verdict is drawn, the same in every picture: shapes and fillings differ as well, so that grey suffices."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class VerdictStyle:
    """``marker`` is matplotlib's letter and a key of OUTLINES, ``terminal`` a style of rich."""

    marker: str
    colour: str
    filling: str
    terminal: str


VERDICT_STYLES = {
    "plain": VerdictStyle("s", "#222222", "#222222", "bold"),
    "proven": VerdictStyle("*", "#0b6e4f", "#0b6e4f", "bold green"),
    "likely": VerdictStyle("o", "#2a9d8f", "#2a9d8f", "green"),
    "open": VerdictStyle("o", "#7b8794", "white", ""),
    "likely worse": VerdictStyle("v", "#c8553d", "#c8553d", "red"),
}


def _star(outer: float, inner: float) -> str:
    """The ten corners of a star around 0, in SVG's order."""
    corners = []
    for k in range(10):
        radius = inner if k % 2 else outer
        angle = math.pi * k / 5
        corners.append(f"{radius * math.sin(angle):.1f},{-radius * math.cos(angle):.1f}")
    return " ".join(corners)


# The corners of a marker around 0 in pixels, as SVG writes them; a circle has none.
OUTLINES = {"s": "-5,-5 5,-5 5,5 -5,5", "v": "-6,-5 6,-5 0,6", "*": _star(9.5, 4.0), "o": ""}

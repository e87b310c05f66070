"""How a verdict is drawn, the same in every picture: shapes and fillings differ as well, so that grey suffices.

Blue is better than plain and orange is worse: a pair that people with any common colour blindness tell apart.
"""

import math
from dataclasses import dataclass

PAPER = "white"


@dataclass(frozen=True)
class VerdictStyle:
    """``marker`` is matplotlib's letter and a key of OUTLINES, ``terminal`` a style of rich.

    ``dark`` is the colour on a dark ground. A hollow marker is filled with the ground.
    """

    marker: str
    colour: str
    dark: str
    terminal: str
    is_hollow: bool = False

    @property
    def filling(self) -> str:
        """On a white ground."""
        return PAPER if self.is_hollow else self.colour


VERDICT_STYLES = {
    "plain": VerdictStyle("s", "#1f2328", "#f0f3f6", "bold"),
    "proven": VerdictStyle("*", "#0a4d8c", "#8cc8ff", "bold green"),
    "likely": VerdictStyle("o", "#2b7bba", "#58a6e8", "green"),
    "open": VerdictStyle("o", "#66717d", "#a3adb8", "", is_hollow=True),
    "likely worse": VerdictStyle("v", "#b8431f", "#ff9b73", "red"),
}


def css_class(verdict: str) -> str:
    """The class of a page's style that has the colours of a verdict."""
    return f"v-{verdict.replace(' ', '-')}"


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

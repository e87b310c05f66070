"""What the marks and the grey band of a drawing of a front mean."""

import math
from dataclasses import dataclass

from search.report.verdict_styles import OUTLINES, VERDICT_STYLES, VerdictStyle, css_class
from search.results.result import Front


class Styled:
    """What is drawn in the style of a verdict."""

    verdict: str

    @property
    def style(self) -> VerdictStyle:
        return VERDICT_STYLES[self.verdict]

    @property
    def outline(self) -> str:
        return OUTLINES[self.style.marker]

    @property
    def css_class(self) -> str:
        return css_class(self.verdict)


@dataclass(frozen=True)
class Band:
    """The grey band around 0: gains within ``height`` points of plain, and why they are small."""

    height: float
    text: str


@dataclass(frozen=True)
class LegendEntry(Styled):
    """``kind`` is what is drawn beside the text: verdict, ring, line, band, seed or nothing."""

    text: str
    kind: str = ""
    verdict: str = ""


def legend(front: Front, band: Band, beyond: int) -> list[LegendEntry]:
    """What the marks of a drawing mean; ``beyond`` seeds lie outside of it."""
    verdicts = [verdict for verdict in VERDICT_STYLES if any(p.verdict == verdict for p in front.points)]
    rest = f" ({beyond} beyond the drawing)" if beyond else ""
    seeds = LegendEntry(f"single trainings of what was trained again{rest}", "seed")
    return [
        *(LegendEntry(verdict, "verdict", verdict) for verdict in verdicts),
        LegendEntry("recommended", "ring"),
        LegendEntry("front: nothing is both cheaper and better", "line"),
        LegendEntry(band.text, "band"),
        *([seeds] if any(p.role == "finalist" for p in front.points) else []),
    ]


def band_of(front: Front) -> Band:
    """What the confirmation could usually prove; before one, the noise of a training."""
    if front.confirmed and math.isfinite(front.provable):
        small = "usually too small for this confirmation to prove"
        return Band(front.provable, f"within {front.quality.size(front.provable)}: {small}")
    return Band(front.sigma, f"within {front.quality.size(front.sigma)}: seed noise of a single training")

"""The card at the head of the page: which placement, where it has SE, what it gains and costs, and what to type."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.report.network_drawing import NetworkDrawing, network_drawing
from search.report.next_steps import NextStep
from search.report.tables import gain_text, verdict_text
from search.report.verdict_styles import css_class
from search.report.wording import percent
from search.results.answer import NO
from search.results.point import Point
from search.results.result import Front
from search.state.records import Entry
from senet_nas.costs.measures import LATENCY, Measure
from spaces.spec import Site
from spaces.text import interval


@dataclass(frozen=True)
class CardFigure:
    """One line of the card: a name, the figure that counts, and what stands beside it in a paler ink."""

    name: str
    value: str
    beside: str = ""


@dataclass(frozen=True)
class AnswerCard:
    """The placement that the page is about: the recommended one, or if that is plain, one that is likely better."""

    heading: str
    id: str
    label: str
    verdict: str
    css_class: str
    drawing: NetworkDrawing | None
    figures: tuple[CardFigure, ...]
    steps: tuple[NextStep, ...]


def answer_card(front: Front, entries: Sequence[Entry], sites: Sequence[Site], steps: Sequence[NextStep]) -> AnswerCard:
    """The card of a result. ``entries`` are the run's, by number."""
    point = subject(front)
    blocks = entries[point.number].architecture
    return AnswerCard(
        heading=_heading(front, point),
        id=point.id,
        label="your network without SE" if point.is_plain else point.label,
        verdict=verdict_text(point),
        css_class=css_class(point.verdict),
        drawing=network_drawing(blocks, sites) if blocks.blocks else None,
        figures=card_figures(front),
        steps=tuple(steps),
    )


def subject(front: Front) -> Point:
    """What the answer is about: the recommended placement, or if nothing is decided the one that is likely better."""
    best = front[front.recommended]
    if best.is_plain and front.likely is not None and front.answer.kind != NO:
        return front[front.likely]
    return best


def card_figures(front: Front) -> tuple[CardFigure, ...]:
    """What the placement that the answer is about gains and costs."""
    return tuple(_figures(front, subject(front)))


def _heading(front: Front, point: Point) -> str:
    if point.id != front.recommended:
        return "Most promising, not proven"
    if point.is_plain and front.answer.kind != NO:
        return "Take home for now"
    return "Take home"


def _figures(front: Front, point: Point) -> list[CardFigure]:
    metric = front.quality
    level = f"{100 * front.rules.level:.0f} % interval"
    if point.is_plain:
        gain = CardFigure("gain", "0", _rival(front))
    else:
        value, _, ends = gain_text(metric, point).partition(" ")
        gain = CardFigure("gain", f"{value} {metric.gain_unit}".rstrip(), f"{ends}, {level}")
    beside = "on validation images" if point.is_plain else f"plain {metric.shown(front.plain.value)}"
    quality = CardFigure(metric.title, metric.shown(point.value), beside)
    return [gain, quality, *(_cost(point, measure) for measure in _costs(front))]


def _costs(front: Front) -> list[Measure]:
    """The costs that the run knows; and latency in any case, because a reader looks for it."""
    has_time = any(not measure.is_counted for measure in front.measures)
    return front.measures if has_time else [*front.measures, LATENCY]


def _rival(front: Front) -> str:
    """What a placement of SE would bring at best, beside plain."""
    others = [point for point in front.points if not point.is_plain]
    if not others:
        return "nothing else has finished"
    best = max(others, key=lambda point: point.gain)
    return f"best placement, {best.id}: {gain_text(front.quality, best)}"


def _cost(point: Point, measure: Measure) -> CardFigure:
    """A cost with its overhead; one that is not known says so."""
    if measure.overhead not in point.costs:
        return CardFigure(measure.title, "not measured", "make it an objective to see it")
    value = f"{measure.shown(point.costs[measure.column])} {'' if measure.is_counted else measure.unit}".rstrip()
    if point.is_plain:
        return CardFigure(measure.title, value)
    over = f"{percent(point.costs[measure.overhead])} over plain"
    low, high = measure.interval
    if low in point.costs:
        over = f"{over} {interval(point.costs[low], point.costs[high])}"
    elif not measure.is_counted:
        over = f"{over}, predicted"
    if point.costs[measure.overhead] == 0:
        over = "as plain"
    return CardFigure(measure.title, value, over)

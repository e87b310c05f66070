"""The page: one HTML file with the answer first, then its evidence, then the method. It needs no network."""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from search.report.answer_card import AnswerCard, answer_card
from search.report.chart import MOST_BESIDE, NARROW, FrontChart, drawn, front_chart, front_charts
from search.report.class_changes import class_changes
from search.report.content import Section, Table
from search.report.curves_section import curves_section
from search.report.explaining_sections import (
    classes_section,
    effects_section,
    gradients_section,
    logged_section,
    test_section,
)
from search.report.footnotes import Footnotes, with_code
from search.report.growth import Growth, growth
from search.report.heat_map import HeatMap, heat_map
from search.report.image_changes import ConfusionTable, Gallery, confusion_table, gallery
from search.report.int8_section import int8_section
from search.report.latency_tables import latency_sections
from search.report.next_steps import NextStep, home_steps
from search.report.seeds import SeedFigure, seed_figure
from search.report.tables import points_table
from search.report.training_curves import TrainingCurves, training_curves
from search.report.training_tables import cost_section, trainings_table
from search.report.unbroken import kept_together
from search.report.verdict_styles import VERDICT_STYLES, VerdictStyle, css_class
from search.results.answer import NO
from search.results.result import Front
from search.state.facts import Facts
from search.state.records import Entry, Training
from spaces.text import plural

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Page:
    """What the templates draw; a part that is None or empty is left out. ``progress`` is empty for a finished run.

    A drawing with a wide and a narrow form stands on the page twice; a screen shows the one that fits.
    """

    front: Front
    about: str
    heading: str
    lead: str
    card: AnswerCard
    progress: str
    charts: list[FrontChart]
    narrow: FrontChart
    drawn: int
    points: Table
    effects: Section | None
    int8: Section | None
    seeds: tuple[SeedFigure, SeedFigure] | None
    test: Section | None
    growth: Growth | None
    heat_map: HeatMap | None
    latency: list[Section]
    gradients: Section | None
    logged: Section | None
    curves: Section | None
    classes: Section | None
    confusions: ConfusionTable | None
    gallery: Gallery | None
    training: TrainingCurves | None
    cost: Section
    trainings: Table
    n_trainings: int
    origin: Mapping[str, str]
    config: str
    footnotes: Footnotes
    styles: Mapping[str, VerdictStyle]


def html(
    front: Front,
    trainings: Sequence[Training],
    entries: Sequence[Entry],
    facts: Facts,
    progress: str = "",
    *,
    steps: Sequence[NextStep] = (),
) -> str:
    """The whole page. Only its own script may run: the security policy names it by its hash.

    ``steps`` are what a reader may want to do next; without any, the page says how to take the network home.
    """
    from markupsafe import Markup

    style = _file("page.css")
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _page(front, trainings, entries, facts, progress, steps or home_steps(front))
    # These two files are part of the program; everything else is escaped.
    own = {"style": Markup(style), "script": Markup(script)}
    return kept_together(_templates().get_template("page.html").render(page=page, digest=digest, **own))


@cache
def _templates() -> "Environment":
    """The templates, which escape every value and fail on a name that the page lacks."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("search.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    return environment


@cache
def _file(name: str) -> str:
    return resources.files("search.report").joinpath(name).read_text("utf-8")


def _page(
    front: Front,
    trainings: Sequence[Training],
    entries: Sequence[Entry],
    facts: Facts,
    progress: str,
    steps: Sequence[NextStep],
) -> Page:
    sites = facts.sites or ()
    charts = front_charts(front)
    return Page(
        front=front,
        about=_about(trainings, entries, facts),
        heading=front.quality.title[:1].upper() + front.quality.title[1:],
        lead=_lead(front),
        card=answer_card(front, entries, sites, steps),
        progress=progress,
        charts=charts,
        narrow=front_chart(front, charts[0].column, NARROW, MOST_BESIDE),
        drawn=len(drawn(front)),
        points=points_table(front),
        effects=effects_section(front),
        seeds=_seeds(front, trainings),
        test=test_section(front),
        growth=growth(front, facts.history or ()),
        heat_map=heat_map(front, entries, [(site.name, site.stage) for site in sites]),
        latency=latency_sections(front, facts.timed),
        int8=int8_section(front),
        gradients=gradients_section(front, entries),
        logged=logged_section(front),
        curves=curves_section(front, trainings, entries, sites, facts.folds),
        classes=class_changes(front, trainings, facts) or classes_section(front),
        confusions=confusion_table(front, facts),
        gallery=gallery(front, facts),
        training=training_curves(front, trainings, entries),
        cost=cost_section(trainings, facts.gpus or ()),
        trainings=trainings_table(front.quality, trainings, entries, facts.gpus or ()),
        n_trainings=len(trainings),
        origin=_origin(front, facts),
        config=facts.config or "",
        footnotes=Footnotes(),
        styles={css_class(verdict): style for verdict, style in VERDICT_STYLES.items()},
    )


def _about(trainings: Sequence[Training], entries: Sequence[Entry], facts: Facts) -> str:
    """Which network was searched on what, in a line."""
    finished = sum(training.state == "finished" for training in trainings)
    parts = [entries[0].architecture.backbone, plural(finished, "training")]
    if facts.data and facts.data.validation:
        parts.append(f"{facts.data.validation:,} validation images")
    return ", ".join(parts)


def _lead(front: Front) -> str:
    """The evidence in a sentence: what pays; or where nothing is worth it or clear, how good the best placement was."""
    best = max((p for p in front.points if not p.is_plain), key=lambda p: p.gain, default=None)
    if front.statements and front.answer.kind != NO:
        return front.statements[0]
    if best is None:
        return "No placement of SE has finished a training."
    gain = front.quality.gain(best.gain, best.gain_low, best.gain_high)
    return f"The best placement that was tried, {best.id} ({best.label}), gains {gain}."


def _seeds(front: Front, trainings: Sequence[Training]) -> tuple[SeedFigure, SeedFigure] | None:
    wide, narrow = seed_figure(front, trainings), seed_figure(front, trainings, narrow=True)
    return None if wide is None or narrow is None else (wide, narrow)


def _origin(front: Front, facts: Facts) -> dict[str, str]:
    """What the result was made with, item by item."""
    data = facts.data
    space = facts.space
    versions = facts.versions or {}
    sizes = f"{data.train} train, {data.validation} validation, {data.test} test" if data else "results of a table"
    sigma = f"{front.quality.size(front.sigma)}{front.quality.named}"
    items = {
        "Command": "senet-search run config.yaml (the file below)",
        "Versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "Machine": f"{facts.machine or ''}; trained on {facts.device or ''}",
        "Data": f"{sizes}; fingerprint {data.fingerprint}" if data else sizes,
        "Caution": "; ".join(data.notes) if data else "",
        "Space": f"{space.size} different placements ({space.nominal} with duplicates)" if space else "?",
        "Time": f"{facts.seconds or 0:.0f} s of searching in all sessions",
        "Noise": f"sigma {sigma} between trainings of one architecture with the same initial weights",
        "Written": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
    }
    return {name: text for name, text in items.items() if text or name != "Caution"}

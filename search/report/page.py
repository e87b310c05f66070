"""The page: one HTML file with the verdict first, then its evidence, then how to repeat it. It needs no network."""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from search.report.chart import FrontChart, drawn, front_charts
from search.report.content import Section, Table
from search.report.curves_section import curves_section
from search.report.growth import Growth, growth
from search.report.heat_map import HeatMap, heat_map
from search.report.next_steps import take_home
from search.report.seeds import SeedFigure, seed_figure
from search.report.tables import (
    classes_section,
    effects_section,
    gradients_section,
    latency_section,
    logged_section,
    points_table,
    test_section,
)
from search.report.training_tables import cost_section, trainings_table
from search.results.point import Point
from search.results.result import Front
from search.state.facts import Facts
from search.state.records import Entry, Training

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Page:
    """What the templates draw; a part that is None or empty is left out. ``progress`` is empty for a finished run."""

    front: Front
    heading: str
    best: Point
    likely: Point | None
    take_home: str
    progress: str
    charts: list[FrontChart]
    drawn: int
    points: Table
    effects: Section | None
    seeds: SeedFigure | None
    test: Section | None
    growth: Growth | None
    heat_map: HeatMap | None
    latency: Section | None
    gradients: Section | None
    logged: Section | None
    curves: Section | None
    classes: Section | None
    cost: Section
    trainings: Table
    n_trainings: int
    origin: Mapping[str, str]
    config: str


def html(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Facts, progress: str = ""
) -> str:
    """The whole page. Only its own script may run: the security policy names it by its hash."""
    from markupsafe import Markup

    style = _file("page.css")
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _page(front, trainings, entries, facts, progress)
    # These two files are part of the program; everything else is escaped.
    own = {"style": Markup(style), "script": Markup(script)}
    return _templates().get_template("page.html").render(page=page, digest=digest, **own)


@cache
def _templates() -> "Environment":
    """The templates, which escape every value and fail on a name that the page lacks."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("search.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> str:
    return resources.files("search.report").joinpath(name).read_text("utf-8")


def _page(front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Facts, progress: str) -> Page:
    return Page(
        front=front,
        heading=front.quality.title[:1].upper() + front.quality.title[1:],
        best=front[front.recommended],
        likely=_likely(front),
        take_home=take_home(front),
        progress=progress,
        charts=front_charts(front),
        drawn=len(drawn(front)),
        points=points_table(front),
        effects=effects_section(front),
        seeds=seed_figure(front, trainings),
        test=test_section(front),
        growth=growth(front, facts.history or ()),
        heat_map=heat_map(front, entries, [(site.name, site.stage) for site in facts.sites or ()]),
        latency=latency_section(front, facts.latency_model),
        gradients=gradients_section(front, entries),
        logged=logged_section(front),
        curves=curves_section(front, trainings, entries, facts.sites or ()),
        classes=classes_section(front),
        cost=cost_section(trainings),
        trainings=trainings_table(front.quality, trainings, entries),
        n_trainings=len(trainings),
        origin=_origin(front, facts),
        config=facts.config or "",
    )


def _likely(front: Front) -> Point | None:
    """The likely one, to be exported beside plain. Weights are kept only of what a confirmation trained again."""
    if front.likely is None or front[front.likely].role != "finalist":
        return None
    return front[front.likely]


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

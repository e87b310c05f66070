"""The charts as PNG, for places that show no page: matplotlib draws the same descriptions as the page."""

import io
import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from search.report.chart import FRAME, PALE, Axis, ChartPoint, FrontChart, front_charts
from search.report.chart_legend import LegendEntry
from search.report.fronts_chart import FrontLine, FrontsChart, fronts_chart
from search.report.name_placement import Name
from search.results.result import Front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# At this many dots per inch a point of matplotlib is a pixel of the frame; the file has more of them.
DPI = 72
DPI_OF_FILE = 110
# Pixels above the frame for the title, and below it for the legend.
TITLE = 44
LEGEND = 66
HEIGHT = TITLE + FRAME.height + LEGEND
INK = "#222222"
BAND = "#e9edf1"
RING = "#d1495b"
TEXT = 11


def front_png(front: Front) -> bytes:
    """Gain over plain against the first overhead, with intervals, names and a legend; the verdict is the title."""
    return _png(figure(front))


def fronts_png(fronts: Sequence[Front]) -> bytes:
    """The fronts of several runs, each over its own plain network, with the intervals of their members."""
    return _png(fronts_figure(fronts))


def figure(front: Front) -> "Figure":
    """The picture of a front as a matplotlib figure."""
    chart = front_charts(front)[0]
    made, axes = _framed(_title(front), chart.x, chart.y)
    _draw_band(axes, chart)
    for style, is_pale in dict.fromkeys((point.verdict, point.is_pale) for point in chart.points):
        _draw_points(axes, chart, [p for p in chart.points if (p.verdict, p.is_pale) == (style, is_pale)])
    _draw_seeds(axes, chart)
    _draw_staircase(axes, chart.staircase, chart.x.scale.high, color=INK, linewidth=1.3)
    _draw_rings(axes, [(chart.shown_cost(point), point.gain) for point in chart.points if point.is_recommended])
    for name in chart.names:
        _draw_name(made, name)
    _draw_legend(made, [(_handle(entry), entry.text) for entry in chart.legend if entry.kind])
    return made


def fronts_figure(fronts: Sequence[Front]) -> "Figure":
    """The picture of several fronts as a matplotlib figure."""
    from matplotlib.lines import Line2D

    chart: FrontsChart = fronts_chart(fronts)
    made, axes = _framed(chart.title, chart.x, chart.y)
    handles: list[tuple[Any, str]] = []
    for number, line in enumerate(chart.lines):
        colour = f"C{number}"
        _draw_front(axes, line, chart.x.scale.high, colour)
        handles.append((Line2D([], [], color=colour, ls=line.dash, marker=line.marker), line.run))
    _draw_rings(axes, [line.best for line in chart.lines])
    _draw_legend(made, [*handles, (_handle(LegendEntry("recommended", "ring")), "recommended")])
    return made


def _title(front: Front) -> str:
    """The answer; before it, that trainings were too short. The page and the terminal say more."""
    is_short = front.insights is not None and front.insights.steep is not None
    return f"The trainings were too short. {front.headline}" if is_short else front.verdict


# -- parts of both pictures -------------------------------------------------------------------------------------------


def _png(made: "Figure") -> bytes:
    out = io.BytesIO()
    made.savefig(out, format="png", dpi=DPI_OF_FILE, metadata={"Software": "senet-search"})
    return out.getvalue()


def _framed(title: str, x: Axis, y: Axis) -> tuple["Figure", "Axes"]:
    """A figure whose axes cover the frame of the chart, pixel for pixel."""
    # Matplotlib refuses to load with a backend that it does not know; a picture in a file needs none of the user's.
    os.environ["MPLBACKEND"] = "agg"
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(FRAME.width / DPI, HEIGHT / DPI), dpi=DPI)
    FigureCanvasAgg(made)
    inner_width = FRAME.inner_right - FRAME.left
    inner_height = FRAME.inner_bottom - FRAME.top
    corner = (FRAME.left / FRAME.width, (LEGEND + FRAME.bottom) / HEIGHT)
    axes = made.add_axes((*corner, inner_width / FRAME.width, inner_height / HEIGHT))
    axes.set_xlim(x.scale.low, x.scale.high)
    axes.set_ylim(y.scale.low, y.scale.high)
    axes.set_xticks([value for value, _ in x.ticks], [text for _, text in x.ticks])
    axes.set_yticks([value for value, _ in y.ticks], [text for _, text in y.ticks])
    axes.set_xlabel(x.label, fontsize=TEXT)
    axes.set_ylabel(y.label, fontsize=TEXT)
    axes.yaxis.set_label_coords((14 - FRAME.left) / inner_width, 0.5)
    axes.tick_params(labelsize=TEXT, color="#88888855", labelcolor="#555555")
    axes.grid(color="#88888833")
    axes.set_axisbelow(True)
    axes.axhline(0, color=INK, linewidth=1, zorder=1)
    axes.spines[:].set_visible(False)
    made.text(0.01, 1 - 8 / HEIGHT, "\n".join(textwrap.wrap(title, 110)), fontsize=TEXT + 2, va="top")
    return made, axes


def _draw_staircase(axes: "Axes", steps: Sequence[tuple[float, float]], end: float, **style: Any) -> None:
    """A step at each corner; the last one reaches to the end, as more cost brings no more gain."""
    if steps:
        x = [*(cost for cost, _ in steps), end]
        y = [*(gain for _, gain in steps), steps[-1][1]]
        axes.plot(x, y, drawstyle="steps-post", zorder=2, **style)


def _draw_rings(axes: "Axes", places: Sequence[tuple[float, float]]) -> None:
    x, y = zip(*places, strict=True)
    axes.plot(x, y, "o", markersize=26, markerfacecolor="none", markeredgecolor=RING, markeredgewidth=2.5, zorder=5)


def _draw_legend(made: "Figure", entries: Sequence[tuple[Any, str]]) -> None:
    handles, texts = zip(*entries, strict=True)
    fitting = 150 // (max(len(text) for text in texts) + 6)
    made.legend(
        handles,
        texts,
        loc="upper left",
        bbox_to_anchor=(0.0, LEGEND / HEIGHT),
        ncols=min(4, max(1, fitting)),
        fontsize=TEXT - 1,
        frameon=False,
    )


# -- one front --------------------------------------------------------------------------------------------------------


def _draw_band(axes: "Axes", chart: FrontChart) -> None:
    axes.axhspan(-chart.band.height, chart.band.height, color=BAND, zorder=0)


def _draw_points(axes: "Axes", chart: FrontChart, points: Sequence[ChartPoint]) -> None:
    """Points of one verdict, all pale or none. As on the page, pale ones have no interval until somebody asks."""
    style = points[0].style
    if points[0].is_pale:
        _draw_pale(axes, chart, points)
        return
    # The mean of a skewed posterior may lie outside its interval; a bar never points inwards.
    below = [max(0.0, p.gain - p.low) for p in points]
    above = [max(0.0, p.high - p.gain) for p in points]
    axes.errorbar(
        [chart.shown_cost(p) for p in points],
        [p.gain for p in points],
        yerr=[below, above],
        fmt=style.marker,
        color=style.colour,
        markerfacecolor=style.filling,
        markersize=_marker_size(style.marker),
        ecolor="#555555",
        elinewidth=1,
        zorder=4,
    )


def _draw_pale(axes: "Axes", chart: FrontChart, points: Sequence[ChartPoint]) -> None:
    style = points[0].style
    axes.plot(
        [chart.shown_cost(p) for p in points],
        [p.gain for p in points],
        style.marker,
        color=style.colour,
        markerfacecolor=style.filling,
        markersize=_marker_size(style.marker),
        alpha=PALE,
        zorder=3,
    )


def _marker_size(marker: str) -> int:
    return 17 if marker == "*" else 11


def _draw_seeds(axes: "Axes", chart: FrontChart) -> None:
    y = chart.y.scale
    retrained = [point for point in chart.points if point.is_retrained]
    seeds = [(chart.shown_cost(p), gain) for p in retrained for gain in p.seeds if y.contains(gain)]
    axes.scatter([cost for cost, _ in seeds], [gain for _, gain in seeds], s=12, color="#333333", alpha=0.55, zorder=4)


def _draw_name(made: "Figure", name: Name) -> None:
    """At its pixel of the frame, which lies below the title."""
    place = (name.x + name.dx) / FRAME.width, 1 - (TITLE + name.y + name.dy) / HEIGHT
    made.axes[0].annotate(name.text, place, xycoords="figure fraction", fontsize=TEXT, fontweight="bold", zorder=6)


def _handle(entry: LegendEntry) -> Any:
    """What stands beside the text of a legend's entry."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if entry.kind == "band":
        return Patch(color=BAND)
    if entry.kind == "line":
        return Line2D([], [], color=INK, linewidth=1.3)
    if entry.kind == "ring":
        return Line2D([], [], linestyle="", marker="o", markersize=14, markerfacecolor="none", markeredgecolor=RING)
    if entry.kind == "seed":
        return Line2D([], [], linestyle="", marker="o", markersize=3.5, color="#333333", alpha=0.55)
    style = entry.style
    size = _marker_size(style.marker) - 2
    handle = Line2D([], [], linestyle="", marker=style.marker, markersize=size, color=style.colour)
    handle.set_markerfacecolor(style.filling)
    return handle


# -- several fronts ---------------------------------------------------------------------------------------------------


def _draw_front(axes: "Axes", line: FrontLine, end: float, colour: str) -> None:
    _draw_staircase(axes, line.staircase, end, color=colour, linestyle=line.dash, linewidth=1.4)
    x = [cost for cost, _, _, _ in line.members]
    y = [gain for _, gain, _, _ in line.members]
    below = [max(0.0, gain - low) for _, gain, low, _ in line.members]
    above = [max(0.0, high - gain) for _, gain, _, high in line.members]
    axes.plot(x, y, line.marker, color=colour, zorder=4)
    axes.errorbar(x, y, yerr=[below, above], fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6)
    pale_x = [cost for cost, _ in line.others]
    pale_y = [gain for _, gain in line.others]
    axes.plot(pale_x, pale_y, line.marker, color=colour, alpha=0.3, markersize=4)

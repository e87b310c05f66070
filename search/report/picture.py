"""The picture of a front, for places that show no page: drawn by matplotlib."""

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.report.verdict_styles import LOOKS
from search.results.result import Front, Point
from senet_nas.costs.measures import USUAL, of_overhead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def front_png(front: Front) -> bytes:
    """Gain over plain with its interval against the first overhead; the front as a line, the recommended ringed."""
    out = io.BytesIO()
    figure(front).savefig(out, format="png", dpi=150, metadata={"Software": "senet-search"})
    return out.getvalue()


def figure(front: Front) -> "Figure":
    """The picture as a matplotlib figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(8, 5), dpi=72, layout="constrained")  # at this dpi a pixel is a point
    FigureCanvasAgg(made)
    axes = made.add_subplot()
    _draw(axes, front)
    made.draw_without_rendering()  # settles the layout, so that labels know where they may stand
    _label(axes, front)
    return made


def _draw(axes: "Axes", front: Front) -> None:
    cost = front.costs[0]
    band, what = (front.provable, "smaller than this confirmation can prove") if front.confirmed else (
        front.sigma, "seed noise of a single training")  # fmt: skip
    axes.axhspan(-band, band, color="#eef1f4", zorder=0, label=f"within {band:.2f} points: {what}")
    axes.axhline(0, color="#222222", linewidth=0.8, zorder=1)
    for verdict in LOOKS:
        for on_front in (True, False):
            points = [p for p in front.points if p.verdict == verdict and p.on_front is on_front]
            if points:
                _scatter(axes, points, cost, verdict, alpha=1.0 if on_front else 0.5)
    axes.plot([p.costs[cost] for p in front.members], [p.gain for p in front.members], color="#222222", linewidth=1.2,
              zorder=2, label="front (paler: behind it)", drawstyle="steps-post")  # fmt: skip
    best = front[front.recommended]
    axes.scatter([best.costs[cost]], [best.gain], s=260, facecolors="none", edgecolors="#d1495b", linewidths=2,
                 zorder=5, label="recommended")  # fmt: skip
    axes.set_xlabel(f"{of_overhead(cost).title} over plain, percent")
    axes.set_ylabel(f"gain over plain, points ({100 * front.rules.level:.0f} % intervals)")
    axes.set_title("\n".join(textwrap.wrap(front.verdict, 88)), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.06)
    handles, names = axes.get_legend_handles_labels()
    shown = dict(zip(reversed(names), reversed(handles), strict=True))  # of each name the first, which is not pale
    axes.figure.legend(shown.values(), shown, fontsize=8, frameon=False, loc="outside lower center", ncols=4)


def _scatter(axes: "Axes", points: Sequence[Point], cost: str, verdict: str, *, alpha: float) -> None:
    marker, colour, filling = LOOKS[verdict]
    x, y = [p.costs[cost] for p in points], [p.gain for p in points]
    # The mean of a skewed posterior may lie outside its interval; a bar is never drawn inside out.
    spread = [[max(0.0, p.gain - p.gain_low) for p in points], [max(0.0, p.gain_high - p.gain) for p in points]]
    size = 12 if marker == "*" else 7
    axes.errorbar(x, y, yerr=spread, fmt=marker, color=colour, markerfacecolor=filling, markersize=size, elinewidth=0.8,
                  alpha=alpha, zorder=3, label=verdict)  # fmt: skip


def _label(axes: "Axes", front: Front) -> None:
    """Names the recommended, the finalists and the front, where a name hides neither another point nor its name."""
    from matplotlib.transforms import Bbox

    cost, frame = front.costs[0], axes.get_window_extent()
    finalists = [p for p in front.points if p.role == "finalist"]
    at = {p.id: (p.costs[cost], p.gain) for p in front.points}
    spots = dict(zip(at, axes.transData.transform(list(at.values())), strict=True))
    taken = {name: [Bbox.from_bounds(x - 6, y - 9, 12, 18)] for name, (x, y) in spots.items()}
    for name in dict.fromkeys([front.recommended, *(p.id for p in (*finalists, *front.members))]):
        others = [box for other, boxes in taken.items() if other != name for box in boxes]
        (x, y), width = spots[name], 6 * len(name)
        for dx, dy in ((7, 5), (-7 - width, 5), (7, -13), (-7 - width, -13), (-width / 2, 11), (-width / 2, -20)):
            box = Bbox.from_bounds(x + dx, y + dy, width, 9)
            if frame.contains(*box.min) and frame.contains(*box.max) and not box.count_overlaps(others):
                axes.annotate(name, at[name], xytext=(dx, dy), textcoords="offset points", fontsize=9)
                taken[name].append(box)
                break


# -- several fronts ---------------------------------------------------------------------------------------------------


def fronts_png(fronts: Sequence[Front]) -> bytes:
    """The fronts of several runs, each over its own plain network, with the intervals of their members."""
    out = io.BytesIO()
    fronts_figure(fronts).savefig(out, format="png", dpi=150, metadata={"Software": "senet-search"})
    return out.getvalue()


def fronts_figure(fronts: Sequence[Front]) -> "Figure":
    """The picture as a matplotlib figure; the axis is the first overhead of the first run that all of them know."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(8, 5), dpi=72, layout="constrained")
    FigureCanvasAgg(made)
    axes = made.add_subplot()
    cost = next(cost for cost in (*fronts[0].costs, USUAL.overhead) if all(_knows(front, cost) for front in fronts))
    end = max(point.costs[cost] for front in fronts for point in front.points)
    axes.axhline(0, color="#222222", linewidth=0.8, zorder=1)
    for number, front in enumerate(fronts):
        _draw_front(axes, front, cost, end, number)
    best = [front[front.recommended] for front in fronts]
    x, y = [point.costs[cost] for point in best], [point.gain for point in best]
    axes.scatter(x, y, s=200, facecolors="none", edgecolors="#d1495b", linewidths=2, label="recommended")
    axes.set_xlabel(f"{of_overhead(cost).title} over plain, percent")
    axes.set_ylabel("gain over the plain network of the same run, points")
    axes.set_title("Fronts with their intervals; pale: behind the front", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    made.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=4)
    return made


def _knows(front: Front, cost: str) -> bool:
    return all(cost in point.costs for point in front.points)


def _draw_front(axes: "Axes", front: Front, cost: str, end: float, number: int) -> None:
    members = sorted(front.members, key=lambda p: p.costs[cost])
    x, y = [p.costs[cost] for p in members], [p.gain for p in members]
    spread = [[max(0.0, p.gain - p.gain_low) for p in members], [max(0.0, p.gain_high - p.gain) for p in members]]
    # Colour, marker and dash differ, so that the picture also reads in grey.
    marker, dash = "osv^D*"[number % 6], ("-", "--", ":", "-.")[number % 4]
    (line,) = axes.plot(x, y, dash, drawstyle="steps-post", linewidth=1.4, marker=marker, label=front.run)
    colour = line.get_color()
    axes.plot([x[-1], end], [y[-1], y[-1]], dash, linewidth=1.4, color=colour)  # what costs more brings no more
    axes.errorbar(x, y, yerr=spread, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6)
    rest = [p for p in front.points if not p.on_front]
    axes.plot([p.costs[cost] for p in rest], [p.gain for p in rest], marker, color=colour, alpha=0.3, markersize=4)

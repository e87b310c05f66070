"""The front as a drawing in the page (SVG): error bars, seeds, noise band; every point can be hovered over and reached by
the keyboard. The drawing needs no script; the script only links it with the table."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from search.report.tables import escape
from search.report.verdict_styles import LOOKS
from search.results.result import Front, Point
from senet_nas.costs.measures import MEASURES, of_overhead

WIDTH, HEIGHT = 860, 430
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 16, 44
# Of more points than this the drawing shows those that matter.
MOST = 600
# Names nearer to each other than this (in pixels) would overlap.
_NAME = 26


@dataclass(frozen=True)
class Scale:
    """A linear map from [low, high] to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """About six round numbers within."""
        raw = (self.high - self.low) / 6
        power = 10 ** math.floor(math.log10(raw))
        step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw)
        first = math.ceil(self.low / step)
        return [round(i * step, 10) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def charts(front: Front) -> str:
    """A drawing against the first overhead of the objectives, and against every other one behind a fold."""
    columns = dict.fromkeys([*front.costs, *(measure.overhead for measure in MEASURES.values())])
    known = [column for column in columns if all(column in p.costs for p in front.points)]
    first, *others = known
    folded = "".join(
        f"<details><summary>The same against {of_overhead(column).title}</summary>{chart(front, column)}</details>"
        for column in others
    )
    drawn, n = len(_drawn(front)), len(front.points)
    note = f"<p>{drawn:,} of {n:,} architectures are drawn: the front and who may gain most.</p>" if drawn < n else ""
    said = '<p class="said" aria-hidden="true">Point at a placement, or walk over them with Tab and the arrow keys.</p>'
    return (
        f"<h2>Accuracy against overhead</h2><figure>{chart(front, first)}{said}{_legend(front)}</figure>{note}{folded}"
    )


def chart(front: Front, column: str) -> str:
    """Gain over plain in points against an overhead in percent."""
    x, y = _scales(front, column)
    order = sorted(_drawn(front), key=lambda p: (p.on_front, p.role == "finalist"))  # what matters lies on top
    parts = [
        *_band(front, x, y),
        *_frame(x, y, column, front),
        _staircase(front.members, column, x, y),
        *(_point(front, p, column, x, y) for p in order),
        *_names(front, column, x, y),
    ]
    label = escape(_alt(front, column))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{label}">{"".join(parts)}</svg>'


def _drawn(front: Front) -> list[Point]:
    """What the drawing shows: all, or of thousands the front, what was confirmed, the baselines, and who may gain most."""
    if len(front.points) <= MOST:
        return list(front.points)
    named = {p.id: p for p in front.points if p.is_plain or p.on_front or p.role in ("finalist", "baseline")}
    rest = sorted((p for p in front.points if p.id not in named), key=lambda p: -p.gain_high)
    return [*named.values(), *rest[: max(0, MOST - len(named))]]


def _scales(front: Front, column: str) -> tuple[Scale, Scale]:
    costs = [p.costs[column] for p in front.points]
    gains = [value for p in front.points for value in (p.gain_low, p.gain_high, p.gain)]
    gains += [-_noise(front), _noise(front)]
    left, right = _padded(min(costs), max(costs))
    low, high = _padded(min(gains), max(gains))
    return Scale(left, right, LEFT, WIDTH - RIGHT), Scale(low, high, HEIGHT - BOTTOM, TOP)


def signed(value: float) -> str:
    """+0.2, -0.2, and 0."""
    return f"{value:+g}" if value else "0"


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _noise(front: Front) -> float:
    return front.provable if front.confirmed and math.isfinite(front.provable) else front.sigma


def _frame(x: Scale, y: Scale, column: str, front: Front) -> Iterable[str]:
    bottom = HEIGHT - BOTTOM
    for value in x.ticks():
        yield f'<line class="grid" x1="{x(value)}" x2="{x(value)}" y1="{TOP}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x(value)}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
    for value in y.ticks():
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{signed(value)}</text>'
    yield f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{of_overhead(column).title} over plain, percent</text>'
    middle = (TOP + bottom) / 2
    said = f"gain over plain, points ({100 * front.rules.level:.0f} % intervals)"
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{said}</text>'


def _band(front: Front, x: Scale, y: Scale) -> Iterable[str]:
    noise = _noise(front)
    what = "smaller than this confirmation can prove" if front.confirmed else "seed noise of a single training"
    height = round(y(-noise) - y(noise), 1)
    yield (
        f'<rect class="band" x="{LEFT}" y="{y(noise)}" width="{WIDTH - RIGHT - LEFT}" height="{height}">'
        f"<title>within {noise:.2f} points: {what}</title></rect>"
    )
    yield f'<line class="zero" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(0)}" y2="{y(0)}"/>'


def _staircase(members: Sequence[Point], column: str, x: Scale, y: Scale) -> str:
    """What is reached with at most so much overhead: a step at each member of the front."""
    at = sorted((p.costs[column], p.gain) for p in members)
    steps: list[str] = []
    best = -math.inf
    for cost, gain in at:
        if gain > best:
            steps.append(f"H{x(cost)}V{y(gain)}" if steps else f"M{x(cost)} {y(gain)}")
            best = gain
    return f'<path class="staircase" d="{"".join(steps)}H{WIDTH - RIGHT}"/>' if steps else ""


def _point(front: Front, point: Point, column: str, x: Scale, y: Scale) -> str:
    at, gain = x(point.costs[column]), y(point.gain)
    kinds = ["point", *(["member"] if point.on_front else []), *(["finalist"] if point.role == "finalist" else [])]
    seeds = "".join(
        f'<circle class="seed" cx="{at}" cy="{y(value)}" r="2"/>'
        for value in seed_gains(front, point).values()
        if y.low <= value <= y.high
    )
    ring = f'<circle class="ring" cx="{at}" cy="{gain}" r="13"/>' if point.id == front.recommended else ""
    bar = f'<line class="bar" x1="{at}" x2="{at}" y1="{y(point.gain_low)}" y2="{y(point.gain_high)}"/>'
    shape = _shape(point.verdict, at, gain)
    said = escape(_said(point, column))
    return (
        f'<g class="{" ".join(kinds)}" data-id="{escape(point.id)}" tabindex="0" role="img">'
        f"<title>{said}</title>{bar}{seeds}{shape}{ring}</g>"
    )


def seed_gains(front: Front, point: Point) -> dict[str, float]:
    """By seed, its accuracy over the mean of plain in its block: trainings of a block move together."""
    plain: dict[str, list[float]] = {}
    for seed, value in front.plain.seeds.items():
        plain.setdefault(seed.split(".")[0], []).append(value)
    levels = {block: sum(values) / len(values) for block, values in plain.items()}
    blocks = {seed: seed.split(".")[0] for seed in point.seeds}
    return {seed: value - levels[blocks[seed]] for seed, value in point.seeds.items() if blocks[seed] in levels}


def _said(point: Point, column: str) -> str:
    if point.is_plain:
        return f"{point.id}, plain: {point.val_accuracy:.2f} %, {point.n_seeds} trainings"
    seeds = ", ".join(f"{value:.2f}" for value in point.seeds.values())
    return (
        f"{point.id}, {point.words} ({point.verdict})\n{point.gain:+.2f} points [{point.gain_low:+.2f}, "
        f"{point.gain_high:+.2f}], {of_overhead(column).title} {point.costs[column]:+.2f} %\nseeds: {seeds} %"
    )


def _shape(verdict: str, at: float, gain: float) -> str:
    marker, colour, filling = LOOKS[verdict]
    return SHAPES[marker](at, gain, f'stroke="{colour}" fill="{filling}"')


def _polygon(corners: Iterable[tuple[float, float]]) -> Callable[[float, float, str], str]:
    outline = tuple(corners)

    def draw(x: float, y: float, paint: str) -> str:
        return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in outline)}" {paint}/>'

    return draw


def _circle(x: float, y: float, paint: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="5.5" stroke-width="1.5" {paint}/>'


_STAR = [
    (r * math.sin(math.pi * k / 5), -r * math.cos(math.pi * k / 5))
    for k in range(10)
    for r in [9.5 if k % 2 == 0 else 4]
]
SHAPES: dict[str, Callable[[float, float, str], str]] = {
    "o": _circle,
    "s": _polygon([(-5, -5), (5, -5), (5, 5), (-5, 5)]),
    "v": _polygon([(-6, -5), (6, -5), (0, 6)]),
    "*": _polygon(_STAR),
}


def _names(front: Front, column: str, x: Scale, y: Scale) -> Iterable[str]:
    """Names beside the recommended, the finalists and the front, where they do not hide each other."""
    taken: list[tuple[float, float]] = []
    named = [front[front.recommended], *(p for p in front.points if p.role == "finalist"), *front.members]
    for point in dict.fromkeys(p.id for p in named):
        at, gain = x(front[point].costs[column]), y(front[point].gain)
        if all(abs(at - ax) > _NAME or abs(gain - ay) > _NAME / 2 for ax, ay in taken):
            taken.append((at, gain))
            yield f'<text class="name" x="{at + 9}" y="{gain - 8}">{escape(point)}</text>'


def _legend(front: Front) -> str:
    items = []
    for verdict in dict.fromkeys(p.verdict for p in front.points):
        items.append(f'<span><svg viewBox="-11 -11 22 22">{_shape(verdict, 0, 0)}</svg>{escape(verdict)}</span>')
    band = "provable by this confirmation" if front.confirmed else "the noise of one training"
    extra = (
        '<span><svg viewBox="-11 -11 22 22"><circle class="ring" r="9"/></svg>recommended</span>'
        f'<span><svg viewBox="-11 -11 22 22"><rect class="band" x="-10" y="-6" width="20" height="12"/></svg>less than {band}</span>'
        "<span>small dots: single seeds over plain in their block; pale: behind the front</span>"
    )
    return f'<figcaption class="legend">{"".join(items)}{extra}</figcaption>'


def _alt(front: Front, column: str) -> str:
    said = [f"{p.words}: {p.gain:+.2f} points at {p.costs[column]:+.2f} %" for p in front.members]
    return f"Gain over plain against {of_overhead(column).title}. On the front: {'; '.join(said)}"

"""The seeds behind each gain, as a drawing: whether it is there in all of them, or in a lucky one."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist

from search.report.chart import RIGHT, WIDTH, Scale, seed_gains, signed
from search.report.tables import escape
from search.results.result import Front, Point
from search.state.records import Training

# Pixels: where the drawing begins right of the words, what a row takes, and what the axis does.
LEFT, ROW, AXIS = 330, 24, 34
ROWS, LETTERS = 16, 46
# Where the front and the finalists are fewer, others fill up to so many rows, the most promising ones.
LEAST = 6


def section(front: Front, trainings: Sequence[Training]) -> str:
    """A row of dots for plain, the finalists, the front, and who else is promising; nothing where only plain was trained."""
    shown = _shown(front)
    if len(shown) < 2:
        return ""
    fresh = {(f"a{t.architecture}", str(t.seed)) for t in trainings if t.role == "confirm"}
    return (
        f"<h2>Is the gain real?</h2><p>{escape(_luck(front))}</p><figure>{_svg(front, shown, fresh)}<figcaption>"
        "Each dot is a training, over the mean of plain in its block (trainings that share their initial weights). Filled: a "
        f"fresh seed of the confirmation; hollow: a seed that the search drew itself. The bar is the estimate with its "
        f"{100 * front.rules.level:.0f} % interval.</figcaption></figure>"
    )


def _shown(front: Front) -> list[Point]:
    named = [front.plain, front[front.recommended], *(p for p in front.points if p.role == "finalist"), *front.members]
    chosen = list({point.id: point for point in named}.values())[:ROWS]
    rest = sorted((p for p in front.points if p.id not in {c.id for c in chosen}), key=lambda p: -p.gain)
    return chosen + rest[: max(0, LEAST - len(chosen))]


def _luck(front: Front) -> str:
    """How lucky the luckiest of so many trainings is expected to be where no placement does anything (Blom 1958)."""
    tried = [gain for point in front.points if not point.is_plain for gain in seed_gains(front, point).values()]
    n = len(tried)
    if n < 2:
        return "Too few trainings to say what luck alone would do."
    luck = front.sigma * NormalDist().inv_cdf((n - 0.375) / (n + 0.25))
    return (
        f"The luckiest of {n} trainings with SE lies {max(tried):+.2f} points over plain. Were SE without any effect, it would be "
        f"expected at {luck:+.2f}: that is why estimates are shrunk, and finalists trained again."
    )


def _svg(front: Front, shown: Sequence[Point], fresh: set[tuple[str, str]]) -> str:
    gains = {point.id: seed_gains(front, point) for point in shown}
    ends = [
        0.0,
        *(end for p in shown for end in (p.gain_low, p.gain_high)),
        *(g for own in gains.values() for g in own.values()),
    ]
    room = 0.05 * (max(ends) - min(ends)) or 0.1
    x, height = Scale(min(ends) - room, max(ends) + room, LEFT, WIDTH - RIGHT), ROW * len(shown) + AXIS
    rows = (_row(point, gains[point.id], fresh, x, ROW * i + ROW / 2) for i, point in enumerate(shown))
    parts = "".join([*_axis(x, height), *rows])
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="group" aria-label="The seeds behind each gain">{parts}</svg>'


def _axis(x: Scale, height: int) -> Iterable[str]:
    bottom = height - AXIS
    for value in x.ticks():
        kind = "grid" if value else "zero"
        yield f'<line class="{kind}" x1="{x(value)}" x2="{x(value)}" y1="0" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x(value)}" y="{bottom + 14}" text-anchor="middle">{signed(value)}</text>'
    yield f'<text x="{(LEFT + WIDTH) / 2}" y="{height - 4}" text-anchor="middle">points over plain</text>'


def _row(point: Point, gains: Mapping[str, float], fresh: set[tuple[str, str]], x: Scale, y: float) -> str:
    words = point.words if len(point.words) <= LETTERS else point.words[: LETTERS - 3] + "..."
    dots = "".join(
        f'<circle class="{"fresh" if (point.id, seed) in fresh else "drawn"}" cx="{x(gain)}" cy="{y}" r="3.5"/>'
        for seed, gain in gains.items()
    )
    bar = (
        "" if point.is_plain
        else f'<path class="bar" d="M{x(point.gain_low)} {y}H{x(point.gain_high)}"/><path class="estimate" d="M{x(point.gain)} {y - 6}V{y + 6}"/>'
    )  # fmt: skip
    said = f"{point.id}, {point.words}: {', '.join(f'{gain:+.2f}' for gain in gains.values())}"
    return (
        f'<g role="img" aria-label="{escape(said)}"><title>{escape(said)}</title>'
        f'<text x="4" y="{y + 4}">{escape(point.id)} {escape(words)}</text>{bar}{dots}</g>'
    )

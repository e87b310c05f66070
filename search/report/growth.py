"""How the front grew with the trainings, as a drawing: the posterior's hypervolume with its interval."""

from collections.abc import Iterable, Mapping, Sequence

from search.report.chart import BOTTOM, LEFT, RIGHT, WIDTH, Scale, signed
from search.report.tables import escape
from search.results.result import Front

HEIGHT, TOP = 220, 12
Step = Mapping[str, float]
_NOTHING = "At no time did the posterior put any placement above plain, so there is no curve to draw."


def drawing(front: Front, steps: Sequence[Step]) -> str:
    """A figure with a sentence on whether more trainings would help; nothing where there are no two steps."""
    if len(steps) < 2:
        return ""
    if not any(step["low"] or step["high"] for step in steps):
        return f"<h2>Would more trainings help?</h2><p>{escape(_words(front, steps[-1]))} {_NOTHING}</p>"
    return (
        f"<h2>Would more trainings help?</h2><figure>{_svg(steps)}<figcaption>{escape(_words(front, steps[-1]))} "
        "The curve is what following the front would earn at an overhead budget drawn uniformly (hypervolume over plain), as "
        "the posterior after so many trainings saw it, with its interval; it may fall, where early luck did not last."
        "</figcaption></figure>"
    )


def _words(front: Front, last: Step) -> str:
    now = f"After {last['trainings']:.0f} trainings: {last['hypervolume']:+.2f} points [{last['low']:+.2f}, {last['high']:+.2f}]."
    if front.insights is None:
        return now
    return f"{now} {front.insights.progress.words}"


def _svg(steps: Sequence[Step]) -> str:
    values = [step[name] for step in steps for name in ("low", "high")]
    room = 0.05 * (max(values) - min(values)) or 0.1
    x = Scale(steps[0]["trainings"], steps[-1]["trainings"], LEFT, WIDTH - RIGHT)
    y = Scale(min(*values, 0.0) - room, max(*values, 0.0) + room, HEIGHT - BOTTOM, TOP)
    upper = " ".join(f"{x(s['trainings'])},{y(s['high'])}" for s in steps)
    lower = " ".join(f"{x(s['trainings'])},{y(s['low'])}" for s in reversed(steps))
    line = " ".join(f"{x(s['trainings'])},{y(s['hypervolume'])}" for s in steps)
    last = steps[-1]
    label = f"Hypervolume after each number of trainings; at the end {last['hypervolume']:+.2f} points"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(_frame(x, y))}'
        f'<polygon class="band" points="{upper} {lower}"/><polyline class="staircase" points="{line}"/></svg>'
    )


def _frame(x: Scale, y: Scale) -> Iterable[str]:
    bottom = HEIGHT - BOTTOM
    for value in x.ticks():
        yield f'<text class="tick" x="{x(value)}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
    for value in y.ticks():
        kind = "grid" if value else "zero"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{signed(value)}</text>'
    yield f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">trainings</text>'
    middle = (TOP + bottom) / 2
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">points over plain</text>'

"""A network as an SVG drawing: a row of units for each stage, each with its branches and the position of its SE."""

from collections.abc import Iterator
from html import escape

from senet_nas.costs.breakdown import Shown, Unit, amount
from senet_nas.costs.measures import USUAL, counted

COLOURS = {
    "pre_addition": "#0b6e4f",
    "post_addition": "#b5452c",
    "pre_unit": "#3d5a99",
    "identity": "#7a4d8b",
    "mid": "#8a6d1a",
    "output": "#44606b",
}
# The grid, in pixels: units in a row, width of a unit, height of a row, the margins, and the height of a line of sums.
# The rows begin below the title, which takes TOP, and the sums.
PER_ROW = 8
UNIT = 108
ROW = 104
LEFT = 92
TOP = 46
SUM = 16
NARROWEST = 720
# Inside a unit, in pixels from its top left corner: where SE acts, the two boxes of the residual branch, the centre of
# the addition, and the heights of the branch and of the shortcut.
SPOTS = {
    "pre_unit": (14, 46),
    "mid": (42, 46),
    "pre_addition": (72, 46),
    "post_addition": (100, 46),
    "identity": (42, 20),
    "output": (88, 46),
}
BOXES = ((23, 33), (51, 61))
ADDITION = 86
LINE = 46
ARC = 20
LONGEST = 80  # letters of a title; a longer title is replaced by the number of units with SE
STYLE = """text { font: 11px system-ui, sans-serif; fill: #222 } .title { font-size: 15px; font-weight: 600 }
.pale { fill: #5b6670 } .flow { fill: none; stroke: #7b8794; stroke-width: 1.4 } .box { fill: #e9edf1; stroke: #7b8794 }
.stage { font-weight: 600; font-size: 13px }"""


def svg(shown: Shown) -> str:
    """The drawing as a document of its own: with its size, its style and a white background, without script."""
    rows = [
        (stage, units[start : start + PER_ROW], start)
        for stage, units in shown.stages
        for start in range(0, len(units), PER_ROW)
    ]
    width = max(LEFT + UNIT * min(PER_ROW, max(len(units) for _, units in shown.stages)) + 16, NARROWEST)
    first = TOP + SUM * len(shown.sums)
    bottom = first + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 54}" '
        f'viewBox="0 0 {width} {bottom + 54}" role="img"><title>{escape(shown.words)}</title><style>{STYLE}</style>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(16, 26, f"{shown.architecture.partition('/')[0]}: {_title(shown)}", "title"),
        *(_text(16, 44 + SUM * i, line, "pale") for i, line in enumerate(shown.sums)),
    ]
    for row, (stage, units, start) in enumerate(rows):
        top = first + ROW * row
        if start == 0:
            parts += _stage(stage, dict(shown.stages)[stage], top)
        for column, unit in enumerate(units):
            parts += _unit(unit, LEFT + UNIT * column, top)
    parts += _legend(shown, bottom + 18)
    return "\n".join([*parts, "</svg>", ""])


def _title(shown: Shown) -> str:
    return shown.words if len(shown.words) <= LONGEST else shown.used


def _stage(stage: int, units: list[Unit], top: int) -> Iterator[str]:
    cost = sum(unit.usual for unit in units)
    yield _text(16, top + 42, f"stage {stage}", "stage")
    yield _text(16, top + 57, f"SE +{short(cost)}" if cost else "no SE", "pale")


def _unit(unit: Unit, left: int, top: int) -> Iterator[str]:
    """The unit: its branch on the line, its shortcut above, and its SE in the colour of the position."""
    y = top + LINE
    yield f'<path class="flow" d="M{left} {y}H{left + UNIT}"/>'
    if "identity" in unit.positions:
        yield f'<path class="flow" d="M{left + 5} {y}V{top + ARC}H{left + ADDITION}V{y - 5}"/>'
        yield f'<circle class="box" cx="{left + ADDITION}" cy="{y}" r="5"/>'
        yield f'<path class="flow" d="M{left + ADDITION - 3} {y}h6m-3 -3v6"/>'
    for start, end in BOXES:
        yield f'<rect class="box" x="{left + start}" y="{y - 8}" width="{end - start}" height="16" rx="2"/>'
    yield _text(left + 5, top + 12, unit.name, "pale")
    if unit.se is not None:
        x, dy = SPOTS[unit.se.position]
        costs = ", ".join(amount(measure, unit.costs[measure.column]) for measure in counted())
        yield (
            f'<rect x="{left + x - 6}" y="{top + dy - 9}" width="12" height="18" rx="4" '
            f'fill="{COLOURS[unit.se.position]}"><title>{escape(str(unit.se))} on {unit.channels} channels: '
            f"{escape(costs)}</title></rect>"
        )
        for line, text in enumerate([*unit.labels, f"+{short(unit.usual)}"]):
            yield _text(left + 5, top + 68 + 13 * line, text, "pale" if text[0] == "+" else "")


def _legend(shown: Shown, y: int) -> Iterator[str]:
    """The positions of SE in the drawing, and what the other marks mean."""
    x = 16
    for position in dict.fromkeys(unit.se.position for unit in shown.units if unit.se):
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="14" rx="3" fill="{COLOURS[position]}"/>'
        yield _text(x + 16, y + 2, position, "")
        x += 40 + 7 * len(position)
    marks = f"grey: the unit's own layers, the line above them its shortcut; +: {USUAL.title} of SE"
    yield _text(16, y + 22, marks, "pale")


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def short(number: int) -> str:
    """The number in short: 12,345 as ``12.3k``."""
    if number >= 1e6:
        return f"{number / 1e6:.2f}M"
    if number >= 1000:
        return f"{number / 1e3:.1f}k"
    return str(number)

"""The tables of the page, each from what the ledger holds."""

import html as escaping
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from search.results.result import Front, Point
from search.state import failures
from search.state.records import Entry, Training
from senet_nas.costs.measures import Measure
from spaces.architecture import Architecture
from spaces.errors import UserError

# More rows of a table than this are not shown: with 10,000 trainings the page would have 5 MB.
MOST_ROWS = 1000
# A class for the row, and its cells.
Row = tuple[str, Sequence[object]]
# What stands right-aligned: numbers, intervals, and the dash of those that have none.
_NUMBER = re.compile(r"[-+~]?[\d.,]+([eE][-+]?\d+)?( ?[^\w]*\[.*\])?|-|\[.*\]|")


class Markup(str):
    """A cell that is markup already: the only text that is not escaped."""


def ordered(front: Front) -> list[Point]:
    """Plain, the front from the cheapest on, then all others by their estimate."""
    rest = sorted((p for p in front.points if not p.on_front and not p.is_plain), key=lambda p: -p.gain)
    return [front.plain, *(p for p in front.members if not p.is_plain), *rest]


def row(point: Point, front: Front) -> list[str]:
    """One architecture in cells: id, words, accuracy, gain, seeds, the overhead of every counted cost, verdict."""
    gain = "-" if point.is_plain else f"{point.gain:+.2f} [{point.gain_low:+.2f}, {point.gain_high:+.2f}]"
    mark = " (recommended)" if point.id == front.recommended else ""
    verdict = point.verdict if point.allowed else f"{point.verdict}, over a limit"
    return [
        point.id + mark, point.words, f"{point.val_accuracy:.2f}", gain, str(point.n_seeds),
        *(f"{point.costs[measure.overhead]:+.2f}" for measure in exact(front)), verdict,
    ]  # fmt: skip


def exact(front: Front) -> list[Measure]:
    """The counted costs that a run knows: those of the tables. What was timed has a table of its own."""
    return [measure for measure in front.measures if measure.is_counted]


def points(front: Front) -> str:
    """All architectures, the front in bold."""
    head = ("id", "SE placement", "validation accuracy, %", f"gain over plain, points [{100 * front.rules.level:.0f} %]",
            "seeds", *(f"{measure.title} over plain, %" for measure in exact(front)), "verdict", "each seed, %")  # fmt: skip
    rows = []
    for point in ordered(front):
        cells = [*row(point, front), ", ".join(f"{value:.2f}" for value in point.seeds.values())]
        cells[3] = cells[3].replace(" ", "\u00a0")  # an interval stays on one line
        rows.append(("front" if point.on_front else "", cells))
    note = "Estimates average over seeds, shrunk towards each other as the noise demands. Bold rows are the front."
    written = table("Points of the run, the front first", head, rows)
    return f'<section class="points"><h2>Architectures</h2><p>{note}</p>{written}</section>'


def contrasts(front: Front) -> str:
    """Which stage, position, width and squeeze pays: provable long before single architectures are."""
    if front.insights is None or not front.insights.contrasts:
        return ""
    level, found = front.rules.level, front.insights.contrasts
    reach = max(abs(end) for c in found for end in (c.low, c.high)) or 1.0
    rows: list[Row] = [
        (
            "",
            [
                f"{c.factor} {c.level}",
                f"{c.gain:+.2f}",
                f"[{c.low:+.2f}, {c.high:+.2f}]",
                _interval(c.gain, c.low, c.high, reach),
                f"{100 * c.p_gain:.0f}",
                c.verdict(level),
            ],
        )
        for c in found
    ]
    note = ("Other things equal: SE in a stage against none there; every other level against the average of its rivals. "
            "Likely, not proven.")  # fmt: skip
    head = ("what", "gain, points", f"[{100 * level:.0f} %]", f"from -{reach:.2f} to +{reach:.2f}",
            "chance that it gains, %", "likely")  # fmt: skip
    return f"<h2>What pays</h2><p>{note}</p>" + table("Effects of single factors", head, rows)


def _interval(value: float, low: float, high: float, reach: float) -> Markup:
    """A drawing of an interval around 0; the numbers stand beside it, so it says nothing to a screen reader."""
    at = {name: round(80 + 75 * x / reach, 1) for name, x in (("low", low), ("value", value), ("high", high))}
    return Markup(
        '<svg class="interval" viewBox="0 0 160 14" aria-hidden="true"><path class="grid" d="M80 0V14"/>'
        f'<path class="bar" d="M{at["low"]} 7H{at["high"]}"/><circle cx="{at["value"]}" cy="7" r="3.5"/></svg>'
    )


def latency(front: Front, facts: Mapping[str, Any]) -> str:
    """Time over plain, where it was an objective: measured for what is reported, predicted for all others."""
    about = facts.get("latency_model")
    if about is None:
        return ""
    rows: list[Row] = []
    for point in ordered(front):
        if point.latency_overhead is not None:
            interval = (
                "predicted" if point.latency_low is None else f"[{point.latency_low:+.2f}, {point.latency_high:+.2f}]"
            )
            over = "-" if point.is_plain else f"{point.latency_overhead:+.2f}"
            cells = [point.id, point.words, f"{point.latency_ms:.3g}", over, "" if point.is_plain else interval]
            rows.append(("front" if point.on_front else "", cells))
    where = ", ".join(f"{key} {value}" for key, value in about["measured_on"].items())
    note = (
        f"Measured on {where}. Predictions err by {about['error']:.2f} % on average on architectures left out "
        f"(n = {about['n']}, rank correlation {about['tau']:.2f}); what has an interval was timed alone beside plain, "
        "after the search: in turns, both networks made anew for each round, the median of the rounds' ratios."
    )
    head = ("id", "SE placement", "ms", "over plain, %", "[95 %]")
    return f"<h2>Latency</h2><p>{escape(note)}</p>" + table("Time of a forward pass", head, rows)


def test_set(front: Front) -> str:
    """What the one look at the test set found; nothing where there was none."""
    if not front.test:
        return ""
    rows: list[Row] = []
    for name, found in front.test["results"].items():
        values = [result["accuracy"] for result in found]
        mean, each = f"{sum(values) / len(values):.2f}", ", ".join(f"{value:.2f}" for value in values)
        rows.append(("", [name, front[name].words, mean, each]))
    head = ("id", "SE placement", "test accuracy, %", "each fresh seed, %")
    when = f"The test set was read once, after the search, on {escape(front.test['read'])}."
    return f"<h2>Test set</h2><p>{when}</p>" + table(
        "Test accuracy of the recommended and the plain network", head, rows
    )


def gradients(front: Front) -> str:
    """Gradient norm at the first convolution by position: whether SE after the addition starves the first layers."""
    plain = front.plain.logged.get("grad_norm")
    groups: dict[str, list[float]] = {}
    for point in front.points:
        if plain and not point.is_plain and "grad_norm" in point.logged:
            groups.setdefault(_positions(point), []).append(point.logged["grad_norm"] / plain)
    if not groups:
        return ""
    rows = [
        ("", [name, str(len(found)), f"{sum(found) / len(found):.2f}", f"{min(found):.2f} to {max(found):.2f}"])
        for name, found in sorted(groups.items())
    ]
    note = ("The L2 norm of the gradient at the first convolution in the last epoch, as a multiple of the plain "
            "network's. SE after the addition gates the trunk itself: if it starves the first layers, this shows it.")  # fmt: skip
    head = ("position of SE", "architectures", "mean ratio to plain", "from, to")
    return f"<h2>Gradient at the first layer</h2><p>{note}</p>" + table("Gradient norm by position", head, rows)


def _positions(point: Point) -> str:
    try:
        blocks = Architecture.parse(point.architecture).blocks
    except UserError:
        return "of another kind"  # a table may hold networks that are not ours
    return " and ".join(sorted({se.position for se in blocks if se is not None}))


def logged(front: Front) -> str:
    """Means of what the trainings logged besides accuracy."""
    shown = [p for p in ordered(front) if p.logged]
    if not shown:
        return ""
    names = ("grad_norm", "gate_mean", "gate_saturation", "val_log_loss", "train_loss", "train_seconds")
    head = ("id", "SE placement", "gradient norm at the first convolution", "mean gate", "saturated gates, share",
            "validation log-loss", "training loss", "seconds")  # fmt: skip
    rows = [("", [p.id, p.words, *(f"{p.logged[n]:.3g}" if n in p.logged else "-" for n in names)]) for p in shown]
    note = "Means over seeds at the last epoch. A gate is saturated below 0.05 and above 0.95."
    return f"<h2>What the trainings logged</h2><p>{note}</p>" + table("Logged values by architecture", head, rows)


def cost(trainings: Sequence[Training]) -> str:
    """What the search took, by the reason why something was trained, and what failed of what."""
    rows: list[Row] = []
    for role in dict.fromkeys(t.role for t in trainings):
        mine = [t for t in trainings if t.role == role]
        seconds = [t.metrics["train_seconds"] for t in mine if "train_seconds" in t.metrics]
        mean = f"{sum(seconds) / len(seconds):.1f}" if seconds else "-"
        rows.append(("", [role, str(len(mine)), str(len(seconds)), f"{sum(seconds):.0f}", mean]))
    head = ("role", "trainings", "finished", "seconds in all", "seconds each")
    failed = Counter(t.reason for t in trainings if t.state == "failed")
    each = (f"{count} {reason} ({failures.kind(reason).remedy})" for reason, count in failed.items())
    said = f"Failed: {'; '.join(each)}." if failed else "No training failed."
    return f"<h2>What it took</h2><p>{escape(said)}</p>" + table("Trainings and their time", head, rows)


def all_trainings(trainings: Sequence[Training], entries: Sequence[Entry]) -> str:
    """Every training in the order of the ledger, behind a fold: there may be hundreds."""
    rows: list[Row] = []
    for t in trainings:
        accuracy = f"{t.metrics['val_accuracy']:.2f}" if "val_accuracy" in t.metrics else "-"
        seconds = f"{t.metrics['train_seconds']:.1f}" if "train_seconds" in t.metrics else "-"
        why = f"{t.state}: {t.reason}" if t.reason else t.state
        what = entries[t.architecture]
        rows.append(("", [t.name, what.name, what.label, str(t.seed), t.role, why, accuracy, seconds]))
    head = ("training", "id", "SE placement", "seed", "role", "state", "validation accuracy, %", "seconds")
    return (
        f"<h2>Trainings</h2><details><summary>All {len(trainings)} trainings</summary>"
        + table("All trainings, in order", head, rows)
        + "</details>"
    )


def heat_map(front: Front, sites: Sequence[tuple[str, int]]) -> str:
    """Where the members of the front have SE: a row for each, a column for each site (name, stage)."""
    members = [p for p in front.members if not p.is_plain]
    try:
        blocks = {p.id: Architecture.parse(p.architecture).blocks for p in members}
    except UserError:
        return ""  # a table may hold networks that are not ours
    if not members or not all(len(found) == len(sites) for found in blocks.values()):
        return ""
    rows = [_heat_row(p.id, blocks[p.id]) for p in members]
    share = [sum(found[i] is not None for found in blocks.values()) / len(members) for i in range(len(sites))]
    rows.append(
        '<tr><th scope="row">share</th>'
        + "".join(f'<td style="--share:{100 * s:.0f}%">{100 * s:.0f}</td>' for s in share)
        + "</tr>"
    )
    head = "".join(f'<th scope="col" title="stage {stage}">{escape(name)}</th>' for name, stage in sites)
    legend = ", ".join(f"<b>{letter}</b> {position}" for position, letter in _LETTERS.items())
    caption = "Members of the front, the cheapest first; the last row is the percentage of members with SE there"
    return (
        f"<h2>Where SE sits on the front</h2><p>{legend}. Hover over a cell for the whole block.</p>"
        f'<div class="wide"><table class="heat"><caption>{caption}</caption>'
        f'<thead><tr><th scope="col">id</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _heat_row(name: str, blocks: Sequence[object]) -> str:
    cells = []
    for se in blocks:
        position = getattr(se, "position", "")
        cells.append(
            f'<td class="{position}" title="{escape(se)}">{_LETTERS.get(position, "")}</td>' if se else "<td></td>"
        )
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>'


_LETTERS = {
    "pre_addition": "A", "post_addition": "P", "pre_unit": "U", "identity": "I", "mid": "M", "output": "O",
}  # fmt: skip


def table(caption: str, head: Sequence[str], rows: Sequence[Row]) -> str:
    """A table that a screen reader can follow, numbers to the right; every cell is escaped."""
    columns = zip(*(cells for _, cells in rows), strict=True)
    kinds = [' class="n"' if all(_NUMBER.fullmatch(str(cell)) for cell in column) else "" for column in columns]
    kinds = kinds or [""] * len(head)
    top = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for cell, kind in zip(head, kinds, strict=True))
    lines = []
    caption, rows = _few(caption, rows)
    for kind, cells in rows:
        first, *rest = (escape(cell) for cell in cells)
        attribute = f' class="{kind}"' if kind else ""
        others = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(rest, kinds[1:], strict=True))
        lines.append(f'<tr{attribute}><th scope="row">{first}</th>{others}</tr>')
    body = f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="sortable">{body}</table></div>'


def _few(caption: str, rows: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    """Of thousands the first and the last: a page must open at once. All of them are in the ledger."""
    if len(rows) <= MOST_ROWS:
        return caption, rows
    half = MOST_ROWS // 2
    return f"{caption}; the first and the last {half:,} of {len(rows):,}", [*rows[:half], *rows[-half:]]


def definitions(items: Mapping[str, object]) -> str:
    """A list of names and what they stand for."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in items.items()) + "</dl>"


def escape(text: object) -> str:
    if isinstance(text, Markup):
        return text
    if isinstance(text, float) and not math.isfinite(text):
        return "-"
    return escaping.escape(str(text))

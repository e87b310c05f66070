"""The result for people: one offline HTML page, a picture, tables. Everything is made from the ledger."""

import base64
import html as escaping
import io
import math
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.front import Front, Point
from search.ledger import Entry, Training
from spaces import durable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Verdict: marker, colour and filling, so that the picture also reads in grey.
_LOOK = {
    "plain": ("s", "#222222", "#222222"), "proven": ("*", "#0b6e4f", "#0b6e4f"), "likely": ("o", "#2a9d8f", "#2a9d8f"),
    "open": ("o", "#7b8794", "white"), "likely worse": ("v", "#c8553d", "#c8553d"),
}  # fmt: skip
_COSTS = {"params_overhead": "parameters", "macs_overhead": "MACs"}
Row = Sequence[object]


def write(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Mapping[str, Any], folder: Path
) -> None:
    """Writes report.html, front.png, front.csv and front.json, each as a whole or not at all."""
    picture = front_png(front)
    files = {
        "front.png": picture,
        "front.csv": front.to_csv().encode(),
        "front.json": front.to_json().encode(),
        "report.html": html(front, trainings, entries, facts, picture).encode(),
    }
    for name, content in files.items():
        durable.write(folder / name, content)


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


def markdown(front: Front) -> str:
    """Verdict and table for places that read markdown."""
    rows = [_row(point, front) for point in _ordered(front)[:12]]
    head = ["id", "SE placement", "accuracy %", f"gain, points [{100 * front.rules.level:.0f} %]", "seeds",
            "parameters, %", "MACs, %", "verdict"]  # fmt: skip
    table = [head, ["---"] * len(head), *rows]
    lines = ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in table]
    take = f"Take it home: `senet-search export {front.run} --to DIR`"
    return "\n".join([f"**{front.verdict}**", "", front.rule, "", front.power, "", *lines, "", take])


def html(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Mapping[str, Any], picture: bytes
) -> str:
    """The whole page. It needs no network and runs no script."""
    image = base64.b64encode(picture).decode()
    best = front[front.recommended]
    body = [
        f"<h1>{_e(front.run)}: where SE goes</h1>",
        f'<p class="verdict">{_e(front.verdict)}</p>',
        f"<p><b>Take home: {_e(best.id)}, {_e(best.words)}</b> "
        f"(<code>senet-search export {_e(front.run)} --to DIR</code>).</p>",
        f"<p>{_e(front.rule)}</p><p>{_e(front.power)}</p>",
        f'<figure><img alt="{_e(_alt(front))}" src="data:image/png;base64,{image}"></figure>',
        _points_table(front),
        _test_table(front),
        _logged_table(front),
        _trainings_table(trainings, entries),
        _reproduce(front, facts),
        _LIMITS,
    ]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_e(front.run)}: senet-search</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><main>\n" + "\n".join(part for part in body if part) + "\n</main></body></html>\n"
    )


# -- picture ----------------------------------------------------------------------------------------------------------


def _draw(axes: "Axes", front: Front) -> None:
    cost = front.costs[0]
    band, what = (front.provable, "smaller than this confirmation can prove") if front.confirmed else (
        front.sigma, "seed noise of a single training")  # fmt: skip
    axes.axhspan(-band, band, color="#eef1f4", zorder=0, label=f"within {band:.2f} points: {what}")
    axes.axhline(0, color="#222222", linewidth=0.8, zorder=1)
    for verdict in _LOOK:
        for on_front in (True, False):
            points = [p for p in front.points if p.verdict == verdict and p.on_front is on_front]
            if points:
                _scatter(axes, points, cost, verdict, alpha=1.0 if on_front else 0.5)
    axes.plot([getattr(p, cost) for p in front.members], [p.gain for p in front.members], color="#222222", linewidth=1.2,
              zorder=2, label="front (paler: behind it)", drawstyle="steps-post")  # fmt: skip
    best = front[front.recommended]
    axes.scatter([getattr(best, cost)], [best.gain], s=260, facecolors="none", edgecolors="#d1495b", linewidths=2,
                 zorder=5, label="recommended")  # fmt: skip
    axes.set_xlabel(f"{_COSTS.get(cost, cost)} over plain, percent")
    axes.set_ylabel(f"gain over plain, points ({100 * front.rules.level:.0f} % intervals)")
    axes.set_title("\n".join(textwrap.wrap(front.verdict, 88)), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.06)
    handles, names = axes.get_legend_handles_labels()
    shown = dict(zip(reversed(names), reversed(handles), strict=True))  # of each name the first, which is not pale
    axes.figure.legend(shown.values(), shown, fontsize=8, frameon=False, loc="outside lower center", ncols=4)


def _scatter(axes: "Axes", points: Sequence[Point], cost: str, verdict: str, *, alpha: float) -> None:
    marker, colour, filling = _LOOK[verdict]
    x, y = [getattr(p, cost) for p in points], [p.gain for p in points]
    # The mean of a skewed posterior may lie outside its interval; a bar is never drawn inside out.
    spread = [[max(0.0, p.gain - p.gain_low) for p in points], [max(0.0, p.gain_high - p.gain) for p in points]]
    size = 12 if marker == "*" else 7
    axes.errorbar(x, y, yerr=spread, fmt=marker, color=colour, markerfacecolor=filling, markersize=size, elinewidth=0.8,
                  alpha=alpha, zorder=3, label=verdict)  # fmt: skip


def _label(axes: "Axes", front: Front) -> None:
    """Names the recommended, the finalists and the front, where a name hides neither another point nor its name."""
    from matplotlib.transforms import Bbox

    cost, frame = front.costs[0], axes.get_window_extent()
    at = {p.id: (getattr(p, cost), p.gain) for p in front.points}
    spots = dict(zip(at, axes.transData.transform(list(at.values())), strict=True))
    taken = {name: [Bbox.from_bounds(x - 6, y - 9, 12, 18)] for name, (x, y) in spots.items()}
    for name in dict.fromkeys([front.recommended, *(p.id for p in (*_finalists(front), *front.members))]):
        others = [box for other, boxes in taken.items() if other != name for box in boxes]
        (x, y), width = spots[name], 6 * len(name)
        for dx, dy in ((7, 5), (-7 - width, 5), (7, -13), (-7 - width, -13), (-width / 2, 11), (-width / 2, -20)):
            box = Bbox.from_bounds(x + dx, y + dy, width, 9)
            if frame.contains(*box.min) and frame.contains(*box.max) and not box.count_overlaps(others):
                axes.annotate(name, at[name], xytext=(dx, dy), textcoords="offset points", fontsize=9)
                taken[name].append(box)
                break


def _alt(front: Front) -> str:
    said = [f"{p.words}: {p.gain:+.2f} points at {getattr(p, front.costs[0]):+.2f} %" for p in front.members]
    return f"Gain over plain against overhead. On the front: {'; '.join(said)}"


# -- tables -----------------------------------------------------------------------------------------------------------


def _finalists(front: Front) -> list[Point]:
    return [p for p in front.points if p.role == "finalist"]


def _ordered(front: Front) -> list[Point]:
    """Plain, the front from the cheapest on, then all others by their estimate."""
    rest = sorted((p for p in front.points if not p.on_front and not p.is_plain), key=lambda p: -p.gain)
    return [front.plain, *(p for p in front.members if not p.is_plain), *rest]


def _row(point: Point, front: Front) -> list[str]:
    gain = "-" if point.is_plain else f"{point.gain:+.2f} [{point.gain_low:+.2f}, {point.gain_high:+.2f}]"
    mark = " (recommended)" if point.id == front.recommended else ""
    verdict = point.verdict if point.allowed else f"{point.verdict}, over a limit"
    return [
        point.id + mark, point.words, f"{point.val_accuracy:.2f}", gain, str(point.n_seeds),
        f"{point.params_overhead:+.2f}", f"{point.macs_overhead:+.2f}", verdict,
    ]  # fmt: skip


def _points_table(front: Front) -> str:
    head = ("id", "SE placement", "validation accuracy, %", f"gain over plain, points [{100 * front.rules.level:.0f} %]",
            "seeds", "parameters over plain, %", "MACs over plain, %", "verdict", "each seed, %")  # fmt: skip
    rows = []
    for point in _ordered(front):
        cells = [*_row(point, front), ", ".join(f"{value:.2f}" for value in point.seeds.values())]
        cells[3] = cells[3].replace(" ", "\u00a0")  # an interval stays on one line
        rows.append(("front" if point.on_front else "", cells))
    note = "Estimates average over seeds, shrunk towards each other as the noise demands. Bold rows are the front."
    return f"<h2>Architectures</h2><p>{note}</p>" + _table("Points of the run, the front first", head, rows)


def _test_table(front: Front) -> str:
    if not front.test:
        return ""
    rows: list[tuple[str, Row]] = []
    for name, found in front.test["results"].items():
        values = [row["accuracy"] for row in found]
        mean, each = f"{sum(values) / len(values):.2f}", ", ".join(f"{value:.2f}" for value in values)
        rows.append(("", [name, front[name].words, mean, each]))
    head = ("id", "SE placement", "test accuracy, %", "each fresh seed, %")
    when = f"The test set was read once, after the search, on {_e(front.test['read'])}."
    return f"<h2>Test set</h2><p>{when}</p>" + _table(
        "Test accuracy of the recommended and the plain network", head, rows
    )


def _logged_table(front: Front) -> str:
    points = [p for p in _ordered(front) if p.logged]
    if not points:
        return ""
    names = ("grad_norm", "gate_mean", "gate_saturation", "val_log_loss", "train_loss", "train_seconds")
    head = ("id", "SE placement", "gradient norm at the first convolution", "mean gate", "saturated gates, share",
            "validation log-loss", "training loss", "seconds")  # fmt: skip
    rows = [("", [p.id, p.words, *(f"{p.logged[n]:.3g}" if n in p.logged else "-" for n in names)]) for p in points]
    note = ("Means over seeds at the last epoch. SE after the addition gates the trunk itself; if it starves the first "
            "layers of gradient, the first column shows it.")  # fmt: skip
    return f"<h2>What the trainings logged</h2><p>{note}</p>" + _table("Logged values by architecture", head, rows)


def _trainings_table(trainings: Sequence[Training], entries: Sequence[Entry]) -> str:
    failed = Counter(t.reason for t in trainings if t.state == "failed")
    said = f"Failed: {', '.join(f'{n} {reason}' for reason, n in failed.items())}." if failed else "None failed."
    rows = []
    for t in trainings:
        accuracy = f"{t.metrics['val_accuracy']:.2f}" if "val_accuracy" in t.metrics else "-"
        seconds = f"{t.metrics['train_seconds']:.1f}" if "train_seconds" in t.metrics else "-"
        why = f"{t.state}: {t.reason}" if t.reason else t.state
        what = entries[t.architecture]
        rows.append(("", [t.name, what.name, what.words, str(t.seed), t.role, why, accuracy, seconds]))
    head = ("training", "id", "SE placement", "seed", "role", "state", "validation accuracy, %", "seconds")
    return f"<h2>Trainings</h2><p>{len(trainings)} in all. {_e(said)}</p>" + _table(
        "All trainings, in order", head, rows
    )


def _reproduce(front: Front, facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in (facts.get("versions") or {}).items())
    data, space = facts.get("data") or {}, facts.get("space") or {}
    items = [
        ("Command", "senet-search run config.yaml (the file below)"),
        ("Versions", versions),
        ("Machine", f"{facts.get('machine', '')}; trained on {facts.get('device', '')}"),
        ("Data", f"{data.get('train', '?')} train, {data.get('validation', '?')} validation, {data.get('test', '?')} test; "
                 f"fingerprint {data.get('fingerprint', '?')}"),
        ("Space", f"{space.get('size', '?')} distinct architectures of {space.get('nominal', '?')} spellings"),
        ("Time", f"{facts.get('seconds') or 0:.0f} s of searching, all sessions together"),
        ("Noise", f"sigma {front.sigma:.2f} points between trainings of one architecture in one block"),
        ("Written", time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())),
    ]  # fmt: skip
    listed = "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in items)
    return f"<h2>How to reproduce</h2><dl>{listed}</dl><pre>{_e(facts.get('config', ''))}</pre>"


def _table(caption: str, head: Sequence[str], rows: Sequence[tuple[str, Row]]) -> str:
    top = "".join(f'<th scope="col">{_e(cell)}</th>' for cell in head)
    lines = []
    for kind, cells in rows:
        first, *rest = (_e(cell) for cell in cells)
        attribute = f' class="{kind}"' if kind else ""
        lines.append(
            f'<tr{attribute}><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        )
    table = f"<caption>{_e(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table>{table}</table></div>'


def _e(text: object) -> str:
    if isinstance(text, float) and not math.isfinite(text):
        return "-"
    return escaping.escape(str(text))


_LIMITS = """<h2>What this does not say</h2><ul>
<li>It holds for this recipe, this backbone, these data. Under another recipe the order of placements can change.</li>
<li><i>Likely</i> is a statement of the model after the search; <i>proven</i> is said only of finalists that were frozen and
trained again with fresh seeds beside plain (one-sided t-test at 0.05, Holm-corrected over the finalists of the run).</li>
<li>Parameters and MACs say little about time: SE costs more seconds than MACs. MACs are those of convolutions and linear
layers, SE's included.</li></ul>"""
_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:0}main{max-width:80rem;margin:auto;padding:1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.verdict{font-size:1.2rem;font-weight:600;border-left:4px solid;
padding-left:.7rem}img{max-width:100%;background:#fff}figure{margin:1rem 0}.wide{overflow-x:auto}table{border-collapse:collapse;
font-variant-numeric:tabular-nums;font-size:.9rem}caption{text-align:left;font-size:.85rem;opacity:.75;padding:.3rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8884;vertical-align:top}tr.front{font-weight:600}
tbody th{font-weight:inherit}dt{font-weight:600}dd{margin:0 0 .4rem 1rem}pre{overflow-x:auto;
background:#8881;padding:.7rem}@media print{main{max-width:none}.wide{overflow:visible}}
"""

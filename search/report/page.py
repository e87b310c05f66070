"""The page: verdict first, then the drawing, the tables, and how to do it again. It needs no network."""

import base64
import hashlib
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from search.report import chart, growth, seeds, tables
from search.report.tables import escape
from search.results.result import Front
from search.state.records import Entry, Training


def html(front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Mapping[str, Any]) -> str:
    """The whole page. The one script that may run is ours: the policy names it by its hash."""
    style, script = (
        resources.files("search.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    body = [part for part in _parts(front, trainings, entries, facts) if part]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(front.run)}: senet-search</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>\n'
        f"<body><main>\n" + "\n".join(body) + f"\n</main><script>{script}</script></body></html>\n"
    )


def _parts(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Mapping[str, Any]
) -> list[str]:
    sites = [(site["name"], site["stage"]) for site in facts.get("sites") or ()]
    return [
        _verdict(front, facts),
        chart.charts(front),
        tables.points(front),
        tables.contrasts(front),
        seeds.section(front, trainings),
        tables.test_set(front),
        growth.drawing(front, facts.get("history") or ()),
        tables.heat_map(front, sites),
        tables.latency(front, facts),
        tables.gradients(front),
        tables.logged(front),
        tables.cost(trainings),
        tables.all_trainings(trainings, entries),
        _reproduce(front, facts),
        _LIMITS,
    ]


def _verdict(front: Front, facts: Mapping[str, Any]) -> str:
    best = front[front.recommended]
    going_on = (
        f'<p class="unfinished"><b>Not finished.</b> {escape(facts["progress"])}. Everything below is what is known so far; '
        "it is written anew while trainings finish: load the page again.</p>" if facts.get("progress") else ""
    )  # fmt: skip
    return (
        f"<h1>{escape(front.run)}: where SE goes</h1>{going_on}"
        f'<p class="verdict">{escape(front.verdict)}</p>'
        f"<p><b>Take home: {escape(best.id)}, {escape(best.words)}</b> "
        f"(<code>senet-search export {escape(front.run)} --to DIR</code>).{_likely(front)}</p>"
        f"<p>{escape(front.rule)}</p><p>{escape(front.power)}</p>"
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in front.findings)}</ul>"
    )


def _likely(front: Front) -> str:
    """The one beside plain that one may take, knowing what is known; its weights are kept once it was a finalist."""
    if front.likely is None or front[front.likely].role != "finalist":
        return ""
    name = escape(front.likely)
    return f" Likely better, not proven: {name}, {escape(front[front.likely].words)} (<code>--pick {name}</code>)."


def _reproduce(front: Front, facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in (facts.get("versions") or {}).items())
    data, space = facts.get("data") or {}, facts.get("space") or {}
    items = {
        "Command": "senet-search run config.yaml (the file below)",
        "Versions": versions,
        "Machine": f"{facts.get('machine', '')}; trained on {facts.get('device', '')}",
        "Data": f"{data.get('train', '?')} train, {data.get('validation', '?')} validation, {data.get('test', '?')} test; "
                f"fingerprint {data.get('fingerprint', '?')}",
        **({"Caution": "; ".join(data["notes"])} if data.get("notes") else {}),
        "Space": f"{space.get('size', '?')} distinct architectures of {space.get('nominal', '?')} spellings",
        "Time": f"{facts.get('seconds') or 0:.0f} s of searching, all sessions together",
        "Noise": f"sigma {front.sigma:.2f} points between trainings of one architecture in one block",
        "Written": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    return f"<h2>How to reproduce</h2>{tables.definitions(items)}<pre>{escape(facts.get('config', ''))}</pre>"


_LIMITS = """<h2>What this does not say</h2><ul>
<li>It holds for this recipe, this backbone, these data. Under another recipe the order of placements can change.</li>
<li><i>Likely</i> is a statement of the model after the search; <i>proven</i> is said only of finalists that were frozen and
trained again with fresh seeds beside plain (one-sided t-test at 0.05, Holm-corrected over the finalists of the run).</li>
<li>Parameters and MACs say little about time: SE costs more seconds than MACs. MACs are those of convolutions and linear
layers, SE's included.</li></ul>"""

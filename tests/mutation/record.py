"""Keeps what became of each fault: ``faults.json`` with all that were tried, and ``survivors.md`` for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.mutation.faults import Fault

HERE = Path(__file__).parent
FAULTS = HERE / "faults.json"
EQUIVALENT = HERE / "equivalent.json"
SURVIVORS = HERE / "survivors.md"
TITLE = "# Deliberate faults, and what the tests notice\n\n"
INTRODUCTION = (
    "`python -m tests.mutation` puts one small fault at a time into the packages whose mistakes would be silent, and\n"
    "runs the tests that reach it. The faults tried are a sample: 110 of each package, about a sixth of all faults,\n"
    "drawn from each function in turn. Those whose code has gone are dropped. This page lists the faults of the\n"
    "sample that no test notices. A fault is *equivalent* if nobody could tell the faulty program from ours; such a\n"
    "fault cannot be noticed, and its reason stands beside it. `faults.json` lists the whole sample, each fault with\n"
    "the test that notices it.\n\n"
)


def unnoticed(package: str) -> set[str]:
    """The names of the faults of a package that no test has noticed so far."""
    return {row["fault"] for row in _read(FAULTS).get(package, []) if "noticed" not in row}


def write(package: str, faults: Sequence[Fault], verdicts: Mapping[str, str], *, again: bool = False) -> None:
    """Replaces what is kept about a package (``again``: about these faults alone), and writes the page again."""
    kept = _read(FAULTS)
    reasons = _read(EQUIVALENT)
    rows = {row["fault"]: row for row in kept.get(package, []) if "noticed" in row} if again else {}
    rows |= {fault.name: _row(fault, verdicts[fault.name], reasons) for fault in faults}
    kept[package] = sorted(rows.values(), key=lambda row: (row["fault"].split()[0], row["line"], row["fault"]))
    lines = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
        for name, rows in sorted(kept.items())
    )
    FAULTS.write_text(f"{{\n{lines}\n}}\n")
    SURVIVORS.write_text(page(kept))


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _row(fault: Fault, verdict: str, reasons: Mapping[str, str]) -> dict[str, Any]:
    row = {"fault": fault.name, "line": fault.line}
    if verdict:
        return {**row, "noticed": verdict}
    return {**row, "equivalent": reasons[fault.name]} if fault.name in reasons else {**row, "survives": True}


def page(kept: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The page: a table of numbers, then the survivors and the equivalent faults of each package."""
    table = "| package | faults | equivalent | noticed | survive | noticed of the rest |\n|---|---|---|---|---|---|\n"
    lists = ""
    for package, rows in sorted(kept.items()):
        noticed = sum("noticed" in row for row in rows)
        equivalent = [row for row in rows if "equivalent" in row]
        survivors = [row for row in rows if "survives" in row]
        share = 100 * noticed / max(1, noticed + len(survivors))
        table += f"| {package} | {len(rows)} | {len(equivalent)} | {noticed} | {len(survivors)} | {share:.1f} % |\n"
        lists += f"\n## {package}\n\n"
        lists += "".join(f"* survives: `{row['fault']}`\n" for row in survivors)
        lists += "".join(f"* equivalent: `{row['fault']}`: {row['equivalent']}\n" for row in equivalent)
    return TITLE + INTRODUCTION + table + lists

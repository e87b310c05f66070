"""Writes the tables of docs/deployment.md from results/deployment.json, additive_latency.json and int8_drop.json.

python -m benchmarks.deployment_page
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.page_tables import Tables, filled, markdown

PAGE = Path(__file__).parents[1] / "docs" / "deployment.md"
PLACEMENTS = {"published": "as published", "all": "SE everywhere", "plain": "plain against plain"}
FORMS = ("eager fp32", "onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino int8")

ADDITIVE = (
    "form",
    "overheads, %",
    "mean error, points",
    "worst",
    "half-width of an overhead itself",
    "Kendall's tau",
    "trusted",
)


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(), TABLES))


def overheads() -> list[str]:
    """Percent over plain in the same form, with the interval, for each network, placement and form."""
    cells = environment.read("deployment")["cells"]
    found = {(cell["network"], cell["placement"], cell["form"]): cell for cell in cells}
    rows: list[Sequence[str]] = [("network", "placement", *FORMS)]
    for network in dict.fromkeys(cell["network"] for cell in cells):
        for placement, words in PLACEMENTS.items():
            of_forms = [found.get((network, placement, form)) for form in FORMS]
            if any(of_forms):
                rows.append((network.removeprefix("timm:"), words, *map(_over_plain, of_forms)))
    return markdown(rows)


def milliseconds() -> list[str]:
    """The time of plain in each form, the median over the cells in which it stood."""
    cells = environment.read("deployment")["cells"]
    rows: list[Sequence[str]] = [("network", *FORMS)]
    for network in dict.fromkeys(cell["network"] for cell in cells):
        times = []
        for form in FORMS:
            own = sorted(c["plain_ms"] for c in cells if (c["network"], c["form"]) == (network, form) and "ratio" in c)
            times.append(f"{own[len(own) // 2]:.3g}" if own else "-")
        rows.append((network.removeprefix("timm:"), *times))
    return markdown(rows)


def additive() -> list[str]:
    """How well the additive model predicts each form; dashes for forms that were not measured."""
    result = environment.read("additive_latency")
    rows: list[Sequence[str]] = [ADDITIVE]
    for form in FORMS:
        cell = result.get("forms", {}).get(form)
        if cell is None:
            rows.append((form, *["-"] * (len(ADDITIVE) - 1)))
            continue
        low, high = cell["overheads"]
        trusted = "yes" if cell["is_trusted"] else "no"
        figures = (f"{low:+.1f} to {high:+.1f}", *(f"{cell[name]:.1f}" for name in ("error", "worst", "alone")))
        rows.append((form, *figures, f"{cell['tau']:.2f}", trusted))
    return markdown(rows)


def drops() -> list[str]:
    """Points of accuracy that each operator loses in INT8, and what it loses more than plain."""
    result = environment.read("int8_drop")
    first, second = result["forms"]
    heads = [f"{form}: {what}" for form in (first, second) for what in ("loses", "more than plain")]
    rows: list[Sequence[str]] = [("operator in every unit", "seeds", "fp32, %", *heads)]
    for name, cell in result["forms"][first].items():
        other = result["forms"][second].get(name, {})
        figures = [text for each in (cell, other) for text in (_points(each, "drop"), _points(each, "excess"))]
        rows.append((f"`{name}`", str(cell.get("seeds", "-")), str(cell.get("fp32", "-")), *figures))
    return markdown(rows)


def _over_plain(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "-"
    if "refused" in cell:
        return "refused"
    return f"{cell['overhead']:+.1f} [{100 * (cell['low'] - 1):+.1f}, {100 * (cell['high'] - 1):+.1f}]"


def _points(cell: Mapping[str, Any], what: str) -> str:
    if "refused" in cell:
        return "refused"
    found = cell.get(what)
    if not found:
        return "-"
    mean, *ends = found
    return f"{mean:+.2f}" + (f" [{ends[0]:+.2f}, {ends[1]:+.2f}]" if ends else "")


TABLES: Tables = {
    "deployment": overheads,
    "milliseconds": milliseconds,
    "additive": additive,
    "int8_drop": drops,
}

if __name__ == "__main__":
    main()

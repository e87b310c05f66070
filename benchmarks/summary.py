"""Writes the tables of docs/benchmark.md from the files of ``results`` and the descriptions of the real tables.

python -m benchmarks.summary
"""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.curve_quality import ACCURACY
from benchmarks.page_tables import Tables, filled, markdown
from benchmarks.peers.__main__ import OURS
from benchmarks.search_quality import ANSWERS_FIRST, FIRST
from search.bench.searches import CURVE, REFERENCE, SHORT

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
DESCRIPTIONS = Path(__file__).parent / "tables"
# What a search learns from, by what is added to its sampler.
MODELS = {"": "accuracy", CURVE: "curves", CURVE + SHORT: "curves, pauses"}
USUAL = 200  # searches in a cell; where there are others it is said

Cells = Sequence[Mapping[str, Any]]


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(), TABLES))


def reach() -> list[str]:
    """S of the product, of the reference, and their ratio, for every space and every budget."""
    cells = [cell for cell in _quality() if re.fullmatch(r"synthetic:\d+:[\d.]+", cell["table"])]
    found = {(cell["table"], cell["trainings"], cell["sampler"]): cell for cell in cells}
    budgets = sorted({cell["trainings"] for cell in cells})
    rows: list[Sequence[object]] = [("architectures, tau/sigma", *(f"N = {n}" for n in budgets))]
    for table in sorted({cell["table"] for cell in cells}, key=lambda name: [float(x) for x in name.split(":")[1:]]):
        _, size, ratio = table.split(":")
        pairs = [(found.get((table, n, OURS)), found.get((table, n, REFERENCE))) for n in budgets]
        rows.append((f"{int(size):,}, {ratio}", *(_share(ours, known) for ours, known in pairs)))
    return _lines(rows)


def honesty() -> list[str]:
    """Coverage, false verdicts and the S that a search expects, for every cell of the product's own sampler."""
    told = "coverage", "*likely* that were false", "with a false / true proof", "S expected / achieved"
    rows: list[Sequence[object]] = [("table", "N", "searches", *told)]
    for cell in sorted(_quality(), key=lambda cell: (cell["table"], cell["trainings"])):
        if cell["sampler"] == OURS:
            proofs = f"{cell['searches_with_false_proof']} / {cell['searches_with_true_proof']}"
            expected = f"{cell['predicted']:.2f} / {cell['score']:.2f}" if cell["unit"] == "S" else ""
            # Where nothing was reported or *likely* there is no share.
            shares = tuple(
                "none" if cell[name] is None else f"{cell[name]:.2f}" for name in ("coverage", "likely_wrong")
            )
            rows.append((f"`{_short(cell['table'])}`", cell["trainings"], cell["searches"], *shares, proofs, expected))
    return _lines(rows)


def proposers() -> list[str]:
    """Other samplers in the place of ours, ours first in each group: the same table, budget and problems."""
    rows: list[Sequence[object]] = [("table, N, searches", "sampler", "score [90 %]", "versus ours", "`observed`")]
    for _, group in itertools.groupby(sorted(environment.read("peers")["cells"], key=_order), key=_group):
        peers = list(group)
        ours = peers[0]["ours"]
        rows.append((_where(peers[0]), f"**auto** (`{OURS}`)", _interval(ours), "", _observed(ours)))
        rows += [("", f"{c['peer']} {c['version']}", _interval(c), _versus(c), _observed(c)) for c in peers]
    real = [cell for cell in _quality() if not re.match("synthetic|permuted", cell["table"])]
    for _, group in itertools.groupby(real, key=_group):
        for number, cell in enumerate(group):
            where = "" if number else _where(cell)
            rows.append((where, cell["sampler"], _interval(cell), _versus(cell), _observed(cell)))
    return _lines(rows)


def early_stopping() -> list[str]:
    """A search that stops trainings early, by its own rules, beside ours at equal compute."""
    told = environment.read("early_stopping")
    head = "trainings' worth of compute", "search", "points [90 %]", "`observed`", "`averaged`", "begun", "ended"
    rows: list[Sequence[object]] = [head]
    for cell in told["cells"]:
        low, high = cell["interval"]
        reports = [f"{cell['by_report'][name]:+.3f}" for name in ("observed", "averaged")]
        counts = [f"{cell[name]:.0f}" if name in cell else "" for name in ("begun", "ended")]
        points = f"{cell['points']:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append((cell["trainings"], cell["search"], points, *reports, *counts))
    return _lines(rows)


def proof_sizes() -> list[str]:
    """The size of the test over its level, for every noise and number of pairs, at both levels."""
    found = environment.read("confirmation_level")["sizes"]
    numbers = sorted({size["pairs"] for size in found})
    rows: list[Sequence[object]] = [("noise", "level", *(f"{number} pairs" for number in numbers))]
    for (noise, level), group in itertools.groupby(
        sorted(found, key=lambda size: -size["level"]), key=lambda size: (size["noise"], size["level"])
    ):
        rows.append((noise, f"{level:.4f}", *(f"{s['of_level']:.2f} ({s['of_level_uncorrected']:.2f})" for s in group)))
    return _lines(rows)


def false_proofs() -> list[str]:
    """The share of whole runs with a false proof."""
    found = environment.read("confirmation_level")["whole_runs"]
    noises = list(dict.fromkeys(shares["noise"] for shares in found))
    rows: list[Sequence[object]] = [("truth", *noises)]
    for run, group in itertools.groupby(found, key=lambda shares: shares["run"]):
        rows.append((run, *(f"{100 * s['false']:.2f} %" for s in group)))
    return _lines(rows)


def answers() -> list[str]:
    """What searches end with, and after how many trainings."""
    head = (
        "table",
        "N",
        "searches",
        "true proof",
        "false proof",
        '"likely not worth it"',
        "S",
        "coverage",
        "trainings",
    )
    rows: list[Sequence[object]] = [head]
    cells = [cell for cell in environment.read("search_quality")["cells"] if cell["first"] == ANSWERS_FIRST]
    for cell in sorted(cells, key=lambda cell: (cell["stops"], cell["table"], cell["extensions"], cell["trainings"])):
        n = cell["searches"]
        proofs = (f"{100 * cell[f'searches_with_{kind}_proof'] / n:.1f} %" for kind in ("true", "false"))
        budget = " + ".join(str(part) for part in (cell["trainings"], *cell["extensions"]))
        score = f"{cell['score']:.2f}" if cell["unit"] == "S" else f"{cell['score']:+.3f} points"
        coverage = "" if cell["coverage"] is None else f"{cell['coverage']:.2f}"
        rows.append((f"`{_short(cell['table'])}`", budget, n, *proofs, _said_no(cell), score, coverage, _used(cell)))
    return _lines(rows)


def columns() -> list[str]:
    """What the losses and the accuracies of every real table tell, in the first and the last epoch and summed."""
    head = ("table", "column", "epoch", "tau/sigma [90 %]", "correlation with accuracy [90 %]", "of the noise")
    rows: list[Sequence[object]] = [head]
    for path in sorted(DESCRIPTIONS.glob("*.csv.gz.json")):
        about = json.loads(path.read_text())
        last = about["recipe"]["epochs"]
        for row in about["columns"]:
            if row["epoch"] in (None, 1, last) and "tau" in row:
                low, high = row["tau_over_sigma_interval"]
                ratio = f"{row['tau_over_sigma']:.2f} [{low:.2f}, {high:.2f}]"
                epoch = "all" if row["epoch"] is None else row["epoch"]
                rows.append((f"`{about['name']}`", f"`{row['column']}`", epoch, ratio, *_genetic(row)))
    return _lines(rows)


def curves() -> list[str]:
    """Searches with and without loss curves on the same problems."""
    told = (
        "S",
        "difference",
        "correlation",
        "coverage",
        "false / true proof",
        "false of *likely*",
        "sure of nothing",
    )
    rows: list[Sequence[object]] = [("table", "N", "searches", "model", *told)]
    for cell in environment.read("curve_quality").get("cells", []):
        model = MODELS[cell["sampler"].removeprefix(ACCURACY)]
        score = f"{cell['score']:.2f}" if cell["unit"] == "S" else f"{cell['score']:+.3f} points"
        versus = "" if cell["versus"] is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*cell["versus"])
        shares = [_or_none(cell[name]) for name in ("correlation", "coverage")]
        proofs = f"{cell['searches_with_false_proof']} / {cell['searches_with_true_proof']}"
        rest = (_false_of_likely(cell), _or_none(cell["sure_of_nothing"]))
        head = (f"`{_short(cell['table'])}`", cell["trainings"], cell["searches"], model)
        rows.append((*head, score, versus, *shares, proofs, *rest))
    return _lines(rows)


# Add a table here, and the place for it to the page.
TABLES: Tables = {
    "reach": reach,
    "honesty": honesty,
    "proposers": proposers,
    "early_stopping": early_stopping,
    "answers": answers,
    "columns": columns,
    "curves": curves,
    "proof_sizes": proof_sizes,
    "false_proofs": false_proofs,
}

# -- words ------------------------------------------------------------------------------------------------------------


def _quality() -> Cells:
    """The cells of searches that use their whole budget, from the problems that the samplers are compared on."""
    return [cell for cell in environment.read("search_quality")["cells"] if cell["first"] == FIRST]


def _lines(rows: Sequence[Sequence[object]]) -> list[str]:
    """A Markdown table between two empty lines."""
    return ["", *markdown(rows), ""]


def _genetic(row: Mapping[str, Any]) -> tuple[str, str]:
    """The correlations of a column with the last accuracy; empty for that accuracy itself."""
    if row.get("genetic") is None:
        return "", ""
    low, high = row["genetic_interval"]
    return f"{row['genetic']:+.2f} [{low:+.2f}, {high:+.2f}]", f"{row['noise']:+.2f}"


def _false_of_likely(cell: Mapping[str, Any]) -> str:
    """How many verdicts were *likely* in all searches, and how many of these were false."""
    count = cell["likely"] * cell["searches"]
    return f"{count * (cell['likely_wrong'] or 0.0):.0f} of {count:.0f}"


def _or_none(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(ours: Mapping[str, Any] | None, known: Mapping[str, Any] | None) -> str:
    if ours is None or known is None:
        return ""
    few = f", n = {ours['searches']}" if ours["searches"] != USUAL else ""
    return f"{ours['score']:.2f} of {known['score']:.2f} ({ours['score'] / known['score']:.2f}{few})"


def _said_no(cell: Mapping[str, Any]) -> str:
    """How many searches said it, how many of them wrongly, and the mean of the probability that they gave."""
    if not cell["said_no"]:
        return "0"
    wrongly = f"{cell['said_no_wrongly']} wrongly, " if cell["said_no_wrongly"] else ""
    return f"{100 * cell['said_no'] / cell['searches']:.1f} % ({wrongly}{100 * cell['p_no']:.0f} % sure)"


def _used(cell: Mapping[str, Any]) -> str:
    """The mean number of trainings until the answer, where a search stops then."""
    return f"{cell['used']:.0f} until the answer" if cell["stops"] else "all"


def _group(cell: Mapping[str, Any]) -> tuple[str, int, int]:
    return cell["table"], cell["trainings"], cell["searches"]


def _order(cell: Mapping[str, Any]) -> tuple[object, ...]:
    """Synthetic tables first, those with much to find before those with little, the best peer first."""
    known = re.fullmatch(r"synthetic:(\d+):([\d.]+)", cell["table"])
    much = -float(known[2]) if known else 0.0
    return not known, much, *_group(cell), -cell["score"]


def _where(cell: Mapping[str, Any]) -> str:
    unit = " (points)" if cell["unit"] == "points" else ""
    return f"`{_short(cell['table'])}`{unit}, {cell['trainings']}, {cell['searches']}"


def _short(table: str) -> str:
    return re.sub(r"benchmarks/tables/|\.csv\.gz", "", table)


def _interval(cell: Mapping[str, Any]) -> str:
    low, high = cell["score_interval"]
    return f"{cell['score']:.2f} [{low:.2f}, {high:.2f}]"


def _versus(cell: Mapping[str, Any]) -> str:
    return "" if cell["versus"] is None else "{:+.2f} [{:+.2f}, {:+.2f}]".format(*cell["versus"])


def _observed(cell: Mapping[str, Any]) -> str:
    return f"{cell['by_report']['observed']:.2f}"


if __name__ == "__main__":
    main()

"""Is "about N more trainings would decide it" right? Undecided searches are extended until they are decided.

    python -m benchmarks.decision_forecast [--searches 40] [--jobs 2]

An undecided search may name two numbers: ``even`` would decide it as likely as not, ``enough`` with a chance of 80 %.
It is extended by each of STEPS, every time from the same start; the first that decides it is what it needed. The
result counts, for each of the two numbers, the searches that named it (``named``), that needed no more (``reached``),
and that needed between half and twice as many (``within_two``). The problems start at number FIRST, which nobody looked
at when the forecast was written.
"""

import argparse
import functools
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks import environment
from search.bench import problems
from search.bench.searches import search
from search.planning.planner import Budget
from search.results.answer import EXTENSIONS, UNDECIDED

FIRST = 7000
TRAININGS = 64
TABLES = ("synthetic:113:1", "synthetic:113:0.4", "synthetic:113:0:null")
# Longer extensions take too long to be simulated.
STEPS = tuple(step for step in EXTENSIONS if step < 800)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    cells: list[dict[str, Any]] = environment.read("decision_forecast").get("cells", [])
    done = {(cell["table"], cell["searches"]) for cell in cells}
    for table in TABLES:
        if (table, given.searches) in done:
            continue
        numbers = range(FIRST, FIRST + given.searches)
        with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(functools.partial(forecast, table), numbers))
        cell = {"table": table, "trainings": TRAININGS, "first": FIRST, **summed_up(found)}
        print(cell, flush=True)
        cells = [cell for cell in cells if cell["table"] != table] + [cell]
        environment.write("decision_forecast", {"cells": cells})


def forecast(table: str, number: int) -> Mapping[str, Any]:
    """One search: whether it was decided, what it forecast, and the extension that it needed (None: longer)."""
    problem = problems.named(table)(number)
    answer = search(problem, "knowledge_gradient", [Budget(TRAININGS)], number).front.answer
    found: dict[str, Any] = {"undecided": answer.kind == UNDECIDED, "even": answer.more_even, "enough": answer.more}
    if found["undecided"]:
        found["needed"] = next((step for step in STEPS if _decides(table, number, step)), None)
    return found


def _decides(table: str, number: int, extension: int) -> bool:
    budgets = [Budget(TRAININGS), Budget(TRAININGS + extension)]
    problem = problems.named(table)(number)
    return search(problem, "knowledge_gradient", budgets, number).front.answer.kind != UNDECIDED


def summed_up(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts over all searches of a table."""
    undecided = [trial for trial in found if trial["undecided"]]
    needed = sorted(trial["needed"] or 2 * STEPS[-1] for trial in undecided)
    return {
        "searches": len(found),
        "undecided": len(undecided),
        "median_needed": needed[len(needed) // 2] if needed else None,
        "never_decided": sum(trial["needed"] is None for trial in undecided),
        **{name: judged(undecided, name) for name in ("even", "enough")},
    }


def judged(undecided: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """How often a number was named, how often it was at least what was needed, and within a factor of two of it.

    A search that no step decided counts against either.
    """
    named = [(trial[name], trial["needed"]) for trial in undecided if trial[name] is not None]
    numbers = sorted(number for number, _ in named)
    return {
        "named": len(named),
        "median": numbers[len(numbers) // 2] if numbers else None,
        "reached": sum(needed is not None and needed <= number for number, needed in named),
        "within_two": sum(needed is not None and number / 2 <= needed <= 2 * number for number, needed in named),
    }


if __name__ == "__main__":
    main()

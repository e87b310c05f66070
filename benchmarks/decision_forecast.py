"""Is "about N more trainings would decide it with a chance of 80 %" right? Undecided searches are extended and counted.

    python -m benchmarks.decision_forecast [--searches 100] [--jobs 2]

Each undecided search is extended by N trainings, by half of them and by twice as many, each time from the same start.
The forecast is right within a factor of two if fewer than 80 % are decided by half of N and 80 % or more by twice N.
The problems start at number FIRST, which nobody looked at when the forecast was written.
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
from search.results.answer import UNDECIDED

FIRST = 3000
TRAININGS = 64
TABLES = ("synthetic:113:1", "synthetic:113:0.4", "synthetic:113:0:null")
FACTORS = (0.5, 1.0, 2.0)
# Longer extensions take too long to be simulated; how many searches name one is counted.
LONGEST = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=100)
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
    """One search: whether it was decided, what it forecast, and by which multiples of that it was decided."""
    problem = problems.named(table)(number)
    answer = search(problem, "knowledge_gradient", [Budget(TRAININGS)], number).front.answer
    found: dict[str, Any] = {"undecided": answer.kind == UNDECIDED, "more": answer.more}
    if found["undecided"] and answer.more is not None and answer.more <= LONGEST:
        for factor in FACTORS:
            extended = [Budget(TRAININGS), Budget(TRAININGS + round(factor * answer.more))]
            later = search(problem, "knowledge_gradient", extended, number).front.answer
            found[str(factor)] = later.kind != UNDECIDED
    return found


def summed_up(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts over all searches of a table; ``decided`` maps each factor to how many of ``extended`` were decided."""
    undecided = [trial for trial in found if trial["undecided"]]
    extended = [trial for trial in undecided if str(FACTORS[0]) in trial]
    forecasts = sorted(trial["more"] for trial in extended)
    return {
        "searches": len(found),
        "undecided": len(undecided),
        "extended": len(extended),
        "median_forecast": forecasts[len(forecasts) // 2] if forecasts else None,
        "no_number": sum(trial["more"] is None for trial in undecided),
        "decided": {str(factor): sum(trial[str(factor)] for trial in extended) for factor in FACTORS},
    }


if __name__ == "__main__":
    main()

"""Many searches of each sampler on one benchmark problem, summed up: what ``senet-search bench`` prints."""

import functools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from search.bench import problems
from search.bench.cell_tables import cell_lines
from search.bench.cells import Cell, finite, oracle_is_known, summed
from search.bench.sampler_names import whole_name
from search.bench.searches import check
from search.bench.trials import Spending, Trial, trial
from spaces.errors import UserError


@dataclass(frozen=True)
class Bench:
    """The result for one table. ``unit`` is S, or points if the oracle of the table is not known.

    ``first`` is the number of the first problem.
    """

    table: str
    unit: str
    first: int
    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, Any]:
        rows = [{k: finite(v) for k, v in asdict(cell).items()} for cell in self.cells]
        return {"table": self.table, "unit": self.unit, "first": self.first, "cells": rows}

    def lines(self) -> list[str]:
        return [self.table, *cell_lines(self.cells, self.unit)]


def bench(
    table: str,
    samplers: Sequence[str],
    trainings: Sequence[int],
    searches: int,
    jobs: int,
    first: int = 0,
    spending: Spending | None = None,
) -> Bench:
    """Runs ``searches`` searches of each sampler with each budget, on the problems from number ``first`` on.

    They use the whole budget, unless ``spending`` says otherwise.
    What was chosen by looking at some problems can so be judged on others. Raises UserError for an unknown name.
    """
    samplers = [whole_name(sampler) for sampler in samplers]
    _check_counts(samplers, trainings, searches)
    problem = problems.named(table)(first)  # what is wrong with it is an error now, not in a worker
    for sampler in samplers:
        check(problem, sampler, table, min(trainings))
    numbers = range(first, first + searches)
    # All samplers meet a problem one after the other, so that it is made once.
    work = [(n, sampler, budget) for budget in trainings for n in numbers for sampler in samplers]
    found = list(_run(table, work, jobs, spending or Spending()))
    cells = [summed(found, s, budget, samplers[0]) for budget in trainings for s in samplers]
    return Bench(table, "S" if oracle_is_known(found) else "points", first, tuple(cells))


def _check_counts(samplers: Sequence[str], trainings: Sequence[int], searches: int) -> None:
    """Raises UserError for searches that cannot be run, or that would be run twice."""
    for what, given, example in (("sampler", samplers, "auto,tpe"), ("budget", trainings, "32,64")):
        if not given:
            raise UserError(f"a benchmark needs a {what}", hint=f"name one or more: {example}")
        twice = [value for number, value in enumerate(given) if value in given[:number]]
        if twice:
            raise UserError(f"the {what} {twice[0]} is named twice", hint=f"name each {what} once")
    if searches < 1:
        raise UserError(f"{searches} searches cannot be summed up", hint="run one or more")


def _run(table: str, work: Sequence[tuple[int, str, int]], jobs: int, spending: Spending) -> Iterator[Trial]:
    one = functools.partial(trial, table, spending)
    if jobs == 1:
        yield from map(one, work)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, work, chunksize=4)

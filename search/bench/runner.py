"""Many searches of each sampler on one benchmark problem, summed up: what ``senet-search bench`` prints."""

import functools
import itertools
import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from search.bench import problems, score
from search.bench.estimators import REPORTS
from search.bench.problems import Problem
from search.bench.score import Offer, Tally
from search.bench.searches import Searched, check, search, searchers
from search.model.fitting import fit
from search.planning.planner import Budget
from search.results.answer import NO, Answer
from search.results.covariates import described
from senet_nas.costs.measures import USUAL
from spaces import Architecture
from spaces.errors import UserError, unknown

OWN = "search"  # the product's own report, beside those of REPORTS
DRAWS = 500  # enough for the means of gains


@dataclass(frozen=True)
class Spending:
    """How a search uses its budget: whether it stops when it is answered, and by what it is extended in turn."""

    stops_when_answered: bool = False
    extensions: tuple[int, ...] = ()

    def budgets(self, trainings: int) -> list[Budget]:
        totals = itertools.accumulate((trainings, *self.extensions))
        return [Budget(total, stops_when_answered=self.stops_when_answered) for total in totals]


@dataclass(frozen=True)
class Trial:
    """One search over one problem. ``points``: true gain from following the front, by way of reporting; ``best``: the
    oracle's, nan where it is not known. ``predicted`` is the S that the report itself expected, nan if it says none.
    ``used`` trainings were finished; ``largest`` is the largest true gain of the space. ``correlation`` is that of the
    posterior means of all its architectures with their true gains; ``p_nothing`` the probability that curves tell
    nothing. Both are nan where they mean nothing."""

    number: int
    sampler: str
    trainings: int
    points: Mapping[str, float]
    best: float
    predicted: float
    honesty: score.Honesty
    seconds_per_training: float
    used: int
    answer: Answer
    largest: float
    correlation: float = math.nan
    p_nothing: float = math.nan


@dataclass(frozen=True)
class Cell:
    """All searches of one sampler with one budget, summed up. Intervals are 90 % bootstrap intervals over searches.

    ``versus`` compares with the first sampler on the same problems: difference and interval. ``power`` is the share of
    finalists that were proven among those whose true gain the report says it can prove. ``predicted`` is the mean of
    the S that the searches themselves expected. ``used`` is the mean number of trainings. ``said_no`` searches ended
    with "likely not worth it", ``said_no_wrongly`` of them where a placement gains enough; ``p_no`` is the mean of the
    probability that they gave. ``correlation`` is the mean of that of posterior means with true gains, over all
    architectures of the space; ``p_nothing`` the mean probability that curves tell nothing, and ``sure_of_nothing`` the
    share of searches in which it exceeds 0.5.
    """

    sampler: str
    trainings: int
    searches: int
    score: float
    score_interval: tuple[float, float]
    versus: tuple[float, float, float] | None
    by_report: Mapping[str, float]
    coverage: float
    likely: float
    likely_wrong: float
    searches_with_false_proof: int
    searches_with_true_proof: int
    power: float
    predicted: float
    seconds_per_training: float
    used: float
    said_no: int
    said_no_wrongly: int
    p_no: float
    correlation: float = math.nan
    p_nothing: float = math.nan
    sure_of_nothing: float = math.nan


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
        rows = [{k: _finite(v) for k, v in asdict(cell).items()} for cell in self.cells]
        return {"table": self.table, "unit": self.unit, "first": self.first, "cells": rows}

    def lines(self) -> list[str]:
        head = (
            f"{'sampler':<20} {'N':>4} {'searches':>8} {self.unit + ' [90 %]':>20} {'against the first':>22} "
            f"{'predicted':>9} {'coverage':>8} {'likely wrong':>12} {'false proof':>11} {'proof':>5} "
            f"{'said no':>7} {'wrongly':>7} {'used':>6} {'correlation':>11} {'p(nothing)':>10} {'ms/training':>11}"
        )
        reports = [f"by report: {_reports(cell)}" for cell in self.cells]
        return [self.table, head, *(_line(cell) for cell in self.cells), *dict.fromkeys(reports)]


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
    for sampler in samplers:
        if sampler not in (known := searchers()):
            raise unknown("sampler", sampler, known)
    if not samplers or not trainings or min(trainings) < 4 or searches < 1:
        raise UserError("a benchmark needs a sampler, budgets of at least 4 trainings, and one search or more")
    problem = problems.named(table)(first)  # what is wrong with it is an error now, not in a worker
    for sampler in samplers:
        check(problem, sampler)
    numbers = range(first, first + searches)
    work = [(n, sampler, budget) for budget in trainings for sampler in samplers for n in numbers]
    found = list(_run(table, work, jobs, spending or Spending()))
    cells = [_cell(found, s, budget, samplers[0]) for budget in trainings for s in samplers]
    return Bench(table, "S" if _oracle_is_known(found) else "points", first, tuple(cells))


def _run(table: str, work: Sequence[tuple[int, str, int]], jobs: int, spending: Spending) -> Iterator[Trial]:
    one = functools.partial(_trial, table, spending)
    if jobs == 1:
        yield from map(one, work)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, work, chunksize=4)


def _trial(table: str, spending: Spending, item: tuple[int, str, int]) -> Trial:
    number, sampler, trainings = item
    problem = _problem(table, number)
    found = search(problem, sampler, spending.budgets(trainings), number)
    offers, most = _oracle(table, number)
    best = math.nan if problem.known is None else score.points(offers, most)
    reported = {OWN: _own(found, problem), **{name: _read(found, problem, name) for name in REPORTS}}
    return Trial(
        number,
        sampler,
        trainings,
        {name: score.points(front, most) for name, front in reported.items()},
        best,
        float(getattr(found.front, "expected_score", math.nan)),
        score.honesty(found.front, problem),
        found.seconds_per_training,
        found.trainings,
        found.front.answer,
        max(problem.truth(member) for member in problem.space),
        *_everywhere(found, problem),
    )


@functools.lru_cache(maxsize=4)
def _problem(table: str, number: int) -> Problem:
    return problems.named(table)(number)


@functools.lru_cache(maxsize=4)
def _oracle(table: str, number: int) -> tuple[list[Offer], float]:
    return score.oracle(_problem(table, number))


def _own(found: Searched, problem: Problem) -> list[Offer]:
    members = [p for p in found.front.members if not p.is_plain]
    return [Offer(p.costs[USUAL.overhead], p.gain, problem.truth(Architecture.parse(p.architecture))) for p in members]


def _read(found: Searched, problem: Problem, report: str) -> list[Offer]:
    """All architectures with the values of another estimator. Nobody follows a dominated one."""
    gains = REPORTS[report]([o for o in found.observations if math.isfinite(o.accuracy)])
    trained = [(Architecture.parse(found.keys[number]), gain) for number, gain in gains.items() if number]
    return [Offer(problem.price(a)[USUAL.overhead], gain, problem.truth(a)) for a, gain in trained]


def _everywhere(found: Searched, problem: Problem) -> tuple[float, float]:
    """The correlation of posterior means with true gains over the whole space, and how likely curves tell nothing."""
    members = list(problem.space)
    place = {member.key: i for i, member in enumerate(members)}
    seen = [replace(o, architecture=place[found.keys[o.architecture]]) for o in found.observations]
    posterior = fit(seen, described(members, problem.space.sites, found.figures), draws=DRAWS)
    means = posterior.everywhere(DRAWS).mean(axis=0)[1:]
    truth = np.array([problem.truth(member) for member in members])[1:]
    differ = min(float(means.std()), float(truth.std())) > 1e-9
    correlation = float(np.corrcoef(means, truth)[0, 1]) if differ else math.nan
    return correlation, math.nan if posterior.trust is None else posterior.trust.p_nothing


# -- summing up -------------------------------------------------------------------------------------------------------


def _cell(found: Sequence[Trial], sampler: str, trainings: int, first: str) -> Cell:
    mine = [t for t in found if (t.sampler, t.trainings) == (sampler, trainings)]
    theirs = [t for t in found if (t.sampler, t.trainings) == (first, trainings)]
    tally = _tally(mine)
    no = [t for t in mine if t.answer.kind == NO]
    counts = {name: sum(asdict(t.honesty)[name] for t in mine) for name in asdict(mine[0].honesty)}
    return Cell(
        sampler,
        trainings,
        len(mine),
        tally.score,
        tally.interval(),
        None if sampler == first else tally.versus(_tally(theirs)),
        {name: _tally(mine, name).score for name in mine[0].points},
        _ratio(counts["covered"], counts["intervals"]),
        counts["likely"] / len(mine),
        _ratio(counts["likely_wrong"], counts["likely"]),
        sum(t.honesty.proven_wrong > 0 for t in mine),
        sum(t.honesty.proven > t.honesty.proven_wrong for t in mine),
        _ratio(counts["provable_proven"], counts["provable"]),
        _mean([t.predicted for t in mine]),
        sum(t.seconds_per_training for t in mine) / len(mine),
        sum(t.used for t in mine) / len(mine),
        len(no),
        sum(t.largest >= t.answer.worthwhile for t in no),
        _mean([t.answer.probability or 0.0 for t in no]),
        _mean([t.correlation for t in mine]),
        _mean([t.p_nothing for t in mine]),
        _mean([float(t.p_nothing > 0.5) for t in mine if not math.isnan(t.p_nothing)]),
    )


def _tally(trials: Sequence[Trial], report: str = OWN) -> Tally:
    known = _oracle_is_known(trials)
    return Tally([t.points[report] for t in trials], [t.best for t in trials] if known else None)


def _oracle_is_known(trials: Sequence[Trial]) -> bool:
    """And there is something to achieve: in a problem without any effect nothing is a share."""
    return any(trial.best > 0 for trial in trials)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, tuple) else value


def _line(cell: Cell) -> str:
    low, high = cell.score_interval
    versus = "" if cell.versus is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*cell.versus)
    return (
        f"{cell.sampler:<20} {cell.trainings:>4} {cell.searches:>8} {f'{cell.score:.3f} [{low:.3f}, {high:.3f}]':>20} "
        f"{versus:>22} {cell.predicted:>9.2f} {cell.coverage:>8.2f} {cell.likely_wrong:>12.2f} "
        f"{cell.searches_with_false_proof:>11} {cell.searches_with_true_proof:>5} "
        f"{cell.said_no:>7} {cell.said_no_wrongly:>7} {cell.used:>6.1f} "
        f"{cell.correlation:>11.2f} {cell.p_nothing:>10.2f} {1000 * cell.seconds_per_training:>11.0f}"
    )


def _reports(cell: Cell) -> str:
    shown = ", ".join(f"{name} {value:.3f}" for name, value in cell.by_report.items())
    return f"{cell.sampler} N={cell.trainings}: {shown}"

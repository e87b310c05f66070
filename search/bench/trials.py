"""One search over one problem, judged by the truth of the problem."""

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from search.bench import problems, score
from search.bench.estimators import REPORTS
from search.bench.problems import Problem
from search.bench.score import Offer
from search.bench.searches import Searched, search
from search.bench.table_noise import Array, Followed, correlations
from search.model.fitting import fit
from search.model.one_thread import one_thread
from search.planning.planner import Budget
from search.results.answer import Answer
from search.results.covariates import described
from search.results.point import Point
from senet_nas.costs.measures import USUAL
from spaces import Architecture

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
    """One search over one problem.

    ``points``: true gain from following the front, by way of reporting; ``best``: the oracle's, nan where it is not
    known. ``predicted`` is the S that the report itself expected, nan if it says none. ``used`` trainings were
    finished, each that paused as the share of its epochs; ``largest`` is the largest true gain of the space.
    ``correlation`` is that of the posterior means of all its architectures with their true gains; ``p_nothing`` the
    probability that curves tell nothing. Both are nan where they mean nothing. ``followed`` is what it found on a real
    table, None elsewhere.
    """

    number: int
    sampler: str
    trainings: int
    points: Mapping[str, float]
    best: float
    predicted: float
    honesty: score.Honesty
    seconds_per_training: float
    used: float
    answer: Answer
    largest: float
    correlation: float = math.nan
    p_nothing: float = math.nan
    followed: Followed | None = None


@one_thread
def trial(table: str, spending: Spending, item: tuple[int, str, int]) -> Trial:
    """The search of ``item``: number of the problem, sampler, trainings."""
    number, sampler, trainings = item
    problem = _problem(table, number)
    found = search(problem, sampler, spending.budgets(trainings), number)
    offers, most = _oracle(table, number)
    best = math.nan if problem.known is None else score.points(offers, most)
    means, p_nothing = _everywhere(found, problem)
    own = _own(found, problem)
    reported = {OWN: own, **{name: _read(found, problem, name) for name in REPORTS}}
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
        _correlation(means, problem),
        p_nothing,
        _followed(dict(zip(_members(found), score.shares(own, most), strict=True)), means, problem),
    )


@functools.lru_cache(maxsize=4)
def _problem(table: str, number: int) -> Problem:
    return problems.named(table)(number)


@functools.lru_cache(maxsize=4)
def _oracle(table: str, number: int) -> tuple[list[Offer], float]:
    return score.oracle(_problem(table, number))


def _own(found: Searched, problem: Problem) -> list[Offer]:
    members = _members(found).values()
    return [Offer(p.costs[USUAL.overhead], p.gain, problem.truth(Architecture.parse(p.architecture))) for p in members]


def _members(found: Searched) -> dict[str, Point]:
    """The front without plain, by architecture."""
    return {p.architecture: p for p in found.front.members if not p.is_plain}


def _read(found: Searched, problem: Problem, report: str) -> list[Offer]:
    """All architectures with the values of another estimator. Nobody follows a dominated one."""
    gains = REPORTS[report]([o for o in found.observations if math.isfinite(o.accuracy)])
    trained = [(Architecture.parse(found.keys[number]), gain) for number, gain in gains.items() if number]
    return [Offer(problem.price(a)[USUAL.overhead], gain, problem.truth(a)) for a, gain in trained]


def _everywhere(found: Searched, problem: Problem) -> tuple[Array, float]:
    """The posterior mean of every architecture but plain, in points, and how likely it is that curves tell nothing."""
    members = list(problem.space)
    place = {member.key: i for i, member in enumerate(members)}
    seen = [replace(o, architecture=place[found.keys[o.architecture]]) for o in found.observations]
    posterior = fit(seen, described(members, problem.space.sites, found.figures), draws=DRAWS)
    means = posterior.everywhere(DRAWS).mean(axis=0)[1:]
    return means, math.nan if posterior.trust is None else posterior.trust.p_nothing


def _correlation(means: Array, problem: Problem) -> float:
    """That of posterior means with true gains; nan where one of them does not differ."""
    truth = np.array([problem.truth(member) for member in problem.space])[1:]
    (found,) = correlations(means[None], truth[None], np.ones(len(truth)))
    return float(found)


def _followed(shares: Mapping[str, float], means: Array, problem: Problem) -> Followed | None:
    """What a search found. ``shares`` of budgets, by architecture. None where the truth is not a mean of blocks."""
    _, *others = problem.space
    gains = [list(problem.block_gains(member).values()) for member in others]
    if not any(gains):
        return None
    return Followed(np.array([shares.get(member.key, 0.0) for member in others]), means, np.array(gains))

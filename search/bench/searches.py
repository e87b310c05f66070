"""One search over a problem: the real ledger, loop, planner, sampler and report, in this process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from search.bench.problems import Problem
from search.loop import Loop
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observation
from search.planning.optuna_study import SAMPLERS, Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results.compute import compute
from search.results.evidence import observations_of
from search.results.objectives import DEFAULT
from search.results.result import Front, Rules
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome
from search.state.shared_facts import SharedFigures
from spaces import Architecture, UserError


@dataclass(frozen=True)
class Searched:
    """What a search found: its own front, its trainings for other ways of reporting, and seconds for each proposal.

    ``trainings`` is how many it used, ``figures`` what placements showed in a shared network, if there was one.
    """

    front: Front
    observations: Sequence[Observation]
    keys: Sequence[str]
    seconds_per_training: float
    trainings: int
    figures: SharedFigures | None = None


# The default sampler with two values that no real search knows: the noise, and the spread of the gains.
REFERENCE = "reference"


# Behind the name of a sampler: the model takes loss curves beside accuracies, in the search and in its report, ...
CURVE = "+curve"
# ... or what placements show in a shared network, which costs its part of the budget.
SHARED = "+shared"
MODELS = ("", CURVE, SHARED, CURVE + SHARED)


def searchers() -> tuple[str, ...]:
    """What :func:`search` takes for a sampler."""
    return (*(name + model for model in MODELS for name in SAMPLERS), REFERENCE)


def check(problem: Problem, sampler: str) -> None:
    """Raises UserError if the problem lacks what a sampler needs."""
    if SHARED in sampler:
        problem.shared_network()


def search(problem: Problem, sampler: str, budgets: Sequence[Budget], seed: int) -> Searched:
    """A whole search, confirmation included, extended to each of the ``budgets`` in turn; one slot.

    Raises UserError if there is no reference.
    """
    if sampler != REFERENCE:
        return _search(problem, sampler, budgets, seed)
    if problem.known is None:
        raise UserError("only a synthetic problem has a reference: nobody knows the hyperparameters of a real table")
    return _search(problem, "knowledge_gradient", budgets, seed, problem.known)


def _search(
    problem: Problem, sampler: str, budgets: Sequence[Budget], seed: int, grid: HyperparameterGrid | None = None
) -> Searched:
    ledger = Ledger(":memory:")
    rules = Rules(DEFAULT, curves=CURVE in sampler)
    proposer = Proposer(
        problem.space,
        DEFAULT,
        problem.price,
        sampler=sampler.partition("+")[0],
        seed=seed,
        budget=budgets[0].trainings,
        confirm=budgets[0].confirm,
        curves=rules.curves,
        grid=grid,
    )
    if SHARED in sampler:
        ledger.note(problem.shared_network())
    if ledger.facts.shared_figures is not None:
        proposer.learn(ledger.facts.shared_figures)
    space = PricedSpace(problem.space, problem.price, problem.seeds)
    began = time.perf_counter()
    for budget in budgets:
        loop = Loop(ledger, space, proposer, budget=budget, rules=rules)
        while (assignment := loop.next()) is not None:
            loop.finish(assignment.uid, _train(problem, assignment))
    trainings = sum(training.state == "finished" for training in ledger.trainings)
    seconds = (time.perf_counter() - began) / trainings
    found = compute("bench", ledger, rules, grid=grid)
    seen = observations_of(ledger.trainings, curves=rules.curves)
    keys = [entry.key for entry in ledger.entries]
    return Searched(found, seen, keys, seconds, trainings, ledger.facts.shared_figures)


def _train(problem: Problem, assignment: Assignment) -> Outcome:
    architecture = Architecture.parse(assignment.architecture)
    losses = problem.losses(architecture, assignment.seed)
    curve = [{"epoch": epoch, "train_loss": loss} for epoch, loss in enumerate(losses, start=1)]
    return Outcome({"val_accuracy": problem.accuracy(architecture, assignment.seed)}, curve)

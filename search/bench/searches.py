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
from spaces import Architecture, UserError


@dataclass(frozen=True)
class Searched:
    """What a search found: its own front, its trainings for other ways of reporting, and seconds for each proposal.

    ``trainings`` is how many it used.
    """

    front: Front
    observations: Sequence[Observation]
    keys: Sequence[str]
    seconds_per_training: float
    trainings: int


# The default sampler with two values that no real search knows: the noise, and the spread of the gains.
REFERENCE = "reference"


# Behind the name of a sampler: the model takes loss curves beside accuracies, in the search and in its report.
CURVE = "+curve"


def searchers() -> tuple[str, ...]:
    """What :func:`search` takes for a sampler."""
    return (*SAMPLERS, *(name + CURVE for name in SAMPLERS), REFERENCE)


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
    rules = Rules(DEFAULT, curves=sampler.endswith(CURVE))
    proposer = Proposer(
        problem.space,
        DEFAULT,
        problem.price,
        sampler=sampler.removesuffix(CURVE),
        seed=seed,
        budget=budgets[0].trainings,
        confirm=budgets[0].confirm,
        curves=rules.curves,
        grid=grid,
    )
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
    return Searched(found, seen, [e.key for e in ledger.entries], seconds, trainings)


def _train(problem: Problem, assignment: Assignment) -> Outcome:
    architecture = Architecture.parse(assignment.architecture)
    losses = problem.losses(architecture, assignment.seed)
    curve = [{"epoch": epoch, "train_loss": loss} for epoch, loss in enumerate(losses, start=1)]
    return Outcome({"val_accuracy": problem.accuracy(architecture, assignment.seed)}, curve)

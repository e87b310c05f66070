"""One search over a problem: the real ledger, loop, planner, sampler and report, in this process."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from search.bench.problems import Problem
from search.bench.table_checks import LOSS
from search.loop import Loop
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observation
from search.planning.budget_split import before_confirmation, shares_used
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.planning.samplers import chosen
from search.planning.training_lengths import FEWEST_WHOLE, ShortTrainings, pause_after
from search.results.compute import compute
from search.results.evidence import observations_of
from search.results.objectives import DEFAULT
from search.results.result import Front, Rules
from search.state.confirmation_facts import CONFIRM_SHARE
from search.state.ledger import Ledger
from search.state.records import Assignment, Outcome
from search.state.shared_facts import SharedFigures
from senet_nas.recipe import Recipe, Seed
from spaces import Architecture, UserError
from spaces.text import plural


@dataclass(frozen=True)
class Searched:
    """What a search found: its own front, its trainings for other ways of reporting, and seconds for each proposal.

    ``trainings`` is how many it used, each that paused as the share of its epochs; ``figures`` what placements showed
    in a shared network, if there was one.
    """

    front: Front
    observations: Sequence[Observation]
    keys: Sequence[str]
    seconds_per_training: float
    trainings: float
    figures: SharedFigures | None = None


FEWEST_TRAININGS = 4
# The default sampler with two values that no real search knows: the noise, and the spread of the gains.
REFERENCE = "reference"


# Behind the name of a sampler: the model takes loss curves beside accuracies, in the search and in its report, ...
CURVE = "+curve"
# ... and trainings may pause (`search.short: on`); ...
SHORT = "+short"
# ... or it takes the figures of placements in a shared network, which costs its part of the budget.
SHARED = "+shared"
# In this order.
ADDITIONS = (CURVE, SHORT, SHARED)


def check(problem: Problem, sampler: str, table: str, trainings: int) -> None:
    """Raises UserError if the problem, one of ``table``, lacks what a sampler needs, or the budget of ``trainings``."""
    if sampler == REFERENCE:
        _known(problem)
    fewest = FEWEST_TRAININGS + (_shared_cost(problem) if SHARED in sampler else 0)
    if trainings < fewest:
        network = f", of which the shared network costs {fewest - FEWEST_TRAININGS}," if SHARED in sampler else ""
        raise UserError(
            f"a budget of {plural(trainings, 'training')}{network} is too small for `{sampler}`",
            hint=f"the smallest is {fewest}",
        )
    if CURVE in sampler and not _epochs(problem):
        raise UserError(
            f"`{sampler}` takes loss curves, and {table} has no losses",
            hint="take a synthetic problem with a curve, such as synthetic:113:0.4::strong, or a table with the column "
            f"`{LOSS}`; or name the sampler without {CURVE}",
        )
    if SHORT in sampler:
        _check_pauses(problem, sampler, table, trainings)


def _check_pauses(problem: Problem, sampler: str, table: str, trainings: int) -> None:
    """Raises UserError where no training can pause, as a search with `search.short: on` would be refused."""
    remove = f"name the sampler without {SHORT}"
    name = sampler.partition("+")[0]
    if not chosen(name, problem.space, trainings).pauses:
        raise UserError(
            f"`{name}` chooses whole trainings only, at least with {plural(trainings, 'training')}",
            hint=f"{remove}, or write knowledge_gradient{CURVE}{SHORT}",
        )
    short = _short(problem)
    if short is None or pause_after(short.recipe) is None:
        epochs = plural(_epochs(problem), "epoch")
        raise UserError(f"no training of {table} can pause: its trainings have {epochs} with a loss", hint=remove)
    searched = before_confirmation(trainings, CONFIRM_SHARE)
    searched -= _shared_cost(problem) if SHARED in sampler else 0
    if searched <= FEWEST_WHOLE:
        raise UserError(
            f"no training can pause: a search may use {searched} of {plural(trainings, 'training')}, and the first "
            f"{FEWEST_WHOLE} are whole ones",
            hint=f"use more trainings, or {remove}",
        )


def search(problem: Problem, sampler: str, budgets: Sequence[Budget], seed: int) -> Searched:
    """A whole search, confirmation included, extended to each of the ``budgets`` in turn; one slot.

    Raises UserError if there is no reference.
    """
    if sampler != REFERENCE:
        return _search(problem, sampler, budgets, seed)
    return _search(problem, "knowledge_gradient", budgets, seed, _known(problem))


def _known(problem: Problem) -> HyperparameterGrid:
    if problem.known is None:
        raise UserError(
            "only a synthetic problem has a reference: nobody knows the hyperparameters of a real table",
            hint=f"leave out {REFERENCE}",
        )
    return problem.known


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
    short = _short(problem) if SHORT in sampler else None
    began = time.perf_counter()
    for budget in budgets:
        loop = Loop(ledger, space, proposer, budget=budget, rules=rules, short=short)
        while (assignment := loop.next()) is not None:
            loop.finish(assignment.uid, _train(problem, assignment))
    finished = sum(ledger.counts.finished.values())
    trainings = finished + sum(shares_used(ledger))
    seconds = (time.perf_counter() - began) / trainings
    found = compute("bench", ledger, rules, grid=grid)
    seen = observations_of(ledger.trainings, curves=rules.curves)
    keys = [entry.key for entry in ledger.entries]
    return Searched(found, seen, keys, seconds, trainings, ledger.facts.shared_figures)


def _shared_cost(problem: Problem) -> int:
    """What a shared network takes of the budget. Raises UserError without one."""
    network = problem.shared_network().shared_network
    return math.ceil(network.trainings) if network else 0


def _short(problem: Problem) -> ShortTrainings | None:
    """The trainings that may pause; None if the problem has no curves."""
    epochs = _epochs(problem)
    return ShortTrainings(Recipe(epochs=epochs, warmup=problem.warmup)) if epochs else None


def _epochs(problem: Problem) -> int:
    """How many epochs have a loss."""
    plain = problem.space[0]
    seeds = problem.seeds(plain) if problem.seeds else [Seed(0)]
    return len(problem.losses(plain, seeds[0]))


def _train(problem: Problem, assignment: Assignment) -> Outcome:
    architecture = Architecture.parse(assignment.architecture)
    losses = problem.losses(architecture, assignment.seed)
    curve = [{"epoch": epoch, "train_loss": loss} for epoch, loss in enumerate(losses, start=1)]
    if assignment.until is not None:
        return Outcome(curve=curve[: assignment.until], paused=assignment.until)
    return Outcome({"val_accuracy": problem.accuracy(architecture, assignment.seed)}, curve)

"""Gives tests a search with a fake evaluation: no Ray, no torch, no MLflow.

Accuracies follow from architecture and seed alone, so runs that were killed and continued can be compared with others.
"""

import random
from dataclasses import dataclass, field

from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results.compute import compute
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.facts import Facts, SlotsFact
from search.state.ledger import Ledger
from search.state.left_outcomes import nothing_left
from search.state.records import Outcome
from spaces import Space, SpaceSpec
from tests.conftest import residual_sites

OBJECTIVES = (Objective(metric="accuracy"), Objective(metric="params"))
RULES = Rules(OBJECTIVES)


def price(architecture):
    weights = sum(2 * 16 * se.hidden for se in architecture.blocks if se)
    return {"params": 1000.0 + weights, "params_overhead": weights / 10, "macs": 5e4, "macs_overhead": 0.0}


def accuracy(key, seed, gain=0.1, noise=0.3):
    """In percent: 95, a level of the block, noise, and for all but plain the gain."""
    luck = random.Random(f"{key} {seed}").gauss(0, noise)
    block = random.Random(seed.block).gauss(0, 0.2)
    return 95 + block + luck + (0 if is_plain(key) else gain)


def outcome(assignment, gain=0.1, noise=0.3):
    return Outcome({"val_accuracy": accuracy(assignment.architecture, assignment.seed, gain, noise)}, [{"epoch": 1}])


def is_plain(key):
    return set(key.split("/")[1:]) == {"-"}


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def make(
    path=":memory:",
    trainings=24,
    *,
    space=None,
    sampler="random",
    objectives=OBJECTIVES,
    seeds=None,
    seconds=None,
    stops=True,
    confirm=0.5,
    slots=None,
    worthwhile=0.2,
    shared=None,
    adopt=nothing_left,
    prices=price,
    measure=None,
    **more,
):
    """A loop that has recovered, and its ledger. ``stops``: whether it stops when it is answered.

    ``shared`` is the plan of a shared network, ``adopt`` finds the results that workers left; ``prices`` gives the
    costs of an architecture, and ``measure`` times one.
    """
    ledger = Ledger(path)
    if slots:
        ledger.note(Facts(slots=SlotsFact(slots)))
    if ledger.facts.shared_network is None:
        ledger.note(Facts(shared_network=shared))
    space = space or Space("net", residual_sites((16, 32, 64)), SpaceSpec())
    proposer = Proposer(space, objectives, prices, sampler=sampler, seed=0)
    budget = Budget(trainings, seconds, confirm=confirm, stops_when_answered=stops)
    rules = Rules(objectives, worthwhile=worthwhile)
    priced = PricedSpace(space, prices, seeds, measure=measure)
    loop = Loop(ledger, priced, proposer, budget=budget, rules=rules, **more)
    loop.recover(adopt)
    return loop, ledger


def drive(loop, at_most=10_000, **how):
    """The ten-line driver: one training after the other."""
    for _ in range(at_most):
        assignment = loop.next()
        if assignment is None:
            break
        loop.finish(assignment.uid, outcome(assignment, **how))


@dataclass
class Slots:
    """A driver with ``count`` slots. The training that began first ends first, or last if it is ``reversed``."""

    loop: Loop
    count: int
    reversed: bool = False
    live: list = field(default_factory=list)

    def fill(self):
        """Starts what can start; whether anything runs."""
        while len(self.live) < self.count and (assignment := self.loop.next()) is not None:
            self.live.append(assignment)
        return bool(self.live)

    def end_one(self, **how):
        assignment = self.live.pop(-1 if self.reversed else 0)
        self.loop.finish(assignment.uid, outcome(assignment, **how))
        return assignment


def rows(ledger):
    return [
        (ledger.entries[t.architecture].key, str(t.seed), t.role, t.state, dict(t.metrics)) for t in ledger.trainings
    ]


def front(ledger, objectives=OBJECTIVES):
    return compute("run", ledger, Rules(objectives))


def plans(ledger):
    return ledger.facts.pair_plans or ()


def finished(ledger):
    return sum(training.state == "finished" for training in ledger.trainings)


def of_role(ledger, *roles):
    return [training for training in ledger.trainings if training.role in roles]

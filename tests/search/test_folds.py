"""A search whose trainings take turns in validating on folds: who validates where, and what the model takes off."""

import random
from collections import Counter

import pytest

from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results.compute import compute
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.facts import DataFact, Facts, SlotsFact
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from spaces import Space, SpaceSpec
from tests.conftest import residual_sites
from tests.search.looping import is_plain, price

FOLDS = 5
RULES = Rules((Objective(metric="accuracy"), Objective(metric="params")))
# How easy each fold is, in points.
EASE = (-3.0, -1.0, 0.0, 1.0, 3.0)


def accuracy(assignment):
    """SE in any place gains a point; the noise of a training is 0.2 points."""
    luck = random.Random(f"{assignment.architecture} {assignment.seed}")
    gain = 0.0 if is_plain(assignment.architecture) else 1.0
    return 80 + EASE[assignment.seed.fold(FOLDS)] + gain + luck.gauss(0, 0.2)


def searched(trainings, told=FOLDS):
    """The ledger of a finished search; its model knows of ``told`` folds."""
    ledger = Ledger(":memory:")
    data = DataFact(train=1150, validation=287, test=359, classes=tuple("0123456789"), folds=(287,) * told)
    ledger.note(Facts(slots=SlotsFact(1), data=data))
    space = Space("net", residual_sites((16, 32, 64)), SpaceSpec(reduction=(4, 8)))
    priced = PricedSpace(space, price, folds=FOLDS)
    proposer = Proposer(space, RULES.objectives, price, sampler="knowledge_gradient", seed=0, budget=trainings)
    loop = Loop(ledger, priced, proposer, budget=Budget(trainings, stops_when_answered=False), rules=RULES)
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, Outcome({"val_accuracy": accuracy(assignment)}, [{"epoch": 1}]))
    loop.conclude()
    return ledger


@pytest.fixture(scope="module")
def ledger():
    return searched(48)


@pytest.fixture(scope="module")
def front(ledger):
    return compute("run", ledger, RULES)


def test_trainings_of_a_block_take_turns(ledger):
    search = [t for t in ledger.trainings if t.role != "confirm"]
    assert [t.seed.fold(FOLDS) for t in search if t.seed.block == 0][:10] == [0, 1, 2, 3, 4] * 2
    for block in {t.seed.block for t in search}:
        counts = Counter(t.seed.fold(FOLDS) for t in search if t.seed.block == block)
        assert max(counts.values()) - min(counts.values()) <= 1
    seeds = [(t.architecture, t.seed) for t in ledger.trainings]
    assert len(set(seeds)) == len(seeds)


def test_the_two_of_a_pair_validate_on_one_fold_and_pairs_on_all(ledger):
    pairs = {}
    for training in ledger.trainings:
        if training.role == "confirm":
            pairs.setdefault(training.seed.block, []).append(training)
    assert all(len({t.architecture for t in pair}) == 2 for pair in pairs.values())
    assert all(len({t.seed for t in pair}) == 1 for pair in pairs.values())
    assert len({pair[0].seed.fold(FOLDS) for pair in pairs.values()}) == min(FOLDS, len(pairs))


def test_folds_are_taken_off_the_noise(front):
    assert front.sigma < 0.5
    assert "Worth it" in front.verdict
    noise = front.insights.folds
    assert noise.between == pytest.approx(2.2, abs=0.5)
    assert "Trainings take turns in validating on 5 folds of 287 images." in " ".join(front.statistics)
    assert "folds" in front.insights.to_dict()


def test_folds_that_the_model_does_not_know_would_be_noise(front):
    blind = compute("run", searched(48, told=0), RULES)
    assert blind.sigma > 3 * front.sigma
    assert blind.insights.folds is None


@pytest.mark.parametrize("seed", [Seed(0), Seed(3, 4), Seed(17, 2)])
def test_without_folds_a_level_is_a_block(seed):
    assert seed.fold(1) == 0
    assert seed.level(1) == seed.block

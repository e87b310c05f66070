"""The shared network of a run is planned from its budget, its data and its space, and the same at every start."""

from dataclasses import replace

import pytest

from search import Experiment
from search.config import ConfigError
from search.execute.trainer import Trainer
from search.setup import shared_setup
from search.setup.experiment_setup import prepare
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.shared_facts import SharedNetworkFact
from senet_nas.recipe import Seed
from senet_nas.training.shared_plan import SHARED_NETWORK, TRAININGS
from spaces import UserError

CONFIG = {
    "data": {"dataset": "digits", "train": 300, "validation": 203},
    "model": {"backbone": "cifar_resnet8"},
    "search": {"shared": "on"},
    "budget": {"trainings": 128},
    "train": {"epochs": 2, "batch_size": 64},
}


@pytest.fixture(scope="module")
def prepared():
    return prepare(Experiment.from_dict(CONFIG))


def of_budget(prepared, trainings):
    budget = replace(prepared.experiment.budget, trainings=trainings)
    return replace(prepared, experiment=replace(prepared.experiment, budget=budget))


def test_it_costs_at_most_a_sixth_of_the_budget(prepared):
    for trainings in (80, 128, 1000):
        fact = shared_setup.fact_of(of_budget(prepared, trainings))
        assert fact.trainings <= trainings / 6 + 1e-3
    assert (fact.epochs, fact.placements, fact.state) == (TRAININGS * 2, prepared.space.size, "waiting")


def test_a_budget_that_is_too_small_is_refused_with_one_that_is_not(prepared):
    with pytest.raises(UserError, match="may cost a sixth of 4 trainings") as caught:
        shared_setup.fact_of(of_budget(prepared, 4))
    enough = int(caught.value.hint.split()[2])
    assert shared_setup.fact_of(of_budget(prepared, enough)).placements > 0
    with pytest.raises(ConfigError, match="shared"):
        shared_setup.check(of_budget(prepared, 4))
    shared_setup.check(prepared)


@pytest.mark.parametrize("shared", ["auto", "off"])
def test_auto_is_off(prepared, shared):
    experiment = replace(prepared.experiment, search=replace(prepared.experiment.search, shared=shared))
    assert shared_setup.planned(replace(prepared, experiment=experiment), Ledger(":memory:")) is None


def test_what_is_noted_stays(prepared):
    ledger = Ledger(":memory:")
    fact = shared_setup.planned(prepared, ledger)
    ledger.note(Facts(shared_network=fact))
    assert shared_setup.planned(of_budget(prepared, 256), ledger) is None  # an extension
    assert shared_setup.plan_of(prepared, Facts()) is None


def test_every_placement_is_evaluated_or_plain_and_random_ones(prepared):
    everything = shared_setup.plan_of(prepared, Facts(shared_network=SharedNetworkFact(4, prepared.space.size, 1.0)))
    assert list(everything.architectures) == [member.key for member in prepared.space]
    some = Facts(shared_network=SharedNetworkFact(4, 20, 1.0))
    found = shared_setup.plan_of(prepared, some)
    assert found == shared_setup.plan_of(prepared, some)
    assert found.architectures[0] == everything.architectures[0]
    assert len(set(found.architectures)) == 20


def test_a_worker_is_asked_for_it_by_its_name(prepared):
    plan = replace(
        shared_setup.plan_of(prepared, Facts(shared_network=SharedNetworkFact(1, 9, 1.0))),
        epochs=1,
    )
    evaluator = prepared.evaluate.with_shared(plan).with_threads(1)
    assert isinstance(evaluator, Trainer)
    reports = list(evaluator(SHARED_NETWORK, Seed(0)))
    assert (len(reports), reports[-1].done) == (10, True)


@pytest.mark.parametrize("evaluate", ["table:results.csv", "python:mine:accuracy"])
def test_only_our_own_training_has_one(evaluate):
    with pytest.raises(ConfigError, match="search.shared: works only with `evaluate: train`"):
        Experiment.from_dict({**CONFIG, "evaluate": evaluate})

"""What the model and the result take of a ledger."""

import math

import pytest

from search.results.evidence import Evidence, observations_of
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces import Site
from tests.search import ledgers

SITES = tuple(Site(f"{stage}.0", stage, {"pre_addition": 16}) for stage in (1, 2))


@pytest.fixture
def ledger():
    """Plain twice, another once; one failed, one runs, and a third architecture has nothing finished."""
    ledger = Ledger(":memory:")
    plain, other, third = ledgers.enter(ledger, [0.0, 5.0, 9.0])
    ledgers.train(ledger, plain, [90.0, 90.5])
    ledgers.train(ledger, other, [91.0], block=1)
    ledgers.play(ledger, [(third, Seed(0)), (third, Seed(1))], [ledgers.failed(), None])
    return ledger


def test_only_finished_trainings_are_observed(ledger):
    seen = [(o.architecture, o.block, o.accuracy) for o in observations_of(ledger.trainings)]
    assert seen == [(0, 0, 90.0), (0, 0, 90.5), (1, 1, 91.0)]
    evidence = Evidence.of(ledger)
    assert {number: len(done) for number, done in evidence.by_architecture.items()} == {0: 2, 1: 1}


def test_what_a_ledger_does_not_say_is_not_made_up(ledger):
    evidence = Evidence.of(ledger)
    assert (evidence.images, evidence.classes, evidence.resolution, evidence.space_size) == (0, 0, 0.0, 3)
    assert not evidence.sites
    assert evidence.features.matrix.shape == (3, 0)


def test_what_a_ledger_says_is_taken(ledger):
    ledger.note(Facts(data=DataFact(validation=250, classes=("a", "b", "c")), space_size=64, sites=SITES))
    evidence = Evidence.of(ledger)
    assert (evidence.images, evidence.classes, evidence.resolution, evidence.space_size) == (250, 3, 0.4, 64)
    assert tuple(evidence.sites) == SITES
    assert [a.key for a in evidence.architectures] == [ledgers.key(n) for n in range(3)]
    assert len(evidence.features.matrix) == 3
    assert evidence.features.columns


def test_measured_costs_replace_predicted_ones_of_that_architecture_alone(ledger):
    ledger.note(Facts(latency={"a1": {"latency": 2.0, "params_overhead": 6.0}}))
    evidence = Evidence.of(ledger)
    assert evidence.price(1) == {**ledgers.price(5.0), "latency": 2.0, "params_overhead": 6.0}
    assert evidence.price(2) == ledgers.price(9.0)


def test_a_paused_training_is_an_observation_of_its_losses_alone():
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, [0.0, 5.0])
    curve = [{"epoch": 1, "train_loss": 1.5}]
    ledgers.play(ledger, [(entries[0], Seed(0))], [ledgers.ended(90.0, [*curve, {"epoch": 2, "train_loss": 1.0}])])
    (second,) = ledgers.play(ledger, [(entries[1], Seed(0))], [None])
    ledger.pause(second.uid, curve=curve)
    evidence = Evidence.of(ledger)
    whole, short = evidence.observations(curves=True)
    assert (whole.accuracy, whole.losses) == (90.0, (1.5, 1.0))
    assert math.isnan(short.accuracy)
    assert (short.architecture, short.losses) == (1, (1.5,))
    assert [o.losses for o in evidence.observations(curves=False)] == [()]
    assert [t.architecture for t in evidence.finished] == [0]

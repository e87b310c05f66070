"""What a session says when it goes on."""

import pytest

from search.running.listeners import SharedListener
from search.running.resumed_words import resumed_words
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.shared_facts import SHARED_UID, SharedNetworkFact
from search.state.so_far import SoFar
from senet_nas.recipe import Seed
from tests.search import ledgers

SHARED = SharedNetworkFact(16, 57, 5.3, state="waiting", attempts=1, epoch=15)


def ledger_of(finished=0, paused=0, begun=0, shared=None):
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    ledgers.train(ledger, entry, [90.0] * finished)
    rows = [(entry, Seed(1, r)) for r in range(paused)]
    for training in ledger.plan(rows, role="search", origin="sampler", pause=Pause(1, 0.25)):
        ledger.start(training.uid)
        ledger.pause(training.uid, curve=[{"epoch": 1}])
    for training in ledger.plan([(entry, Seed(2, r)) for r in range(begun)], role="search", origin="sampler"):
        ledger.start(training.uid)
        ledger.wait(training.uid)
    ledger.note(Facts(shared_network=shared))
    return ledger


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({}, ""),
        ({"finished": 1}, "going on: 1 finished training kept"),
        (
            {"finished": 9, "paused": 35, "begun": 1},
            "going on: 9 finished trainings and 35 paused trainings (worth 8.8 trainings) kept; "
            "1 interrupted training continues from its checkpoint",
        ),
        ({"shared": SHARED}, "going on: the shared network continues from its checkpoint (epoch 15)"),
        ({"begun": 2}, "going on: 2 interrupted trainings continue from their checkpoints"),
    ],
)
def test_what_is_kept_and_what_continues_is_said(what, says):
    ledger = ledger_of(**what)
    assert resumed_words(SoFar.of(ledger), ledger, lambda uid: True) == says


def test_what_has_no_checkpoint_starts_again():
    ledger = ledger_of(finished=2, paused=1, begun=1, shared=SHARED)
    assert resumed_words(SoFar.of(ledger), ledger, lambda uid: False) == (
        "going on: 2 finished trainings and 1 paused training (worth 0.2 trainings) kept; 1 interrupted training "
        "starts again and the shared network starts again; 1 paused training has no checkpoint: if it continues, its "
        "epochs are repeated and not counted"
    )
    some = resumed_words(SoFar.of(ledger), ledger, lambda uid: uid == SHARED_UID)
    assert "starts again and the shared network continues from its checkpoint (epoch 15)" in some


@pytest.mark.parametrize(
    ("epoch", "says"),
    [
        (0, "training one network that 57 placements share (16 epochs, 5.3 trainings of the budget)"),
        (15, "continuing the shared network, epoch 15 of 16"),
    ],
)
def test_a_shared_network_that_continues_is_not_said_to_be_new(epoch, says):
    class Tracker:
        def shared_network(self, fact):
            pass

    said = []
    SharedListener(Tracker(), said.append)(SharedNetworkFact(16, 57, 5.3, state="running", epoch=epoch))
    assert said == [says]

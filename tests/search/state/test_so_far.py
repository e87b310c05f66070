"""What a run has done of its budget, in whole trainings."""

from dataclasses import replace

import pytest

from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.shared_facts import SharedNetworkFact
from search.state.so_far import SoFar, amount, worth
from senet_nas.recipe import Seed
from tests.search import ledgers

EPOCHS = 4


@pytest.fixture
def ledger():
    """One finished training, one that was stopped half way, and two that paused after a quarter."""
    ledger = Ledger(":memory:")
    (entry,) = ledgers.enter(ledger, [0.0])
    ledgers.train(ledger, entry, [90.0])
    (stopped,) = ledger.plan([(entry, Seed(0, 1))], role="search", origin="sampler")
    ledger.start(stopped.uid)
    ledger.stop(stopped.uid, reason="", curve=[{"epoch": 1}, {"epoch": 2}], share=0.5)
    for training in ledger.plan([(entry, Seed(0, r)) for r in (2, 3)], role="search", origin="", pause=Pause(1, 0.25)):
        ledger.start(training.uid)
        ledger.pause(training.uid, curve=[{"epoch": 1}])
    return ledger


def test_parts_count_as_what_was_done_of_them(ledger):
    found = SoFar.of(ledger, EPOCHS)
    assert (found.finished, found.done, found.used) == (1, 2.0, 2.0)
    assert found.worth == {"stopped": 0.5, "paused": 0.5}


@pytest.mark.parametrize("is_running", [True, False])
def test_a_training_that_continues_keeps_what_it_had_done(ledger, is_running):
    (first, _) = ledger.counts.paused.values()
    ledger.resume(first.uid, pause=Pause(2, 0.5))
    if is_running:
        ledger.start(first.uid)
    found = SoFar.of(ledger, EPOCHS)
    assert found.done == 2.0
    assert found.worth == {"stopped": 0.5, "paused": 0.25}


@pytest.mark.parametrize(
    ("state", "used", "reserved"), [("running", 2.0, 5.3), ("finished", 7.3, 5.3), ("failed", 2.0, 0.0)]
)
def test_a_shared_network_is_used_once_it_has_finished_and_costs_nothing_if_it_failed(ledger, state, used, reserved):
    ledger.note(Facts(shared_network=replace(SharedNetworkFact(16, 57, 5.3), state=state)))
    found = SoFar.of(ledger, EPOCHS)
    assert (found.used, found.shared_trainings) == (pytest.approx(used), reserved)


def test_numbers_of_trainings_are_written_with_a_digit_where_they_have_one():
    assert [amount(n) for n in (0, 9, 17.75, 1234.0)] == ["0", "9", "17.8", "1,234"]
    assert [worth(n) for n in (1.0, 8.75)] == ["(worth 1 training)", "(worth 8.8 trainings)"]

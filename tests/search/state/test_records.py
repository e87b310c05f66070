"""The records of a run."""

from search.state.ledger import Ledger
from search.state.records import FIRST_PATIENCE, OPEN, SHARE, Outcome, Progress
from senet_nas.recipe import Seed
from tests.search import ledgers


def test_a_first_epoch_may_take_six_hours():
    assert FIRST_PATIENCE == 6 * 60 * 60


def test_what_is_open_waits_or_runs():
    assert OPEN == ("waiting", "running")
    assert SHARE == "share"


def test_people_name_trainings_and_architectures_by_number():
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, range(3))
    ledgers.train(ledger, entries[2], [90.0, 91.0])
    assert [t.name for t in ledger.trainings] == ["t0", "t1"]
    assert (entries[2].name, entries[2].key) == ("a2", entries[2].architecture.key)


def test_a_new_training_has_nothing_yet():
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    (training,) = ledger.plan([(plain, Seed(1, 2))], role="search", origin="sampler")
    assert (training.state, training.attempts, training.epoch, training.seed) == ("waiting", 0, 0, Seed(1, 2))
    assert (training.started, training.ended, training.reason, training.detail) == (None, None, "", "")
    assert (dict(training.metrics), list(training.curve), training.correct, training.weights) == ({}, [], None, "")
    assert (Outcome().failure, Outcome().correct, Progress(1).metrics) == ("", None, {})


def test_what_is_long_is_not_shown_by_repr():
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    (training,) = ledger.plan([(plain, Seed(0))], role="search", origin="sampler", proposal=[{"params": {}}])
    assert "proposal" not in repr(training)
    assert "correct" not in repr(training)
    assert "origin" in repr(training)

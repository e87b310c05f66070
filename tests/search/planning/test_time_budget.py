"""The time of a run, on a clock that a test sets."""

import pytest

from search.planning.time_budget import Patience, TimeBudget
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from tests.search import ledgers


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_the_clock_starts_once_and_earlier_sessions_count():
    clock = Clock()
    budget = TimeBudget(100.0, spent_before=30.0, clock=clock, search_share=0.5)
    clock.now = 1010.0
    assert budget.spent == 30.0
    budget.begin()
    clock.now = 1015.0
    budget.begin()
    assert budget.spent == 35.0


@pytest.mark.parametrize("share", [0.4, 0.5, 0.75])
@pytest.mark.parametrize(
    ("beyond", "search_is_over", "is_over"),
    [(-0.1, False, False), (0.0, True, False), (24.9, True, False), (None, True, True)],
)
def test_the_search_has_its_share_of_the_time(share, beyond, search_is_over, is_over):
    spent = 100.0 if beyond is None else 100 * share + beyond
    budget = TimeBudget(100.0, spent_before=spent, clock=Clock(), search_share=share)
    assert (budget.search_is_over, budget.is_over) == (search_is_over, is_over)


def test_without_a_limit_time_never_ends():
    budget = TimeBudget(None, spent_before=1e9, clock=Clock(), search_share=0.5)
    assert not budget.search_is_over
    assert not budget.is_over


def training(*epochs, **metrics):
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    (found,) = ledgers.play(ledger, [(plain, Seed(0))], [ledgers.ended(90.0, list(epochs), **metrics)])
    return found


def test_patience_follows_from_the_slowest_epoch_that_was_seen():
    patience = Patience(None)
    assert patience.seconds == 6 * 3600
    patience.measure(training({"epoch": 1, "seconds": 40.0}, {"epoch": 2, "seconds": 50.0}))
    patience.measure(training({"epoch": 1, "seconds": 31.0}))
    assert patience.seconds == 20 * 50.0


def test_epochs_without_a_time_take_an_even_share_of_the_training():
    patience = Patience(None)
    patience.measure(training({"epoch": 1}, {"epoch": 2}, train_seconds=180.0))
    assert patience.seconds == 20 * 90.0
    alone = Patience(None)
    alone.measure(training(train_seconds=60.0))
    assert alone.seconds == 20 * 60.0


def test_nobody_is_called_hung_before_ten_minutes():
    patience = Patience(None)
    patience.measure(training({"epoch": 1, "seconds": 2.0}))
    assert patience.seconds == 600.0
    patience.measure(training({"epoch": 1, "seconds": 30.1}))
    assert patience.seconds == pytest.approx(602.0)


def test_a_patience_that_is_set_is_kept():
    patience = Patience(45.0)
    patience.measure(training({"epoch": 1, "seconds": 2000.0}))
    assert patience.seconds == 45.0


def test_a_training_without_any_times_says_nothing():
    patience = Patience(None)
    patience.measure(training({"epoch": 1}))
    assert patience.seconds == 6 * 3600

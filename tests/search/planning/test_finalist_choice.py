"""A placement is measured before it is confirmed, where its predicted latency does not decide a limit."""

from contextlib import closing

import pytest

from search.planning import finalist_choice
from search.planning.finalist_choice import FinalistChoice
from search.results.result import Rules
from search.state.ledger import Ledger
from tests.search import ledgers, timings

RULES = Rules(timings.OBJECTIVES)
LEVEL = 0.05 * 2 / 3


@pytest.fixture
def ledger():
    with closing(Ledger(":memory:")) as opened:
        yield opened


def searched(ledger, error, overheads):
    """Placements with these predicted latencies, each with a larger gain than the one before."""
    timings.model(ledger, error)
    for number, overhead in enumerate([0.0, *overheads]):
        (entry,) = ledgers.enter(ledger, [overhead], **timings.predicted(overhead))
        ledgers.train(ledger, entry, [90 + 0.3 * number + 0.2 * (-1) ** replicate for replicate in range(4)])


def chosen(ledger, truth=None):
    """The number that is chosen, and what was timed for it. ``truth``: the latency of each number."""
    timed = []

    def measure(number, names):
        timed.append((number, *names))
        timings.measured(ledger, f"a{number}", truth[number])

    found = FinalistChoice(ledger, RULES, measure if truth else None).best(lambda number: 16, LEVEL)
    return found and found.number, timed


def test_a_trusted_prediction_far_from_the_limit_needs_no_measurement(ledger):
    searched(ledger, 1.0, [3.0, 4.0, 5.0])
    assert chosen(ledger, {3: 99.0}) == (3, [])


def test_of_a_model_that_is_not_trusted_the_likeliest_is_measured_and_the_next_if_it_breaks_the_limit(ledger):
    searched(ledger, 4.0, [3.0, 4.0, 5.0, 30.0])
    assert chosen(ledger, {1: 3.0, 2: 9.0, 3: 12.0}) == (2, [(3, "latency"), (2, "latency")])


def test_what_a_doubtful_prediction_excludes_is_measured_if_it_would_be_chosen(ledger):
    searched(ledger, 1.0, [3.0, 4.0, 11.0])
    assert chosen(ledger, {3: 9.5}) == (3, [(3, "latency")])


def test_what_its_runtime_refuses_is_not_confirmed(ledger):
    searched(ledger, 4.0, [3.0, 4.0])
    assert chosen(ledger, {1: 3.0, 2: None}) == (1, [(2, "latency"), (1, "latency")])


def test_what_was_measured_in_an_earlier_session_is_not_measured_again(ledger):
    searched(ledger, 4.0, [3.0, 4.0, 5.0])
    timings.measured(ledger, "a3", 12.0)
    timings.measured(ledger, "a2", 9.0)
    assert chosen(ledger, {1: 3.0}) == (2, [])


def test_if_all_break_the_limit_nobody_is_confirmed(ledger):
    searched(ledger, 4.0, [3.0, 4.0])
    assert chosen(ledger, {1: 13.0, 2: 14.0}) == (None, [(2, "latency"), (1, "latency")])


def test_after_so_many_measurements_only_what_needs_none_is_chosen(ledger, monkeypatch):
    monkeypatch.setattr(finalist_choice, "MOST", 2)
    searched(ledger, 1.0, [3.0, 9.0, 9.1, 9.2])
    truth = {2: 12.0, 3: 12.0, 4: 12.0}
    assert chosen(ledger, truth) == (1, [(4, "latency"), (3, "latency")])


def test_without_a_clock_predictions_count_as_they_are(ledger):
    searched(ledger, 4.0, [3.0, 9.0, 11.0])
    assert chosen(ledger) == (2, [])

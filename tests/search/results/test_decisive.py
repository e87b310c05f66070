"""Which placements are measured at the end: what is reported, and what only a doubtful prediction keeps out."""

from contextlib import closing
from dataclasses import replace

import pytest

from search.results.decisive import decisive
from search.results.result import Rules
from search.state.ledger import Ledger
from tests.search import ledgers, timings

RULES = Rules(timings.OBJECTIVES)


@pytest.fixture
def ledger():
    """A run with a limit of 10 % on latency, and a model that is wrong by 1 point on average."""
    with closing(Ledger(":memory:")) as opened:
        timings.model(opened, 1.0)
        yield opened


def trained(ledger, *placements):
    """Placements with their gain over plain and their predicted latency."""
    for gain, overhead in ((0.0, 0.0), *placements):
        (entry,) = ledgers.enter(ledger, [overhead], **timings.predicted(overhead))
        ledgers.train(ledger, entry, [90 + gain + 0.02 * replicate for replicate in range(6)])


def test_the_front_is_measured_and_what_it_beats_is_not(ledger):
    trained(ledger, (2.0, 3.0), (1.0, 6.0))
    assert decisive(ledger, RULES) == ["a1"]


def test_what_would_be_on_the_front_with_a_smaller_latency_is_measured_after_the_front(ledger):
    trained(ledger, (1.0, 3.0), (2.0, 11.0), (3.0, 40.0), (0.5, 11.0))
    assert decisive(ledger, RULES) == ["a1", "a2"]


def test_once_it_is_measured_over_the_limit_the_next_one_may_be_on_the_front(ledger):
    trained(ledger, (1.0, 3.0), (3.0, 10.5), (2.0, 11.0))
    assert decisive(ledger, RULES) == ["a1", "a2"]
    timings.measured(ledger, "a2", 10.4)
    assert decisive(ledger, RULES) == ["a1", "a3"]


def test_what_was_confirmed_is_measured_wherever_it_stands(ledger):
    trained(ledger, (3.0, 3.0), (2.0, 6.0))
    ledgers.confirm(ledger, 2, (2.0, 2.1, 1.9, 2.05), how="proven")
    assert decisive(ledger, RULES) == ["a2", "a1"]  # the recommended one first
    again = decisive(ledger, Rules((RULES.objectives[0], replace(RULES.objectives[1], limit=1.0))))
    assert again == ["a2", "a1"]  # neither keeps this limit by its prediction, both may

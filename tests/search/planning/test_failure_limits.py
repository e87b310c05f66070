"""What follows from failed trainings, on limits that are reached exactly."""

import pytest

from search.planning.failure_limits import CircuitBreaker, Retries
from search.state import failures
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces import UserError
from tests.search import ledgers


@pytest.fixture
def ended():
    """Makes ended trainings: ``ended("+-", 0)`` are one that finished and one that failed, of plain."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger)

    def make(signs, architecture=1, reason="diverged", detail=""):
        rows = [(entries[architecture], Seed(architecture, len(ledger.trainings) + i)) for i in range(len(signs))]
        outcomes = [ledgers.ended(90.0) if sign == "+" else ledgers.failed(reason, detail) for sign in signs]
        return ledgers.play(ledger, rows, outcomes)

    return make


def stops(*trainings):
    breaker = CircuitBreaker()
    for training in trainings:
        breaker.add(training)
    try:
        breaker.check()
    except UserError as error:
        return error
    return None


def test_two_failures_of_plain_end_a_search_in_which_plain_never_trained(ended):
    assert stops(*ended("-", 0)) is None
    error = stops(*ended("--", 0))
    assert "the plain network does not train" in error.message
    assert error.code == 3
    assert stops(*ended("-+-", 0)) is None
    assert stops(*ended("-", 0), *ended("+-", 1)) is None


def test_five_failures_in_a_row_end_it(ended):
    assert stops(*ended("++----")) is None
    assert "5 trainings in a row failed" in stops(*ended("++-----")).message
    assert stops(*ended("++----+-")) is None


def test_more_than_half_of_at_least_ten_end_it(ended):
    assert stops(*ended("--+--+--+")) is None  # nine
    assert stops(*ended("-+-+-+-+-+")) is None  # half
    assert "6 of 10 trainings failed" in stops(*ended("-+--+-+--+")).message


def test_the_error_names_all_reasons_and_the_remedy_of_the_last(ended):
    trainings = [*ended("++"), *ended("---", reason="out of memory"), *ended("--", detail="  loss is nan \n")]
    error = stops(*trainings)
    assert error.message == "5 trainings in a row failed (diverged, out of memory): loss is nan"
    assert error.hint == f"{failures.kind('diverged').remedy}; finished trainings are kept"
    assert stops(*ended("++-----")).message.endswith("failed (diverged)")


def test_a_training_starts_again_as_often_as_its_reason_allows():
    retries = Retries()
    for reason, kind in failures.KINDS.items():
        assert [retries.start_again(reason, reason) for _ in range(kind.attempts)] == [
            *[True] * (kind.attempts - 1),
            False,
        ]


def test_what_must_run_alone_waits_for_others_and_others_wait_for_it():
    retries = Retries()
    alone = next(reason for reason, kind in failures.KINDS.items() if kind.alone and kind.attempts > 1)
    beside = next(reason for reason, kind in failures.KINDS.items() if not kind.alone and kind.attempts > 1)
    assert retries.start_again("big", alone)
    assert retries.start_again("small", beside)
    assert not retries.must_wait("big", set())
    assert retries.must_wait("big", {"other"})
    assert retries.must_wait("other", {"big"})
    assert not retries.must_wait("small", {"other"})
    assert not retries.must_wait("small", set())

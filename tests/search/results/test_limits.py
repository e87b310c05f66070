"""A prediction decides a limit only where it is trusted and far from the limit; what was measured always does."""

from contextlib import closing
from dataclasses import replace

import pytest

from search.results import limits
from search.results.evidence import Evidence
from search.state.ledger import Ledger
from tests.search import ledgers, timings

CALM, WILD = 1.0, 4.0  # mean errors of a trusted model, and of one that is not; their margins are 2.5 and 9.8 points


def judged(error, overhead, found=None, *, is_refused=False):
    """Whether the placement keeps its limit of 10 %, surely, as far as is known, and perhaps; and what is unsure."""
    with closing(Ledger(":memory:")) as ledger:
        timings.model(ledger, error)
        ledgers.enter(ledger, [0.0], **timings.predicted(0.0))
        ledgers.enter(ledger, [5.0], **timings.predicted(overhead))
        if found is not None or is_refused:
            timings.measured(ledger, "a1", found)
        evidence = Evidence.of(ledger)
        questions = (limits.surely_keeps, limits.keeps, limits.may_keep)
        kept = tuple(question(evidence, timings.OBJECTIVES, 1) for question in questions)
        return kept, limits.unsure(evidence, timings.OBJECTIVES, 1)


SURELY = ((True, True, True), [])
NEVER = ((False, False, False), [])
KEPT_PERHAPS = ((False, True, True), ["latency"])
BROKEN_PERHAPS = ((False, False, True), ["latency"])


@pytest.mark.parametrize(
    ("error", "overhead", "expected"),
    [
        (CALM, 7.4, SURELY),
        (CALM, 7.7, KEPT_PERHAPS),
        (CALM, 10.0, KEPT_PERHAPS),
        (CALM, 12.3, BROKEN_PERHAPS),
        (CALM, 12.6, NEVER),
        (WILD, -20.0, KEPT_PERHAPS),
        (WILD, 19.0, BROKEN_PERHAPS),
    ],
)
def test_a_prediction_decides_where_it_is_trusted_and_far_from_the_limit(error, overhead, expected):
    assert judged(error, overhead) == expected


def test_what_is_predicted_far_over_a_limit_is_not_worth_a_measurement_however_wild_the_model():
    kept, _ = judged(WILD, 20.0)
    assert kept == (False, False, False)


@pytest.mark.parametrize(("found", "expected"), [(9.9, SURELY), (10.1, NEVER)])
def test_what_was_measured_decides_whatever_was_predicted(found, expected):
    assert judged(WILD, 15.0, found) == judged(CALM, 5.0, found) == expected


def test_what_its_runtime_refuses_is_never_within_the_limits():
    assert judged(WILD, 5.0, is_refused=True) == NEVER


def test_plain_and_a_cost_without_a_limit_are_sure():
    with closing(Ledger(":memory:")) as ledger:
        timings.model(ledger, WILD)
        ledgers.enter(ledger, [0.0, 5.0], **timings.predicted(0.0))
        evidence = Evidence.of(ledger)
        assert limits.surely_keeps(evidence, timings.OBJECTIVES, 0)
        free = (timings.OBJECTIVES[0], replace(timings.OBJECTIVES[1], limit=None))
        assert limits.surely_keeps(evidence, free, 1)

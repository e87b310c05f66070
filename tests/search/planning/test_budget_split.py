"""How the budget is divided, read off ledgers that are made by hand."""

import pytest

from search.planning.budget_split import BudgetSplit, trainings_used
from search.results.confirmation import sizes
from search.state.facts import ConfirmationFact, Facts, Sizes
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from tests.search import ledgers


@pytest.fixture
def ledger():
    """Five baselines, four of the search, two fresh ones: finished, one failed, one waits."""
    ledger = Ledger(":memory:")
    plain, other = ledgers.enter(ledger)
    ledgers.train(ledger, plain, [90.0] * 5, role="baseline", origin="baseline 0")
    ledgers.train(ledger, other, [91.0] * 3)
    ledgers.play(ledger, [(other, Seed(0, 7))], [ledgers.failed()])
    ledger.plan([(other, Seed(0, 8))], role="search", origin="sampler")
    ledgers.train(ledger, other, [91.0] * 2, block=1, role="confirm", origin="confirmation 1")
    return ledger


def confirmation(budget, finalists=(1,)):
    return ConfirmationFact(Sizes(1, 3, 3, 1), finalists, budget)


def stop(ledger, replicate, share):
    (training,) = ledger.plan([(ledger.entries[1], Seed(3, replicate))], role="search", origin="sampler")
    ledger.start(training.uid)
    ledger.stop(training.uid, reason="slow", curve=[{"epoch": 1}], share=share)


def test_what_failed_does_not_count_and_what_is_open_does(ledger):
    assert trainings_used(ledger) == 11
    assert trainings_used(ledger, "confirm") == 2
    assert trainings_used(ledger, "baseline", "search") == 9
    assert BudgetSplit(ledger, 64).searched == 9
    assert BudgetSplit(ledger, 64).used("search") == 4


def test_stopped_trainings_count_by_their_share_and_the_sum_is_rounded_up(ledger):
    for replicate, share in enumerate([1 / 3, 1 / 3, 1 / 3]):
        stop(ledger, replicate, share)
    assert trainings_used(ledger, "search") == 4 + 1
    stop(ledger, 3, 0.1)
    assert trainings_used(ledger, "search") == 4 + 2
    assert trainings_used(ledger, "baseline") == 5
    assert trainings_used(ledger) == 11 + 2


def test_the_search_may_use_what_no_confirmation_needs(ledger):
    split = BudgetSplit(ledger, 64)
    assert (split.confirmed, split.rounds, split.sizes) == (0, (), sizes(64))
    assert split.search_target == 64 - 2 - sizes(64).total


def test_after_a_confirmation_only_what_was_added_is_divided(ledger):
    ledger.note(Facts(confirmations=(confirmation(24), confirmation(40), confirmation(60, finalists=()))))
    split = BudgetSplit(ledger, 96)
    assert split.confirmed == 40
    assert split.sizes == sizes(56)
    assert split.search_target == 96 - 2 - sizes(56).total


def test_a_search_that_ends_now_gets_a_third_of_what_it_used_for_its_confirmation(ledger):
    """11 are used: a budget of 14 is too small; of 48 used, 64 is the budget whose quarter is the confirmation."""
    assert BudgetSplit(ledger, 64).sizes_of_early_end == sizes(14)
    ledgers.train(ledger, ledger.entries[0], [90.0] * 37)
    assert BudgetSplit(ledger, 99).sizes_of_early_end == sizes(64)
    ledger.note(Facts(confirmations=(confirmation(24),)))
    assert BudgetSplit(ledger, 99).sizes_of_early_end == sizes(32)
    ledger.note(Facts(confirmations=(confirmation(90),)))
    assert BudgetSplit(ledger, 99).sizes_of_early_end == sizes(0)

"""How the budget is divided, read off ledgers that are made by hand."""

import pytest

from search.planning.budget_split import BudgetSplit, trainings_used
from search.results.paired_test import smallest_budget
from search.state.confirmation_facts import ConfirmationFact, PairPlan, Sizes
from search.state.facts import Facts
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


def pairs(budget, count=3, **more):
    """A plan of so many pairs, frozen with this budget; without pairs it has no candidate."""
    return PairPlan((1,) * count, (count,) if count else (), 0.01, budget, **more)


def test_half_of_a_budget_is_kept_for_pairs_and_the_search_may_use_the_rest(ledger):
    split = BudgetSplit(ledger, 64)
    assert (split.confirmed, split.rounds, split.plans, split.is_frozen) == (0, (), (), False)
    assert split.pairs == 16
    assert split.search_target == 64 - 2 - 32
    assert split.left == 64 - 11


@pytest.mark.parametrize(("share", "count"), [(0.25, 8), (0.3, 9), (0.5, 16), (0.6, 19)])
def test_the_share_is_the_one_that_was_asked_for_in_whole_pairs(ledger, share, count):
    split = BudgetSplit(ledger, 64, share)
    assert split.pairs == count
    assert split.search_target == 64 - 2 - 2 * count


@pytest.mark.parametrize(("budget", "count"), [(4, 0), (11, 0), (12, 3), (15, 3), (16, 4)])
def test_of_fewer_than_three_pairs_nothing_could_be_proven_so_the_search_gets_all(budget, count):
    split = BudgetSplit(Ledger(":memory:"), budget)
    assert split.pairs == count
    assert split.search_target == budget - 2 * count


@pytest.mark.parametrize(("share", "smallest"), [(0.25, 24), (0.3, 20), (0.5, 12), (0.6, 10)])
def test_the_smallest_budget_that_confirms_follows_from_the_share(share, smallest):
    assert smallest_budget(share) == smallest
    assert BudgetSplit(Ledger(":memory:"), smallest, share).pairs == 3
    assert BudgetSplit(Ledger(":memory:"), smallest - 1, share).pairs == 0


def test_there_are_no_more_pairs_than_trainings_are_left(ledger):
    assert BudgetSplit(ledger, 19).pairs == 4  # 8 are left, half would be 4 pairs
    assert BudgetSplit(ledger, 18).pairs == 3  # 7 are left
    assert BudgetSplit(ledger, 16).pairs == 0
    assert BudgetSplit(ledger, 8).left == 0


def test_after_a_confirmation_only_what_was_added_is_divided(ledger):
    ledger.note(Facts(confirmations=(confirmation(24), confirmation(40), confirmation(60, finalists=()))))
    split = BudgetSplit(ledger, 96)
    assert split.confirmed == 40
    assert split.pairs == 14
    assert split.search_target == 96 - 2 - 28
    ledger.note(Facts(pair_plans=(pairs(56), pairs(90, 0))))
    split = BudgetSplit(ledger, 96)
    assert split.confirmed == 56
    assert split.pairs == 10


def test_with_a_frozen_candidate_the_search_may_have_whatever_no_confirmation_took(ledger):
    for plan in (pairs(64), pairs(64, 0)):
        ledger.note(Facts(pair_plans=(plan,)))
        split = BudgetSplit(ledger, 64)
        assert split.is_frozen
        assert split.search_target == 64 - 2
        assert not BudgetSplit(ledger, 65).is_frozen


def test_after_a_failure_the_next_candidate_may_have_all_that_is_left(ledger):
    ledger.note(Facts(pair_plans=(pairs(64),)))
    assert BudgetSplit(ledger, 64).pairs_after_failure == (64 - 11) // 2


def test_a_search_that_ends_now_gets_as_much_for_its_confirmation_as_it_used(ledger):
    assert BudgetSplit(ledger, 64).pairs_of_early_end == 5  # 11 are used
    assert BudgetSplit(ledger, 64, 0.25).pairs_of_early_end == 0  # a third of 11 is one pair
    ledgers.train(ledger, ledger.entries[0], [90.0] * 37)
    assert BudgetSplit(ledger, 99).pairs_of_early_end == 24
    assert BudgetSplit(ledger, 99, 0.25).pairs_of_early_end == 8
    assert BudgetSplit(ledger, 64).pairs_of_early_end == 8  # 16 are left
    ledger.note(Facts(confirmations=(confirmation(24),)))
    assert BudgetSplit(ledger, 99).pairs_of_early_end == 12
    ledger.note(Facts(confirmations=(confirmation(90),)))
    assert BudgetSplit(ledger, 99).pairs_of_early_end == 0


def test_a_search_that_the_time_ended_counts_as_one_of_a_smaller_budget(ledger):
    """11 are used, and three pairs follow: with more time the search goes on, and what is beyond 17 is divided."""
    ledger.note(Facts(pair_plans=(pairs(99, covered=17),)))
    split = BudgetSplit(ledger, 99)
    assert (split.is_frozen, split.confirmed, split.pairs_after_failure) == (True, 17, 3)
    ledgers.train(ledger, ledger.entries[0], [90.0] * 6)
    assert split.is_frozen
    ledgers.train(ledger, ledger.entries[0], [90.0])
    assert (split.is_frozen, split.pairs_after_failure) == (False, 0)
    assert split.pairs == (99 - 17) // 4

"""Which block a search is in, and which baselines a block begins with."""

import pytest

from search.planning.budget_split import BudgetSplit
from search.planning.priced_space import PricedSpace
from search.planning.seed_blocks import SeedBlocks
from search.planning.training_rows import TrainingRows
from search.results.confirmation import sizes
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces.placements import baselines
from tests.search import ledgers


def blocks_of(ledger, space, budget, seeds=None):
    priced = PricedSpace(space, lambda architecture: ledgers.price(), seeds)
    return SeedBlocks(ledger, priced, BudgetSplit(ledger, budget), TrainingRows(ledger, priced))


def trained(ledger, count, space):
    """So many trainings of the search: finished, of plain, in block 0."""
    (plain, *_) = baselines(space)
    entry = ledger.enter(plain, "plain", ledgers.price())
    ledgers.train(ledger, entry, [90.0] * count)


@pytest.fixture
def space(make_space):
    return make_space()


@pytest.mark.parametrize(
    ("budget", "done", "block"),
    [
        (64, 0, 0),
        (64, 31, 0),
        (64, 32, 1),
        (64, 49, 1),
        (50, 38, 0),  # 39 are searched: a rest of 7 is no block of its own
        (51, 39, 1),  # 40: a rest of 8 is one
        (256, 96, 3),
        (256, 160, 5),
        (256, 193, 5),
    ],
)
def test_a_block_holds_32_trainings_and_a_small_rest_belongs_to_the_last(space, budget, done, block):
    ledger = Ledger(":memory:")
    trained(ledger, done, space)
    assert blocks_of(ledger, space, budget).current == block


def test_of_a_large_budget_blocks_are_larger_and_not_more(space):
    ledger = Ledger(":memory:")
    target = 4000 - sizes(4000).total
    trained(ledger, target // 2, space)
    assert blocks_of(ledger, space, 4000).current == 15


def test_after_a_confirmation_the_search_continues_in_a_fresh_block(space):
    ledger = Ledger(":memory:")
    trained(ledger, 5, space)
    ledgers.train(ledger, ledger.entries[0], [90.0], block=4, role="confirm", origin="confirmation 1")
    assert blocks_of(ledger, space, 64).current == 5


def planned(ledger):
    return [(ledger.entries[t.architecture].architecture, t.seed, t.role, t.origin) for t in ledger.trainings]


def test_the_first_block_begins_with_plain_and_then_se_everywhere_and_in_single_stages(space):
    ledger = Ledger(":memory:")
    first = blocks_of(ledger, space, 64).plan_baselines()
    plain, *others = baselines(space)
    expected = [(plain, Seed(0, r), "baseline", "baseline 0") for r in range(6)]  # round(sqrt(32))
    expected += [(other, Seed(0, 0), "baseline", "baseline 0") for other in others]
    assert first == ledger.trainings[0]
    assert planned(ledger) == expected
    assert blocks_of(ledger, space, 64).plan_baselines() is None


@pytest.mark.parametrize(("budget", "n_plain", "n_others"), [(4, 2, 1), (8, 3, 1), (16, 4, 4), (12, 3, 3)])
def test_baselines_take_at_most_half_of_a_small_search(space, budget, n_plain, n_others):
    ledger = Ledger(":memory:")
    blocks_of(ledger, space, budget).plan_baselines()
    numbers = [t.architecture for t in ledger.trainings]
    assert (numbers.count(0), len(numbers) - numbers.count(0)) == (n_plain, n_others)


def test_later_blocks_begin_with_plain_and_se_everywhere_alone(space):
    ledger = Ledger(":memory:")
    trained(ledger, 32, space)
    blocks_of(ledger, space, 128).plan_baselines()
    plain, everywhere, *_ = baselines(space)
    assert planned(ledger)[32:] == [
        *((plain, Seed(1, r), "baseline", "baseline 1") for r in range(6)),
        (everywhere, Seed(1, 0), "baseline", "baseline 1"),
    ]


def test_plain_is_planned_again_if_all_of_it_failed_in_the_block(space):
    ledger = Ledger(":memory:")
    blocks_of(ledger, space, 64).plan_baselines()
    before = len(ledger.trainings)
    for training in list(ledger.trainings[:6]):
        assert blocks_of(ledger, space, 64).plan_baselines() is None
        ledger.start(training.uid)
        ledger.fail(training.uid, reason="diverged", detail="")
    again = blocks_of(ledger, space, 64).plan_baselines()
    assert again == ledger.trainings[before]
    assert {t.architecture for t in ledger.trainings[before:]} == {0}


@pytest.mark.parametrize(("held", "n_plain"), [(30, 6), (19, 6), (18, 5), (12, 2), (10, 1), (8, 1), (7, 1)])
def test_a_table_keeps_seeds_of_plain_for_the_confirmation_and_for_every_block(space, held, n_plain):
    """A budget of 88 has a search of 69 in two blocks, and a confirmation with seven trainings of plain."""
    ledger = Ledger(":memory:")
    seeds = [Seed(0, r) for r in range(held)]
    blocks_of(ledger, space, 88, lambda architecture: seeds).plan_baselines()
    assert [t.architecture for t in ledger.trainings].count(0) == n_plain

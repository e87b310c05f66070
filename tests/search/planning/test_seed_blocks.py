"""Which block a search is in, and which baselines a block begins with."""

from contextlib import closing
from dataclasses import replace

import pytest

from search.planning.budget_split import BudgetSplit
from search.planning.priced_space import PricedSpace
from search.planning.seed_blocks import SeedBlocks
from search.planning.training_rows import TrainingRows
from search.results.compute import compute
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces import SE, Space
from spaces.placements import baselines, place
from tests.search import ledgers
from tests.search.looping import RULES, drive, make


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
        (128, 0, 0),
        (128, 31, 0),
        (128, 32, 1),
        (128, 63, 1),
        (77, 38, 0),  # 39 are searched, since half of 77 has 19 pairs: a rest of 7 is no block of its own
        (78, 39, 1),  # 40: a rest of 8 is one
        (512, 96, 3),
        (512, 160, 5),
        (512, 255, 7),
    ],
)
def test_a_block_holds_32_trainings_and_a_small_rest_belongs_to_the_last(space, budget, done, block):
    ledger = Ledger(":memory:")
    trained(ledger, done, space)
    assert blocks_of(ledger, space, budget).current == block


def test_of_a_large_budget_blocks_are_larger_and_not_more(space):
    ledger = Ledger(":memory:")
    trained(ledger, 1000, space)
    assert blocks_of(ledger, space, 4000).current == 15


def test_after_a_confirmation_the_search_continues_in_a_fresh_block(space):
    ledger = Ledger(":memory:")
    trained(ledger, 5, space)
    ledgers.train(ledger, ledger.entries[0], [90.0], block=4, role="confirm", origin="confirmation 1")
    assert blocks_of(ledger, space, 64).current == 5


@pytest.mark.parametrize(
    ("rest", "block", "n_plain", "n_others"), [(1, 0, 0, 0), (7, 0, 0, 0), (8, 4, 3, 1), (9, 4, 3, 1)]
)
def test_what_a_confirmation_leaves_is_a_block_of_its_own_if_it_is_not_too_small(space, rest, block, n_plain, n_others):
    ledger = Ledger(":memory:")
    plain = ledger.enter(space[0], "plain", ledgers.price())
    ledgers.train(ledger, plain, [90.0] * 10, role="baseline", origin="baseline 0")
    ledger.enter(baselines(space)[1], "SE everywhere", ledgers.price(5.0))
    ledgers.confirm(ledger, 1, [0.0] * 3, budget=16 + rest, how="futile")
    blocks = blocks_of(ledger, space, 16 + rest)
    assert blocks.current == block
    blocks.plan_baselines()
    numbers = [t.architecture for t in ledger.trainings[16:]]
    assert (numbers.count(0), len(numbers) - numbers.count(0)) == (n_plain, n_others)


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


@pytest.mark.parametrize(("budget", "n_plain", "n_others"), [(4, 2, 1), (8, 3, 1), (12, 2, 1), (24, 3, 3), (32, 4, 4)])
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


@pytest.mark.parametrize(("held", "n_plain"), [(60, 6), (44, 6), (43, 5), (36, 2), (34, 1), (33, 1), (8, 1)])
def test_a_table_keeps_seeds_of_plain_for_the_confirmation_and_for_every_block(space, held, n_plain):
    """A budget of 128 has a search of 64 in two blocks, and a confirmation with 32 trainings of plain."""
    ledger = Ledger(":memory:")
    seeds = [Seed(0, r) for r in range(held)]
    blocks_of(ledger, space, 128, lambda architecture: seeds).plan_baselines()
    assert [t.architecture for t in ledger.trainings].count(0) == n_plain


@pytest.mark.parametrize("budget", [8, 24, 128])
def test_se_as_published_is_a_baseline_of_every_search_and_needs_no_place_in_the_space(make_space, budget):
    usual = make_space()
    own = SE("avg", "fc", 3, "hard_sigmoid", "mid")
    sites = [replace(site, channels={**site.channels, "mid": 8}, published=own) for site in usual.sites]
    space = Space(usual.backbone, sites, usual.spec)
    published = place(space.backbone, space.sites, "published")
    assert published not in space
    with closing(Ledger(":memory:")) as ledger:
        assert blocks_of(ledger, space, budget).plan_baselines() is not None
        labels = [ledger.entries[training.architecture].label for training in ledger.trainings]
    assert labels.count("as published") == 1
    assert labels[0] == "plain"


def test_a_search_with_se_as_published_ends_as_others_do(make_space):
    usual = make_space()
    own = SE("avg", "fc", 3, "hard_sigmoid", "identity")
    space = Space(usual.backbone, [replace(site, published=own) for site in usual.sites], usual.spec)
    loop, ledger = make(trainings=40, space=space, sampler="knowledge_gradient")
    drive(loop, gain=3.0)
    assert {training.state for training in ledger.trainings} == {"finished"}
    front = compute("x", ledger, RULES)
    (point,) = [point for point in front.points if point.label == "as published"]
    assert point.n_seeds >= 1

"""Which seed the next training of an architecture gets."""

import pytest

from search.planning.priced_space import PricedSpace
from search.planning.training_rows import TrainingRows
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from tests.search import ledgers


@pytest.fixture
def space(make_space):
    return make_space()


def rows_of(space, ledger, seeds=None):
    return TrainingRows(ledger, PricedSpace(space, lambda a: ledgers.price(3.0), seeds))


def test_replicates_are_counted_within_a_block(space):
    ledger = Ledger(":memory:")
    rows, first = rows_of(space, ledger), space[0]
    found = rows.of([first, first, space[1]], 2)
    assert [(entry.number, seed) for entry, seed in found] == [(0, Seed(2, 0)), (0, Seed(2, 1)), (1, Seed(2, 0))]
    ledgers.play(ledger, found, [None] * 3)
    assert [seed for _, seed in rows.of([first], 2)] == [Seed(2, 2)]
    assert [seed for _, seed in rows.of([first], 0)] == [Seed(0, 0)]
    assert [seed for _, seed in rows.of([first], 2, [(ledger.entries[0], Seed(2, 2))])] == [Seed(2, 3)]
    assert [seed for _, seed in rows.of([first], 2, [(ledger.entries[1], Seed(2, 2))])] == [Seed(2, 2)]


def test_an_architecture_is_entered_with_its_label_and_its_costs(space):
    ledger = Ledger(":memory:")
    rows_of(space, ledger).of([space[0]], 0)
    (entry,) = ledger.entries
    assert (entry.architecture, entry.label, entry.price) == (space[0], "plain", ledgers.price(3.0))


def test_of_a_table_a_seed_of_the_block_comes_first_then_any_other(space):
    ledger = Ledger(":memory:")
    held = [Seed(5, 0), Seed(1, 4), Seed(1, 2)]
    rows = rows_of(space, ledger, lambda architecture: held)
    assert [seed for _, seed in rows.of([space[0]] * 5, 1)] == [Seed(1, 2), Seed(1, 4), Seed(5, 0)]
    assert rows.free_seed(space[0], 9) == Seed(1, 2)
    assert rows.free_seed(space[0], 9, set(held)) is None


def test_trainings_of_an_architecture_are_its_own_in_order(space):
    ledger = Ledger(":memory:")
    rows = rows_of(space, ledger)
    ledgers.play(ledger, rows.of([space[0], space[1], space[0]], 0), [None] * 3)
    assert [t.number for t in rows.trainings_of(space[0])] == [0, 2]
    assert rows.trainings_of(space[2]) == []


def test_a_pair_shares_its_block(space):
    rows = rows_of(space, Ledger(":memory:"))
    assert [(e.number, s) for e, s in rows.pair(space[1], space[0], 7)] == [(0, Seed(7, 0)), (1, Seed(7, 0))]
    assert rows.pairs_left(space[1], space[0], 5) == 5


def test_a_pair_of_a_table_lies_in_a_block_that_holds_both_and_that_the_run_used_least(space):
    """Block 0 was searched, plain has no seed in 1, and the candidate has used its only one of 4."""
    ledger = Ledger(":memory:")
    of_plain = [Seed(0, 3), Seed(0, 4), Seed(2, 0), Seed(2, 1), Seed(3, 0), Seed(4, 1)]
    of_candidate = [Seed(0, 1), Seed(0, 2), Seed(1, 0), Seed(2, 5), Seed(2, 6), Seed(3, 1), Seed(4, 0)]
    rows = rows_of(space, ledger, lambda architecture: of_plain if architecture.is_plain else of_candidate)
    used = ((0, Seed(0, 9)), (1, Seed(0, 1)), (2, Seed(0, 0)), (1, Seed(4, 0)))
    searched = [(ledger.enter(space[n], str(n), ledgers.price()), seed) for n, seed in used]
    ledgers.play(ledger, searched, [None] * len(searched))
    assert rows.pairs_left(space[1], space[0], 9) == 4
    assert rows.pairs_left(space[1], space[0], 3) == 3
    found = []
    for _ in range(5):  # the fifth finds nothing
        found += rows.pair(space[1], space[0], 9, found)
    assert [str(seed) for _, seed in found] == ["2.5", "2.0", "3.1", "3.0", "2.6", "2.1", "0.2", "0.3"]

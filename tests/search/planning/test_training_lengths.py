"""Which trainings may pause, and after which epochs."""

from dataclasses import replace

import pytest

from search.planning.sampler_context import only_whole
from search.planning.training_lengths import Knowledge, ShortTrainings, lengths, pauses
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Recipe, Seed
from tests.search import ledgers

RECIPE = Recipe(epochs=16)
KNOWN = Knowledge(target=64, whole=32, short=0.0, p_nothing=0.2)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(epochs=16), (1, 2, 4)),
        (Recipe(epochs=8), (1, 2)),
        (Recipe(epochs=3), (1,)),
        (Recipe(epochs=1), ()),
        (Recipe(epochs=160), (10, 20, 40)),
        (Recipe(epochs=16, warmup=2.0), (4,)),
        (Recipe(epochs=16, warmup=5.0), ()),
    ],
)
def test_a_training_pauses_early_but_not_in_the_warm_up(recipe, expected):
    assert pauses(recipe) == expected


def test_once_it_is_known_what_a_curve_tells_trainings_may_pause_the_shortest_first():
    assert lengths(RECIPE, KNOWN) == (1, 2, 4, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"p_nothing": None},
        {"p_nothing": 0.5},
        {"whole": 31},
        {"target": 16, "whole": 15},
        {"short": 16.0},
        {"short": 32.0, "p_nothing": 0.01},
    ],
)
def test_nothing_pauses_before_that_nor_beyond_its_share_of_the_search(changes):
    assert lengths(RECIPE, replace(KNOWN, **changes)) == (None,)


@pytest.mark.parametrize("changes", [{"short": 15.9}, {"short": 31.9, "p_nothing": 0.05}])
def test_up_to_a_quarter_of_the_search_may_pause_and_half_of_it_if_curves_surely_tell_something(changes):
    assert len(lengths(RECIPE, replace(KNOWN, **changes))) == 4


def test_what_is_known_is_read_off_the_ledger():
    ledger = Ledger(":memory:")
    (plain, other) = ledgers.enter(ledger)
    ledgers.train(ledger, plain, [90.0] * 8, role="baseline")
    ledgers.train(ledger, other, [90.0] * 8)
    ledgers.train(ledger, other, [90.0] * 8, block=5, role="confirm")
    short = ShortTrainings(RECIPE)
    assert short.lengths(ledger, 32)(0.2) == (1, 2, 4, None)
    assert short.lengths(ledger, 34)(0.2) == (None,), "trainings of the confirmation are not of the search"
    rows = [(other, Seed(0, 100 + n)) for n in range(2)]
    ledger.plan(rows, role="search", origin="sampler", pause=Pause(4, 0.25))
    assert short.lengths(ledger, 2)(0.2) == (None,)


def test_a_pause_is_its_share_of_the_epochs():
    assert ShortTrainings(RECIPE).pause(4) == Pause(4, 0.25)
    assert ShortTrainings(RECIPE).pause(None) is None


def test_a_model_that_knows_no_curves_has_whole_trainings_alone():
    assert only_whole(0.0) == ShortTrainings(RECIPE).lengths(Ledger(":memory:"), 4)(None) == (None,)

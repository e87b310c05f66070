"""Which trainings may pause, and after which epochs."""

from dataclasses import replace

import pytest

from search.planning.sampler_context import never
from search.planning.training_lengths import Knowledge, ShortTrainings, allowed, pause_after
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Recipe, Seed
from tests.search import ledgers

RECIPE = Recipe(epochs=16)
KNOWN = Knowledge(target=64, whole=32, short=0.0, p_nothing=0.2)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(epochs=16), Pause(1, 1 / 16)),
        (Recipe(epochs=8), Pause(1, 1 / 8)),
        (Recipe(epochs=3), Pause(1, 1 / 3)),
        (Recipe(epochs=1), None),
        (Recipe(epochs=160), Pause(10, 1 / 16)),
        (Recipe(epochs=16, warmup=1.0), Pause(2, 1 / 8)),
        (Recipe(epochs=16, warmup=2.0), Pause(4, 1 / 4)),
        (Recipe(epochs=16, warmup=5.0), None),
    ],
)
def test_a_training_pauses_early_but_not_in_the_warm_up(recipe, expected):
    assert pause_after(recipe) == expected


def test_once_it_is_known_what_a_curve_tells_trainings_may_pause():
    assert allowed(RECIPE, KNOWN) == Pause(1, 1 / 16)


@pytest.mark.parametrize(
    "changes",
    [
        {"p_nothing": None},
        {"p_nothing": 0.5},
        {"whole": 15},
        {"short": 16.0},
        {"short": 32.0, "p_nothing": 0.01},
    ],
)
def test_nothing_pauses_before_that_nor_beyond_its_share_of_the_search(changes):
    assert allowed(RECIPE, replace(KNOWN, **changes)) is None


@pytest.mark.parametrize("changes", [{"short": 15.9}, {"short": 31.9, "p_nothing": 0.05}])
def test_up_to_a_quarter_of_the_search_may_pause_and_half_of_it_if_curves_surely_tell_something(changes):
    assert allowed(RECIPE, replace(KNOWN, **changes)) is not None


def test_what_is_known_is_read_off_the_ledger():
    ledger = Ledger(":memory:")
    (plain, other) = ledgers.enter(ledger)
    ledgers.train(ledger, plain, [90.0] * 8, role="baseline")
    ledgers.train(ledger, other, [90.0] * 7)
    ledgers.train(ledger, other, [90.0] * 8, block=5, role="confirm")
    short = ShortTrainings(RECIPE)
    assert short.may_pause(ledger, 32)(0.2) is None, "trainings of the confirmation are not of the search"
    ledgers.train(ledger, other, [90.0], block=6)
    assert short.may_pause(ledger, 32)(0.2) == Pause(1, 1 / 16)
    rows = [(other, Seed(0, 100 + n)) for n in range(2)]
    ledger.plan(rows, role="search", origin="sampler", pause=Pause(4, 0.25))
    assert short.may_pause(ledger, 2)(0.2) is None


def test_a_model_that_knows_no_curves_has_whole_trainings_alone():
    assert never(0.0) is None
    assert ShortTrainings(RECIPE).may_pause(Ledger(":memory:"), 4)(None) is None

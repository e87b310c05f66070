"""When finalists are frozen, which, and in which order their fresh trainings stand in the ledger."""

import pytest

from search.planning.budget_split import BudgetSplit
from search.planning.confirmation_plan import ConfirmationPlan
from search.planning.priced_space import PricedSpace
from search.planning.training_rows import TrainingRows
from search.results import compute
from search.results.confirmation import sizes
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.facts import ConfirmationFact, Facts, Sizes
from search.state.ledger import Ledger
from spaces.placements import label
from tests.search import ledgers

RULES = Rules(DEFAULT)


@pytest.fixture
def space(make_space):
    return make_space()


def searched(space, trainings):
    """A ledger after a search: plain and five others in turns, the later ones more accurate and larger."""
    ledger = Ledger(":memory:")
    members = [space[0], *list(space)[1:6]]
    entries = [ledger.enter(a, label(a, space.sites), ledgers.price(float(n))) for n, a in enumerate(members)]
    for entry in entries:
        mine = range(entry.number, trainings, 6)
        ledgers.train(ledger, entry, [90 + entry.number / 2 + 0.05 * (-1) ** i for i in mine])
    return ledger


def plan_of(space, ledger, budget):
    split = BudgetSplit(ledger, budget)
    priced = PricedSpace(space, lambda architecture: ledgers.price())
    return ConfirmationPlan(ledger, split, TrainingRows(ledger, priced), RULES)


def test_a_quarter_of_the_budget_goes_to_the_surest_beside_plain(space):
    ledger = searched(space, 45)
    chosen = compute.finalists(ledger, RULES, 3)
    first = plan_of(space, ledger, 64).freeze("")
    fresh = ledger.trainings[45:]
    assert first == fresh[0]
    assert {t.role for t in fresh} == {"confirm"}
    assert {t.origin for t in fresh} == {"confirmation 1"}
    counts = {number: sum(t.architecture == number for t in fresh) for number in range(6)}
    plan = sizes(64)
    assert counts == {**dict.fromkeys(range(6), 0), **dict.fromkeys(chosen, plan.each), 0: plan.plain}
    (noted,) = ledger.facts.confirmations
    assert noted == ConfirmationFact(plan, tuple(chosen), budget=64, of=64, early="")


def test_fresh_trainings_take_turns_so_that_an_early_end_leaves_comparisons(space):
    """In fresh blocks, each architecture over all of them: replicate 0 of every block first."""
    ledger = searched(space, 90)
    plan_of(space, ledger, 128).freeze("")
    fresh = ledger.trainings[90:]
    plan = sizes(128)
    keys = [(t.seed.replicate, t.seed.block) for t in fresh]
    assert keys == sorted(keys)
    assert {t.seed.block for t in fresh} == set(range(1, 1 + plan.blocks))
    for number in {t.architecture for t in fresh}:
        per_block = [
            sum(t.architecture == number and t.seed.block == b for t in fresh) for b in range(1, 1 + plan.blocks)
        ]
        assert max(per_block) - min(per_block) <= 1


def test_blocks_of_a_second_confirmation_are_fresh_too(space):
    ledger = searched(space, 45)
    plan_of(space, ledger, 64).freeze("")
    last = max(t.seed.block for t in ledger.trainings)
    before = len(ledger.trainings)
    plan_of(space, ledger, 128).freeze("")
    fresh = ledger.trainings[before:]
    assert min(t.seed.block for t in fresh) == last + 1
    assert {t.origin for t in fresh} == {"confirmation 2"}
    assert [c.budget for c in ledger.facts.confirmations] == [64, 128]


@pytest.mark.parametrize("early", ["time", "exhausted"])
def test_a_search_that_ended_early_confirms_with_a_third_of_what_it_used(space, early):
    ledger = searched(space, 48)
    plan_of(space, ledger, 200).freeze(early)
    (noted,) = ledger.facts.confirmations
    assert noted.sizes == sizes(64)
    assert (noted.budget, noted.of, noted.early) == (48 + sizes(64).total, 200, early)


def test_a_confirmation_of_an_early_end_takes_no_more_than_the_budget(space):
    ledger = searched(space, 48)
    plan_of(space, ledger, 50).freeze("time")
    assert ledger.facts.confirmations[0].budget == 50


def test_a_small_budget_freezes_nobody_and_says_so(space):
    ledger = searched(space, 20)
    assert plan_of(space, ledger, 20).freeze("") is None
    assert ledger.facts.confirmations == (ConfirmationFact(Sizes(0, 0, 0, 0), (), budget=20, of=20, early=""),)
    assert len(ledger.trainings) == 20


@pytest.mark.parametrize(
    ("early", "covered", "budget", "search_is_over", "planned"),
    [
        ("", 64, 64, False, True),
        ("", 64, 65, False, False),
        ("", 64, 65, True, False),
        ("time", 64, 96, True, True),
        ("time", 64, 96, False, False),
        ("time", 64, 64, False, True),
        ("exhausted", 64, 96, False, True),  # of 96
        ("exhausted", 64, 97, False, False),
    ],
)
def test_what_is_planned_ends_with_what_ended_it(space, early, covered, budget, search_is_over, planned):
    ledger = searched(space, 12)
    noted = ConfirmationFact(Sizes(1, 3, 3, 1), (1,), budget=covered, of=96, early=early)
    ledger.note(Facts(confirmations=(noted,)))
    assert plan_of(space, ledger, budget).is_planned(search_is_over=search_is_over) is planned


def test_before_a_confirmation_nothing_is_planned(space):
    assert plan_of(space, searched(space, 12), 64).is_planned(search_is_over=True) is False

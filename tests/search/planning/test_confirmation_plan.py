"""When a candidate is frozen, which, in which order its pairs stand in the ledger, and when it is given up."""

import pytest

from search.planning.budget_split import BudgetSplit
from search.planning.confirmation_plan import ConfirmationPlan
from search.planning.priced_space import PricedSpace
from search.planning.training_rows import TrainingRows
from search.results import paired_test
from search.results.objectives import DEFAULT
from search.results.proof_chances import likeliest
from search.results.result import Rules
from search.state.confirmation_facts import ConfirmationFact, PairPlan, Sizes
from search.state.facts import Facts, SlotsFact
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from spaces.placements import label
from tests.search import ledgers

RULES = Rules(DEFAULT)
LEVEL = 0.05 * 2 / 3


@pytest.fixture
def space(make_space):
    return make_space()


def searched(space, trainings=48):
    """A ledger after a search: plain and five others in turns, the later ones more accurate and larger."""
    ledger = Ledger(":memory:")
    members = [space[0], *list(space)[1:6]]
    entries = [ledger.enter(a, label(a, space.sites), ledgers.price(float(n))) for n, a in enumerate(members)]
    for entry in entries:
        mine = range(entry.number, trainings, 6)
        ledgers.train(ledger, entry, [90 + entry.number / 2 + 0.05 * (-1) ** (i // 6) for i in mine])
    return ledger


def plan_of(space, ledger, budget=96, seeds=None, seconds=None):
    split = BudgetSplit(ledger, budget)
    priced = PricedSpace(space, lambda architecture: ledgers.price(), seeds)
    return ConfirmationPlan(ledger, split, TrainingRows(ledger, priced), RULES, seconds)


def end(ledger, gains):
    """Ends what waits: plain reaches 90 %, the candidate of each pair what it gains; None fails."""
    waiting = [t for t in ledger.trainings if t.state == "waiting"]
    for (candidate, plain), gain in zip(_pairs(waiting), gains, strict=True):
        for training, accuracy in ((candidate, gain), (plain, 0.0)):
            ledger.start(training.uid)
            ledgers.end(ledger, training, ledgers.failed() if accuracy is None else ledgers.ended(90 + accuracy))


def _pairs(waiting):
    return list(zip(waiting[::2], waiting[1::2], strict=True))


def test_the_likeliest_proof_is_frozen_with_its_whole_plan_and_the_pairs_of_its_first_look(space):
    ledger = searched(space)
    expected = likeliest(ledger, RULES, lambda number: 24, LEVEL)
    first = plan_of(space, ledger).freeze(24)
    fresh = ledger.trainings[48:]
    assert first == fresh[0]
    assert ledger.facts.pair_plans == (
        PairPlan((expected.number,) * 24, (6, 12, 18, 24), pytest.approx(LEVEL), 96, first_block=1, planned=6),
    )
    assert [t.architecture for t in fresh] == [expected.number, 0] * 6
    assert [t.seed for t in fresh] == [Seed(block, 0) for block in range(1, 7) for _ in range(2)]
    assert {(t.role, t.origin) for t in fresh} == {("confirm", "confirmation 1")}
    assert plan_of(space, ledger).is_under_way


def test_looks_are_as_far_apart_as_slots_train_at_the_same_time(space):
    for slots, looks in ((None, (6, 12, 18, 24)), (12, (6, 12, 18, 24)), (14, (12, 24)), (48, (24,))):
        ledger = searched(space)
        ledger.note(Facts(slots=SlotsFact(slots)))
        plan_of(space, ledger).freeze(24)
        assert ledger.facts.pair_plans[0].looks == looks


def test_the_next_look_is_planned_when_its_forerunner_proved_nothing(space):
    ledger = searched(space)
    plan = plan_of(space, ledger)
    plan.freeze(24)
    gains = [-0.3, 0.9, 0.1, 0.6, 0.2, 0.5]
    end(ledger, gains)
    first = plan.advance()
    assert first == ledger.trainings[48 + 12]
    assert len(ledger.trainings) == 48 + 24
    assert [t.seed.block for t in ledger.trainings[60:]] == [b for b in range(7, 13) for _ in range(2)]
    (noted,) = ledger.facts.pair_plans
    assert (noted.planned, noted.ended) == (12, "")


def test_a_proof_ends_a_confirmation(space):
    ledger = searched(space)
    plan = plan_of(space, ledger)
    plan.freeze(24)
    end(ledger, [2.4, 2.5, 2.6, 2.45, 2.5, 2.55])
    assert plan.advance() is None
    (noted,) = ledger.facts.pair_plans
    assert (noted.planned, noted.ended) == (6, "proven")
    assert not plan.is_under_way
    assert plan.next_level == pytest.approx(LEVEL)  # returned


def test_what_has_become_unlikely_is_given_up(space):
    ledger = searched(space)
    plan = plan_of(space, ledger)
    plan.freeze(24)
    end(ledger, [-2.4, -2.5, -2.6, -2.45, -2.5, -2.55])
    assert plan.advance() is None
    assert ledger.facts.pair_plans[0].ended == "futile"
    assert plan.next_level == pytest.approx((0.05 - LEVEL) * 2 / 3)  # spent


def test_after_the_last_look_it_is_unproven(space):
    ledger = searched(space)
    plan = plan_of(space, ledger)
    plan.freeze(3)
    end(ledger, [0.5, -0.4, 0.3])
    assert plan.advance() is None
    assert ledger.facts.pair_plans[0].ended == "unproven"
    assert plan.next_level == pytest.approx((0.05 - LEVEL) * 2 / 3)


def test_a_second_candidate_has_fresh_blocks_its_own_number_and_less_of_the_level(space):
    ledger = searched(space)
    plan = plan_of(space, ledger)
    plan.freeze(8)
    end(ledger, [-2.4, -2.5, -2.6, -2.4])
    plan.advance()
    plan.freeze(8)
    first, second = ledger.facts.pair_plans
    assert second.first_block == 1 + max(t.seed.block for t in ledger.trainings if t.origin == "confirmation 1")
    assert {t.origin for t in ledger.trainings if t.state == "waiting"} == {"confirmation 2"}
    assert second.level == pytest.approx((0.05 - first.level) * 2 / 3)


def test_pairs_after_rounds_of_earlier_versions_continue_their_numbers_and_their_account(space):
    ledger = searched(space)
    noted = [ConfirmationFact(Sizes(1, 3, 3, 1), (1,), 24), ConfirmationFact(Sizes(0, 0, 0, 0), (), 30)]
    ledger.note(Facts(confirmations=tuple(noted)))
    plan = plan_of(space, ledger)
    assert plan.next_level == pytest.approx(0.05 * (2 / 3) ** 2)  # one round had finalists
    plan.freeze(8)
    assert {t.origin for t in ledger.trainings[48:]} == {"confirmation 3"}


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_with_fewer_than_three_pairs_nobody_is_frozen_which_is_noted(space, pairs):
    ledger = searched(space)
    plan = plan_of(space, ledger, 20)
    assert plan.freeze(pairs, covered=19) is None
    assert ledger.facts.pair_plans == (PairPlan((), (), 0.0, 20, ended="nobody", covered=19),)
    assert len(ledger.trainings) == 48
    assert plan.next_level == pytest.approx(LEVEL)  # it spends nothing
    assert not plan.is_under_way


def test_a_candidate_without_a_chance_is_not_frozen(space):
    ledger = Ledger(":memory:")
    for n, member in enumerate([space[0], space[1]]):
        entry = ledger.enter(member, str(n), ledgers.price(float(n)))
        ledgers.train(ledger, entry, [90 - n + 0.05 * (-1) ** i for i in range(8)])
    assert plan_of(space, ledger).freeze(24) is None
    assert ledger.facts.pair_plans[0].ended == "nobody"


def test_a_table_gives_no_more_pairs_than_it_holds_seeds(space):
    held = [Seed(block, r) for block in range(6) for r in range(2)]
    ledger = searched(space)  # eight trainings of each, in block 0, of which the table knows two
    plan_of(space, ledger, seeds=lambda architecture: held).freeze(24)
    (noted,) = ledger.facts.pair_plans
    assert len(noted.candidates) == 10
    assert noted.looks == paired_test.looks_at(10)
    fresh = ledger.trainings[48:]
    assert {t.seed for t in fresh} <= set(held)
    assert [c.seed for c, _ in _pairs(fresh)] == [p.seed for _, p in _pairs(fresh)]


def cut_short(space, frozen, ended):
    """A confirmation frozen at one limit of the time, of which four pairs have ended when another one is over."""
    ledger = searched(space)
    plan_of(space, ledger, seconds=frozen).freeze(24)
    for uid in [t.uid for t in ledger.trainings[48:57]]:  # four pairs, and half of the fifth
        ledger.start(uid)
        ledgers.end(ledger, ledger.get(uid), ledgers.ended(90.0))
    plan = plan_of(space, ledger, seconds=ended)
    plan.look_at_end_of_time()
    assert plan.is_under_way
    return ledger


def test_the_end_of_the_time_is_a_look_at_what_has_ended_once(space):
    ledger = cut_short(space, 60.0, 60.0)
    (noted,) = ledger.facts.pair_plans
    assert (noted.looks, noted.until) == ((4, 6, 12, 18, 24), None)
    for uid in [t.uid for t in ledger.trainings[57:60]]:
        ledger.start(uid)
        ledgers.end(ledger, ledger.get(uid), ledgers.ended(90.0))
    for seconds in (60.0, 120.0):
        plan_of(space, ledger, seconds=seconds).look_at_end_of_time()
    assert ledger.facts.pair_plans == (noted,)


@pytest.mark.parametrize(("frozen", "ended"), [(None, 60.0), (90.0, 60.0), (30.0, 60.0)])
def test_a_limit_of_the_time_that_was_set_or_changed_later_is_no_look(space, frozen, ended):
    """Who sees the pairs could choose the moment."""
    (noted,) = cut_short(space, frozen, ended).facts.pair_plans
    assert (noted.looks, noted.until) == ((6, 12, 18, 24), frozen)


def test_without_a_confirmation_the_end_of_the_time_is_no_look(space):
    ledger = searched(space)
    plan_of(space, ledger, seconds=60.0).look_at_end_of_time()
    assert ledger.facts.pair_plans is None

"""What was proven, read off the ledger: confirmations in pairs beside the rounds of earlier versions."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.results import earlier_rounds, paired_test
from search.results.compute import compute
from search.results.confirmations import confirmations, differences, origin, trainings_of
from search.results.evidence import observations_of
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.confirmation_facts import ConfirmationFact, PairPlan, Sizes
from search.state.facts import Facts
from search.state.ledger import Ledger
from tests.search import ledgers

RULES = Rules(DEFAULT)
CLEAR = (1.0, 1.2, 0.9, 1.1)  # proven at the first look of several that sees them
NOISY = (0.9, -0.7, 0.2, -0.5)


@pytest.fixture
def ledger():
    """Plain and three placements after a search."""
    return searched()


def searched():
    ledger = Ledger(":memory:")
    for entry in ledgers.enter(ledger, [0.0, 5.0, 10.0, 15.0]):
        ledgers.train(ledger, entry, [95.0, 95.2, 94.9 + entry.number / 10])
    return ledger


def read(ledger):
    return confirmations(ledger.facts, ledger.trainings, RULES.min_gain)


def test_gains_are_those_of_pairs_in_the_order_in_which_they_were_planned(ledger):
    ledgers.confirm(ledger, 2, (1.0, None, -0.5))
    assert differences(trainings_of(ledger.trainings, 1)) == [pytest.approx(1.0), None, pytest.approx(-0.5)]


@pytest.mark.parametrize(("open_", "known"), [(0, 0), (1, 0), (2, 1), (5, 2), (None, 4)])
def test_pairs_count_up_to_the_first_that_has_not_ended(ledger, open_, known):
    ledgers.confirm(ledger, 2, CLEAR)
    trainings = trainings_of(ledger.trainings, 1)
    for state in ("waiting", "running"):
        changed = [replace(t, state=state) if i == open_ else t for i, t in enumerate(trainings)]
        assert differences(changed) == pytest.approx(CLEAR[:known])


def test_a_stopped_training_is_lost(ledger):
    ledgers.confirm(ledger, 2, CLEAR)
    first, *others = trainings_of(ledger.trainings, 1)
    assert differences([replace(first, state="stopped"), *others])[0] is None


def test_a_look_is_the_paired_test_of_its_pairs(ledger):
    plan = ledgers.confirm(ledger, 2, NOISY, pairs=8)
    (found,) = read(ledger).in_pairs
    assert plan.looks == (4, 6, 8)
    assert found.looks == paired_test.looks(differences(trainings_of(ledger.trainings, 1)), (4, 6, 8), plan.level, 0.05)
    (look,) = found.looks
    assert look.gain == pytest.approx(sum(NOISY) / 4)
    comparison = read(ledger).comparisons[2]
    assert (comparison.gain, comparison.p_value, comparison.proven) == (look.gain, look.p_value, False)
    assert (comparison.n_finalist, comparison.n_plain) == (4, 4)


def test_before_its_first_look_a_candidate_is_compared_with_nothing(ledger):
    ledgers.confirm(ledger, 2, CLEAR[:3], pairs=8)
    found = read(ledger)
    assert (found.under_way, found.comparisons, found.in_pairs[0].comparison) == (True, {}, None)


@pytest.mark.parametrize(
    ("gains", "ended", "under_way"),
    [
        (NOISY, "", True),
        (NOISY, "futile", False),
        (NOISY, "unproven", False),
        (CLEAR, "proven", False),
        (CLEAR, "", False),
    ],
)
def test_a_confirmation_is_under_way_until_it_has_ended_or_proven(ledger, gains, ended, under_way):
    ledgers.confirm(ledger, 2, gains, pairs=5, how=ended)
    assert read(ledger).under_way is under_way
    assert compute("run", ledger, RULES).under_way is under_way


@pytest.mark.parametrize(
    ("gains", "how", "words"),
    [
        (NOISY[:2], "", "Confirmation of a2, 8 planned pairs with plain: no look yet."),
        (NOISY, "futile", "-0.02 points, p = 0.58 (limit 0.0021): given up, because a proof had become unlikely."),
        (NOISY, "", "Confirmation of a2 in 4 of 8 planned pairs with plain: -0.02 points, "),
        (CLEAR, "proven", "Confirmation of a2 in 4 of 8 planned pairs with plain: +1.05 points, "),
    ],
)
def test_a_confirmation_in_words_says_how_far_it_came_and_how_it_ended(ledger, gains, how, words):
    ledgers.confirm(ledger, 2, gains, pairs=8, how=how)
    (found,) = compute("run", ledger, RULES).confirmations
    assert words in found
    ends = {"": ": under way." if gains == NOISY else "no look yet.", "futile": "unlikely.", "proven": ": proven."}
    assert found.endswith(ends[how])


def test_pairs_that_lost_a_training_are_counted_in_its_words(ledger):
    """Those that are left may not be a fair sample."""
    ledgers.confirm(ledger, 2, [None, *NOISY, None], pairs=8)
    (found,) = compute("run", ledger, RULES).confirmations
    assert found.startswith("Confirmation of a2 in 4 of 8 planned pairs with plain (2 lost a training): ")


def test_a_plan_without_a_candidate_is_none(ledger):
    ledger.note(Facts(pair_plans=(PairPlan((), (), 0.0, 24, ended="nobody"),)))
    found = read(ledger)
    assert (found.in_pairs, found.under_way, found.smallest_provable(0.3, 0.05)) == ((), False, float("inf"))
    ledgers.confirm(ledger, 2, CLEAR, how="proven")  # is number 2, whatever came before
    assert {t.origin for t in ledger.trainings if t.role == "confirm"} == {origin(2)}
    assert read(ledger).comparisons[2].proven


@pytest.mark.parametrize(("budgets", "told"), [([90], 0), ([110], 110), ([110, 115], 115), ([], 0)])
def test_an_extension_that_confirmed_nobody_is_told(ledger, budgets, told):
    """README promised another confirmation, and nothing said why there was none."""
    plan = ledgers.confirm(ledger, 2, NOISY, pairs=8, how="futile")
    first = replace(plan, budget=90, ended="futile")
    nobody = [PairPlan((), (), 0.0, budget, ended="nobody") for budget in budgets]
    found = confirmations(replace(ledger.facts, pair_plans=(first, *nobody)), ledger.trainings, RULES.min_gain)
    extended = [line for line in found.words if line.startswith("After the extension to")]
    assert [f"to {told} trainings no placement was confirmed" in line for line in extended] == [True] * bool(told)
    assert len(found.words) == 1 + len(extended)


def test_a_candidate_that_was_confirmed_twice_is_proven_if_it_was_once(ledger):
    ledgers.confirm(ledger, 2, CLEAR, how="proven")
    ledgers.confirm(ledger, 2, NOISY, how="unproven")
    assert read(ledger).comparisons[2].gain == pytest.approx(sum(CLEAR[:3]) / 3)
    ledgers.confirm(ledger, 3, NOISY, how="unproven")
    ledgers.confirm(ledger, 3, CLEAR, how="proven")
    assert read(ledger).comparisons[3].proven
    ledgers.confirm(ledger, 1, NOISY, how="unproven")
    ledgers.confirm(ledger, 1, (0.1, 0.3, -0.4, 0.2), how="unproven")
    assert read(ledger).comparisons[1].gain == pytest.approx(0.05)  # the latest


def test_the_smallest_provable_gain_is_that_of_the_largest_plan(ledger):
    """What is left of a budget may be spent on a few pairs, which say little about what the run could prove."""
    first = ledgers.confirm(ledger, 2, CLEAR, pairs=16, how="proven")
    ledgers.confirm(ledger, 3, NOISY, level=0.011, how="unproven")
    found = compute("run", ledger, RULES)
    assert len(first.candidates) == 16
    assert found.provable == paired_test.smallest_provable(found.sigma, first.looks, first.level, 0.05)


# -- rounds of earlier versions ---------------------------------------------------------------------------------------


def with_round(ledger):
    """A round with two finalists, one of which is proven."""
    for number, values in {0: (95.0, 95.1, 94.9), 1: (96.9, 97.1, 97.0), 2: (95.1, 94.9, 95.0)}.items():
        again = {"block": 1, "role": "confirm", "origin": origin(1)}
        ledgers.train(ledger, ledger.entries[number], values, **again)
    ledger.note(Facts(confirmations=(ConfirmationFact(Sizes(2, 3, 3, 1), (1, 2), 64, 64),)))


def test_a_round_keeps_its_test_and_pairs_continue_the_numbers(ledger):
    with_round(ledger)
    fresh = [observations_of(trainings_of(ledger.trainings, 1))]
    before = read(ledger).comparisons
    assert before == earlier_rounds.compare(fresh, 0.05)
    assert (before[1].proven, before[2].proven) == (True, False)
    ledgers.confirm(ledger, 2, CLEAR, how="proven")
    found = read(ledger)
    assert {t.origin for t in ledger.trainings if t.seed.block > 1} == {origin(2)}
    assert found.comparisons[1] == before[1]
    assert found.comparisons[2].gain == pytest.approx(sum(CLEAR[:3]) / 3)
    assert found.comparisons[2].proven
    ledgers.confirm(ledger, 1, NOISY, how="unproven")
    assert read(ledger).comparisons[1] == before[1]  # what was proven stays


def test_a_failed_training_of_pairs_says_nothing_against_a_finalist_of_a_round(ledger):
    with_round(ledger)
    ledgers.confirm(ledger, 1, (None, *NOISY), how="unproven")
    assert read(ledger).comparisons[1].proven


# -- nothing outside a plan reaches its test --------------------------------------------------------------------------

GAINS = st.lists(st.one_of(st.none(), st.floats(-2, 3, width=32)), min_size=3, max_size=9)


def changed(ledger, kept, rng):
    """All trainings, those without the origin ``kept`` with other accuracies; some failed or finished instead."""
    found = []
    for training in ledger.trainings:
        if training.origin == kept:
            found.append(training)
            continue
        state = rng.choice(["finished", "finished", "failed"])
        metrics = {"val_accuracy": rng.uniform(0, 100)} if state == "finished" else {}
        found.append(replace(training, state=state, metrics=metrics))
    return found


@settings(max_examples=150)
@given(st.tuples(GAINS, GAINS, GAINS), st.booleans(), st.randoms(use_true_random=False))
def test_what_is_proven_depends_on_the_plan_and_its_own_pairs_alone(gains, has_round, rng):
    """Whatever else the ledger holds: the search, a round of an earlier version, other confirmations."""
    ledger = searched()
    if has_round:
        with_round(ledger)
    for number, seen in enumerate(gains, start=1):
        ledgers.confirm(ledger, number, seen, pairs=len(seen) + rng.choice([0, 4]), level=0.033 / number)
    before = read(ledger)
    for place, confirmed in enumerate(before.in_pairs):
        own = origin(place + 1 + has_round)
        after = confirmations(ledger.facts, changed(ledger, own, rng), RULES.min_gain)
        again = after.in_pairs[place]
        assert again.looks == confirmed.looks
        assert again.comparison == confirmed.comparison
        assert again.is_under_way == confirmed.is_under_way


@settings(max_examples=15)
@given(GAINS, st.randoms(use_true_random=False))
def test_p_values_and_proofs_of_a_front_are_those_of_the_plan_whatever_the_search_found(gains, rng):
    def told(ledger):
        point = compute("run", ledger, RULES)["a2"]
        return point.p_value, point.fresh_gain, point.verdict == "proven"

    ledger = searched()
    ledgers.confirm(ledger, 2, [*gains, 1.0, 1.1], level=0.033)
    expected = told(ledger)
    for training in changed(ledger, origin(1), rng):
        is_plain = training.architecture == 0  # without plain there is no front
        if training.origin != origin(1) and (training.state == "finished" or is_plain):
            accuracy = {"val_accuracy": rng.uniform(90, 100)}
            ledger.trainings[training.number] = replace(training, state="finished", metrics=accuracy)
    assert told(ledger) == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_accuracies_of_a_plan_do_reach_its_test(seed):
    """So the tests above could fail."""
    rng = random.Random(seed)
    ledger = searched()
    ledgers.confirm(ledger, 2, NOISY)
    before = read(ledger).in_pairs[0].looks
    after = confirmations(ledger.facts, changed(ledger, "sampler", rng), 0.05).in_pairs[0].looks
    assert after != before

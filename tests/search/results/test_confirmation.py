import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.model.posterior import Observation
from search.results import confirmation as confirm


@given(st.integers(4, 3000))
def test_sizes_fit_into_a_quarter_and_plain_gets_most(budget):
    sizes = confirm.sizes(budget)
    assert sizes.total <= budget // 4
    if sizes.finalists:
        assert 3 <= sizes.each <= sizes.plain
        assert 1 <= sizes.blocks <= max(1, budget // 4 // 8)


def test_small_budgets_prove_nothing_and_say_so():
    assert confirm.sizes(23).total == 0
    assert confirm.sizes(24) == confirm.Sizes(finalists=1, each=3, plain=3, blocks=1)


def fresh(rng, gains, sigma, each=4, plain=6, blocks=2):
    numbers = [0] * plain + [a for a in range(1, len(gains)) for _ in range(each)]
    return [
        Observation(a, i % blocks, 95 + 0.5 * (i % blocks) + gains[a] + rng.gauss(0, sigma))
        for i, a in enumerate(numbers)
    ]


def test_without_any_effect_proofs_are_rare():
    """One-sided at 0.05 over the whole run: about 1 run in 20 at the most, here counted over 400 runs."""
    rng = random.Random(0)
    false = sum(
        any(c.proven for c in confirm.compare([fresh(rng, [0, 0, 0, 0], 0.3)], 0.0).values()) for _ in range(400)
    )
    assert false <= 32  # 5 % of 400 is 20; 32 is exceeded in fewer than 1 of 200 such counts


def test_a_large_gain_is_proven_and_a_gain_below_the_smallest_worthwhile_is_not():
    rng = random.Random(1)
    found = confirm.compare([fresh(rng, [0, 2.0, 0.0], 0.2)], 0.05)
    assert found[1].proven
    assert found[1].gain == pytest.approx(2.0, abs=0.4)
    assert not found[2].proven
    assert not confirm.compare([fresh(rng, [0, 2.0], 0.2)], 3.0)[1].proven


def test_without_spread_nothing_is_proven():
    same = [Observation(0, 0, 95.0)] * 3 + [Observation(1, 0, 96.0)] * 3
    assert not confirm.compare([same], 0.05)[1].proven


def test_all_rounds_of_a_run_together_keep_to_the_level():
    assert sum(confirm.level_of_round(number) for number in range(50)) <= confirm.LEVEL
    rng = random.Random(3)
    looks = [[fresh(rng, [0, 0, 0], 0.3, each=3, plain=5, blocks=1) for _ in range(6)] for _ in range(400)]
    false = sum(any(c.proven for c in confirm.compare(rounds, 0.0).values()) for rounds in looks)
    assert false <= 32


def test_what_was_proven_stays_proven_when_the_run_is_extended():
    rng = random.Random(1)
    first = fresh(rng, [0, 2.0], 0.2)
    later = fresh(rng, [0, 0.1], 0.2)
    assert confirm.compare([first], 0.05)[1].proven
    assert confirm.compare([first, later], 0.05)[1].proven


def test_a_finalist_of_which_a_fresh_training_failed_is_not_proven():
    rng = random.Random(1)
    survivors = fresh(rng, [0, 2.0], 0.2)
    assert not confirm.compare([survivors], 0.05, unstable={1})[1].proven


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [({1: 0.01, 2: 0.02, 3: 0.04}, {1, 2, 3}), ({1: 0.01, 2: 0.03, 3: 0.04}, {1}), ({1: 0.02, 2: 0.03, 3: 0.04}, set()),
     ({}, set()), ({1: 0.05}, {1})],
)  # fmt: skip
def test_holm(p_values, rejected):
    assert confirm.holm(p_values) == rejected


def test_without_plain_there_is_nothing_to_compare():
    assert confirm.compare([[Observation(1, 0, 95.0)]], 0.05) == {}


def test_the_smallest_provable_gain_falls_with_more_trainings():
    few, many = confirm.sizes(24), confirm.sizes(240)
    assert confirm.smallest_provable(0.3, few, 0.05) > confirm.smallest_provable(0.3, many, 0.05) > 0.05
    assert confirm.smallest_provable(0.3, confirm.sizes(4), 0.05) == float("inf")
    assert confirm.smallest_provable(0.3, many, 0.05, 1) > confirm.smallest_provable(0.3, many, 0.05, 0)


@pytest.mark.parametrize("budget", [24, 64, 128])
def test_the_smallest_provable_gain_is_proven_four_times_in_five(budget):
    """Of one finalist that gains as much beside others that gain nothing, over 300 confirmations."""
    plan, rng = confirm.sizes(budget), random.Random(budget)
    gain = confirm.smallest_provable(0.3, plan, 0.05)
    gains = [0.0, gain, *[0.0] * (plan.finalists - 1)]
    seen = (fresh(rng, gains, 0.3, plan.each, plan.plain, plan.blocks) for _ in range(300))
    assert 0.7 < sum(confirm.compare([found], 0.05)[1].proven for found in seen) / 300 < 0.9

import math
import random

import numpy as np
import pytest
from scipy import stats

from search.model.observations import Observation
from search.results import earlier_rounds

# What was planned with a budget of so many trainings.
PLANNED = {
    24: earlier_rounds.Sizes(1, 3, 3, 1),
    64: earlier_rounds.Sizes(3, 3, 6, 2),
    128: earlier_rounds.Sizes(3, 6, 11, 4),
    1000: earlier_rounds.Sizes(3, 52, 91, 31),
}


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
        any(c.proven for c in earlier_rounds.compare([fresh(rng, [0, 0, 0, 0], 0.3)], 0.0).values()) for _ in range(400)
    )
    assert false <= 32  # 5 % of 400 is 20; 32 is exceeded in fewer than 1 of 200 such counts


def test_a_large_gain_is_proven_and_a_gain_below_the_smallest_worthwhile_is_not():
    rng = random.Random(1)
    found = earlier_rounds.compare([fresh(rng, [0, 2.0, 0.0], 0.2)], 0.05)
    assert found[1].proven
    assert found[1].gain == pytest.approx(2.0, abs=0.4)
    assert not found[2].proven
    assert not earlier_rounds.compare([fresh(rng, [0, 2.0], 0.2)], 3.0)[1].proven


def test_without_spread_nothing_is_proven():
    same = [Observation(0, 0, 95.0)] * 3 + [Observation(1, 0, 96.0)] * 3
    assert not earlier_rounds.compare([same], 0.05)[1].proven


def test_all_rounds_of_a_run_together_keep_to_the_level():
    assert sum(earlier_rounds.level_of_round(number) for number in range(50)) <= earlier_rounds.LEVEL
    rng = random.Random(3)
    looks = [[fresh(rng, [0, 0, 0], 0.3, each=3, plain=5, blocks=1) for _ in range(6)] for _ in range(400)]
    false = sum(any(c.proven for c in earlier_rounds.compare(rounds, 0.0).values()) for rounds in looks)
    assert false <= 32


def test_what_was_proven_stays_proven_when_the_run_is_extended():
    rng = random.Random(1)
    first = fresh(rng, [0, 2.0], 0.2)
    later = fresh(rng, [0, 0.1], 0.2)
    assert earlier_rounds.compare([first], 0.05)[1].proven
    assert earlier_rounds.compare([first, later], 0.05)[1].proven


def test_a_finalist_of_which_a_fresh_training_failed_is_not_proven():
    rng = random.Random(1)
    survivors = fresh(rng, [0, 2.0], 0.2)
    assert not earlier_rounds.compare([survivors], 0.05, unstable={1})[1].proven


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ({1: 0.01, 2: 0.02, 3: 0.04}, {1, 2, 3}),
        ({1: 0.01, 2: 0.03, 3: 0.04}, {1}),
        ({1: 0.02, 2: 0.03, 3: 0.04}, set()),
        ({}, set()),
        ({1: 0.05}, {1}),
    ],
)
def test_holm(p_values, rejected):
    assert earlier_rounds.holm(p_values) == rejected


def test_without_plain_there_is_nothing_to_compare():
    assert earlier_rounds.compare([[Observation(1, 0, 95.0)]], 0.05) == {}


def test_the_smallest_provable_gain_falls_with_more_trainings():
    few, many = PLANNED[24], PLANNED[1000]
    assert earlier_rounds.smallest_provable(0.3, few, 0.05) > earlier_rounds.smallest_provable(0.3, many, 0.05) > 0.05
    assert earlier_rounds.smallest_provable(0.3, earlier_rounds.Sizes(0, 0, 0, 0), 0.05) == float("inf")
    assert earlier_rounds.smallest_provable(0.3, many, 0.05, 1) > earlier_rounds.smallest_provable(0.3, many, 0.05, 0)


@pytest.mark.parametrize("budget", [24, 64, 128])
def test_the_smallest_provable_gain_is_proven_four_times_in_five(budget):
    """Of one finalist that gains as much beside others that gain nothing, over 300 confirmations."""
    plan, rng = PLANNED[budget], random.Random(budget)
    gain = earlier_rounds.smallest_provable(0.3, plan, 0.05)
    gains = [0.0, gain, *[0.0] * (plan.finalists - 1)]
    seen = (fresh(rng, gains, 0.3, plan.each, plan.plain, plan.blocks) for _ in range(300))
    assert 0.7 < sum(earlier_rounds.compare([found], 0.05)[1].proven for found in seen) / 300 < 0.9


# -- numbers that were computed another way ---------------------------------------------------------------------------


def test_rounds_spend_a_third_of_what_is_left_of_five_percent():
    assert [earlier_rounds.level_of_round(n) for n in range(3)] == pytest.approx(
        [0.05 / 3, 0.05 * 2 / 9, 0.05 * 4 / 27]
    )


def test_in_one_block_it_is_students_t_test():
    rng = random.Random(4)
    plain = [95 + rng.gauss(0, 0.3) for _ in range(7)]
    finalist = [95.4 + rng.gauss(0, 0.3) for _ in range(4)]
    seen = [Observation(0, 5, y) for y in plain] + [Observation(3, 5, y) for y in finalist]
    (found,) = earlier_rounds.compare([seen], 0.05).values()
    expected = stats.ttest_ind([y - 0.05 for y in finalist], plain, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.gain == pytest.approx(sum(finalist) / 4 - sum(plain) / 7)
    assert (found.architecture, found.n_finalist, found.n_plain) == (3, 4, 7)


def test_over_blocks_the_level_of_each_is_taken_out():
    """A balanced design: residuals are what is left after the means of blocks and of architectures."""
    rng = np.random.default_rng(2)
    y = 90 + np.array([0.0, 4.0])[:, None, None] + np.array([0.0, 0.5])[None, :, None] + rng.normal(0, 0.2, (2, 2, 3))
    seen = [Observation(a, b, float(y[b, a, r])) for b in range(2) for a in range(2) for r in range(3)]
    (found,) = earlier_rounds.compare([seen], 0.1).values()
    of_block, of_architecture = y.mean(axis=(1, 2), keepdims=True), y.mean(axis=(0, 2), keepdims=True)
    residual = y - of_block - of_architecture + y.mean()
    freedom = 12 - 3
    error = np.sqrt((residual**2).sum() / freedom * (1 / 6 + 1 / 6))
    gain = float(of_architecture[0, 1, 0] - of_architecture[0, 0, 0])
    assert found.gain == pytest.approx(gain)
    assert found.p_value == pytest.approx(float(stats.t.sf((gain - 0.1) / error, freedom)))


def test_one_training_more_than_parameters_is_enough_for_a_test():
    two = [Observation(0, 0, 90.0), Observation(1, 0, 92.0)]
    assert earlier_rounds.compare([two], 0.0)[1].p_value == 1.0
    (found,) = earlier_rounds.compare([[*two, Observation(0, 0, 90.1)]], 0.0).values()
    assert found.p_value == pytest.approx(float(stats.ttest_ind([92.0], [90.0, 90.1], alternative="greater").pvalue))


def test_the_smallest_provable_gain_is_what_the_test_asks_for_and_four_in_five_reach():
    t = stats.t
    spread = 0.3 * math.sqrt(1 / 5 + 1 / 3)
    quantiles = t.isf(0.05 / 3 / 2, 11 - 1 - 2) + t.ppf(0.8, 11 - 1 - 2)
    assert earlier_rounds.smallest_provable(0.3, earlier_rounds.Sizes(2, 3, 5, 1), 0.05) == pytest.approx(
        0.05 + quantiles * spread
    )
    quantiles = t.isf(0.05 * 2 / 9 / 2, 11 - 2 - 2) + t.ppf(0.8, 11 - 2 - 2)
    second = earlier_rounds.smallest_provable(0.3, earlier_rounds.Sizes(2, 3, 5, 2), 0.05, 1)
    assert second == pytest.approx(0.05 + quantiles * spread)
    assert earlier_rounds.smallest_provable(0.3, earlier_rounds.Sizes(1, 1, 1, 1), 0.05) == math.inf
    assert math.isfinite(earlier_rounds.smallest_provable(0.3, earlier_rounds.Sizes(1, 1, 2, 1), 0.05))


def test_a_later_round_replaces_what_was_not_proven_and_leaves_what_was():
    rng = random.Random(1)
    small, large = fresh(rng, [0, 0.1, 2.0], 0.2), fresh(rng, [0, 2.0, 0.1], 0.2)
    both = earlier_rounds.compare([small, large], 0.05)
    assert both[1] == earlier_rounds.compare([[], large], 0.05)[1]
    assert both[2] == earlier_rounds.compare([small], 0.05)[2]
    assert both[1].proven
    assert both[2].proven


def test_a_finalist_that_failed_takes_the_worst_p_value():
    found = earlier_rounds.compare([fresh(random.Random(1), [0, 2.0, 2.0], 0.2)], 0.05, unstable={1})
    assert (found[1].p_value, found[1].proven, found[2].proven) == (1.0, False, True)


def test_holm_rejects_at_exactly_its_levels():
    assert earlier_rounds.holm({"a": 0.025, "b": 0.05}, 0.05) == {"a", "b"}
    assert earlier_rounds.holm({"a": 0.026, "b": 0.05}, 0.05) == set()
    assert earlier_rounds.holm({"a": 0.01}, 0.005) == set()

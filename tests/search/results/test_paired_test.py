import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from search.results import group_sequential, paired_test
from search.results.paired_test import CANDIDATE_SHARE, LEVEL

PART = CANDIDATE_SHARE * LEVEL
COUNTS = (4, 8, 12, 16)


def pairs(rng, number, gain=0.0, sigma=0.3):
    """The differences of pairs, with the noise of two trainings each."""
    return [gain + sigma * (rng.gauss(0, 1) - rng.gauss(0, 1)) for _ in range(number)]


# -- looks ------------------------------------------------------------------------------------------------------------


def test_every_look_is_the_paired_t_test():
    rng = random.Random(0)
    plain = [95 + rng.gauss(0, 0.5) for _ in range(16)]
    candidate = [accuracy + 0.1 + rng.gauss(0, 0.3) for accuracy in plain]
    differences = [a - b for a, b in zip(candidate, plain, strict=True)]
    taken = paired_test.looks(differences, COUNTS, PART, 0.05)
    assert [look.pairs for look in taken] == [4, 8, 12, 16]
    for look in taken:
        shifted = [accuracy - 0.05 for accuracy in candidate[: look.pairs]]
        expected = stats.ttest_rel(shifted, plain[: look.pairs], alternative="greater")
        assert look.p_value == pytest.approx(float(expected.pvalue))
        assert look.gain == pytest.approx(np.mean(differences[: look.pairs]))
        assert look.error == pytest.approx(stats.sem(differences[: look.pairs]))
        assert not look.is_proof


def test_a_look_is_taken_when_its_last_pair_has_ended():
    differences = pairs(random.Random(1), 16)
    taken = [len(paired_test.looks(differences[:seen], COUNTS, PART, 0.05)) for seen in range(17)]
    assert taken == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4]


def test_nothing_is_looked_at_after_a_proof():
    differences = pairs(random.Random(1), 16, gain=3.0)
    taken = paired_test.looks(differences, COUNTS, PART, 0.05)
    assert [look.is_proof for look in taken] == [False, True]
    assert taken == paired_test.looks(differences[:8], COUNTS, PART, 0.05)


def test_a_proof_needs_a_p_value_at_the_limit_or_below():
    look = paired_test.Look(4, 1.0, 0.1, p_value=0.01, limit=0.01)
    assert look.is_proof
    assert not paired_test.Look(4, 1.0, 0.1, p_value=0.0101, limit=0.01).is_proof


def test_a_lost_pair_is_left_out_and_no_other():
    differences = pairs(random.Random(2), 16)
    spoilt = [*differences]
    spoilt[5] = None
    taken = paired_test.looks(spoilt, COUNTS, PART, 0.05)
    whole = paired_test.looks(differences, COUNTS, PART, 0.05)
    assert taken[0] == whole[0]
    assert [look.pairs for look in taken] == [4, 7, 11, 15]
    left = [value for value in differences[:12] if value != differences[5]]
    assert taken[2].gain == pytest.approx(np.mean(left))
    assert taken[2].p_value == pytest.approx(float(stats.ttest_1samp(left, 0.05, alternative="greater").pvalue))


def test_where_a_pair_was_lost_does_not_matter_within_a_look():
    differences = pairs(random.Random(2), 7)
    first = paired_test.looks([None, *differences], (8, 16), PART, 0.05)
    assert first == paired_test.looks([*differences, None], (8, 16), PART, 0.05)
    assert first[0].pairs == 7


def test_a_look_without_pairs_of_its_own_leaves_its_part_to_the_next():
    differences = pairs(random.Random(3), 16)
    spoilt = [*differences[:4], None, None, None, None, *differences[8:]]
    taken = paired_test.looks(spoilt, COUNTS, PART, 0.05)
    assert [look.pairs for look in taken] == [4, 8, 12]
    # What was possible at each look: all 16 pairs, then 12.
    possible = np.array([16, 12, 12])
    spendable = PART * possible / (possible + paired_test.T_CORRECTION)
    spending = [group_sequential.spent(s, t) for s, t in zip(spendable, (0.25, 0.75, 1.0), strict=True)]
    assert [look.limit for look in taken] == pytest.approx(group_sequential.boundaries((4, 8, 12), tuple(spending)))


def test_one_pair_is_no_test():
    assert paired_test.looks([None, None, 5.0], (3, 6), PART, 0.05) == ()
    assert paired_test.looks([None, 5.0, 5.1], (3, 6), PART, 0.05)[0].pairs == 2
    assert paired_test.looks([None] * 6, (3, 6), PART, 0.05) == ()
    assert paired_test.looks([], (3, 6), PART, 0.05) == ()


def test_without_spread_nothing_is_proven():
    taken = paired_test.looks([5.0] * 16, COUNTS, PART, 0.05)
    assert [look.p_value for look in taken] == [1.0] * 4
    assert not any(look.is_proof for look in taken)


def test_a_gain_of_exactly_the_minimum_has_a_p_value_of_one_half():
    taken = paired_test.looks([0.04, 0.06, 0.05], (3,), PART, 0.05)
    assert taken[0].p_value == pytest.approx(0.5)


Differences = st.lists(st.one_of(st.none(), st.floats(-3, 3)), max_size=16)


@settings(max_examples=60, deadline=None)
@given(before=Differences, later=Differences, other=Differences)
def test_a_look_depends_on_its_own_pairs_alone(before, later, other):
    """What comes after the pairs of a look, or does not come, changes neither the look nor its limit."""
    one = paired_test.looks([*before, *later], COUNTS, PART, 0.05)
    two = paired_test.looks([*before, *other], COUNTS, PART, 0.05)
    alone = paired_test.looks(before, COUNTS, PART, 0.05)
    assert one[: len(alone)] == two[: len(alone)] == alone


@settings(max_examples=60, deadline=None)
@given(differences=st.lists(st.floats(-3, 3), min_size=16, max_size=16), data=st.data())
def test_limits_do_not_depend_on_what_was_seen(differences, data):
    """Without lost pairs they are those of the plan; with them they depend on which are lost, not on the others."""
    lost = data.draw(st.sets(st.integers(0, 15), max_size=5))
    noise = pairs(random.Random(0), 16)

    def taken(values):
        given_up = [None if number in lost else value for number, value in enumerate(values)]
        return {look.pairs: look.limit for look in paired_test.looks(given_up, COUNTS, PART, 5.0)}

    found, expected = taken(differences), taken(noise)
    assert found == expected
    if not lost:
        assert tuple(found.values()) == paired_test.limits(COUNTS, PART)


# -- the plan of the looks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [(3, (3,)), (4, (3, 4)), (5, (3, 4, 5)), (6, (3, 5, 6)), (8, (4, 6, 8)), (16, (4, 8, 12, 16))],
)
def test_looks_are_at_quarters(number, expected):
    assert paired_test.looks_at(number) == expected


@given(number=st.integers(3, 500), least=st.integers(1, 20))
def test_looks_are_far_enough_apart(number, least):
    counts = paired_test.looks_at(number, least)
    assert counts[-1] == number
    assert len(counts) <= paired_test.LOOKS
    assert counts[0] >= paired_test.FEWEST_PAIRS
    assert all(b - a >= least for a, b in itertools.pairwise(counts))


def test_a_plan_of_one_look_spends_all_of_its_part_and_of_more_looks_less():
    assert paired_test.limits((8,), PART) == pytest.approx((PART,))
    assert paired_test.final_limit((4, 6, 8), PART) == paired_test.limits((4, 6, 8), PART)[-1] < PART


@pytest.mark.parametrize("number", [4, 5, 6, 8, 16, 32])
@pytest.mark.parametrize("failures", [0, 1])
def test_the_limits_are_those_of_a_slightly_smaller_level(number, failures):
    counts = paired_test.looks_at(number)
    level = PART / 3**failures
    spendable = level * number / (number + 0.9)
    spending = tuple(group_sequential.spent(spendable, count / number) for count in counts)
    assert paired_test.limits(counts, level) == pytest.approx(group_sequential.boundaries(counts, spending))


# -- the account of the level -----------------------------------------------------------------------------------------


def spend(outcomes, earlier=0):
    """The parts that candidates get one after another, and whether each was proven."""
    ended = []
    for is_proven in outcomes:
        ended.append((CANDIDATE_SHARE * paired_test.level_left(earlier, ended), is_proven))
    return ended


def test_a_failure_takes_its_part_and_a_proof_returns_it():
    assert paired_test.level_left(0, []) == LEVEL
    assert paired_test.level_left(0, [(0.02, False)]) == pytest.approx(0.03)
    assert paired_test.level_left(0, [(0.02, True)]) == LEVEL
    parts = [part for part, _ in spend([False, True, False, False])]
    assert parts == pytest.approx([LEVEL * share for share in (2 / 3, 2 / 9, 2 / 9, 2 / 27)])


def test_earlier_rounds_have_spent_a_third_of_what_was_left():
    assert paired_test.level_left(1, []) == pytest.approx(LEVEL * 2 / 3)
    assert paired_test.level_left(2, [(0.01, False)]) == pytest.approx(LEVEL * 4 / 9 - 0.01)


@given(outcomes=st.lists(st.booleans(), max_size=20), earlier=st.integers(0, 5))
def test_failures_never_take_the_whole_level(outcomes, earlier):
    ended = spend(outcomes, earlier)
    earlier_parts = LEVEL * (1 - (2 / 3) ** earlier)
    failed = sum(part for part, is_proven in ended if not is_proven)
    assert earlier_parts + failed < LEVEL
    assert all(part > 0 for part, _ in ended)


@given(outcomes=st.lists(st.booleans(), max_size=20), data=st.data())
def test_up_to_the_first_false_proof_the_parts_of_false_candidates_add_up_to_the_level_at_most(outcomes, data):
    """The theorem of the module: the false candidates up to the first that is proven, that one included."""
    truths = data.draw(st.lists(st.booleans(), min_size=len(outcomes), max_size=len(outcomes)))
    spent = 0.0
    for (part, is_proven), is_better in zip(spend(outcomes), truths, strict=True):
        if not is_better:
            spent += part
            if is_proven:
                break
    assert spent < LEVEL


# -- what a confirmation can prove ------------------------------------------------------------------------------------


def last_look_proves(rng, runs, number, gain, sigma, limit, seen=()):
    """How often the last look proves a gain, of simulated runs in which ``seen`` are the first pairs."""
    rest = gain + sigma * math.sqrt(2) * rng.standard_normal((runs, number - len(seen)))
    differences = np.concatenate([np.broadcast_to(seen, (runs, len(seen))), rest], axis=1)
    t = (differences.mean(axis=1) - 0.05) / stats.sem(differences, axis=1)
    return float((stats.t.sf(t, number - 1) <= limit).mean())


@pytest.mark.parametrize("number", [6, 8, 16, 32])
@pytest.mark.parametrize("gain", [0.05, 0.2, 0.4, 0.6])
def test_the_chance_of_a_proof_is_that_of_a_simulation(number, gain):
    limit = paired_test.final_limit(paired_test.looks_at(number), PART)
    expected = last_look_proves(np.random.default_rng(0), 40_000, number, gain, 0.3, limit)
    found = paired_test.chance(np.array([gain]), np.array([0.3]), number, limit, 0.05)
    assert found == pytest.approx([expected], abs=0.012)


@pytest.mark.parametrize("mean", [0.6, 0.3, 0.0])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_the_chance_given_what_was_seen_is_that_of_a_simulation(mean, scale):
    """Half of the pairs are there, nearly decided for, undecided, or nearly against, with less or more spread."""
    limit = paired_test.final_limit(COUNTS, PART)
    pattern = scale * 0.3 * math.sqrt(2) * np.array([1.2, -1.2, 0.5, -0.5, 0.9, -0.9, 1.1, -1.1])
    seen = (mean + pattern).tolist()
    expected = last_look_proves(np.random.default_rng(0), 40_000, 16, 0.3, 0.3, limit, seen)
    found = paired_test.chance(np.array(0.3), np.array(0.3), 16, limit, 0.05, seen)
    assert float(found) == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("gain", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_the_chance_with_every_pair_there_is_whether_they_prove_it(gain):
    """Whatever the true gain and the noise are said to be."""
    seen = pairs(random.Random(0), 8, gain, sigma=0.15)
    (look,) = paired_test.looks(seen, (8,), 0.02, 0.05)
    found = paired_test.chance(np.array([9.0, -9.0]), np.array(2.0), 8, 0.02, 0.05, seen)
    assert found.tolist() == [look.is_proof] * 2


def test_chances_go_by_gain_and_noise_of_every_draw():
    gains = np.array([[0.1, 0.3, 0.5], [0.1, 0.3, 0.5]])
    found = paired_test.chance(gains, np.array([[0.2], [0.4]]), 8, 0.025, 0.05)
    assert found.shape == (2, 3)
    assert np.all(np.diff(found, axis=1) > 0)
    assert np.all(found[0, 1:] > found[1, 1:])


def test_without_noise_a_gain_above_the_minimum_is_certain():
    found = paired_test.chance(np.array([0.04, 0.06]), np.array(0.0), 8, 0.025, 0.05)
    assert found.tolist() == pytest.approx([0, 1])


@pytest.mark.parametrize("number", [6, 8, 16, 32])
def test_the_smallest_provable_gain_is_proven_four_times_in_five(number):
    """By the whole confirmation with all of its looks, over 1,500 simulated ones."""
    counts = paired_test.looks_at(number)
    gain = paired_test.smallest_provable(0.3, counts, PART, 0.05)
    rng = random.Random(number)
    proofs = sum(paired_test.looks(pairs(rng, number, gain), counts, PART, 0.05)[-1].is_proof for _ in range(1500))
    assert proofs / 1500 == pytest.approx(paired_test.POWER, abs=0.04)


def test_the_smallest_provable_gain_in_numbers():
    """The power of the last look by the noncentral t-distribution, and the same by :func:`chance`."""
    limit = paired_test.final_limit(COUNTS, PART)
    found = paired_test.smallest_provable(0.3, COUNTS, PART, 0.05)
    ahead = (found - 0.05) / (0.3 * math.sqrt(2 / 16))
    assert stats.nct.sf(stats.t.isf(limit, 15), 15, ahead) == pytest.approx(paired_test.POWER, abs=0.003)
    assert float(paired_test.chance(np.array(found), np.array(0.3), 16, limit, 0.05)) == pytest.approx(0.8)
    assert paired_test.smallest_provable(0.3, (), PART, 0.05) == math.inf
    assert paired_test.smallest_provable(0.3, (1,), PART, 0.05) == math.inf
    assert math.isfinite(paired_test.smallest_provable(0.3, (2,), PART, 0.05))


@pytest.mark.parametrize(("trainings", "pairs"), [(0, 0), (5, 0), (6, 3), (7, 3), (32, 16)])
def test_fewer_than_the_fewest_pairs_are_none(trainings, pairs):
    assert paired_test.pairs_in(trainings) == pairs

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.results import pareto


def points(dimensions):
    return st.lists(st.tuples(*[st.integers(0, 6)] * dimensions), min_size=1, max_size=8)


@given(points(2) | points(3))
def test_the_front_is_what_nothing_dominates(values):
    members = pareto.front(values)
    assert members
    for i, value in enumerate(values):
        assert (i in members) == (not any(pareto.dominates(other, value) for other in values))


@given(points(2) | points(3) | points(4))
def test_ranks_are_those_of_pymoo(values):
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    fronts = NonDominatedSorting().do(np.array(values, dtype=float))
    expected = {int(i): rank for rank, members in enumerate(fronts) for i in members}
    assert pareto.ranks(values) == [expected[i] for i in range(len(values))]
    assert sorted(pareto.front(values)) == sorted(int(i) for i in fronts[0])


@given(points(3))
def test_ranks_peel_one_front_after_the_other(values):
    ranks = pareto.ranks(values)
    for rank in range(max(ranks) + 1):
        left = [i for i, r in enumerate(ranks) if r >= rank]
        assert [left[j] for j in pareto.front([values[i] for i in left])] == [i for i in left if ranks[i] == rank]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_many_points_have_the_front_that_comparing_all_pairs_finds(dimensions):
    values = np.random.default_rng(dimensions).integers(0, 40, (400, dimensions)).tolist()
    expected = [i for i, p in enumerate(values) if not any(pareto.dominates(q, p) for q in values)]
    assert pareto.front(values) == expected


def test_a_value_that_is_no_number_neither_dominates_nor_is_dominated():
    assert pareto.front([(1.0, 1.0), (math.nan, 0.0), (2.0, 2.0)]) == [0, 1]
    assert pareto.ranks([(1.0, 1.0), (math.nan, 0.0), (2.0, 2.0)]) == [0, 0, 1]


def test_without_points_there_is_no_front():
    assert pareto.front([]) == []
    assert pareto.ranks([]) == []


def test_a_point_does_not_dominate_its_equal():
    assert not pareto.dominates((1, 2), (1, 2))

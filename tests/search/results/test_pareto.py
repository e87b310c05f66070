import itertools

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


@given(points(2) | points(3) | points(4))
def test_hypervolume_is_that_of_pymoo(values):
    from pymoo.indicators.hv import HV

    reference = np.full(len(values[0]), 6.5)
    assert pareto.hypervolume(values, reference.tolist()) == pytest.approx(
        float(HV(ref_point=reference)(np.array(values, float)))
    )


@given(points(3))
def test_ranks_peel_one_front_after_the_other(values):
    ranks = pareto.ranks(values)
    for rank in range(max(ranks) + 1):
        left = [i for i, r in enumerate(ranks) if r >= rank]
        assert [left[j] for j in pareto.front([values[i] for i in left])] == [i for i in left if ranks[i] == rank]


@given(points(2) | points(3) | points(4))
def test_hypervolume_counts_the_dominated_unit_cells(values):
    """On an integer grid the volume is the number of cells that some point dominates."""
    dimensions = len(values[0])
    cells = itertools.product(range(7), repeat=dimensions)
    dominated = sum(any(all(x <= c for x, c in zip(p, cell, strict=True)) for p in values) for cell in cells)
    assert pareto.hypervolume(values, (7,) * dimensions) == pytest.approx(dominated)


def test_points_beyond_the_reference_add_nothing():
    assert pareto.hypervolume([(8, 0), (7, 7)], (7, 7)) == 0.0


def test_a_point_does_not_dominate_its_equal():
    assert not pareto.dominates((1, 2), (1, 2))

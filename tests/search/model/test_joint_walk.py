"""Likely places of a lattice are found without computing the others."""

import numpy as np
import pytest

from search.model.joint_walk import HOPELESS, Lattice, walk

SHAPE = (3, 20, 30)


def hill(peak, width=2.0):
    """The logarithm of a Gaussian hill over the places of SHAPE, and a list of all places that were asked for."""
    at = np.indices(SHAPE).reshape(3, -1).T
    log = -0.5 * (((at - np.array(peak)) / width) ** 2).sum(axis=1)
    asked = []

    def evidence(places):
        asked.extend(places.tolist())
        return log[places]

    return log, evidence, asked


@pytest.mark.parametrize("peak", [(0, 0, 0), (2, 19, 29), (1, 7, 22)])
def test_the_whole_of_a_hill_is_found_from_afar_and_little_else_is_computed(peak):
    log, evidence, asked = hill(peak)
    found = walk(Lattice(SHAPE, np.ones(len(log), dtype=bool)), np.array([0, 899]), evidence)
    likely = np.exp(log - log.max())
    assert likely[found].sum() > 0.93 * likely.sum()
    assert np.isin(np.flatnonzero(likely > 0.02), found).all()
    assert likely[found].min() >= HOPELESS
    assert len(set(asked)) == len(asked) < 0.5 * len(log)


def test_neighbours_are_one_step_away_and_any_number_along_an_unordered_axis():
    lattice = Lattice((3, 4), np.ones(12, dtype=bool), unordered=(0,))
    assert lattice.neighbours(np.array([0])).tolist() == [0, 1, 4, 8]
    assert lattice.neighbours(np.array([7])).tolist() == [3, 6, 7, 11]
    ordered = Lattice((3, 4), np.ones(12, dtype=bool))
    assert ordered.neighbours(np.array([0])).tolist() == [1, 4]
    assert ordered.neighbours(np.array([5, 6])).tolist() == [1, 2, 4, 5, 6, 7, 9, 10]


def test_impossible_places_are_never_asked_for():
    log, evidence, asked = hill((1, 10, 15))
    is_possible = np.arange(len(log)) % 7 != 3
    found = walk(Lattice(SHAPE, is_possible), np.flatnonzero(is_possible)[:4], evidence)
    assert is_possible[asked].all()
    assert is_possible[found].all()

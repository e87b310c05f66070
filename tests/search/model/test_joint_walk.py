"""Likely places of a lattice are found without computing the others."""

import numpy as np
import pytest

from search.model.joint_walk import HOPELESS, TRAININGS, Lattice, walk

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
    found = walk(Lattice(SHAPE, np.ones(len(log), dtype=bool)), np.array([0, 899]), evidence, TRAININGS)
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
    assert ordered.neighbours(np.array([0])).tolist() == [0, 1, 4]
    assert ordered.neighbours(np.array([5, 6])).tolist() == [1, 2, 4, 5, 6, 7, 9, 10]


def test_axes_that_go_together_are_moved_along_at_once():
    lattice = Lattice((3, 4, 2), np.ones(24, dtype=bool), together=((0, 1),))
    at = [np.unravel_index(place, (3, 4, 2)) for place in lattice.neighbours(np.array([9]))]  # (1, 0, 1)
    diagonal = {(i, j, 1) for i in (0, 1, 2) for j in (0, 1)}
    assert {tuple(map(int, place)) for place in at} == diagonal | {(1, 0, 0)}


@pytest.mark.parametrize("trainings", [TRAININGS, 4 * TRAININGS, 32 * TRAININGS])
def test_the_higher_of_two_hills_is_found_however_many_trainings_deepen_the_valley(trainings):
    """Logarithms of likelihoods grow with the number of trainings."""
    at = np.arange(40)
    hills = np.maximum(-0.1 * np.abs(at - 5), 1.0 - 0.4 * np.abs(at - 30))
    log = np.maximum(hills, -3.0) * trainings / TRAININGS
    found = walk(Lattice((40,), np.ones(40, dtype=bool)), np.array([2]), lambda places: log[places], trainings)
    assert 30 in found


def test_impossible_places_are_never_asked_for():
    log, evidence, asked = hill((1, 10, 15))
    is_possible = np.arange(len(log)) % 7 != 3
    found = walk(Lattice(SHAPE, is_possible), np.flatnonzero(is_possible)[:4], evidence, TRAININGS)
    assert is_possible[asked].all()
    assert is_possible[found].all()

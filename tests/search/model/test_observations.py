"""Trainings as the model takes them."""

import numpy as np

from search.model.observations import Observation, Observations


def test_the_first_observations_are_arrays_of_that_length():
    seen = Observations.of([Observation(2, 1, 90.5, (1.0, 0.5)), Observation(0, 0, 91.0), Observation(1, 0, 92.0)])
    first = seen.first(2)
    assert [first.architecture.tolist(), first.block.tolist(), first.accuracy.tolist()] == [[2, 0], [1, 0], [90.5, 91]]
    assert np.array_equal(first.losses, [[1.0, 0.5], [np.nan, np.nan]], equal_nan=True)


def test_without_curves_there_is_no_epoch():
    assert Observations.of([Observation(0, 0, 91.0)]).losses.shape == (1, 0)
    assert Observations.of_rows([(0, 0, 91.0), (1, 0, 92.0)]).losses.shape == (2, 0)

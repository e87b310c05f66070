"""Trainings as the model takes them."""

import numpy as np

from search.model.observations import Observation, Observations


def test_the_first_observations_are_arrays_of_that_length():
    seen = Observations.of([Observation(2, 1, 90.5), Observation(0, 0, 91.0), Observation(1, 0, 92.0)])
    assert [*map(np.ndarray.tolist, vars(seen.first(2)).values())] == [[2, 0], [1, 0], [90.5, 91.0]]

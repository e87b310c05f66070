"""Images that most trainings of one architecture get right, and most of the other wrong."""

import numpy as np

from search.results.image_flips import image_flips, right_images
from tests.search import stored_runs as stored

PLAIN = np.array([[1, 1, 0, 0, 0, 1], [1, 1, 0, 0, 1, 0], [1, 0, 0, 1, 0, 1]], dtype=float)
OTHER = np.array([[1, 0, 1, 1, 0, 1], [1, 0, 1, 1, 1, 0]], dtype=float)


def test_an_image_changes_sides_if_most_trainings_do():
    flips = image_flips(PLAIN, OTHER)
    assert flips.gained == (2, 3)  # 0 -> 1 is clearer than 1/3 -> 1
    assert flips.lost == (1,)
    assert (flips.before[3], flips.after[3]) == (1 / 3, 1)


def test_trainings_that_are_split_evenly_change_nothing():
    flips = image_flips(PLAIN, np.array([[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]], dtype=float))
    assert (flips.gained, flips.lost) == ((), ())


def test_those_that_are_shown_are_the_clearest_of_both_directions():
    plain = np.zeros((1, 30))
    plain[:, 20:] = 1
    flips = image_flips(plain, 1 - plain)
    assert flips.shown(24) == [*range(14), *range(20, 30)]  # there are only ten that get lost
    assert flips.shown(6) == [0, 1, 2, 20, 21, 22]
    assert flips.shown(0) == []


def test_the_bits_of_stored_trainings_are_those_of_their_accuracy(tmp_path):
    with stored.opened("open", tmp_path) as run:
        trainings = run.ledger.trainings
    right = right_images(trainings, 0, stored.IMAGES)
    accuracies = [t.metrics["val_accuracy"] for t in trainings if t.architecture == 0 and t.state == "finished"]
    assert np.allclose(100 * right.mean(axis=1), accuracies, atol=0.3)
    assert right_images(trainings, 0, stored.IMAGES + 100).shape == (0, stored.IMAGES + 100)  # bits of other images

"""The noise of a recipe from trainings of several lengths: intervals that hold; half of the epochs are measured."""

from dataclasses import replace

import numpy as np
import pytest

from search.results.recipe_noise import Figure, RecipeNoise, Repeated, draws_from_images, recipe_noise

EPOCHS = 8
COUNTS = {8: 4, 4: 8, 2: 16}
IMAGES = 10_000
FROM_IMAGES = 0.2


def samples(rng, sigma_train, exponent, counts=COUNTS):
    """Trainings of these lengths whose training noise is ``sigma_train`` at 8 epochs."""
    found = []
    for epochs, count in counts.items():
        sigma = np.hypot(sigma_train * (EPOCHS / epochs) ** (exponent / 2), FROM_IMAGES)
        found.append(Repeated(epochs, tuple(90 + sigma * rng.standard_normal(count)), FROM_IMAGES, IMAGES))
    return found


def noise_of(found, cost=float):
    return recipe_noise(found, EPOCHS, cost)


@pytest.mark.parametrize(("sigma_train", "exponent"), [(0.35, 0.8), (0.35, 0.2), (0.1, 1.5), (1.0, 0.8)])
def test_intervals_hold_about_as_often_as_they_claim(sigma_train, exponent):
    rng = np.random.default_rng(1)  # the prior was chosen with another
    held = {"sigma": 0, "twice": 0, "worth": 0}
    count = 60
    own = np.hypot(sigma_train, FROM_IMAGES)
    twice = np.hypot(sigma_train * 0.5 ** (exponent / 2), FROM_IMAGES)
    for _ in range(count):
        found = noise_of(samples(rng, sigma_train, exponent))
        longer = found.others[-1]
        held["sigma"] += found.recipe.sigma.low <= own <= found.recipe.sigma.high
        held["twice"] += longer.sigma.low <= twice <= longer.sigma.high
        held["worth"] += longer.worth.low <= own**2 / (2 * twice**2) <= longer.worth.high
    assert min(held.values()) >= 0.75 * count, held


def test_half_of_the_epochs_are_measured_and_twice_as_many_are_a_forecast():
    found = noise_of(samples(np.random.default_rng(0), 0.35, 0.8))
    half, twice = found.others
    assert (half.epochs, half.count, half.cost) == (4, 8, 0.5)
    assert (twice.epochs, twice.count, twice.cost) == (16, 0, 2.0)
    assert found.recipe.worth.low == found.recipe.worth.high == found.recipe.cost == 1.0
    assert half.words().startswith("4 epochs had sigma")
    assert twice.words().startswith("16 epochs would have sigma")


def test_more_trainings_make_it_surer():
    few = noise_of(samples(np.random.default_rng(0), 0.35, 0.8))
    many = noise_of(samples(np.random.default_rng(0), 0.35, 0.8, {8: 40, 4: 80, 2: 160}))
    assert many.recipe.sigma.high - many.recipe.sigma.low < 0.6 * (few.recipe.sigma.high - few.recipe.sigma.low)


def test_the_line_of_the_recipe_splits_the_noise_with_an_interval_for_each_part():
    line = noise_of(samples(np.random.default_rng(0), 0.35, 0.8)).line()
    assert line.startswith("8 epochs: sigma ")
    assert line.count(" to ") == 3
    assert "the 10,000 validation images" in line


def test_a_recipe_of_one_epoch_has_no_shorter_one():
    one = Repeated(1, (80.0, 81.0, 80.5, 79.0), FROM_IMAGES, IMAGES)
    found = recipe_noise([one], 1, float)
    assert [other.epochs for other in found.others] == [2]
    assert found.line().startswith("1 epoch: sigma")


def test_half_of_the_epochs_is_no_forecast_and_twice_as_many_may_be_measured():
    one = Repeated(8, (80.0, 81.0, 80.5, 79.0), FROM_IMAGES, IMAGES)
    (twice,) = recipe_noise([one, replace(one, epochs=16)], 8, float).others
    assert (twice.epochs, twice.count) == (16, 4)
    assert twice.words().startswith("16 epochs had sigma")


def test_images_that_change_sides_give_the_noise_of_their_number():
    """Two trainings that disagree on every fourth of 400 images: c is an eighth, and its root over n 1.77 points."""
    right = np.ones(400, bool)
    wrong = np.arange(400) % 4 > 0
    bits = [np.packbits(right).tobytes(), np.packbits(wrong).tobytes()]
    found = Repeated.of(8, [100.0, 75.0], bits, 400)
    assert found.from_images == pytest.approx(100 * np.sqrt(0.125 / 400))
    draws = found.draws_from_images(np.random.default_rng(0))
    assert draws.mean() == pytest.approx(found.from_images, rel=0.03)
    assert 0.03 < draws.std() / draws.mean() < 0.15


def test_without_a_change_the_images_make_no_noise():
    assert not draws_from_images(0.0, 0.0, 5, np.random.default_rng(0)).any()
    same = Repeated.of(8, [90.0, 90.0], [b"\xff" * 50] * 2, 400)
    found = recipe_noise([same, replace(same, epochs=4)], 8, float)
    assert found.recipe.from_images == Figure(0.0, 0.0, 0.0)
    assert isinstance(found, RecipeNoise)

from dataclasses import replace

import pytest
import torch

from senet_nas.data.augment import Policy
from senet_nas.data.batches import batches, normalise, policy
from senet_nas.data.load import Data, load
from senet_nas.data.reread import with_test_images_of
from senet_nas.recipe import DataSpec, Recipe
from spaces import UserError
from tests.senet_nas.recipes import OPTIONS, chance, covered

DIGITS = DataSpec(dataset="digits")


@pytest.fixture(scope="module")
def data() -> Data:
    return load(DIGITS)


def rows(x):
    return {image.numpy().tobytes() for image in x}


def test_sets_are_disjoint_and_nothing_is_left_over(data):
    assert len(data.y_train) + len(data.y_val) + len(data.y_test) == 1797
    # Digits hold a few identical images; no image of one set may appear in another more often than that.
    assert len(rows(data.x_train) | rows(data.x_val) | rows(data.x_test)) > 1780


def test_by_default_what_neither_trains_nor_tests_validates(data):
    assert len(data.y_test) == round(0.2 * 1797)
    assert len(data.y_train) == round(0.8 * (1797 - len(data.y_test)))
    few = load(DataSpec(dataset="digits", train=300))
    assert (len(few.y_train), len(few.y_val)) == (300, 1797 - 359 - 300)
    fewer = load(DataSpec(dataset="digits", train=300, validation=200))
    assert (len(fewer.y_train), len(fewer.y_val)) == (300, 200)


def test_every_set_holds_the_classes_in_their_shares(data):
    for labels in (data.y_train, data.y_val, data.y_test):
        counts = torch.bincount(labels, minlength=10) / len(labels)
        assert counts.min() > 0.085
        assert counts.max() < 0.115


def test_the_split_follows_from_its_seed_alone(data):
    assert load(DIGITS).fingerprint == data.fingerprint
    other = load(DataSpec(dataset="digits", split_seed=1))
    assert other.fingerprint != data.fingerprint
    assert not torch.equal(other.x_test, data.x_test)


def test_the_test_set_does_not_depend_on_how_much_trains(data):
    assert torch.equal(load(DataSpec(dataset="digits", train=300)).x_test, data.x_test)


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"train": 1438}, "data.train"),
        ({"train": 9}, "data.train"),
        ({"train": 1000, "validation": 439}, "data.validation"),
        ({"train": 5000}, "data.train"),
    ],
)
def test_impossible_sizes_are_refused_with_the_numbers(spec, key):
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset="digits", **spec))
    assert caught.value.key == key
    assert any(str(n) in caught.value.message for n in spec.values())


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset="digit"))
    assert "`digits`" in caught.value.hint


def test_images_can_be_resized():
    small = load(DataSpec(dataset="digits", image_size=16))
    assert small.x_train.shape[1:] == (1, 16, 16)
    assert small.x_train.dtype == torch.uint8


def epoch(data, recipe, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(batches(data.x_train, data.y_train, data, recipe, generator))


STILL = {"crop": 0, "flip": False}


def test_an_epoch_visits_every_image_once_but_for_the_last_incomplete_batch(data):
    few = replace(data, x_train=data.x_train[:10], y_train=torch.arange(10))
    labels = [y for _, y in epoch(few, Recipe(batch_size=4, **STILL))]
    assert [len(part) for part in labels] == [4, 4]
    assert len(torch.cat(labels).unique()) == 8
    assert [len(y) for _, y in epoch(few, Recipe(batch_size=64))] == [10]


def test_images_stay_with_their_labels(data):
    few = replace(data, x_train=data.x_train[:32], y_train=torch.arange(32))
    for x, y in epoch(few, Recipe(batch_size=8, **STILL)):
        assert torch.equal(x, normalise(few.x_train[y], few))


def test_every_option_that_draws_by_chance_is_in_the_table():
    assert chance() == covered()


@pytest.mark.parametrize("resize", [None, 12])
@pytest.mark.parametrize("name", OPTIONS)
def test_batches_follow_from_the_generator_alone(data, name, resize):
    if resize:
        data = load(replace(DIGITS, image_size=10, resize=resize))
    recipe = Recipe(batch_size=64, **OPTIONS[name])
    (a, y), (b, _), (c, _) = (epoch(data, recipe, seed)[0] for seed in (5, 5, 6))
    assert a.shape == (64, *data.shape)
    assert a.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.isfinite().all()
    assert y.dtype == torch.int64


@pytest.mark.parametrize("name", OPTIONS)
def test_a_large_batch_is_augmented_in_parts_to_the_same_images(data, name, monkeypatch):
    recipe = Recipe(batch_size=64, **OPTIONS[name])
    ((whole, _), *_) = epoch(data, recipe)
    monkeypatch.setattr("senet_nas.data.batches.LARGE", 0)
    for numbers in (1, 500):
        monkeypatch.setattr("senet_nas.data.batches.CACHED", numbers)
        ((parts, _), *_) = epoch(data, recipe)
        assert torch.equal(parts, whole)
        assert parts.stride() == whole.stride()


def test_images_that_are_read_larger_are_cut_to_size(data):
    """Training takes a random part, validation and test the centre; the split stays the same."""
    large, cut = (load(replace(DIGITS, image_size=size, resize=resize)) for size, resize in ((12, None), (10, 12)))
    assert cut.shape == (1, 10, 10)
    assert cut.image_size == 10
    assert cut.x_val.shape[2:] == (12, 12)
    assert torch.equal(cut.y_test, data.y_test)
    assert torch.equal(normalise(cut.x_val, cut), normalise(large.x_val, large)[..., 1:11, 1:11])
    few = replace(cut, x_train=cut.x_train[:20], y_train=torch.arange(20))
    places = set()
    for seed in range(6):
        for x, y in epoch(few, Recipe(batch_size=20, flip=False), seed):
            whole = normalise(few.x_train, replace(few, side=None))[y]
            for image, source in zip(x, whole, strict=True):
                windows = source.unfold(1, 10, 1).unfold(2, 10, 1)[0]
                found = (windows == image[0]).all(-1).all(-1).nonzero()
                assert len(found)
                places |= {tuple(place) for place in found.tolist()}
    assert places == {(row, column) for row in range(3) for column in range(3)}


def test_test_images_of_another_size_are_the_same_ones_read_again(data):
    spec = replace(DIGITS, image_size=10, resize=12)
    cut = load(spec)
    larger = with_test_images_of(20, cut, spec)
    assert larger.x_test.shape[2:] == (24, 24)  # 12 were read for 10
    assert normalise(larger.x_test, larger).shape[2:] == (20, 20)
    assert torch.equal(larger.y_test, cut.y_test)
    assert (larger.mean, larger.std) == (cut.mean, cut.std)
    plain = with_test_images_of(16, data, DIGITS)
    assert plain.x_test.shape[2:] == (16, 16)


def test_the_habit_of_the_dataset_holds_unless_the_recipe_says_otherwise(data):
    assert policy(data, Recipe()) == Policy(flip=False, crop=1)
    assert policy(data, Recipe(flip=True, crop=0, jitter=0.1, cutout=4)) == Policy(True, 0, 0.1, 4)


def test_a_random_size_crop_and_one_out_of_larger_images_take_the_place_of_the_habit(data):
    assert policy(data, Recipe(crop_area=0.08)) == Policy(area=0.08)
    assert policy(replace(data, side=6), Recipe()) == Policy(side=6)
    assert policy(replace(data, side=6), Recipe(crop=1)) == Policy(crop=1, side=6)


def test_normalised_training_images_have_mean_zero_and_deviation_one(data):
    x = normalise(data.x_train, data)
    assert x.dtype == torch.float32
    assert abs(float(x.mean())) < 1e-4
    assert abs(float(x.std()) - 1) < 1e-3


def test_a_share_is_for_quick_measurements(data):
    few = data.share(0.1)
    assert (len(few.y_train), len(few.y_val)) == (115, 29)
    assert few.num_classes == 10

import pytest
import torch

from senet_nas.data import Data, augment, batches, load, normalise
from senet_nas.recipe import DataSpec, Recipe
from spaces import UserError

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
    [({"train": 1438}, "data.train"), ({"train": 9}, "data.train"), ({"train": 1000, "validation": 439}, "data.validation"),
     ({"train": 5000}, "data.train")],
)  # fmt: skip
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


def test_an_epoch_visits_every_image_once_but_for_the_last_incomplete_batch():
    parts = list(batches(10, 4, torch.Generator().manual_seed(0)))
    assert [len(part) for part in parts] == [4, 4]
    assert len(torch.cat(parts).unique()) == 8
    assert [len(part) for part in batches(3, 4, torch.Generator())] == [3]


def test_normalised_training_images_have_mean_zero_and_deviation_one(data):
    x = normalise(data.x_train, data)
    assert x.dtype == torch.float32
    assert abs(float(x.mean())) < 1e-4
    assert abs(float(x.std()) - 1) < 1e-3


def test_a_crop_is_the_padded_image_at_some_offset(data):
    """Every augmented image must be one of the nine that can be cut out of it, each sample with its own draw."""
    x = data.x_train[:64]
    cropped = augment(x, data, Recipe(crop=1, flip=False), torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(x, [1] * 4)
    possible = [padded[:, :, top : top + 8, left : left + 8] for top in range(3) for left in range(3)]
    matches = torch.stack([(cropped == p).flatten(1).all(1) for p in possible])
    assert matches.any(0).all()
    assert (matches.sum(1) > 0).all()  # all nine offsets occur among 64 images


def test_a_flip_mirrors_about_half_of_the_images(data):
    x = data.x_train[:400]
    flipped = augment(x, data, Recipe(crop=0, flip=True), torch.Generator().manual_seed(0))
    same = (flipped == x).flatten(1).all(1)
    mirrored = (flipped == x.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_augmentation_follows_the_habit_of_the_dataset_and_its_generator(data):
    x = data.x_train[:32]
    a, b = (augment(x, data, Recipe(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(augment(x, data, Recipe(crop=0, flip=False), torch.Generator()), x)


def test_a_share_is_for_quick_measurements(data):
    few = data.share(0.1)
    assert (len(few.y_train), len(few.y_val)) == (115, 29)
    assert few.num_classes == 10

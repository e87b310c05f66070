"""What is seen of data in seconds agrees with what a load of all of them finds; what a load refuses is refused."""

import numpy as np
import pytest
from PIL import Image

from senet_nas.data.data_checks import imbalance
from senet_nas.data.glance import LOOKED_AT, glance
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from spaces import UserError


def write(folder, **classes):
    """Images of noise: for each class a list of (width, height)."""
    rng = np.random.default_rng(0)
    for name, sizes in classes.items():
        (folder / name).mkdir(parents=True)
        for number, (width, height) in enumerate(sizes):
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return DataSpec(path=str(folder))


@pytest.mark.parametrize("name", ["digits", "waveforms"])
def test_the_sets_are_those_of_a_load(name, tmp_path):
    spec = DataSpec(name)
    seen = glance(spec, tmp_path)
    data = load(spec)
    assert tuple(seen.counts.values()) == (len(data.y_train), len(data.y_val), len(data.y_test))
    assert (seen.classes, seen.shape) == (data.classes, data.shape)
    assert sum(seen.per_class) == sum(seen.counts.values())


def test_a_folder_is_described_with_sizes_and_balance(tmp_path):
    spec = write(tmp_path / "images", cat=[(20, 30)] * 12 + [(50, 40)] * 9, dog=[(24, 24)] * 20)
    seen = glance(spec, tmp_path)
    data = load(spec, base=tmp_path)
    assert tuple(seen.counts.values()) == (len(data.y_train), len(data.y_val), len(data.y_test))
    assert (seen.sides, seen.side, seen.looked_at) == ((20, 40), 24, 41)
    assert seen.lines() == [
        "41 images in 2 classes: 26 train, 7 validate, 8 test",
        "from 20 (class dog) to 21 (class cat)",
        "shorter side 20 to 40 pixels, median 24",
    ]


def test_a_large_folder_is_not_opened_as_a_whole(tmp_path):
    seen = glance(write(tmp_path / "images", cat=[(8, 8)] * 250, dog=[(8, 8)] * 250), tmp_path)
    assert LOOKED_AT <= seen.looked_at < 2 * LOOKED_AT
    assert seen.lines()[1:] == ["250 in each class", f"shorter side 8 pixels (of {seen.looked_at} images)"]


def test_unequal_classes_are_said_with_the_images_that_a_load_trains(tmp_path):
    spec = write(tmp_path / "images", cat=[(8, 8)] * 100, dog=[(8, 8)] * 8)
    data = load(spec, base=tmp_path)
    assert glance(spec, tmp_path).notes == (imbalance(data.y_train.numpy(), data.classes, hiding="accuracy"),)
    assert "balanced_accuracy" in glance(spec, tmp_path).notes[0]


@pytest.mark.parametrize("classes", [{}, {"cat": [(8, 8)] * 40, "dog": [(8, 8)] * 2}, {"cat": [(8, 8)]}])
def test_what_a_load_refuses_is_refused_in_its_words(tmp_path, classes):
    (tmp_path / "images").mkdir()
    spec = write(tmp_path / "images", **classes)
    with pytest.raises(UserError) as of_load:
        load(spec, base=tmp_path)
    with pytest.raises(UserError) as of_glance:
        glance(spec, tmp_path)
    assert of_glance.value.message == of_load.value.message


def test_damaged_images_are_named(tmp_path):
    spec = write(tmp_path / "images", cat=[(8, 8)] * 20, dog=[(8, 8)] * 20)
    (tmp_path / "images" / "cat" / "3.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1 of 40 images cannot be read: .*3\.png"):
        glance(spec, tmp_path)


def test_blank_data_have_the_size_of_the_real_ones_and_take_no_memory(tmp_path):
    blank = glance(DataSpec("digits"), tmp_path).blank((1, 512, 512))
    assert tuple(blank.x_train.shape) == (1_150, 1, 512, 512)
    assert blank.x_train.untyped_storage().nbytes() == 512 * 512
    assert len({len(blank.y_train), len(blank.y_val), len(blank.y_test)}) == 3

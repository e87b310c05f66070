"""What check says of images of which less is read than they hold."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_nas.data.load import load
from senet_nas.data.partly_read import few_bright_pixels, several_pages, unused_levels
from senet_nas.recipe import DataSpec


def levels(*values: float) -> dict[Path, float]:
    return {Path(f"{i}.tif"): value for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("found", "white", "says"),
    [
        (levels(65535, *[300] * 59), 65535, "because of 0.tif; the 59 other images use 2 of 256 levels (up to 300)"),
        (levels(65535, 300), 65535, "because of 0.tif; the other image uses 2 of 256 levels (up to 300)"),
        (levels(60000, 65535, *[900] * 300), 65535, "because of 1.tif and 1 more; the 300 other images use 5 of 256"),
        (levels(1.2, 0.9, 0.8), 255, "white is 255 because of 0.tif; the 2 other images use 2 of 256"),
        (
            levels(65535, 950, *[900] * 300),
            65535,
            "because of 0.tif; the 301 other images use 5 of 256 levels (up to 950)",
        ),
        (levels(1.2, 1.1), 255, "white is 255; the 2 images use 2 of 256 levels"),
        (levels(70_000, 80_000, 90_000), 2.0**24 - 1, "white is 16,777,215; the 3 images use 2 of 256 levels"),
        (levels(65535, 60000, 0.9), 65535, "1 image with more than 8 bits would be all black"),
        (levels(65535, 5000), 65535, ""),
        (levels(4095), 4095, ""),
        (levels(0.5, 0.6), 1, ""),
    ],
)
def test_a_few_bright_images_that_darken_all_others_are_named(found, white, says):
    """One hot pixel in a 16-bit set left 2 of 256 levels to all other images, and nobody said so."""
    assert says in " ".join(unused_levels(found, white))
    assert bool(says) == bool(unused_levels(found, white))


def test_pages_that_are_not_read_are_counted():
    assert several_pages({}) == ()
    assert several_pages({Path("b.tif"): 3}) == ("only the first of 3 pages or frames of b.tif is read",)
    assert "2 image files hold" in several_pages({Path("b.tif"): 3, Path("a.gif"): 40})[0]
    assert "a.gif has 40" in several_pages({Path("b.tif"): 3, Path("a.gif"): 40})[0]


@pytest.mark.parametrize(
    ("usual", "white", "says"),
    [
        ([300, 310, 320], 65535, "99 % of the pixels use 2 of 256 levels (up to 310)"),
        ([300, 310, 60000, 60000], 65535, "99 % of the pixels use 2 of 256 levels (up to 310)"),
        ([300, 60000, 60000], 65535, ""),
        ([5000], 65535, ""),
        ([0.01], 1, "because of few pixels"),
    ],
)
def test_a_few_bright_pixels_that_darken_most_images_are_named(usual, white, says):
    assert says in " ".join(few_bright_pixels(usual, white))
    assert bool(says) == bool(few_bright_pixels(usual, white))


def test_a_hot_pixel_in_every_image_is_named(tmp_path):
    """The brightest pixel of each image was white, so no image seemed dark."""
    rng = np.random.default_rng(0)
    for name, level in (("cat", 900), ("dog", 1100)):
        (tmp_path / name).mkdir()
        for i in range(6):
            words = rng.normal(level, 90, (16, 16)).astype(np.uint16)
            words[3, 5] = 65535
            Image.fromarray(words).save(tmp_path / name / f"{i}.tif")
    (said,) = load(DataSpec(path=str(tmp_path), image_size=16, train=4, validation=4)).notes
    assert "white is 65,535 because of few pixels: in at least half of the images" in said
    assert "use 5 of 256 levels" in said


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_loading_says_both(tmp_path, streaming):
    for k, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(6):
            words = np.full((8, 8), 300 + 10 * i + k, np.uint16)
            words[0, i] = 65535 if (k, i) == (1, 2) else 100
            pages = [Image.fromarray(words)] * 2 if (k, i) == (0, 3) else []
            Image.fromarray(words).save(tmp_path / name / f"{i}.tif", save_all=True, append_images=pages)
    said = load(DataSpec(path=str(tmp_path), image_size=8, streaming=streaming, train=4, validation=4)).notes
    assert any("only the first of 3 pages or frames" in note and "cat/3.tif" in note for note in said)
    assert any("because of" in note and "dog/2.tif; the 11 other images use 2 of 256" in note for note in said)

"""Every odd image is read as it is meant, or refused by name."""

import numpy as np
import pytest

from senet_nas.data import pixels
from tests.senet_nas.data.odd_images import ODD, SIDE


def test_there_are_200_of_them_and_no_two_alike():
    assert len(ODD) >= 200
    assert len({odd.name for odd in ODD}) == len(ODD)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_odd_image_is_read_right_or_refused(odd, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(odd.content)
    if odd.refused:
        # Files that are no images are refused by Pillow, in errors of many kinds.
        kind = Exception if odd.refused == " " else pixels.UnreadablePixels
        with pytest.raises(kind, match=odd.refused.strip() or "."):
            pixels.read_pixels(path, SIDE, channels=1, white=odd.white)
        return
    found = pixels.read_pixels(path, SIDE, channels=1, white=odd.white)
    assert found.shape == (SIDE, SIDE, 1)
    assert np.abs(found[..., 0].astype(int) - odd.grey.astype(int)).max() <= odd.tolerance
    assert pixels.read_pixels(path, SIDE, channels=3, white=odd.white).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(
    ("largest", "white"), [(0, 1), (0.7, 1), (1, 1), (1.5, 255), (255, 255), (256, 1023), (4095, 4095), (65535, 65535)]
)
def test_the_white_of_a_data_set_is_that_of_its_bits(largest, white):
    assert pixels.white_of(largest) == white


def test_the_deepest_level_of_an_image_of_bytes_is_none(tmp_path):
    for odd in ODD:
        if odd.name in ("L PNG", "12 bit TIFF <", "shares <"):
            (tmp_path / "image").write_bytes(odd.content)
            expected = {"L PNG": 0.0, "12 bit TIFF <": np.rint(240 / 255 * 4095), "shares <": 240 / 255}
            assert pixels.deepest(tmp_path / "image")[0] == pytest.approx(expected[odd.name])


def test_pages_and_frames_are_counted(tmp_path):
    """Only the first of them is read, which nobody said before."""
    counted = {"pages TIFF": 3, "animated GIF": 3, "animated WEBP": 3, "L TIFF": 1, "L JPEG 90": 1, "half a TIFF": 1}
    for odd in ODD:
        if (name := odd.name.removeprefix("damaged: ")) in counted:
            (tmp_path / "image").write_bytes(odd.content)
            assert pixels.frames(tmp_path / "image") == counted.pop(name), name
    assert not counted

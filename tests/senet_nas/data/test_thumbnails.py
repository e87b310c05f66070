"""Images as small pictures for a page."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from senet_nas.data.thumbnails import SIDE, thumbnail


def opened(address):
    kind, data = address.split(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_image_keeps_each_pixel(channels):
    x = torch.randint(0, 256, (channels, 28, 20), dtype=torch.uint8)
    kind, image = opened(thumbnail(x))
    assert kind == "data:image/png"
    assert np.array_equal(np.array(image), x.permute(1, 2, 0).squeeze(2).numpy())


def test_a_large_image_becomes_small():
    address = thumbnail(torch.randint(0, 256, (3, 300, 200), dtype=torch.uint8))
    kind, image = opened(address)
    assert kind == "data:image/jpeg"
    assert max(image.size) == SIDE
    assert len(address) < 8000


def test_of_other_channels_the_first_is_shown_and_signals_have_no_picture():
    x = torch.randint(0, 256, (5, 8, 8), dtype=torch.uint8)
    assert np.array_equal(np.array(opened(thumbnail(x))[1]), x[0].numpy())
    assert thumbnail(torch.zeros(2, 100)) is None
    assert thumbnail(torch.zeros(1, 8, 8)) is None

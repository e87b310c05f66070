"""``data.color`` of images that come as arrays: as that of image files, never without effect."""

import numpy as np
import pytest
import torch
from PIL import Image

from search.config import ConfigError, Experiment
from senet_nas.data.colours import coloured
from senet_nas.data.extent import extent
from senet_nas.data.load import load
from senet_nas.data.raw import Raw
from senet_nas.recipe import DataSpec
from spaces import UserError

Y = np.array([0, 1])


def test_digits_in_colour_have_each_grey_level_three_times():
    grey, colour = (load(DataSpec(dataset="digits", color=color)) for color in ("auto", "rgb"))
    assert (grey.shape, colour.shape) == ((1, 8, 8), (3, 8, 8))
    assert torch.equal(colour.x_train, grey.x_train.expand_as(colour.x_train))
    assert colour.mean == grey.mean * 3
    assert colour.fingerprint != grey.fingerprint
    assert load(DataSpec(dataset="digits", color="grey")).fingerprint == grey.fingerprint
    assert extent(DataSpec(dataset="digits", color="rgb"), ".").shape == (3, 8, 8)


def test_grey_of_colours_is_that_of_image_files():
    x = np.random.default_rng(0).integers(0, 256, (2, 50, 50, 3), dtype=np.uint8)
    found = coloured(Raw((x, Y), ("a", "b"), test=(x[:1], Y[:1])), DataSpec(color="grey"))
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in x]
    assert np.array_equal(found.train[0][..., 0], expected)
    assert np.array_equal(found.test[0][..., 0], expected[:1])
    assert found.validation is None


def test_what_has_no_colours_refuses_them():
    with pytest.raises(UserError, match="waveforms has no colours: its train set is float32") as caught:
        load(DataSpec(dataset="waveforms", color="rgb"))
    assert caught.value.key == "data.color"
    described = {"dataset": "none", "channels": 3, "image_size": 8, "classes": 2, "color": "grey"}
    tree = {"data": described, "model": {"backbone": "cifar_resnet8"}, "evaluate": "python:mine:train"}
    with pytest.raises(ConfigError, match="`none` holds no images"):
        Experiment.from_dict(tree)

"""Each operation does what torchvision does with the same numbers, and the random numbers are distributed alike."""

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as V

from senet_nas.data.augment import Policy, boxes, centre, crop, cut, draw, flip, jitter, shift, warp


def images(n, *shape, seed=0):
    return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def drawn(policy, x, seed=0):
    return draw(policy, len(x), tuple(x.shape[2:]), torch.Generator().manual_seed(seed))


def moved(x, policy, draws):
    return crop(flip(x, draws["mirrored"]), policy.crop, draws["offset"])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7)])
def test_flip_and_crop_are_those_of_torchvision(shape):
    policy, x = Policy(flip=True, crop=2), images(64, *shape)
    draws = drawn(policy, x)
    ours = moved(x, policy, draws)
    for image, found, mirrored, (top, left) in zip(x, ours, draws["mirrored"], draws["offset"].tolist(), strict=True):
        theirs = V.pad(V.horizontal_flip(image) if mirrored else image, [2])
        assert torch.equal(found, V.crop(theirs, top, left, *shape[1:]))


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_is_that_of_torchvision(channels):
    x = images(16, channels, 6, 6)
    factors = drawn(Policy(jitter=0.5), x)["factor"]
    for image, found, (brightness, contrast, saturation) in zip(
        x, jitter(x.float(), factors), factors.tolist(), strict=True
    ):
        theirs = V.adjust_contrast(V.adjust_brightness(image.float() / 255, brightness), contrast)
        assert torch.allclose(found / 255, V.adjust_saturation(theirs, saturation), atol=1e-5)


def test_cutout_blanks_a_square_as_far_as_it_is_inside():
    x, policy = torch.ones(500, 3, 8, 6), Policy(cutout=3)
    draws = drawn(policy, x)
    for image, (row, column) in zip(cut(x, 3, draws["hole"]), draws["hole"].tolist(), strict=True):
        theirs = torch.ones(3, 8, 6)
        theirs[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
        assert torch.equal(image, theirs)
    assert len(draws["hole"].unique(dim=0)) == 48  # every pixel may be the centre


def test_augmented_images_come_as_often_as_those_of_torchvision():
    """One 4x4 image has 2 x 9 outcomes of flip and crop; both ways they come equally often (chi-square, p > 0.001)."""
    image, n = images(1, 1, 4, 4), 3600
    policy = Policy(flip=True, crop=1)
    x = image.expand(n, -1, -1, -1)
    ours = moved(x, policy, drawn(policy, x))
    torch.manual_seed(0)
    transform = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(4, padding=1)])
    theirs = torch.stack([transform(image[0]) for _ in range(n)])
    outcomes, which = torch.cat([ours, theirs]).flatten(1).unique(dim=0, return_inverse=True)
    a, b = torch.bincount(which[:n], minlength=18).double(), torch.bincount(which[n:], minlength=18).double()
    assert len(outcomes) == len(a) == len(b) == 18
    assert float(((a - b) ** 2 / (a + b)).sum()) < 40.8  # 17 degrees of freedom


def test_factors_fill_their_range_evenly():
    factor = drawn(Policy(jitter=0.3), images(4000, 1, 2, 2))["factor"]
    assert factor.shape == (4000, 3)
    counts = torch.histc(factor, bins=10, min=0.7, max=1.3)
    assert counts.sum() == factor.numel()
    assert counts.min() > 1000


def test_signals_and_volumes_are_augmented_alike():
    policy = Policy(flip=True, crop=2, cutout=2)
    for spatial in ((12,), (4, 5, 6)):
        x = images(8, 2, *spatial)
        draws = drawn(policy, x)
        assert cut(moved(x, policy, draws).float(), 2, draws["hole"]).shape == x.shape
    x = images(50, 1, 12)
    draws = drawn(Policy(crop=2), x)
    padded = torch.nn.functional.pad(x, [2, 2])
    for signal, found, (begin,) in zip(padded, crop(x, 2, draws["offset"]), draws["offset"].tolist(), strict=True):
        assert torch.equal(found, signal[:, begin : begin + 12])


def test_nothing_is_drawn_that_is_not_used():
    assert draw(Policy(), 5, (8, 8), torch.Generator()) == {}
    assert set(draw(Policy(crop=1, cutout=2), 5, (8, 8), torch.Generator())) == {"offset", "hole"}


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 20, 14)])
def test_a_random_size_crop_is_torchvisions_resized_crop(shape):
    x, policy = images(64, *shape).float(), Policy(area=0.08)
    box = drawn(policy, x)["box"]
    for image, found, place in zip(x, warp(x, box, None, (12, 12)), box.int().tolist(), strict=True):
        assert torch.allclose(found, V.resized_crop(image, *place, [12, 12], antialias=False), atol=1e-3)


def test_random_sizes_come_as_those_of_torchvision():
    """Area, ratio and place of 4,000 crops each have the same distribution (Kolmogorov-Smirnov, level 0.001)."""
    n, transform = 4000, v2.RandomResizedCrop(8, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
    torch.manual_seed(0)
    image = torch.zeros(1, 64, 64)
    drawn = [transform.make_params([image]) for _ in range(n)]
    theirs = torch.tensor([[p["top"], p["left"], p["height"], p["width"]] for p in drawn]).double()
    ours = boxes(Policy(area=0.08, ratio=4 / 3), n, (64, 64), torch.Generator().manual_seed(1)).double()
    assert (ours[:, 2:] >= 1).all()
    assert (ours[:, :2] + ours[:, 2:] <= 64).all()
    for of in (lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 2] / b[:, 3], lambda b: b[:, 0], lambda b: b[:, 1]):
        levels = torch.cat([of(ours), of(theirs)]).unique()
        a, b = ((of(found)[:, None] <= levels).double().mean(0) for found in (ours, theirs))
        assert float((a - b).abs().max()) < 1.95 * (2 / n) ** 0.5


def test_where_no_crop_fits_the_whole_image_is_taken():
    found = boxes(Policy(area=0.99, ratio=10.0), 200, (30, 3), torch.Generator().manual_seed(0))
    whole = torch.tensor([0.0, 0.0, 30.0, 3.0])
    assert (found == whole).all(1).any()


def test_a_rotation_is_torchvisions():
    x, policy = images(32, 3, 12, 15).float(), Policy(rotation=40.0)
    angle = drawn(policy, x)["angle"]
    assert angle.abs().max() <= 40
    for image, found, degrees in zip(x, warp(x, None, angle, (12, 15)), angle.tolist(), strict=True):
        theirs = V.rotate(image, degrees, interpolation=InterpolationMode.BILINEAR)
        assert torch.allclose(found, theirs, atol=0.02)


def test_a_crop_is_turned_about_its_own_centre():
    """A bright pixel in the centre of the box stays in the centre of the result, whatever the angle."""
    x = torch.zeros(8, 1, 21, 21)
    x[:, :, 12, 7] = 255
    box = torch.tensor([[8.0, 3.0, 9.0, 9.0]]).expand(8, 4)
    found = warp(x, box, torch.arange(8) * 40.0, (9, 9))
    assert (found.flatten(1).argmax(1) == 4 * 9 + 4).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shift_moves_each_channel_by_its_own_levels(channels):
    x, policy = images(500, channels, 4, 4).float(), Policy(shift=20)
    draws = drawn(policy, x)
    assert draws["shift"].unique().tolist() == list(range(-20, 21))
    for image, found, levels in zip(x, shift(x, draws["shift"]), draws["shift"].tolist(), strict=True):
        for channel, ours, level in zip(image, found, levels[:channels], strict=False):
            assert torch.equal(ours, (channel + level).clamp(0, 255))


def test_the_middle_is_torchvisions_centre_crop():
    for size in (9, 10, 11):
        x = images(2, 3, size, size)
        assert torch.equal(centre(x, 6), V.center_crop(x, [6, 6]))
        assert centre(x, None) is x

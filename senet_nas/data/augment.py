"""Augmentation of each sample of a batch, on the device where the images are; for any number of spatial dimensions.

:func:`draw` decides at random on the CPU, for a whole epoch at once: the same seed gives the same images on every
device, and no step waits for the host. Samples are uint8 of shape (N, C, *spatial). Each operation does what the
torchvision transform (v2) of the same name does.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601 luma, as torchvision's rgb_to_grayscale.
LUMA = (0.2989, 0.587, 0.114)

# Tries to draw a random-size crop that fits into the image; after these, the crop is the whole image.
TRIES = 10

# By name, samples first: ``mirrored`` (N,), ``offset`` and ``hole`` (N, spatial), ``box`` (N, 4), ``angle`` (N,),
# ``factor`` and ``shift`` (N, 3).
Draws = dict[str, Tensor]


@dataclass(frozen=True)
class Policy:
    """How samples are augmented.

    ``flip``: whether to mirror the last dimension of a sample with a chance of one half.
    ``crop``: padding of random crops, in pixels.
    ``jitter`` s: brightness, contrast and saturation are each multiplied by a factor from [1 - s, 1 + s].
    ``cutout``: side in pixels of a square, centred anywhere, that is set to the mean (DeVries and Taylor,
    arXiv 1708.04552).
    ``area``: least share of the image in a random-size crop, whose sides have a ratio of up to ``ratio`` (Szegedy et
    al., arXiv 1409.4842); 1 is no such crop.
    ``rotation``: largest angle in degrees, either way.
    ``shift``: largest change of each channel, in levels of 256, either way.
    ``side``: side in pixels of the crop from larger images; None keeps the size of the images.
    """

    flip: bool = False
    crop: int = 0
    jitter: float = 0.0
    cutout: int = 0
    area: float = 1.0
    ratio: float = 1.3333
    rotation: float = 0.0
    shift: int = 0
    side: int | None = None

    @property
    def resizes(self) -> bool:
        """Whether the size of a crop is random."""
        return self.area < 1

    def size(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial size of an augmented sample, given that of the original."""
        return spatial if self.side is None else (self.side,) * len(spatial)


def draw(policy: Policy, n: int, spatial: tuple[int, ...], generator: torch.Generator) -> Draws:
    """The random choices for ``n`` samples; only what the policy uses is drawn."""
    draws = {}
    size = policy.size(spatial)
    room = spatial[0] - size[0] + 2 * policy.crop  # the same in all dimensions, because cropped images are square
    if policy.flip:
        draws["mirrored"] = torch.rand(n, generator=generator) < 0.5
    if policy.resizes:
        draws["box"] = boxes(policy, n, spatial, generator)
    elif room:
        draws["offset"] = torch.randint(room + 1, (n, len(spatial)), generator=generator)
    if policy.jitter:
        draws["factor"] = 1 + policy.jitter * (2 * torch.rand(n, 3, generator=generator) - 1)
    if policy.cutout:
        draws["hole"] = (torch.rand(n, len(spatial), generator=generator) * torch.tensor(size)).long()
    if policy.rotation:
        draws["angle"] = policy.rotation * (2 * torch.rand(n, generator=generator) - 1)
    if policy.shift:
        draws["shift"] = torch.randint(-policy.shift, policy.shift + 1, (n, 3), generator=generator)
    return draws


def boxes(policy: Policy, n: int, spatial: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random-size crops (N, 4): top, left, height, width in pixels, drawn as torchvision's RandomResizedCrop does."""
    rows, columns = spatial
    u, v = torch.rand(2, n, TRIES, generator=generator)
    area = rows * columns * (policy.area + (1 - policy.area) * u)
    ratio = policy.ratio ** (2 * v - 1)
    width_NT = (area * ratio).sqrt().round().clamp(min=1)
    height_NT = (area * (1 / ratio)).sqrt().round().clamp(min=1)
    fits_NT = (width_NT <= columns) & (height_NT <= rows)
    found_N = fits_NT.any(1)
    first_N1 = fits_NT.int().argmax(1, keepdim=True)  # 0 if no try fits
    width = torch.where(found_N, width_NT.gather(1, first_N1).squeeze(1), columns)
    height = torch.where(found_N, height_NT.gather(1, first_N1).squeeze(1), rows)
    a, b = torch.rand(2, n, generator=generator)
    top = (a * (rows - height + 1)).floor()
    left = (b * (columns - width + 1)).floor()
    return torch.stack([top, left, height, width], 1)


def flip(x: Tensor, mirrored_N: Tensor) -> Tensor:
    """x with its last dimension reversed where ``mirrored_N``. Picking whole samples from both forms is fast."""
    both = torch.stack([x, x.flip(-1)], 1).flatten(0, 1)
    return both.index_select(0, 2 * torch.arange(len(x), device=x.device) + mirrored_N)


def crop(x: Tensor, padding: int, offset_ND: Tensor, size: tuple[int, ...] | None = None) -> Tensor:
    """A window of ``size`` (else the original one) of each zero-padded sample, at the sample's own offset.

    One gather from a view of all windows.
    """
    windows = F.pad(x, [padding, padding] * (x.ndim - 2)) if padding else x
    for dim, extent in enumerate(size or x.shape[2:], start=2):
        windows = windows.unfold(dim, extent, 1)
    where: Any = (torch.arange(len(x), device=x.device), slice(None), *offset_ND.unbind(1))
    return windows[where]


def warp(x: Tensor, box_N4: Tensor | None, angle_N: Tensor | None, size: tuple[int, ...]) -> Tensor:
    """The box of each image (None: all of it), turned by ``angle_N`` degrees about its centre, resized to ``size``.

    Bilinear, each pixel from its four neighbours. A part that shrinks is not smoothed first, so images should not be
    read much larger than they are trained. What rotation brings in from outside the image is black.
    """
    rows, columns = x.shape[2:]
    if box_N4 is None:
        # Filled on the device: a list would be copied from the host, which a GPU waits for.
        whole_4 = torch.cat([x.new_zeros(2), x.new_full((1,), rows), x.new_full((1,), columns)])
        box_N4 = whole_4.expand(len(x), 4)
    top, left, height, width = (value.view(-1, 1, 1) for value in box_N4.unbind(1))
    # The centre of every pixel of the result, as its distance from the centre of the box in pixels of the image.
    down = _centres(size[0], x.device).view(-1, 1) * height
    right = _centres(size[1], x.device).view(1, -1) * width
    if angle_N is not None:
        turn = torch.deg2rad(angle_N).view(-1, 1, 1)
        turned_down = down * turn.cos() + right * turn.sin()
        right = right * turn.cos() - down * turn.sin()
        down = turned_down
    else:  # repeat the edge of the box, as if it were cropped before it is resized
        down = _clamped(down, height)
        right = _clamped(right, width)
    down = 2 * (top + height / 2 + down) / rows - 1
    right = 2 * (left + width / 2 + right) / columns - 1
    shape = (len(x), *size)
    grid_NHW2 = torch.stack([right.expand(shape), down.expand(shape)], -1)
    return F.grid_sample(x, grid_NHW2, mode="bilinear", padding_mode="zeros", align_corners=False)


def centre(x: Tensor, side: int | None) -> Tensor:
    """A view of the centre of larger samples, ``side`` pixels in each spatial dimension; None: the whole samples."""
    if side is not None:
        for dim, size in enumerate(x.shape[2:], start=2):
            x = x.narrow(dim, round((size - side) / 2), side)
    return x


def jitter(x: Tensor, factor_N3: Tensor) -> Tensor:
    """Floats on the scale 0..255 with brightness, contrast, saturation changed, in this order; clamped after each."""
    brightness, contrast, saturation = (factor.view(-1, *[1] * (x.ndim - 1)) for factor in factor_N3.unbind(1))
    x = (x * brightness).clamp(0, 255)
    mean = _grey(x).mean(tuple(range(1, x.ndim)), keepdim=True)
    x = (contrast * x + (1 - contrast) * mean).clamp(0, 255)
    if x.shape[1] != 3:
        return x
    return (saturation * x + (1 - saturation) * _grey(x)).clamp(0, 255)


def shift(x: Tensor, shift_N3: Tensor) -> Tensor:
    """Floats on the scale 0..255, each channel brighter or darker by its own number of levels; clamped."""
    return (x + shift_N3[:, : x.shape[1], None, None]).clamp(0, 255)


def cut(x: Tensor, side: int, hole_ND: Tensor) -> Tensor:
    """Normalised samples, set to zero (their mean) in a square of ``side`` pixels around each centre."""
    blank = torch.ones((), dtype=torch.bool, device=x.device)
    for dim, (size, centre_N) in enumerate(zip(x.shape[2:], hole_ND.unbind(1), strict=True), start=2):
        place = torch.arange(size, device=x.device) - (centre_N[:, None] - side // 2)
        inside = (place >= 0) & (place < side)
        blank = blank & inside.view(len(x), *[1] * (dim - 1), size, *[1] * (x.ndim - dim - 1))
    return x.masked_fill(blank, 0)


def _centres(n: int, device: torch.device) -> Tensor:
    """The centres of ``n`` pixels (n,), from -1/2 to 1/2 of the side."""
    return (torch.arange(n, device=device) + 0.5) / n - 0.5


def _clamped(at: Tensor, extent: Tensor) -> Tensor:
    """Distances from the centre, no further than the centre of the outermost pixel of ``extent`` pixels."""
    furthest = extent / 2 - 0.5
    return torch.maximum(torch.minimum(at, furthest), -furthest)


def _grey(x: Tensor) -> Tensor:
    """Luma of three channels, otherwise the mean of the channels: (N, 1, *spatial)."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = (weight * x[:, i : i + 1] for i, weight in enumerate(LUMA))
    return red + green + blue

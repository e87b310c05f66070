"""Augmentation per sample, in batches, on the device where the images are; for any number of spatial dimensions.

Chance decides on the CPU, for a whole epoch at once (:func:`draw`): the same seed gives the same images on every device,
and no step waits for the host. Samples are uint8 of shape (N, C, *spatial); what a draw does to one is what
torchvision's transforms v2 of the same name do.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601 luma, as torchvision's rgb_to_grayscale.
LUMA = (0.2989, 0.587, 0.114)

# A random-size crop that does not fit is drawn again so often; then the whole image is taken.
TRIES = 10

# By name, samples first: ``mirrored`` (N,), ``offset`` and ``hole`` (N, spatial), ``box`` (N, 4), ``angle`` (N,),
# ``factor`` and ``shift`` (N, 3).
Draws = dict[str, Tensor]


@dataclass(frozen=True)
class Policy:
    """``flip`` mirrors the last dimension of every other sample; ``crop`` is the padding of random crops in pixels.

    ``jitter`` s: brightness, contrast and saturation each times a factor out of [1 - s, 1 + s]. ``cutout``: side of a
    square, its centre anywhere, that is blanked to the mean (DeVries and Taylor, arXiv 1708.04552). ``area``: the least
    share of an image that a random-size crop takes, the sides in a ratio of up to ``ratio`` (Szegedy et al., arXiv
    1409.4842). ``rotation``: by up to so many degrees. ``shift``: of each channel, by up to so many levels. ``side``:
    what is cut out of images that are larger; the size that they have unless given.
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
        """Whether crops have sizes of their own."""
        return self.area < 1

    def size(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Of a sample when it is augmented."""
        return spatial if self.side is None else (self.side,) * len(spatial)


def draw(policy: Policy, n: int, spatial: tuple[int, ...], generator: torch.Generator) -> Draws:
    """What happens to each of ``n`` samples; only what the policy uses is drawn."""
    draws, size = {}, policy.size(spatial)
    room = spatial[0] - size[0] + 2 * policy.crop  # the same in all dimensions: images that are cut are square
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
    """Where random-size crops are: top, left, height, width (N, 4) in pixels, drawn as torchvision's RandomResizedCrop."""
    rows, columns = spatial
    u, v = torch.rand(2, n, TRIES, generator=generator)
    area = rows * columns * (policy.area + (1 - policy.area) * u)
    ratio = policy.ratio ** (2 * v - 1)
    width, height = ((area * r).sqrt().round().clamp(min=1) for r in (ratio, 1 / ratio))
    fits = (width <= columns) & (height <= rows)
    first = fits.int().argmax(1, keepdim=True)  # 0 where none fits
    found = fits.any(1)
    width, height = (
        torch.where(found, value.gather(1, first).squeeze(1), whole)
        for value, whole in ((width, columns), (height, rows))
    )
    a, b = torch.rand(2, n, generator=generator)
    return torch.stack([(a * (rows - height + 1)).floor(), (b * (columns - width + 1)).floor(), height, width], 1)


def flip(x: Tensor, mirrored_N: Tensor) -> Tensor:
    """The last dimension reversed where ``mirrored_N``. Chosen from both forms: copies of whole samples are fast."""
    both = torch.stack([x, x.flip(-1)], 1).flatten(0, 1)
    return both.index_select(0, 2 * torch.arange(len(x), device=x.device) + mirrored_N)


def crop(x: Tensor, padding: int, offset_ND: Tensor, size: tuple[int, ...] | None = None) -> Tensor:
    """Pads by zeros and cuts ``size`` (else the original one) out, each sample at its own offset: one gather from a view
    of all windows."""
    windows = F.pad(x, [padding, padding] * (x.ndim - 2)) if padding else x
    for dim, extent in enumerate(size or x.shape[2:], start=2):
        windows = windows.unfold(dim, extent, 1)
    where: Any = (torch.arange(len(x), device=x.device), slice(None), *offset_ND.unbind(1))
    return windows[where]


def warp(x: Tensor, box_N4: Tensor | None, angle_N: Tensor | None, size: tuple[int, ...]) -> Tensor:
    """The box of each image (all of it: None), turned by so many degrees about its centre, resized to ``size``.

    Bilinear, each pixel from its four neighbours: a part that shrinks is not smoothed first, so images should not be read
    much larger than they are trained. What is turned in from beyond the image is black.
    """
    rows, columns = x.shape[2:]
    if box_N4 is None:
        box_N4 = x.new_tensor([0.0, 0.0, rows, columns]).expand(len(x), 4)
    top, left, height, width = (value.view(-1, 1, 1) for value in box_N4.unbind(1))
    # Of the centre of every pixel of the result, from the centre of the box, in pixels of the image.
    down, right = (((torch.arange(n, device=x.device) + 0.5) / n - 0.5) for n in size)
    down, right = down.view(-1, 1) * height, right.view(1, -1) * width
    if angle_N is not None:
        turn = torch.deg2rad(angle_N).view(-1, 1, 1)
        down, right = down * turn.cos() + right * turn.sin(), right * turn.cos() - down * turn.sin()
    else:  # the edge of the box is repeated, as where it is cut out before it is resized
        down, right = (
            torch.maximum(torch.minimum(at, n / 2 - 0.5), 0.5 - n / 2) for at, n in ((down, height), (right, width))
        )
    down, right = (2 * (top + height / 2 + down) / rows - 1, 2 * (left + width / 2 + right) / columns - 1)
    grid_NHW2 = torch.stack(torch.broadcast_tensors(right, down), -1)
    return F.grid_sample(x, grid_NHW2, mode="bilinear", padding_mode="zeros", align_corners=False)


def centre(x: Tensor, side: int | None) -> Tensor:
    """The middle of larger samples, ``side`` in all spatial dimensions: a view."""
    if side is not None:
        for dim, size in enumerate(x.shape[2:], start=2):
            x = x.narrow(dim, round((size - side) / 2), side)
    return x


def jitter(x: Tensor, factor_N3: Tensor) -> Tensor:
    """Brightness, contrast, saturation, in this order, of floats on the scale 0..255; clamped after each."""
    brightness, contrast, saturation = (factor.view(-1, *[1] * (x.ndim - 1)) for factor in factor_N3.unbind(1))
    x = (x * brightness).clamp(0, 255)
    mean = _grey(x).mean(tuple(range(1, x.ndim)), keepdim=True)
    x = (contrast * x + (1 - contrast) * mean).clamp(0, 255)
    return (saturation * x + (1 - saturation) * _grey(x)).clamp(0, 255) if x.shape[1] == 3 else x


def shift(x: Tensor, shift_N3: Tensor) -> Tensor:
    """Each channel of floats on the scale 0..255 brighter or darker by its own number of levels; clamped."""
    return (x + shift_N3[:, : x.shape[1], None, None]).clamp(0, 255)


def cut(x: Tensor, side: int, hole_ND: Tensor) -> Tensor:
    """Zero, which is the mean of normalised samples, in a square of ``side`` around each centre, as far as it is inside."""
    blank = torch.ones((), dtype=torch.bool, device=x.device)
    for dim, (size, centre_N) in enumerate(zip(x.shape[2:], hole_ND.unbind(1), strict=True), start=2):
        place = torch.arange(size, device=x.device) - (centre_N[:, None] - side // 2)
        inside = (place >= 0) & (place < side)
        blank = blank & inside.view(len(x), *[1] * (dim - 1), size, *[1] * (x.ndim - dim - 1))
    return x.masked_fill(blank, 0)


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return sum(weight * x[:, i : i + 1] for i, weight in enumerate(LUMA))  # type: ignore[return-value]

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

# By name, samples first: ``mirrored`` (N,), ``offset`` and ``hole`` (N, spatial), ``factor`` (N, 3).
Draws = dict[str, Tensor]


@dataclass(frozen=True)
class Policy:
    """``flip`` mirrors the last dimension of every other sample; ``crop`` is the padding of random crops in pixels.

    ``jitter`` s: brightness, contrast and saturation each times a factor out of [1 - s, 1 + s]. ``cutout``: side of a
    square, its centre anywhere, that is blanked to the mean (DeVries and Taylor, arXiv 1708.04552).
    """

    flip: bool = False
    crop: int = 0
    jitter: float = 0.0
    cutout: int = 0


def draw(policy: Policy, n: int, spatial: tuple[int, ...], generator: torch.Generator) -> Draws:
    """What happens to each of ``n`` samples; only what the policy uses is drawn."""
    draws = {}
    if policy.flip:
        draws["mirrored"] = torch.rand(n, generator=generator) < 0.5
    if policy.crop:
        draws["offset"] = torch.randint(2 * policy.crop + 1, (n, len(spatial)), generator=generator)
    if policy.jitter:
        draws["factor"] = 1 + policy.jitter * (2 * torch.rand(n, 3, generator=generator) - 1)
    if policy.cutout:
        draws["hole"] = (torch.rand(n, len(spatial), generator=generator) * torch.tensor(spatial)).long()
    return draws


def flip(x: Tensor, mirrored_N: Tensor) -> Tensor:
    """The last dimension reversed where ``mirrored_N``. Chosen from both forms: copies of whole samples are fast."""
    both = torch.stack([x, x.flip(-1)], 1).flatten(0, 1)
    return both.index_select(0, 2 * torch.arange(len(x), device=x.device) + mirrored_N)


def crop(x: Tensor, padding: int, offset_ND: Tensor) -> Tensor:
    """Pads by zeros and cuts the original size out, each sample at its own offset: one gather from a view of all windows."""
    windows = F.pad(x, [padding, padding] * (x.ndim - 2))
    for dim, size in enumerate(x.shape[2:], start=2):
        windows = windows.unfold(dim, size, 1)
    where: Any = (torch.arange(len(x), device=x.device), slice(None), *offset_ND.unbind(1))
    return windows[where]


def jitter(x: Tensor, factor_N3: Tensor) -> Tensor:
    """Brightness, contrast, saturation, in this order, of floats on the scale 0..255; clamped after each."""
    brightness, contrast, saturation = (factor.view(-1, *[1] * (x.ndim - 1)) for factor in factor_N3.unbind(1))
    x = (x * brightness).clamp(0, 255)
    mean = _grey(x).mean(tuple(range(1, x.ndim)), keepdim=True)
    x = (contrast * x + (1 - contrast) * mean).clamp(0, 255)
    return (saturation * x + (1 - saturation) * _grey(x)).clamp(0, 255) if x.shape[1] == 3 else x


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

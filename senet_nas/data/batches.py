"""The batches of an epoch, augmented and normalised on the device that trains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from senet_nas.data import memory_map, prefetch
from senet_nas.data.augment import Draws, Policy, centre, crop, cut, draw, flip, jitter, shift, warp
from senet_nas.data.load import Data
from senet_nas.data.sampling import balanced, shuffled
from senet_nas.distributed import ALONE, Group
from senet_nas.recipe import Recipe

# On a CPU, a batch with more numbers than LARGE is augmented in parts of CACHED numbers: the next operation then finds
# in the cache what the last one wrote. On busy cores this made batches of 128 images of 160 x 160 pixels 2.0 times as
# fast, but those of 96 x 96 pixels only 0.8 times as fast.
LARGE = 5_000_000
CACHED = 400_000


@dataclass(frozen=True)
class Plan:
    """What is random in an epoch: which images in which order, where these lie, and what is drawn for each of them."""

    order: Tensor
    draws: Draws


def policy(data: Data, recipe: Recipe) -> Policy:
    """The augmentation of a recipe for these images; what the recipe leaves open is the dataset's habit."""
    crops_otherwise = recipe.crop_area < 1 or data.side is not None
    habit = 0 if crops_otherwise else data.crop
    return Policy(
        flip=data.flip if recipe.flip is None else recipe.flip,
        crop=habit if recipe.crop is None else recipe.crop,
        jitter=recipe.jitter,
        cutout=recipe.cutout,
        area=recipe.crop_area,
        ratio=recipe.crop_ratio,
        rotation=recipe.rotation,
        shift=recipe.shift,
        side=data.side,
    )


def batches(
    x: Tensor,
    y_N: Tensor,
    data: Data,
    recipe: Recipe,
    generator: torch.Generator,
    device: str | None = None,
    *,
    group: Group = ALONE,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of augmented, normalised images and their labels, in a random order, on ``device`` (else where x is).

    An incomplete last batch is dropped unless it is the only one. All that is random is drawn before the first batch.
    Images that are mapped from a file, or that do not lie on the GPU that trains, are gathered by a thread, one batch
    ahead. A process of a ``group`` gets its part of every batch.
    """
    where = torch.device(device) if device else x.device
    how = policy(data, recipe)
    plan = planned(x, y_N, data, recipe, generator, where)
    mean, std = scale(data.mean, data.std, where, x.ndim)
    begins = range(0, len(plan.order), recipe.batch_size)
    parts = [group.part(slice(begin, begin + recipe.batch_size)) for begin in begins]
    for part, x_part, y_part in fed(x, y_N, plan, parts, where, is_mapped=data.folder is not None):
        yield augment(x_part, how, _of_part(plan.draws, part), mean, std), y_part


def planned(
    x: Tensor, y_N: Tensor, data: Data, recipe: Recipe, generator: torch.Generator, where: torch.device
) -> Plan:
    """All that is random in the next epoch. Whole batches only, unless there is but one."""
    how = policy(data, recipe)
    order = balanced if recipe.is_class_aware else shuffled
    order_N = order(y_N.cpu(), generator)[: steps(len(y_N), recipe) * recipe.batch_size]
    draws = draw(how, len(order_N), tuple(x.shape[2:]), generator)
    return Plan(order_N.to(x.device), {name: values.to(where) for name, values in draws.items()})


def steps(n_images: int, recipe: Recipe) -> int:
    """The number of steps of an epoch."""
    return max(1, n_images // recipe.batch_size)


def fed(
    x: Tensor, y_N: Tensor, plan: Plan, parts: Sequence[slice], where: torch.device, *, is_mapped: bool
) -> Iterator[prefetch.Batch]:
    """The samples of each part of an epoch and their labels, on the device that trains."""
    is_pinned = x.device.type == "cpu" and where.type == "cuda"
    rows = ((part, plan.order[part]) for part in parts)
    found = ((part, prefetch.gather(x, row_N, pinned=is_pinned), y_N[row_N]) for part, row_N in rows)
    if is_pinned:
        return prefetch.prefetched(found, where)
    return memory_map.ahead(found) if is_mapped else found


def augment(x: Tensor, how: Policy, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 samples (N, C, *spatial) as augmented and normalised floats; images lie channels last in memory."""
    if x.device.type != "cpu" or x.numel() <= LARGE:
        return _augment(x, how, draws, mean, std)
    together = max(1, CACHED // x[0].numel())
    out = _channels_last(torch.empty(len(x), x.shape[1], *how.size(tuple(x.shape[2:]))))
    for begin in range(0, len(x), together):
        part = slice(begin, begin + together)
        out[part] = _augment(x[part], how, _of_part(draws, part), mean, std)
    return out


def normalise(x: Tensor, data: Data) -> Tensor:
    """Samples (N, C, *spatial) as floats with mean 0 and deviation 1 per channel over the training set, channels last.

    Of images that are read larger than the network sees them, the centre.
    """
    return normalised_by(x, data, *scale(data.mean, data.std, x.device, x.ndim))


def normalised_by(x: Tensor, data: Data, mean: Tensor, std: Tensor) -> Tensor:
    """The same with mean and deviation from :func:`scale`, which lie where x does: nothing is copied from the host."""
    return _channels_last((centre(x, data.side).float() - mean) / std)


def standardise(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """x (N, C, *spatial) on the scale 0..255, less the mean, divided by the deviation; these are on the scale 0..1."""
    mean_C, std_C = scale(mean, std, x.device, x.ndim)
    return (x.float() - mean_C) / std_C


def scale(mean: Sequence[float], std: Sequence[float], device: torch.device, ndim: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel on the scale 0..255, ready to broadcast over (N, C, *spatial)."""
    shape = [1, -1, *[1] * (ndim - 2)]
    mean_C = 255 * torch.tensor(mean, device=device).view(shape)
    std_C = 255 * torch.tensor(std, device=device).view(shape)
    return mean_C, std_C


# -- inside -----------------------------------------------------------------------------------------------------------


def _augment(x: Tensor, how: Policy, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    size = how.size(tuple(x.shape[2:]))
    if how.flip:
        x = flip(x, draws["mirrored"])
    x = x.float()
    if "offset" in draws:
        x = crop(x, how.crop, draws["offset"], size)
    if how.resizes or how.rotation:
        x = warp(x, draws.get("box"), draws.get("angle"), size)
    if how.jitter:
        x = jitter(x, draws["factor"])
    if how.shift:
        x = shift(x, draws["shift"])
    x = (x - mean) / std
    if how.cutout:
        x = cut(x, how.cutout, draws["hole"])
    return _channels_last(x)


def _of_part(draws: Draws, part: slice) -> Draws:
    return {name: values[part] for name, values in draws.items()}


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

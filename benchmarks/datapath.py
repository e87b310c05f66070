"""Our data path against DataLoader + torchvision transforms v2 with the same augmentation, side by side.

    python -m benchmarks.datapath [--images N]

Images per second that arrive, augmented and normalised, where they are trained on; nothing is trained. Rounds alternate
between the two, medians are compared. The DataLoader may use as many workers as serve it best; ours uses one thread.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks import environment
from senet_nas import hardware
from senet_nas.data.batches import batches
from senet_nas.data.load import Data
from senet_nas.recipe import Recipe

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """Images of a size, how they are augmented, and of how many of ``--images``: large ones take their time."""

    channels: int
    size: int
    recipe: Recipe = Recipe()  # noqa: RUF009 - frozen
    crop: int = 0
    side: int | None = None
    share: float = 1.0


IMAGENET = Recipe(batch_size=50, crop_area=0.08, rotation=10.0, shift=20, sampling="balanced")
CASES = {
    "28x28 grey, flip and crop": Case(1, 28, crop=2),
    "32x32 colour, flip and crop": Case(3, 32, crop=4),
    "32x32 colour, flip, crop, jitter and cutout": Case(3, 32, Recipe(jitter=0.2, cutout=8), crop=4),
    "224x224 of 256x256 colour, as configs/imagenet.yaml": Case(3, 256, IMAGENET, side=224, share=0.05),
}


class Samples(Dataset[tuple[Tensor, int]]):
    """One image at a time, as torchvision's documentation shows it."""

    def __init__(self, data: Data, transform: Callable[[Tensor], Tensor]) -> None:
        self.data = data
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data.y_train)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(self.data.x_train[i]), int(self.data.y_train[i])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=4000)
    n = arguments.parse_args().images
    torch.set_num_threads(1)
    result = {name: compare(made(round(n * case.share), case), case.recipe) for name, case in CASES.items()}
    print(environment.write("datapath", {"images": n, "rounds": ROUNDS, "images_per_second": result}).read_text())


def made(n: int, case: Case) -> Data:
    shape, generator = (n, case.channels, case.size, case.size), torch.Generator().manual_seed(0)
    x, y = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), torch.arange(n) % 10
    half = (0.5,) * case.channels
    return Data(x, y, x[:1], y[:1], x[:1], y[:1], tuple("0123456789"), half, half, True, case.crop, "", side=case.side)


def _same(loader: Iterable[Any]) -> Iterable[Any]:
    return loader


def compare(data: Data, recipe: Recipe) -> dict[str, Any]:
    loaders = {f"DataLoader, {n} workers": loader(data, recipe, n) for n in range(1 + hardware.cores())}
    ways: dict[str, Callable[[], Iterable[Any]]] = {
        name: functools.partial(_same, found) for name, found in loaders.items()
    }
    generator = torch.Generator().manual_seed(0)
    ways["senet-search"] = lambda: batches(data.x_train, data.y_train, data, recipe, generator)
    rounds = [{name: rate(epoch()) for name, epoch in ways.items()} for _ in range(ROUNDS)]
    medians = {name: round(statistics.median(r[name] for r in rounds)) for name in ways}
    best = max(medians[name] for name in loaders)
    return {**medians, "times_the_best_DataLoader": round(medians["senet-search"] / best, 1)}


def loader(data: Data, recipe: Recipe, workers: int) -> DataLoader[Any]:
    size = data.image_size
    steps: list[Any] = [v2.RandomHorizontalFlip()]
    if recipe.crop_area < 1:
        steps.append(v2.RandomResizedCrop(size, (recipe.crop_area, 1.0)))
    else:
        steps.append(v2.RandomCrop(size, padding=data.crop))
    if recipe.rotation:
        steps.append(v2.RandomRotation(recipe.rotation, v2.InterpolationMode.BILINEAR))
    if recipe.jitter:
        steps.append(v2.ColorJitter(recipe.jitter, recipe.jitter, recipe.jitter))
    if recipe.shift:
        steps.append(
            lambda x: (x + torch.randint(-recipe.shift, recipe.shift + 1, (3, 1, 1))).clamp(0, 255).to(x.dtype)
        )
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.mean, data.std)]
    if recipe.cutout:
        share = (recipe.cutout / size) ** 2
        steps.append(v2.RandomErasing(p=1, scale=(share, share), ratio=(1, 1)))
    return DataLoader(
        Samples(data, v2.Compose(steps)),
        recipe.batch_size,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )


def rate(epoch: Iterable[tuple[Tensor, Tensor]]) -> float:
    began, n = time.perf_counter(), 0
    for _, y in epoch:
        n += len(y)
    return n / (time.perf_counter() - began)


if __name__ == "__main__":
    main()

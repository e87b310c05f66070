"""What the padding of the superset network costs on this machine: images per second of a training step.

    python -m benchmarks.superset [--backbone NAME] [--networks 2 4]

The same architectures, batches and threads in two ways, in turn: each network as it is built alone, and each as the
superset that stands for it. Medians of the rounds.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import environment
from senet_nas.network.build import build, sites
from senet_nas.network.superset import load_weights, options, superset
from senet_nas.recipe import Recipe
from senet_nas.training.train import sgd
from spaces import Space, SpaceSpec

SIZE, BATCH, STEPS, ROUNDS, CLASSES = 32, 128, 1, 5, 10
SPACE = SpaceSpec(granularity="block", tie=(), reduction=(4, 16))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--backbone", default="cifar_resnet20")
    arguments.add_argument("--networks", type=int, nargs="*", default=[2, 4])
    given = arguments.parse_args()
    torch.set_num_threads(1)
    result = {f"{m} networks": compare(given.backbone, m) for m in given.networks}
    about = {"backbone": given.backbone, "image_size": SIZE, "batch": BATCH, "threads": 1}
    print(environment.write("superset", {**about, "images_per_second": result}).read_text())


def compare(backbone: str, m: int) -> dict[str, float]:
    space = Space(backbone, sites(backbone), SPACE)
    rng = random.Random(0)
    chosen = [space.sample(rng) for _ in range(m)]
    alone = [build(architecture, num_classes=CLASSES) for architecture in chosen]
    padded = [
        load_weights(superset(backbone, options(chosen), num_classes=CLASSES), architecture, network.state_dict())
        for architecture, network in zip(chosen, alone, strict=True)
    ]
    generator = torch.Generator().manual_seed(0)
    x_MNCHW = torch.randn(m, BATCH, 3, SIZE, SIZE, generator=generator)
    y_MN = torch.randint(CLASSES, (m, BATCH), generator=generator)
    ways = {"separate": in_turn(alone, x_MNCHW, y_MN), "separate, padded": in_turn(padded, x_MNCHW, y_MN)}
    rounds = [{name: rate(step, m) for name, step in ways.items()} for _ in range(1 + ROUNDS)][1:]
    medians = {name: round(statistics.median(r[name] for r in rounds), 1) for name in ways}
    return {**medians, "padded_over_separate": round(medians["separate, padded"] / medians["separate"], 2)}


def in_turn(networks: list[nn.Module], x_MNCHW: Tensor, y_MN: Tensor) -> Callable[[], None]:
    """One step of each network after the other, as trainings of their own do it."""
    found = [network.to(memory_format=torch.channels_last).train() for network in networks]
    optimizers = [sgd(network, Recipe()) for network in found]

    def step() -> None:
        for network, optimizer, x_NCHW, y_N in zip(found, optimizers, x_MNCHW, y_MN, strict=True):
            loss = F.cross_entropy(network(x_NCHW.contiguous(memory_format=torch.channels_last)), y_N)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return step


def rate(step: Callable[[], None], m: int) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    return STEPS * m * BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    main()

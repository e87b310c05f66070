"""How long a proposal takes by the number of known trainings, in spaces that are listed and in one too large for that.

    python -m benchmarks.proposal_time [--samplers NAME ...] [--spaces 721 9985 vast] [--trainings 100 1000 10000]

It is the time of :meth:`Proposer.ask` alone, after a first call that lists the space: by the clock, and in CPU time for
machines that others use too. The known trainings are of architectures drawn at random, in blocks like those of a
search. Cells that are not asked for keep their old figures.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import environment
from search.bench import synthetic
from search.planning.optuna_study import Proposer
from search.planning.seed_blocks import BLOCK_SIZE, MOST_BLOCKS
from search.results.objectives import DEFAULT
from senet_nas.costs.overhead import price_list
from senet_nas.recipe import stable_hash
from spaces import Architecture, Space, SpaceSpec

SAMPLERS = ("knowledge_gradient", "thompson", "tpe", "nsga2", "random")
SPACES = ("721", "9985", "vast")
ASKED = 9

Price = Callable[[Architecture], Mapping[str, float]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    arguments.add_argument("--spaces", nargs="+", choices=SPACES, default=SPACES)
    arguments.add_argument("--trainings", type=int, nargs="+", default=[100, 1000, 10_000])
    given = arguments.parse_args()
    known = environment.read("proposal_time").get("spaces", {})
    for name in given.spaces:
        space, price = named(name)
        found = known.setdefault(name, {"architectures": space.size})
        for sampler in given.samplers:
            figures = found.setdefault(sampler, {})
            figures.update({str(n): measured(space, price, sampler, n) for n in given.trainings})
            path = environment.write("proposal_time", {"asked": ASKED, "spaces": known})
    print(path.read_text())


def named(name: str) -> tuple[Space, Price]:
    """A space and what its members cost. The vast one: every block of a ResNet-56 on its own."""
    if name != "vast":
        problem = synthetic.named(f"{name}:1.0").problem(0)
        return problem.space, problem.price
    prices = price_list("cifar_resnet56", image_size=32, num_classes=10)
    spec = SpaceSpec(granularity="block", reduction=(4, 8, 16), position=("pre_addition", "post_addition"))
    return Space("cifar_resnet56", prices.sites, spec), prices.of


def measured(space: Space, price: Price, sampler: str, trainings: int) -> dict[str, float]:
    """Seconds of a proposal in the median, the slowest, and CPU seconds, while nothing else runs."""
    proposer = Proposer(space, DEFAULT, price, sampler=sampler, seed=0)
    rng, size = random.Random(0), max(BLOCK_SIZE, math.ceil(trainings / MOST_BLOCKS))
    plain = Architecture.plain(space.backbone, len(space.sites))
    for number in range(trainings):
        architecture = plain if number % size < math.sqrt(size) else space.sample(rng)
        proposer.tell(number, {"accuracy": accuracy(architecture, number, size)}, architecture, block=number // size)
    wall = []
    cpu = []
    for number in range(trainings, trainings + ASKED + 1):
        began, began_cpu = time.perf_counter(), time.process_time()
        found = proposer.ask(number, lambda _: False, lambda _: None, (trainings - 1) // size)
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
        assert found is not None
        proposer.tell(number, {"accuracy": accuracy(found.architecture, number, size)}, found.architecture)
    return {
        "median": round(statistics.median(wall[1:]), 4),
        "max": round(max(wall[1:]), 4),
        "cpu_median": round(statistics.median(cpu[1:]), 4),
        "first": round(wall[0], 3),
    }


def accuracy(architecture: Architecture, number: int, size: int) -> float:
    """An effect of each site, of the block, and noise."""

    def luck(*name: Any) -> float:
        return random.Random(stable_hash(*name)).gauss(0, 1)

    effects = sum(0.1 * luck(site, str(se)) for site, se in enumerate(architecture.blocks) if se)
    return 90 + effects + 0.24 * luck("block", number // size) + 0.3 * luck("noise", number)


if __name__ == "__main__":
    main()

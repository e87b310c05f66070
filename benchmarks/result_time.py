"""How long the result of a large run takes, front and history, in this version and in one before it.

    python -m benchmarks.result_time [--before COMMIT] [--rounds N]

The runs are made up: 500 architectures with 1,000 trainings and 2,000 with 4,000, drawn from the space of a ResNet-20
with SE in any of its nine units. Gains have effects of units and own terms, blocks have levels, and the objectives are
accuracy, parameters and latency, with the latency of 40 architectures measured. Both versions read the same ledger,
in turn, each time in a process of its own with one thread. CPU time stands beside the clock, for machines that others
use too.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import environment
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from senet_nas.costs.overhead import price_list
from senet_nas.recipe import Seed
from spaces import Architecture, Space, SpaceSpec

ROOT = Path(__file__).parent.parent
ONCE = Path(__file__).with_name("result_once.py")
SIZES = ((500, 1000), (2000, 4000))
WARM_UP = (20, 40)
BLOCKS = 12
MEASURED = 40
SIGMA = 0.3  # points, of a training
EFFECT = 0.1  # points: mean and deviation of the effect of a unit, deviation of own terms


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--before", default="b39ef70", metavar="COMMIT", help="the version to compare with")
    arguments.add_argument("--rounds", type=int, default=5, help="measurements of each version (default: 5)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, worktree(given.before, Path(folder) / "before") as before:
        versions = {"before": before, "after": ROOT}
        warm_up = written(Path(folder), *WARM_UP)
        runs = {}
        for size in SIZES:
            ledger = written(Path(folder), *size)
            rounds = [
                {name: once(tree, warm_up, ledger) for name, tree in versions.items()} for _ in range(given.rounds)
            ]
            runs["{} architectures, {} trainings".format(*size)] = summary(rounds)
    path = environment.write("result_time", {"before": given.before, "rounds": given.rounds, "runs": runs})
    print(path.read_text())


@contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    """A checkout of ``commit`` in ``folder``, removed afterwards."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "-q", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def once(tree: Path, warm_up: Path, ledger: Path) -> dict[str, dict[str, float]]:
    """The figures of :mod:`benchmarks.result_once` by the version in ``tree``."""
    surroundings = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", str(ONCE), str(warm_up), str(ledger)]
    printed = subprocess.run(command, env=surroundings, cwd=tree, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, dict[str, float]] = json.loads(printed)
    return found


def summary(rounds: Sequence[dict[str, dict[str, dict[str, float]]]]) -> dict[str, Any]:
    """For front and history: median, smallest and largest time of each version, and how many times faster it became."""
    found: dict[str, Any] = {}
    for what in ("front", "history"):
        found[what] = {}
        for kind in ("seconds", "cpu_seconds"):
            times = {name: [figures[name][what][kind] for figures in rounds] for name in rounds[0]}
            spread = {name: _spread(values) for name, values in times.items()}
            ratio = spread["before"]["median"] / spread["after"]["median"]
            found[what][kind] = {**spread, "times_faster": round(ratio, 1)}
    return found


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def written(folder: Path, architectures: int, trainings: int) -> Path:
    """The ledger of a made-up run, always the same one."""
    path = folder / f"{architectures}.sqlite"
    prices = price_list("cifar_resnet20", image_size=32, num_classes=10)
    spec = SpaceSpec(granularity="block", reduction=(4, 8, 16), position=("pre_addition", "post_addition"))
    space = Space("cifar_resnet20", prices.sites, spec)
    rng = random.Random(0)
    members = distinct(space, architectures, rng)
    effects = [rng.gauss(EFFECT, EFFECT) for _ in space.sites]
    levels = [rng.gauss(0, SIGMA) for _ in range(BLOCKS)]
    latencies = [sum(rng.uniform(1.0, 1.2) for se in member.blocks if se) for member in members]
    gains = [_gain(member, effects, rng) for member in members]
    ledger = Ledger(path)
    data = DataFact(validation=5000, classes=tuple(str(digit) for digit in range(10)))
    measured = {f"a{number}": _latency(latencies[number]) for number in range(min(MEASURED, architectures))}
    ledger.note(Facts(sites=space.sites, data=data, space_size=space.size, latency=measured))
    entries = [
        ledger.enter(member, f"placement {number}", {**prices.of(member), **_latency(latencies[number])})
        for number, member in enumerate(members)
    ]
    size = math.ceil(trainings / BLOCKS)
    for i in range(trainings):
        block = i // size
        # The first sqrt(size) trainings of each block are of plain, as in a search.
        number = 0 if i % size < math.sqrt(size) else rng.randrange(1, architectures)
        (training,) = ledger.plan([(entries[number], Seed(block, i))], role="search", origin="sampler")
        ledger.start(training.uid)
        accuracy = 90 + gains[number] + levels[block] + rng.gauss(0, SIGMA)
        metrics = {"val_accuracy": round(accuracy, 2), "train_loss": 0.2, "grad_norm": 1.0, "train_seconds": 9.0}
        ledger.finish(training.uid, metrics=metrics, curve=[], correct=None)
    ledger.close()
    return path


def distinct(space: Space, count: int, rng: random.Random) -> list[Architecture]:
    """Plain, and ``count - 1`` other members of the space."""
    plain = Architecture.plain(space.backbone, len(space.sites))
    found = {plain.key: plain}
    while len(found) < count:
        member = space.sample(rng)
        found.setdefault(member.key, member)
    return list(found.values())


def _gain(member: Architecture, effects: Sequence[float], rng: random.Random) -> float:
    if member.is_plain:
        return 0.0
    units = [effect for effect, se in zip(effects, member.blocks, strict=True) if se]
    return sum(units) + rng.gauss(0, EFFECT)


def _latency(overhead: float) -> dict[str, float]:
    return {"latency_ms": 10 * (1 + overhead / 100), "latency_overhead": overhead}


if __name__ == "__main__":
    main()

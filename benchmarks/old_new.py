"""Whether the CPU path is as fast as in an earlier version: both are run side by side, in turns, on this machine.

    python -m benchmarks.old_new [--old COMMIT] [--rounds N] [--tiny]

The earlier version is taken out of git into a temporary folder, with its own benchmarks. Two figures of each: images
per second of a search on all slots (as in benchmarks.loop), and of the data path (as in benchmarks.datapath). Bare
loops of this version run in turns with them. Rounds alternate old, new, new, old; the ratio of a round is new over old.
Takes about five minutes on two quiet cores. `--tiny` tries the code in a minute and gives no figure.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment, loop

ROOT = Path(__file__).parent.parent
NAME = "old_new"
# The version that the GPU work began with.
OLD = "b39ef70"

# Both versions have these functions; each program runs in a process of its own, in its own tree.
SEARCH = """
from benchmarks import loop
spans, architectures = loop.searched({epochs}, {trainings})
print(json.dumps([loop.images_per_second(spans, {epochs}), architectures]))
"""
DATA_PATH = """
import statistics
import torch
from benchmarks import datapath
torch.set_num_threads(1)
found = {{}}
for name, case in datapath.CASES.items():
    data = datapath.made(max(60, round({images} * case.share)), case)
    generator = torch.Generator().manual_seed(0)
    args = (data.x_train, data.y_train, data, case.recipe, generator)
    found[name] = statistics.median([datapath.rate(datapath.batches(*args)) for _ in range({epochs})])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Sizes:
    """How much is measured: epochs and number of trainings of a search; images and epochs of the data path."""

    epochs: int = 10
    trainings: int = 6 * loop.SLOTS
    images: int = 4000
    passes: int = 5


TINY = Sizes(epochs=1, trainings=max(4, 2 * loop.SLOTS), images=200, passes=1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--old", default=OLD, help="the commit to compare with")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--tiny", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old = extracted(given.old, Path(folder))
        result = measured(old, ROOT, 1 if given.tiny else given.rounds, TINY if given.tiny else Sizes())
    result = {"old": given.old, "slots": loop.SLOTS, **result}
    if given.tiny:
        print(json.dumps(result, indent=1))
    else:
        print(environment.write(NAME, result).read_text())


def extracted(commit: str, folder: Path) -> Path:
    """The tree of a commit, in a folder."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def measured(old: Path, new: Path, rounds: int, sizes: Sizes) -> dict[str, Any]:
    """The figures of both trees, in turns, and their ratios."""
    search: dict[str, list[float]] = {"old": [], "new": []}
    path: dict[str, list[dict[str, float]]] = {"old": [], "new": []}
    bare = []
    for number in range(rounds):
        trees = [("old", old), ("new", new)]
        architectures: Sequence[str] = ()
        for name, tree in trees if number % 2 == 0 else reversed(trees):
            speed, architectures = ran(tree, SEARCH.format(epochs=sizes.epochs, trainings=sizes.trainings))
            search[name].append(speed)
            path[name].append(ran(tree, DATA_PATH.format(images=sizes.images, epochs=sizes.passes)))
        # The first of each slot was not counted.
        spans = loop.bare([*architectures[loop.SLOTS :]], sizes.epochs)
        bare.append(loop.images_per_second(spans, sizes.epochs))
    cases = {case: {name: [found[case] for found in path[name]] for name in path} for case in path["new"][0]}
    return {
        "search": compared(search),
        "bare_images_per_second": [round(speed) for speed in bare],
        "efficiency": {name: ratio(search[name], bare) for name in search},
        "data_path": {case: compared(found) for case, found in cases.items()},
    }


def ran(tree: Path, program: str) -> Any:
    """What a program prints as JSON, run in a tree with the modules of that tree."""
    there = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree)}
    command = [sys.executable, "-c", f"import json\n{program}"]
    done = subprocess.run(command, cwd=tree, env=there, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def compared(speeds: dict[str, list[float]]) -> dict[str, Any]:
    """Images per second of both, and new over old: the median of the rounds, and each of them."""
    each = [new / old for new, old in zip(speeds["new"], speeds["old"], strict=True)]
    rounded = {f"{name}_images_per_second": [round(value) for value in values] for name, values in speeds.items()}
    return {**rounded, "new_over_old": round(statistics.median(each), 3), "each": [round(value, 3) for value in each]}


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of the rounds."""
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 3)


if __name__ == "__main__":
    main()

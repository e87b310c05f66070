"""How well the samplers search, over every synthetic problem of docs/benchmark.md: S, coverage, false verdicts.

    python -m benchmarks.search_quality [--jobs 2] [--only TEXT] [--searches N]

PLAN holds the cells; it was written before the first was run. The problems start at number FIRST, and nobody looked at
these when grid, prior and level were chosen. Each cell is written to results/search_quality.json when it is done, so a
second call continues an interrupted one. ``--only`` runs the tables whose name contains TEXT.
"""

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks import environment
from search.bench.runner import bench

# What the defaults were chosen by were problems below this number.
FIRST = 1000


@dataclass(frozen=True)
class Part:
    """Searches of one table: the first sampler is what the others are compared with."""

    table: str
    samplers: tuple[str, ...]
    trainings: tuple[int, ...]
    searches: int = 200


OURS = ("knowledge_gradient", "reference")
OTHERS = ("knowledge_gradient", "thompson", "random", "nsga2", "tpe")
TAUS = ("1", "0.4", "1.5", "0.6", "0.2")
TWISTS = ("heavy-tails", "unequal-noise", "unstructured", "structured", "block-factor")
REAL = "benchmarks/tables/fashion113.csv.gz"

# Ordered by the question: is the search honest, how good is it, which sampler should be the default?
# Peers: benchmarks.peers.
PLAN = (
    # No effect at all; plain truly best, with tau = 0.12 points below it; real trainings that changed places.
    *(Part(f"synthetic:113:{null}", OURS[:1], (64,)) for null in ("0:null", "0.4:null-below")),
    Part(f"permuted:{REAL}", OURS[:1], (64,)),
    # tau = 0.3 points, sigma = 0.2: can a gain that exists be proven?
    Part("synthetic:113:1.5:little-noise", OURS[:1], (128,)),
    # There is next to nothing to find where tau/sigma is 0.2: that takes more searches to tell apart.
    *(Part(f"synthetic:113:{tau}", OURS, (32,), searches=600 if tau == "0.2" else 200) for tau in TAUS),
    *(Part(f"synthetic:113:{tau}", OURS, (64,)) for tau in TAUS),
    *(Part(f"synthetic:113:1:{twist}", OURS[:1], (64,)) for twist in TWISTS),
    *(Part(f"synthetic:721:{tau}", OURS, (trainings,)) for trainings in (32, 64) for tau in TAUS[:3]),
    *(Part(f"synthetic:113:{tau}", OURS, (128,)) for tau in TAUS),
    Part(REAL, OTHERS, (64,), searches=100),
    # Ten thousand architectures: a proposal takes longer.
    *(Part(f"synthetic:9985:{tau}", OURS, (32,), searches=100) for tau in TAUS[:2]),
    *(Part(f"synthetic:9985:{tau}", (*OURS, "random"), (64,), searches=40) for tau in TAUS[:2]),
    *(Part(f"synthetic:9985:{tau}", OURS, (128,), searches=40) for tau in TAUS[:2]),
    *(Part(f"synthetic:721:{tau}", OURS, (128,), searches=100) for tau in TAUS[:3]),
    *(Part(f"synthetic:113:{tau}", OURS, (256,), searches=100) for tau in TAUS),
    *(Part(f"synthetic:721:{tau}", OURS, (256,), searches=100) for tau in TAUS[:3]),
    *(Part(f"synthetic:9985:{tau}", OURS, (256,), searches=20) for tau in TAUS[:2]),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="run the tables whose name holds this")
    parser.add_argument("--searches", type=int, help="searches of each, in place of the number in PLAN")
    given = parser.parse_args()
    cells: list[dict[str, Any]] = environment.read("search_quality").get("cells", [])
    done = {(cell["table"], cell["sampler"], cell["trainings"]) for cell in cells if cell.get("first") == FIRST}
    for part in PLAN:
        for trainings in part.trainings:
            again = {(part.table, sampler, trainings) for sampler in part.samplers}
            if given.only not in part.table or again <= done:
                continue
            found = bench(part.table, part.samplers, [trainings], given.searches or part.searches, given.jobs, FIRST)
            print("\n".join(found.lines()), flush=True)
            table = found.to_dict()
            cells = [cell for cell in cells if (cell["table"], cell["sampler"], cell["trainings"]) not in again]
            cells += [{"table": part.table, "unit": table["unit"], "first": FIRST, **cell} for cell in table["cells"]]
            environment.write("search_quality", {"cells": cells})


if __name__ == "__main__":
    main()

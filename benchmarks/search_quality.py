"""How well the samplers search, over every synthetic problem of docs/benchmark.md: S, coverage, false verdicts.

    python -m benchmarks.search_quality [--jobs 2] [--only TEXT] [--searches N]

PLAN holds the cells; it was written before the first was run. The problems start at number FIRST, those about answers
at ANSWERS_FIRST, and nobody looked at these when grid, prior, level and confirmation were chosen. Each cell is written
to results/search_quality.json when it is done, so a second call continues an interrupted one. ``--only`` runs tables
whose name contains TEXT, ``--answers`` those about answers alone.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import environment
from search.bench.runner import bench
from search.bench.trials import Spending

# What the defaults were chosen by were problems below this number.
FIRST = 1000
# The confirmation was chosen by problems from 5000 on.
ANSWERS_FIRST = 3000


@dataclass(frozen=True)
class Part:
    """Searches of one table: the first sampler is what the others are compared with.

    With ``stops`` a search ends when it is answered, else when its budget is used; ``extensions`` follow one by one.
    """

    table: str
    samplers: tuple[str, ...]
    trainings: tuple[int, ...]
    searches: int = 200
    stops: bool = False
    extensions: tuple[int, ...] = ()
    first: int = FIRST

    @property
    def spending(self) -> Spending:
        return Spending(self.stops, self.extensions)


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

THREE_TIMES = (32, 32, 32)
# Does a search end with an answer, and is it right?
ANSWERS = tuple(
    replace(part, first=ANSWERS_FIRST)
    for part in (
        *(Part(f"synthetic:113:{tau}", OURS[:1], (64,)) for tau in TAUS[:2]),
        *(Part(f"synthetic:113:{tau}", OURS[:1], (128,)) for tau in TAUS[:2]),
        *(Part(f"synthetic:721:{tau}", OURS[:1], (128,)) for tau in TAUS[:2]),
        Part("synthetic:721:1", OURS[:1], (64,)),
        # No proof is true here.
        *(Part(f"synthetic:113:{null}", OURS[:1], (64,)) for null in ("0:null", "0.4:null-below", "0:min-gain")),
        Part(f"permuted:{REAL}", OURS[:1], (64,)),
        *(Part(f"synthetic:113:{null}", OURS[:1], (64,), extensions=THREE_TIMES) for null in ("0:null", "0:min-gain")),
        *(Part(f"synthetic:113:1:{twist}", OURS[:1], (64,)) for twist in TWISTS),
        # The default, which stops when it is answered.
        *(Part(f"synthetic:113:{null}", OURS[:1], (128, 256), stops=True) for null in ("0:null", "0.4:null-below")),
        *(Part(f"synthetic:113:{tau}", OURS[:1], (64, 128), stops=True) for tau in TAUS[:2]),
        *(Part(f"synthetic:113:{tau}", OURS[:1], (128,), stops=True) for tau in TAUS[2:]),
        Part("synthetic:721:1", OURS[:1], (64, 128), stops=True),
        Part("synthetic:721:0.4", OURS[:1], (128,), stops=True),
        Part(REAL, OURS[:1], (64,)),
    )
)
# Four of 200 searches of this cell said "likely not worth it" wrongly, more than in any other: is that luck?
ANSWERS += (Part("synthetic:113:0.6", OURS[:1], (128,), searches=1000, stops=True, first=20_000),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="run the tables whose name holds this")
    parser.add_argument("--searches", type=int, help="searches of each, in place of the number in PLAN")
    parser.add_argument("--answers", action="store_true", help="run the cells about answers alone")
    given = parser.parse_args()
    cells: list[dict[str, Any]] = environment.read("search_quality").get("cells", [])
    done = {_identity(cell) for cell in cells}
    for part in ANSWERS if given.answers else (*ANSWERS, *PLAN):
        for trainings in part.trainings:
            head = {"table": part.table, "first": part.first, "stops": part.stops, "extensions": [*part.extensions]}
            again = {_identity({**head, "sampler": s, "trainings": trainings}) for s in part.samplers}
            if given.only not in part.table or again <= done:
                continue
            searches = given.searches or part.searches
            found = bench(
                part.table, part.samplers, [trainings], searches, given.jobs, part.first, spending=part.spending
            )
            print("\n".join(found.lines()), flush=True)
            table = found.to_dict()
            cells = [cell for cell in cells if _identity(cell) not in again]
            cells += [{**head, "unit": table["unit"], **cell} for cell in table["cells"]]
            environment.write("search_quality", {"cells": cells})


def _identity(cell: Mapping[str, Any]) -> tuple[Any, ...]:
    """What one cell is, as a key."""
    extensions = tuple(cell.get("extensions", ()))
    return cell["table"], cell["sampler"], cell["trainings"], cell["first"], cell.get("stops", False), extensions


if __name__ == "__main__":
    main()

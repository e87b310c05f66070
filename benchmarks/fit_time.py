"""How long the model takes with loss curves, over what it takes without them; and how long a proposal takes.

    python -m benchmarks.fit_time [--spaces 113 721 9985] [--trainings 64 256 1000]

A fit is that of a report (4,000 draws) or of a proposal (256). The trainings are of architectures drawn at random, with
curves, in blocks like those of a search. All figures are CPU seconds of one thread, the median of ROUNDS in turn, so
other work on the machine counts little. A proposal is the mean over as many as follow one fit: the model is fitted
again when a hundredth more trainings have ended.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

from benchmarks import environment
from search.bench import synthetic
from search.bench.synthetic import Synthetic
from search.model.features import describe
from search.model.fitting import DRAWS, fit
from search.model.observations import Observations, Row
from search.planning import acquisition
from search.planning.optuna_study import Proposer
from search.planning.seed_blocks import BLOCK_SIZE
from search.results.objectives import DEFAULT
from senet_nas.recipe import Seed
from spaces import Architecture

ROUNDS = 7
PROPOSALS = 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--spaces", nargs="+", choices=synthetic.SPACES, default=list(synthetic.SPACES))
    arguments.add_argument("--trainings", type=int, nargs="+", default=[64, 256, 1000])
    given = arguments.parse_args()
    found = {
        space: {str(n): measured(synthetic.named(f"{space}:1::strong").problem(0), n) for n in given.trainings}
        for space in given.spaces
    }
    print(environment.write("fit_time", {"rounds": ROUNDS, "draws": DRAWS, "spaces": found}).read_text())


def measured(problem: Synthetic, trainings: int) -> dict[str, float]:
    """CPU seconds of fits and proposals, without curves and with them, and the ratio."""
    members = list(problem.space)
    drawn = _drawn(problem, members, trainings)
    rows: list[Row] = [(place, seed.block, problem.accuracy(members[place], seed)) for place, seed in drawn]
    losses = [problem.losses(members[place], seed) for place, seed in drawn]
    features = describe(members, problem.space.sites)
    seen = {"accuracy": Observations.of_rows(rows), "curves": Observations.of_rows(rows, losses)}
    found = {}
    for name, draws in (("report", DRAWS), ("proposal", acquisition.DRAWS)):
        for kind, seconds in _in_turn({k: _fitting(o, features, draws) for k, o in seen.items()}).items():
            found[f"{name}_fit_{kind}"] = seconds
        found[f"{name}_fit_ratio"] = round(found[f"{name}_fit_curves"] / found[f"{name}_fit_accuracy"], 2)
    for kind in seen:
        found[f"proposal_{kind}"] = _proposal(
            problem, [(members[place], seed) for place, seed in drawn], kind == "curves"
        )
    return found


def _drawn(problem: Synthetic, members: list[Architecture], trainings: int) -> list[tuple[int, Seed]]:
    """Places of architectures and seeds: plain as often as in a search."""
    rng = random.Random(0)
    plain = round(BLOCK_SIZE**0.5)
    return [
        (0 if n % BLOCK_SIZE < plain else rng.randrange(1, len(members)), Seed(n // BLOCK_SIZE, n))
        for n in range(trainings)
    ]


def _fitting(seen: Observations, features: object, draws: int) -> Callable[[], object]:
    return lambda: fit(seen, features, draws=draws)  # type: ignore[arg-type]


def _in_turn(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU seconds of each call, the median of ROUNDS."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.process_time()
            call()
            taken[name].append(time.process_time() - began)
    return {name: round(statistics.median(times), 4) for name, times in taken.items()}


def _proposal(problem: Synthetic, drawn: list[tuple[Architecture, Seed]], curves: bool) -> float:
    """CPU seconds of a proposal of the default sampler: the mean of PROPOSALS in a row."""
    proposer = Proposer(problem.space, DEFAULT, problem.price, sampler="auto", seed=0, curves=curves)

    def tell(number: int, architecture: Architecture, seed: Seed) -> None:
        accuracy, losses = problem.accuracy(architecture, seed), problem.losses(architecture, seed)
        proposer.tell(number, {"accuracy": accuracy}, architecture, block=seed.block, losses=losses)

    for number, (architecture, seed) in enumerate(drawn):
        tell(number, architecture, seed)
    last = drawn[-1][1].block
    taken = []
    for number in range(len(drawn), len(drawn) + PROPOSALS + 1):
        began = time.process_time()
        found = proposer.ask(number, lambda _: False, lambda _: None, last)
        taken.append(time.process_time() - began)
        assert found is not None
        tell(number, found.architecture, Seed(last, number))
    return round(statistics.fmean(taken[1:]), 4)


if __name__ == "__main__":
    main()

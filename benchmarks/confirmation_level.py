"""How often a confirmation proves a gain that is not there, and a whole run with its extensions: simulated.

    python -m benchmarks.confirmation_level [--runs N]

Every candidate gains exactly ``min_gain``, the largest gain that must not be proven, so the share of proofs is the
*size* of the test: it should not exceed the level. It depends on the noise, on the number of pairs and on the level.
Futility is ignored, since stopping for it can only make proofs rarer. `tests/test_confirmation_level.py` holds the
decisions, which are taken for many runs at once, to those of :func:`search.results.paired_test.looks`.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks import environment
from search.results import group_sequential, paired_test
from search.results.paired_test import CANDIDATE_SHARE, LEVEL

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Noise = Callable[[np.random.Generator, tuple[int, int]], Array]

RUNS = 1_000_000
# The number of runs that are held in memory at once.
CHUNK = 50_000
PAIRS = (5, 6, 8, 16, 32)
LEVELS = (CANDIDATE_SHARE * LEVEL, CANDIDATE_SHARE * (1 - CANDIDATE_SHARE) * LEVEL)
MIN_GAIN = 0.05
SIGMA = 0.3
BLOCK = 0.24
# A training of these collapses with this probability, and then loses points with this mean.
COLLAPSES = 0.05
LOSS = 3.0
# A run of 64 trainings confirms with half of them, each of three extensions of 32 trainings again with half.
RUN_PAIRS = (16, 8, 8, 8)
LONG_RUN_PAIRS = (16, *[8] * 19)
BETTER = 0.5


# -- noise: what the differences of pairs are, beyond the true mean gain; runs x pairs, in points ----------------------


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Noise and the effect of the block, which candidate and plain share."""
    block = BLOCK * rng.standard_normal(shape)
    candidate = block + SIGMA * rng.standard_normal(shape)
    plain = block + SIGMA * rng.standard_normal(shape)
    return candidate - plain


def block_effects(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """In each block the candidate has another gain, with half the deviation of the noise."""
    return normal(rng, shape) + SIGMA / 2 * rng.standard_normal(shape)


def unequal_variances(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """The candidate is three times as noisy as plain."""
    return SIGMA * (3 * rng.standard_normal(shape) - rng.standard_normal(shape))


def heavy_tails(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Student's t with 3 degrees of freedom, of the same variance."""
    return SIGMA / math.sqrt(3) * (rng.standard_t(3, shape) - rng.standard_t(3, shape))


def skewed_candidate(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """The candidate's noise is exponential, with the long tail towards low accuracy, and of the same variance."""
    candidate = SIGMA * (1 - rng.standard_exponential(shape))
    plain = SIGMA * rng.standard_normal(shape)
    return candidate - plain


def collapses(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Trainings of both collapse now and then."""
    return normal(rng, shape) - _lost(rng, shape) + _lost(rng, shape)


def collapses_of_plain(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Only plain collapses. In pairs without a collapse the candidate seems worse than in the mean over all."""
    return normal(rng, shape) + _lost(rng, shape)


def collapses_of_candidate(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Only the candidate collapses. In pairs without a collapse it seems better than in the mean over all."""
    return normal(rng, shape) - _lost(rng, shape)


def _lost(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """What collapses cost, beyond their mean."""
    return (rng.random(shape) < COLLAPSES) * rng.exponential(LOSS, shape) - COLLAPSES * LOSS


NOISES: Mapping[str, Noise] = {
    "normal": normal,
    "block x architecture": block_effects,
    "unequal variances": unequal_variances,
    "Student t, 3 degrees of freedom": heavy_tails,
    "both collapse": collapses,
    "plain collapses": collapses_of_plain,
    "candidate skewed": skewed_candidate,
    "candidate collapses": collapses_of_candidate,
}


# -- the test, for many runs at once ----------------------------------------------------------------------------------


def proven(differences: Array, counts: Sequence[int], limits: Sequence[float], min_gain: float = MIN_GAIN) -> Flags:
    """For each run whether one of the looks proves it. ``differences`` is runs x pairs, none of them lost."""
    found = np.zeros(len(differences), dtype=bool)
    sums = np.cumsum(differences, axis=1)
    squares = np.cumsum(differences**2, axis=1)
    for count, limit in zip(counts, limits, strict=True):
        mean = sums[:, count - 1] / count
        variance = np.maximum(squares[:, count - 1] / count - mean**2, 0) * count / (count - 1)
        found |= mean - min_gain >= stats.t.isf(limit, count - 1) * np.sqrt(variance / count)
    return found


def uncorrected(counts: Sequence[int], level: float) -> tuple[float, ...]:
    """The limits of a test of known variance."""
    spending = tuple(group_sequential.spent(level, count / counts[-1]) for count in counts)
    return group_sequential.boundaries(tuple(counts), spending)


def falsely(noise: Noise, better: Flags, pairs: Sequence[int], rng: np.random.Generator) -> tuple[Flags, Array]:
    """For each run whether a candidate was proven that gains only ``min_gain``, and the share of true proofs.

    ``better`` is runs x candidates: these gain BETTER points. ``pairs`` are those of each candidate. A run has one
    account of the level: each failure costs its part of what is left.
    """
    wrong = np.zeros(len(better), dtype=bool)
    right = np.zeros(len(better))
    failures = np.zeros(len(better), dtype=int)
    for number, size in enumerate(pairs):
        gain = np.where(better[:, number], BETTER, MIN_GAIN)
        differences = gain[:, None] + noise(rng, (len(better), size))
        is_proof = np.zeros(len(better), dtype=bool)
        for failed in np.unique(failures):
            here = failures == failed
            counts = paired_test.looks_at(size)
            is_proof[here] = proven(differences[here], counts, paired_test.limits(counts, part(failed)))
        wrong |= is_proof & ~better[:, number]
        right += is_proof & better[:, number]
        failures += ~is_proof
    return wrong, right / np.maximum(better.sum(axis=1), 1)


def part(failures: int) -> float:
    """The part of the level that a candidate gets after this number of failures, by the account of the product."""
    ended: list[tuple[float, bool]] = []
    for _ in range(failures):
        ended.append((CANDIDATE_SHARE * paired_test.level_left(0, ended), False))
    return CANDIDATE_SHARE * paired_test.level_left(0, ended)


# -- which candidates of a run are truly better -----------------------------------------------------------------------


def none_better(rng: np.random.Generator, shape: tuple[int, int]) -> Flags:
    return np.zeros(shape, dtype=bool)


def every_second_better(rng: np.random.Generator, shape: tuple[int, int]) -> Flags:
    return np.broadcast_to(np.arange(shape[1]) % 2 == 0, shape)


def half_better(rng: np.random.Generator, shape: tuple[int, int]) -> Flags:
    return rng.random(shape) < 0.5


@dataclass(frozen=True)
class Run:
    """A run with a first confirmation and extensions: its name in the table, what is better, and the pairs of each."""

    name: str
    better: Callable[[np.random.Generator, tuple[int, int]], Flags]
    pairs: tuple[int, ...] = RUN_PAIRS


WHOLE_RUNS = (
    Run("no candidate is better", none_better),
    Run("the first and the third are better", every_second_better),
    Run("each is better with probability 1/2", half_better),
    Run("no candidate is better, 19 extensions", none_better, LONG_RUN_PAIRS),
    Run("each is better with probability 1/2, 19 extensions", half_better, LONG_RUN_PAIRS),
)
OF_RUNS = ("normal", "Student t, 3 degrees of freedom", "candidate skewed", "candidate collapses")


# -- counting ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """The share of proofs among confirmations without a gain above ``min_gain``, over the level where it says so."""

    noise: str
    pairs: int
    looks: tuple[int, ...]
    level: float
    size: float
    of_level: float
    error: float
    of_level_uncorrected: float


@dataclass(frozen=True)
class Shares:
    """Shares of runs with a false proof, and of truly better candidates that were proven."""

    run: str
    noise: str
    pairs: tuple[int, ...]
    false: float
    error: float
    true: float


def sizes(name: str, pairs: int, runs: int, rng: np.random.Generator) -> list[Size]:
    """One for each level, from the same pairs."""
    counts = paired_test.looks_at(pairs)
    tests = [limits(counts, level) for level in LEVELS for limits in (paired_test.limits, uncorrected)]
    shares = np.zeros(len(tests))
    for some in chunks(runs):
        differences = MIN_GAIN + NOISES[name](rng, (some, pairs))
        shares += [proven(differences, counts, limits).sum() / runs for limits in tests]
    return [
        Size(
            noise=name,
            pairs=pairs,
            looks=counts,
            level=round(level, 5),
            size=round(size, 5),
            of_level=round(size / level, 3),
            error=round(math.sqrt(size * (1 - size) / runs) / level, 3),
            of_level_uncorrected=round(without / level, 3),
        )
        for level, size, without in zip(LEVELS, shares[::2].tolist(), shares[1::2].tolist(), strict=True)
    ]


def whole_run(run: Run, name: str, runs: int, rng: np.random.Generator) -> Shares:
    false = 0.0
    true = 0.0
    for some in chunks(runs):
        better = run.better(rng, (some, len(run.pairs)))
        wrong, right = falsely(NOISES[name], better, run.pairs, rng)
        false += float(wrong.sum()) / runs
        true += float(right.sum()) / runs
    error = math.sqrt(false * (1 - false) / runs)
    return Shares(run.name, name, run.pairs, round(false, 5), round(error, 5), round(true, 3))


def chunks(runs: int) -> list[int]:
    """Numbers of runs that add up to ``runs``, none above CHUNK."""
    return [min(CHUNK, runs - done) for done in range(0, runs, CHUNK)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    found: dict[str, list[dict[str, object]]] = {"sizes": [], "whole_runs": []}
    for number, name in enumerate(NOISES):
        for pairs in PAIRS:
            rng = np.random.default_rng([number, pairs])
            found["sizes"] += [asdict(size) for size in sizes(name, pairs, runs, rng)]
        print(*found["sizes"][-2 * len(PAIRS) :], sep="\n", flush=True)
    for number, run in enumerate(WHOLE_RUNS):
        for name in OF_RUNS:
            rng = np.random.default_rng([number, OF_RUNS.index(name)])
            found["whole_runs"].append(asdict(whole_run(run, name, runs, rng)))
            print(found["whole_runs"][-1], flush=True)
    settings = {"runs": runs, "min_gain": MIN_GAIN, "sigma": SIGMA, "collapses": COLLAPSES, "loss": LOSS}
    print(environment.write("confirmation_level", {**settings, "gain_of_the_better": BETTER, **found}))


if __name__ == "__main__":
    main()

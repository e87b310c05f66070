"""The simulation of the level decides as the product does, and its committed figures keep what the product promises."""

import numpy as np
import pytest

from benchmarks import confirmation_level, environment
from benchmarks.confirmation_level import LEVELS, NOISES, OF_RUNS, PAIRS, WHOLE_RUNS
from search.results import paired_test
from search.results.paired_test import CANDIDATE_SHARE, LEVEL

# The other two make a candidate look better than it is: docs/benchmark.md says so.
HARMLESS = [name for name in NOISES if name not in ("candidate skewed", "candidate collapses")]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", PAIRS)
@pytest.mark.parametrize("noise", NOISES)
def test_decisions_for_many_runs_at_once_are_those_of_the_product(noise, number, level):
    """Gains are large enough for proofs at each look, and for none."""
    rng = np.random.default_rng([number, round(1000 * level)])
    gains = rng.uniform(0, 1.5, (30, 1))
    differences = gains + NOISES[noise](rng, (30, number))
    counts = paired_test.looks_at(number)
    found = confirmation_level.proven(differences, counts, paired_test.limits(counts, level))
    taken = [paired_test.looks(row, counts, level, confirmation_level.MIN_GAIN) for row in differences.tolist()]
    assert found.tolist() == [looks[-1].is_proof for looks in taken]
    assert 0 < found.sum() < 30


@pytest.mark.parametrize("run", WHOLE_RUNS[:3], ids=lambda run: run.name)
def test_a_whole_run_spends_the_level_as_the_product_does(run):
    seed = 5
    better = run.better(np.random.default_rng(seed), (300, len(run.pairs)))
    wrong, right = confirmation_level.falsely(NOISES["normal"], better, run.pairs, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    noise = [NOISES["normal"](rng, (300, number)) for number in run.pairs]
    for row in range(300):
        ended = []
        for candidate, number in enumerate(run.pairs):
            gain = confirmation_level.BETTER if better[row, candidate] else confirmation_level.MIN_GAIN
            level = CANDIDATE_SHARE * paired_test.level_left(0, ended)
            counts = paired_test.looks_at(number)
            differences = (gain + noise[candidate][row]).tolist()
            taken = paired_test.looks(differences, counts, level, confirmation_level.MIN_GAIN)
            ended.append((level, taken[-1].is_proof))
        proofs = np.array([is_proof for _, is_proof in ended])
        assert wrong[row] == (proofs & ~better[row]).any()
        assert right[row] == pytest.approx((proofs & better[row]).sum() / max(better[row].sum(), 1))


@pytest.mark.parametrize("noise", NOISES)
def test_noise_leaves_the_mean_gain_as_it_is(noise):
    """Or the true gain would not be ``min_gain``."""
    found = NOISES[noise](np.random.default_rng(0), (200_000, 4))
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(found.size)


def test_runs_are_taken_in_chunks_that_fit_into_memory():
    assert confirmation_level.chunks(1) == [1]
    assert sum(confirmation_level.chunks(1_234_567)) == 1_234_567
    assert max(confirmation_level.chunks(1_234_567)) == confirmation_level.CHUNK


def test_the_committed_figures_are_of_every_case():
    result = environment.read("confirmation_level")
    assert result["runs"] >= 200_000
    cases = {(size["noise"], size["pairs"], size["level"]) for size in result["sizes"]}
    assert cases == {(noise, pairs, round(level, 5)) for noise in NOISES for pairs in PAIRS for level in LEVELS}
    runs = {(shares["run"], shares["noise"]) for shares in result["whole_runs"]}
    assert runs == {(run.name, noise) for run in WHOLE_RUNS for noise in OF_RUNS}


@pytest.mark.parametrize("noise", HARMLESS)
def test_the_committed_sizes_do_not_exceed_the_level(noise):
    for size in environment.read("confirmation_level")["sizes"]:
        if size["noise"] == noise:
            assert size["of_level"] <= 1 + 2.5 * size["error"], size


def test_the_committed_shares_of_runs_with_a_false_proof_do_not_exceed_five_percent():
    for shares in environment.read("confirmation_level")["whole_runs"]:
        if shares["noise"] in HARMLESS:
            assert shares["false"] + 2 * shares["error"] <= LEVEL, shares


def test_sizes_are_measured_as_committed():
    """A fresh simulation of one case, with few runs."""
    (size, _) = confirmation_level.sizes("normal", 6, 40_000, np.random.default_rng(1))
    (known, _) = [
        s for s in environment.read("confirmation_level")["sizes"] if (s["noise"], s["pairs"]) == ("normal", 6)
    ]
    assert size.of_level == pytest.approx(known["of_level"], abs=5 * size.error)
    assert size.of_level < size.of_level_uncorrected

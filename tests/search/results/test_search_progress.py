"""How much of the possible gain a search has found."""

import numpy as np
import pytest

from search.model.fitting import fit
from search.model.observations import Observation
from search.results.search_progress import ENOUGH, Progress, progress_of
from tests.search.model.posteriors import drawn, searched
from tests.search.results.test_effects import has


@pytest.fixture
def space(make_space):
    return make_space(reduction=(4, 16), squeeze=("avg", "max"))


def test_more_trainings_are_expected_to_find_more(space):
    posterior, _ = searched(space, lambda a: 0.5 * has(a, 2))
    few, many = (progress_of(posterior, n, 0.9, 20) for n in (16, 256))
    assert few.score < many.score <= 1
    assert few.low - 0.01 <= few.score <= few.high + 0.01
    assert few.trainings == many.trainings


@pytest.mark.parametrize(("size", "all_of_it"), [(20, True), (20_000, False), (10**30, False)])
def test_what_was_not_tried_cannot_be_found_whole(space, size, all_of_it):
    """S = x / (x + p) is what could be found if terms of architectures of their own could be found anywhere."""
    posterior, members = searched(space, lambda a: 0.5 * has(a, 2))
    assert len(members) >= 20
    x, p = 64 * (posterior.taus / posterior.sigmas) ** 2, posterior.freedom(size)
    everywhere = np.average(x / (x + p), weights=posterior.taus)
    score = progress_of(posterior, 64, 0.9, size).score
    assert score == pytest.approx(everywhere) if all_of_it else 0.5 * everywhere < score < 0.97 * everywhere


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_plain_alone_was_trained_of_a_small_space_the_score_is_a_number(size):
    score = progress_of(fit([Observation(0, 0, 90.0), Observation(0, 0, 90.3)]), 2, 0.9, size).score
    assert 0 <= score <= 1


def test_without_an_effect_no_number_of_trainings_is_promised():
    words = Progress(0.0, 0.0, 0.0, 0.0, 0.3, 1.0, float("inf")).words()
    assert "no number of trainings" in words


# -- figures computed another way -------------------------------------------------------------------------------------


def varied(taus, shares, architectures=6):
    """A posterior whose draws differ in tau and in the share of own terms; sigma is 0.2 in each."""
    from dataclasses import replace

    found = drawn(np.zeros((len(taus), architectures)), shares=np.array(shares))
    return replace(found, taus=np.array(taus))


def expected(posterior, trainings, tried, size):
    """S of every draw: x / (x + p), times what lies in the architectures that were tried."""
    from scipy.stats import norm

    x = trainings * (posterior.taus / posterior.sigmas) ** 2
    s = x / (x + posterior.freedom(size))
    if tried >= size - 1:
        return s
    blom = [norm.ppf(1 - 0.625 / (n + 0.25)) for n in (max(tried, 1), size - 1)]
    common = np.sqrt(1 - posterior.shares)
    return s * (common + (1 - common) * blom[0] / blom[1])


TAUS = [0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize(("trainings", "size"), [(20, 6), (20, 7), (20, 5000), (200, 40)])
def test_the_score_is_the_gain_to_be_found_over_the_gain_that_there_is(trainings, size):
    posterior = varied(TAUS, [0.5] * 4)
    found = progress_of(posterior, trainings, 0.9, size)
    scores = expected(posterior, trainings, 5, size)
    assert found.score == pytest.approx(np.average(scores, weights=TAUS))
    cumulative = np.cumsum(TAUS) / np.sum(TAUS)
    assert (found.low, found.high) == pytest.approx(tuple(np.interp([0.05, 0.95], cumulative, scores)))
    assert (found.tau, found.sigma, found.freedom) == pytest.approx((0.375, 0.2, posterior.freedom(size)))


def test_the_number_of_trainings_is_the_first_that_finds_enough():
    posterior = varied(TAUS, [0.2] * 4)
    found = progress_of(posterior, 20, 0.9, 100)
    counts = np.geomspace(1, 1e6, 241)
    enough = [n for n in counts if np.average(expected(posterior, n, n, 100), weights=TAUS) >= ENOUGH]
    assert ENOUGH == 0.9
    assert found.trainings == pytest.approx(enough[0])


def test_draws_without_an_effect_count_for_nothing():
    none = progress_of(varied([0.0, 0.0], [1.0, 1.0]), 20, 0.9, 30)
    assert (none.score, none.low, none.high, none.tau, none.trainings) == (0.0, 0.0, 0.0, 0.0, np.inf)
    some = progress_of(varied([0.0, 0.4], [0.5, 0.5]), 20, 0.9, 30)
    assert some.score == pytest.approx(expected(varied([0.0, 0.4], [0.5, 0.5]), 20, 5, 30)[1])


def test_words_give_the_share_its_interval_and_what_more_would_find():
    words = Progress(0.57, 0.12, 0.86, 0.25, 0.3, 9.0, 178.3).words()
    assert words.startswith("We estimate that this search has found 57 % (12 to 86 %) of the reachable gain")
    assert "about 178 trainings would reach 90 %" in words
    assert "by 0.25 points, trainings of one placement by 0.30" in words
    assert "no number of trainings" in Progress(0.57, 0.12, 0.86, 0.25, 0.3, 9.0, 1e5).words()
    assert "about 99,999 trainings" in Progress(0.57, 0.12, 0.86, 0.25, 0.3, 9.0, 99_999.0).words()

"""What is read off a posterior."""

from dataclasses import replace

import numpy as np
import pytest

from search.model.features import Features
from search.model.posterior import quantiles
from tests.search.model.posteriors import drawn


def test_intervals_and_probabilities_are_those_of_the_draws():
    found = drawn(np.column_stack([np.zeros(101), np.linspace(-1, 1, 101)]))
    assert found.interval(1, 0.9) == pytest.approx((0.0, -0.9, 0.9))
    assert found.probability(1, 0.5) == pytest.approx(25 / 101)
    assert found.probability(0, 0.0) == 0
    means, low, high = found.intervals(0.9)
    assert (means[1], low[1], high[1]) == pytest.approx((0.0, -0.9, 0.9))
    assert found.probabilities(0.5) == pytest.approx([0, 25 / 101])
    assert (found.plain_score, found.sigma, found.tau) == pytest.approx((91, 0.2, 0.3))


@pytest.mark.parametrize(("own", "size"), [(0.5, 50), (0.5, 1), (0.2, 7)])
def test_a_space_behaves_as_so_many_unlike_architectures(own, size):
    """One over the mean squared correlation over all pairs of trained architectures, and each with itself."""
    rows = np.array([[0.0, 0], [1, 0], [1, 1], [0.2, 0.7]])
    features = Features(rows, (("stage", "1"), ("gate", "x")))
    found = drawn(np.zeros((3, 4)), features, np.full(3, own))
    covariance = (1 - own) * rows[1:] @ rows[1:].T + own * np.eye(3)
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    alike = (correlation[np.triu_indices(3, 1)] ** 2).mean()
    assert found.freedom(size) == pytest.approx(1 / (alike + (1 - alike) / size))


def test_where_one_architecture_was_trained_all_of_a_space_may_be_unlike():
    assert drawn(np.zeros((3, 2))).freedom(12) == pytest.approx(12)
    assert drawn(np.zeros((3, 2))).freedom(0) == pytest.approx(1)


@pytest.mark.parametrize("columns", [1, 63, 64, 65, 200])
def test_quantiles_of_many_columns_are_taken_in_pieces(columns):
    draws = np.random.default_rng(0).normal(size=(31, columns))
    low, high = quantiles(draws, 0.8)
    assert low == pytest.approx(np.quantile(draws, 0.1, axis=0))
    assert high == pytest.approx(np.quantile(draws, 0.9, axis=0))


def test_what_was_not_trained_varies_and_plain_does_not():
    found = replace(drawn(np.zeros((50, 3))), architectures=(0, 2), gains=np.zeros((50, 2)))
    spreads = found.everywhere(50).std(axis=0)
    assert spreads[1] == pytest.approx(0.3, rel=0.3)  # tau
    assert spreads[[0, 2]].tolist() == [0, 0]

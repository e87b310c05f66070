"""What following a front earns, compared with budgets that are tried one by one."""

import numpy as np
import pytest

from search.results.front_value import expected_gain, shares_followed


def followed(claims, costs, budget):
    """The place of the architecture that is taken within a budget: the largest positive claim that fits; None is plain."""
    fits = [i for i, cost in enumerate(costs) if cost <= budget and claims[i] > 0]
    return max(fits, key=lambda i: (claims[i], -costs[i])) if fits else None


def on_budgets(claims, costs, most=None, n=20_000):
    """What is earned, and the share of budgets at which each is taken, over many evenly spaced budgets."""
    budgets = np.linspace(min(0, *costs), max(costs) if most is None else most, n, endpoint=False)
    taken = [followed(claims, costs, budget) for budget in budgets]
    shares = [taken.count(i) / n for i in range(len(costs))]
    return float(np.dot(shares, claims)), shares


CASES = [
    ([0.0, 1.0, 2.0, 0.5], [0.0, 5.0, 10.0, 20.0]),
    ([0.0, 2.0, 1.0, -1.0], [0.0, 3.0, 1.0, 2.0]),
    ([0.0, -1.0, -2.0], [0.0, 3.0, 1.0]),
    ([0.0, 1.5, 1.0], [0.0, -2.0, 4.0]),
    ([0.0, 1.0, 1.0, 3.0], [0.0, 2.0, 4.0, 4.0]),
]


@pytest.mark.parametrize(("claims", "costs"), CASES)
def test_the_gain_is_the_mean_over_budgets(claims, costs):
    earned, shares = on_budgets(claims, costs)
    found = expected_gain(np.array(claims), np.array(costs))
    assert float(found) == pytest.approx(earned, abs=1e-3)
    assert shares_followed(np.array(claims), np.array(costs)) == pytest.approx(shares, abs=1e-3)


@pytest.mark.parametrize("most", [4.0, 12.0, 40.0])
def test_budgets_may_end_elsewhere_than_at_the_largest_cost(most):
    claims, costs = CASES[0]
    _, shares = on_budgets(claims, costs, most)
    assert shares_followed(np.array(claims), np.array(costs), most) == pytest.approx(shares, abs=1e-3)


def test_many_claims_are_worth_what_each_is_worth_alone():
    rng = np.random.default_rng(0)
    claims, costs = rng.normal(size=(7, 5)), np.array([0.0, 3.0, 1.0, 8.0, 2.0])
    assert expected_gain(claims, costs) == pytest.approx([float(expected_gain(row, costs)) for row in claims])
    ordered = np.sort(costs)
    assert expected_gain(claims, ordered) == pytest.approx([float(expected_gain(row, ordered)) for row in claims])
    assert expected_gain(claims.astype(np.float32), costs).dtype == np.float32


def test_where_everything_is_free_the_best_claim_is_not_divided_by_nothing():
    assert np.isfinite(expected_gain(np.array([0.0, 1.0]), np.zeros(2)))
    assert shares_followed(np.array([0.0, 1.0]), np.zeros(2)).tolist() == [0.0, 0.0]

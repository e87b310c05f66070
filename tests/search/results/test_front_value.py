import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.results.front_value import expected_gain, shares_followed

members = st.lists(st.tuples(st.integers(-3, 3), st.integers(-2, 9)), min_size=1, max_size=8)


def by_counting(claims, costs, most):
    """How often each is taken at budgets in the middle of unit intervals, the first of the cheapest at a tie."""
    counts = np.zeros(len(claims))
    start = min(0, *costs, 0)
    for budget in np.arange(start, most) + 0.5:
        fitting = sorted((c, i) for i, c in enumerate(costs) if c <= budget and claims[i] > 0)
        if fitting:
            best = max(claims[i] for _, i in fitting)
            counts[next(i for _, i in fitting if claims[i] == best)] += 1
    return counts / max(most - start, 1e-12)


@given(members)
def test_shares_are_those_of_counting_over_budgets(values):
    claims, costs = np.array(values, dtype=float).T
    most = max(costs.max(), 0.0)
    assert shares_followed(claims, costs, most) == pytest.approx(by_counting(claims, costs, most))


@given(members)
def test_the_expected_gain_is_what_the_shares_earn(values):
    claims, costs = np.array([(0, 0), *values], dtype=float).T
    assert float(expected_gain(claims, costs)) == pytest.approx(float(claims @ shares_followed(claims, costs)))


def test_a_member_beyond_the_largest_budget_is_never_taken():
    assert shares_followed(np.array([1.0, 2.0]), np.array([2.0, 20.0]), 10.0) == pytest.approx([0.8, 0.0])


def test_a_report_is_worth_what_following_it_earns():
    costs = np.array([0.0, 2.0, 5.0, 10.0])
    assert expected_gain(np.array([0.0, 1.0, 0.5, 2.0]), costs) == pytest.approx(0.8)
    assert expected_gain(np.array([0.0, -1.0, -0.5, -2.0]), costs) == 0
    assert expected_gain(np.array([[0.0, 1.0, 3.0, 0.0], [0.0, 0.0, 0.0, 9.0]]), costs) == pytest.approx([1.8, 0.0])

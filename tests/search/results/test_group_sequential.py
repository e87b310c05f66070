import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from search.results import group_sequential


def z_values(counts, level):
    """The limits of the statistic at looks with these counts, for O'Brien-Fleming type spending."""
    spending = tuple(group_sequential.spent(level, count / counts[-1]) for count in counts)
    return stats.norm.isf(group_sequential.boundaries(tuple(counts), spending))


# One-sided 0.025, as in the tables for Lan and DeMets' method (Reboussin, DeMets, Kim and Lan 2000; gsDesign, rpact).
@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1,), (1.9600,)),
        ((1, 2), (2.9626, 1.9686)),
        ((1, 2, 3), (3.7103, 2.5114, 1.9930)),
        ((1, 2, 3, 4), (4.3326, 2.9631, 2.3590, 2.0141)),
        ((1, 2, 3, 4, 5), (4.8769, 3.3570, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_published_boundaries(counts, expected):
    assert z_values(counts, 0.025) == pytest.approx(expected, abs=6e-5)


def test_published_boundaries_for_unequal_information():
    """One look at 70 % of the data, as in the manual of rpact."""
    assert z_values((7, 10), 0.025) == pytest.approx((2.438, 2.000), abs=5e-4)


@pytest.mark.parametrize("counts", [(3, 16), (8, 16), (15, 16)])
@pytest.mark.parametrize("level", [0.05 * 2 / 3, 0.05 * 2 / 9, 0.001])
def test_two_unequal_looks_against_an_integral(counts, level):
    """The first limit spends its part, and what crosses only at the second is the rest."""
    first, last = z_values(counts, level)
    share = counts[0] / counts[1]
    early = group_sequential.spent(level, share)
    assert stats.norm.sf(first) == pytest.approx(early)

    def later(z):
        return stats.norm.pdf(z) * stats.norm.sf((last - z * np.sqrt(share)) / np.sqrt(1 - share))

    assert integrate.quad(later, -8, first, epsabs=1e-12)[0] == pytest.approx(level - early, rel=1e-5)


@pytest.mark.parametrize("counts", [(3, 5, 6), (2, 9, 10, 16), (4, 8, 12, 16)])
def test_unequal_looks_against_the_normal_distribution_of_all_looks(counts):
    limits = z_values(counts, 0.05)
    n = np.array(counts)
    correlation = np.sqrt(np.minimum.outer(n, n) / np.maximum.outer(n, n))
    never = stats.multivariate_normal(cov=correlation, abseps=1e-6, maxpts=200_000, seed=0).cdf(limits)
    assert 1 - never == pytest.approx(0.05, abs=2e-5)


def test_units_of_information_do_not_matter():
    assert z_values((1, 2, 3, 4), 0.03) == pytest.approx(z_values((8, 16, 24, 32), 0.03), abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    shares=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    level=st.floats(0.01, 0.3),
)
def test_the_walk_crosses_by_each_look_as_often_as_is_spent(steps, shares, level):
    """For any looks and any spending: counted over 200,000 walks."""
    counts = np.cumsum(steps)
    spending = level * np.sort(shares)[: len(counts)]
    limits = group_sequential.boundaries(tuple(counts.tolist()), tuple(spending.tolist()))
    increments = np.random.default_rng(0).standard_normal((200_000, len(counts))) * np.sqrt(steps)
    z = np.cumsum(increments, axis=1) / np.sqrt(counts)
    crossed = np.logical_or.accumulate(z >= stats.norm.isf(limits), axis=1).mean(axis=0)
    assert np.abs(crossed - spending).max() < 5 * np.sqrt(level / 200_000)


def test_a_look_that_may_spend_nothing_is_never_passed():
    first, last = group_sequential.boundaries((2, 4), (0.0, 0.05))
    assert first < 1e-14
    assert last == pytest.approx(0.05, rel=1e-6)
    assert group_sequential.boundaries((2, 4), (0.05, 0.05))[1] < 1e-14


def test_what_may_be_spent_at_the_end_is_the_level():
    assert group_sequential.spent(0.03, 1.0) == pytest.approx(0.03)
    assert group_sequential.spent(0.03, 1.5) == pytest.approx(0.03)
    assert group_sequential.spent(0.03, 0.0) == group_sequential.spent(0.03, -1.0) == 0.0


@given(level=st.floats(1e-4, 0.5), share=st.floats(0.01, 0.98))
def test_spending_rises_and_stays_below_the_level(level, share):
    assert 0 <= group_sequential.spent(level, share) <= group_sequential.spent(level, share + 0.01) <= level


def test_spending_is_of_the_obrien_fleming_type():
    """Lan and DeMets 1983: 2 - 2 Phi(z / sqrt(t)), z the upper level / 2 quantile."""
    assert group_sequential.spent(0.025, 0.25) == pytest.approx(2 * stats.norm.sf(stats.norm.isf(0.0125) / 0.5))
    assert group_sequential.spent(0.025, 0.5) == pytest.approx(0.001525, abs=1e-6)

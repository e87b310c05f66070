"""The mean of few values, or the difference of two, with Student's interval."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_with_reach(
    values: Sequence[float] | NDArray[np.float64], level: float, least: float = 0.0
) -> tuple[float, float]:
    """The mean of two values or more, and how far its interval of confidence ``level`` reaches to both sides.

    ``least`` is the smallest deviation that one value can have, such as half of the step in which it is counted: a few
    equal values do not say that there is no noise.
    """
    n = len(values)
    return float(np.mean(values)), quantile(level, n - 1) * math.sqrt(_variance(values, least) / n)


def difference_with_reach(
    values: Sequence[float], others: Sequence[float], level: float, least: float = 0.0
) -> tuple[float, float]:
    """How much larger the mean of some values is than that of others, two or more each, and the reach of its interval.

    Their spreads may differ (Welch 1947). ``least`` as in :func:`mean_with_reach`.
    """
    shares = [_variance(each, least) / len(each) for each in (values, others)]
    error2 = sum(shares)
    found = float(np.mean(values)) - float(np.mean(others))
    if not error2:
        return found, 0.0
    freedom = error2**2 / sum(share**2 / (len(each) - 1) for share, each in zip(shares, (values, others), strict=True))
    return found, quantile(level, freedom) * math.sqrt(error2)


def quantile(level: float, freedom: float) -> float:
    """How many standard errors an interval of confidence ``level`` reaches to both sides."""
    from scipy.stats import t as student  # takes half a second to import

    return float(student.ppf((1 + level) / 2, freedom))


def _variance(values: Sequence[float] | NDArray[np.float64], least: float) -> float:
    return max(float(np.var(values, ddof=1)), least**2)

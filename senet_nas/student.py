"""The mean of few values, or the difference of two, with Student's interval."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_with_reach(values: Sequence[float] | NDArray[np.float64], level: float) -> tuple[float, float]:
    """The mean of two values or more, and how far its interval of confidence ``level`` reaches to both sides."""
    n = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(np.mean(values)), quantile(level, n - 1) * error


def difference_with_reach(values: Sequence[float], others: Sequence[float], level: float) -> tuple[float, float]:
    """How much larger the mean of some values is than that of others, two or more each, and the reach of its interval.

    Their spreads may differ (Welch 1947).
    """
    shares = [float(np.var(each, ddof=1)) / len(each) for each in (values, others)]
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

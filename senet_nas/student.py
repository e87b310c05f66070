"""The mean of few values with Student's interval."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_with_reach(values: Sequence[float] | NDArray[np.float64], level: float) -> tuple[float, float]:
    """The mean of two values or more, and how far its interval of confidence ``level`` reaches to both sides."""
    n = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(np.mean(values)), quantile(level, n - 1) * error


def quantile(level: float, freedom: int) -> float:
    """How many standard errors an interval of confidence ``level`` reaches to both sides."""
    from scipy.stats import t as student  # takes half a second to import

    return float(student.ppf((1 + level) / 2, freedom))

"""The interval of a share, such as that of the images which a network gets right (Wilson 1927)."""

import math
from statistics import NormalDist


def interval(share: float, n: float, level: float) -> tuple[float, float]:
    """The ends, from 0 to 1, for a ``share`` of ``n`` draws. They also hold for a share of 0 or 1."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    return max(0.0, middle - reach), min(1.0, middle + reach)

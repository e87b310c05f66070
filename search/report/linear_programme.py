"""A linear programme, built one variable and one limit at a time, and solved by SciPy's HiGHS."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class LinearProgramme:
    """The variables with the smallest sum of price times variable, within bounds and limits."""

    def __init__(self) -> None:
        self._prices: list[float] = []
        self._bounds: list[tuple[float | None, float | None]] = []
        self._entries: list[tuple[int, int, float]] = []
        self._limits: list[float] = []

    def variable(self, low: float | None = None, high: float | None = None, *, price: float = 0.0) -> int:
        """The number of a new variable from ``low`` to ``high``."""
        self._prices.append(price)
        self._bounds.append((low, high))
        return len(self._prices) - 1

    def at_most(self, limit: float, weights: Mapping[int, float]) -> None:
        """The sum of weight times variable, by their numbers, is at most ``limit``."""
        row = len(self._limits)
        self._entries += [(row, variable, weight) for variable, weight in weights.items()]
        self._limits.append(limit)

    def solved(self) -> NDArray[np.float64]:
        """The values of all variables, by number. Raises ArithmeticError if none satisfy all limits."""
        from scipy.optimize import linprog  # takes a third of a second to import
        from scipy.sparse import coo_array

        rows, columns, weights = zip(*self._entries, strict=True)
        matrix = coo_array((weights, (rows, columns)), shape=(len(self._limits), len(self._prices)))
        found = linprog(self._prices, A_ub=matrix.tocsr(), b_ub=self._limits, bounds=self._bounds, method="highs-ds")
        if found.x is None:
            raise ArithmeticError(f"a linear programme has no solution: {found.message}")
        return np.asarray(found.x, dtype=np.float64)

"""Determinants and inverses of many symmetric matrices of one to three rows, written out: as numpy's, only faster."""

import numpy as np

from search.model.linear_model import Array


def determinant(matrices: Array) -> Array:
    """Of symmetric matrices (n, n, ...): (...). ``n`` is at most 3."""
    m = matrices
    found: Array = m[0, 0]
    if len(m) == 2:
        found = m[0, 0] * m[1, 1] - m[0, 1] ** 2
    if len(m) == 3:
        found = m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] ** 2)
        found += m[0, 1] * (m[1, 2] * m[0, 2] - m[0, 1] * m[2, 2])
        found += m[0, 2] * (m[0, 1] * m[1, 2] - m[1, 1] * m[0, 2])
    return found


def inverse(matrices: Array) -> Array:
    """Of symmetric positive definite matrices (..., n, n), n at most 3: by their cofactors."""
    m = np.ascontiguousarray(np.moveaxis(matrices, (-2, -1), (0, 1)))
    found = np.empty_like(m)
    if len(m) == 1:
        found[0, 0] = 1.0
    elif len(m) == 2:
        found[0, 0], found[1, 1], found[0, 1] = m[1, 1], m[0, 0], -m[0, 1]
    else:
        for i, (j, k) in enumerate(((1, 2), (0, 2), (0, 1))):
            found[i, i] = m[j, j] * m[k, k] - m[j, k] ** 2
        found[0, 1] = m[0, 2] * m[1, 2] - m[0, 1] * m[2, 2]
        found[0, 2] = m[0, 1] * m[1, 2] - m[0, 2] * m[1, 1]
        found[1, 2] = m[0, 1] * m[0, 2] - m[0, 0] * m[1, 2]
    for i in range(1, len(m)):
        found[i, :i] = found[:i, i]
    found /= determinant(m)
    return np.ascontiguousarray(np.moveaxis(found, (0, 1), (-2, -1)))

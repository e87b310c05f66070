"""Written-out determinants and inverses are numpy's."""

import numpy as np
import pytest

from search.model.small_matrices import determinant, inverse


@pytest.mark.parametrize("n", [1, 2, 3])
def test_determinants_and_inverses_are_numpys(n):
    rng = np.random.default_rng(n)
    root = rng.standard_normal((50, n, n))
    matrices = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(n)
    assert determinant(np.moveaxis(matrices, 0, 2)) == pytest.approx(np.linalg.det(matrices))
    assert inverse(matrices) == pytest.approx(np.linalg.inv(matrices))

"""What placements showed in a shared network, as covariates of the model."""

from collections.abc import Sequence

import numpy as np

from search.model.features import Array, Features, describe
from search.state.shared_facts import SharedFigures
from spaces.architecture import Architecture
from spaces.spec import Site


def described(
    architectures: Sequence[Architecture], sites: Sequence[Site], figures: SharedFigures | None = None
) -> Features:
    """The features of architectures, plain first, with what they showed in the shared network of the run, if any."""
    features = describe(architectures, sites)
    return features if figures is None else features.with_covariates(_matrix(architectures, figures), figures.columns)


def _matrix(architectures: Sequence[Architecture], figures: SharedFigures) -> Array:
    """(architectures, covariates), nan where a figure is not known."""
    nothing = (None,) * len(figures.columns)
    rows = [figures.values.get(architecture.key, nothing) for architecture in architectures]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(figures.columns))

"""Gives posteriors: of draws that a test writes down, and after one training of each member of a space."""

import numpy as np

from search.model.features import Features, describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.model.posterior import Posterior


def drawn(gains, features=None, shares=None):
    """A posterior of given draws (draws, architectures)."""
    gains = np.asarray(gains, dtype=float)
    n, architectures = gains.shape
    ones = np.ones(n)
    features = features or Features.none(architectures)
    levels = np.column_stack([90 * ones, 92 * ones])
    return Posterior(
        tuple(range(architectures)),
        gains,
        (0, 1),
        levels,
        0.2 * ones,
        0.3 * ones,
        ones if shares is None else shares,
        features,
        np.zeros((n, 1 + len(features.columns))),
        0,
    )


def searched(space, gain, sigma=0.15, seed=0, plain=8):
    """The posterior after one training of each member, and the members; plain trained more often."""
    members, rng = list(space), np.random.default_rng(seed)
    numbers = [0] * plain + list(range(1, len(members)))
    observed = [Observation(a, 0, 90 + gain(members[a]) + sigma * rng.standard_normal()) for a in numbers]
    return fit(observed, describe(members, space.sites)), members

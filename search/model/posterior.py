"""What trainings say about every architecture: joint draws of gains, and what is read off them."""

from dataclasses import dataclass

import numpy as np

from search.model.features import Features, Singles
from search.model.linear_model import Array, Integers
from search.model.trust import Trust

# Quantiles are taken of this many columns at a time, since numpy copies what it sorts.
_TOGETHER = 64


@dataclass(frozen=True)
class ShortGains:
    """Draws of the gains (draws, architectures) of ``architectures`` that showed losses and no accuracy."""

    architectures: tuple[int, ...]
    gains: Array


@dataclass(frozen=True)
class Posterior:
    """Joint draws of gains over plain, in points, and of the hyperparameters. The first n draws are a fair sample.

    ``gains`` (draws, architectures) are those of the trained ``architectures``; plain's are 0. ``levels`` (draws,
    blocks) are the scores of plain in each block, such as accuracies in percent. ``sigmas`` and ``taus`` (draws,) are
    in points, ``shares`` (draws,) is the share of tau^2 that belongs to single architectures. ``trust`` says what loss
    curves told; None if the model took scores alone. Architectures without a whole training stand in ``short``.
    """

    architectures: tuple[int, ...]
    gains: Array
    blocks: tuple[int, ...]
    levels: Array
    sigmas: Array
    taus: Array
    shares: Array
    features: Features
    _effects: Array
    _seed: int
    trust: Trust | None = None
    short: ShortGains | None = None

    @property
    def sigma(self) -> float:
        """The noise of one training within a block, in points: the posterior mean."""
        return float(self.sigmas.mean())

    @property
    def noise(self) -> float:
        """The variance that the noise of one training has as an observation of its gain, in points^2: the mean.

        A curve shows part of the gain, too, so with curves it is less than that of the accuracy.
        """
        variances = self.sigmas**2
        return float((variances if self.trust is None else variances * self.trust.noise).mean())

    @property
    def short_noise(self) -> float:
        """The same of a training that shows the early losses alone, in points^2; infinite if they tell nothing."""
        shown = 0.0 if self.trust is None else float(np.average(self.trust.shown_early, weights=self.taus**2 + 1e-12))
        return float(np.mean(self.taus**2)) * (1 - shown) / shown if shown > 0 else np.inf

    @property
    def tau(self) -> float:
        """The standard deviation of gains, in points: the posterior mean."""
        return float(self.taus.mean())

    @property
    def plain_score(self) -> float:
        """The score of plain, averaged over blocks: the posterior mean."""
        return float(self.levels.mean())

    def of(self, architecture: int) -> Array:
        """Draws of the gain of a trained architecture. Raises ValueError if it was not trained."""
        return self.gains[:, self.architectures.index(architecture)]

    def freedom(self, size: int) -> float:
        """The effective number of different architectures in a space of ``size``: the participation ratio of the prior.

        It is one over the mean squared correlation of two members' gains, estimated from the trained architectures.
        """
        rows = self.features.matrix[[number for number in self.architectures if number]]
        share = float(self.shares.mean())
        alike = _mean_squared_correlation(np.sqrt(1 - share) * rows, share)
        return 1 / (alike + (1 - alike) / max(size, 1))

    def explained_by_covariates(self) -> Array:
        """Draws of the share of the variance of gains that covariates explain, over trained architectures but plain.

        Exactly 0 in draws in which they tell nothing, or no architecture differs.
        """
        rows = [i for i, number in enumerate(self.architectures) if number]
        mine = self.features.is_covariate
        if len(rows) < 2 or not mine.any():
            return np.zeros(len(self.gains))
        columns = self.features.matrix[[self.architectures[i] for i in rows]][:, mine]
        part = self._effects[:, 1:][:, mine] @ columns.T
        explained: Array = part.var(axis=1)
        rest = (self.gains[:, rows] - part).var(axis=1)
        shares: Array = np.divide(explained, explained + rest, out=np.zeros(len(part)), where=explained > 0)
        return shares

    def intervals(self, level: float) -> tuple[Array, Array, Array]:
        """Mean, lower and upper end of the central interval of every gain, each (architectures,)."""
        low, high = quantiles(self.gains, level)
        return self.gains.mean(axis=0), low, high

    def probabilities(self, above: float) -> Array:
        """Posterior probability (architectures,) that a gain exceeds ``above`` points."""
        found: Array = (self.gains > above).mean(axis=0)
        return found

    def interval(self, architecture: int, level: float) -> tuple[float, float, float]:
        """Mean, lower and upper end of the central interval of one gain."""
        draws = self.of(architecture)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        return float(draws.mean()), float(low), float(high)

    def probability(self, architecture: int, above: float) -> float:
        """Posterior probability that the gain exceeds ``above`` points."""
        return float((self.of(architecture) > above).mean())

    def everywhere(self, count: int, members: Integers | None = None) -> Singles:
        """Draws (count, members) of the gains of architectures with features, trained or not; all unless given.

        In single precision: with ten thousand architectures this takes half the time of a proposal.
        """
        chosen = np.arange(len(self.features.matrix)) if members is None else members
        gains = np.random.default_rng(self._seed).standard_normal((count, len(chosen)), dtype=np.float32)
        gains *= (np.sqrt(self.shares) * self.taus)[:count, None].astype(np.float32)
        effects = self._effects[:count].astype(np.float32)
        gains += effects[:, :1] + effects[:, 1:] @ self.features.single[chosen].T
        gains[:, chosen == 0] = 0.0
        for known in (self, self.short):
            if known is not None:
                _, here, there = np.intersect1d(chosen, known.architectures, assume_unique=True, return_indices=True)
                gains[:, here] = known.gains[:count, there]
        return gains


def quantiles(draws: Array, level: float) -> tuple[Array, Array]:
    """The two ends of the central interval of each column of ``draws`` (draws, columns)."""
    ends = np.empty((2, draws.shape[1]))
    for first in range(0, draws.shape[1], _TOGETHER):
        part = draws[:, first : first + _TOGETHER]
        ends[:, first : first + _TOGETHER] = np.quantile(part, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends[0], ends[1]


def _mean_squared_correlation(common: Array, own: float) -> float:
    """Over all pairs of different rows, for a covariance ``common @ common.T`` with ``own`` added on its diagonal.

    The sum over pairs is the square of the Frobenius norm of a matrix (columns, columns), so no matrix of all pairs is
    needed.
    """
    n = len(common)
    if n < 2:
        return 0.0
    power = (common**2).sum(axis=1)
    scaled = common / np.sqrt(power + own)[:, None]
    with_itself = (power / (power + own)) ** 2
    total = float(((scaled.T @ scaled) ** 2).sum() - with_itself.sum())
    return max(total, 0.0) / (n * (n - 1))

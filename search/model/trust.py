"""How much the loss curves of a run tell about accuracy: learned in the run, as draws like everything else."""

from dataclasses import dataclass

import numpy as np

from search.model.joint_grid import GENETIC
from search.model.linear_model import Array, Integers


@dataclass(frozen=True)
class Trust:
    """Draws of what curves tell. Accuracy is the first trait, then one of the curve, then perhaps the luck.

    ``tau_ratios`` (draws, traits): tau / sigma. ``correlations`` (draws, traits, traits) are those across
    architectures, without the noise of trainings; ``of_noise`` those of the noise. ``traits`` (draws,) are places in
    :data:`~search.model.curve_traits.TRAITS`.
    """

    tau_ratios: Array
    correlations: Array
    of_noise: Array
    traits: Integers

    @property
    def genetic(self) -> Array:
        """Draws of the correlation of accuracy and curve across architectures."""
        return self.correlations[:, 0, 1]

    @property
    def p_nothing(self) -> float:
        """The probability that curves tell nothing about differences of architectures, or that there are none."""
        return float((self.correlations[:, 0, 1:] == 0).all(axis=1).mean())

    @property
    def p_early_nothing(self) -> float:
        """The same of the trait that is seen early; late losses may tell something."""
        return float((self.genetic == 0).mean())

    def reliability(self, trainings: float) -> Array:
        """Draws of the share of the variance of gains that is known after so many ``trainings`` of each placement."""
        between = self.correlations * self.tau_ratios[:, :, None] * self.tau_ratios[:, None, :]
        followed = np.linalg.solve(between + self.of_noise / trainings, between[:, :, :1])[:, :, 0]
        explained = (between[:, 0] * followed).sum(axis=1)
        variance = between[:, 0, 0]
        share: Array = np.zeros(len(variance))
        np.divide(explained, variance, out=share, where=variance > 0)
        return share

    @property
    def shown_early(self) -> Array:
        """Draws of the share of the variance of gains that the early trait of one training shows."""
        signal = self.tau_ratios[:, 1] ** 2
        share: Array = self.genetic**2 * signal / (1 + signal)
        return share

    @property
    def noise(self) -> Array:
        """Draws of the variance of accuracies that would show as much as accuracies and traits, in multiples of theirs.

        From tau^2 / (tau^2 + noise), which is what one training shows of a gain.
        """
        shown = self.reliability(1.0)
        ratio: Array = np.ones(len(shown))
        np.divide(self.tau_ratios[:, 0] ** 2 * (1 - shown), shown, out=ratio, where=shown > 0)
        return ratio

    def explained(self, level: float) -> tuple[float, float, float]:
        """The share of the differences in accuracy that curves explain: mean and central interval, from 0 to 1."""
        # Traits beside accuracy are independent of each other across architectures.
        share = np.minimum((_between_cells(self.correlations[:, 0, 1:]) ** 2).sum(axis=1), 1.0)
        low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
        return float(share.mean()), float(low), float(high)


def _between_cells(correlations: Array) -> Array:
    """Correlations spread evenly over the part of the axis that their cell of the grid stands for; 0 stays 0.

    The axis of the curve serves for the luck, too. Cells lie up to 0.5 apart. After many trainings one of them may have
    all the weight, and an interval from cells alone would then have no width.
    """
    known = np.array(sorted(GENETIC))
    edges = np.array([-1.0, *(known[1:] + known[:-1]) / 2, 1.0])
    cell = np.clip(np.searchsorted(edges, correlations) - 1, 0, len(known) - 1)
    rng = np.random.default_rng(0)
    spread = rng.uniform(edges[cell], edges[cell + 1])
    return np.where(known[cell] == 0, correlations, spread)

"""How much the loss curves of a run tell about accuracy: learned in the run, as draws like everything else."""

from dataclasses import dataclass

import numpy as np

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
        share = (self.correlations[:, 0, 1:] ** 2).sum(axis=1)
        low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
        return float(share.mean()), float(low), float(high)

"""How much the loss curves of a run tell about accuracy: learned in the run, as draws like everything else."""

from dataclasses import dataclass

import numpy as np

from search.model.linear_model import Array, Integers


@dataclass(frozen=True)
class Trust:
    """Draws of what curves tell.

    ``tau_ratios`` (draws, 2): tau / sigma of accuracy and of the trait of the curve. ``genetic`` (draws,) is the
    correlation of the two across architectures, without the noise of trainings; ``residual`` that of the noise.
    ``traits`` (draws,) are places in :data:`~search.model.curve_traits.TRAITS`.
    """

    tau_ratios: Array
    genetic: Array
    residual: Array
    traits: Integers

    @property
    def p_nothing(self) -> float:
        """The probability that curves tell nothing about differences of architectures, or that there are none."""
        return float((self.genetic == 0).mean())

    def reliability(self, trainings: float) -> Array:
        """Draws of the share of the variance of gains that is known after so many ``trainings`` of each placement."""
        accuracy, trait = self.tau_ratios.T
        known = accuracy > 0
        between = self.genetic * accuracy * trait
        first, second = accuracy**2 + 1 / trainings, trait**2 + 1 / trainings
        both = between + self.residual / trainings
        towards = accuracy**4 * second - 2 * accuracy**2 * between * both + between**2 * first
        share: Array = np.zeros(len(accuracy))
        np.divide(towards, (first * second - both**2) * accuracy**2, out=share, where=known)
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
        share = self.genetic**2
        low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
        return float(share.mean()), float(low), float(high)

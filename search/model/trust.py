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

    def explained(self, level: float) -> tuple[float, float, float]:
        """The share of the differences in accuracy that curves explain: mean and central interval, from 0 to 1."""
        share = self.genetic**2
        low, high = np.quantile(share, [(1 - level) / 2, (1 + level) / 2])
        return float(share.mean()), float(low), float(high)

"""What folds do to the noise of a run: how much they differ, which the model takes off each training."""

from dataclasses import dataclass

import numpy as np

from search.model.posterior import Posterior
from search.results.evidence import Evidence
from search.results.validation_noise import Validation
from senet_nas.training.quality_metrics import Metric


@dataclass(frozen=True)
class FoldNoise:
    """``folds`` of ``images`` images each: the standard deviation ``between`` their levels, beside the noise ``sigma``.

    Both are in the unit of a gain. ``share`` is the part of the noise that comes from the number of images in a fold;
    None if it is not known.
    """

    folds: int
    images: int
    between: float
    sigma: float
    share: float | None = None

    def words(self, metric: Metric) -> str:
        """Sentences for people."""
        together = float(np.hypot(self.between, self.sigma))
        found = [
            f"Trainings take turns in validating on {self.folds} folds of {self.images:,} images. "
            f"The folds differ by {metric.size(self.between)}, which is taken off: the noise of a training is "
            f"{metric.size(self.sigma)}, and would be {metric.size(together)} otherwise."
        ]
        if self.share is not None:
            found.append(
                f"{100 * self.share:.0f} % of it comes from having {self.images:,} images in a fold, which trainings "
                "on other folds average out."
            )
        return " ".join(found)


def fold_noise(evidence: Evidence, posterior: Posterior, validation: Validation | None) -> FoldNoise | None:
    """None without folds, or before a block has trainings on two of them."""
    if evidence.folds == 1:
        return None
    blocks = np.array(posterior.blocks) // evidence.folds
    total = 0.0
    freedom = 0
    for block in np.unique(blocks):
        own = posterior.levels[:, blocks == block]
        apart = own - own.mean(axis=1, keepdims=True)
        # What the levels seem to differ by, less how uncertain each of them is.
        total += float((apart.mean(axis=0) ** 2).sum() - apart.var(axis=0).sum())
        freedom += own.shape[1] - 1
    if not freedom:
        return None
    between = float(np.sqrt(max(0.0, total / freedom)))
    share = validation.share if validation else None
    return FoldNoise(evidence.folds, evidence.images, between, posterior.sigma, share)

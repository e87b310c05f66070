"""What the loss curve of a training says about it, in a few numbers: the traits that the model takes beside accuracy.

The loss of the first epoch repeats best from training to training; the sum over all epochs (Ru et al., NeurIPS 2021,
"Speedy Performance Estimation") lies closer to the accuracy of the same training. Which of the two, or both together,
tells more about accuracy is a property of the recipe, so the model averages over them.
"""

import numpy as np

from search.model.linear_model import Array, Integers

# The traits, in the order of the columns of :func:`traits_of`.
TRAITS = ("loss of the first epochs", "sum of the losses", "both")
# A trait further than this many robust standard deviations from the median of its block counts as this far: a training
# that diverged says no more than that it is bad.
FARTHEST = 5.0


def traits_of(losses: Array, block: Integers) -> Array | None:
    """The traits (trainings, traits) of loss curves (trainings, epochs); None if a training has no usable curve.

    Each has mean 0 and, within blocks, standard deviation 1. None also where the curves do not differ. If some curves
    are shorter than others, nan after their end, there is one trait: the losses of the epochs that all of them have.
    """
    is_known = np.isfinite(losses)
    shortest = int(is_known.sum(axis=1).min()) if losses.shape[1] else 0
    if shortest == 0 or not is_known[:, :shortest].all() or (losses[is_known] <= 0).any():
        return None
    if shortest < losses.shape[1]:
        early = _standard(np.log(losses[:, :shortest].sum(axis=1)), block)
        return None if early is None else early[:, None]
    first = _standard(np.log(losses[:, 0]), block)
    total = _standard(np.log(losses.sum(axis=1)), block)
    if first is None or total is None:
        return None
    both = _standard(first + total, block)
    return None if both is None else np.column_stack([first, total, both])


def _standard(values: Array, block: Integers) -> Array | None:
    """Without far outliers, centred, and scaled by the deviation within blocks; None if there is no deviation."""
    medians = np.array([np.median(values[block == b]) for b in range(block.max() + 1)])[block]
    apart = values - medians
    reach = FARTHEST * 1.4826 * float(np.median(np.abs(apart)))
    near = medians + np.clip(apart, -reach, reach)
    means = np.bincount(block, near) / np.bincount(block)
    deviation = float((near - means[block]).std())
    return (near - near.mean()) / deviation if deviation > 1e-9 else None

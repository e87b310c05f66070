"""What the loss curve of a training says about it, in a few numbers: the traits that the model takes beside accuracy.

The loss of the first epoch repeats best from training to training; the sum of losses (Ru et al., NeurIPS 2021,
"Speedy Performance Estimation") lies closer to the accuracy of the same training. Which tells more about accuracy is a
property of the recipe, so the model averages over the first loss and the sum of the first half. A sum of all is not
among them: half of its noise is the luck of the training, which :func:`luck_of` shows better. What was compared is in
docs/architecture.md, "Loss curves".
"""

import math

import numpy as np

from search.model.linear_model import Array, Integers

# The traits, in the order of the columns of :func:`traits_of`.
TRAITS = ("loss of the first epochs", "loss of the first half of the epochs")
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
    half = _standard(np.log(losses[:, : max(shortest // 2, 1)].sum(axis=1)), block)
    return None if first is None or half is None else np.column_stack([first, half])


def is_constant(accuracy: Array, block: Integers) -> bool:
    """Whether no training (trainings,) differs from the others of its block: then curves have nothing to explain."""
    return all(np.ptp(accuracy[block == b]) == 0 for b in np.unique(block))


def luck_of(losses: Array, traits: Array, block: Integers) -> Array | None:
    """What the last losses show beyond each of the ``traits``: (trainings, traits), standardised within blocks.

    The residual of the logarithm of the losses of the last quarter of the epochs. It is nan for trainings that are
    shorter than the others. None if there is one epoch.
    """
    epochs = losses.shape[1]
    if epochs < 2:
        return None
    is_whole = np.isfinite(losses).all(axis=1)
    found = np.full(traits.shape, np.nan)
    blocks = np.unique(block[is_whole], return_inverse=True)[1]
    of_whole = _luck_of_whole(losses[is_whole], traits[is_whole], blocks)
    if of_whole is None:
        return None
    found[is_whole] = of_whole
    return found


def _luck_of_whole(losses: Array, traits: Array, block: Integers) -> Array | None:
    last = _standard(np.log(losses[:, -math.ceil(losses.shape[1] / 4) :].sum(axis=1)), block)
    if last is None:
        return None
    late, early = _within(last[:, None], block), _within(traits, block)
    slopes = (early * late).sum(axis=0) / (early**2).sum(axis=0)
    lucks = [_standard(residual, block) for residual in (late - slopes * early).T]
    known = [luck for luck in lucks if luck is not None]
    return np.column_stack(known) if len(known) == len(lucks) else None


def _within(values: Array, block: Integers) -> Array:
    """Values (trainings, traits) less the means of their blocks."""
    means = np.stack([np.bincount(block, column) / np.bincount(block) for column in values.T])
    apart: Array = values - means.T[block]
    return apart


def _standard(values: Array, block: Integers) -> Array | None:
    """Without far outliers, centred, and scaled by the deviation within blocks; None if there is no deviation."""
    medians = np.array([np.median(values[block == b]) for b in range(block.max() + 1)])[block]
    apart = values - medians
    reach = FARTHEST * 1.4826 * float(np.median(np.abs(apart)))
    near = medians + np.clip(apart, -reach, reach)
    means = np.bincount(block, near) / np.bincount(block)
    deviation = float((near - means[block]).std())
    return (near - near.mean()) / deviation if deviation > 1e-9 else None

"""Validation images that most trainings of one architecture get right, and most of another one get wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.state.records import Training

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImageFlips:
    """Numbers of images, the clearest change first: ``gained`` go from wrong to right, ``lost`` from right to wrong.

    ``before`` and ``after`` are the shares of trainings (images,) that get each image right.
    """

    gained: tuple[int, ...]
    lost: tuple[int, ...]
    before: Array
    after: Array

    def shown(self, most: int) -> list[int]:
        """At most so many of them: as many of each direction as there are, half of them if both are too many."""
        of_gained = max(most // 2, most - len(self.lost))
        chosen = self.gained[:of_gained]
        return [*chosen, *self.lost[: most - len(chosen)]]


def right_images(trainings: Sequence[Training], number: int, images: int) -> Array:
    """Which images each finished training of an architecture got right: (trainings, images), 1 for right."""
    whole = [t.correct for t in trainings if t.architecture == number and t.state == "finished" and t.correct]
    bits = [np.unpackbits(np.frombuffer(one, np.uint8), count=images) for one in whole if len(one) == (images + 7) // 8]
    return np.array(bits, dtype=np.float64).reshape(len(bits), images)


def image_flips(plain: Array, other: Array) -> ImageFlips:
    """The images that change sides between two architectures. Both: (trainings, images), at least one training."""
    before, after = plain.mean(axis=0), other.mean(axis=0)
    gained = np.flatnonzero((before < 0.5) & (after > 0.5))
    lost = np.flatnonzero((before > 0.5) & (after < 0.5))
    change = np.abs(after - before)
    return ImageFlips(_clearest(gained, change), _clearest(lost, change), before, after)


def _clearest(images: NDArray[np.int64], change: Array) -> tuple[int, ...]:
    return tuple(images[np.argsort(-change[images], kind="stable")].tolist())

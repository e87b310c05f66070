"""What the validation images can show: the noise that their number causes, and whether plain leaves room to gain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.results.evidence import Evidence


@dataclass(frozen=True)
class Validation:
    """How much of the noise of a training comes from the number of validation images: sigma^2 = sigma_train^2 + c / n.

    Noise is in points. ``images`` is n, and ``from_images`` is the root of c / n; c is half the share of the images on
    which two trainings of the same network disagree.
    """

    images: int
    sigma: float
    from_images: float

    @property
    def share(self) -> float:
        """The share of the variance that more images would reduce."""
        return min(1.0, self.from_images**2 / self.sigma**2) if self.sigma > 0 else 0.0

    @property
    def words(self) -> str:
        cause = f"{100 * self.share:.0f} % of the noise of a training"
        twice = f"Twice as many would be worth {50 * self.share / (1 - self.share / 2):.0f} % more trainings"
        if self.share > 0.25:
            return (
                f"Having only {self.images:,} validation images causes {cause}. {twice}: validate on every labelled "
                "image outside train and test."
            )
        return f"Having {self.images:,} validation images causes only {cause}. {twice}: they would hardly help."


def validation(groups: Sequence[Sequence[bytes]], images: int, sigma: float) -> Validation | None:
    """The decomposition from packed bits of correctness: ``groups`` has one entry for each network and block.

    Groups of one training and bits that do not fit the number of images are left out; None if nothing remains.
    """
    total = 0.0
    weight = 0
    for group in groups:
        if len(group) > 1 and all(len(bits) == (images + 7) // 8 for bits in group):
            right = np.array([np.unpackbits(np.frombuffer(bits, np.uint8), count=images) for bits in group])
            m = len(group)
            count = right.sum(axis=0, dtype=float)
            total += (m - 1) * float((count * (m - count) / (m * (m - 1))).mean())
            weight += m - 1
    if not weight:
        return None
    return Validation(images, sigma, 100 * float(np.sqrt(total / weight / images)))


@dataclass(frozen=True)
class Learned:
    """How much plain has learned: its mean ``accuracy`` and that of ``guessing``, in percent.

    If it has learned nothing or everything, placements cannot differ.
    """

    accuracy: float
    guessing: float

    @property
    def everything(self) -> bool:
        return self.accuracy > 99.95

    @property
    def words(self) -> str:
        """A sentence if placements cannot differ, else an empty text."""
        if self.everything:
            return (
                f"Plain is right on {self.accuracy:.2f} % of the validation images, so no placement can gain anything: "
                "use harder images to compare placements."
            )
        if self.accuracy < 1.5 * self.guessing:
            return (
                f"Plain is right on {self.accuracy:.2f} % of the validation images, and guessing on "
                f"{self.guessing:.2f} %: the networks were trained too briefly to differ. "
                "Set train.epochs higher and start a new run (--new)."
            )
        return ""


def validation_of(evidence: Evidence, sigma: float) -> Validation | None:
    """The decomposition for a run; None if it is not known. ``sigma`` is the noise of a training, in points.

    Trainings of one block share their initial weights, so they are compared within their block.
    """
    if not evidence.images:
        return None
    return validation(repeated_bits(evidence), evidence.images, sigma)


def repeated_bits(evidence: Evidence) -> list[list[bytes]]:
    """For each network and block, which images each of its trainings got right, as packed bits."""
    groups: dict[tuple[int, int], list[bytes]] = {}
    for training in evidence.finished:
        if training.correct:
            groups.setdefault((training.architecture, training.seed.block), []).append(training.correct)
    return list(groups.values())


def learned(evidence: Evidence) -> Learned | None:
    """None if the number of classes is not known, or plain has no result."""
    seen = [training.metrics["val_accuracy"] for training in evidence.by_architecture.get(0, ())]
    return Learned(sum(seen) / len(seen), 100 / evidence.classes) if evidence.classes and seen else None

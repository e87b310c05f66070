"""What a placement changes about single images, noted at the end of a run for its page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChangedImage:
    """A validation image: the number of its class, the shares of trainings that get it right, and a small picture.

    ``before`` is the share of plain's trainings, ``after`` that of the placement's; ``picture`` is a ``data:`` address.
    """

    label: int
    before: float
    after: float
    picture: str


@dataclass(frozen=True)
class Confusions:
    """Validation images by class and predicted class, for each training on average: (classes, classes).

    ``classes`` are the numbers of those that change most; ``before`` is of plain, ``after`` of the placement.
    ``trainings``: of how many trainings of each these are the means.
    """

    classes: tuple[int, ...]
    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]
    trainings: tuple[int, ...]


@dataclass(frozen=True)
class ChangesFact:
    """``placement`` (``a3``) against plain. ``gained`` images go from wrong to right, ``lost`` from right to wrong."""

    placement: str
    gained: int
    lost: int
    images: tuple[ChangedImage, ...]
    confusions: Confusions | None = None

"""The interval of an AUROC for other images of the same kind, also if hardly a pair of images is ranked wrong.

A bootstrap of few images that are nearly all ranked right hardly spreads, so its interval is far too narrow. So its
variance counts only as much as wrong ranks were seen, and for the rest that of a model counts. The model is Hanley and
McNeil's (Radiology 143, 1982) with the sample sizes of Newcombe (Statistics in Medicine 25, 2006, method 5), and the
ends are the values whose own variance reaches the estimate, as in Wilson's interval of a share.
"""

import math
from collections.abc import Callable, Sequence

# As many wrongly ranked images of the smallest class as this count as much as the model does.
KNOWN = 0.5
# Halvings of an interval of 1 in which an end is looked for.
STEPS = 50


def interval(value: float, spread: float, counts: Sequence[int], reach: float) -> tuple[float, float]:
    """The ends, as shares, of the mean area ``value`` of each class against the rest.

    ``spread`` is the standard deviation of its bootstrap, ``counts`` are the images of each class, and ``reach`` is how
    many standard errors the ends are away.
    """
    images = sum(counts)
    seen = [count for count in counts if 0 < count < images]
    least = min(seen)
    wrong = least * (1 - value)
    weight = wrong / (wrong + KNOWN)
    # The model has no variance at 1, so it is asked a little below: with one more image, ranked by chance.
    model = _variance((value * least + 0.5) / (least + 1), seen, images)
    scale = weight * spread**2 / model + 1 - weight

    def is_out(share: float) -> bool:
        return (share - value) ** 2 > scale * reach**2 * _variance(share, seen, images)

    return _edge(0.0, value, is_out), _edge(1.0, value, is_out)


def _variance(area: float, counts: Sequence[int], images: int) -> float:
    """The variance of the mean area, if it were ``area`` for each class.

    The areas of two classes are one number. Those of more depend on each other the less, the more classes there are:
    simulations of 3 and 10 classes fit a correlation of 1 / (K - 1)^2.
    """
    own = [_of_class(area, count, images - count) for count in counts]
    classes = len(own)
    correlation = 1 / max(1, classes - 1) ** 2
    apart = sum(own) / classes**2
    together = (sum(math.sqrt(each) for each in own) / classes) ** 2
    return (1 - correlation) * apart + correlation * together


def _of_class(area: float, inside: int, outside: int) -> float:
    pairs = (inside + outside) / 2 - 1
    spread = 1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)
    return area * (1 - area) * spread / (inside * outside)


def _edge(outer: float, inner: float, is_out: Callable[[float], bool]) -> float:
    """The end between a value that is out, or the limit of shares, and one that is not."""
    for _ in range(STEPS):
        middle = (outer + inner) / 2
        if is_out(middle):
            outer = middle
        else:
            inner = middle
    return inner

"""What architectures have in common, as columns of a linear model: stages, positions, widths, squeezes, and pairs of these.

A column counts by the share of a stage's units that carry it; where it belongs to no single stage, shares are summed. The
plain network is all zeros. The columns of a family have one prior, scaled so that the family explains its share of the
variance of gains over the architectures that are described.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import SE, Architecture
from spaces.placements import width
from spaces.spec import Site

Array = NDArray[np.float64]
Singles = NDArray[np.float32]
Column = tuple[str, ...]

# The share of the structured variance that each family is expected to explain. Written down before any result was seen:
# stage and position matter, the squeeze hardly (DESIGN, section 6).
FAMILIES = {
    "stage": 0.30, "unit": 0.10, "position": 0.15, "stage x position": 0.15, "width": 0.10, "stage x width": 0.05,
    "position x width": 0.05, "squeeze": 0.04, "stage x squeeze": 0.03, "gate": 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Features:
    """``matrix[i, j]``: how much of column j architecture i has, in units of tau of a gain under the prior."""

    matrix: Array
    columns: tuple[Column, ...]

    @cached_property
    def single(self) -> Singles:
        """``matrix`` in single precision."""
        return self.matrix.astype(np.float32)

    @classmethod
    def none(cls, n: int) -> "Features":
        """No columns: ``n`` architectures of which nothing is known but that they differ."""
        return cls(np.zeros((n, 0)), ())


def describe(architectures: Sequence[Architecture], sites: Sequence[Site]) -> Features:
    """The columns in which some of the architectures differ."""
    units = Counter(site.stage for site in sites)
    counts = []
    for architecture in architectures:
        count: dict[Column, float] = {}
        for site, se in zip(sites, architecture.blocks, strict=True):
            if se is not None:
                for column in _columns(site, se):
                    count[column] = count.get(column, 0.0) + 1 / units[site.stage]
        counts.append(count)
    names = sorted({column for count in counts for column in count})
    matrix = np.array([[count.get(column, 0.0) for column in names] for count in counts]).reshape(len(counts), -1)
    return _scaled(matrix, names)


def _columns(site: Site, se: SE) -> Iterator[Column]:
    stage = str(site.stage)
    how_wide = width(se, site)
    yield "stage", stage
    yield "unit", site.name
    yield "position", se.position
    yield "stage x position", stage, se.position
    yield "width", how_wide
    yield "stage x width", stage, how_wide
    yield "position x width", se.position, how_wide
    yield "squeeze", se.squeeze
    yield "stage x squeeze", stage, se.squeeze
    yield "gate", se.gate


def _scaled(matrix: Array, names: Sequence[Column]) -> Features:
    """Leaves out what is constant, or the same as an earlier column, and scales each family to its share."""
    kept: dict[bytes, int] = {}
    for i in range(len(names)):
        column = matrix[:, i]
        if np.ptp(column) > 0:
            kept.setdefault(column.tobytes(), i)
    chosen = sorted(kept.values())
    matrix, columns = matrix[:, chosen], tuple(names[i] for i in chosen)
    present = dict.fromkeys(column[0] for column in columns)  # in order: sums must not depend on the hash seed
    total = sum(FAMILIES[family] for family in present)
    for family in present:
        mine = [i for i, column in enumerate(columns) if column[0] == family]
        power = float((matrix[:, mine] ** 2).sum(axis=1).mean())
        matrix[:, mine] *= np.sqrt(FAMILIES[family] / total / power)
    return Features(matrix, columns)

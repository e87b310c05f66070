"""What architectures have in common, as columns of a linear model: stages, positions, widths, squeezes, pairs of these.

The value of a column is the share of a stage's units that have the property; a column of several stages is the sum of
their shares. The plain network is all zeros. The columns of a family share one prior, scaled so that the family
explains its share of the variance of gains over the described architectures.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
Named = Callable[[Site, SE], Sequence[tuple[Column, float]]]

# The share of the structured variance that each family is expected to explain: stage and position matter, the squeeze
# hardly. Written down before any result of a search was seen; docs/benchmark.md says how well it holds.
FAMILIES = {
    "stage": 0.30, "unit": 0.10, "position": 0.15, "stage x position": 0.15, "width": 0.10, "stage x width": 0.05,
    "position x width": 0.05, "squeeze": 0.04, "stage x squeeze": 0.03, "gate": 0.03,
}  # fmt: skip


# The share of the structured variance that the columns of all covariates explain as they are scaled.
COVARIATES = 0.5
# The family of their columns.
COVARIATE = "covariate"
# Values of a covariate further than this many robust standard deviations from the median count as this far.
FARTHEST = 3.0


@dataclass(frozen=True)
class Features:
    """``matrix`` (architectures, columns), scaled so that gains are ``matrix @ effects`` with effects ~ N(0, tau^2)."""

    matrix: Array
    columns: tuple[Column, ...]

    @cached_property
    def single(self) -> Singles:
        """``matrix`` in single precision."""
        return self.matrix.astype(np.float32)

    @classmethod
    def none(cls, n: int) -> "Features":
        """No columns, for ``n`` architectures that have nothing in common."""
        return cls(np.zeros((n, 0)), ())

    def with_covariates(self, matrix: Array, names: Sequence[str]) -> "Features":
        """The same with a column for each covariate, a number that is known of every architecture before it is trained.

        ``matrix`` (architectures, covariates) is nan where a value is not known. There the column is zero, and in the
        first row, which is plain. It is standardised over the other rows, and far values are drawn in. Slopes have a
        prior around zero, like all effects. Together the covariates explain the share COVARIATES of the structured
        variance; :meth:`scale` gives them another. Covariates that do not vary are left out.
        """
        columns = [_standard(column) for column in matrix.T]
        kept = [i for i, column in enumerate(columns) if column.any()]
        if not kept:
            return self
        scale = np.sqrt(COVARIATES / len(kept))
        found = np.column_stack([np.sqrt(1 - COVARIATES) * self.matrix, *(scale * columns[i] for i in kept)])
        return Features(found, (*self.columns, *((COVARIATE, names[i]) for i in kept)))

    @cached_property
    def is_covariate(self) -> NDArray[np.bool_]:
        """Which columns are covariates."""
        return np.array([column[0] == COVARIATE for column in self.columns], dtype=bool)

    def scale(self, share: float) -> Array:
        """What the columns are multiplied by for covariates that explain this share of the structured variance."""
        if not self.is_covariate.any():
            return np.ones(len(self.columns))
        found = np.full(len(self.columns), np.sqrt((1 - share) / (1 - COVARIATES)))
        found[self.is_covariate] = np.sqrt(share / COVARIATES)
        return found


def describe(architectures: Sequence[Architecture], sites: Sequence[Site]) -> Features:
    """The columns in which some of the architectures differ, in the order of their names."""
    units = Counter(site.stage for site in sites)

    def named(site: Site, se: SE) -> list[tuple[Column, float]]:
        return [(column, 1 / units[site.stage]) for column in _columns(site, se)]

    matrix, names = sums_over_sites(architectures, sites, named)
    return _scaled(matrix, names)


def sums_over_sites(
    architectures: Sequence[Architecture], sites: Sequence[Site], named: Named, each: Array | None = None
) -> tuple[Array, list[Column]]:
    """Weights by name, summed over the sites of each architecture: (architectures, names), and the names, sorted.

    ``named`` gives the names of an SE at a site with their weights, the same number of names for every SE. ``each``
    (architectures,) multiplies the weights of an architecture.
    """
    kinds: dict[tuple[int, SE, int | None], int] = {}  # equality of two SE leaves the ratio out
    rows: list[int] = []
    kind_of: list[int] = []
    for row, architecture in enumerate(architectures):
        for i, se in enumerate(architecture.blocks):
            if se is not None:
                rows.append(row)
                kind_of.append(kinds.setdefault((i, se, se.ratio), len(kinds)))
    if not kinds:
        return np.zeros((len(architectures), 0)), []
    counts = [named(sites[i], se) for i, se, _ in kinds]
    names = sorted({name for of_kind in counts for name, _ in of_kind})
    place = {name: j for j, name in enumerate(names)}
    columns = np.array([[place[name] for name, _ in of_kind] for of_kind in counts])
    weights = np.array([[weight for _, weight in of_kind] for of_kind in counts])[kind_of]
    if each is not None:
        weights = weights * each[rows, None]
    cells = np.array(rows)[:, None] * len(names) + columns[kind_of]
    summed = np.bincount(cells.ravel(), weights.ravel(), len(architectures) * len(names))
    return summed.astype(np.float64).reshape(len(architectures), len(names)), names


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
    """Features without constant and repeated columns, each family scaled to its share."""
    kept: dict[bytes, int] = {}
    for i in range(len(names)):
        column = matrix[:, i]
        if np.ptp(column) > 0:
            kept.setdefault(column.tobytes(), i)
    chosen = sorted(kept.values())
    matrix = matrix[:, chosen]
    columns = tuple(names[i] for i in chosen)
    present = dict.fromkeys(column[0] for column in columns)  # in order: sums must not depend on the hash seed
    total = sum(FAMILIES[family] for family in present)
    for family in present:
        mine = [i for i, column in enumerate(columns) if column[0] == family]
        power = float((matrix[:, mine] ** 2).sum(axis=1).mean())
        matrix[:, mine] *= np.sqrt(FAMILIES[family] / total / power)
    return Features(matrix, columns)


def _standard(values: Array) -> Array:
    """The values with mean 0 and variance 1 over all rows but the first, far ones drawn in; zero where not known."""
    known = np.isfinite(values)
    known[0] = False
    found = np.zeros(len(values))
    if known.sum() < 2:
        return found
    inside = values[known]
    centre = np.median(inside)
    reach = FARTHEST * 1.4826 * np.median(np.abs(inside - centre))
    if reach > 0:
        inside = np.clip(inside, centre - reach, centre + reach)
    spread = inside.std()
    if spread > 1e-9 * max(1.0, abs(float(centre))):
        found[known] = (inside - inside.mean()) / spread
    return found

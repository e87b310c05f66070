"""Which factor of an SE placement pays: main effects of stage, position, width, squeeze and gate, with intervals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.model.features import Column, sums_over_sites
from search.model.posterior import Posterior
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.architecture import SE, Architecture
from spaces.placements import width
from spaces.spec import Site

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Contrast:
    """What one level of a factor gains, other things equal.

    SE in a stage is compared with a stage without SE, any other level with the average of its rivals. ``p_gain`` is the
    posterior probability that the gain is above 0.
    """

    factor: str
    level: str
    gain: float
    low: float
    high: float
    p_gain: float

    def words(self, metric: Metric = ACCURACY) -> str:
        what = f"SE in stage {self.level}" if self.is_stage else f"{self.factor} {self.level}"
        return f"{what} ({metric.gain(self.gain, self.low, self.high)})"

    def shown_verdict(self, level: float) -> str:
        """The verdict in words that promise no gain over plain where there is none: better and worse than the rest."""
        verdict = self.verdict(level)
        return verdict if self.is_stage else {"pays": "better", "costs": "worse"}.get(verdict, verdict)

    @property
    def is_stage(self) -> bool:
        """Whether the gain is one over no SE; any other is one over the alternatives, so all of them may lose."""
        return self.factor == "stage"

    def verdict(self, level: float) -> str:
        """``pays``, ``costs`` or ``open``. The first two are likely, never proven."""
        if self.p_gain >= level:
            return "pays"
        return "costs" if self.p_gain <= 1 - level else "open"


def contrasts(
    posterior: Posterior, architectures: Sequence[Architecture], where: Sequence[Site], level: float
) -> tuple[Contrast, ...]:
    """The main effects of stage, position, width, squeeze and gate.

    For each draw of the posterior they are the least-squares fit to the gains of the architectures with SE.
    ``architectures`` have the order of ``posterior.architectures``. A factor with one level has no contrast; with fewer
    architectures than effects the result is empty.
    """
    placed = np.array([sum(se is not None for se in architecture.blocks) for architecture in architectures])
    rows = np.flatnonzero(placed)
    x, names = _shares(architectures, where, placed)
    x = x[rows]
    factors: dict[str, list[int]] = {}
    for j, (factor, _) in enumerate(names):
        factors.setdefault(factor, []).append(j)
    design = np.column_stack([np.ones(len(rows)), x])
    # The levels of a factor sum to one, as the column of the mean does: one redundant column for each factor.
    redundant = sum(factor != "stage" for factor in factors)
    if not len(rows) or np.linalg.matrix_rank(design) < design.shape[1] - redundant:
        return ()
    fitted = np.zeros((posterior.gains.shape[1], design.shape[1]))
    fitted[rows] = np.linalg.pinv(design).T
    effects = (posterior.gains @ fitted).T[1:]
    found = []
    for factor, mine in factors.items():
        if factor == "stage" or len(mine) > 1:
            found += [_contrast(names[j], _against(effects, j, mine, factor), level) for j in mine]
    return tuple(found)


def _shares(
    architectures: Sequence[Architecture], where: Sequence[Site], placed: Integers
) -> tuple[Array, list[Column]]:
    """The levels of all factors, and how much of each an architecture has: (architectures, levels).

    For a stage the share of its units that have SE, for every other level the share of the SE units that have it.
    ``placed`` (architectures,) is the number of SE units.
    """
    units = Counter(site.stage for site in where)

    def stage(site: Site, se: SE) -> list[tuple[Column, float]]:
        return [(("stage", str(site.stage)), 1 / units[site.stage])]

    def levels(site: Site, se: SE) -> list[tuple[Column, float]]:
        return [(level, 1.0) for level in _levels(site, se)]

    by_stage, stages = sums_over_sites(architectures, where, stage)
    by_level, others = sums_over_sites(architectures, where, levels, 1 / np.maximum(placed, 1))
    names = [*stages, *others]
    order = sorted(range(len(names)), key=names.__getitem__)
    return np.column_stack([by_stage, by_level])[:, order], [names[j] for j in order]


def _levels(site: Site, se: SE) -> list[Column]:
    return [("position", se.position), ("width", width(se, site)), ("squeeze", se.squeeze), ("gate", se.gate)]


def _against(effects: Array, j: int, mine: Sequence[int], factor: str) -> Array:
    """Draws of an effect: for a stage itself, else over the average of the other levels."""
    if factor == "stage":
        return np.asarray(effects[j])
    others = [k for k in mine if k != j]
    return np.asarray(effects[j] - effects[others].mean(axis=0))


def _contrast(name: Column, draws: Array, level: float) -> Contrast:
    factor, value = name
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Contrast(factor, value, float(draws.mean()), float(low), float(high), float((draws > 0).mean()))

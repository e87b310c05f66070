"""What loss curves tell about the quality of placements in a run, and how far the run trusts them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.model.curve_traits import TRAITS
from search.model.features import Features
from search.model.fitting import fit
from search.model.observations import Observation
from search.model.posterior import Posterior
from search.results.shared_evidence import TELLS, TELLS_NOTHING
from senet_nas.training.quality_metrics import ACCURACY, Metric

# Enough draws for a mean and a wide interval.
DRAWS = 1000
# With fewer trainings a group of placements says nothing of its own.
FEWEST = 16
# Correlations that differ by less mean the same for a gain: -0.97 and -0.94 explain 94 and 88 % of the differences.
MATTERS = 0.2
# So many times as many trainings are worth a sentence where losses do not tell placements apart.
WORTH_SAYING = 1.2


@dataclass(frozen=True)
class CurveTrust:
    """How much the losses of trainings tell about differences between placements.

    ``p_nothing`` is the probability that they tell nothing. They explain the share ``explained`` of the variance of
    gains, from ``low`` to ``high``. ``times``: without curves, the search would need so many times as many trainings.
    ``traits`` has the probability of each trait of a curve that quality goes with.
    """

    p_nothing: float
    explained: float
    low: float
    high: float
    times: float
    traits: Mapping[str, float]

    def words(self, metric: Metric = ACCURACY) -> str:
        """A sentence for people."""
        nothing = f"{100 * self.p_nothing:.0f} %"
        luck = f"; but they show how lucky a training was, and without them this search {self._needs}"
        end = luck if self.times >= WORTH_SAYING else "."
        if self.p_nothing >= TELLS_NOTHING:
            return (
                f"Training losses probably tell nothing about the {metric.title} of placements "
                f"(probability {nothing}){end}"
            )
        if self.p_nothing > TELLS:
            return (
                f"It is not known yet whether training losses tell anything about the {metric.title} of placements "
                f"(probability that they tell nothing: {nothing}){end}"
            )
        return (
            f"Training losses explain about {100 * self.explained:.0f} % ({100 * self.low:.0f} to "
            f"{100 * self.high:.0f} %) of the differences between placements. Without them, this search {self._needs}"
        )

    @property
    def _needs(self) -> str:
        times = f"{self.times:.1f}"
        many = "about as many" if times == "1.0" else f"{times} times as many"
        return f"would need {many} trainings."


def curve_trust(posterior: Posterior, trainings: int, level: float, size: int) -> CurveTrust | None:
    """What curves tell after ``trainings`` in a space of ``size`` architectures; None if the model took none."""
    trust = posterior.trust
    if trust is None:
        return None
    share = np.bincount(trust.traits, minlength=len(TRAITS)) / len(trust.traits)
    each = trainings / posterior.freedom(size)
    return CurveTrust(
        trust.p_nothing,
        *trust.explained(level),
        times=_times(posterior, each),
        traits=dict(zip(TRAITS, share.tolist(), strict=True)),
    )


def _times(posterior: Posterior, trainings: float) -> float:
    """How many times as many trainings show as much without curves; draws count by their tau, as for the score S."""
    trust = posterior.trust
    assert trust is not None
    weights = posterior.taus
    if weights.sum() == 0:
        return 1.0
    wanted = float(np.average(trust.reliability(trainings), weights=weights))
    signal = trust.tau_ratios[:, 0] ** 2
    counts = np.geomspace(1, 1000, 361)
    alone = counts[:, None] * trainings * signal
    known = np.average(alone / (1 + alone), weights=weights, axis=1)
    return float(np.interp(wanted, known, counts))


@dataclass(frozen=True)
class Agreement:
    """The correlation of losses with quality across the placements of a ``group``: mean and interval.

    It is without the noise of ``trainings``, which are those with another one of the group in their seed block: only
    within a block can they be compared. ``p_nothing`` is the probability that it is 0. ``unknown`` is empty, or says
    why all of this is nan.
    """

    group: str
    trainings: int
    correlation: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_nothing: float = math.nan
    unknown: str = ""

    def differs_from(self, other: "Agreement") -> bool:
        """Whether the intervals of the two have nothing in common, and the correlations differ by what matters."""
        are_apart = self.low > other.high or self.high < other.low
        return are_apart and abs(self.correlation - other.correlation) >= MATTERS


def agreement(
    group: str, seen: Sequence[Observation], features: Features, level: float, *, in_percent: bool = True
) -> Agreement:
    """The correlation within a group, learned from its trainings alone; unknown if they are too few, or lack curves."""
    blocks = Counter(one.block for one in seen)
    compared = sum(count for count in blocks.values() if count > 1)
    if compared < FEWEST:
        return Agreement(group, compared, unknown=f"fewer than {FEWEST} trainings can be compared")
    trust = fit(seen, features, draws=DRAWS, in_percent=in_percent).trust
    if trust is None:
        return Agreement(group, compared, unknown="its trainings leave too few comparisons, or have no losses")
    low, high = np.quantile(trust.genetic, [(1 - level) / 2, (1 + level) / 2])
    return Agreement(group, compared, float(trust.genetic.mean()), float(low), float(high), trust.p_early_nothing)

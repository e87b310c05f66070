"""What a shared network told a run: what it cost, and how much of the differences between placements it explains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from search.model.posterior import Posterior
from search.results.evidence import Evidence
from search.state.shared_facts import SharedNetworkFact

# Beyond these probabilities that it tells nothing, something is said about it; in between it is not known.
TELLS = 0.3
TELLS_NOTHING = 0.7


@dataclass(frozen=True)
class SharedEvidence:
    """The shared network of a run.

    It trained for ``epochs`` and evaluated ``placements``, for ``trainings`` of the budget; ``measured`` is the time
    that it took, in those of a training of plain, None if it is not known. What it showed explains the ``share`` of the
    variance of gains, from ``low`` to ``high``; ``p_nothing`` is the probability that it tells nothing. ``failure`` is
    empty, or says why there are no figures.
    """

    epochs: int
    placements: int
    trainings: float
    measured: float | None
    share: float
    low: float
    high: float
    p_nothing: float
    failure: str = ""

    @property
    def words(self) -> str:
        """Sentences for people."""
        if self.failure:
            return f"The shared network failed ({self.failure}), so the search went on without it."
        measured = f"{self.measured:.1f} trainings of plain" if self.measured is not None else ""
        took = f", and as much time as {measured}" if measured else ""
        cost = f"It cost {self.trainings:.1f} trainings of the budget{took}."
        return f"One network that {self.placements:,} placements share was trained first. {cost} {self._trust}"

    @property
    def _trust(self) -> str:
        nothing = f"{100 * self.p_nothing:.0f} %"
        if self.p_nothing >= TELLS_NOTHING:
            return f"What placements show in it probably tells nothing about their gains (probability {nothing})."
        if self.p_nothing > TELLS:
            return (
                "It is not known yet whether what placements show in it tells anything about their gains "
                f"(probability that it tells nothing: {nothing})."
            )
        return (
            f"What placements show in it explains about {100 * self.share:.0f} % ({100 * self.low:.0f} to "
            f"{100 * self.high:.0f} %) of the differences between their gains."
        )


def shared_evidence(evidence: Evidence, posterior: Posterior, level: float) -> SharedEvidence | None:
    """What the shared network of a run told it; None without one, or while it trains."""
    fact = evidence.facts.shared_network
    if fact is None or fact.state not in ("finished", "failed"):
        return None
    shares = posterior.explained_by_covariates()
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return SharedEvidence(
        fact.epochs,
        fact.placements,
        fact.trainings,
        _measured(fact, evidence),
        float(shares.mean()),
        float(low),
        float(high),
        float((shares == 0).mean()),
        failure=fact.reason if fact.state == "failed" else "",
    )


def _measured(fact: SharedNetworkFact, evidence: Evidence) -> float | None:
    """Its time in those of a training of plain; None if one of the two is not known."""
    plain: list[Mapping[str, float]] = [training.metrics for training in evidence.by_architecture.get(0, ())]
    seconds = [metrics["train_seconds"] for metrics in plain if metrics.get("train_seconds")]
    return fact.seconds / float(np.median(seconds)) if fact.seconds and seconds else None

"""What the trainings say about the whole space, trained or not: does any placement gain enough to be worth it?"""

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.model.features import Features, describe
from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observations, Row
from search.planning.candidates import LISTED
from search.planning.priced_space import PricedSpace
from search.results.answer import more_trainings
from search.results.evidence import Evidence
from search.results.objectives import excess
from search.results.result import Rules
from search.state.confirmation_facts import AnswerFact
from search.state.ledger import Ledger
from spaces.architecture import Architecture

Array = NDArray[np.float64]
# Of a space that is too large to be listed, so many random members stand for all that were not trained.
SAMPLED = 4000
# Draws of the largest gain: fewer where there are many architectures.
DRAWS = 2000
CELLS = 4_000_000


class WholeSpace:
    """Every placement of a space with its features. ``grid`` replaces the model's hyperparameter grid."""

    def __init__(self, space: PricedSpace, rules: Rules, grid: HyperparameterGrid | None = None) -> None:
        self._space = space
        self._rules = rules
        self._grid = grid

    def ask(self, ledger: Ledger, *, level: float, share: float, forecast: bool) -> AnswerFact | None:
        """What the finished trainings say; None before plain has finished.

        With ``forecast`` also how many more trainings would decide an undecided run, of which a ``share`` confirm at
        ``level``.
        """
        evidence = Evidence.of(ledger)
        if 0 not in evidence.by_architecture:
            return None
        gains, sigmas = self._draws(evidence)
        worthwhile = self._rules.worthwhile
        p_not_worth = float((gains.max(axis=1, initial=0.0) <= worthwhile).mean())
        more = None
        if forecast and gains.shape[1]:
            more = more_trainings(
                gains, sigmas, level=level, share=share, min_gain=self._rules.min_gain, worthwhile=worthwhile
            )
        return AnswerFact(len(evidence.finished), worthwhile, p_not_worth, gains.shape[1], more)

    def _draws(self, evidence: Evidence) -> tuple[Array, Array]:
        """Draws of the gains of all placements within the limits, (draws, placements), and of sigma, (draws,)."""
        place = self._places(evidence)
        index = [place[entry.key] for entry in evidence.entries]
        rows: list[Row] = [(index[t.architecture], t.seed.block, t.metrics["val_accuracy"]) for t in evidence.finished]
        posterior = fit(
            Observations.of_rows(rows), self._features, resolution=evidence.resolution, grid=self._grid, draws=DRAWS
        )
        count = int(min(DRAWS, max(200, CELLS // max(len(self._allowed), 1))))
        gains = posterior.everywhere(count, self._allowed).astype(np.float64)
        return gains, posterior.sigmas[:count]

    def _places(self, evidence: Evidence) -> dict[str, int]:
        """The place of each member by its key. Architectures of the run that are no members yet become members."""
        place = {member.key: i for i, member in enumerate(self._members)}
        new = [entry.architecture for entry in evidence.entries if entry.key not in place]
        if not new:
            return place
        self._members = [*self._members, *new]
        # Cached properties of the members so far.
        vars(self).pop("_features", None)
        vars(self).pop("_allowed", None)
        return {member.key: i for i, member in enumerate(self._members)}

    @cached_property
    def _members(self) -> Sequence[Architecture]:
        """Plain first."""
        space = self._space.space
        if space.size <= LISTED:
            return list(space)
        rng = random.Random(0)
        plain = Architecture.plain(space.backbone, len(space.sites))
        return list(dict.fromkeys([plain, *(space.sample(rng) for _ in range(SAMPLED))]))

    @cached_property
    def _features(self) -> Features:
        return describe(self._members, self._space.space.sites)

    @cached_property
    def _allowed(self) -> NDArray[np.int64]:
        """The places of all placements within the limits."""
        price = self._space.price
        objectives = self._rules.objectives
        within = [i for i, member in enumerate(self._members) if i and excess(objectives, price(member)) <= 0]
        return np.array(within, dtype=np.int64)

"""Samplers that propose by the model of :mod:`search.model.posterior`. They work with any Optuna study over a space."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from search.model.posterior import Observations, Posterior, Row, fit
from search.planning import acquisition as lookahead
from search.planning import candidates as catalogue
from search.planning.acquisition import Scene
from search.planning.candidates import Catalogue, Price
from search.planning.sampler_context import BLOCK, Memory
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


# Enough draws for means and covariances; intervals are never read off these.
DRAWS = lookahead.DRAWS
# The model is fitted anew when so large a share more is known: what a proposal costs does not grow with a search.
NEW_SHARE = 100

Rule = Callable[[Scene, np.random.Generator], int]


class PosteriorSampler(BaseSampler):  # type: ignore[misc]
    """Fits the model to all finished trials and chooses by ``rule``; running trials count as if they ended as expected.

    The study's first value is accuracy in percent, its trials hold :attr:`Space.parameters`. ``price`` gives overheads in
    percent, ``columns`` names those that the report is followed by. ``avoid`` says what must not be proposed. With a
    ``memory``, kept from one sampler of a study to the next, trials are read once, and of many finished ones the last
    hundredth counts as running: proposals depend on what is known alone, whether or not there is a memory.
    """

    def __init__(
        self, space: Space, price: Price, columns: Sequence[str], rule: Rule = lookahead.knowledge_gradient, *,
        seed: int = 0, block: int = 0, avoid: Callable[[Architecture], bool] | None = None,
        listed: Catalogue | None = None, memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self._space, self._price, self._columns, self._rule = space, price, tuple(columns), rule
        self._seed, self._block, self._avoid, self._listed = seed, block, avoid, listed
        self._memory = memory or Memory()
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self._space.parameters.items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        others = [t for t in trials if t.number != trial.number and t.params.keys() == search_space.keys()]
        if not any(t.state is TrialState.COMPLETE for t in others):
            return {}  # nothing is known: at random
        chosen = self._choose(others)
        return {} if chosen is None else self._space.encode(chosen)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: Any) -> Any:
        return self._random.sample_independent(study, trial, name, distribution)

    def _choose(self, trials: Sequence[FrozenTrial]) -> Architecture | None:
        rng = np.random.default_rng(self._seed)
        listed = self._listed or self._near(trials)
        allowed = np.array([self._avoid is None or not self._avoid(member) for member in listed.members])
        if not allowed.any():
            return None
        done = [t for t in trials if t.state is TrialState.COMPLETE]
        fitted = len(done) - len(done) % max(1, len(done) // NEW_SHARE)
        running = [*(t for t in trials if t.state is not TrialState.COMPLETE), *done[fitted:]]
        pending = [self._place(t, listed) for t in running]
        scene = Scene(self._fitted(done[:fitted], listed), listed.costs, allowed, pending, self._block)
        return listed.members[self._rule(scene, rng)]

    def _fitted(self, done: Sequence[FrozenTrial], listed: Catalogue) -> Posterior:
        """The posterior of these trials; its draws depend on nothing else, so that one from memory is as good."""
        numbers = tuple(t.number for t in done)
        if self._listed is not None and self._memory.fitted is not None and self._memory.fitted[0] == numbers:
            return self._memory.fitted[1]
        rows: list[Row] = [(*self._place(t, listed), t.values[0]) for t in done]
        posterior = fit(Observations.of_rows(rows), listed.features, seed=len(done), draws=DRAWS)
        self._memory.fitted = (numbers, posterior)
        return posterior

    def _place(self, trial: FrozenTrial, listed: Catalogue) -> tuple[int, int]:
        """Architecture and block; remembered where the list stays the same."""
        place = self._memory.places.get(trial.number) if self._listed else None
        if place is None:
            architecture = listed.index[self._space.decode(trial.params).key]
            place = self._memory.places[trial.number] = (architecture, int(trial.user_attrs.get(BLOCK, 0)))
        return place

    def _near(self, trials: Sequence[FrozenTrial]) -> Catalogue:
        if self._space.size <= catalogue.LISTED:
            return catalogue.whole(self._space, self._price, self._columns)
        known = [self._space.decode(t.params) for t in trials]
        done = [(t.values[0], a) for t, a in zip(trials, known, strict=True) if t.state is TrialState.COMPLETE]
        best = [architecture for _, architecture in sorted(done, key=lambda pair: -pair[0])]
        rng = random.Random(self._seed)
        return catalogue.near(self._space, self._price, self._columns, known, list(dict.fromkeys(best)), rng)

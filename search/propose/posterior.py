"""Samplers that propose by the model of :mod:`search.surrogate`. They work with any Optuna study over a space."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from search import catalogue, lookahead
from search.catalogue import Catalogue, Price
from search.lookahead import Scene
from search.propose.samplers import BLOCK
from search.surrogate import Observation, fit
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


# Enough draws for means and covariances; intervals are never read off these.
DRAWS = lookahead.DRAWS

Rule = Callable[[Scene, np.random.Generator], int]


class PosteriorSampler(BaseSampler):  # type: ignore[misc]
    """Fits the model to all finished trials and chooses by ``rule``; running trials count as if they ended as expected.

    The study's first value is accuracy in percent, its trials hold :attr:`Space.parameters`. ``price`` gives overheads in
    percent, ``columns`` names those that the report is followed by. ``avoid`` says what must not be proposed.
    """

    def __init__(
        self, space: Space, price: Price, columns: Sequence[str], rule: Rule = lookahead.knowledge_gradient, *,
        seed: int = 0, block: int = 0, avoid: Callable[[Architecture], bool] | None = None,
        listed: Catalogue | None = None,
    ) -> None:  # fmt: skip
        self._space, self._price, self._columns, self._rule = space, price, tuple(columns), rule
        self._seed, self._block, self._avoid, self._listed = seed, block, avoid, listed
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self._space.parameters.items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        others = [t for t in trials if t.number != trial.number and set(t.params) == set(search_space)]
        if not any(t.state is TrialState.COMPLETE for t in others):
            return {}  # nothing is known: at random
        chosen = self._choose(others)
        return {} if chosen is None else self._space.encode(chosen)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: Any) -> Any:
        return self._random.sample_independent(study, trial, name, distribution)

    def _choose(self, trials: Sequence[FrozenTrial]) -> Architecture | None:
        rng = np.random.default_rng(self._seed)
        known = [self._space.decode(t.params) for t in trials]
        listed = self._listed or self._near(trials, known)
        at = [listed.index[architecture.key] for architecture in known]
        blocks = [int(t.user_attrs.get(BLOCK, 0)) for t in trials]
        done = [t.state is TrialState.COMPLETE for t in trials]
        seen = [
            Observation(a, b, t.values[0]) for a, b, t, is_done in zip(at, blocks, trials, done, strict=True) if is_done
        ]
        allowed = np.array([self._avoid is None or not self._avoid(member) for member in listed.members])
        if not allowed.any():
            return None
        pending = [(a, b) for a, b, is_done in zip(at, blocks, done, strict=True) if not is_done]
        posterior = fit(seen, listed.features, seed=self._seed, draws=DRAWS)
        scene = Scene(posterior, listed.costs, allowed, pending, self._block)
        return listed.members[self._rule(scene, rng)]

    def _near(self, trials: Sequence[FrozenTrial], known: Sequence[Architecture]) -> Catalogue:
        if self._space.size <= catalogue.LISTED:
            return catalogue.whole(self._space, self._price, self._columns)
        done = [(t.values[0], a) for t, a in zip(trials, known, strict=True) if t.state is TrialState.COMPLETE]
        best = [architecture for _, architecture in sorted(done, key=lambda pair: -pair[0])]
        rng = random.Random(self._seed)
        return catalogue.near(self._space, self._price, self._columns, known, list(dict.fromkeys(best)), rng)

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
from search.surrogate import Observations, Row, fit
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
    percent, ``columns`` names those that the report is followed by. ``avoid`` says what must not be proposed. With a
    ``memory``, kept from one sampler of a study to the next, trials are read once.
    """

    def __init__(
        self, space: Space, price: Price, columns: Sequence[str], rule: Rule = lookahead.knowledge_gradient, *,
        seed: int = 0, block: int = 0, avoid: Callable[[Architecture], bool] | None = None,
        listed: Catalogue | None = None, memory: dict[int, tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        self._space, self._price, self._columns, self._rule = space, price, tuple(columns), rule
        self._seed, self._block, self._avoid, self._listed = seed, block, avoid, listed
        self._memory: dict[int, tuple[int, int]] = {} if memory is None else memory
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
        done = [self._row(t, listed) for t in trials if t.state is TrialState.COMPLETE]
        pending = [self._place(t, listed) for t in trials if t.state is not TrialState.COMPLETE]
        posterior = fit(Observations.of_rows(done), listed.features, seed=self._seed, draws=DRAWS)
        scene = Scene(posterior, listed.costs, allowed, pending, self._block)
        return listed.members[self._rule(scene, rng)]

    def _row(self, trial: FrozenTrial, listed: Catalogue) -> Row:
        """Architecture, block and accuracy of a finished trial."""
        return (*self._place(trial, listed), trial.values[0])

    def _place(self, trial: FrozenTrial, listed: Catalogue) -> tuple[int, int]:
        """Architecture and block; remembered where the list stays the same."""
        place = self._memory.get(trial.number) if self._listed else None
        if place is None:
            architecture = listed.index[self._space.decode(trial.params).key]
            place = self._memory[trial.number] = (architecture, int(trial.user_attrs.get(BLOCK, 0)))
        return place

    def _near(self, trials: Sequence[FrozenTrial]) -> Catalogue:
        if self._space.size <= catalogue.LISTED:
            return catalogue.whole(self._space, self._price, self._columns)
        known = [self._space.decode(t.params) for t in trials]
        done = [(t.values[0], a) for t, a in zip(trials, known, strict=True) if t.state is TrialState.COMPLETE]
        best = [architecture for _, architecture in sorted(done, key=lambda pair: -pair[0])]
        rng = random.Random(self._seed)
        return catalogue.near(self._space, self._price, self._columns, known, list(dict.fromkeys(best)), rng)

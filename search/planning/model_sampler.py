"""An Optuna sampler that proposes by the posterior of :mod:`search.model.posterior`, for any study over a space."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observations, Row
from search.model.posterior import Posterior
from search.planning import acquisition, candidates
from search.planning.acquisition import AcquisitionInputs, Choice, Short
from search.planning.candidates import Candidates
from search.planning.priced_space import Price
from search.planning.sampler_context import BLOCK, Avoid, MayPause, Memory, never
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from search.state.records import Pause
    from search.state.shared_facts import SharedFigures

# Enough draws for means and covariances; no interval is read off them.
DRAWS = acquisition.DRAWS
# The model is fitted again when 1/NEW_SHARE more trials have finished, so the time per proposal stays constant.
NEW_SHARE = 100

Rule = Callable[[AcquisitionInputs, np.random.Generator], Choice]


class PosteriorSampler(BaseSampler):  # type: ignore[misc]
    """Fits the model to all finished trials and chooses by ``rule``; running trials count as if they ended as expected.

    The first value of the study is the score that decides, and its trials have :attr:`Space.parameters`. ``price``
    gives overheads in percent, ``columns`` names those that the report is judged by. ``avoid`` says what must not be
    proposed.

    A ``memory`` that all samplers of a study share saves time: each trial is decoded once. Proposals do not depend on
    it. ``losses`` has the loss of each epoch by the number of a trial: the model takes curves if all finished trials
    have one. Of many finished trials the last hundredth counts as running, with or without a memory. ``grid`` replaces
    the default hyperparameter grid of the model, which depends on whether scores are ``in_percent``. ``wants_proof``
    looks for the largest gain instead of the best front.
    ``figures`` is what placements showed in a shared network; ``listed`` members have them already.
    ``paused`` are the numbers of running trials whose result nobody waits for. ``epochs`` is the length of the
    training that was proposed last: the first of ``lengths``, given how much curves are trusted; None for a whole one.
    """

    def __init__(
        self,
        space: Space,
        price: Price,
        columns: Sequence[str],
        rule: Rule = acquisition.knowledge_gradient,
        *,
        seed: int = 0,
        block: int = 0,
        avoid: Avoid | None = None,
        listed: Candidates | None = None,
        memory: Memory | None = None,
        losses: Mapping[int, Sequence[float]] | None = None,
        grid: HyperparameterGrid | None = None,
        in_percent: bool = True,
        wants_proof: bool = False,
        figures: SharedFigures | None = None,
        paused: Set[int] = frozenset(),
        may_pause: MayPause = never,
    ) -> None:
        self._space = space
        self._price = price
        self._columns = tuple(columns)
        self._rule = rule
        self._seed = seed
        self._block = block
        self._avoid = avoid
        self._listed = listed
        self._memory = memory or Memory()
        self._losses = losses or {}
        self._grid = grid
        self._in_percent = in_percent
        self._wants_proof = wants_proof
        self._figures = figures
        self._paused = paused
        self._may_pause = may_pause
        self.pause: Pause | None = None
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self._space.parameters.items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        others = [t for t in trials if t.number != trial.number and t.params.keys() == search_space.keys()]
        if not any(t.state is TrialState.COMPLETE for t in others):
            return {}  # nothing is known yet, so Optuna asks sample_independent
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
        n_fitted = len(done) - len(done) % max(1, len(done) // NEW_SHARE)
        awaited = [t for t in trials if t.state is not TrialState.COMPLETE and t.number not in self._paused]
        running = [*awaited, *done[n_fitted:]]
        pending = [self._place(t, listed) for t in running]
        short = [t for t in trials if t.number in self._paused and self._losses.get(t.number)]
        posterior = self._fitted(done[:n_fitted], short, listed)
        p_nothing = None if posterior.trust is None else posterior.trust.p_early_nothing
        pause = self._may_pause(p_nothing)
        about = None if pause is None else self._short(pause, trials, listed)
        inputs = AcquisitionInputs(posterior, listed.costs, allowed, pending, self._block, self._wants_proof, about)
        chosen = self._rule(inputs, rng)
        self.pause = pause if chosen.is_short else None
        return listed.members[chosen.architecture]

    def _short(self, pause: Pause, trials: Sequence[FrozenTrial], listed: Candidates) -> Short:
        """What a training that pauses costs, and of which architectures it would show nothing new."""
        seen = np.zeros(len(listed.members), dtype=bool)
        seen[[self._place(trial, listed)[0] for trial in trials]] = True
        paid = np.zeros(len(listed.members))
        paid[[self._place(trial, listed)[0] for trial in trials if trial.number in self._paused]] = pause.share
        return Short(pause.share, seen, paid)

    def _fitted(self, done: Sequence[FrozenTrial], short: Sequence[FrozenTrial], listed: Candidates) -> Posterior:
        """The posterior of these trials. Its draws depend on nothing else, so the remembered one is the same.

        ``short`` ones have paused, so they show losses and no score.
        """
        numbers = tuple(t.number for t in (*done, *short))
        remembered = self._memory.fitted
        if self._listed is not None and remembered is not None and remembered[0] == numbers:
            return remembered[1]
        rows: list[Row] = [(*self._place(t, listed), t.values[0]) for t in done]
        rows += [(*self._place(t, listed), math.nan) for t in short]
        seen = Observations.of_rows(rows, [self._losses.get(number, ()) for number in numbers])
        how = {"seed": len(done), "draws": DRAWS}
        posterior = fit(seen, listed.features, grid=self._grid, in_percent=self._in_percent, **how)
        self._memory.fitted = (numbers, posterior)
        return posterior

    def _place(self, trial: FrozenTrial, listed: Candidates) -> tuple[int, int]:
        """Index of the architecture and block of a trial; remembered while the candidates stay the same."""
        place = self._memory.places.get(trial.number) if self._listed else None
        if place is None:
            architecture = listed.index[self._space.decode(trial.params).key]
            place = (architecture, int(trial.user_attrs.get(BLOCK, 0)))
            self._memory.places[trial.number] = place
        return place

    def _near(self, trials: Sequence[FrozenTrial]) -> Candidates:
        if self._space.size <= candidates.LISTED:
            return candidates.whole(self._space, self._price, self._columns, self._figures)
        known = [self._space.decode(t.params) for t in trials]
        done = [(t.values[0], a) for t, a in zip(trials, known, strict=True) if t.state is TrialState.COMPLETE]
        best = [architecture for _, architecture in sorted(done, key=lambda pair: -pair[0])]
        rng = random.Random(self._seed)
        around = list(dict.fromkeys(best))
        return candidates.near(self._space, self._price, self._columns, known, around, rng, self._figures)

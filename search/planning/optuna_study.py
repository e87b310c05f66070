"""Proposals by Optuna: ask and tell over a study in memory. The door to optuna.

The study is rebuilt from the ledger when a run is resumed. Each proposal uses a new sampler, seeded by the search seed
and the number of the training, so a resumed run proposes what the uninterrupted one would have.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from search.planning.priced_space import Price
from search.planning.sampler_context import BLOCK, Avoid, MayPause, Memory, SamplerContext, never
from search.planning.samplers import SAMPLERS, chosen
from search.results.objectives import Objective, Scores, objective_values, qualities
from search.state.confirmation_facts import CONFIRM_SHARE
from senet_nas.recipe import stable_hash
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from search.model.hyperparameters import HyperparameterGrid
    from search.planning.candidates import Candidates
    from search.state.records import Pause
    from search.state.shared_facts import SharedFigures

__all__ = ["SAMPLERS", "Proposer"]

# How often the sampler may propose what must be avoided, before a random architecture is taken.
TRIES = 8
# To find an architecture that is left: spaces up to LISTED are listed after DRAWS draws, larger ones sampled
# LARGE_DRAWS times.
LISTED = 100_000
DRAWS = 64
LARGE_DRAWS = 1000

Record = list[dict[str, Any]]
Known = Callable[[Architecture], Scores | None]


@dataclass(frozen=True)
class Proposal:
    """What a sampler proposes: an architecture, and the pause of its training; None for a whole one.

    ``record`` holds the trials that :meth:`Proposer.restore` needs.
    """

    architecture: Architecture
    record: Record
    pause: Pause | None = None


class Proposer:
    """Asks an Optuna sampler for architectures, and tells it how their trainings ended.

    ``price`` gives the overheads of an architecture. ``budget``, the trainings of the whole run, and the share of them
    that may ``confirm`` matter only to the sampler ``auto``. ``curves``: whether the model takes loss curves beside
    scores. ``grid`` replaces the default hyperparameter grid of the model.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        price: Price,
        *,
        sampler: str,
        seed: int,
        budget: int | None = None,
        confirm: float = CONFIRM_SHARE,
        curves: bool = False,
        grid: HyperparameterGrid | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._objectives = tuple(objectives)
        self._price = price
        self._sampler = chosen(sampler, space, budget, confirm)
        self._seed = seed
        self.grid = grid
        categorical = optuna.distributions.CategoricalDistribution
        self._distributions = {name: categorical(values) for name, values in space.parameters.items()}
        self._study = optuna.create_study(directions=[o.direction for o in objectives])
        self._trial_of: dict[int, int] = {}  # training number -> trial number
        self._paused: set[int] = set()  # trial numbers
        self._memory = Memory()
        self._takes_curves = curves
        self._losses: dict[int, Sequence[float]] = {}  # trial number -> loss of each epoch
        self._figures: SharedFigures | None = None

    def learn(self, figures: SharedFigures) -> None:
        """Takes in what placements showed in a shared network; samplers that know the model use it from now on."""
        self._figures = figures
        self._memory.fitted = None
        self.__dict__.pop("_listed", None)

    @property
    def study(self) -> optuna.Study:
        """The live study, for people who want to look at it."""
        return self._study

    @property
    def replicates(self) -> bool:
        """Whether the sampler may propose again what was trained already."""
        return self._sampler.replicates

    def ask(
        self,
        training: int,
        avoid: Avoid,
        known: Known,
        block: int = 0,
        *,
        wants_proof: bool = False,
        may_pause: MayPause = never,
    ) -> Proposal | None:
        """A proposal for the training of this number in a block.

        ``avoid`` says what must not be proposed; None if the space holds nothing else. ``known`` gives the mean
        scores of an architecture that was trained: a sampler that repeats itself gets these values and is asked again.
        ``wants_proof`` says that a confirmation is ahead. ``may_pause`` says which pause the training may make.
        """
        context = self._context(block, avoid, wants_proof, may_pause)
        self._study.sampler = self._sampler.make(stable_hash(self._seed, training) % 2**32, context)
        first = len(self._study.get_trials(deepcopy=False))
        for _ in range(TRIES):
            trial, architecture = self._ask_study(block)
            if not avoid(architecture):
                return self._proposed(training, trial, first, architecture)
            self._discard(trial, architecture, known)
        rest = self._pick(random.Random(stable_hash(self._seed, training, "pick")), avoid)
        if rest is None:
            return None
        self._study.enqueue_trial(self._space.encode(rest))
        trial, _ = self._ask_study(block)
        return self._proposed(training, trial, first, rest)

    def tell(
        self,
        training: int,
        scores: Scores | None,
        architecture: Architecture,
        *,
        stopped: bool = False,
        block: int = 0,
        losses: Sequence[float] = (),
    ) -> None:
        """Tells Optuna how a training ended: finished with scores, stopped early (PRUNED), or failed (FAIL).

        A training that no sampler asked for (a baseline, a replicate) is added to the study if it finished. ``losses``
        are those of its epochs; they are no part of the study.
        """
        from optuna.trial import TrialState

        number = self._trial_of.get(training)
        if number is None:
            number = self._add_finished(architecture, scores, block)
        elif scores is None:
            self._study.tell(number, state=TrialState.PRUNED if stopped else TrialState.FAIL)
        else:
            self._study.tell(number, self._values(architecture, scores))
        if self._takes_curves and number is not None and scores is not None:
            self._losses[number] = losses

    def withdraw(self, training: int) -> None:
        """Takes back the proposal for the training of this number, which is not trained: a paused one continues."""
        from optuna.trial import TrialState

        self._study.tell(self._trial_of.pop(training), state=TrialState.FAIL)

    def pause(self, training: int, losses: Sequence[float] = ()) -> None:
        """Notes that a training has paused, with the losses of its epochs: samplers do not wait for its result."""
        self._paused.add(self._trial_of[training])
        if self._takes_curves:
            self._losses[self._trial_of[training]] = losses

    def resume(self, training: int) -> None:
        """Notes that a paused training continues."""
        self._paused.discard(self._trial_of[training])

    def restore(self, training: int, record: Record) -> None:
        """Restores the trials that :meth:`ask` made for a training, from their record; the last one runs again."""
        from search.planning import study_trials

        for trial in record:
            constraints = self._constraints(self._space.decode(trial["params"]))
            self._study.add_trial(study_trials.recorded(trial, self._distributions, constraints))
        self._trial_of[training] = len(self._study.get_trials(deepcopy=False)) - 1

    def _context(self, block: int, avoid: Avoid, wants_proof: bool, may_pause: MayPause) -> SamplerContext:
        return SamplerContext(
            space=self._space,
            price=self._price,
            columns=self._columns,
            block=block,
            avoid=avoid,
            listed=self._listed,
            memory=self._memory,
            losses=self._losses,
            grid=self.grid,
            in_percent=qualities(self._objectives)[0].is_percent,
            wants_proof=wants_proof,
            figures=self._figures,
            may_pause=may_pause,
            paused=frozenset(self._paused),
        )

    def _ask_study(self, block: int) -> tuple[optuna.Trial, Architecture]:
        trial = self._study.ask(self._distributions)
        trial.set_user_attr(BLOCK, block)
        architecture = self._space.decode(trial.params)
        for name, value in self._constraints(architecture).items():
            trial.set_constraint(name, value)
        return trial, architecture

    @property
    def _columns(self) -> list[str]:
        return [o.column for o in self._objectives if not o.is_quality]

    @cached_property
    def _listed(self) -> Candidates | None:
        """All members of the space; None if the sampler does not use them or the space is too large."""
        from search.planning import candidates

        if not self._sampler.replicates or self._space.size > candidates.LISTED:
            return None
        return candidates.whole(self._space, self._price, self._columns, self._figures)

    def _proposed(self, training: int, trial: optuna.Trial, first: int, architecture: Architecture) -> Proposal:
        self._trial_of[training] = trial.number
        record = [_record(trial) for trial in self._study.get_trials(deepcopy=False)[first:]]
        return Proposal(architecture, record, getattr(self._study.sampler, "pause", None))

    def _discard(self, trial: optuna.Trial, architecture: Architecture, known: Known) -> None:
        """Ends a trial that must be avoided.

        A genetic algorithm counts the members of a generation, so a repeated architecture counts with its known value.
        """
        from optuna.trial import TrialState

        scores = known(architecture)
        if scores is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, self._values(architecture, scores))

    def _pick(self, rng: random.Random, avoid: Avoid) -> Architecture | None:
        """A random architecture that need not be avoided; None if none was found."""
        if self._space.size > LISTED:
            drawn = (self._space.sample(rng) for _ in itertools.repeat(None, LARGE_DRAWS))
            return next((architecture for architecture in drawn if not avoid(architecture)), None)
        drawn = (self._space[rng.randrange(self._space.size)] for _ in range(DRAWS))
        found = next((architecture for architecture in drawn if not avoid(architecture)), None)
        if found is not None:
            return found
        # Listing takes time, and is needed only if little is left.
        rest = [architecture for architecture in self._space if not avoid(architecture)]
        return rng.choice(rest) if rest else None

    def _add_finished(self, architecture: Architecture, scores: Scores | None, block: int) -> int | None:
        """The number of the trial that was added; None if there was nothing to add."""
        from search.planning import study_trials

        if scores is None or architecture not in self._space:
            return None
        trial = study_trials.finished(
            self._space.encode(architecture),
            self._distributions,
            values=self._values(architecture, scores),
            constraints=self._constraints(architecture),
            user_attrs={BLOCK: block},
        )
        self._study.add_trial(trial)
        return len(self._study.get_trials(deepcopy=False)) - 1

    def _values(self, architecture: Architecture, scores: Scores) -> list[float]:
        """The value of each objective, as the study optimises it."""
        return list(objective_values(self._objectives, scores, self._price(architecture)))

    def _constraints(self, architecture: Architecture) -> dict[str, float]:
        """By how much each limit is exceeded; Optuna takes 0 or less as feasible."""
        price = self._price(architecture)
        return {o.column: price[o.column] - o.limit for o in self._objectives if o.limit is not None}


def _record(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "user_attrs": trial.user_attrs,
        "system_attrs": {k: v for k, v in trial.system_attrs.items() if k != "fixed_params"},
    }

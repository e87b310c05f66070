"""Optuna proposes: ask and tell over a study in memory. The one door to optuna.

The study is rebuilt from the ledger when a run goes on. Its sampler is made anew for every ask, seeded by the search
seed and the number of the ask, so a resumed run proposes what the uninterrupted one would have.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from search.objectives import Objective, losses
from senet_nas.recipe import stable_hash
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

# How often the sampler may repeat itself before we pick an architecture for it, uniformly among the rest.
TRIES = 8
# Spaces up to this size are listed to find what is left; larger ones are sampled.
LISTED = 100_000

Proposal = list[dict[str, Any]]
Avoid = Callable[[Architecture], bool]
Known = Callable[[Architecture], float | None]


def _random(seed: int, space: Space) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _grid(seed: int, space: Space) -> BaseSampler:
    return _even_order(space)


def _nsga2(seed: int, space: Space) -> BaseSampler:
    import optuna

    class Nsga2(optuna.samplers.NSGAIISampler):  # type: ignore[misc]
        """Parents in the order of their trials. Optuna returns them in another order when it has just selected them
        than when it remembers them, so a resumed run would draw other children."""

        def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
            return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)

    # Deb et al. 2002 with small generations: tens of trainings, not thousands.
    return Nsga2(seed=seed, population_size=12)


def _tpe(seed: int, space: Space) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)


# Add a sampler here: a name, and how to make it from a seed and the space.
SAMPLERS: dict[str, Callable[[int, Space], BaseSampler]] = {
    "random": _random,
    "grid": _grid,
    "nsga2": _nsga2,
    "tpe": _tpe,
}


class Proposer:
    """Asks an Optuna sampler for architectures, and tells it what became of them.

    ``avoid`` says what must not be proposed (over a limit, or trained already), ``known`` the accuracy of what was
    trained already: a sampler that repeats itself is told the known values and asked again.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        price: Callable[[Architecture], Mapping[str, float]],
        *,
        sampler: str,
        seed: int,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._objectives, self._price = space, tuple(objectives), price
        self._make, self._seed = SAMPLERS[sampler], seed
        categorical = optuna.distributions.CategoricalDistribution
        self._distributions = {name: categorical(values) for name, values in space.parameters.items()}
        self._study = optuna.create_study(directions=[o.direction for o in objectives])
        self._trial_of: dict[int, int] = {}  # training number -> trial number

    @property
    def study(self) -> optuna.Study:
        """The live study, for people who want to look at it."""
        return self._study

    def ask(self, training: int, avoid: Avoid, known: Known) -> tuple[Architecture, Proposal] | None:
        """An architecture for the training of this number, with the record that :meth:`restore` needs; None when the
        space holds nothing that need not be avoided."""
        self._study.sampler = self._make(stable_hash(self._seed, training) % 2**32, self._space)
        first = len(self._study.get_trials(deepcopy=False))
        for _ in range(TRIES):
            trial = self._study.ask(self._distributions)
            architecture = self._space.decode(trial.params)
            if not avoid(architecture):
                return self._proposed(training, trial.number, first, architecture)
            self._discard(trial, architecture, known)
        rest = self._pick(random.Random(stable_hash(self._seed, training, "pick")), avoid)
        if rest is None:
            return None
        self._study.enqueue_trial(self._space.encode(rest))
        trial = self._study.ask(self._distributions)
        return self._proposed(training, trial.number, first, rest)

    def tell(self, training: int, accuracy: float | None, architecture: Architecture, *, stopped: bool = False) -> None:
        """What became of a training: finished with an accuracy, stopped early (PRUNED), or failed (FAIL)."""
        from optuna.trial import TrialState

        number = self._trial_of.get(training)
        if number is None:
            self._add(architecture, accuracy)
        elif accuracy is None:
            self._study.tell(number, state=TrialState.PRUNED if stopped else TrialState.FAIL)
        else:
            self._constrain(number, architecture)
            self._study.tell(number, self._values(architecture, accuracy))

    def restore(self, training: int, proposal: Proposal) -> None:
        """Put back what :meth:`ask` did for a training, from the record in the ledger; it is running again."""
        import optuna

        for record in proposal:
            trial = optuna.trial.create_trial(
                state=optuna.trial.TrialState[record["state"]],
                values=record["values"],
                params=record["params"],
                distributions=self._distributions,
                system_attrs=record["system_attrs"],
            )
            self._study.add_trial(trial)
        self._trial_of[training] = len(self._study.get_trials(deepcopy=False)) - 1

    # -- inside -------------------------------------------------------------------------------------------------------

    def _proposed(self, training: int, number: int, first: int, arch: Architecture) -> tuple[Architecture, Proposal]:
        self._trial_of[training] = number
        return arch, [_record(trial) for trial in self._study.get_trials(deepcopy=False)[first:]]

    def _discard(self, trial: optuna.Trial, architecture: Architecture, known: Known) -> None:
        from optuna.trial import TrialState

        accuracy = known(architecture)
        if accuracy is None:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            # Genetic algorithms count members of a generation: a repeat is one, with the value we know.
            self._constrain(trial.number, architecture)
            self._study.tell(trial, self._values(architecture, accuracy))

    def _pick(self, rng: random.Random, avoid: Avoid) -> Architecture | None:
        if self._space.size > LISTED:
            drawn = (self._space.sample(rng) for _ in itertools.repeat(None, 1000))
            return next((architecture for architecture in drawn if not avoid(architecture)), None)
        rest = [architecture for architecture in self._space if not avoid(architecture)]
        return rng.choice(rest) if rest else None

    def _add(self, architecture: Architecture, accuracy: float | None) -> None:
        """A training that no sampler asked for (a baseline, a replicate) is worth knowing to it all the same."""
        import optuna

        if accuracy is None or architecture not in self._space:
            return
        self._study.add_trial(
            optuna.trial.create_trial(
                params=self._space.encode(architecture),
                distributions=self._distributions,
                values=self._values(architecture, accuracy),
                constraints=self._constraints(architecture),
            )
        )

    def _values(self, architecture: Architecture, accuracy: float) -> list[float]:
        raw = losses(self._objectives, accuracy, self._price(architecture))
        return [objective.loss(value) for objective, value in zip(self._objectives, raw, strict=True)]

    def _constraints(self, architecture: Architecture) -> dict[str, float]:
        price = self._price(architecture)
        return {o.column: price[o.column] - o.limit for o in self._objectives if o.limit is not None}

    def _constrain(self, number: int, architecture: Architecture) -> None:
        import optuna

        trial = optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)
        for name, value in self._constraints(architecture).items():
            trial.set_constraint(name, value)


def _record(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "system_attrs": {k: v for k, v in trial.system_attrs.items() if k != "fixed_params"},
    }


def _even_order(space: Space) -> BaseSampler:
    """Every architecture once, in steps near the golden section of the space, so that a part of it is spread evenly."""
    import math

    from optuna.samplers import BaseSampler, RandomSampler

    class EvenOrder(BaseSampler):  # type: ignore[misc]
        def __init__(self) -> None:
            step = max(1, round(space.size * 0.618))
            while math.gcd(step, space.size) != 1:
                step += 1
            self._step, self._random = step, RandomSampler(seed=0)

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: FrozenTrial, name: str, distribution: Any) -> Any:
            return space.encode(space[trial.number * self._step % space.size])[name]

    return EvenOrder()

"""Optuna proposes: ask and tell over a study in memory. The one door to optuna.

The study is rebuilt from the ledger when a run goes on. Its sampler is made anew for every ask, seeded by the search
seed and the number of the ask, so a resumed run proposes what the uninterrupted one would have.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from search.planning.sampler_context import BLOCK, Avoid, Memory, SamplerContext
from search.planning.samplers import SAMPLERS, chosen
from search.results.objectives import Objective, objective_values
from senet_nas.recipe import stable_hash
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from search.planning.candidates import Candidates

__all__ = ["SAMPLERS", "Proposer"]

# How often the sampler may repeat itself before we pick an architecture for it, uniformly among the rest.
TRIES = 8
# Spaces up to this size are listed to find what is left; larger ones are sampled.
LISTED, DRAWS = 100_000, 64

Proposal = list[dict[str, Any]]
Known = Callable[[Architecture], float | None]


class Proposer:
    """Asks an Optuna sampler for architectures, and tells it what became of them.

    ``avoid`` says what must not be proposed (over a limit, or trained already), ``known`` the accuracy of what was
    trained already: a sampler that repeats itself is told the known values and asked again. ``budget``, the trainings of
    the whole run, matters to ``auto`` alone.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        price: Callable[[Architecture], Mapping[str, float]],
        *,
        sampler: str,
        seed: int,
        budget: int | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._objectives, self._price = space, tuple(objectives), price
        self._sampler, self._seed = chosen(sampler, space, budget), seed
        _share_distributions()
        categorical = optuna.distributions.CategoricalDistribution
        self._distributions = {name: categorical(values) for name, values in space.parameters.items()}
        self._study = optuna.create_study(directions=[o.direction for o in objectives])
        self._trial_of: dict[int, int] = {}  # training number -> trial number
        self._memory = Memory()

    @property
    def study(self) -> optuna.Study:
        """The live study, for people who want to look at it."""
        return self._study

    @property
    def replicates(self) -> bool:
        """Whether the sampler may propose again what was trained already."""
        return self._sampler.replicates

    def ask(self, training: int, avoid: Avoid, known: Known, block: int = 0) -> tuple[Architecture, Proposal] | None:
        """An architecture for the training of this number in a block, with the record that :meth:`restore` needs; None
        when the space holds nothing that need not be avoided."""
        columns = [o.column for o in self._objectives if not o.is_accuracy]
        context = SamplerContext(self._space, self._price, columns, block, avoid, self._listed, self._memory)
        self._study.sampler = self._sampler.make(stable_hash(self._seed, training) % 2**32, context)
        self._asked_in = block
        first = len(self._study.get_trials(deepcopy=False))
        for _ in range(TRIES):
            trial = self._ask_study()
            architecture = self._space.decode(trial.params)
            if not avoid(architecture):
                return self._proposed(training, trial.number, first, architecture)
            self._discard(trial, architecture, known)
        rest = self._pick(random.Random(stable_hash(self._seed, training, "pick")), avoid)
        if rest is None:
            return None
        self._study.enqueue_trial(self._space.encode(rest))
        trial = self._ask_study()
        return self._proposed(training, trial.number, first, rest)

    def tell(
        self,
        training: int,
        accuracy: float | None,
        architecture: Architecture,
        *,
        stopped: bool = False,
        block: int = 0,
    ) -> None:
        """What became of a training: finished with an accuracy, stopped early (PRUNED), or failed (FAIL)."""
        from optuna.trial import TrialState

        number = self._trial_of.get(training)
        if number is None:
            self._add(architecture, accuracy, block)
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
                user_attrs=record.get("user_attrs", {}),
            )
            self._study.add_trial(trial)
        self._trial_of[training] = len(self._study.get_trials(deepcopy=False)) - 1

    # -- inside -------------------------------------------------------------------------------------------------------

    def _ask_study(self) -> optuna.Trial:
        trial = self._study.ask(self._distributions)
        trial.set_user_attr(BLOCK, self._asked_in)
        return trial

    @cached_property
    def _listed(self) -> Candidates | None:
        """The space as the model sees it, made once; None where nobody asks for it or it is too large."""
        from search.planning import candidates

        if not self._sampler.replicates or self._space.size > candidates.LISTED:
            return None
        columns = [o.column for o in self._objectives if not o.is_accuracy]
        return candidates.whole(self._space, self._price, columns)

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
        # Listing takes its time, and is needed only where little is left.
        drawn = (self._space[rng.randrange(self._space.size)] for _ in range(DRAWS))
        found = next((architecture for architecture in drawn if not avoid(architecture)), None)
        if found is not None:
            return found
        rest = [architecture for architecture in self._space if not avoid(architecture)]
        return rng.choice(rest) if rest else None

    def _add(self, architecture: Architecture, accuracy: float | None, block: int) -> None:
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
                user_attrs={BLOCK: block},
            )
        )

    def _values(self, architecture: Architecture, accuracy: float) -> list[float]:
        return list(objective_values(self._objectives, accuracy, self._price(architecture)))

    def _constraints(self, architecture: Architecture) -> dict[str, float]:
        price = self._price(architecture)
        return {o.column: price[o.column] - o.limit for o in self._objectives if o.limit is not None}

    def _constrain(self, number: int, architecture: Architecture) -> None:
        import optuna

        trial = optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)
        for name, value in self._constraints(architecture).items():
            trial.set_constraint(name, value)


def _share_distributions() -> None:
    """Optuna copies a trial with all of its distributions at each step, which was most of the time that a resume took. A
    distribution is a value that nobody changes: its copy may be itself."""
    from optuna.distributions import CategoricalDistribution

    CategoricalDistribution.__deepcopy__ = lambda self, memo: self


def _record(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": trial.params,
        "user_attrs": trial.user_attrs,
        "system_attrs": {k: v for k, v in trial.system_attrs.items() if k != "fixed_params"},
    }

"""The samplers that a config can name. Optuna's own, and ours, which know the model and the exact overheads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from search.catalogue import Catalogue
    from search.surrogate import Posterior

Avoid = Callable[[Architecture], bool]
# The user attribute of a trial that says which initial weights the training had; 0 where there is none.
BLOCK = "block"


@dataclass
class Memory:
    """What a sampler need not find out again at the next ask: architecture and block of a trial, by its number, the
    posterior of the trials of these numbers, and whatever a sampler from elsewhere keeps, by name."""

    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    fitted: tuple[tuple[int, ...], Posterior] | None = None
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What a sampler may know besides the study: the space, overheads in percent (``columns`` of ``price``), the block of
    the next training, what must not be proposed, the listed members, where the space is small enough, and a memory that is
    the same at every ask."""

    space: Space
    price: Callable[[Architecture], Mapping[str, float]]
    columns: Sequence[str]
    block: int
    avoid: Avoid
    listed: Catalogue | None
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Sampler:
    """How to make an Optuna sampler from a seed. One that ``replicates`` may propose again what was trained already;
    ``covering`` names the sampler that takes its place where the budget covers the space."""

    make: Callable[[int, Setting], BaseSampler]
    replicates: bool = False
    covering: str = ""


def _random(seed: int, setting: Setting) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _grid(seed: int, setting: Setting) -> BaseSampler:
    return _even_order(setting.space)


def _nsga2(seed: int, setting: Setting) -> BaseSampler:
    import optuna

    class Nsga2(optuna.samplers.NSGAIISampler):  # type: ignore[misc]
        """Parents in the order of their trials. Optuna returns them in another order when it has just selected them
        than when it remembers them, so a resumed run would draw other children."""

        def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
            return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)

    # Deb et al. 2002 with small generations: tens of trainings, not thousands.
    return Nsga2(seed=seed, population_size=12)


def _tpe(seed: int, setting: Setting) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)


def _knowledge_gradient(seed: int, setting: Setting) -> BaseSampler:
    from search import lookahead

    return _posterior(seed, setting, lookahead.knowledge_gradient)


def _thompson(seed: int, setting: Setting) -> BaseSampler:
    from search import lookahead

    return _posterior(seed, setting, lookahead.thompson)


def _posterior(seed: int, setting: Setting, rule: Any) -> BaseSampler:
    from search.propose.posterior import PosteriorSampler

    return PosteriorSampler(
        setting.space, setting.price, setting.columns, rule, seed=seed, block=setting.block, avoid=setting.avoid,
        listed=setting.listed, memory=setting.memory,
    )  # fmt: skip


def chosen(name: str, space: Space, budget: int | None) -> Sampler:
    """The sampler of a name for a run of so many trainings; a quarter of these go into the confirmation."""
    sampler = SAMPLERS[name]
    covers = budget is not None and space.size <= budget * 3 // 4
    return SAMPLERS[sampler.covering] if sampler.covering and covers else sampler


# Add a sampler here.
SAMPLERS: dict[str, Sampler] = {
    "random": Sampler(_random),
    "grid": Sampler(_grid),
    "nsga2": Sampler(_nsga2),
    "tpe": Sampler(_tpe),
    "thompson": Sampler(_thompson, replicates=True),
    "knowledge_gradient": Sampler(_knowledge_gradient, replicates=True),
    "auto": Sampler(_knowledge_gradient, replicates=True, covering="grid"),
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

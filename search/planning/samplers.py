"""The samplers that a config can name. Optuna's own, and ours, which know the model and the exact overheads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.planning.sampler_context import SamplerContext
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Sampler:
    """How to make an Optuna sampler from a seed. One that ``replicates`` may propose again what was trained already;
    ``covering`` names the sampler that takes its place where the budget covers the space."""

    make: Callable[[int, SamplerContext], BaseSampler]
    replicates: bool = False
    covering: str = ""


def _random(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _grid(seed: int, context: SamplerContext) -> BaseSampler:
    return _even_order(context.space)


def _nsga2(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    class Nsga2(optuna.samplers.NSGAIISampler):  # type: ignore[misc]
        """Parents in the order of their trials. Optuna returns them in another order when it has just selected them
        than when it remembers them, so a resumed run would draw other children."""

        def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
            return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)

    # Deb et al. 2002 with small generations: tens of trainings, not thousands.
    return Nsga2(seed=seed, population_size=12)


def _tpe(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)


def _knowledge_gradient(seed: int, context: SamplerContext) -> BaseSampler:
    from search.planning import acquisition

    return _posterior(seed, context, acquisition.knowledge_gradient)


def _thompson(seed: int, context: SamplerContext) -> BaseSampler:
    from search.planning import acquisition

    return _posterior(seed, context, acquisition.thompson)


def _posterior(seed: int, context: SamplerContext, rule: Any) -> BaseSampler:
    from search.planning.model_sampler import PosteriorSampler

    return PosteriorSampler(
        context.space, context.price, context.columns, rule, seed=seed, block=context.block, avoid=context.avoid,
        listed=context.listed, memory=context.memory,
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

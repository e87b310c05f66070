"""The samplers that a config can name: Optuna's own, and ours, which know the model and the exact overheads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.planning.sampler_context import SamplerContext
from search.state.confirmation_facts import CONFIRM_SHARE
from spaces.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Sampler:
    """How an Optuna sampler is made from a seed.

    ``replicates``: it may propose again what was trained already. ``covering``: the name of the sampler that replaces
    it if the budget covers the whole space. ``meaning``: what it proposes, in a line. ``pauses``: it may choose that a
    training pauses.
    """

    make: Callable[[int, SamplerContext], BaseSampler]
    meaning: str = ""
    replicates: bool = False
    covering: str = ""
    pauses: bool = False


def chosen(name: str, space: Space, budget: int | None, confirm: float = CONFIRM_SHARE) -> Sampler:
    """The sampler of a name for a run with a budget of trainings, of which a share may ``confirm``."""
    sampler = SAMPLERS[name]
    covers = budget is not None and space.size <= budget - math.ceil(round(confirm * budget, 6))
    return SAMPLERS[sampler.covering] if sampler.covering and covers else sampler


def _random(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _grid(seed: int, context: SamplerContext) -> BaseSampler:
    """Every architecture once, in golden-section steps through the space, so that any part of them is spread evenly."""
    from optuna.samplers import BaseSampler

    space = context.space

    class EvenOrder(BaseSampler):  # type: ignore[misc]
        def __init__(self) -> None:
            self._step = _coprime_step(space.size)

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
            return {}

        def sample_independent(self, study: Any, trial: FrozenTrial, name: str, distribution: Any) -> Any:
            return space.encode(space[trial.number * self._step % space.size])[name]

    return EvenOrder()


def _coprime_step(size: int) -> int:
    """The first number from the golden section of ``size`` on that has no common divisor with it."""
    step = max(1, round(size * 0.618))
    while math.gcd(step, size) != 1:
        step += 1
    return step


def _nsga2(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    class Nsga2(optuna.samplers.NSGAIISampler):  # type: ignore[misc]
        """NSGA-II with parents in the order of their trials.

        Optuna returns newly selected parents in another order than remembered ones, so a resumed run would draw other
        children.
        """

        def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
            return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)

    # Deb et al. 2002, with generations small enough for tens of trainings.
    return Nsga2(seed=seed, population_size=12)


def _tpe(seed: int, context: SamplerContext) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)


def _knowledge_gradient(seed: int, context: SamplerContext) -> BaseSampler:
    from search.planning.acquisition import knowledge_gradient

    return _by_posterior(seed, context, knowledge_gradient)


def _thompson(seed: int, context: SamplerContext) -> BaseSampler:
    from search.planning.acquisition import thompson

    return _by_posterior(seed, context, thompson)


def _by_posterior(seed: int, context: SamplerContext, rule: Any) -> BaseSampler:
    from search.planning.model_sampler import PosteriorSampler

    return PosteriorSampler(
        context.space,
        context.price,
        context.columns,
        rule,
        seed=seed,
        block=context.block,
        avoid=context.avoid,
        listed=context.listed,
        memory=context.memory,
        losses=context.losses,
        grid=context.grid,
        in_percent=context.in_percent,
        wants_proof=context.wants_proof,
        figures=context.figures,
        paused=context.paused,
        may_pause=context.may_pause,
    )


# Add a sampler here.
SAMPLERS: dict[str, Sampler] = {
    "random": Sampler(_random, "any architecture of the space, all with the same chance"),
    "grid": Sampler(_grid, "every architecture once, spread evenly over the space"),
    "nsga2": Sampler(_nsga2, "Optuna's NSGA-II: crosses and mutates the best of the last generation"),
    "tpe": Sampler(_tpe, "Optuna's TPE: settings that good trainings had more often than bad ones"),
    "thompson": Sampler(
        _thompson,
        "what is best in one draw of the model, which knows seed noise and repeats trainings",
        replicates=True,
    ),
    "knowledge_gradient": Sampler(
        _knowledge_gradient,
        "the training that improves the expected front most; the model knows seed noise and repeats trainings",
        replicates=True,
        pauses=True,
    ),
    "auto": Sampler(
        _knowledge_gradient,
        "knowledge_gradient, or grid if the budget covers the whole space",
        replicates=True,
        covering="grid",
        pauses=True,
    ),
}

"""Trainings that pause, before the first one: whether any ever can in a run, and after which epochs."""

import math
from collections.abc import Iterable
from dataclasses import replace

from search.planning import training_lengths
from search.planning.budget_split import before_confirmation
from search.planning.samplers import chosen
from search.planning.training_lengths import pause_after
from search.setup import shared_setup
from search.setup.experiment_setup import Prepared, at_its_line, short_trainings
from search.setup.opened_run import confirm_share
from spaces.errors import UserError
from spaces.text import plural

# Budgets up to this one are tried to find one that is large enough, as all of the next few are: pairs are rounded.
MOST = 1000
NEXT = 8
REMOVE = "remove search.short"


def check(prepared: Prepared) -> None:
    """Raises ConfigError if the config asks for pauses, and no training of the run could ever pause."""
    if short_trainings(prepared) is None:
        return
    with at_its_line(prepared.experiment):
        _check_sampler(prepared)
        _check_epochs(prepared)
        _check_budget(prepared)


def words(prepared: Prepared) -> str:
    """After which epochs trainings may pause, and from when on; empty if none may."""
    short = short_trainings(prepared)
    if short is None:
        return ""
    pause = pause_after(short.recipe)
    if pause is None:
        return ""
    when = f"once {training_lengths.FEWEST_WHOLE} whole trainings have shown that losses tell something"
    return f"trainings may pause after {pause.epoch} of {plural(short.recipe.epochs, 'epoch')}, {when}"


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_sampler(prepared: Prepared) -> None:
    experiment = prepared.experiment
    name = experiment.search.sampler
    sampler = chosen(name, prepared.space, experiment.budget.trainings, confirm_share(experiment))
    if sampler.pauses:
        return
    covered = f"`{name}` takes each placement once here, because the budget covers all of them, and"
    raise UserError(
        f"{covered if name == 'auto' else f'the sampler `{name}`'} chooses whole trainings only",
        hint=f"{REMOVE}, or write `search.sampler: knowledge_gradient`",
        key="search.short",
    )


def _check_epochs(prepared: Prepared) -> None:
    recipe = prepared.experiment.train
    if pause_after(recipe):
        return
    enough = next(
        e for e in range(recipe.epochs, 20 * (math.ceil(recipe.warmup) + 2)) if pause_after(replace(recipe, epochs=e))
    )
    warmup = f", after the warm-up of {recipe.warmup:g}" if recipe.warmup else ""
    raise UserError(
        f"no training can pause: it would at a sixteenth, an eighth or a quarter of the epochs{warmup}, and "
        f"train.epochs is {recipe.epochs}",
        hint=f"use train.epochs {enough} or more, or {REMOVE}",
        key="search.short",
    )


def _check_budget(prepared: Prepared) -> None:
    budget = prepared.experiment.budget.trainings
    if _leaves_room(prepared, budget):
        return
    enough = next((n for n in range(budget, MOST) if _leave_room(prepared, range(n, n + NEXT))), None)
    larger = f"use budget.trainings {enough} or more, or " if enough else ""
    raise UserError(
        f"no training can pause: the search may use {_searched(prepared, budget)} of {plural(budget, 'training')}, and "
        f"the first {training_lengths.FEWEST_WHOLE} are whole ones",
        hint=f"{larger}{REMOVE}",
        key="search.short",
    )


def _leaves_room(prepared: Prepared, budget: int) -> bool:
    return _searched(prepared, budget) > training_lengths.FEWEST_WHOLE


def _leave_room(prepared: Prepared, budgets: Iterable[int]) -> bool:
    return all(_leaves_room(prepared, budget) for budget in budgets)


def _searched(prepared: Prepared, budget: int) -> int:
    """The trainings of placements before the confirmation: what it and the shared network leave of the budget."""
    shared = math.ceil(shared_setup.SHARE * budget) if shared_setup.is_wanted(prepared.experiment) else 0
    return before_confirmation(budget, confirm_share(prepared.experiment)) - shared

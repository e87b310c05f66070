"""Checks of the section ``search`` that types cannot express: what it asks must suit how trainings are evaluated."""

from collections.abc import Iterator, Mapping
from typing import Any

from search.config.config_error import Fault
from senet_nas.recipe import Recipe
from senet_nas.training import quality_metrics

# What a table of results cannot do.
_OWN_ONLY = "works only with `evaluate: train`, or with a function that takes `network` and `training`"


def agreeing(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """What is asked of a search must suit how its trainings are evaluated."""
    yield from _halving(tree)
    yield from _short(tree)
    if tree.get("search", {}).get("shared") == "on" and tree.get("evaluate", "train") != "train":
        yield Fault(("search", "shared"), "works only with `evaluate: train`", "remove search.shared")


# -- inside -----------------------------------------------------------------------------------------------------------


def _is_table(tree: Mapping[str, Any]) -> bool:
    return str(tree.get("evaluate", "train")).startswith("table:")


def _short(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """A table cannot pause, and without a model of their curves nothing would be gained.

    Whether a function of the user's can is known once it is imported.
    """
    path = ("search", "short")
    search = tree.get("search", {})
    if search.get("short") != "on":
        return
    if _is_table(tree):
        yield Fault(path, _OWN_ONLY, "remove search.short")
    if search.get("model") == "accuracy":
        yield Fault(path, "needs a model that takes loss curves", "remove search.model, or search.short")


def _judged(tree: Mapping[str, Any]) -> list[str]:
    """The names of the objectives."""
    named = tree.get("objectives")
    metrics = [each.get("metric") for each in named if isinstance(each, dict)] if isinstance(named, list) else []
    return [metric for metric in metrics if isinstance(metric, str)]


def _halving(tree: Mapping[str, Any]) -> Iterator[Fault]:
    """Early stopping compares trainings at some epochs, so it needs enough epochs, whose number is known."""
    path = ("search", "halving")
    train = tree.get("train", {})
    reduction = tree.get("search", {}).get("halving")
    epochs = train.get("epochs", Recipe.epochs) if isinstance(train, dict) else None
    if not isinstance(reduction, int) or not isinstance(epochs, int):
        return
    if _is_table(tree):
        yield Fault(path, _OWN_ONLY, "remove search.halving")
    elif late := [name for name in _judged(tree) if (known := quality_metrics.known_metric(name)) and known.precision]:
        yield Fault(path, f"{late[0]} is measured when a training ends, too late to stop it", "remove search.halving")
    elif epochs < reduction:
        hint = "raise train.epochs, or remove search.halving"
        yield Fault(path, f"needs at least {reduction} epochs, and train.epochs is {epochs}", hint)

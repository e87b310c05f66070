"""The units of a network, found in the network itself, each with a slot at every position that it offers."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from senet_nas.network.squeeze_excitation import OUTPUT, add_output
from senet_nas.network.stages import with_stages
from senet_nas.network.surgery import meta_run
from senet_nas.network.surgery.calls import constants
from senet_nas.network.surgery.joins import activation_units, has_own_forward, joining_units, sibling_units
from senet_nas.network.surgery.layer_kinds import Layers, n_convolutions, n_weights
from senet_nas.network.surgery.measure import Measured, Passed, measure
from senet_nas.network.surgery.plans import BEHIND_ALL, Plan, Plans
from senet_nas.network.surgery.residual import residual_units
from senet_nas.network.surgery.rewire import rewire, unit_paths
from senet_nas.network.surgery.tracing import Untraceable


@dataclass(frozen=True)
class Found:
    """What was found: ``skipped`` says of parts of the network, by path, why SE cannot act there."""

    n_units: int
    skipped: Mapping[str, str]


def offer_units(made: nn.Module, in_channels: int) -> Found:
    """Puts the slots of all units into a network, in place, and notes its stages. Raises UserError if it cannot be run.

    The network computes the same as before, and parameters keep their names.
    """
    shadow = meta_run.shadow_of(made)
    layers = Layers(constants(shadow, filter(has_own_forward, shadow.modules()), in_channels))
    plans, skipped = _planned(layers, shadow)
    while True:
        tried = meta_run.shadow_of(made)
        _put(layers, shadow, tried, plans, {})
        measured = measure(made, tried, in_channels)
        faulty = measured.faults
        if not faulty:
            break
        for path, slot in _slots(made, plans):
            skipped |= {path: faulty[slot]} if slot in faulty else {}
        plans = _without(made, plans, faulty)
    paths = {path: unit_paths(made.get_submodule(path), path, found) for path, found in plans.items()}
    _put(layers, shadow, made, plans, measured.passed)
    units = sorted(_units(plans, paths, measured), key=lambda unit: unit.passed.order)
    is_residual = any(plan.is_residual for found in plans.values() for plan in found)
    runs = itertools.groupby(units, key=lambda unit: (unit.passed.sides, unit.passed.channels if is_residual else 0))
    with_stages(made, tuple(tuple(unit.path for unit in run) for _, run in runs))
    return Found(len(units), _without_units(skipped, {unit.path for unit in units}))


# -- plans ------------------------------------------------------------------------------------------------------------


def _planned(layers: Layers, shadow: nn.Module) -> tuple[Plans, dict[str, str]]:
    """The units of a network, and why parts of it have none, by path."""
    plans: Plans = {}
    skipped = {}
    for path, module in shadow.named_modules():
        if not has_own_forward(module) or not n_weights(module):
            continue
        try:
            found = residual_units(layers, module)
        except Untraceable as error:
            if n_convolutions(module):
                skipped[path] = str(error)
            continue
        if found:
            plans[path] = found
    inner = {path: [plan for plan in found if not _is_group(path, plan, plans)] for path, found in plans.items()}
    plans = {path: found for path, found in inner.items() if found}
    plans |= sibling_units(layers, shadow, plans)
    plans |= joining_units(layers, shadow, plans)
    return plans or activation_units(layers, shadow), skipped


def _without_units(skipped: Mapping[str, str], units: set[str]) -> dict[str, str]:
    """Of the parts for which there is a reason those that hold no unit."""
    held = {path: any(f".{unit}.".startswith(f".{path}.") or not path for unit in units) for path in skipped}
    return {path: why for path, why in skipped.items() if not held[path]}


def _is_group(path: str, plan: Plan, plans: Plans) -> bool:
    """Whether the branch of a unit holds other units: it is a group of them, as in long skip connections."""
    branches = tuple(f"{path}.{child}".strip(".") for child in plan.branch)
    return any(other == branch or other.startswith(f"{branch}.") for other in plans for branch in branches)


def _without(made: nn.Module, plans: Plans, faulty: Mapping[str, str]) -> Plans:
    """The plans without faulty slots. A unit whose end is at fault is none."""
    kept: Plans = {}
    for path, found in plans.items():
        paths = unit_paths(made.get_submodule(path), path, found)
        left = [
            plan.without({name for name in plan.edits if _slot(unit, name) in faulty})
            for unit, plan in zip(paths, found, strict=True)
        ]
        if sound := [plan for plan, before in zip(left, found, strict=True) if before.end in plan.edits]:
            kept[path] = sound
    return kept


def _slots(made: nn.Module, plans: Plans) -> Iterator[tuple[str, str]]:
    """The path of each slot that is planned, after that of its module."""
    for path, found in plans.items():
        for unit, plan in zip(unit_paths(made.get_submodule(path), path, found), found, strict=True):
            yield from ((path, _slot(unit, position)) for position in plan.edits)


def _put(layers: Layers, shadow: nn.Module, network: nn.Module, plans: Plans, passed: Mapping[str, Passed]) -> None:
    """Rewires a network that is built like the shadow. Where nothing was measured yet, slots have no channels."""
    for path, found in plans.items():
        module = network.get_submodule(path)
        if found == [BEHIND_ALL]:
            add_output(module, _channels(_slot(path, OUTPUT), passed))
            continue
        widths = [
            {position: _channels(_slot(unit, position), passed) for position in plan.edits}
            for unit, plan in zip(unit_paths(module, path, found), found, strict=True)
        ]
        rewire(module, layers.graph(shadow.get_submodule(path), found[0].opened), found, widths)


def _channels(path: str, passed: Mapping[str, Passed]) -> int:
    return passed[path].channels if path in passed else 0


# -- units ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Unit:
    path: str
    passed: Passed


def _units(plans: Plans, paths: Mapping[str, list[str]], measured: Measured) -> Iterator[_Unit]:
    for path, found in plans.items():
        for unit, plan in zip(paths[path], found, strict=True):
            yield _Unit(unit, measured.passed[_slot(unit, plan.end)])


def _slot(unit: str, position: str) -> str:
    return f"{unit}.{position}".strip(".")

"""The units of a network, found in the network itself, each with a slot at every position that it offers."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import nn

from senet_nas.network.stages import with_stages
from senet_nas.network.surgery import meta_run
from senet_nas.network.surgery.layer_kinds import Layers, n_weights
from senet_nas.network.surgery.measure import Measured, Passed, measure
from senet_nas.network.surgery.residual import Plan, residual_units
from senet_nas.network.surgery.rewire import rewire, unit_paths
from senet_nas.network.surgery.tracing import Untraceable

Plans = dict[str, list[Plan]]


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
    layers = Layers()
    plans, skipped = _planned(layers, shadow)
    while True:
        tried = meta_run.shadow_of(made)
        _put(layers, shadow, tried, plans, {})
        measured = measure(made, tried, in_channels)
        faulty = measured.faults
        if not faulty:
            break
        plans = _without(made, plans, faulty)
        skipped |= {path.rpartition(".")[0]: fault for path, fault in faulty.items()}
    paths = {path: unit_paths(made.get_submodule(path), path, found) for path, found in plans.items()}
    _put(layers, shadow, made, plans, measured.passed)
    units = sorted(_units(plans, paths, measured), key=lambda unit: unit.passed.order)
    runs = itertools.groupby(units, key=lambda unit: (unit.passed.sides, unit.passed.channels))
    with_stages(made, tuple(tuple(unit.path for unit in run) for _, run in runs))
    return Found(len(units), skipped)


# -- plans ------------------------------------------------------------------------------------------------------------


def _planned(layers: Layers, shadow: nn.Module) -> tuple[Plans, dict[str, str]]:
    """The units of each module that has some, by its path, and why others have none."""
    plans: Plans = {}
    skipped = {}
    for path, module in shadow.named_modules():
        if not _may_own(module):
            continue
        try:
            found = residual_units(layers, module)
        except Untraceable as error:
            skipped[path] = str(error)
            continue
        if found:
            plans[path] = found
    inner = {path: [plan for plan in found if not _is_group(path, plan, plans)] for path, found in plans.items()}
    return {path: found for path, found in inner.items() if found}, skipped


def _may_own(module: nn.Module) -> bool:
    is_torchs = type(module).__module__.startswith("torch.nn.")
    return bool(list(module.children())) and not is_torchs and "forward" not in vars(module) and n_weights(module) > 0


def _is_group(path: str, plan: Plan, plans: Plans) -> bool:
    """Whether the branch of a unit holds other units: it is a group of them, as in long skip connections."""
    branches = tuple(f"{path}.{child}".strip(".") for child in plan.branch)
    return any(other == branch or other.startswith(f"{branch}.") for other in plans for branch in branches)


def _without(made: nn.Module, plans: Plans, faulty: Mapping[str, str]) -> Plans:
    """The plans without faulty slots. A unit whose sum is at fault is none."""
    kept: Plans = {}
    for path, found in plans.items():
        paths = unit_paths(made.get_submodule(path), path, found)
        left = [_reduced(plan, unit, faulty) for unit, plan in zip(paths, found, strict=True)]
        if sound := [plan for plan in left if "post_addition" in plan.edits]:
            kept[path] = sound
    return kept


def _reduced(plan: Plan, unit: str, faulty: Mapping[str, str]) -> Plan:
    edits = {name: edit for name, edit in plan.edits.items() if _slot(unit, name) not in faulty}
    return replace(plan, edits=edits)


def _put(layers: Layers, shadow: nn.Module, network: nn.Module, plans: Plans, passed: Mapping[str, Passed]) -> None:
    """Rewires a network that is built like the shadow. Where nothing was measured yet, slots have no channels."""
    for path, found in plans.items():
        module = network.get_submodule(path)
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
    for path in plans:
        for unit in paths[path]:
            yield _Unit(unit, measured.passed[_slot(unit, "post_addition")])


def _slot(unit: str, position: str) -> str:
    return f"{unit}.{position}".strip(".")

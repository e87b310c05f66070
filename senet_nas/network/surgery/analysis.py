"""What is to be done to a network so that all of its units have slots: found once for networks that are built alike."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import fx, nn

from senet_nas.network.squeeze_excitation import OUTPUT, add_output
from senet_nas.network.stages import Stages
from senet_nas.network.surgery import meta_run
from senet_nas.network.surgery.as_published import Published, Taken, notes, taken, taken_behind
from senet_nas.network.surgery.attention import Marker, attention_of
from senet_nas.network.surgery.calls import calls_of
from senet_nas.network.surgery.joins import activation_units, closed_units, joining_units, sibling_units
from senet_nas.network.surgery.layer_kinds import Layers, has_own_forward, n_convolutions
from senet_nas.network.surgery.measure import Measured, Passed, measure
from senet_nas.network.surgery.plans import BEHIND_ALL, Plan, Plans
from senet_nas.network.surgery.residual import adds_inputs, residual_units
from senet_nas.network.surgery.rewire import rewire, unit_paths
from senet_nas.network.surgery.tracing import Untraceable
from spaces.text import plural

Graphs = dict[str, fx.Graph]
# Why a unit offers its output alone.
_TWO = "its addition takes another tensor that it is given; give the unit slots of its own to have SE inside it"


@dataclass(frozen=True)
class Analysis:
    """Plans and graphs by the path of a module; ``channels`` of each slot, ``removed`` attention, by path.

    ``missed`` says of parts of the network, by path, why they have no units.
    """

    plans: Plans
    graphs: Graphs
    channels: Mapping[str, int]
    removed: tuple[str, ...]
    stages: Stages
    published: Published
    missed: Mapping[str, str]

    def apply(self, network: nn.Module) -> None:
        """Takes attention out of a network that is built like the one that was analysed, and puts all slots into it."""
        for path in self.removed:
            network.set_submodule(path, nn.Identity())
        _put(network, self.plans, self.graphs, self.channels)


def analyse(made: nn.Module, in_channels: int) -> Analysis:
    """Finds the units of a network, which is not changed. Raises UserError if it cannot be run."""
    shadow = meta_run.shadow_of(made)
    attention = attention_of(made, meta_run.dimensions(made))
    for path, known in attention.items():
        shadow.set_submodule(path, Marker(known.se is not None))
    layers = Layers(calls_of(shadow, filter(has_own_forward, shadow.modules()), in_channels))
    plans, skipped = _planned(layers, shadow)
    graphs = {
        path: layers.graph(shadow.get_submodule(path), found[0].opened)
        for path, found in plans.items()
        if found != [BEHIND_ALL]
    }
    plans, measured, faults = _measured(made, plans, graphs, in_channels)
    out = [*taken(shadow, plans, graphs, attention), *taken_behind(layers, shadow, plans, attention)]
    units = sorted(_units(made, plans, measured), key=lambda unit: unit.passed.order)
    missed = _without_units(skipped | faults, plans, {unit.path for unit in units})
    remarks = (*notes(attention, out), *_why(missed, plans))
    return Analysis(
        plans,
        graphs,
        {path: passed.channels for path, passed in measured.passed.items()},
        tuple(one.path for one in out),
        _stages(plans, units),
        _published(made, plans, units, out, remarks),
        missed,
    )


# -- plans ------------------------------------------------------------------------------------------------------------


def _planned(layers: Layers, shadow: nn.Module) -> tuple[Plans, dict[str, str]]:
    """The units of a network, and why parts of it have none, by path."""
    plans: Plans = {}
    skipped = {}
    for path, module in shadow.named_modules():
        if not has_own_forward(module) or not any(True for _ in module.parameters()):
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
    plans |= closed_units(layers, shadow, skipped, plans)
    joined = [path for path, found in plans.items() if not any(plan.is_residual for plan in found)]
    skipped |= {path: _TWO for path in joined if adds_inputs(layers, shadow.get_submodule(path))}
    return plans or activation_units(layers, shadow), skipped


def _without_units(skipped: Mapping[str, str], plans: Plans, units: set[str]) -> dict[str, str]:
    """Of the parts for which there is a reason those that hold no unit.

    An activation that stands for units of a chain does not count: it says nothing of the part around it. Nor does a
    unit that offers its output alone, for this reason.
    """
    counted = {unit for unit in units if plans.get(unit) != [BEHIND_ALL] and unit not in skipped}
    held = {path: any(f".{unit}.".startswith(f".{path}.") for unit in counted) for path in skipped if path}
    return {path: why for path, why in skipped.items() if not (held[path] if path else units)}


def _why(missed: Mapping[str, str], plans: Plans) -> Iterator[str]:
    """A sentence for each reason, with the first part that it concerns and the number of others."""
    for why in dict.fromkeys(missed.values()):
        first, *others = (path for path, its in missed.items() if its == why)
        more = f" and {plural(len(others), 'other part')}" if others else ""
        found = "only `output`" if first in plans else "no unit"
        yield f"{found} in `{first}`{more}: {why}"


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


def _measured(
    made: nn.Module, plans: Plans, graphs: Graphs, in_channels: int
) -> tuple[Plans, Measured, dict[str, str]]:
    """The plans whose slots are sound, what passes through these, and why others are not, by path."""
    faults: dict[str, str] = {}
    while True:
        tried = meta_run.shadow_of(made)
        _put(tried, plans, graphs, {})
        measured = measure(made, tried, in_channels)
        if not measured.faults:
            return plans, measured, faults
        faults |= {path: measured.faults[slot] for path, slot in _slots(made, plans) if slot in measured.faults}
        plans = _without(made, plans, measured.faults)


def _put(network: nn.Module, plans: Plans, graphs: Graphs, channels: Mapping[str, int]) -> None:
    """Puts slots into a network. Where nothing was measured yet, they have no channels."""
    for path, found in plans.items():
        module = network.get_submodule(path)
        if found == [BEHIND_ALL]:
            add_output(module, channels.get(_slot(path, OUTPUT), 0))
            continue
        widths = [
            {position: channels.get(_slot(unit, position), 0) for position in plan.edits}
            for unit, plan in zip(unit_paths(module, path, found), found, strict=True)
        ]
        rewire(module, graphs[path], found, widths)


def _slot(unit: str, position: str) -> str:
    return f"{unit}.{position}".strip(".")


# -- units ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Unit:
    """The path of the module with the slots of a unit, and what its end passes on."""

    path: str
    passed: Passed


def _units(made: nn.Module, plans: Plans, measured: Measured) -> Iterator[_Unit]:
    for path, found in plans.items():
        for unit, plan in zip(unit_paths(made.get_submodule(path), path, found), found, strict=True):
            yield _Unit(unit, measured.passed[_slot(unit, plan.end)])


def _stages(plans: Plans, units: list[_Unit]) -> Stages:
    """A stage is a run of units at one resolution, and of one width if some unit has an addition: that keeps it."""
    is_residual = any(plan.is_residual for found in plans.values() for plan in found)
    runs = itertools.groupby(units, key=lambda unit: (unit.passed.sides, unit.passed.channels if is_residual else 0))
    return tuple(tuple(unit.path for unit in run) for _, run in runs)


def _published(
    made: nn.Module, plans: Plans, units: list[_Unit], out: list[Taken], remarks: tuple[str, ...]
) -> Published:
    """The SE of each unit as published."""
    paths = {path: unit_paths(made.get_submodule(path), path, found) for path, found in plans.items()}
    taken_out = {paths[one.owner][one.unit]: one for one in out}
    found = [taken_out.get(unit.path) for unit in units]
    return Published(
        tuple(one.se if one is not None else None for one in found),
        remarks,
        tuple(one.path if one is not None else "" for one in found),
    )

"""Residual units in the graph of one module: an addition, its branch, its shortcut, and the places for SE around them.

An addition ends a residual unit if both summands come from one value, and one of them, the branch, has more weight
layers than the other, the shortcut, and an activation, which the shortcut lacks. So sums of parallel linear branches
(RepVGG, arXiv 2101.03697) are no units, nor are sums of parts of the channels (Res2Net, arXiv 1904.01169) or of several
inputs (HRNet, arXiv 1908.07919).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import fx, nn

from senet_nas.network.surgery.additions import Addition, addition_at
from senet_nas.network.surgery.flow import Flow, is_part
from senet_nas.network.surgery.layer_kinds import Layers, is_active_node, is_drop_node
from senet_nas.network.surgery.middle import Middle, middle
from senet_nas.network.surgery.own_places import own_place, own_place_before
from senet_nas.network.surgery.plans import Edit, Plan
from senet_nas.network.surgery.tracing import Untraceable


@dataclass(frozen=True)
class _Residual:
    """An addition with the value from which both summands come, and the last node of branch and shortcut.

    ``taker``: the node that takes both, which is the addition itself unless that sums a stack.
    """

    addition: fx.Node
    taker: fx.Node
    fork: fx.Node
    branch: fx.Node
    shortcut: fx.Node


def residual_units(layers: Layers, module: nn.Module) -> list[Plan]:
    """The residual units in the forward of a module itself. Raises Untraceable."""
    opened: set[str] = set()
    closed: set[str] = set()
    while True:
        try:
            flow = Flow(layers.graph(module, opened), layers.call(module).same)
        except Untraceable:
            if not opened:
                raise
            closed |= opened  # one of them cannot be opened: the unit offers no `mid`
            opened = set()
            continue
        found = _outer_removed(flow, list(_residuals(layers, module, flow)))
        middles = {unit.addition: _middle(layers, module, flow, unit, closed) for unit in found}
        wanted = {middle.to_open for middle in middles.values() if middle.to_open} - opened
        if not wanted:
            if found:
                layers.check_modes(module, opened)
            plans = [_plan(layers, module, flow, unit, middles[unit.addition].node, opened) for unit in found]
            before = own_place_before(layers, module, flow, found[0].fork) if found else {}
            return [*([Plan(tuple(sorted(opened)), before)] if before else []), *plans]
        opened |= wanted


def adds_inputs(layers: Layers, module: nn.Module) -> bool:
    """Whether a branch in a module is added to another of its inputs, so that no place before both is known."""
    try:
        flow = Flow(layers.graph(module), layers.call(module).same)
    except Untraceable:
        return False
    found = [added for node in flow.nodes if (added := addition_at(layers, module, node))]
    return any(
        flow.fork(added.one, added.other) is None
        and any(layers.is_active(module, part) and layers.weights(module, part) for part in _above(flow, added))
        for added in found
    )


def _above(flow: Flow, added: Addition) -> tuple[list[fx.Node], ...]:
    """What every path to either summand passes."""
    return flow.trunk(None, added.one), flow.trunk(None, added.other)


def _residuals(layers: Layers, module: nn.Module, flow: Flow) -> Iterable[_Residual]:
    for node in flow.nodes:
        added = addition_at(layers, module, node)
        fork = flow.fork(added.one, added.other) if added else None
        if added is None or fork is None:
            continue
        for branch, shortcut in ((added.one, added.other), (added.other, added.one)):
            if _is_residual(layers, module, flow, fork, branch, shortcut):
                yield _Residual(node, added.taker, fork, branch, shortcut)


def _is_residual(
    layers: Layers, module: nn.Module, flow: Flow, fork: fx.Node, branch: fx.Node, shortcut: fx.Node
) -> bool:
    inside = flow.between(fork, branch)
    beside = flow.between(fork, shortcut)
    if any(is_part(node) for node in beside) or layers.is_active(module, beside):
        return False
    return layers.is_active(module, inside) and layers.learned(module, inside) > layers.learned(module, beside)


def _outer_removed(flow: Flow, units: list[_Residual]) -> list[_Residual]:
    """The units without those whose branch contains another: these are groups of units."""
    ends = {unit.addition for unit in units}
    return [unit for unit in units if not ends & flow.between(unit.fork, unit.branch)]


def _middle(layers: Layers, module: nn.Module, flow: Flow, unit: _Residual, closed: set[str]) -> Middle:
    found = middle(layers, module, flow.trunk(unit.fork, unit.branch))
    return Middle() if found.to_open in closed else found


def _plan(
    layers: Layers, module: nn.Module, flow: Flow, unit: _Residual, place: fx.Node | None, opened: Iterable[str]
) -> Plan:
    """Where the slots of a unit stand: see :class:`senet_nas.network.squeeze_excitation.ResidualUnit`."""
    last, user = _before_drops(module, unit)
    inside = flow.between(unit.fork, unit.branch)
    beside = flow.between(unit.fork, unit.shortcut)
    edits = {
        "pre_addition": Edit(last.name, (user.name,)),
        "post_addition": Edit(_activated(layers, module, unit.addition).name),
    }
    if not inside & beside:
        begins = next((node for node in inside if node.op == "placeholder"), unit.fork)
        first = tuple(node.name for node in begins.users if node in inside)
        edits["pre_unit"] = Edit(begins.name, first)
    edits["identity"] = Edit(unit.shortcut.name, (unit.taker.name,))
    if place is not None:
        edits["mid"] = Edit(place.name)
    places = [last, *([place] if place is not None else [])]
    edits |= own_place(layers, module, flow, unit.fork, unit.branch, places)
    children = (str(node.target).partition(".")[0] for node in inside if node.op == "call_module")
    return Plan(tuple(sorted(opened)), edits, tuple(dict.fromkeys(children)))


def _before_drops(module: nn.Module, unit: _Residual) -> tuple[fx.Node, fx.Node]:
    """The end of the branch, before dropout and stochastic depth, and the node that takes it."""
    last = unit.branch
    user = unit.taker
    while last is not unit.fork and is_drop_node(module, last) and len(last.all_input_nodes) == 1:
        before = last.all_input_nodes[0]
        if len(before.users) > 1:
            break
        last, user = before, last
    return last, user


def _activated(layers: Layers, module: nn.Module, addition: fx.Node) -> fx.Node:
    """The activation that takes the sum, if nothing else does; else the addition."""
    users = list(addition.users)
    if len(users) == 1 and is_active_node(layers, module, users[0]) and len(users[0].all_input_nodes) == 1:
        return users[0]
    return addition

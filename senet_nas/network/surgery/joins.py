"""Units without an addition of their own: they offer ``output``, and ``mid`` where a residual unit would.

* A module that stands where others of the network have residual units, or is of their class: its shortcut is missing
  because it strides or changes the width, as in MobileNet-v2 (arXiv 1801.04381).
* A module that joins branches by a concatenation (Inception, DenseNet) or by a linear sum (RepVGG), or that ends in
  attention of its own (VoVNet).
* A module of which torch.fx makes no graph, if the network has several of its class: it offers ``output`` alone.
* In a network without any of these, the activation behind each convolution (VGG, arXiv 1409.1556).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator

from torch import fx, nn

from senet_nas.network.squeeze_excitation import OUTPUT
from senet_nas.network.surgery import layer_kinds as kinds
from senet_nas.network.surgery.additions import addition_at
from senet_nas.network.surgery.flow import Flow, name_of
from senet_nas.network.surgery.layer_kinds import Layers, has_own_forward
from senet_nas.network.surgery.middle import middle
from senet_nas.network.surgery.own_places import ends_in_attention, own_place
from senet_nas.network.surgery.plans import BEHIND_ALL, Edit, Plan, Plans
from senet_nas.network.surgery.tracing import Untraceable

_JOINING = ("cat", "concat", "concatenate")


def sibling_units(layers: Layers, shadow: nn.Module, residual: Plans) -> Plans:
    """The modules without a residual unit whose class, or whose place in the network, is that of modules with one."""
    classes = {type(shadow.get_submodule(path)) for path in residual}
    places = {_place(path) for path in residual}
    found: Plans = {}
    for path, module in shadow.named_modules():
        stands_alike = _place(path) in places and has_own_forward(module) and kinds.n_weights(module) > 1
        is_alike = type(module) in classes or stands_alike
        if is_alike and not _overlaps(path, residual) and (plan := _unit(layers, module)) is not None:
            found[path] = [plan]
    return found


def joining_units(layers: Layers, shadow: nn.Module, others: Plans) -> Plans:
    """The innermost modules that join branches, outside of all other units."""
    ending = _ending(layers, shadow)
    joining = [path for path, module in shadow.named_modules() if has_own_forward(module) and _joins(layers, module)]
    wanted = [*ending, *(path for path in joining if not any(_is_inside(path, outer) for outer in ending))]
    found: Plans = {}
    for path in wanted:
        is_innermost = not any(other != path and _is_inside(other, path) for other in wanted)
        if is_innermost and not _overlaps(path, others) and (plan := _unit(layers, shadow.get_submodule(path))):
            found[path] = [Plan(plan.opened, {OUTPUT: plan.edits[OUTPUT]})]
    return found


def _ending(layers: Layers, shadow: nn.Module) -> list[str]:
    """The modules in the network that end in attention of their own, and those of their classes, joining or not."""
    modules = {path: module for path, module in shadow.named_modules() if path and has_own_forward(module)}
    kinds_found = {type(module) for module in modules.values() if _is_ending(layers, module)}
    return [path for path, module in modules.items() if type(module) in kinds_found]


def _is_ending(layers: Layers, module: nn.Module) -> bool:
    try:
        return ends_in_attention(module, layers.graph(module))
    except Untraceable:
        return False


def closed_units(layers: Layers, shadow: nn.Module, untraceable: Collection[str], others: Plans) -> Plans:
    """The innermost modules without a graph that take one tensor, outside of all other units."""
    modules = {path: shadow.get_submodule(path) for path in untraceable if path}
    counts = Counter(type(module) for module in modules.values())
    found: Plans = {}
    for path, module in modules.items():
        is_innermost = not any(other != path and _is_inside(other, path) for other in modules)
        is_single = layers.takes_one(module) and counts[type(module)] > 1
        if is_innermost and is_single and not _overlaps(path, others):
            found[path] = [BEHIND_ALL]
    return found


def activation_units(layers: Layers, shadow: nn.Module) -> Plans:
    """The activations behind a convolution, each a module of its own."""
    found: Plans = {}
    for path, module in shadow.named_modules():
        for node in _activated_convolutions(layers, module) if list(module.children()) else ():
            found[f"{path}.{node.target}".strip(".")] = [BEHIND_ALL]
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _place(path: str) -> str:
    """The path with `#` for its numbers: ``blocks.#.#``."""
    return re.sub(r"\d+", "#", path)


def _is_inside(path: str, outer: str) -> bool:
    return path.startswith(f"{outer}.") or not outer


def _overlaps(path: str, plans: Plans) -> bool:
    """Whether a module has units, or lies in one that has, or holds one that has."""
    return any(path == other or _is_inside(path, other) or _is_inside(other, path) for other in plans)


def _unit(layers: Layers, module: nn.Module) -> Plan | None:
    """The places in a module that takes and returns one tensor; None if its graph does not show that it does."""
    opened: set[str] = set()
    try:
        while True:
            flow = Flow(layers.graph(module, opened))
            end = _returned(flow)
            if end is None:
                return None
            found = middle(layers, module, flow.trunk(None, end))
            if not found.to_open:
                layers.check_modes(module, opened)
                break
            opened.add(found.to_open)
    except Untraceable:
        return None
    edits = {} if found.node is None else {"mid": Edit(found.node.name)}
    places = [end, *([found.node] if found.node is not None else [])]
    own = own_place(layers, module, flow, None, end, places)
    edits |= {position: edit for position, edit in own.items() if position == "mid"}
    return Plan(tuple(sorted(opened)), {**edits, OUTPUT: Edit(end.name)})


def _returned(flow: Flow) -> fx.Node | None:
    """The node whose value a module returns, if it is one value that the module computes."""
    (output,) = (node for node in flow.nodes if node.op == "output")
    value = output.args[0]
    return value if isinstance(value, fx.Node) and value.op != "placeholder" else None


def _joins(layers: Layers, module: nn.Module) -> bool:
    try:
        nodes = list(layers.graph(module).nodes)
    except Untraceable:
        return False
    if not layers.weights(module, nodes):
        return False
    return any(name_of(node) in _JOINING or addition_at(layers, module, node) for node in nodes)


def _activated_convolutions(layers: Layers, module: nn.Module) -> Iterator[fx.Node]:
    """The activations in the forward of a module that follow a convolution, maybe with a norm between them."""
    try:
        nodes = list(layers.graph(module).nodes)
    except Untraceable:
        return
    for node in nodes:
        layer = kinds.called(module, node)
        is_norm = layer is not None and kinds.is_norm(layer) and layers.activates(layer)
        if layer is not None and (is_norm or kinds.is_active_node(layers, module, node)):
            before = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
            while before is not None and _is_passing(module, before):
                before = before.all_input_nodes[0]
            if before is not None and kinds.is_convolution(kinds.called(module, before)):
                yield node


def _is_passing(module: nn.Module, node: fx.Node) -> bool:
    layer = kinds.called(module, node)
    is_norm = layer is not None and kinds.is_norm(layer)
    return (is_norm or kinds.is_drop_node(module, node)) and len(node.all_input_nodes) == 1

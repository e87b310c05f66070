"""Slots in the forward of a module: its class becomes a subclass that computes the same by a graph with slots in it.

As in ``torch.nn.utils.parametrize`` the module itself stays: its children, parameters and their names. So there are no
hooks, and copies, traces and exports see an ordinary module.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import fx, nn

from senet_nas.network.squeeze_excitation import Slot
from senet_nas.network.surgery.plans import Plan

_HOLDER = "se_unit{}"
_classes: dict[tuple[type[nn.Module], str], type[nn.Module]] = {}


class Rewired:
    """y = F(x) with slots between its operations: a module of another class. :func:`rewire` makes one."""


def rewire(module: nn.Module, graph: fx.Graph, plans: Sequence[Plan], widths: Sequence[Mapping[str, int]]) -> None:
    """Puts the slots of all units of a module into it; ``graph`` is that of its forward, ``widths`` is by position."""
    holders = list(_holders(module, plans))
    for plan, holder, channels in zip(plans, holders, widths, strict=True):
        owner = module if not holder else _held(module, holder)
        for position in plan.edits:
            owner.add_module(position, Slot(channels[position]))
    written = _with_slots(graph, plans, holders)
    module.__class__ = _rewired(type(module), written.python_code("self"))


def unit_paths(module: nn.Module, path: str, plans: Sequence[Plan]) -> list[str]:
    """The path of the module that holds the slots of each unit: the module at ``path``, or a child of its own."""
    return [f"{path}.{holder}".strip(".") for holder in _holders(module, plans)]


# -- inside -----------------------------------------------------------------------------------------------------------


def _holders(module: nn.Module, plans: Sequence[Plan]) -> Iterator[str]:
    """The name of the child that holds the slots of each unit; empty if the module itself holds them.

    It does if it has one unit, and none of its attributes is called like a position.
    """
    taken = any(hasattr(module, position) for plan in plans for position in plan.edits)
    is_plain = len(plans) == 1 and not taken
    yield from ("" if is_plain else _HOLDER.format(number) for number in range(len(plans)))


def _held(module: nn.Module, name: str) -> nn.Module:
    module.add_module(name, nn.ModuleDict())
    return module.get_submodule(name)


def _with_slots(graph: fx.Graph, plans: Sequence[Plan], holders: Sequence[str]) -> fx.Graph:
    """A copy of a graph with a call of each slot. Slots for some users come first, as they may meet in one node."""
    written = copy.deepcopy(graph)
    nodes = {node.name: node for node in written.nodes}
    edits = [
        (f"{holder}.{position}".strip("."), edit)
        for plan, holder in zip(plans, holders, strict=True)
        for position, edit in plan.edits.items()
    ]
    for path, edit in sorted(edits, key=lambda item: item[1].users is None):
        _insert(written, path, nodes[edit.behind], [nodes[name] for name in edit.users or ()])
    written.lint()
    return written


def _insert(graph: fx.Graph, path: str, behind: fx.Node, users: Sequence[fx.Node]) -> None:
    """A call of the slot at ``path``: right before its first user, so that what works in place before it is done."""
    chosen = set(users) or set(behind.users)
    first = next(node for node in graph.nodes if node in chosen)
    with graph.inserting_before(first):
        slot = graph.call_module(path, (behind,))
    for user in chosen:
        user.replace_input_with(behind, slot)


def _rewired(kind: type[nn.Module], code: Any) -> type[nn.Module]:
    key = (kind, code.src)
    if key not in _classes:
        space: dict[str, Any] = dict(code.globals)
        exec(compile(code.src, f"<{kind.__name__} with slots>", "exec"), space)
        forward: Callable[..., Any] = space["forward"]
        _classes[key] = type(kind.__name__, (Rewired, kind), {"forward": forward})
    return _classes[key]

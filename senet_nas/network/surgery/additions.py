"""Additions in the graph of a module, however they are written: ``x + y``, ``x - y``, the sum of a stack, a module."""

import operator
from dataclasses import dataclass

import torch
from torch import fx, nn

from senet_nas.network.surgery.flow import name_of
from senet_nas.network.surgery.layer_kinds import Layers, called, is_active_node, is_drop_node, n_weights
from senet_nas.network.surgery.tracing import Untraceable

_OPERATORS = (operator.add, operator.iadd, operator.sub, operator.isub, torch.add, torch.sub)
_METHODS = ("add", "sub")
_REDUCING = ("sum", "mean")


@dataclass(frozen=True)
class Addition:
    """``node`` is the sum of ``one`` and ``other``, or their difference; ``taker`` is the node that is given both."""

    node: fx.Node
    taker: fx.Node
    one: fx.Node
    other: fx.Node


def addition_at(layers: Layers, module: nn.Module, node: fx.Node) -> Addition | None:
    """The addition of two tensors, given or computed, that ends at a node of the module itself; None if none does."""
    if node.meta.get("nn_module_stack") and node.op != "call_module":
        return None  # of an opened child
    taker = _taker(layers, module, node)
    values = [value for value in taker.all_input_nodes if value.op != "get_attr"] if taker is not None else []
    if taker is None or len(values) != 2:
        return None
    return Addition(node, taker, *values)


def _taker(layers: Layers, module: nn.Module, node: fx.Node) -> fx.Node | None:
    if node.op == "call_function" and node.target in _OPERATORS:
        return node
    if node.op == "call_method" and name_of(node) in _METHODS:
        return node
    if name_of(node) in _REDUCING:
        return _stack(node)
    layer = called(module, node)
    return node if layer is not None and len(node.all_input_nodes) == 2 and _only_adds(layers, layer) else None


def _stack(node: fx.Node) -> fx.Node | None:
    """The stack of tensors, along a new first axis, that a node sums up."""
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis"))
    stack = node.args[0] if node.args else None
    if axis not in (0, (0,), [0]) or not isinstance(stack, fx.Node) or name_of(stack) != "stack":
        return None
    along = stack.args[1] if len(stack.args) > 1 else stack.kwargs.get("dim", 0)
    return stack if along == 0 and len(stack.users) == 1 else None


def _only_adds(layers: Layers, layer: nn.Module) -> bool:
    """Whether a module without weights adds what it is given, and does nothing else but activate or drop."""
    if n_weights(layer):
        return False
    try:
        nodes = [node for node in layers.graph(layer).nodes if node.op not in ("placeholder", "output", "get_attr")]
    except Untraceable:
        return False
    sums = [node for node in nodes if addition_at(layers, layer, node)]
    takes = [node for node in nodes if node.target is operator.getitem]
    others = [node for node in nodes if node not in sums and node not in takes]
    return len(sums) == 1 and all(is_active_node(layers, layer, n) or is_drop_node(layer, n) for n in others)

"""The forward of one module as a graph of torch.fx, its children as single calls."""

import inspect
import random
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from senet_nas.network.surgery.calls import Call
from senet_nas.user_code import file_of, in_training, named, place_of

_CONSTANT = "_tensor_constant"
# What to do about most of what torch.fx cannot follow.
IN_CHILD = "move that into a child module"
# What torch.fx says, and what it means for people.
_MEANINGS = {
    "used as inputs to control flow": "it decides by a value or a size of a tensor",
    "cannot be iterated": "it loops over a tensor or a size, or hands `**` arguments on",
    "'len' is not supported": "it takes the length of a tensor",
    "cannot be interpreted as an integer": "it counts with a size of a tensor",
    "received an invalid combination of arguments": "it makes a tensor of a size that depends on its input",
}


class Untraceable(Exception):
    """Why a module has no graph; the message is for people."""


class _Shallow(fx.Tracer):
    """Opens only the named children. ``extra``: whether the forward gets more arguments than it names."""

    def __init__(self, opened: Collection[str], extra: bool) -> None:
        super().__init__()
        self._opened = frozenset(opened)
        self._extra = extra

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self._opened

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        called = root_fn if self._extra else named_only(root_fn)
        return super().create_args_for_root(called, is_module, concrete_args)


def traced(module: nn.Module, opened: Collection[str], call: Call) -> fx.Graph:
    """The graph of a module's forward in its mode; children named in ``opened`` are part of it.

    Arguments that are constants of ``call`` have these values. Raises Untraceable.
    """
    had = set(vars(module))
    try:
        with _without_chance():
            graph = _Shallow(opened, call.extra).trace(module, dict(call.constants))
    except Untraceable:
        raise
    except Exception as error:  # torch.fx calls the user's code, which may throw anything
        raise Untraceable(f"its forward cannot be traced: {_reason(module, call, error)}") from error
    made = [name for name in vars(module) if name.startswith(_CONSTANT) and name not in had]
    for name in made:
        delattr(module, name)
    if made:
        raise Untraceable(f"its forward makes a tensor; {IN_CHILD}, or register it as a buffer")
    _without_checks(graph, call.constants)
    _in_place_joined(graph)
    return graph


def check_modes(module: nn.Module, opened: Collection[str], call: Call, graph: fx.Graph) -> None:
    """Raises Untraceable if a module in evaluation mode computes something else in training than this graph says."""
    try:
        training = traced(in_training(module), opened, call)
    finally:
        module.eval()
    if graph.python_code("self").src != training.python_code("self").src:
        raise Untraceable(f"its forward is another one in training; {IN_CHILD}")


def named_only(forward: FunctionType) -> FunctionType:
    """A function with the arguments that a forward names, without its ``*args`` and ``**words``, which are empty."""
    parameters = list(inspect.signature(forward).parameters.values())
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if not any(parameter.kind in free for parameter in parameters):
        return forward
    words = [parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    names = [parameter.name for parameter in parameters if parameter.kind not in free and parameter.name not in words]
    taken = ", ".join([*names, *(["*", *words] if words else [])])
    given = ", ".join([*names, *(f"{word}={word}" for word in words)])
    space: dict[str, Any] = {"forward": forward}
    exec(f"def named_only({taken}):\n    return forward({given})", space)
    made: FunctionType = space["named_only"]
    made.__defaults__ = forward.__defaults__
    made.__kwdefaults__ = forward.__kwdefaults__
    return made


# -- inside -----------------------------------------------------------------------------------------------------------


def _reason(module: nn.Module, call: Call, error: Exception) -> str:
    """What in a forward torch.fx cannot follow, with its line, and what to do."""
    where = place_of(error, [file_of(type(module).forward)])
    for told, means in _MEANINGS.items():
        if told in str(error):
            return f"{means}{where}; {IN_CHILD}"
    if call.lists:
        return f"its argument `{call.lists[0]}` is a list{where}; name modules inside of it in model.sites"
    return f"{named(error)}{where}"


@contextmanager
def _without_chance() -> Iterator[None]:
    """Raises Untraceable if random numbers are drawn: a graph would hold those of one call. The generators are kept."""
    before = _drawn_so_far()
    with torch.random.fork_rng(devices=[]):
        yield
        if _drawn_so_far() != before:
            raise Untraceable(f"its forward draws random numbers; {IN_CHILD}")


def _drawn_so_far() -> tuple[object, ...]:
    """The states of the generators of torch, numpy and Python."""
    _, words, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), np.asarray(words).tobytes(), rest, random.getstate()


def _without_checks(graph: fx.Graph, constants: Mapping[str, object]) -> None:
    """Gives constant arguments their names again, and removes the checks of them that torch.fx adds.

    That of a flag stays: it may be another one in training.
    """
    for node in [node for node in graph.nodes if node.op == "placeholder"]:
        name = str(node.target).rpartition("_")[0]
        if name not in constants:
            continue
        node.target = name
        if not isinstance(constants[name], bool):
            for check in [*(user for first in node.users for user in first.users), *node.users]:
                graph.erase_node(check)


def _in_place_joined(graph: fx.Graph) -> None:
    """Gives those that read a tensor after a method changed it in place, ``y.add_(x)``, what the method returns."""
    order = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        is_in_place = (
            node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__")
        )
        changed = node.args[0] if is_in_place and node.args else None
        if isinstance(changed, fx.Node):
            for user in [user for user in changed.users if order[user] > order[node]]:
                user.replace_input_with(changed, node)

"""The method ``forward`` of one container as Python source: a statement for each operation that torch.fx finds."""

import ast
import inspect
import itertools
import operator
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from senet_nas.network.squeeze_excitation import Slot, Squeeze
from senet_nas.network.squeezes import SQUEEZES
from senet_nas.network.surgery.tracing import named_only

_SYMBOLS = {
    operator.add: "+",
    operator.iadd: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.matmul: "@",
}
# What a check of an input computes, which is left out with the check.
_ASKING = (operator.eq, operator.ne, operator.ge, operator.gt, operator.le, operator.lt, getattr)
_CHECKS = ("_assert", "_assert_is_none")
# Types of an argument that has one value in all calls: its default.
_CONSTANT = (type(None), bool, int, float, str)


class _OneLevel(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, _path: str) -> bool:
        return not isinstance(m, Slot)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        return super().create_args_for_root(named_only(root_fn), is_module, concrete_args)


def forward(module: nn.Module) -> str:
    """The method ``forward``: one statement for each operation, or its own source where torch.fx cannot trace it."""
    if isinstance(module, Squeeze) and not SQUEEZES[module.name].traceable:
        return _as_written(SQUEEZES[module.name].function)
    graph = _graph(module)
    names = _variables(graph)
    inputs = [names[node] for node in graph.nodes if node.op == "placeholder"]
    lines = [_statement(node, names) for node in graph.nodes if node.op != "placeholder"]
    head = f"    def forward({', '.join(['self', *inputs])}):"
    return "\n".join([head, *(f"        {line}" for line in _merge(lines))])


def _graph(module: nn.Module) -> fx.Graph:
    """The operations of a module whose optional arguments have their defaults, without checks of the inputs."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    given = {p.name: p.default for p in parameters[1:] if p.default is not p.empty and isinstance(p.default, _CONSTANT)}
    graph = _OneLevel().trace(module, given)
    for node in reversed(list(graph.nodes)):
        is_check = node.op == "call_function" and getattr(node.target, "__name__", "") in _CHECKS
        is_asking = node.op == "call_function" and node.target in _ASKING
        is_optional = node.op == "placeholder" and bool(node.args)
        if is_check or ((is_asking or is_optional) and not node.users):
            graph.erase_node(node)
    return graph


def _statement(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    if node.op == "output":
        return f"return {_text(node.args[0], names)}"
    return f"{names[node]} = {_operation(node, names)}"


def _as_written(function: Callable[..., Any]) -> str:
    """A function of x that uses only builtins and its own names, as the method ``forward``; without its docstring."""
    (written,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(written, ast.FunctionDef)
    lines = "\n".join(ast.unparse(statement) for statement in written.body[1:])
    return "    def forward(self, x):\n" + textwrap.indent(lines, " " * 8)


def _variables(graph: fx.Graph) -> dict[fx.Node, str]:
    """A variable for each node: that of its first input if no later node uses it, else a new letter."""
    last_use = {value: node for node in graph.nodes for value in node.all_input_nodes}
    fresh = itertools.chain("xyzuvwabcdefgh", (f"t{number}" for number in itertools.count()))
    names: dict[fx.Node, str] = {}
    for node in graph.nodes:
        spent = [names[value] for value in node.all_input_nodes[:1] if last_use[value] is node]
        names[node] = spent[0] if spent else next(fresh)
    return names


def _merge(lines: list[str]) -> list[str]:
    """``y = f(y)`` and ``return y`` as ``return f(y)``."""
    *before, last = lines
    variable, _, value = before[-1].partition(" = ") if before else ("", "", "")
    if last != f"return {variable}":
        return lines
    return [*before[:-1], f"return {value}"]


def _operation(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    """The source of a node's operation."""
    values = [_text(value, names) for value in node.args]
    words = [f"{word}={_text(value, names)}" for word, value in node.kwargs.items()]
    if node.op == "get_attr":
        return _member(str(node.target))
    if node.op == "call_module":
        return f"{_member(str(node.target))}({', '.join([*values, *words])})"
    if node.op == "call_method":
        return f"{values[0]}.{node.target}({', '.join([*values[1:], *words])})"
    assert node.op == "call_function", f"cannot write {node.format_node()}"
    return _call(node, values, words, names)


def _call(node: fx.Node, values: list[str], words: list[str], names: Mapping[fx.Node, str]) -> str:
    """The source of a call of a function: an operator, an attribute, an index, or a public function."""
    if node.target in _SYMBOLS:
        return f"{values[0]} {_SYMBOLS[node.target]} {values[1]}"
    if node.target is getattr:
        return f"{values[0]}.{node.args[1]}"
    if node.target is operator.getitem:
        return f"{values[0]}[{_index(node.args[1], names)}]"
    return f"{_function(node.target)}({', '.join([*values, *words])})"


def _member(target: str) -> str:
    """``self.block[0].conv`` for the path ``block.0.conv``; a number that is a name of a child is no attribute."""
    first, *parts = target.split(".")
    start = f'self.get_submodule("{first}")' if first.isdigit() else f"self.{first}"
    return start + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)


def _function(target: Any) -> str:
    """The public name of a function: in torch, or in torch.nn.functional as F. Raises AssertionError without one."""
    name = target.__name__
    for prefix, home in (("torch", torch), ("F", nn.functional)):
        if getattr(home, name, None) is target:
            return f"{prefix}.{name}"
    raise AssertionError(f"no public name for {target}")


def _index(value: Any, names: Mapping[fx.Node, str]) -> str:
    if isinstance(value, tuple):
        return ", ".join(_index(item, names) for item in value)
    if isinstance(value, slice):
        ends = [value.start, value.stop] if value.step is None else [value.start, value.stop, value.step]
        return ":".join("" if end is None else _text(end, names) for end in ends)
    return _text(value, names)


def _text(value: Any, names: Mapping[fx.Node, str]) -> str:
    if isinstance(value, fx.Node):
        return names[value]
    if isinstance(value, tuple | list):
        items = ", ".join(_text(item, names) for item in value)
        if isinstance(value, list):
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"
    return repr(value)

"""How the modules of a network are called: torch.fx must know which arguments are tensors and which are None."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from senet_nas.network.surgery import meta_run

_FREE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PLAIN = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Call:
    """The arguments that a module gets, by name.

    ``constants``: the values of those that are no tensors. ``same``: of those that are the same tensor as an earlier
    one, this one. ``lists``: those that are lists, tuples or dicts. ``extra``: whether there are more than its
    ``forward`` names. ``is_single``: whether it gets one tensor and nothing else.
    """

    constants: Mapping[str, object] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    extra: bool = False
    is_single: bool = True


@dataclass(frozen=True)
class Calls:
    """``given``: the call of each module, None if two calls differ. ``inner``: the modules that its forward called."""

    given: dict[nn.Module, Call | None] = field(default_factory=dict)
    inner: dict[nn.Module, set[nn.Module]] = field(default_factory=dict)


def calls_of(shadow: nn.Module, modules: Iterable[nn.Module], in_channels: int) -> Calls:
    """How modules are called, from a run on the meta device."""
    found = Calls()
    wanted = set(modules)
    for shape in meta_run.shapes(shadow, in_channels):
        found = Calls()
        handles = list(_noting(shadow, wanted, found))
        problem = meta_run.error(shadow, shape)
        for handle in handles:
            handle.remove()
        if problem is None or wanted <= found.given.keys():
            break
    return found


def _noting(shadow: nn.Module, wanted: set[nn.Module], found: Calls) -> Iterator[RemovableHandle]:
    """Hooks that note every call."""
    running: list[tuple[nn.Module, set[nn.Module]]] = []

    def begin(module: nn.Module, args: tuple[Any, ...], words: dict[str, Any]) -> None:
        if running:
            running[-1][1].add(module)
        running.append((module, set()))
        if module in wanted:
            call = _call(module, args, words)
            found.given[module] = call if found.given.get(module, call) == call else None

    def end(module: nn.Module, _args: tuple[Any, ...], _result: Any) -> None:
        caller, called = running.pop()
        while caller is not module:  # it ended by an exception that its caller caught
            caller, called = running.pop()
        found.inner.setdefault(module, set()).update(called)

    for module in shadow.modules():
        yield module.register_forward_pre_hook(begin, with_kwargs=True)
        yield module.register_forward_hook(end)


def _call(module: nn.Module, args: tuple[Any, ...], words: dict[str, Any]) -> Call:
    signature = inspect.signature(module.forward)
    bound = signature.bind(*args, **words)
    bound.apply_defaults()
    free = {name for name, parameter in signature.parameters.items() if parameter.kind in _FREE}
    named = {name: value for name, value in bound.arguments.items() if name not in free}
    return Call(
        {name: value for name, value in named.items() if isinstance(value, _PLAIN)},
        dict(_same(named)),
        tuple(name for name, value in named.items() if isinstance(value, list | tuple | dict)),
        any(bound.arguments[name] for name in free),
        len(args) == 1 and not words and isinstance(args[0], Tensor),
    )


def _same(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of tensors that were given before, each with the first name of the tensor."""
    first: dict[int, str] = {}
    for name, value in arguments.items():
        if isinstance(value, Tensor):
            if id(value) in first:
                yield name, first[id(value)]
            first.setdefault(id(value), name)

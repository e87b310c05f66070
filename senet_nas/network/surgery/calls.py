"""How the modules of a network are called: torch.fx must know which arguments are tensors and which are None."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from senet_nas.network.surgery import meta_run

# The values of the arguments of a call that are no tensors, by name.
Constants = Mapping[str, object]
_PLAIN = (type(None), bool, int, float, str)


def constants(shadow: nn.Module, modules: Iterable[nn.Module], in_channels: int) -> dict[nn.Module, Constants | None]:
    """The constant arguments of each module, from a run on the meta device; None if two calls have others."""
    seen: dict[nn.Module, Constants | None] = {}
    wanted = set(modules)
    handles = [module.register_forward_pre_hook(_noting(seen), with_kwargs=True) for module in wanted]
    for shape in meta_run.shapes(shadow, in_channels):
        seen.clear()
        if meta_run.error(shadow, shape) is None or wanted <= seen.keys():
            break
    for handle in handles:
        handle.remove()
    return seen


def _noting(seen: dict[nn.Module, Constants | None]) -> Any:
    def note(module: nn.Module, args: tuple[Any, ...], words: dict[str, Any]) -> None:
        found = _constants(module, args, words)
        seen[module] = found if seen.get(module, found) == found else None

    return note


def _constants(module: nn.Module, args: tuple[Any, ...], words: dict[str, Any]) -> Constants:
    bound = inspect.signature(module.forward).bind(*args, **words)
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if isinstance(value, _PLAIN)}

"""A network of the user's own: a function that returns it, and the modules whose output SE may scale.

Its name suffices to build it again: ``package.module:function``. If its units own no slots, ``@`` and patterns of
module paths follow: ``mine.nets:small@features.*.block``. In a pattern ``*`` is one name of a path, ``**`` any number.
"""

import copy
import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from senet_nas import user_code
from senet_nas.network.backbones.table import KEY
from senet_nas.network.squeeze_excitation import Slot, add_output
from spaces.errors import UserError, nearest

SITES = "model.sites"
# Sides of the inputs that find the channels. Channels do not depend on the side, but a small input may not pass.
_SIDES = (64, 224, 299)
_SHOWN = 12


def network(name: str, *, in_channels: int, num_classes: int, seed: int = 0) -> nn.Module:
    """The network as its function makes it, on the CPU, with slots and ``stages``. Raises UserError.

    The function is called with those of ``in_channels`` and ``num_classes`` that it takes, under a generator seeded by
    ``seed``: weights that it draws differ from block to block, weights that it loads do not.
    """
    target, _, patterns = name.partition("@")
    make = _function(target)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = _made(target, make, _wanted(target, make, in_channels, num_classes))
    if not isinstance(made, nn.Module):
        raise UserError(f"{target} returned {type(made).__name__}, not a torch.nn.Module", key=KEY)
    if patterns:
        _offer_outputs(made, list(_matching(made, patterns.split(","))), in_channels)
    elif not hasattr(made, "stages"):
        vars(made)["stages"] = _stages(made, _owners(made))
    return made


# -- the function -----------------------------------------------------------------------------------------------------


def _function(target: str) -> Callable[..., Any]:
    user_code.look_in(Path.cwd())
    hint = "write package.module:function; looked beside the config, in this folder and the installed packages"
    return user_code.function(target, key=KEY, hint=hint)


def _made(target: str, make: Callable[..., Any], wanted: Mapping[str, int]) -> Any:
    try:
        return make(**wanted)
    except Exception as error:  # the user's code may throw anything
        given = ", ".join(f"{name}={value}" for name, value in wanted.items())
        raise UserError(user_code.thrown(target, make, error), hint=f"it was called with ({given})", key=KEY) from error


def _wanted(target: str, make: Callable[..., Any], in_channels: int, num_classes: int) -> dict[str, int]:
    """The arguments that the function takes. Raises UserError if it needs others."""
    given = {"in_channels": in_channels, "num_classes": num_classes}
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # a function written in C may have no signature
        return given
    free = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in free and p.name not in given]
    if needed:
        names = ", ".join(f"`{name}`" for name in needed)
        raise UserError(
            f"{target} needs {names}, but is called with in_channels and num_classes only",
            hint=f"give {names} a default value",
            key=KEY,
        )
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return given
    return {key: value for key, value in given.items() if key in {parameter.name for parameter in parameters}}


# -- units ------------------------------------------------------------------------------------------------------------


def _owners(made: nn.Module) -> list[str]:
    """Paths of the modules that own slots. Raises UserError if no module does."""
    found = [path for path, module in made.named_modules() if any(isinstance(c, Slot) for c in module.children())]
    if not found:
        raise UserError(
            f"{type(made).__name__} has no slots, so the places for SE are unknown",
            hint="name the modules whose output SE may scale, for example `sites: ['features.*.block']`",
            key=SITES,
        )
    return found


def _matching(made: nn.Module, patterns: Sequence[str]) -> Iterator[str]:
    """Paths of the modules that match a pattern, in the order of the network.

    Raises UserError for a pattern without a match.
    """
    paths = [path for path, _ in made.named_modules() if path]
    wanted = [_compiled(pattern) for pattern in patterns]
    for pattern, regex in zip(patterns, wanted, strict=True):
        if not any(regex.fullmatch(path) for path in paths):
            guess = nearest(pattern, paths)
            more = ", ..." if len(paths) > _SHOWN else ""
            raise UserError(
                f"no module matches `{pattern}`; there are {', '.join(paths[:_SHOWN])}{more}",
                hint=f"did you mean `{guess}`?" if guess else "`*` is one name of a path, `**` any number",
                key=SITES,
            )
    yield from (path for path in paths if any(regex.fullmatch(path) for regex in wanted))


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"**": ".+", "*": "[^.]+"}
    return re.compile("".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*?)", pattern)))


def _offer_outputs(made: nn.Module, paths: Sequence[str], in_channels: int) -> None:
    """Gives each module a slot on its output, and the network its stages."""
    for path, channels in zip(paths, _channels(made, paths, in_channels), strict=True):
        add_output(made.get_submodule(path), channels)
    vars(made)["stages"] = _stages(made, paths)


def _stages(made: nn.Module, paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """A stage is a run of units with the same widths."""

    def widths(path: str) -> list[tuple[str, int]]:
        children = made.get_submodule(path).named_children()
        return [(name, slot.channels) for name, slot in children if isinstance(slot, Slot)]

    return tuple(tuple(run) for _, run in itertools.groupby(paths, key=widths))


def _channels(made: nn.Module, paths: Sequence[str], in_channels: int) -> list[int]:
    """Channels of each module's output, from a run on the meta device. Raises UserError."""
    shadow = copy.deepcopy(made).to("meta").eval()
    first = next((layer for layer in shadow.modules() if isinstance(layer, _ConvNd)), None)
    dimensions = len(first.kernel_size) if first is not None else 2
    seen: dict[str, Any] = {}
    for path in paths:
        shadow.get_submodule(path).register_forward_hook(lambda _m, _i, out, path=path: seen.__setitem__(path, out))
    _run(shadow, first.in_channels if first is not None else in_channels, dimensions)
    for path in paths:
        if not isinstance(seen.get(path), torch.Tensor) or seen[path].ndim < 3:
            what = "is not called" if path not in seen else "does not return one tensor (N, C, ...)"
            raise UserError(f"`{path}` {what}, so SE cannot act on its output", hint="name other modules", key=SITES)
    return [int(seen[path].shape[1]) for path in paths]


def _run(shadow: nn.Module, channels: int, dimensions: int) -> None:
    problem = ""
    for side in _SIDES:
        try:
            with torch.no_grad():
                shadow(torch.empty(1, channels, *[side] * dimensions, device="meta"))
        except Exception as error:  # the user's code may throw anything
            problem = f"{type(error).__name__}: {error}"
        else:
            return
    raise UserError(f"the network cannot be run to find its channels: {problem.splitlines()[0]}", key=KEY)

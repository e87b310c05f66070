"""A network of the user's own: a function that returns it, and the units that can take SE.

Its name suffices to build it again: ``package.module:function``. Its units are found in it, unless they own slots, or
``@`` and patterns of module paths follow: ``mine.nets:small@features.*.block``. In a pattern ``*`` is one name of a
path, ``**`` any number.
"""

import copy
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from senet_nas import user_code
from senet_nas.network.backbones import own_sites, timm_networks
from senet_nas.network.backbones.table import KEY, is_timm
from spaces.errors import UserError


def network(name: str, *, in_channels: int, num_classes: int, seed: int = 0) -> nn.Module:
    """The network as its function makes it, on the CPU, with slots and noted stages. Raises UserError.

    The function is called with those of ``in_channels`` and ``num_classes`` that it takes, under generators seeded by
    ``seed``: weights that it draws differ from block to block, weights that it loads do not. The network is a copy, so
    a function may return the same module again.
    """
    patterns = name.partition("@")[2]
    made = as_returned(name, in_channels=in_channels, num_classes=num_classes, seed=seed)
    if patterns:
        own_sites.offer_outputs(made, patterns.split(","), in_channels)
    else:
        own_sites.find(made, in_channels)
    return made


def as_returned(name: str, *, in_channels: int, num_classes: int, seed: int = 0) -> nn.Module:
    """A copy of the network as its function makes it, without slots. Raises UserError."""
    target = name.partition("@")[0]
    dtype = torch.get_default_dtype()
    make = function(name)
    with seeded(seed):
        made = _made(target, make, _wanted(target, make, in_channels, num_classes))
    _check_dtype(target, dtype)
    return _checked(target, made)


def function(name: str) -> Callable[..., Any]:
    """The function that the name of a network of the user's, or of timm's, means. Raises UserError."""
    target = name.partition("@")[0]
    if is_timm(target):
        return timm_networks.maker(target)
    user_code.look_in(Path.cwd())
    hint = "write package.module:function; looked beside the config, in this folder and the installed packages"
    found = user_code.function(target, key=KEY, hint=hint)
    if isinstance(found, nn.Module):
        hint = "name a function, or a class, that returns the network when it is called"
        raise UserError(f"{target} is a module, not a function that returns one", hint=hint, key=KEY)
    return found


def check_repeats(name: str, *, in_channels: int, num_classes: int) -> None:
    """Raises UserError if the function returns other layers or other shapes when it is called again."""
    first, again = (_layers(network(name, in_channels=in_channels, num_classes=num_classes, seed=n)) for n in range(2))
    for path in {**first, **again}:
        was = first.get(path, "missing")
        then = again.get(path, "missing")
        if was != then:
            raise UserError(
                f"{name.partition('@')[0]} returns another network at each call: `{path}` is {was}, then {then}",
                hint="return the same layers at each call: each training and each count of costs builds the network",
                key=KEY,
            )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The generators of torch, numpy and Python under a seed; afterwards they are as before."""
    kept = random.getstate()
    kept_numpy = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)


# -- the function -----------------------------------------------------------------------------------------------------


def _made(target: str, make: Callable[..., Any], wanted: Mapping[str, int]) -> Any:
    try:
        with user_code.staying():
            return make(**wanted)
    except (Exception, SystemExit) as error:  # the user's code may throw anything
        given = ", ".join(f"{name}={value}" for name, value in wanted.items())
        raise UserError(user_code.thrown(target, make, error), hint=f"it was called with ({given})", key=KEY) from error


def _check_dtype(target: str, before: torch.dtype) -> None:
    """Raises UserError if torch's default is not float32, in which we train; ``before`` was it before the import."""
    now = torch.get_default_dtype()
    if now is torch.float32:
        return
    name = str(now).removeprefix("torch.")
    by = "torch's default dtype is" if now is before else f"the module of {target} changes torch's default dtype to"
    hint = "leave out torch.set_default_dtype, in what the module imports too"
    raise UserError(f"{by} {name}, but networks are trained in float32", hint=hint, key=KEY)


def _layers(network: nn.Module) -> dict[str, str]:
    """The shape of each tensor in the state of a network, and the type of each module, by path."""
    types = {path: type(module).__qualname__ for path, module in network.named_modules()}
    return {**types, **{path: str(tuple(tensor.shape)) for path, tensor in network.state_dict().items()}}


def _checked(target: str, made: Any) -> nn.Module:
    """A copy of what the function returned, on the CPU. Raises UserError if it is no network that can be searched."""
    if not isinstance(made, nn.Module):
        raise UserError(f"{target} returned {type(made).__name__}, not a torch.nn.Module", key=KEY)
    # What torch.compile returns has no public name.
    if isinstance(made, torch.jit.ScriptModule | torch._dynamo.OptimizedModule):
        hint = "return the network before torch.jit or torch.compile: every placement is another network"
        raise UserError(f"{target} returned a compiled network ({type(made).__name__})", hint=hint, key=KEY)
    scripted = [path for path, module in made.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if scripted:
        raise UserError(f"{target}: `{scripted[0]}` is a TorchScript module", hint="use the Python module", key=KEY)
    for path, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if is_lazy(tensor):
            hint = "give the layer its number of inputs, or run the network once before you return it"
            raise UserError(f"{target}: `{path}` has no shape yet (a lazy layer)", hint=hint, key=KEY)
        if tensor.is_meta:
            hint = "build the network outside of torch.device('meta')"
            raise UserError(f"{target}: `{path}` has no values (it is on the meta device)", hint=hint, key=KEY)
    try:
        return copy.deepcopy(made).cpu()
    except Exception as error:  # a module may hold anything
        problem = user_code.placed(error)
        hint = (
            "keep only modules, parameters and plain values in it; use torch.nn.utils.parametrizations for weight_norm"
        )
        raise UserError(f"{target} returned a network that cannot be copied: {problem}", hint=hint, key=KEY) from error


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

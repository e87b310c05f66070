"""The places for SE in a network of the user's own: modules that patterns name, or units that own slots."""

import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from senet_nas import user_code
from senet_nas.network.backbones.table import KEY
from senet_nas.network.squeeze_excitation import Slot, add_output
from senet_nas.network.stages import declared, with_stages
from spaces.errors import UserError, nearest
from spaces.text import plural

SITES = "model.sites"
META_HINT = "this run has no values (torch's meta device): make tensors on the input's device, do not look at values"
# Usual sides of inputs, tried in order to find the channels. These do not depend on the side, but a network may be made
# for one side, or for a large one.
_SIDES = (64, 224, 299, 32, 28, 96, 128, 256)
_SHOWN = 12


def offer_outputs(made: nn.Module, patterns: Sequence[str], in_channels: int) -> None:
    """Gives each module that a pattern names a slot on its output, and notes the stages. Raises UserError."""
    paths = list(_matching(made, patterns))
    for path, channels in zip(paths, _channels(made, paths, in_channels), strict=True):
        add_output(made.get_submodule(path), channels)
    with_stages(made, _stages(made, paths))


def keep_own_slots(made: nn.Module) -> None:
    """Notes the stages of a network whose units own slots: those that it declares, else by width. Raises UserError."""
    owners = _owners(made)
    stages = declared(made)
    units = {path for stage in stages or () for path in _units(made, stage)}
    if stages is None or not set(owners) <= units:
        stages = _stages(made, owners)
    with_stages(made, stages)


# -- units ------------------------------------------------------------------------------------------------------------


def _units(made: nn.Module, stage: str | tuple[str, ...]) -> list[str]:
    """The paths of the units of a declared stage; none if it names no module."""
    modules = dict(made.named_modules())
    if isinstance(stage, tuple):
        return [path for path in stage if path in modules]
    return [f"{stage}.{name}" for name, _ in modules[stage].named_children()] if stage in modules else []


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


def _stages(made: nn.Module, paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """A stage is a run of units with the same widths."""

    def widths(path: str) -> list[int]:
        return [child.channels for child in made.get_submodule(path).children() if isinstance(child, Slot)]

    return tuple(tuple(run) for _, run in itertools.groupby(paths, key=widths))


# -- channels ---------------------------------------------------------------------------------------------------------


class _Seen:
    """What passed through a module while the network ran: how often, and whether it was one tensor in and one out."""

    def __init__(self) -> None:
        self.calls = 0
        self.channels = 0
        self.fault = ""

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], words: Mapping[str, Any], out: Any) -> None:
        self.calls += 1
        if len(args) != 1 or words or not isinstance(args[0], torch.Tensor):
            self.fault = "does not take exactly one tensor"
        elif not isinstance(out, torch.Tensor) or out.ndim < 3:
            self.fault = "does not return one tensor (N, C, ...)"
        else:
            self.channels = int(out.shape[1])


def _channels(made: nn.Module, paths: Sequence[str], in_channels: int) -> list[int]:
    """Channels of each module's output, from a run on the meta device. Raises UserError."""
    shadow = copy.deepcopy(made).to("meta").eval()
    first = next((layer for layer in shadow.modules() if isinstance(layer, _ConvNd)), None)
    dimensions = len(first.kernel_size) if first is not None else 2
    seen = {path: _Seen() for path in paths}
    for path in paths:
        shadow.get_submodule(path).register_forward_hook(seen[path], with_kwargs=True)
    channels = first.in_channels if first is not None else in_channels
    shapes = [(1, channels, *[side] * dimensions) for side in _SIDES]
    if not _reaches(shadow, shapes, seen):
        raise _explained(made, shadow, shapes)
    for path in paths:
        if fault := _fault(made.get_submodule(path), seen[path]):
            raise UserError(f"`{path}` {fault}, so SE cannot act on its output", hint="name other modules", key=SITES)
    return [seen[path].channels for path in paths]


def _fault(module: nn.Module, seen: _Seen) -> str:
    """Why a module cannot be a site; empty if it can."""
    if "forward" in vars(module):
        return "has a `forward` of its own that replaces that of its class"
    if not seen.calls:
        return "is not called"
    if not seen.fault and seen.calls > 1:
        return f"is called {plural(seen.calls, 'time')} in a forward pass"
    return seen.fault


def _reaches(shadow: nn.Module, shapes: Sequence[tuple[int, ...]], seen: Mapping[str, _Seen]) -> bool:
    """Whether a run on one of the shapes passes, or fails behind the last site as a layer for one size does.

    A network that cannot run at all is refused when it is tried on the data.
    """
    for shape in shapes:
        for found in seen.values():
            found.calls = 0
        if _error(shadow, shape, "meta") is None or all(found.calls for found in seen.values()):
            return True
    return False


def _explained(made: nn.Module, shadow: nn.Module, shapes: Sequence[tuple[int, ...]]) -> UserError:
    """Why a network does not run on the meta device: the error of a run with zeros, or that it runs with values only.

    A message of the meta device may speak of it instead of the mistake, so the network runs once more on the CPU.
    """
    real = copy.deepcopy(made).eval()
    problems: list[BaseException] = []
    for shape in shapes:
        problem = _error(real, shape, "cpu")
        if problem is None:
            values_wanted = _error(shadow, shape, "meta")
            assert values_wanted is not None, "this shape failed before"
            return _not_run(made, values_wanted, META_HINT)
        if problems and user_code.named(problem) == user_code.named(problems[0]):
            break  # the mistake does not depend on the size
        problems.append(problem)
    return _not_run(made, problems[0], f"it was called with a tensor {shapes[0]}")


def _not_run(made: nn.Module, problem: BaseException, hint: str) -> UserError:
    why = user_code.placed(problem, [user_code.file_of(type(made).forward)])
    return UserError(f"the network cannot be run to find its channels: {why}", hint=hint, key=KEY)


def _error(network: nn.Module, shape: tuple[int, ...], device: str) -> BaseException | None:
    """What a forward pass on zeros raises; None if it passes."""
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network(torch.zeros(shape, device=device))
    except (Exception, SystemExit) as error:  # the user's code may throw anything
        return error
    return None

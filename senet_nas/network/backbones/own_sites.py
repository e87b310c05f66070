"""The places for SE in a network of the user's own: modules that patterns name, units with slots, or units found."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from senet_nas.network.squeeze_excitation import Slot, add_output
from senet_nas.network.stages import declared, with_stages
from senet_nas.network.surgery import meta_run
from senet_nas.network.surgery.find import offer_units
from spaces.errors import UserError, nearest
from spaces.text import plural

SITES = "model.sites"
_SHOWN = 12


def offer_outputs(made: nn.Module, patterns: Sequence[str], in_channels: int) -> None:
    """Gives each module that a pattern names a slot on its output, and notes the stages. Raises UserError."""
    paths = list(_matching(made, patterns))
    for path, channels in zip(paths, _channels(made, paths, in_channels), strict=True):
        add_output(made.get_submodule(path), channels)
    with_stages(made, _stages(made, paths))


def find(made: nn.Module, in_channels: int) -> None:
    """Notes the stages of a network: of units that own slots, else of those found in it. Raises UserError."""
    if owners := _owners(made):
        _keep_own_slots(made, owners)
        return
    found = offer_units(made, in_channels)
    if not found.n_units:
        why = next((f" (`{path or type(made).__name__}`: {why})" for path, why in found.skipped.items()), "")
        raise UserError(
            f"no unit for SE was found in {type(made).__name__}{why}",
            hint="name the modules whose output SE may scale, for example `sites: ['features.*.block']`",
            key=SITES,
        )


def _keep_own_slots(made: nn.Module, owners: Sequence[str]) -> None:
    """Notes the stages of a network whose units own slots: those that it declares, else by width."""
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
    """Paths of the modules that own slots."""
    return [path for path, module in made.named_modules() if any(isinstance(c, Slot) for c in module.children())]


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
    shadow = meta_run.shadow_of(made)
    seen = {path: _Seen() for path in paths}
    for path in paths:
        shadow.get_submodule(path).register_forward_hook(seen[path], with_kwargs=True)
    shapes = list(meta_run.shapes(shadow, in_channels))
    if not _reaches(shadow, shapes, seen):
        raise meta_run.explained(made, shadow, shapes)
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
        if meta_run.error(shadow, shape) is None or all(found.calls for found in seen.values()):
            return True
    return False

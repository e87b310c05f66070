"""The units of a network, found in the network itself, each with a slot at every position that it offers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from senet_nas.network.stages import with_stages
from senet_nas.network.surgery.analysis import Analysis, analyse
from senet_nas.network.surgery.as_published import note_published

# Analyses of networks that were built in this process: each training builds one, alike.
_MOST_KNOWN = 8
_known: dict[tuple[object, ...], Analysis] = {}
_PLAIN = (type(None), bool, int, float, str, tuple, list, dict, set, frozenset)


@dataclass(frozen=True)
class Found:
    """What was found: ``skipped`` says of parts of the network, by path, why SE cannot act there."""

    n_units: int
    skipped: Mapping[str, str]


def offer_units(made: nn.Module, in_channels: int) -> Found:
    """Puts the slots of all units into a network, in place, and notes its stages. Raises UserError if it cannot be run.

    Channel attention that a block of ours can stand for is taken out of the units and noted. But for that the network
    computes the same as before, and parameters keep their names.
    """
    key = (in_channels, *_built(made))
    if key not in _known:
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[key] = analyse(made, in_channels)
    analysis = _known[key]
    analysis.apply(made)
    with_stages(made, analysis.stages)
    note_published(made, analysis.published)
    return Found(sum(len(stage) for stage in analysis.stages), analysis.missed)


def _built(made: nn.Module) -> Iterator[object]:
    """How a network is built: the class, the settings and the shapes of each module, by path. Without its weights."""
    for path, module in made.named_modules(remove_duplicate=False):
        settings = {name: value for name, value in vars(module).items() if isinstance(value, _PLAIN)}
        for name in ("_parameters", "_buffers", "_modules", "training"):
            settings.pop(name, None)
        tensors = [(name, tuple(value.shape)) for name, value in module.named_parameters(recurse=False)]
        yield path, type(module), repr(settings), tuple(tensors)

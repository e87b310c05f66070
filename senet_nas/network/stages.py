"""The stages of a network: which units it has, in which order. Noted, so that a child ``stages`` is left alone."""

from torch import nn

# For each stage a module whose children are the units, or the paths of the units.
Stages = tuple[str | tuple[str, ...], ...]
_NOTE = "_senet_search_stages"


def with_stages(network: nn.Module, stages: Stages) -> nn.Module:
    """The network itself, with its stages noted. The note stays with copies of the network."""
    vars(network)[_NOTE] = stages
    return network


def stages_of(network: nn.Module) -> Stages:
    """The stages that were noted; of our own networks, and of networks that say it themselves, ``stages``."""
    noted: Stages | None = vars(network).get(_NOTE)
    return declared(network) or () if noted is None else noted


def declared(network: nn.Module) -> Stages | None:
    """The ``stages`` of a network that name its units; None if it has none, or something else under this name."""
    found = getattr(network, "stages", None)
    if not isinstance(found, tuple | list) or not found:
        return None
    return tuple(found) if all(_is_stage(stage) for stage in found) else None


def _is_stage(stage: object) -> bool:
    return isinstance(stage, str) or (isinstance(stage, tuple) and all(isinstance(path, str) for path in stage))

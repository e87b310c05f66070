"""Positions that fit the units that were found in a network, if the config names none.

What units offer is known once the network is built: inverted residuals that stride offer no ``pre_addition``, for
example, so with the usual default the space would be refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from search.config import Experiment
from search.config.fitting_defaults import IDENTITY_GATE, IDENTITY_POSITION
from senet_nas.network.backbones.table import is_own
from spaces.spec import Position, Site, SpaceSpec

_NAMED = (None, "auto")


def fitted(experiment: Experiment) -> Experiment:
    """The experiment with positions that its units offer. Raises UserError if the network cannot be built.

    The usual positions if all units offer them, else one that all offer. If there is none, the units that offer the
    most common position are the sites.
    """
    if not _is_free(experiment):
        return experiment
    from senet_nas.network import build

    return replace(experiment, space=_fit(experiment, build.sites(experiment.model.network)))


def as_begun(experiment: Experiment, begun: Experiment) -> Experiment:
    """The experiment with the positions that its run began with."""
    if not _is_free(experiment):
        return experiment
    chosen = begun.space
    space = replace(experiment.space, position=chosen.position, sites=chosen.sites, gate=chosen.gate)
    return replace(experiment, space=space)


def _is_free(experiment: Experiment) -> bool:
    """Whether the positions of units that are found in a network are left to us."""
    tree = experiment.document.tree
    space = tree.get("space") if isinstance(tree, dict) else None
    is_written = isinstance(space, dict) and "position" in space
    return is_own(experiment.model.backbone) and experiment.model.sites in _NAMED and not is_written


def _fit(experiment: Experiment, sites: Sequence[Site]) -> SpaceSpec:
    space = experiment.space
    allowed = [site for site in sites if space.sites is None or site.name in space.sites]
    allowed = [site for site in allowed if space.stages is None or site.stage in space.stages]
    if not allowed or all(name in site.channels for site in allowed for name in space.position):
        return space
    counts = {name: sum(name in site.channels for site in allowed) for site in allowed for name in site.channels}
    best = max(counts, key=lambda name: (counts[name], name == IDENTITY_POSITION))
    space = replace(space, position=(cast(Position, best),))
    if counts[best] < len(allowed):
        space = replace(space, sites=tuple(site.name for site in allowed if best in site.channels))
    is_identity = experiment.model.init != "scratch" and "gate" not in (experiment.document.tree.get("space") or {})
    return replace(space, gate=(IDENTITY_GATE,)) if is_identity and best != IDENTITY_POSITION else space
